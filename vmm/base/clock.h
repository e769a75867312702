// SPDX-License-Identifier: BSD-2-Clause
/* The one clock of the monitor: the processor's time-stamp counter and its measured frequency. */
#ifndef VMM_BASE_CLOCK_H
#define VMM_BASE_CLOCK_H

#include "vmm/base/types.h"

/* Sets the clock's frequency. Call it before the other functions. tsc_hz: the frequency of the TSC
 * as calibrated against a real timer, at least 1000000 (1 MHz). */
void clock_init(uint64_t tsc_hz);

/* Returns the TSC's frequency in Hz, as clock_init got it; 0 before clock_init. */
uint64_t clock_tsc_hz(void);

extern uint64_t clock_ns_per_tick; /* nanoseconds, with 32 fractional bits; set by clock_init */

/* Returns the nanoseconds that tsc_ticks take, rounded down. The result does not overflow for
 * centuries at any frequency. */
static inline uint64_t clock_ns_from_ticks(uint64_t tsc_ticks)
{
    return (uint64_t)((unsigned __int128)tsc_ticks * clock_ns_per_tick >> 32);
}

/* Returns the smallest number of TSC ticks for which clock_ns_from_ticks returns at least ns.
 * Returns UINT64_MAX if that number is out of reach, as it is for TIME_NEVER. */
uint64_t clock_ticks_from_ns(uint64_t ns);

#endif
