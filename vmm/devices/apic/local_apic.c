// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/devices/apic/local_apic.h"

#include "vmm/base/bits.h"
#include "vmm/devices/apic/apic_bus.h"
#include "vmm/devices/apic/local_apic_state.h"

#include <string.h>

/* Resets the registers that INIT, RESET and a disabled APIC which is enabled again reset alike:
 * "Local APIC State After Power-Up or Reset". */
static void reset_registers(struct local_apic *apic)
{
    for (unsigned word = 0; word < sizeof(apic->page) / sizeof(apic->page[0]); word++) {
        if (word != 4 * REGISTER_PPR) /* others read it; only local_apic_update_requests writes
                                         it */
            apic->page[word] = 0;
    }
    for (unsigned entry = 0; entry < LOCAL_APIC_LVT_COUNT; entry++)
        apic->lvt[entry] = LVT_MASK;
    apic->svr = 0xff;
    apic->ldr = 0;
    apic->dfr = UINT32_MAX;
    apic->esr = 0;
    apic->errors = 0;
    apic->initial_count = 0;
    apic->divide_configuration = 0;
    apic->timer_is_armed = false;
    apic->timer_deadline_tsc = 0;
    apic->extint_latched = false;
    local_apic_publish(apic);
    local_apic_update(apic);
}

void local_apic_init(struct local_apic *apic, struct apic_bus *bus, unsigned index,
                     const struct local_apic_config *config)
{
    memset(apic, 0, sizeof(*apic));
    apic->bus = bus;
    apic->index = index;
    apic->config = *config;
    local_apic_reset(apic);
}

void local_apic_reset(struct local_apic *apic)
{
    atomic_store(&apic->events, 0);
    atomic_store(&apic->lint_edges, 0);
    for (unsigned word = 0; word < 8; word++) {
        atomic_store(&apic->edge_requests[word], 0);
        atomic_store(&apic->level_requests[word], 0);
    }
    apic->base = LOCAL_APIC_DEFAULT_BASE | APIC_BASE_EN_FLAG |
                 (apic->config.is_bsp ? APIC_BASE_BSP_FLAG : 0);
    apic->mode = LOCAL_APIC_XAPIC;
    reset_registers(apic);
    apic->has_pin_news = true; /* a pin may be high */
}

void local_apic_init_signal(struct local_apic *apic)
{
    reset_registers(apic);
    apic->has_pin_news = true;
}

void local_apic_set_virtual_wire(struct local_apic *apic)
{
    apic->svr = 0xff | SVR_ENABLE;
    apic->lvt[LOCAL_APIC_LVT_LINT0] = APIC_EXTINT << LVT_DELIVERY_SHIFT;
    apic->lvt[LOCAL_APIC_LVT_LINT1] = APIC_NMI << LVT_DELIVERY_SHIFT;
    local_apic_publish(apic);
    apic->has_pin_news = true;
}

/* Indexed by the current mode and by EXTD + 2 * EN of the written value: "x2APIC State
 * Transitions", figure "Local x2APIC State Transitions with IA32_APIC_BASE, INIT, and RESET". */
static const struct {
    bool is_legal;
    enum local_apic_mode mode;
} transitions[3][4] = {
    [LOCAL_APIC_DISABLED] = {[0] = {true, LOCAL_APIC_DISABLED}, [2] = {true, LOCAL_APIC_XAPIC}},
    [LOCAL_APIC_XAPIC] = {[0] = {true, LOCAL_APIC_DISABLED},
                          [2] = {true, LOCAL_APIC_XAPIC},
                          [3] = {true, LOCAL_APIC_X2APIC}},
    [LOCAL_APIC_X2APIC] = {[0] = {true, LOCAL_APIC_DISABLED}, [3] = {true, LOCAL_APIC_X2APIC}},
};

