// SPDX-License-Identifier: BSD-2-Clause
/* The way of interrupts from other processors into a local APIC: the senders' half. The owner's
 * half is in local_apic.c.
 *
 * A sender sets its bits, then a bit in `attention` that says where they are. It kicks the owner if
 * `attention` was 0 before. The owner exchanges `attention` for 0, then takes the bits. A sender
 * that finds a bit in `attention` can rely on an exchange by the owner that is still to come, and
 * this exchange sees the sender's bits. So nothing is lost, and of many senders only one kicks.
 * `attention` is changed only by read-modify-write operations, so each of the owner's exchanges
 * synchronises with all senders' operations before it (ISO C11, 5.1.2.4 "release sequence").
 *
 * Edge- and level-triggered requests have maps of their own. With one map of requests and one map
 * of trigger modes, one of two senders of a vector could get the other's mode. */
#include "vmm/base/bits.h"
#include "vmm/devices/apic/local_apic_state.h"

static bool call_attention(struct local_apic *apic, uint32_t bit)
{
    return atomic_fetch_or(&apic->attention, bit) == 0;
}

bool local_apic_post_request(struct local_apic *apic, uint8_t vector, bool is_level)
{
    _Atomic uint32_t *requests = is_level ? apic->level_requests : apic->edge_requests;
    uint32_t bit = UINT32_C(1) << vector % 32;
    /* If the bit was set, its sender has set a bit in `attention` or is about to. */
    if ((atomic_fetch_or(&requests[vector / 32], bit) & bit) != 0)
        return false;
    return call_attention(apic, UINT32_C(1) << vector / 32);
}

bool local_apic_post_event(struct local_apic *apic, uint32_t event, uint8_t vector)
{
    uint32_t old = atomic_load(&apic->events), new;
    do {
        new = old;
        if (event == APIC_EVENT_INIT)
            new = 0; /* the INIT removes all waiting events */
        else if (event == APIC_EVENT_STARTUP && (old & APIC_EVENT_STARTUP) == 0)
            new |= (uint32_t)vector << APIC_EVENT_VECTOR_SHIFT;
        else if (event == APIC_EVENT_NMI && (old & APIC_EVENT_NMI) != 0)
            new |= APIC_EVENT_NMI_AGAIN;
        new |= event;
    } while (!atomic_compare_exchange_weak(&apic->events, &old, new));
    return call_attention(apic, APIC_ATTENTION_OTHER);
}

bool local_apic_post_lint(struct local_apic *apic, unsigned pin, bool level)
{
    uint32_t bit = UINT32_C(1) << pin;
    if (!level) {
        atomic_fetch_and(&apic->lint_levels, ~bit);
        return false;
    }
    if ((atomic_fetch_or(&apic->lint_levels, bit) & bit) != 0)
        return false;
    /* The order is: set the level, then check whether the pin has an effect. The owner publishes
     * that the pin has an effect, then checks the level. At least one of the two sees the other. */
    if ((local_apic_read_published(apic).lint_pins & bit) == 0)
        return false;
    atomic_fetch_or(&apic->lint_edges, bit);
    return call_attention(apic, APIC_ATTENTION_OTHER);
}
