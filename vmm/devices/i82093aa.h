// SPDX-License-Identifier: BSD-2-Clause
/* The I/O APIC: 24 interrupt inputs, each with an entry that defines the message it sends to the
 * local APICs. Intel 82093AA datasheet, order number 290566, with the additions of later chip sets:
 * version 0x20, eight destination bits and the EOI register, Intel 82801DB (ICH4) datasheet, order
 * number 290744, "EOIR - EOI Register".
 *
 * Where the two leave a choice:
 * - The version is 0x20, not the 82093AA's 0x11. System software with EOI-broadcast suppression
 *   then uses the EOI register; otherwise it would end an interrupt by switching the entry to edge
 *   and back.
 * - An input is asserted or not; INTPOL only reads back. Polarity describes how a board is wired,
 *   and a guest with the wrong polarity could only turn a working line into a stuck one.
 * - An edge at a masked input is lost, as "Interrupt Mask" says. Software that masks an input sends
 *   itself the interrupt that it may have missed. A level is seen as long as it lasts.
 * - SMI, NMI, INIT and ExtINT are edges, whatever the trigger mode is ("Delivery Mode").
 * - A message that no local APIC accepts stays pending, with DELIVS set, until its cause ends, the
 *   entry is masked, or i82093aa_retry finds a local APIC that accepts it, as on the APIC bus.
 *
 * The chip takes no lock: its owner lets only one caller in at a time. */
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

/* The registers that IOREGSEL selects; 0x10 and higher are pairs, with the low half first. */
enum {
    I82093AA_IOAPICID = 0x00,
    I82093AA_IOAPICVER = 0x01,
    I82093AA_IOAPICARB = 0x02,
    I82093AA_IOREDTBL = 0x10,
};

struct i82093aa_wires {
    /* Sends a message to the local APICs. Returns true if at least one of them accepted it. The
     * function does not call the chip. */
    bool (*send)(void *context, const struct apic_message *message);
    /* Called when a level interrupt of this pin has ended and the chip will check the pin again.
     * The function may drive the chip's pins. Null: not called. */
    void (*end_of_interrupt)(void *context, unsigned pin);
    void *context;
};

/* Bit n of a mask belongs to pin n. */
struct i82093aa {
    struct i82093aa_wires wires;
    uint8_t ioregsel;
    uint8_t id;          /* 0-15 */
    uint32_t pins;       /* 1: asserted */
    uint32_t edges;      /* unmasked edges that are not accepted yet; edge-triggered pins only */
    uint32_t remote_irr; /* accepted, with no EOI yet; level-triggered pins only */
    uint64_t entries[I82093AA_PIN_COUNT]; /* without the read-only bits */
};

/* One redirection entry and its pin, for a dump. */
struct i82093aa_pin {
    uint8_t vector;
    uint8_t delivery; /* enum apic_delivery, or 3 (reserved) */
    uint8_t destination;
    bool is_logical;
    bool is_level;
    bool is_active_low;
    bool is_masked;
    bool is_asserted;
    bool remote_irr;
    bool is_pending; /* DELIVS: no local APIC has accepted the message yet */
};

/* Sets up the chip with all pins low and resets it. wires is copied; send is not null. */
void i82093aa_init(struct i82093aa *ioapic, const struct i82093aa_wires *wires);

/* Does what the RESET pin does: ID 0, every entry masked and otherwise 0, edges and remote IRR
 * cleared. Sends nothing and does not call end_of_interrupt. The levels at the pins stay, because
 * their drivers own them. "IOAPIC Registers", default values. */
void i82093aa_reset(struct i82093aa *ioapic);

/* Reads size_bytes (1, 2 or 4, naturally aligned) at `offset` in the window: bytes of IOREGSEL, or
 * bytes of IOWIN, which is the register that IOREGSEL selects. All else reads 0, including EOIR and
 * the reserved registers. "Memory Mapped Registers for Accessing IOAPIC Registers". */
uint32_t i82093aa_read(const struct i82093aa *ioapic, unsigned offset, unsigned size_bytes);

/* Writes size_bytes (1, 2 or 4) at `offset`. IOREGSEL and EOIR take the low byte of a write of any
 * size at their offset. IOWIN takes only 32 bits at once ("must be accessed as a Dword quantity").
 * Other writes do nothing, and read-only and reserved bits ignore writes. May send a message. May
 * call end_of_interrupt, through EOIR or when an entry becomes edge-triggered and so loses its
 * remote IRR. */
void i82093aa_write(struct i82093aa *ioapic, unsigned offset, unsigned size_bytes, uint32_t value);

/* Asserts (true) or deasserts a pin, 0..23. A pin has one driver; the board combines sources that
 * share a pin. May send a message. */
void i82093aa_set_line(struct i82093aa *ioapic, unsigned pin, bool level);

/* Handles a local APIC's EOI message for the vector of a level-triggered interrupt: ends the
 * interrupt on every pin with this vector, and sends it again if the pin is still asserted. "Remote
 * IRR". */
void i82093aa_eoi(struct i82093aa *ioapic, uint8_t vector);

/* Sends the messages again that no local APIC accepted. Call it when a local APIC has been enabled
 * or now answers to another ID. */
void i82093aa_retry(struct i82093aa *ioapic);

/* Returns the state of a pin, 0..23. */
struct i82093aa_pin i82093aa_describe(const struct i82093aa *ioapic, unsigned pin);

#endif
