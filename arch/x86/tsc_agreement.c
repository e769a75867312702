// SPDX-License-Identifier: BSD-2-Clause
#include "arch/x86/tsc_agreement.h"

#include "arch/x86/cpu.h"
#include "arch/x86/msr.h"

/* The first rounds are slow, as nothing is in a cache yet. The quickest round decides. */
#define ROUNDS_MIN 10
#define ROUNDS_MAX 200

#define CPUID_7_EBX_TSC_ADJUST BIT(1)

struct tsc_bounds tsc_agreement_ask(struct tsc_agreement *agreement, uint64_t limit_ticks)
{
    struct tsc_bounds bounds = TSC_BOUNDS_NONE;
    uint64_t start = rdtsc_ordered(), after = start;

    for (uint32_t round = 1;
         round <= ROUNDS_MIN || (round <= ROUNDS_MAX && after - start < limit_ticks); round++) {
        uint64_t before = rdtsc_ordered();

        atomic_store_explicit(&agreement->asked, round, memory_order_release);
        while (atomic_load_explicit(&agreement->answered, memory_order_acquire) != round)
            cpu_pause();
        after = rdtsc_ordered();
        bounds = tsc_bounds_narrow(bounds, before, agreement->answer, after);
    }
    atomic_store_explicit(&agreement->asked, TSC_AGREEMENT_DONE, memory_order_release);
    return bounds;
}

void tsc_agreement_answer(struct tsc_agreement *agreement)
{
    for (uint32_t answered = 0;;) {
        uint32_t asked = atomic_load_explicit(&agreement->asked, memory_order_acquire);

        if (asked == TSC_AGREEMENT_DONE)
            return;
        if (asked == answered) {
            cpu_pause();
            continue;
        }
        agreement->answer = rdtsc_ordered();
        answered = asked;
        atomic_store_explicit(&agreement->answered, answered, memory_order_release);
    }
}

bool tsc_read_adjust(uint64_t *adjust)
{
    if ((cpuid_max(7, 0).ebx & CPUID_7_EBX_TSC_ADJUST) == 0)
        return false;
    *adjust = rdmsr(IA32_TSC_ADJUST);
    return true;
}

void tsc_write_adjust(uint64_t adjust)
{
    uint64_t before;

    if (tsc_read_adjust(&before) && before != adjust)
        wrmsr(IA32_TSC_ADJUST, adjust);
}

void tsc_move(int64_t ticks)
{
    uint64_t adjust;

    if (tsc_read_adjust(&adjust))
        wrmsr(IA32_TSC_ADJUST, adjust + (uint64_t)ticks);
    else
        wrmsr(IA32_TIME_STAMP_COUNTER, rdtsc_ordered() + (uint64_t)ticks);
}
