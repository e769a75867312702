// SPDX-License-Identifier: BSD-2-Clause
/* Interrupt lines that the test device drives, through the 8259As and through the I/O APIC; and the
 * I/O APIC's registers. Intel 8259A and 82093AA datasheets. */
#include "tests/multiboot/suite.h"

#define LINES 0x2000

enum { PIC_MASTER = 0x20, PIC_SLAVE = 0xa0 };

#define VECTOR_PIC    0x20
#define VECTOR_IOAPIC 0x50

/* --- The 8259As --- */

static void setup_pics(void)
{
    outb(PIC_MASTER, 0x11);
    outb(PIC_SLAVE, 0x11);
    outb(PIC_MASTER + 1, VECTOR_PIC);
    outb(PIC_SLAVE + 1, VECTOR_PIC + 8);
    outb(PIC_MASTER + 1, 4);
    outb(PIC_SLAVE + 1, 2);
    outb(PIC_MASTER + 1, 1);
    outb(PIC_SLAVE + 1, 1);
    outb(PIC_MASTER + 1, 0xff);
    outb(PIC_SLAVE + 1, 0xff);
}

static void raise(unsigned line)
{
    outb((uint16_t)(LINES + line), 1);
}

static void lower(unsigned line)
{
    outb((uint16_t)(LINES + line), 0);
}

static void check_pic_lines(void)
{
    static const uint8_t lines[] = {1, 3, 5, 7, 8, 10, 14, 15};

    for (unsigned i = 0; i < ARRAY_COUNT(lines); i++) {
        unsigned line = lines[i];
        uint16_t open = (uint16_t) ~(1u << line | 1u << 2);

        forget_irqs();
        outb(PIC_MASTER + 1, (uint8_t)open);
        outb(PIC_SLAVE + 1, (uint8_t)(open >> 8));
        raise(line);
        interrupts_on();
        interrupts_off();
        check_at("8259A: line", line, irq_counts[VECTOR_PIC + line], 1);
        lower(line);
        raise(line);
        lower(line);
        raise(line);
        interrupts_on();
        interrupts_off();
        check_at("8259A: line, edge", line, irq_counts[VECTOR_PIC + line], 2);
        lower(line);
    }
    outb(PIC_MASTER + 1, 0xff);
    outb(PIC_SLAVE + 1, 0xff);
    check("8259A: nothing else came", irq_log_count, 2);
}

/* --- The I/O APIC --- */

#define IOAPIC UINT64_C(0xfec00000)

enum { IOAPIC_ID = 0, IOAPIC_VERSION = 1, IOAPIC_ARBITRATION = 2, IOAPIC_ENTRIES = 0x10 };
#define ENTRY_LEVEL      (1u << 15)
#define ENTRY_REMOTE_IRR (1u << 14)
#define ENTRY_MASKED     (1u << 16)

static uint32_t ioapic_read(unsigned index)
{
    mmio_write(IOAPIC, index);
    return mmio_read(IOAPIC + 0x10);
}

static void ioapic_write(unsigned index, uint32_t value)
{
    mmio_write(IOAPIC, index);
    mmio_write(IOAPIC + 0x10, value);
}

static void route(unsigned pin, uint32_t entry)
{
    ioapic_write(IOAPIC_ENTRIES + 2 * pin, ENTRY_MASKED);
    ioapic_write(IOAPIC_ENTRIES + 2 * pin + 1, 0);
    ioapic_write(IOAPIC_ENTRIES + 2 * pin, entry);
}