bool local_apic_write_base(struct local_apic *apic, uint64_t value)
{
    uint64_t address_bits = BITS(UINT64_MAX, apic->config.physical_address_bits - 1, 12) << 12;
    uint64_t defined = address_bits | APIC_BASE_EN_FLAG | APIC_BASE_BSP_FLAG;
    if (apic->config.has_x2apic)
        defined |= APIC_BASE_EXTD_FLAG;
    unsigned wanted = (unsigned)BITS(value, 11, 10);
    if ((value & ~defined) != 0 || !transitions[apic->mode][wanted].is_legal)
        return false;

    enum local_apic_mode old = apic->mode;
    apic->mode = transitions[old][wanted].mode;
    apic->base = (value & ~(uint64_t)APIC_BASE_BSP_FLAG) | (apic->base & APIC_BASE_BSP_FLAG);
    apic->is_shown = false;
    if (apic->mode == old)
        return true;
    if (apic->mode == LOCAL_APIC_X2APIC) {
        memset(&APIC_REGISTER(apic, REGISTER_ICR), 0, sizeof(uint64_t));
        APIC_REGISTER(apic, REGISTER_ICR_HIGH) = 0;
    } else if (apic->mode == LOCAL_APIC_DISABLED)
        reset_registers(apic);
    local_apic_publish(apic);
    local_apic_update(apic);
    apic->has_pin_news = true;
    return true;
}

void local_apic_write_cr8(struct local_apic *apic, uint64_t value)
{
    APIC_REGISTER(apic, REGISTER_TPR) = (uint8_t)(value << 4);
    local_apic_update(apic);
}

/* Priorities. */

int local_apic_highest_request(const struct local_apic *apic)
{
    return vector_highest(&APIC_REGISTER(apic, REGISTER_IRR));
}

static uint32_t pack_published(const struct local_apic *apic)
{
    uint32_t lint_pins = 0;
    for (unsigned pin = 0; pin < 2; pin++)
        lint_pins |= (uint32_t)(local_apic_lint_delivery(apic, pin) >= 0) << pin;
    return (uint32_t)apic->mode | ((apic->svr & SVR_ENABLE) != 0 ? 1u << 2 : 0) | lint_pins << 3 |
           apic->ldr >> 24 << 16 | apic->dfr >> 28 << 24;
}

void local_apic_publish(struct local_apic *apic)
{
    apic->extint_pins = 0;
    apic->is_shown = false;
    for (unsigned pin = 0; pin < 2; pin++) {
        if (local_apic_lint_delivery(apic, pin) == APIC_EXTINT)
            apic->extint_pins |= (uint8_t)(1u << pin);
    }
    atomic_store(&apic->published, pack_published(apic));
}

void local_apic_update(struct local_apic *apic)
{
    apic->in_service = (int16_t)vector_highest(&APIC_REGISTER(apic, REGISTER_ISR));
    local_apic_update_requests(apic);
}

void local_apic_update_requests(struct local_apic *apic)
{
    if (apic->is_virtual) /* the processor itself begins and ends services, too */
        apic->in_service = (int16_t)vector_highest(&APIC_REGISTER(apic, REGISTER_ISR));

    int in_service = apic->in_service;
    int requested = vector_highest(&APIC_REGISTER(apic, REGISTER_IRR));
    uint32_t tpr = APIC_REGISTER(apic, REGISTER_TPR) & 0xff;
    unsigned service_class = in_service < 0 ? 0 : (unsigned)in_service & 0xf0;

    /* "Task and Processor Priorities": figure "Processor-Priority Register (PPR)". */
    uint32_t ppr = (tpr & 0xf0) >= service_class ? tpr : service_class;
    /* For other processors this is a hint for lowest-priority arbitration; no other access is
     * ordered with it. */
    __atomic_store_n(&APIC_REGISTER(apic, REGISTER_PPR), ppr, __ATOMIC_RELAXED);

    bool is_deliverable =
        apic->mode != LOCAL_APIC_DISABLED && requested >= 0 && (unsigned)requested >> 4 > ppr >> 4;
    int16_t pending = (int16_t)(is_deliverable ? requested : LOCAL_APIC_NO_VECTOR);
    if (pending != apic->pending) {
        apic->pending = pending;
        apic->has_news |= is_deliverable;
    }
    if (apic->is_virtual) {
        apic->interrupt_status =
            (uint16_t)((in_service < 0 ? 0 : in_service) << 8 | (requested < 0 ? 0 : requested));
        apic->has_news = true; /* the processor needs the new status, whatever has changed */
    }
}

