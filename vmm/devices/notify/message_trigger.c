// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/devices/notify/message_trigger.h"

#include "vmm/base/check.h"

#include <stddef.h>

void message_trigger_init(struct message_trigger *trigger, struct apic_bus *bus, uint64_t address,
                          uint32_t data)
{
    *trigger = (struct message_trigger){.bus = bus};
    CHECK(apic_message_of_msi(address, data, &trigger->message));
    if (bus != NULL)
        trigger->only = apic_bus_only_receiver(bus, &trigger->message);
}

static __attribute__((noinline)) void send_slow(struct message_trigger *trigger)
{
    if (!apic_bus_send(trigger->bus, &trigger->message, NULL))
        atomic_fetch_add_explicit(&trigger->lost, 1, memory_order_relaxed);
}

static inline void send(struct message_trigger *trigger)
{
    atomic_fetch_add_explicit(&trigger->raised, 1, memory_order_relaxed);
    if (trigger->only != NULL && local_apic_takes_requests(trigger->only))
        apic_bus_request(trigger->only, trigger->message.vector);
    else
        send_slow(trigger);
}

void message_trigger_raise(struct message_trigger *trigger)
{
    send(trigger);
}

void message_trigger_rung(void *context, const struct io_access *access)
{
    (void)access;
    send(context);
}
