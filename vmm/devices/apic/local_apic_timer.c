// SPDX-License-Identifier: BSD-2-Clause
/* The timer of the local APIC: "APIC Timer", "TSC-Deadline Mode". It keeps no count, only the time
 * at which the count will be 0. */
#include "vmm/base/bits.h"
#include "vmm/devices/apic/local_apic_state.h"

enum timer_mode {
    TIMER_ONE_SHOT = 0,
    TIMER_PERIODIC = 1,
    TIMER_TSC_DEADLINE = 2,
    TIMER_RESERVED = 3, /* the timer never runs */
};

static enum timer_mode mode_of(uint32_t lvt)
{
    return (enum timer_mode)BITS(lvt, 18, 17);
}

static enum timer_mode mode_now(const struct local_apic *apic)
{
    return mode_of(apic->lvt[LOCAL_APIC_LVT_TIMER]);
}

static bool counts_down(enum timer_mode mode)
{
    return mode == TIMER_ONE_SHOT || mode == TIMER_PERIODIC;
}

/* Returns the logarithm of the divisor, which is 1 << divide_shift: 0000 is 2, ..., 1010 is 128,
 * 1011 is 1; bit 2 is not used. Figure "Divide Configuration Register". */
static unsigned divide_shift(const struct local_apic *apic)
{
    unsigned bits = (apic->divide_configuration & 3) | (apic->divide_configuration >> 1 & 4);
    return (bits + 1) & 7;
}

/* Returns whether the deadline has come. A count lasts less than 2^39 ticks, so its deadline may
 * wrap with the TSC: a deadline that is ahead of now by less than half the range is still to
 * come. */
static bool is_due(const struct local_apic *apic, uint64_t now_tsc)
{
    if (mode_now(apic) == TIMER_TSC_DEADLINE)
        return now_tsc >= apic->timer_deadline_tsc;
    return (now_tsc - apic->timer_deadline_tsc) >> 63 == 0;
}

static void start(struct local_apic *apic, uint64_t count)
{
    apic->timer_is_armed = count != 0;
    apic->timer_deadline_tsc = apic->timer_seen_tsc + (count << divide_shift(apic));
}

void local_apic_run(struct local_apic *apic, uint64_t now_tsc)
{
    apic->timer_seen_tsc = now_tsc;
    if (!apic->timer_is_armed || !is_due(apic, now_tsc))
        return;
    if (mode_now(apic) == TIMER_PERIODIC) {
        uint64_t period = (uint64_t)apic->initial_count << divide_shift(apic);
        uint64_t late = now_tsc - apic->timer_deadline_tsc;
        apic->timer_deadline_tsc += (late / period + 1) * period;
    } else {
        apic->timer_is_armed = false;
    }
    local_apic_deliver_lvt(apic, LOCAL_APIC_LVT_TIMER);
}

uint64_t local_apic_next_deadline(const struct local_apic *apic)
{
    uint32_t lvt = apic->lvt[LOCAL_APIC_LVT_TIMER];
    /* A masked timer continues to count, but its state can be computed when software reads it. */
    if (!apic->timer_is_armed || (lvt & LVT_MASK) != 0)
        return LOCAL_APIC_NO_DEADLINE;
    /* More periods would merge into the request that waits already, so a guest with a period of
     * a few ticks still makes progress between the interrupts. The processor may take a virtual
     * APIC's request at any moment unseen. Then the periods are still counted, but not one by
     * one. */
    bool is_waiting = mode_now(apic) == TIMER_PERIODIC &&
                      vector_test(&APIC_REGISTER(apic, REGISTER_IRR), (uint8_t)(lvt & LVT_VECTOR));
    if (is_waiting && !apic->is_virtual)
        return LOCAL_APIC_NO_DEADLINE;
    /* The deadline is beyond the TSC's wrap: ask again shortly before the wrap. */
    bool is_beyond =
        mode_now(apic) != TIMER_TSC_DEADLINE && apic->timer_deadline_tsc < apic->timer_seen_tsc;
    if (is_beyond || apic->timer_deadline_tsc == LOCAL_APIC_NO_DEADLINE)
        return LOCAL_APIC_NO_DEADLINE - 1;
    uint64_t least = apic->timer_seen_tsc + apic->merge_ticks;
    if (is_waiting && apic->timer_deadline_tsc < least && least > apic->timer_seen_tsc)
        return least;
    return apic->timer_deadline_tsc;
}

/* Writes the timer's LVT entry. The manual says that a change of mode disarms the timer. But
 * processors continue to count after a change between one-shot and periodic, and kernels' tests
 * expect that. */
void local_apic_timer_write_lvt(struct local_apic *apic, uint32_t lvt)
{
    enum timer_mode old = mode_now(apic), new = mode_of(lvt);
    apic->lvt[LOCAL_APIC_LVT_TIMER] = lvt;
    if (old != new && !(counts_down(old) && counts_down(new)))
        apic->timer_is_armed = false;
}

void local_apic_timer_write_initial_count(struct local_apic *apic, uint32_t count)
{
    if (!counts_down(mode_now(apic)))
        return; /* "writes to the initial-count register are ignored" */
    apic->initial_count = count;
    start(apic, count);
}

void local_apic_timer_write_divide(struct local_apic *apic, uint32_t divide_configuration)
{
    uint32_t count = local_apic_timer_current_count(apic);
    apic->divide_configuration = divide_configuration;
    if (count != 0)
        start(apic, count); /* continues at the new rate */
}

uint32_t local_apic_timer_current_count(const struct local_apic *apic)
{
    if (!apic->timer_is_armed || !counts_down(mode_now(apic)))
        return 0;
    uint64_t left = apic->timer_deadline_tsc - apic->timer_seen_tsc;
    unsigned shift = divide_shift(apic);
    return (uint32_t)((left + (UINT64_C(1) << shift) - 1) >> shift);
}

uint64_t local_apic_tsc_deadline(struct local_apic *apic, uint64_t now_tsc)
{
    local_apic_run(apic, now_tsc);
    bool is_set = apic->timer_is_armed && mode_now(apic) == TIMER_TSC_DEADLINE;
    return is_set ? apic->timer_deadline_tsc : 0;
}

void local_apic_write_tsc_deadline(struct local_apic *apic, uint64_t value, uint64_t now_tsc)
{
    local_apic_run(apic, now_tsc);
    if (mode_now(apic) != TIMER_TSC_DEADLINE)
        return;
    apic->timer_is_armed = value != 0;
    apic->timer_deadline_tsc = value;
    local_apic_run(apic, now_tsc);
}

bool local_apic_move_tsc_deadline(struct local_apic *apic, uint64_t value, uint64_t now_tsc)
{
    bool is_due_now = apic->timer_is_armed && apic->timer_deadline_tsc <= now_tsc;

    if (mode_now(apic) != TIMER_TSC_DEADLINE || is_due_now || value <= now_tsc)
        return false;
    apic->timer_seen_tsc = now_tsc;
    apic->timer_is_armed = true;
    apic->timer_deadline_tsc = value;
    return true;
}

void local_apic_tsc_adjusted(struct local_apic *apic, uint64_t delta)
{
    apic->timer_seen_tsc += delta;
    if (apic->timer_is_armed && counts_down(mode_now(apic)))
        apic->timer_deadline_tsc += delta;
}
