// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/devices/i82093aa.h"

#include "vmm/base/bits.h"
#include "vmm/base/check.h"

#include <stddef.h>

/* IOREDTBL: "I/O Redirection Table Registers". */
#define ENTRY_VECTOR      UINT64_C(0xff)
#define ENTRY_DESTMOD     BIT(11) /* 1: logical */
#define ENTRY_DELIVS      BIT(12)
#define ENTRY_INTPOL      BIT(13)
#define ENTRY_REMOTE_IRR  BIT(14)
#define ENTRY_LEVEL       BIT(15)
#define ENTRY_MASK        BIT(16)
#define ENTRY_DESTINATION (UINT64_C(0xff) << 56)
#define ENTRY_WRITABLE                                                                             \
    (ENTRY_VECTOR | UINT64_C(0x700) | ENTRY_DESTMOD | ENTRY_INTPOL | ENTRY_LEVEL | ENTRY_MASK |    \
     ENTRY_DESTINATION)

#define DELIVERY_RESERVED 3
#define ID_SHIFT          24
#define MAX_ENTRY_SHIFT   16

static unsigned delivery_of(uint64_t entry)
{
    return (unsigned)BITS(entry, 10, 8);
}

static bool is_level(uint64_t entry)
{
    unsigned delivery = delivery_of(entry);

    return entry & ENTRY_LEVEL && (delivery == APIC_FIXED || delivery == APIC_LOWEST_PRIORITY);
}

static bool can_send(uint64_t entry)
{
    return !(entry & ENTRY_MASK) && delivery_of(entry) != DELIVERY_RESERVED;
}

/* Returns whether the pin has a message to send. */
static bool is_pending(const struct i82093aa *ioapic, unsigned pin)
{
    uint64_t entry = ioapic->entries[pin];
    uint32_t causes = is_level(entry) ? ioapic->pins & ~ioapic->remote_irr : ioapic->edges;

    return causes & BIT(pin) && can_send(entry);
}

/* Sends the pin's message if it has one. Called after every change of a pin or its entry. */
static void update(struct i82093aa *ioapic, unsigned pin)
{
    uint64_t entry = ioapic->entries[pin];
    uint32_t mask = (uint32_t)BIT(pin);

    if (!is_pending(ioapic, pin))
        return;
    struct apic_message message = {
        .destination = (uint32_t)BITS(entry, 63, 56),
        .is_logical = entry & ENTRY_DESTMOD,
        .delivery = (enum apic_delivery)delivery_of(entry),
        .vector = (uint8_t)(entry & ENTRY_VECTOR),
        .is_level = is_level(entry),
        .is_asserted = true,
    };
    if (!ioapic->wires.send(ioapic->wires.context, &message))
        return;
    if (message.is_level)
        ioapic->remote_irr |= mask;
    else
        ioapic->edges &= ~mask;
}

static void end_interrupt(struct i82093aa *ioapic, unsigned pin)
{
    ioapic->remote_irr &= ~(uint32_t)BIT(pin);
    if (ioapic->wires.end_of_interrupt != NULL)
        ioapic->wires.end_of_interrupt(ioapic->wires.context, pin);
    update(ioapic, pin);
}

void i82093aa_reset(struct i82093aa *ioapic)
{
    ioapic->ioregsel = 0;
    ioapic->id = 0;
    ioapic->edges = 0;
    ioapic->remote_irr = 0;
    for (unsigned pin = 0; pin < I82093AA_PIN_COUNT; pin++)
        ioapic->entries[pin] = ENTRY_MASK;
}

void i82093aa_init(struct i82093aa *ioapic, const struct i82093aa_wires *wires)
{
    CHECK(wires->send != NULL);
    *ioapic = (struct i82093aa){.wires = *wires};
    i82093aa_reset(ioapic);
}

/* Returns the pin whose entry IOREGSEL selects; I82093AA_PIN_COUNT or more if it selects none. */
static unsigned selected_pin(const struct i82093aa *ioapic)
{
    return ((unsigned)ioapic->ioregsel - I82093AA_IOREDTBL) / 2;
}

static uint64_t entry_as_read(const struct i82093aa *ioapic, unsigned pin)
{
    return ioapic->entries[pin] | (ioapic->remote_irr & BIT(pin) ? ENTRY_REMOTE_IRR : 0) |
           (is_pending(ioapic, pin) ? ENTRY_DELIVS : 0);
}

static uint32_t read_selected(const struct i82093aa *ioapic)
{
    unsigned pin = selected_pin(ioapic);

    switch (ioapic->ioregsel) {
    case I82093AA_IOAPICID:
    /* A write of the ID loads IOAPICARB as well; there is no APIC bus whose rotation could change
     * it. */
    case I82093AA_IOAPICARB: return (uint32_t)ioapic->id << ID_SHIFT;
    case I82093AA_IOAPICVER: return (I82093AA_PIN_COUNT - 1) << MAX_ENTRY_SHIFT | I82093AA_VERSION;
    }
    if (pin >= I82093AA_PIN_COUNT)
        return 0;
    return (uint32_t)(entry_as_read(ioapic, pin) >> (ioapic->ioregsel & 1 ? 32 : 0));
}

