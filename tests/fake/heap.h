// SPDX-License-Identifier: BSD-2-Clause
/* What tests may ask of the heap of fake_heap.c. */
#ifndef TESTS_FAKE_HEAP_H
#define TESTS_FAKE_HEAP_H

#include <stdint.h>

/* Makes the allocation with this number fail, counted from 0 and from this call; UINT64_MAX: none. */
void fake_heap_fail_at(uint64_t number);

/* Returns how many allocations there were since fake_heap_fail_at. */
uint64_t fake_heap_allocations(void);

/* Returns how many blocks are allocated. */
uint64_t fake_heap_blocks(void);

#endif
