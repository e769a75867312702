// SPDX-License-Identifier: BSD-2-Clause
/* Measures by how much the time-stamp counters of two processors differ: one processor asks for the
 * other's counter, many times. Also sets a processor's counter. */
#ifndef ARCH_X86_TSC_AGREEMENT_H
#define ARCH_X86_TSC_AGREEMENT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* The bounds of a difference: the other processor's counter minus this processor's, in ticks. */
struct tsc_bounds {
    int64_t low;
    int64_t high;
};

#define TSC_BOUNDS_NONE ((struct tsc_bounds){INT64_MIN, INT64_MAX})

/* Narrows bounds by one round. The other processor read its counter (other) after this processor's
 * counter was at before, and before it was at after. */
static inline struct tsc_bounds tsc_bounds_narrow(struct tsc_bounds bounds, uint64_t before,
                                                  uint64_t other, uint64_t after)
{
    int64_t low = (int64_t)(other - after), high = (int64_t)(other - before);

    return (struct tsc_bounds){
        .low = low > bounds.low ? low : bounds.low,
        .high = high < bounds.high ? high : bounds.high,
    };
}

/* Returns the least number of ticks by which the other counter is ahead (above 0) or behind (below
 * 0); 0 if no difference is certain. */
static inline int64_t tsc_bounds_difference(struct tsc_bounds bounds)
{
    if (bounds.low > 0)
        return bounds.low;
    return bounds.high < 0 ? bounds.high : 0;
}

/* Returns the middle of the bounds, the most likely difference. bounds have been narrowed at least
 * once. */
static inline int64_t tsc_bounds_middle(struct tsc_bounds bounds)
{
    return bounds.low + (int64_t)(((uint64_t)bounds.high - (uint64_t)bounds.low) / 2);
}

/* The shared state of two processors. All bytes are zero before it is used. */
struct tsc_agreement {
    _Alignas(64) _Atomic uint32_t asked; /* rounds begun; TSC_AGREEMENT_DONE: no more will follow */
    _Alignas(64) _Atomic uint32_t answered;
    uint64_t answer; /* the other processor's counter in the round answered last */
};

#define TSC_AGREEMENT_DONE UINT32_MAX

/* Measures the difference of two processors' counters. One processor calls tsc_agreement_ask while
 * the other calls tsc_agreement_answer on the same structure; interrupts are off on both.
 * tsc_agreement_ask waits for the other processor without a limit. It returns the bounds of the
 * other counter minus this processor's.
 *
 * The measurement takes some hundred transfers of a cache line. If these are slow, as between
 * processors of an emulator that wait for their turn, it ends after limit_ticks of this processor's
 * TSC, but not before ten rounds. */
struct tsc_bounds tsc_agreement_ask(struct tsc_agreement *agreement, uint64_t limit_ticks);
void tsc_agreement_answer(struct tsc_agreement *agreement);

/* Reads IA32_TSC_ADJUST of this processor, the sum of what was added to its TSC since its reset.
 * Returns false, and leaves *adjust alone, if the processor has no such MSR. SDM vol. 3B,
 * "Time-Stamp Counter Adjustment". */
bool tsc_read_adjust(uint64_t *adjust);

/* Sets this processor's IA32_TSC_ADJUST. Has no effect if the processor has no such MSR. */
void tsc_write_adjust(uint64_t adjust);

/* Moves this processor's TSC forward by so many ticks, or back if ticks is below 0. The move is
 * exact if the processor has IA32_TSC_ADJUST; else the TSC loses the time that the write takes. */
void tsc_move(int64_t ticks);

#endif
