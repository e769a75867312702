// SPDX-License-Identifier: BSD-2-Clause
/* The machine's I/O APIC, as far as the monitor uses it: edge-triggered inputs of fixed delivery.
 * Intel 82093AA datasheet, "Register Description". */
#include "tests/fake/serial.h"

#include "tests/fake/processor.h"

#define SELECT  0x00
#define WINDOW  0x10
#define VERSION 0x01
#define ENTRIES 0x10
#define INPUTS  24
#define MASKED  0x10000u

static struct {
    uint32_t select;
    uint32_t entries[2 * INPUTS];
} ioapic;

static uint32_t read(void *context, uint64_t address, unsigned size)
{
    (void)context;
    (void)size;
    if ((address & 0xff) == SELECT)
        return ioapic.select;
    if (ioapic.select == VERSION)
        return (INPUTS - 1) << 16 | 0x20;
    if (ioapic.select >= ENTRIES && ioapic.select < ENTRIES + 2 * INPUTS)
        return ioapic.entries[ioapic.select - ENTRIES];
    return 0;
}

static void write(void *context, uint64_t address, unsigned size, uint32_t value)
{
    (void)context;
    (void)size;
    if ((address & 0xff) == SELECT)
        ioapic.select = value & 0xff;
    else if (ioapic.select >= ENTRIES && ioapic.select < ENTRIES + 2 * INPUTS)
        ioapic.entries[ioapic.select - ENTRIES] = value;
}

void fake_ioapic_begin(void)
{
    for (unsigned i = 0; i < INPUTS; i++)
        ioapic.entries[2 * i] = MASKED;
    fake_set_memory(FAKE_IOAPIC_BASE, FAKE_IOAPIC_BASE + 0xfff,
                    &(struct fake_device){.read = read, .write = write});
}

void fake_ioapic_raise(unsigned input)
{
    uint32_t entry = ioapic.entries[2 * input];

    if ((entry & MASKED) == 0)
        fake_raise_interrupt(ioapic.entries[2 * input + 1] >> 24, (uint8_t)entry);
}
