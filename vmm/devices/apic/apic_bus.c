// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/devices/apic/apic_bus.h"

#include "vmm/base/bits.h"
#include "vmm/base/check.h"
#include "vmm/devices/apic/local_apic_state.h"

#include <string.h>

static bool is_never_own(struct local_apic *apic)
{
    (void)apic;
    return false;
}

void apic_bus_init(struct apic_bus *bus, const struct apic_bus_wires *wires)
{
    memset(bus, 0, sizeof(*bus));
    bus->wires = *wires;
    if (bus->wires.is_own == NULL)
        bus->wires.is_own = is_never_own;
    atomic_store(&bus->last_chosen, APIC_BUS_MAX - 1); /* the first one to be chosen is 0 */
}

bool apic_bus_add(struct apic_bus *bus, struct local_apic *apic,
                  const struct local_apic_config *config)
{
    if (bus->count == APIC_BUS_MAX || config->id >= APIC_BUS_IDS)
        return false;
    if (bus->by_id[config->id] != NULL)
        return false;
    local_apic_init(apic, bus, bus->count, config);
    bus->by_id[config->id] = apic;
    bus->apics[bus->count++] = apic;
    return true;
}

void apic_bus_remove(struct apic_bus *bus, struct local_apic *apic)
{
    CHECK(bus->count > 0 && bus->apics[bus->count - 1] == apic);
    bus->apics[--bus->count] = NULL;
    bus->by_id[apic->config.id] = NULL;
}

/* Who is meant. */

/* "Logical Destination Mode", xAPIC. mda: the message destination address. */
static bool matches_xapic_logical(const struct local_apic_published *target, uint32_t mda)
{
    if (mda > 0xff)
        return false;
    switch (target->model) {
    case 0xf: return (target->logical_id & mda) != 0; /* flat */
    case 0x0: return target->logical_id >> 4 == mda >> 4 && (target->logical_id & mda & 0xf) != 0;
    default: return false; /* reserved */
    }
}

static bool matches(const struct local_apic *apic, const struct local_apic_published *target,
                    const struct apic_message *message, bool is_wide)
{
    uint32_t destination = is_wide ? message->destination : message->destination & 0xff;
    if (destination == (is_wide ? UINT32_MAX : 0xff))
        return true; /* all ones, with the width of the sender's destinations, is the broadcast */
    if (!message->is_logical)
        return destination == apic->config.id;
    if (target->mode == LOCAL_APIC_XAPIC)
        return matches_xapic_logical(target, destination);
    uint32_t logical_id = apic_x2apic_logical_id(apic->config.id);
    return logical_id >> 16 == destination >> 16 && (logical_id & destination & 0xffff) != 0;
}

static bool is_selected(const struct local_apic *apic, const struct local_apic_published *target,
                        const struct apic_message *message, enum apic_shorthand shorthand,
                        const struct local_apic *source)
{
    switch (shorthand) {
    case APIC_SELF: return apic == source;
    case APIC_ALL_INCLUDING_SELF: return true;
    case APIC_ALL_EXCLUDING_SELF: return apic != source;
    default: break;
    }
    bool is_wide = source != NULL && source->mode == LOCAL_APIC_X2APIC;
    return matches(apic, target, message, is_wide);
}

/* What is done to them. */

/* The effect of a message at the receiver, for each delivery mode. */
static const struct {
    bool is_taken;       /* accepted by an APIC that is not globally disabled */
    bool needs_enabling; /* the APIC has to be enabled by software as well */
    bool is_request;
    uint32_t event;
} deliveries[8] = {
    [APIC_FIXED] = {.is_taken = true, .needs_enabling = true, .is_request = true},
    [APIC_LOWEST_PRIORITY] = {.is_taken = true, .needs_enabling = true, .is_request = true},
    [APIC_SMI] = {.is_taken = true},
    [APIC_NMI] = {.is_taken = true, .event = APIC_EVENT_NMI},
    [APIC_INIT] = {.is_taken = true, .event = APIC_EVENT_INIT},
    [APIC_STARTUP] = {.is_taken = true, .event = APIC_EVENT_STARTUP},
    [APIC_EXTINT] = {.is_taken = true, .needs_enabling = true, .event = APIC_EVENT_EXTINT},
};

