// SPDX-License-Identifier: BSD-2-Clause
/* Whether the time-stamp counters of two processors agree, found out by asking to and fro; and how
 * one of them is set. */
#ifndef ARCH_X86_TSC_AGREEMENT_H
#define ARCH_X86_TSC_AGREEMENT_H

#include <stdatomic.h>
#include <stdbool.h>
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

/* The middle: what the other is most likely ahead by. bounds are narrowed once at the least. */
static inline int64_t tsc_bounds_middle(struct tsc_bounds bounds)
{
    return bounds.low + (int64_t)(((uint64_t)bounds.high - (uint64_t)bounds.low) / 2);
}

/* All zero before it is used. */
struct tsc_agreement {
    _Alignas(64) _Atomic uint32_t asked; /* rounds begun; TSC_AGREEMENT_DONE: there are no more */
    _Alignas(64) _Atomic uint32_t answered;
    uint64_t answer; /* the other's counter, of the last round answered */
};

#define TSC_AGREEMENT_DONE UINT32_MAX

/* Asks, while another processor runs tsc_agreement_answer on the same structure, which it is
 * certain to do; interrupts are off on both. Returns between what the other one's counter less this
 * one's lies. Takes some hundred transfers of a cache line. Where these are slow, as between
 * processors of an emulator that wait for their turn, it ends after limit_ticks of this processor's
 * TSC; but ten rounds are always made. */
struct tsc_bounds tsc_agreement_ask(struct tsc_agreement *agreement, uint64_t limit_ticks);
void tsc_agreement_answer(struct tsc_agreement *agreement);

/* IA32_TSC_ADJUST of this processor, which is what was added to its TSC since its reset; false, and
 * *adjust untouched: it has none. SDM vol. 3B, "Time-Stamp Counter Adjustment". */
bool tsc_read_adjust(uint64_t *adjust);

/* Sets this processor's IA32_TSC_ADJUST; without one, no effect. */
void tsc_write_adjust(uint64_t adjust);

/* Sets this processor's TSC forward (back, below 0) by so many ticks: exactly where it has
 * IA32_TSC_ADJUST, else less what the write takes. */
void tsc_move(int64_t ticks);

#endif
