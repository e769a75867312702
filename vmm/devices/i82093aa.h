// SPDX-License-Identifier: BSD-2-Clause
/* The I/O APIC: 24 interrupt inputs, each with an entry that says which message it sends to the
 * local APICs. Intel 82093AA datasheet, order number 290566, as later chip sets carry it on:
 * version 0x20, eight destination bits and the EOI register, Intel 82801DB (ICH4) datasheet, order
 * number 290744, "EOIR - EOI Register".
 *
 * Where the two leave a choice:
 * - Version 0x20, not the 82093AA's 0x11: system software with EOI-broadcast suppression uses the
 *   EOI register then, and else would end an interrupt by switching its entry to edge and back.
 * - An input is asserted or not; INTPOL only reads back. Polarity describes how a board is wired,
 *   and a guest that has it wrong could only turn a working line into a stuck one.
 * - An edge at a masked input is lost, as "Interrupt Mask" says; software that masks sends itself
 *   the interrupt it knows to have missed. A level is seen as long as it lasts.
 * - SMI, NMI, INIT and ExtINT are edges, whatever the trigger mode says ("Delivery Mode").
 * - A message that nobody accepts stays to be sent, DELIVS set, until its cause goes away,
 *   the entry is masked or i82093aa_retry finds a taker: as on the APIC bus.
 *
 * The chip takes no lock: its owner lets one caller in at a time. */
#ifndef VMM_DEVICES_I82093AA_H
#define VMM_DEVICES_I82093AA_H

#include "vmm/devices/apic_message.h"

#include <stdbool.h>
#include <stdint.h>

#define I82093AA_ADDRESS      0xfec00000
#define I82093AA_WINDOW_BYTES 0x1000
#define I82093AA_PIN_COUNT    24
#define I82093AA_VERSION      0x20

/* Offsets in the window. */
enum {
    I82093AA_IOREGSEL = 0x00,
    I82093AA_IOWIN = 0x10,
    I82093AA_EOIR = 0x40,
};

/* What IOREGSEL selects; 0x10 and up come in pairs, low half first. */
enum {
    I82093AA_IOAPICID = 0x00,
    I82093AA_IOAPICVER = 0x01,
    I82093AA_IOAPICARB = 0x02,
    I82093AA_IOREDTBL = 0x10,
};

struct i82093aa_wires {
    /* Hands a message to the local APICs; true if at least one of them took it. May not call the
     * chip. */
    bool (*send)(void *context, const struct apic_message *message);
    /* A level interrupt of this pin is over, and the pin is about to be looked at again. May drive
     * the chip's pins. Null: nobody asks. */
    void (*end_of_interrupt)(void *context, unsigned pin);
    void *context;
};

/* Bit n of a mask belongs to pin n. */
struct i82093aa {
    struct i82093aa_wires wires;
    uint8_t ioregsel;
    uint8_t id;          /* 0-15 */
    uint32_t pins;       /* asserted */
    uint32_t edges;      /* risen, unmasked, and not accepted so far; edge-triggered pins only */
    uint32_t remote_irr; /* accepted, no EOI so far; level-triggered pins only */
    uint64_t entries[I82093AA_PIN_COUNT]; /* without the read-only bits */
};

/* One redirection entry, and the pin it belongs to, for a dump. */
struct i82093aa_pin {
    uint8_t vector;
    uint8_t delivery; /* enum apic_delivery, or 3, which is reserved */
    uint8_t destination;
    bool is_logical;
    bool is_level;
    bool is_active_low;
    bool is_masked;
    bool is_asserted;
    bool remote_irr;
    bool is_pending; /* DELIVS: a message nobody has accepted yet */
};

/* Sets up the chip with all pins low and resets it. send may not be null. */
void i82093aa_init(struct i82093aa *ioapic, const struct i82093aa_wires *wires);

/* The RESET pin: ID 0, every entry masked and otherwise 0, edges and remote IRR forgotten; nothing
 * is sent and end_of_interrupt is not called. The levels at the pins belong to those who drive them
 * and stay. "IOAPIC Registers", default values. */
void i82093aa_reset(struct i82093aa *ioapic);

/* A read of size_bytes (1, 2 or 4, naturally aligned) at `offset` in the window: bytes of IOREGSEL
 * or of IOWIN, which is the register that IOREGSEL selects. Everything else, EOIR and the reserved
 * registers included, is 0. "Memory Mapped Registers for Accessing IOAPIC Registers". */
uint32_t i82093aa_read(const struct i82093aa *ioapic, unsigned offset, unsigned size_bytes);

/* A write of the same kind. IOREGSEL and EOIR take their low byte from a write of any size at their
 * offset; IOWIN takes 32 bits at once ("must be accessed as a Dword quantity"); other writes, and
 * those to read-only or reserved bits, do nothing. May send a message, and call end_of_interrupt:
 * through EOIR, or by an entry whose remote IRR goes because it is edge-triggered from now on. */
void i82093aa_write(struct i82093aa *ioapic, unsigned offset, unsigned size_bytes, uint32_t value);

/* Asserts (true) or deasserts a pin, 0..23. A pin has one driver; sharing is the board's affair.
 * May send a message. */
void i82093aa_set_line(struct i82093aa *ioapic, unsigned pin, bool level);

/* The EOI message of a local APIC, for the vector of a level-triggered interrupt: ends it on every
 * pin with this vector, and sends it again where the pin is still asserted. "Remote IRR". */
void i82093aa_eoi(struct i82093aa *ioapic, uint8_t vector);

/* Sends once more what nobody accepted: for whoever knows that a local APIC has been enabled or now
 * answers to another ID. */
void i82093aa_retry(struct i82093aa *ioapic);

/* The state of a pin, 0..23. */
struct i82093aa_pin i82093aa_describe(const struct i82093aa *ioapic, unsigned pin);

#endif
