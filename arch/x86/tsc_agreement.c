// SPDX-License-Identifier: BSD-2-Clause
#include "arch/x86/tsc_agreement.h"

#include "arch/x86/cpu.h"

/* The first ones are slow, as nothing is in a cache yet; the quickest one decides. */
#define ROUNDS 200

int64_t tsc_agreement_ask(struct tsc_agreement *agreement)
{
    struct tsc_bounds bounds = TSC_BOUNDS_NONE;

    for (uint32_t round = 1; round <= ROUNDS; round++) {
        uint64_t before = rdtsc_ordered(), after;

        atomic_store_explicit(&agreement->asked, round, memory_order_release);
        while (atomic_load_explicit(&agreement->answered, memory_order_acquire) != round)
            cpu_pause();
        after = rdtsc_ordered();
        bounds = tsc_bounds_narrow(bounds, before, agreement->answer, after);
    }
    return tsc_bounds_difference(bounds);
}

void tsc_agreement_answer(struct tsc_agreement *agreement)
{
    for (uint32_t round = 1; round <= ROUNDS; round++) {
        while (atomic_load_explicit(&agreement->asked, memory_order_acquire) != round)
            cpu_pause();
        agreement->answer = rdtsc_ordered();
        atomic_store_explicit(&agreement->answered, round, memory_order_release);
    }
}
