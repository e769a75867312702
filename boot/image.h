// SPDX-License-Identifier: BSD-2-Clause
/* The loaded image's own bounds; linker.ld defines them. All page aligned but the relocations. */
#ifndef BOOT_IMAGE_H
#define BOOT_IMAGE_H

#include <stdint.h>

/* Elf64_Rela, System V ABI, "Relocation". */
struct image_relocation {
    uint64_t offset; /* from image_begin */
    uint64_t info;
    int64_t addend;
};

/* Hidden: reached relative to RIP, never through a table that first needs to be relocated. */
#pragma GCC visibility push(hidden)
extern char image_begin[], image_end[];
extern char text_begin[], text_end[];
extern char data_begin[], data_end[];
extern const struct image_relocation relocations_begin[], relocations_end[];
#pragma GCC visibility pop

#endif
