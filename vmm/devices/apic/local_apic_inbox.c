// SPDX-License-Identifier: BSD-2-Clause
/* How interrupts get into a local APIC from other processors.
 *
 * A sender sets its bits, then a bit in `attention` that says where they are, and kicks the owner
 * if there was none. The owner swaps `attention` for 0, then takes the bits. So bits set before a
 * change of `attention` that found a bit are seen by the owner's next swap, which is still to come:
 * nothing is lost, and of many senders one kicks.
 * `attention` is only ever changed by read-modify-write, so that each of the owner's swaps
 * synchronises with all senders' before it (ISO C11, 5.1.2.4 "release sequence").
 *
 * Edge- and level-triggered requests have maps of their own: with a map of requests beside a map
 * of trigger modes, one of two senders of a vector could be taken with the other's mode. */
#include "vmm/base/bits.h"
#include "vmm/devices/apic/local_apic_state.h"

/* Bits of attention: word n of the requests, of both kinds; or anything else. */
#define ATTENTION_WORDS 0xffu
#define ATTENTION_OTHER 0x100u

static bool call_attention(struct local_apic *apic, uint32_t bit)
{
    return atomic_fetch_or(&apic->attention, bit) == 0;
}

bool local_apic_post_request(struct local_apic *apic, uint8_t vector, bool is_level)
{
    _Atomic uint32_t *requests = is_level ? apic->level_requests : apic->edge_requests;
    uint32_t bit = UINT32_C(1) << vector % 32;
    /* Found set, whoever set it has called attention or is about to. */
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
            new = 0; /* the INIT sweeps away what waits */
        else if (event == APIC_EVENT_STARTUP && (old & APIC_EVENT_STARTUP) == 0)
            new |= (uint32_t)vector << APIC_EVENT_VECTOR_SHIFT;
        else if (event == APIC_EVENT_NMI && (old & APIC_EVENT_NMI) != 0)
            new |= APIC_EVENT_NMI_AGAIN;
        new |= event;
    } while (!atomic_compare_exchange_weak(&apic->events, &old, new));
    return call_attention(apic, ATTENTION_OTHER);
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
    /* The level first, then whether it means anything; the owner publishes that it does and then
     * looks at the level. At least one of the two sees the other. */
    if ((local_apic_published(apic).lint_pins & bit) == 0)
        return false;
    atomic_fetch_or(&apic->lint_edges, bit);
    return call_attention(apic, ATTENTION_OTHER);
}

static uint32_t take(_Atomic uint32_t *word)
{
    return atomic_load_explicit(word, memory_order_relaxed) == 0 ? 0 : atomic_exchange(word, 0);
}

void local_apic_merge_requests(struct local_apic *apic, uint32_t attention)
{
    int highest = LOCAL_APIC_NO_VECTOR;
    bool has_illegal = false;
    for (uint32_t words = attention & ATTENTION_WORDS; words != 0; words &= words - 1) {
        unsigned word = (unsigned)__builtin_ctz(words);
        uint32_t edge = take(&apic->edge_requests[word]);
        uint32_t level = take(&apic->level_requests[word]);
        if ((edge | level) == 0 || apic->mode == LOCAL_APIC_DISABLED)
            continue;
        if (word == 0) {
            has_illegal = ((edge | level) & 0xffff) != 0;
            edge &= ~0xffffu;
            level &= ~0xffffu;
        }
        uint32_t *tmr = &APIC_REGISTER(apic, REGISTER_TMR + word);
        APIC_REGISTER(apic, REGISTER_IRR + word) |= edge | level;
        *tmr = (*tmr & ~edge) | level;
        if ((edge | level) != 0)
            highest = (int)word * 32 + 31 - __builtin_clz(edge | level);
    }
    if (__builtin_expect(has_illegal, 0))
        local_apic_error(apic, ESR_RECEIVE_ILLEGAL_VECTOR);
    local_apic_update_requested(apic, highest);
}

int local_apic_lint_delivery(const struct local_apic *apic, unsigned pin)
{
    /* "Local APIC Status and Location": without the APIC the pins are INTR and NMI. */
    if (apic->mode == LOCAL_APIC_DISABLED)
        return pin == 0 ? APIC_EXTINT : APIC_NMI;
    uint32_t lvt = apic->lvt[LOCAL_APIC_LVT_LINT0 + pin];
    return (lvt & LVT_MASK) != 0 ? -1 : (int)BITS(lvt, 10, 8);
}

/* "Local Vector Table", trigger mode: it counts for fixed interrupts, and LINT1 has only edges. */
static void look_at_lint(struct local_apic *apic)
{
    uint32_t edges = take(&apic->lint_edges);
    uint32_t *lint0 = &apic->lvt[LOCAL_APIC_LVT_LINT0];

    if (local_apic_lint_delivery(apic, 0) == APIC_FIXED && (*lint0 & LVT_LEVEL) != 0) {
        if ((atomic_load(&apic->lint_levels) & 1) != 0 && (*lint0 & LVT_REMOTE_IRR) == 0) {
            if ((*lint0 & LVT_VECTOR) >= 16) {
                *lint0 |= LVT_REMOTE_IRR;
                apic->is_shown = false;
            }
            apic->lint0_vector = *lint0 & LVT_VECTOR;
            local_apic_request(apic, *lint0 & LVT_VECTOR, true);
        }
        edges &= ~1u;
    }
    for (unsigned pin = 0; pin < 2; pin++) {
        if ((edges >> pin & 1) == 0)
            continue;
        if (apic->mode != LOCAL_APIC_DISABLED)
            local_apic_deliver_lvt(apic, LOCAL_APIC_LVT_LINT0 + pin);
        else if (pin == 1)
            local_apic_post_event(apic, APIC_EVENT_NMI, 0);
    }
}

bool local_apic_accept(struct local_apic *apic)
{
    uint32_t attention = take(&apic->attention);

    if (attention != 0)
        local_apic_merge_requests(apic, attention);
    if (apic->has_pin_news || (attention & ATTENTION_OTHER) != 0)
        look_at_lint(apic);
    if ((atomic_load(&apic->events) & APIC_EVENT_EXTINT) != 0) {
        atomic_fetch_and(&apic->events, ~(uint32_t)APIC_EVENT_EXTINT);
        apic->extint_latched = true;
    }
    apic->has_news = false;
    apic->has_pin_news = false;
    return atomic_load(&apic->events) != 0;
}

bool local_apic_accept_inbox(struct local_apic *apic)
{
    uint32_t attention = atomic_load_explicit(&apic->attention, memory_order_relaxed);

    if ((attention & ATTENTION_OTHER) != 0 ||
        !atomic_compare_exchange_strong(&apic->attention, &attention, 0))
        return false;
    local_apic_merge_requests(apic, attention);
    return true;
}

struct local_apic_events local_apic_take_events(struct local_apic *apic)
{
    uint32_t events = atomic_fetch_and(&apic->events, APIC_EVENT_EXTINT);
    return (struct local_apic_events){
        .init = (events & APIC_EVENT_INIT) != 0,
        .startup = (events & APIC_EVENT_STARTUP) != 0,
        .startup_vector = (uint8_t)(events >> APIC_EVENT_VECTOR_SHIFT),
        .nmi = (events & APIC_EVENT_NMI_AGAIN) != 0 ? 2 : (events & APIC_EVENT_NMI) != 0,
    };
}