void local_apic_end_of_interrupt(struct local_apic *apic)
{
    if (apic->is_virtual)
        local_apic_update(apic); /* the processor may have ended the service recorded in
                                    in_service */
    if (apic->in_service == LOCAL_APIC_NO_VECTOR)
        return;
    uint8_t vector = (uint8_t)apic->in_service;
    vector_clear(&APIC_REGISTER(apic, REGISTER_ISR), vector);
    local_apic_update(apic);
    local_apic_finish_interrupt(apic, vector);
}

void local_apic_finish_interrupt(struct local_apic *apic, uint8_t vector)
{
    uint32_t *lint0 = &apic->lvt[LOCAL_APIC_LVT_LINT0];
    if ((*lint0 & LVT_REMOTE_IRR) != 0 && apic->lint0_vector == vector) {
        *lint0 &= ~(uint32_t)LVT_REMOTE_IRR;
        apic->is_shown = false;
        apic->has_pin_news = true; /* the pin may still be asserted */
    }
    if (vector_test(&APIC_REGISTER(apic, REGISTER_TMR), vector) &&
        (apic->svr & SVR_SUPPRESS_EOI_BROADCAST) == 0)
        apic_bus_end_of_interrupt(apic->bus, vector);
}

bool local_apic_eoi(struct local_apic *apic, enum local_apic_mode mode)
{
    if (apic->mode != mode)
        return false;
    if (apic->in_service != LOCAL_APIC_NO_VECTOR || apic->is_virtual)
        local_apic_end_of_interrupt(apic);
    return true;
}

/* Interrupts of the APIC's own. */

void local_apic_deliver_lvt(struct local_apic *apic, enum local_apic_lvt entry)
{
    uint32_t lvt = apic->lvt[entry];
    if ((lvt & LVT_MASK) != 0)
        return;
    /* Timer and error entries have no delivery mode; their bits read as fixed. */
    switch (BITS(lvt, 10, 8)) {
    case APIC_FIXED: local_apic_request(apic, lvt & LVT_VECTOR, false); break;
    case APIC_NMI: local_apic_post_event(apic, APIC_EVENT_NMI, 0); break;
    case APIC_INIT: local_apic_post_event(apic, APIC_EVENT_INIT, 0); break;
    default: break; /* SMI has no effect; ExtINT follows the pin; the rest is reserved */
    }
}

void local_apic_signal(struct local_apic *apic, enum local_apic_lvt source)
{
    local_apic_deliver_lvt(apic, source);
    if (source == LOCAL_APIC_LVT_PERFORMANCE) {
        apic->lvt[source] |= LVT_MASK;
        apic->is_shown = false;
    }
}

void local_apic_error(struct local_apic *apic, uint32_t error)
{
    bool is_first = apic->errors == 0;
    apic->errors |= error;
    /* "Error Handling": a write of ESR arms the error interrupt again. Errors that the error
     * interrupt itself causes, by an illegal vector, end here as well. */
    if (is_first)
        local_apic_deliver_lvt(apic, LOCAL_APIC_LVT_ERROR);
}

/* What has arrived: the owner's half of local_apic_inbox.c. */

static uint32_t take(_Atomic uint32_t *word)
{
    return atomic_load_explicit(word, memory_order_relaxed) == 0 ? 0 : atomic_exchange(word, 0);
}

void local_apic_merge_requests(struct local_apic *apic, uint32_t attention)
{
    int highest = LOCAL_APIC_NO_VECTOR;
    bool has_illegal = false;
    for (uint32_t words = attention & APIC_ATTENTION_WORDS; words != 0; words &= words - 1) {
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

/* Checks the LINT pins. "Local Vector Table", trigger mode: it applies to fixed interrupts, and
 * LINT1 has only edges. */
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
    if (apic->has_pin_news || (attention & APIC_ATTENTION_OTHER) != 0)
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

    if ((attention & APIC_ATTENTION_OTHER) != 0 ||
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
