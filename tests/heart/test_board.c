// SPDX-License-Identifier: BSD-2-Clause
/* The board by its ports and addresses, as a guest uses it: each device answers at its place, and its
 * interrupt reaches the vCPU through the 8259s and through the I/O APIC. What each chip does is
 * tested in tests/unit. */
#include "tests/heart/apic.h"

#include "vmm/console/console.h"

#include <string.h>

#define IOAPIC UINT32_C(0xfec00000)

static unsigned counts[256];
static bool ends_at_pic, ends_at_apic;

static void handler(struct fake_guest *guest, uint32_t info, uint32_t error)
{
    (void)error;
    counts[INTERRUPTION_VECTOR(info)]++;
    if (INTERRUPTION_TYPE(info) != INTERRUPTION_EXTERNAL)
        return;
    if (ends_at_pic) {
        if (INTERRUPTION_VECTOR(info) >= 0x70)
            exec_out(guest, 0xa0, 1, 0x20);
        exec_out(guest, 0x20, 1, 0x20);
    }
    if (ends_at_apic)
        apic_write(guest, APIC_EOI, 0);
}

static void begin(struct fake_guest *guest)
{
    memset(counts, 0, sizeof(counts));
    ends_at_pic = ends_at_apic = false;
    exec_cli(guest);
    apic_enable(guest);
    guest->handler = handler;
}

static uint8_t in8(struct fake_guest *guest, uint16_t port)
{
    return (uint8_t)exec_in(guest, port, 1);
}

static void out8(struct fake_guest *guest, uint16_t port, uint8_t value)
{
    (void)exec_out(guest, port, 1, value);
}

static void wait_for(struct fake_guest *guest, uint8_t vector, unsigned count)
{
    exec_sti(guest);
    for (unsigned i = 0; counts[vector] < count; i++) {
        assert_true(i < 10000);
        exec_run(guest, 1000000);
    }
    exec_cli(guest);
}

/* --- Interrupts through the 8259s --- */

static void timer_by_pic(struct fake_guest *guest)
{
    begin(guest);
    ends_at_pic = true;
    out8(guest, 0x43, 0x34); /* rate generator, 1 kHz */
    out8(guest, 0x40, 0xa9);
    out8(guest, 0x40, 0x04);
    wait_for(guest, 8, 10);
    out8(guest, 0x43, 0); /* latch */
    (void)in8(guest, 0x40);
    (void)in8(guest, 0x40);
    end_guest(guest, 0);
}

static void rtc_by_pic(struct fake_guest *guest)
{
    begin(guest);
    ends_at_pic = true;
    out8(guest, 0xa1, 0xfe);
    out8(guest, 0x70, 0x0b);
    out8(guest, 0x71, 0x42); /* periodic interrupt, 24 hours */
    for (unsigned i = 1; i <= 3; i++) {
        wait_for(guest, 0x70, i);
        out8(guest, 0x70, 0x0c);
        assert_int_not_equal(in8(guest, 0x71) & 0xc0, 0);
    }
    end_guest(guest, 0);
}

static void serial_by_pic(struct fake_guest *guest)
{
    begin(guest);
    ends_at_pic = true;
    out8(guest, 0x21, 0xef);
    out8(guest, 0x3fc, 0x08); /* OUT2 */
    out8(guest, 0x3f9, 0x02); /* transmitter empty */
    wait_for(guest, 0x0c, 1);
    assert_int_equal(in8(guest, 0x3fa) & 0x0f, 0x02);
    for (const char *c = "com1\n"; *c != '\0'; c++)
        out8(guest, 0x3f8, (uint8_t)*c);
    exec_run(guest, 20000000);
    assert_int_equal(in8(guest, 0x3fd) & 0x60, 0x60);
    end_guest(guest, 0);
}

/* --- Through the I/O APIC --- */

static void ioapic_write(struct fake_guest *guest, uint32_t number, uint32_t value)
{
    (void)exec_store(guest, IOAPIC, 4, number);
    (void)exec_store(guest, IOAPIC + 0x10, 4, value);
}

static uint32_t ioapic_read(struct fake_guest *guest, uint32_t number)
{
    (void)exec_store(guest, IOAPIC, 4, number);
    return exec_load(guest, IOAPIC + 0x10, 4);
}

static void timer_by_ioapic(struct fake_guest *guest)
{
    begin(guest);
    ends_at_apic = true;
    assert_int_equal(ioapic_read(guest, 1) & 0xff, 0x20);
    out8(guest, 0x21, 0xff);
    ioapic_write(guest, 0x11 + 2 * 2, 0);
    ioapic_write(guest, 0x10 + 2 * 2, 0x60);
    wait_for(guest, 0x60, 3);
    ioapic_write(guest, 0x10 + 2 * 2, 0x10060);
    /* Level-triggered: it comes again until its cause is gone. */
    ioapic_write(guest, 0x10 + 2 * 4, 0x8061);
    out8(guest, 0x3fc, 0x08);
    out8(guest, 0x3f9, 0x02);
    wait_for(guest, 0x61, 3);
    (void)in8(guest, 0x3fa);
    end_guest(guest, 0);
}

static void eoi_register(struct fake_guest *guest)
{
    begin(guest);
    ioapic_write(guest, 0x10 + 2 * 9, 0x8065);
    (void)exec_store(guest, IOAPIC + 0x40, 4, 0x65);
    (void)exec_load(guest, IOAPIC + 0x20, 4);
    end_guest(guest, 0);
}

