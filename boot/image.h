// SPDX-License-Identifier: BSD-2-Clause
/* The bounds of the loaded image, which linker.ld defines. All of them are page aligned, except
 * relocations_end. */
#ifndef BOOT_IMAGE_H
#define BOOT_IMAGE_H

#include <stdint.h>

/* Elf64_Rela, System V ABI, "Relocation". */
struct image_relocation {
    uint64_t offset; /* from image_begin */
    uint64_t info;
    int64_t addend;
};

/* These symbols are hidden, so that code reaches them relative to RIP and not through a table that
 * has to be relocated first. */
#pragma GCC visibility push(hidden)
extern char image_begin[], image_end[];
extern char text_begin[], text_end[];
extern char data_begin[], data_end[];
extern const struct image_relocation relocations_begin[], relocations_end[];
#pragma GCC visibility pop

#endif