static __attribute__((noinline)) void post_request(struct apic_bus *bus, struct local_apic *apic,
                                                   uint8_t vector, bool is_level)
{
    if (local_apic_post_request(apic, vector, is_level))
        bus->wires.kick(bus->wires.context, apic->index);
}

static inline void deliver_request(struct apic_bus *bus, struct local_apic *apic, uint8_t vector,
                                   bool is_level, const struct local_apic *source)
{
    /* A caller that sends as one APIC owns no other APIC. */
    if (source != NULL ? apic == source : bus->wires.is_own(apic))
        local_apic_request(apic, vector, is_level);
    else
        post_request(bus, apic, vector, is_level);
}

static void deliver(struct apic_bus *bus, struct local_apic *apic,
                    const struct apic_message *message, const struct local_apic *source)
{
    unsigned delivery = message->delivery & 7u;
    if (deliveries[delivery].is_request)
        deliver_request(bus, apic, message->vector, message->is_level, source);
    else if (deliveries[delivery].event != 0 &&
             local_apic_post_event(apic, deliveries[delivery].event, message->vector) &&
             apic != source)
        bus->wires.kick(bus->wires.context, apic->index);
}

/* Returns whether an APIC accepts messages of this delivery mode now. */
static inline bool takes(const struct local_apic_published *target, unsigned delivery)
{
    return target->mode != LOCAL_APIC_DISABLED &&
           (target->is_enabled || !deliveries[delivery].needs_enabling);
}

/* Returns the one APIC that a message can be for, without a look at the others; null: there is
 * none. *is_known is false if the receivers have to be searched. */
static inline struct local_apic *only_receiver(struct apic_bus *bus,
                                               const struct apic_message *message,
                                               enum apic_shorthand shorthand,
                                               struct local_apic *source, bool *is_known)
{
    *is_known = true;
    if (shorthand == APIC_SELF)
        return source;
    bool is_wide = source != NULL && source->mode == LOCAL_APIC_X2APIC;
    uint32_t destination = is_wide ? message->destination : message->destination & 0xff;
    if (shorthand == APIC_NO_SHORTHAND && !message->is_logical &&
        destination != (is_wide ? UINT32_MAX : 0xff))
        return destination < APIC_BUS_IDS ? bus->by_id[destination] : NULL;
    *is_known = false;
    return NULL;
}

void apic_bus_send_fixed(struct apic_bus *bus, uint8_t id, uint8_t vector,
                         struct local_apic *source)
{
    struct local_apic *apic = bus != NULL ? bus->by_id[id] : NULL;

    if (apic != NULL && local_apic_takes_requests(apic))
        deliver_request(bus, apic, vector, false, source);
}

struct local_apic *apic_bus_only_receiver(struct apic_bus *bus, const struct apic_message *message)
{
    bool is_known, is_plain = message->delivery == APIC_FIXED && !message->is_level;

    return is_plain ? only_receiver(bus, message, APIC_NO_SHORTHAND, NULL, &is_known) : NULL;
}

void apic_bus_request(struct local_apic *apic, uint8_t vector)
{
    if (__builtin_expect(apic->bus->wires.is_own(apic), 1))
        local_apic_set_request(apic, vector, false);
    else
        post_request(apic->bus, apic, vector, false);
}

/* Checks each APIC whether the message is for it. */
static bool send_to_many(struct apic_bus *bus, const struct apic_message *message,
                         enum apic_shorthand shorthand, const struct local_apic *source)
{
    unsigned delivery = message->delivery & 7u;

