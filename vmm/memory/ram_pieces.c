// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/memory/ram_pieces.h"

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t ram_pieces_bytes(const struct ram_pieces *pieces)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < pieces->count; i++)
        sum += pieces->piece[i].size_bytes;
    return sum;
}

struct ram_piece ram_pieces_part(const struct ram_pieces *pieces, uint64_t offset_bytes,
                                 uint64_t size_bytes)
{
    for (size_t i = 0; i < pieces->count; i++) {
        const struct ram_piece *piece = &pieces->piece[i];

        if (offset_bytes < piece->size_bytes)
            return (struct ram_piece){.base = HPA(piece->base.value + offset_bytes),
                                      .size_bytes =
                                          least(piece->size_bytes - offset_bytes, size_bytes)};
        offset_bytes -= piece->size_bytes;
    }
    return (struct ram_piece){.size_bytes = 0};
}

struct ram_pieces ram_pieces_first(const struct ram_pieces *pieces, uint64_t size_bytes)
{
    struct ram_pieces first = {.count = 0};

    for (size_t i = 0; i < pieces->count && size_bytes > 0; i++) {
        first.piece[i] = pieces->piece[i];
        first.piece[i].size_bytes = least(pieces->piece[i].size_bytes, size_bytes);
        size_bytes -= first.piece[i].size_bytes;
        first.count++;
    }
    return first;
}
