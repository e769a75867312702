// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/base/clock.h"

#include "vmm/base/check.h"
#include "vmm/base/time.h"

uint64_t clock_ns_per_tick;
static uint64_t ticks_per_ns; /* with 32 fractional bits */
static uint64_t frequency_hz;

void clock_init(uint64_t tsc_hz)
{
    CHECK(tsc_hz >= 1000000);
    frequency_hz = tsc_hz;
    clock_ns_per_tick = (NS_PER_SECOND << 32) / tsc_hz;
    ticks_per_ns = (tsc_hz / NS_PER_SECOND << 32) + (tsc_hz % NS_PER_SECOND << 32) / NS_PER_SECOND;
}

uint64_t clock_tsc_hz(void)
{
    return frequency_hz;
}

uint64_t clock_ticks_from_ns(uint64_t ns)
{
    unsigned __int128 ticks = (unsigned __int128)ns * ticks_per_ns >> 32;

    if (ns >= UINT64_MAX / 2 || ticks >= UINT64_MAX / 2)
        return UINT64_MAX; /* centuries away */
    /* Both factors are rounded down, so step up to the first tick that is late enough. */
    uint64_t candidate = (uint64_t)ticks;
    while (clock_ns_from_ticks(candidate) < ns)
        candidate += 1 + clock_ns_from_ticks(candidate) / NS_PER_SECOND / 4;
    return candidate;
}
