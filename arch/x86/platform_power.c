// SPDX-License-Identifier: BSD-2-Clause
#include "arch/x86/platform_power.h"

#include "arch/x86/cpu.h"

/* ACPI 6.5, table "PM1 Control Registers Fixed Hardware Feature Control Bits". */
#define SLP_TYP_SHIFT    10
#define SLP_TYP_MASK     (7u << SLP_TYP_SHIFT)
#define SLP_TYP_SOFT_OFF (7u << SLP_TYP_SHIFT)
#define SLP_EN           (1u << 13)

/* Intel 7 Series PCH datasheet, "RST_CNT - Reset Control Register". */
#define RESET_CONTROL_PORT 0xcf9
#define RESET_SYSTEM       0x02 /* the whole machine, not only its processors */
#define RESET_NOW          0x04

/* The keyboard controller: a status bit, and the command that pulses the reset line of the
 * processors. */
#define I8042_COMMAND_PORT 0x64
#define I8042_INPUT_FULL   0x02
#define I8042_PULSE_RESET  0xfe

/* The port for the codes of the power-on self test. An access takes about a microsecond, and at
 * least a tenth of that: a measure of time that needs no clock. */
#define POST_PORT            0x80
#define POWER_OFF_ACCESSES   1000000
#define RESET_ACCESSES       100000
#define I8042_READY_ACCESSES 10000

static void wait(unsigned accesses)
{
    for (unsigned i = 0; i < accesses; i++)
        (void)inb(POST_PORT);
}

/* Writes S5 as the sleep type, together with enable (0 or SLP_EN). The caller writes both registers
 * without SLP_EN first, so that the type is in both when the second write takes effect (ACPI 6.5,
 * "Transitioning from the Working to the Soft Off State"). */
static void write_sleep(uint16_t port, uint16_t enable)
{
    if (port != 0)
        outw(port, (uint16_t)((inw(port) & ~(SLP_TYP_MASK | SLP_EN)) | SLP_TYP_SOFT_OFF | enable));
}

void platform_power_off(const struct host_acpi *acpi)
{
    if (acpi->pm1a_control_port == 0)
        return;
    write_sleep(acpi->pm1a_control_port, 0);
    write_sleep(acpi->pm1b_control_port, 0);
    write_sleep(acpi->pm1a_control_port, SLP_EN);
    write_sleep(acpi->pm1b_control_port, SLP_EN);
    wait(POWER_OFF_ACCESSES);
}

static void reset_by_acpi(const struct host_acpi_reset *reset)
{
    switch (reset->kind) {
    case RESET_NONE: return;
    case RESET_PORT: outb((uint16_t)reset->address, reset->value); break;
    case RESET_MEMORY: mmio_write8(reset->address, reset->value); break;
    }
    wait(RESET_ACCESSES);
}

static void reset_by_chipset(void)
{
    outb(RESET_CONTROL_PORT, RESET_SYSTEM);
    outb(RESET_CONTROL_PORT, RESET_SYSTEM | RESET_NOW);
    wait(RESET_ACCESSES);
}

static void reset_by_keyboard_controller(void)
{
    for (unsigned i = 0;
         i < I8042_READY_ACCESSES && (inb(I8042_COMMAND_PORT) & I8042_INPUT_FULL) != 0; i++)
        ;
    outb(I8042_COMMAND_PORT, I8042_PULSE_RESET);
    wait(RESET_ACCESSES);
}

/* Resets the processor: an exception without an IDT, then a double fault without an IDT. */
static void reset_by_triple_fault(void)
{
    const struct descriptor_table_register nothing = {.limit = 0, .base = 0};

    lidt(&nothing);
    int3();
}

_Noreturn void platform_reset(const struct host_acpi *acpi)
{
    reset_by_acpi(&acpi->reset);
    reset_by_chipset();
    reset_by_keyboard_controller();
    reset_by_triple_fault();
    cpu_stop();
}
