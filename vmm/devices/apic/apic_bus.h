// SPDX-License-Identifier: BSD-2-Clause
/* What connects the local APICs of a guest: finds the receivers of a message and posts it to them.
 * Intel SDM vol. 3A, Sep 2023, "Determining IPI Destination", "x2APIC ID and Logical x2APIC ID",
 * "Message Signalled Interrupts".
 *
 * apic_bus_add is called before any vCPU runs; everything else from any processor at any time,
 * without lock. A message is posted when the call returns; the receiver sees it the next time it
 * accepts (local_apic.h). */
#ifndef VMM_DEVICES_APIC_APIC_BUS_H
#define VMM_DEVICES_APIC_APIC_BUS_H

#include "vmm/devices/apic/local_apic.h"
#include "vmm/devices/apic_message.h"

enum {
    APIC_BUS_MAX = 64,
    APIC_BUS_IDS = 255, /* 255 is everybody */
};

/* ICR bits 19:18. */
enum apic_shorthand {
    APIC_NO_SHORTHAND,
    APIC_SELF,
    APIC_ALL_INCLUDING_SELF,
    APIC_ALL_EXCLUDING_SELF,
};

struct apic_bus_wires {
    /* APIC index has news: it must leave its guest or wake up, and accept. Not null. Called on the
     * sender's processor, which may be the receiver's own; then nothing needs doing. */
    void (*kick)(void *context, unsigned index);
    void *context;
    /* Whether the owner of an APIC of the bus is who calls, and so can be spared the way through
     * the inbox. If so, this is its kick as well. Null: never. */
    bool (*is_own)(struct local_apic *apic);
    /* A level-triggered interrupt has ended, on the processor that ended it: the broadcast that I/O
     * APICs wait for. May be null. */
    void (*eoi)(void *context, uint8_t vector);
    void *eoi_context;
};

struct apic_bus {
    struct local_apic *apics[APIC_BUS_MAX];
    unsigned count;
    struct local_apic *by_id[APIC_BUS_IDS]; /* null: nobody's */
    struct apic_bus_wires wires;
    _Atomic unsigned last_chosen; /* by lowest-priority arbitration */
};

/* An empty bus; wires are copied. */
void apic_bus_init(struct apic_bus *bus, const struct apic_bus_wires *wires);

/* Sets an APIC up (local_apic_init) at the next free index and puts it on the bus. False if the bus
 * is full, or the config's ID is above 254 or taken. */
bool apic_bus_add(struct apic_bus *bus, struct local_apic *apic,
                  const struct local_apic_config *config) __attribute__((warn_unused_result));

/* The logical ID of an APIC in x2APIC mode: cluster in 31:16, one bit of 15:0. */
static inline uint32_t apic_x2apic_logical_id(uint32_t id)
{
    return id >> 4 << 16 | UINT32_C(1) << (id & 0xf);
}

/* Sends a message; with a shorthand, which is for IPIs, its destination means nothing. source is
 * the sending local APIC; null for an I/O APIC and others that have 8-bit destinations, as has an
 * APIC in xAPIC mode. True if an APIC took it: an INIT with deassertion has no effect and nobody
 * takes it; a fixed, lowest-priority or ExtINT interrupt is taken by APICs that software has
 * enabled. Lowest priority goes to the receiver with the lowest PPR, in turn where there are
 * several. SMIs are taken without effect. Vectors below 16 raise an error in the receivers. bus may
 * be null: then nobody takes it. By the owner of source, if there is one. */
bool apic_bus_send_ipi(struct apic_bus *bus, const struct apic_message *message,
                       enum apic_shorthand shorthand, struct local_apic *source);

/* Likewise, to its destination. */
static inline bool apic_bus_send(struct apic_bus *bus, const struct apic_message *message,
                                 struct local_apic *source)
{
    return apic_bus_send_ipi(bus, message, APIC_NO_SHORTHAND, source);
}

/* What most IPIs are: a fixed interrupt, an edge, from source to the APIC with that ID, 0..254, if
 * there is one and it takes it. vector: 16..255. As apic_bus_send_ipi otherwise. */
void apic_bus_send_fixed(struct apic_bus *bus, uint8_t id, uint8_t vector,
                         struct local_apic *source);

/* For whoever sends the same message again and again. The only APIC that it can be for, if it is a
 * fixed interrupt, an edge, with one physical destination: the same for good, once all APICs are on
 * the bus. Null: it takes apic_bus_send. */
struct local_apic *apic_bus_only_receiver(struct apic_bus *bus, const struct apic_message *message);

/* What apic_bus_send does with such a message if local_apic_takes_requests. vector: 16..255. */
void apic_bus_request(struct local_apic *apic, uint8_t vector);

/* What the write of data to address means that a device makes as a message-signalled interrupt.
 * False, and the message means nothing: the address is not 0xfeexxxxx, or the message is
 * level-triggered and deasserts. "Message Address Register Format", "Message Data Register Format".
 */
bool apic_message_of_msi(uint64_t address, uint32_t data, struct apic_message *message)
    __attribute__((warn_unused_result));

/* Sends that message. False also if there is none. */
bool apic_bus_send_msi(struct apic_bus *bus, uint64_t address, uint32_t data);

/* LINT0 (the 8259A's INTR) or LINT1 (NMI), pin 0 or 1, of all APICs is asserted or not. One caller
 * at a time for a pin. */
void apic_bus_set_lint(struct apic_bus *bus, unsigned pin, bool level);

/* For the local APICs: tells wires.eoi. bus may be null. */
void apic_bus_end_of_interrupt(struct apic_bus *bus, uint8_t vector);

#endif