    /* Lowest priority: begins behind the one that was chosen last, so that APICs with the same
     * priority take turns. */
    bool is_arbitrated = delivery == APIC_LOWEST_PRIORITY;
    unsigned first =
        is_arbitrated ? atomic_load_explicit(&bus->last_chosen, memory_order_relaxed) + 1 : 0;
    struct local_apic *chosen = NULL;
    uint8_t chosen_ppr = 0;
    bool is_taken = false;

    for (unsigned step = 0; step < bus->count; step++) {
        struct local_apic *apic = bus->apics[(first + step) % bus->count];
        struct local_apic_published target = local_apic_read_published(apic);
        if (!takes(&target, delivery) || !is_selected(apic, &target, message, shorthand, source))
            continue;
        if (!is_arbitrated) {
            deliver(bus, apic, message, source);
            is_taken = true;
        } else if (chosen == NULL || target.ppr < chosen_ppr) {
            chosen = apic;
            chosen_ppr = target.ppr;
        }
    }
    if (chosen == NULL)
        return is_taken;
    atomic_store_explicit(&bus->last_chosen, chosen->index, memory_order_relaxed);
    deliver(bus, chosen, message, source);
    return true;
}

bool apic_bus_send_ipi(struct apic_bus *bus, const struct apic_message *message,
                       enum apic_shorthand shorthand, struct local_apic *source)
{
    unsigned delivery = message->delivery & 7u;
    bool is_deassertion = delivery == APIC_INIT && message->is_level && !message->is_asserted;
    bool is_known;
    if (bus == NULL || !deliveries[delivery].is_taken || is_deassertion)
        return false;
    struct local_apic *apic = only_receiver(bus, message, shorthand, source, &is_known);
    if (!is_known)
        return send_to_many(bus, message, shorthand, source);
    if (apic == NULL)
        return false;
    struct local_apic_published target = local_apic_read_published(apic);
    if (!takes(&target, delivery))
        return false;
    deliver(bus, apic, message, source);
    return true;
}

bool apic_message_of_msi(uint64_t address, uint32_t data, struct apic_message *message)
{
    if (address >> 20 != 0xfee)
        return false;
    bool is_logical = BITS(address, 2, 2) != 0, is_redirectable = BITS(address, 3, 3) != 0;
    *message = (struct apic_message){
        .destination = (uint32_t)BITS(address, 19, 12),
        .is_logical = is_logical,
        .delivery = (enum apic_delivery)BITS(data, 10, 8),
        .vector = (uint8_t)data,
        .is_level = BITS(data, 15, 15) != 0,
        .is_asserted = BITS(data, 14, 14) != 0,
    };
    if (message->is_level && !message->is_asserted)
        return false;
    /* With the redirection hint, one of the processors in a logical destination gets the interrupt:
     * the one with the lowest priority. */
    if (is_redirectable && is_logical && message->delivery == APIC_FIXED)
        message->delivery = APIC_LOWEST_PRIORITY;
    return true;
}

bool apic_bus_send_msi(struct apic_bus *bus, uint64_t address, uint32_t data)
{
    struct apic_message message;

    return apic_message_of_msi(address, data, &message) && apic_bus_send(bus, &message, NULL);
}

void apic_bus_set_lint(struct apic_bus *bus, unsigned pin, bool level)
{
    for (unsigned index = 0; index < bus->count; index++) {
        if (local_apic_post_lint(bus->apics[index], pin, level))
            bus->wires.kick(bus->wires.context, index);
    }
}

void apic_bus_end_of_interrupt(struct apic_bus *bus, uint8_t vector)
{
    if (bus != NULL && bus->wires.eoi != NULL)
        bus->wires.eoi(bus->wires.eoi_context, vector);
}

bool apic_bus_needs_attention(const struct apic_bus *bus)
{
    for (unsigned index = 0; index < bus->count; index++) {
        if (local_apic_needs_attention(bus->apics[index]))
            return true;
    }
    return false;
}
