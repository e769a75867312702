// SPDX-License-Identifier: BSD-2-Clause
#include "tests/unit/unit.h"

#include "arch/x86/cpu.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

/* What the file does to the machine is written down instead. */
static char written[512];
static uint16_t pm1_control;
static unsigned waits; /* accesses to port 0x80 since the last line */
static unsigned busy;  /* how often the keyboard controller still says that it is */
static jmp_buf end;

static void write_down(const char *kind, uint64_t where, uint32_t value)
{
    size_t used = strlen(written);

    snprintf(written + used, sizeof(written) - used, "%s%s %lx=%x\n", waits > 1000 ? "wait\n" : "",
             kind, (unsigned long)where, value);
    waits = 0;
}

static uint8_t fake_inb(uint16_t port)
{
    if (port == 0x80)
        waits++;
    else if (port == 0x64 && busy > 0) {
        busy--;
        return 0x02;
    }
    return 0;
}

static uint16_t fake_inw(uint16_t port)
{
    (void)port;
    return pm1_control;
}

static void fake_outb(uint16_t port, uint8_t value)
{
    write_down("b", port, value);
}

static void fake_outw(uint16_t port, uint16_t value)
{
    write_down("w", port, value);
}

static void fake_mmio_write8(uint64_t address, uint8_t value)
{
    write_down("mmio", address, value);
}

static void fake_lidt(const struct descriptor_table_register *table)
{
    write_down("lidt", table->base, table->limit);
    longjmp(end, 1);
}

#define inb         fake_inb
#define inw         fake_inw
#define outb        fake_outb
#define outw        fake_outw
#define mmio_write8 fake_mmio_write8
#define lidt        fake_lidt
#include "arch/x86/platform_power.c"

static const char *power_off(const struct host_acpi *acpi)
{
    written[0] = '\0';
    waits = 0;
    platform_power_off(acpi);
    if (waits > 1000)
        write_down("end", 0, 0);
    return written;
}

static const char *reset(const struct host_acpi *acpi)
{
    written[0] = '\0';
    waits = 0;
    if (setjmp(end) == 0)
        platform_reset(acpi);
    return written;
}

static void test_power_off(void **state)
{
    struct host_acpi acpi = {.pm1a_control_port = 0x1804};

    (void)state;
    pm1_control = 0x0001; /* SCI_EN stays */
    assert_string_equal(power_off(&acpi), "w 1804=1c01\nw 1804=3c01\nwait\nend 0=0\n");
    acpi.pm1b_control_port = 0x1904;
    pm1_control = 0x2403; /* an earlier type is gone, an earlier SLP_EN not repeated too soon */
    assert_string_equal(power_off(&acpi), "w 1804=1c03\nw 1904=1c03\nw 1804=3c03\nw 1904=3c03\n"
                                          "wait\nend 0=0\n");
}

static void test_power_off_without_registers(void **state)
{
    struct host_acpi acpi = {.pm1a_control_port = 0};

    (void)state;
    assert_string_equal(power_off(&acpi), "");
}

#define WITHOUT_ACPI "b cf9=2\nb cf9=6\nwait\nb 64=fe\nwait\nlidt 0=0\n"

static void test_reset(void **state)
{
    struct host_acpi acpi = {.reset = {.kind = RESET_NONE}};

    (void)state;
    assert_string_equal(reset(&acpi), WITHOUT_ACPI);
    acpi.reset = (struct host_acpi_reset){.kind = RESET_PORT, .address = 0xb2, .value = 0x5a};
    assert_string_equal(reset(&acpi), "b b2=5a\nwait\n" WITHOUT_ACPI);
    acpi.reset =
        (struct host_acpi_reset){.kind = RESET_MEMORY, .address = 0xfed00010, .value = 0x11};
    assert_string_equal(reset(&acpi), "mmio fed00010=11\nwait\n" WITHOUT_ACPI);
}

static void test_reset_with_a_slow_keyboard_controller(void **state)
{
    struct host_acpi acpi = {.reset = {.kind = RESET_NONE}};

    (void)state;
    busy = 100;
    assert_string_equal(reset(&acpi), WITHOUT_ACPI);
    assert_int_equal(busy, 0);
    busy = UINT32_MAX; /* not there: reads as all ones for ever */
    assert_string_equal(reset(&acpi), WITHOUT_ACPI);
    busy = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_power_off),
        cmocka_unit_test(test_power_off_without_registers),
        cmocka_unit_test(test_reset),
        cmocka_unit_test(test_reset_with_a_slow_keyboard_controller),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
