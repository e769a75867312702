// SPDX-License-Identifier: BSD-2-Clause
/* Clears large memory. */
#ifndef ARCH_X86_CLEAR_H
#define ARCH_X86_CLEAR_H

#include <stdint.h>

/* Sets size_bytes at memory to zero, eight bytes at a time: a processor without "Enhanced REP
 * MOVSB/STOSB", or an emulator, is slow with bytes (SDM vol. 1, "Fast-String Operation").
 *   memory: 8-byte aligned; size_bytes: a multiple of 8. */
static inline void clear_quadwords(void *memory, uint64_t size_bytes)
{
    uint64_t count = size_bytes / sizeof(uint64_t);

    __asm__ volatile("rep stosq" : "+D"(memory), "+c"(count) : "a"(UINT64_C(0)) : "memory");
}

#endif
