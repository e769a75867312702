// SPDX-License-Identifier: BSD-2-Clause
/* Bit fields as the manuals write them: BIT(3), BITS(value, 31, 24). */
#ifndef VMM_BASE_BITS_H
#define VMM_BASE_BITS_H

#include <stdbool.h>
#include <stdint.h>

#define BIT(n) (UINT64_C(1) << (n))

/* Returns the bits high:low of value, moved down to bit 0. 63 >= high >= low. */
static inline uint64_t BITS(uint64_t value, unsigned high, unsigned low)
{
    return value >> low & (UINT64_MAX >> (63 - (high - low)));
}

/* Returns a mask of the low `size_bytes` bytes: 0xff for 1, all ones for 8. size_bytes: 1..8. */
static inline uint64_t bytes_mask(unsigned size_bytes)
{
    return UINT64_MAX >> (64 - 8 * size_bytes);
}

/* Rounds value down to a multiple of alignment, which is a power of two. */
static inline uint64_t align_down(uint64_t value, uint64_t alignment)
{
    return value & ~(alignment - 1);
}

/* Rounds value up to a multiple of alignment, which is a power of two. The caller makes sure that
 * value + alignment does not wrap. */
static inline uint64_t align_up(uint64_t value, uint64_t alignment)
{
    return align_down(value + alignment - 1, alignment);
}

/* Returns whether value is a multiple of alignment, which is a power of two. */
static inline bool is_aligned(uint64_t value, uint64_t alignment)
{
    return (value & (alignment - 1)) == 0;
}

#endif
