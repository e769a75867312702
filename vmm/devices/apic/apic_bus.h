// SPDX-License-Identifier: BSD-2-Clause
/* The bus between the local APICs of a guest: finds the receivers of a message and posts the
 * message to them. Intel SDM vol. 3A, Sep 2023, "Determining IPI Destination", "x2APIC ID and
 * Logical x2APIC ID", "Message Signalled Interrupts".
 *
 * apic_bus_add and apic_bus_remove are called while no vCPU runs. Any processor may call all other
 * functions at any time; they take no lock. When such a call returns, the message is posted; the
 * receiver sees it when it accepts the next time (local_apic.h). */
#ifndef VMM_DEVICES_APIC_APIC_BUS_H
#define VMM_DEVICES_APIC_APIC_BUS_H

#include "vmm/devices/apic/local_apic.h"
#include "vmm/devices/apic_message.h"

enum {
    APIC_BUS_MAX = 64,
    APIC_BUS_IDS = 255, /* 255 is the broadcast */
};

/* ICR bits 19:18. */
enum apic_shorthand {
    APIC_NO_SHORTHAND,
    APIC_SELF,
    APIC_ALL_INCLUDING_SELF,
    APIC_ALL_EXCLUDING_SELF,
};

struct apic_bus_wires {
    /* Called when the APIC of this index has something new: its vCPU has to leave the guest or wake
     * up, and accept. Not null. Called on the sender's processor, which may be the receiver's own;
     * then nothing has to be done. */
    void (*kick)(void *context, unsigned index);
    void *context;
    /* Returns whether the caller is the owner of this APIC of the bus, so that the message need not
     * go through the inbox. In that case the call also replaces the kick. Null: never. */
    bool (*is_own)(struct local_apic *apic);
    /* Called when a level-triggered interrupt has ended, on the processor that ended it: the
     * broadcast for which I/O APICs wait. May be null. */
    void (*eoi)(void *context, uint8_t vector);
    void *eoi_context;
};

struct apic_bus {
    struct local_apic *apics[APIC_BUS_MAX];
    unsigned count;
    struct local_apic *by_id[APIC_BUS_IDS]; /* null: no APIC has this ID */
    struct apic_bus_wires wires;
    _Atomic unsigned last_chosen; /* the index chosen last by lowest-priority arbitration */
};

/* Sets up an empty bus; wires are copied. */
void apic_bus_init(struct apic_bus *bus, const struct apic_bus_wires *wires);

/* Sets up an APIC (local_apic_init) at the next free index and puts it on the bus. Returns false if
 * the bus is full, or if the config's ID is above 254 or taken. */
bool apic_bus_add(struct apic_bus *bus, struct local_apic *apic,
                  const struct local_apic_config *config) __attribute__((warn_unused_result));

/* Takes the APIC off the bus that was added last (CHECK). No vCPU runs, and nobody sends. */
void apic_bus_remove(struct apic_bus *bus, struct local_apic *apic);

/* Returns whether anything has arrived at one of the APICs that its owner has not looked at. */
bool apic_bus_needs_attention(const struct apic_bus *bus);

/* Returns the logical ID of an APIC in x2APIC mode: the cluster in bits 31:16, one bit of 15:0. */
static inline uint32_t apic_x2apic_logical_id(uint32_t id)
{
    return id >> 4 << 16 | UINT32_C(1) << (id & 0xf);
}

/* Sends a message. With a shorthand, which is for IPIs, the message's destination is ignored.
 * source is the sending local APIC, and the caller is its owner; null for an I/O APIC and for other
 * senders with 8-bit destinations. An APIC in xAPIC mode has 8-bit destinations as well. Returns
 * true if an APIC accepted the message. An INIT with deassertion has no effect and no APIC accepts
 * it. Only APICs that software has enabled accept a fixed, lowest-priority or ExtINT interrupt.
 * Lowest priority goes to the receiver with the lowest PPR; several with the same PPR take turns.
 * SMIs are accepted without effect. Vectors below 16 raise an error in the receivers. If bus is
 * null, no APIC accepts the message. */
bool apic_bus_send_ipi(struct apic_bus *bus, const struct apic_message *message,
                       enum apic_shorthand shorthand, struct local_apic *source);

/* Sends a message to its destination; see apic_bus_send_ipi. */
static inline bool apic_bus_send(struct apic_bus *bus, const struct apic_message *message,
                                 struct local_apic *source)
{
    return apic_bus_send_ipi(bus, message, APIC_NO_SHORTHAND, source);
}

/* Sends what most IPIs are: a fixed, edge-triggered interrupt from source to the APIC with this ID,
 * 0..254, if there is one and it accepts. vector: 16..255. See apic_bus_send_ipi. */
void apic_bus_send_fixed(struct apic_bus *bus, uint8_t id, uint8_t vector,
                         struct local_apic *source);

/* Returns the only APIC that a message can be for, if the message is a fixed, edge-triggered
 * interrupt with one physical destination. The result never changes after all APICs are on the bus.
 * For senders that send the same message many times. Null: use apic_bus_send. */
struct local_apic *apic_bus_only_receiver(struct apic_bus *bus, const struct apic_message *message);

/* Does what apic_bus_send does with such a message if local_apic_takes_requests. vector:
 * 16..255. */
void apic_bus_request(struct local_apic *apic, uint8_t vector);

/* Sets *message to the meaning of a device's write of data to address, a message-signalled
 * interrupt. Returns false, and *message has no meaning, if the address is not 0xfeexxxxx, or if
 * the message is level-triggered and deasserts. "Message Address Register Format", "Message Data
 * Register Format". */
bool apic_message_of_msi(uint64_t address, uint32_t data, struct apic_message *message)
    __attribute__((warn_unused_result));

/* Sends the message of a device's write of data to address. Returns false if there is no such
 * message or no APIC accepts it. */
bool apic_bus_send_msi(struct apic_bus *bus, uint64_t address, uint32_t data);

/* Asserts or deasserts LINT0 (the 8259A's INTR) or LINT1 (NMI), pin 0 or 1, of all APICs. Only one
 * caller at a time for each pin. */
void apic_bus_set_lint(struct apic_bus *bus, unsigned pin, bool level);

/* Calls wires.eoi; for the local APICs. bus may be null. */
void apic_bus_end_of_interrupt(struct apic_bus *bus, uint8_t vector);

#endif