/* --- Each device answers --- */

static void ports(struct fake_guest *guest)
{
    uint32_t before;

    begin(guest);
    assert_int_equal(in8(guest, 0xe9), 0xe9);
    assert_int_equal(exec_in(guest, 0xf4, 4), UINT32_MAX);
    out8(guest, 0x64, 0xaa); /* self test */
    assert_int_equal(in8(guest, 0x64) & 1, 1);
    assert_int_equal(in8(guest, 0x60), 0x55);
    out8(guest, 0x64, 0x60); /* the command byte */
    out8(guest, 0x60, 0x44);
    out8(guest, 0x64, 0x20);
    assert_int_equal(in8(guest, 0x60), 0x44);
    before = in8(guest, 0x61);
    exec_run(guest, 40000);
    assert_int_equal((before ^ in8(guest, 0x61)) & 0x10, 0x10); /* the refresh toggle */
    out8(guest, 0x61, 1);
    out8(guest, 0x92, 2);
    assert_int_equal(in8(guest, 0x92) & 2, 2);
    out8(guest, 0x70, 0x0d);
    assert_int_equal(in8(guest, 0x71), 0x80);
    out8(guest, 0x4d0, 0x20);
    assert_int_equal(in8(guest, 0x4d0), 0x20);
    out8(guest, 0xa0, 0x0a);
    (void)in8(guest, 0xa0);
    assert_int_equal(exec_in(guest, 0xcf8, 4), UINT32_MAX);
    (void)exec_out(guest, 0xcf8, 4, 0x80000000);
    assert_int_equal(exec_in(guest, 0xcfc, 4), UINT32_MAX);
    (void)in8(guest, 0xcf9);
    out8(guest, 0xcf9, 2);
    (void)in8(guest, 0x8900);
    out8(guest, 0x8900, 'S');
    out8(guest, 0x8900, 'x');
    end_guest(guest, 0);
}

static void power_management(struct fake_guest *guest)
{
    uint32_t before;

    begin(guest);
    ends_at_apic = true;
    out8(guest, 0xb2, 0xa0);
    assert_int_equal(exec_in(guest, 0x604, 2) & 1, 1); /* SCI_EN */
    (void)in8(guest, 0xb2);
    before = exec_in(guest, 0x608, 4);
    exec_run(guest, 2000000); /* 1 ms */
    assert_in_range(exec_in(guest, 0x608, 4) - before, 3579, 3700);
    (void)exec_out(guest, 0x602, 2, 0x400); /* the RTC's line raises the SCI */
    ioapic_write(guest, 0x10 + 2 * 9, 0x8066);
    out8(guest, 0x70, 0x0b);
    out8(guest, 0x71, 0x42);
    wait_for(guest, 0x66, 1);
    assert_int_equal(exec_in(guest, 0x600, 2) & 0x400, 0x400);
    (void)exec_out(guest, 0x602, 2, 0);
    (void)exec_out(guest, 0x600, 2, 0x400);
    out8(guest, 0xb2, 0xa1);
    assert_int_equal(exec_in(guest, 0x604, 2) & 1, 0);
    end_guest(guest, 0);
}

static void test_device(struct fake_guest *guest)
{
    begin(guest);
    (void)exec_out(guest, 0xe0, 4, 0x12345678);
    assert_int_equal(exec_in(guest, 0xe0, 4), 0x12345678);
    assert_int_equal(exec_in(guest, 0xe4, 4), 0);
    (void)exec_out(guest, 0xe4, 4, 0x1000);
    out8(guest, 0xe8, 0x9a);
    assert_int_equal(in8(guest, 0xe8), 0x9a);
    (void)exec_out(guest, 0x510, 2, 0);
    assert_int_equal(in8(guest, 0x511), 'Q');
    ends_at_apic = true;
    ioapic_write(guest, 0x10 + 2 * 5, 0x67);
    out8(guest, 0x2005, 1);
    out8(guest, 0x2005, 0);
    wait_for(guest, 0x67, 1);
    assert_int_equal(in8(guest, 0x2005), 0);
    end_guest(guest, 0);
}

static void run(void (*function)(struct fake_guest *guest), bool has_testdev)
{
    static struct guest_config *config;

    if (config == NULL)
        config = heart_guest("board", 1);
    config->has_testdev = has_testdev;
    heart_expect_exit(heart_run_as(config, function, NULL));
}

#define RUN(function, has_testdev)                                                                 \
    static void test_##function(void **state)                                                      \
    {                                                                                              \
        (void)state;                                                                               \
        run(function, has_testdev);                                                                \
    }
RUN(timer_by_pic, false)
RUN(rtc_by_pic, false)
RUN(serial_by_pic, false)
RUN(timer_by_ioapic, false)
RUN(eoi_register, false)
RUN(ports, false)
RUN(power_management, false)
RUN(test_device, true)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_timer_by_pic),     cmocka_unit_test(test_rtc_by_pic),
        cmocka_unit_test(test_serial_by_pic),    cmocka_unit_test(test_timer_by_ioapic),
        cmocka_unit_test(test_eoi_register),     cmocka_unit_test(test_ports),
        cmocka_unit_test(test_power_management), cmocka_unit_test(test_test_device),
    };

    heart_begin(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
