// SPDX-License-Identifier: BSD-2-Clause
/* A message trigger: an event, from anywhere, that becomes a message to the local APICs, as a
 * device's message-signalled interrupt is one. No line, no interrupt controller between, and hence
 * no lock. KVM calls this an irqfd whose route is an MSI (Linux, Documentation/virt/kvm/api.rst,
 * "KVM_IRQFD", "KVM_SET_GSI_ROUTING").
 *
 * Any number of events at once, from any processor. The interrupt is an edge, or ends at the local
 * APIC alone where the message says level: there is nothing that could be asked whether it still
 * asserts. Events that come while the vector waits are one with it (Intel SDM vol. 3A, Sep 2023,
 * "Interrupt Acceptance for Fixed Interrupts"). */
#ifndef VMM_DEVICES_NOTIFY_MESSAGE_TRIGGER_H
#define VMM_DEVICES_NOTIFY_MESSAGE_TRIGGER_H

#include "vmm/devices/apic/apic_bus.h"
#include "vmm/devices/apic_message.h"
#include "vmm/iobus/io_access.h"

struct message_trigger {
    struct apic_bus *bus;
    struct local_apic *only; /* apic_bus_only_receiver */
    struct apic_message message;
    _Atomic uint64_t raised; /* events since the beginning */
    _Atomic uint64_t lost;   /* of these, whose message no local APIC took */
};

/* Address and data as a device would write them (apic_message_of_msi, which must not refuse them).
 * All local APICs are on the bus, which may be null as long as nothing is raised. */
void message_trigger_init(struct message_trigger *trigger, struct apic_bus *bus, uint64_t address,
                          uint32_t data);

/* An event: the message is with its receivers when this returns. */
void message_trigger_raise(struct message_trigger *trigger);

/* The same, as struct doorbell_listener calls it; context is the struct message_trigger. */
void message_trigger_rung(void *context, const struct io_access *access);

#endif
