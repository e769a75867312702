// SPDX-License-Identifier: BSD-2-Clause
/* Finds writes to memory that is filled with one byte's value. */
#ifndef VMM_MEMORY_POISON_H
#define VMM_MEMORY_POISON_H

#include "vmm/base/types.h"

#define POISON_INTACT UINT64_MAX

/* Returns the offset of the first of size_bytes bytes at memory that is not byte; POISON_INTACT if
 * all of them are. Reads whole words, as it has to read megabytes. */
uint64_t poison_find(const uint8_t *memory, uint64_t size_bytes, uint8_t byte);

#endif
