// SPDX-License-Identifier: BSD-2-Clause
/* The board's interrupt wiring: 24 lines. Up to eight sources drive a line, and it leads to an
 * input of the 8259A pair, of the I/O APIC, or of both.
 *
 * A line is asserted while at least one of its sources asserts it (wired-or). Only changes of the
 * line are passed on. What a source does while another one holds the line is not seen at the
 * inputs, so an edge-triggered input misses its pulse, as on a PC where two ISA cards share a line.
 *
 * Lines 0-15 have the numbers of the PC/AT's IRQs:
 *     line           8259A pair   I/O APIC
 *     0              IR0          pin 2: global system interrupt 2; the ACPI tables have to say so
 *     2              none         none: line 2 is the cascade, and line 0 uses its pin
 *     others to 15   the same     the same
 *     16-23          none         the same
 * No line leads to pin 0 of the I/O APIC: on a PC it has the INTR output of the 8259A pair
 * (MultiProcessor Specification 1.4, "I/O Interrupt Assignment Entries", ExtINT). ACPI
 * Specification 6.5, "Interrupt Source Override Structure".
 *
 * The wiring takes no lock: its owner lets only one caller in at a time. */
#ifndef VMM_DEVICES_IRQ_LINES_H
#define VMM_DEVICES_IRQ_LINES_H

#include "vmm/devices/line.h"

#include <stdint.h>

#define IRQ_LINE_COUNT         24
#define IRQ_LINE_SOURCES       8
#define IRQ_LINES_IOAPIC_TIMER 2 /* the I/O APIC's pin for line 0 */

/* The inputs; called for each change of a line, the 8259A pair first. */
struct irq_lines_outputs {
    void (*set_pic)(void *context, unsigned irq, bool level);    /* 0..15 except 2 */
    void (*set_ioapic)(void *context, unsigned pin, bool level); /* 1..23 */
    void *context;
};

struct irq_lines;

/* One source's end of a line. */
struct irq_lines_wire {
    struct irq_lines *lines;
    uint8_t line;
    uint8_t source;
};

struct irq_lines {
    struct irq_lines_outputs outputs;
    uint8_t asserting[IRQ_LINE_COUNT]; /* one bit for each source */
    struct irq_lines_wire wires[IRQ_LINE_COUNT][IRQ_LINE_SOURCES];
};

/* Sets up the wiring with every line low. The struct must not be moved afterwards. Neither output
 * is null. There is no reset: the levels belong to the devices, which reset themselves. */
void irq_lines_init(struct irq_lines *lines, const struct irq_lines_outputs *outputs);

/* Returns the wire of one source of a line, for the device that drives it. line: 0..23; source:
 * 0..7, a different one for each device on the line. */
struct line irq_lines_source(struct irq_lines *lines, unsigned line, unsigned source);

/* Returns whether any source asserts the line, 0..23. */
bool irq_lines_level(const struct irq_lines *lines, unsigned line);

#endif
