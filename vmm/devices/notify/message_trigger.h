// SPDX-License-Identifier: BSD-2-Clause
/* A message trigger: an event, from anywhere, that becomes a message to the local APICs, like a
 * device's message-signalled interrupt. There is no line and no interrupt controller between, so
 * there is no lock. KVM calls this an irqfd whose route is an MSI (Linux,
 * Documentation/virt/kvm/api.rst, "KVM_IRQFD", "KVM_SET_GSI_ROUTING").
 *
 * Any number of events may come at once, from any processor. The interrupt is an edge. If the
 * message says level, the interrupt ends at the local APIC alone, because nothing can be asked
 * whether it still asserts. Events that come while the vector waits merge with it (Intel SDM vol.
 * 3A, Sep 2023, "Interrupt Acceptance for Fixed Interrupts"). */
#ifndef VMM_DEVICES_NOTIFY_MESSAGE_TRIGGER_H
#define VMM_DEVICES_NOTIFY_MESSAGE_TRIGGER_H

#include "vmm/devices/apic/apic_bus.h"
#include "vmm/devices/apic_message.h"
#include "vmm/iobus/io_access.h"

struct message_trigger {
    struct apic_bus *bus;
    struct local_apic *only; /* see apic_bus_only_receiver */
    struct apic_message message;
    _Atomic uint64_t raised; /* events since the beginning */
    _Atomic uint64_t lost;   /* events whose message no local APIC accepted */
};

/* Sets up the trigger with the address and data that a device would write; apic_message_of_msi must
 * not refuse them (CHECK). All local APICs are already on the bus. bus may be null as long as
 * nothing is raised. */
void message_trigger_init(struct message_trigger *trigger, struct apic_bus *bus, uint64_t address,
                          uint32_t data);

/* Raises one event. When this function returns, the receivers have the message. */
void message_trigger_raise(struct message_trigger *trigger);

/* The callback for struct doorbell_listener: raises one event. context is the struct
 * message_trigger. */
void message_trigger_rung(void *context, const struct io_access *access);

#endif
