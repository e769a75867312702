// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/devices/irq_lines.h"

#include "vmm/base/check.h"

#define LINE_TIMER     0
#define LINE_CASCADE   2
#define PIC_LINE_COUNT 16

static void drive(void *context, bool level)
{
    const struct irq_lines_wire *wire = context;
    const struct irq_lines_outputs *outputs = &wire->lines->outputs;
    uint8_t *asserting = &wire->lines->asserting[wire->line];
    uint8_t mask = (uint8_t)(1u << wire->source);
    bool was_asserted = *asserting != 0;

    if (level)
        *asserting |= mask;
    else
        *asserting &= (uint8_t)~mask;
    if ((*asserting != 0) == was_asserted || wire->line == LINE_CASCADE)
        return;
    if (wire->line < PIC_LINE_COUNT)
        outputs->set_pic(outputs->context, wire->line, level);
    outputs->set_ioapic(outputs->context,
                        wire->line == LINE_TIMER ? IRQ_LINES_IOAPIC_TIMER : wire->line, level);
}

void irq_lines_init(struct irq_lines *lines, const struct irq_lines_outputs *outputs)
{
    CHECK(outputs->set_pic != NULL && outputs->set_ioapic != NULL);
    *lines = (struct irq_lines){.outputs = *outputs};
    for (unsigned line = 0; line < IRQ_LINE_COUNT; line++) {
        for (unsigned source = 0; source < IRQ_LINE_SOURCES; source++)
            lines->wires[line][source] = (struct irq_lines_wire){
                .lines = lines, .line = (uint8_t)line, .source = (uint8_t)source};
    }
}

struct line irq_lines_source(struct irq_lines *lines, unsigned line, unsigned source)
{
    CHECK(line < IRQ_LINE_COUNT && source < IRQ_LINE_SOURCES);
    return (struct line){.set = drive, .context = &lines->wires[line][source]};
}

bool irq_lines_level(const struct irq_lines *lines, unsigned line)
{
    CHECK(line < IRQ_LINE_COUNT);
    return lines->asserting[line] != 0;
}
