// SPDX-License-Identifier: BSD-2-Clause
/* The one clock of the monitor: the processor's time-stamp counter and its measured frequency. */
#ifndef VMM_BASE_CLOCK_H
#define VMM_BASE_CLOCK_H

#include "vmm/base/types.h"

/* Must come before the other functions. tsc_hz: as calibrated against a real timer, 1 MHz at least.
 */
void clock_init(uint64_t tsc_hz);

uint64_t clock_tsc_hz(void);

extern uint64_t clock_ns_per_tick; /* with 32 fractional bits; set by clock_init */

/* Nanoseconds that tsc_ticks take, rounded down; good for centuries at any frequency. */
static inline uint64_t clock_ns_from_ticks(uint64_t tsc_ticks)
{
    return (uint64_t)((unsigned __int128)tsc_ticks * clock_ns_per_tick >> 32);
}

/* The least number of TSC ticks after which clock_ns_from_ticks has reached ns. UINT64_MAX when
 * that is out of reach, as TIME_NEVER is. */
uint64_t clock_ticks_from_ns(uint64_t ns);

#endif