static void check_ioapic_registers(void)
{
    check("I/O APIC: version", ioapic_read(IOAPIC_VERSION), 0x00170020);
    ioapic_write(IOAPIC_ID, 0xffffffff);
    check("I/O APIC: ID can be written", ioapic_read(IOAPIC_ID), 0x0f000000);
    check("I/O APIC: arbitration follows it", ioapic_read(IOAPIC_ARBITRATION), 0x0f000000);
    ioapic_write(IOAPIC_ARBITRATION, 0);
    check("I/O APIC: arbitration is read-only", ioapic_read(IOAPIC_ARBITRATION), 0x0f000000);
    ioapic_write(IOAPIC_ID, 0);
    ioapic_write(IOAPIC_VERSION, 0);
    check("I/O APIC: version is read-only", ioapic_read(IOAPIC_VERSION), 0x00170020);
    for (unsigned pin = 0; pin < 24; pin++) {
        uint32_t low = ioapic_read(IOAPIC_ENTRIES + 2 * pin);

        if (low != ENTRY_MASKED)
            check_at("I/O APIC: entry at reset", pin, low, ENTRY_MASKED);
    }
    ioapic_write(IOAPIC_ENTRIES + 2 * 23, 0xffffffff);
    check("I/O APIC: an entry's bits", ioapic_read(IOAPIC_ENTRIES + 2 * 23), 0x0001afff);
    ioapic_write(IOAPIC_ENTRIES + 2 * 23, ENTRY_MASKED);
}

static volatile unsigned level_line, level_times;

/* Lowers the line in its third interrupt. */
static void lower_at_third(unsigned vector)
{
    if (vector == VECTOR_IOAPIC + level_line && ++level_times == 3)
        lower(level_line);
}

/* The timer's line comes in at input 2; line 2 is the 8259As' cascade and leads nowhere. */
static unsigned input_of(unsigned line)
{
    return line == 0 ? 2 : line;
}

static void check_ioapic_line(unsigned line)
{
    unsigned pin = input_of(line), vector = VECTOR_IOAPIC + line;

    forget_irqs();
    route(pin, vector);
    raise(line);
    interrupts_on();
    interrupts_off();
    lower(line);
    raise(line);
    interrupts_on();
    interrupts_off();
    lower(line);
    check_at("I/O APIC: edges of line", line, irq_counts[vector], 2);

    route(pin, vector | ENTRY_LEVEL);
    level_line = line;
    level_times = 0;
    irq_hook = lower_at_third;
    raise(line);
    check_at("I/O APIC: remote IRR of line", line,
             ioapic_read(IOAPIC_ENTRIES + 2 * pin) & ENTRY_REMOTE_IRR, ENTRY_REMOTE_IRR);
    interrupts_on();
    interrupts_on();
    interrupts_off();
    irq_hook = NULL;
    check_at("I/O APIC: levels of line", line, irq_counts[vector], 2 + 3);
    check_at("I/O APIC: remote IRR ends for line", line,
             ioapic_read(IOAPIC_ENTRIES + 2 * pin) & ENTRY_REMOTE_IRR, 0);

    route(pin, vector | ENTRY_MASKED);
    raise(line);
    lower(line);
    route(pin, vector);
    interrupts_on();
    interrupts_off();
    check_at("I/O APIC: masked, nothing of line", line, irq_counts[vector], 2 + 3);
    route(pin, ENTRY_MASKED);
}

/* Two at once, with interrupts off: the higher vector first, and both at the same instruction. */
static void check_order(void)
{
    forget_irqs();
    route(14, 0x78);
    route(15, 0x66);
    raise(15);
    lower(15);
    raise(14);
    lower(14);
    interrupts_on();
    interrupts_off();
    check("I/O APIC: two at once", irq_log_count, 2);
    check("I/O APIC: the higher one first", (unsigned)irq_log[0] << 8 | irq_log[1], 0x7866);
    check("I/O APIC: nothing in between", irq_rips[0x66], irq_rips[0x78]);
    route(14, ENTRY_MASKED);
    route(15, ENTRY_MASKED);
}

void check_lines(void)
{
    setup_pics();
    check_ioapic_registers();
    if (!suite.testdev)
        return;
    outb(PIC_MASTER + 1, 0xff);
    check_pic_lines();
    /* Nothing but the line under test: the chips of the board keep theirs. */
    apic_write(APIC_SVR, 0x1ff);
    apic_write(APIC_LVT_LINT0, 0x10000);
    for (unsigned line = 0; line < 24; line++)
        if (line != 0 && line != 2)
            check_ioapic_line(line);
    check_order();
}
