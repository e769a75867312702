// SPDX-License-Identifier: BSD-2-Clause
/* A guest's RAM in the machine: pieces that lie wherever the machine had room, between its holes.
 * One after the other they are the host memory behind the guest, whose offsets
 * vmm/loader/memory_layout.h gives. */
#ifndef VMM_MEMORY_RAM_PIECES_H
#define VMM_MEMORY_RAM_PIECES_H

#include "vmm/base/types.h"

struct ram_piece {
    hpa_t base;          /* 2 MiB aligned */
    uint64_t size_bytes; /* a multiple of 2 MiB */
};

#define RAM_PIECES_MAX 16

struct ram_pieces {
    struct ram_piece piece[RAM_PIECES_MAX];
    size_t count;
};

/* Returns the sum of the pieces' sizes. */
uint64_t ram_pieces_bytes(const struct ram_pieces *pieces);

/* Returns the part that begins offset_bytes into the pieces: up to the end of the piece that it lies
 * in, but not more than size_bytes. Its size is 0 if the offset is behind the last piece. */
struct ram_piece ram_pieces_part(const struct ram_pieces *pieces, uint64_t offset_bytes,
                                 uint64_t size_bytes);

/* Returns the first size_bytes of the pieces, a multiple of 2 MiB; all if they have less. */
struct ram_pieces ram_pieces_first(const struct ram_pieces *pieces, uint64_t size_bytes);

#endif
