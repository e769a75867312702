// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/host/symbols.h"

#include "vmm/base/types.h"

/* The content of the section .symbols, which tools/mksymbols writes: the count, the entries in
 * ascending order, and the names after them. There are no pointers, so the section needs no
 * relocation. */
struct symbol {
    uint32_t offset_bytes; /* of the function's first byte from image_begin */
    uint32_t name_offset;  /* of its name from symbols_begin */
};

struct symbol_table {
    uint32_t count;
    struct symbol symbols[];
};

/* From linker.ld. The section is empty in the first of the build's two links. */
extern const char image_begin[], text_begin[], text_end[], symbols_begin[], symbols_end[];

const char *symbol_lookup(uint64_t address, uint64_t *offset)
{
    const struct symbol_table *table = (const void *)symbols_begin;
    uint64_t offset_bytes = address - (uint64_t)image_begin;
    uint32_t low = 0, high;

    if (address < (uint64_t)text_begin || address >= (uint64_t)text_end ||
        (uint64_t)(symbols_end - symbols_begin) < sizeof(*table))
        return NULL;
    /* The entry before `low` is the last one that does not begin after the address. */
    for (high = table->count; low < high;) {
        uint32_t middle = low + (high - low) / 2;

        if (table->symbols[middle].offset_bytes <= offset_bytes)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return NULL;
    *offset = offset_bytes - table->symbols[low - 1].offset_bytes;
    return symbols_begin + table->symbols[low - 1].name_offset;
}