uint32_t i82093aa_read(const struct i82093aa *ioapic, unsigned offset, unsigned size_bytes)
{
    uint32_t value;

    switch (offset & ~3u) {
    case I82093AA_IOREGSEL: value = ioapic->ioregsel; break;
    case I82093AA_IOWIN: value = read_selected(ioapic); break;
    default: return 0;
    }
    return value >> 8 * (offset & 3) & (uint32_t)bytes_mask(size_bytes);
}

static void write_entry(struct i82093aa *ioapic, unsigned pin, uint64_t value)
{
    uint64_t entry = value & ENTRY_WRITABLE;
    uint32_t mask = (uint32_t)BIT(pin);

    ioapic->entries[pin] = entry;
    /* A mask does not hold an edge pending, and a level-triggered entry has no edges. */
    if (!can_send(entry) || is_level(entry))
        ioapic->edges &= ~mask;
    /* "Undefined for edge triggered interrupts": the bit is cleared, as in every chip on which
     * system software clears it this way without an EOI register. */
    if (!is_level(entry) && ioapic->remote_irr & mask)
        end_interrupt(ioapic, pin);
    else
        update(ioapic, pin);
}

static void write_selected(struct i82093aa *ioapic, uint32_t value)
{
    unsigned pin = selected_pin(ioapic);

    if (ioapic->ioregsel == I82093AA_IOAPICID)
        ioapic->id = (uint8_t)BITS(value, 27, 24);
    if (pin >= I82093AA_PIN_COUNT)
        return;
    if (ioapic->ioregsel & 1)
        write_entry(ioapic, pin, (uint64_t)value << 32 | (uint32_t)ioapic->entries[pin]);
    else
        write_entry(ioapic, pin, (ioapic->entries[pin] & ~UINT64_C(0xffffffff)) | value);
}

void i82093aa_write(struct i82093aa *ioapic, unsigned offset, unsigned size_bytes, uint32_t value)
{
    switch (offset) {
    case I82093AA_IOREGSEL: ioapic->ioregsel = (uint8_t)value; break;
    case I82093AA_IOWIN:
        if (size_bytes == 4)
            write_selected(ioapic, value);
        break;
    case I82093AA_EOIR: i82093aa_eoi(ioapic, (uint8_t)value); break;
    }
}

void i82093aa_set_line(struct i82093aa *ioapic, unsigned pin, bool level)
{
    CHECK(pin < I82093AA_PIN_COUNT);
    uint64_t entry = ioapic->entries[pin];
    uint32_t mask = (uint32_t)BIT(pin);

    if (level == (bool)(ioapic->pins & mask))
        return;
    ioapic->pins ^= mask;
    if (!level)
        return; /* a falling pin is never a new cause */
    if (can_send(entry) && !is_level(entry))
        ioapic->edges |= mask;
    update(ioapic, pin);
}

void i82093aa_eoi(struct i82093aa *ioapic, uint8_t vector)
{
    /* Copied first, so that this message does not end an interrupt that it has itself sent
     * again. */
    uint32_t in_service = ioapic->remote_irr;

    for (; in_service != 0; in_service &= in_service - 1) {
        unsigned pin = (unsigned)__builtin_ctz(in_service);

        if ((ioapic->entries[pin] & ENTRY_VECTOR) == vector)
            end_interrupt(ioapic, pin);
    }
}

void i82093aa_retry(struct i82093aa *ioapic)
{
    for (unsigned pin = 0; pin < I82093AA_PIN_COUNT; pin++)
        update(ioapic, pin);
}

struct i82093aa_pin i82093aa_describe(const struct i82093aa *ioapic, unsigned pin)
{
    CHECK(pin < I82093AA_PIN_COUNT);
    uint64_t entry = ioapic->entries[pin];

    return (struct i82093aa_pin){
        .vector = (uint8_t)(entry & ENTRY_VECTOR),
        .delivery = (uint8_t)delivery_of(entry),
        .destination = (uint8_t)BITS(entry, 63, 56),
        .is_logical = entry & ENTRY_DESTMOD,
        .is_level = entry & ENTRY_LEVEL,
        .is_active_low = entry & ENTRY_INTPOL,
        .is_masked = entry & ENTRY_MASK,
        .is_asserted = ioapic->pins & BIT(pin),
        .remote_irr = ioapic->remote_irr & BIT(pin),
        .is_pending = is_pending(ioapic, pin),
    };
}
