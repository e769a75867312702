// SPDX-License-Identifier: BSD-2-Clause
/* Whether the time-stamp counters of two processors agree, found out by asking to and fro. */
#ifndef ARCH_X86_TSC_AGREEMENT_H
#define ARCH_X86_TSC_AGREEMENT_H

#include <stdatomic.h>
#include <stdint.h>

/* Between what the difference lies, the other counter less one's own. */
struct tsc_bounds {
    int64_t low;
    int64_t high;
};

#define TSC_BOUNDS_NONE ((struct tsc_bounds){INT64_MIN, INT64_MAX})

/* The other read his counter after one's own stood at before, and before it stood at after. */
static inline struct tsc_bounds tsc_bounds_narrow(struct tsc_bounds bounds, uint64_t before,
                                                  uint64_t other, uint64_t after)
{
    int64_t low = (int64_t)(other - after), high = (int64_t)(other - before);

    return (struct tsc_bounds){
        .low = low > bounds.low ? low : bounds.low,
        .high = high < bounds.high ? high : bounds.high,
    };
}

/* By how much the other is ahead at the least (above 0), or behind (below 0); 0: by nothing that
 * could be told. */
static inline int64_t tsc_bounds_difference(struct tsc_bounds bounds)
{
    if (bounds.low > 0)
        return bounds.low;
    return bounds.high < 0 ? bounds.high : 0;
}

/* All zero before it is used. */
struct tsc_agreement {
    _Alignas(64) _Atomic uint32_t asked; /* rounds begun */
    _Alignas(64) _Atomic uint32_t answered;
    uint64_t answer; /* the other's counter, of the last round answered */
};

/* Asks, while another processor runs tsc_agreement_answer on the same structure, which it is
 * certain to do; interrupts are off on both. Returns what tsc_bounds_difference says of the other
 * one's counter. Takes some hundred transfers of a cache line. */
int64_t tsc_agreement_ask(struct tsc_agreement *agreement);
void tsc_agreement_answer(struct tsc_agreement *agreement);

#endif
