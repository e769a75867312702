// SPDX-License-Identifier: BSD-2-Clause
/* The serial port driver, on registers of a made-up UART. */
#include "tests/unit/unit.h"

#include "arch/x86/cpu.h"

#include <string.h>

#define PORT      0x3f8
#define LSR_EMPTY 0x60 /* THRE and TEMT */

static struct {
    /* What it is like. */
    bool is_there, has_enables, has_scratch, has_loop, is_stuck;
    unsigned busy_reads; /* of LSR, before the transmitter is empty */
    /* Its registers. */
    uint8_t enables, line_control, modem_control, scratch, divisor[2], fifo_control;
    /* What was seen. */
    unsigned accesses, writes, writes_while_busy, divisor_writes;
    bool interrupt_was_possible; /* one enabled and let through to the bus */
    char sent[16];
    unsigned sent_count;
} chip;

static uint8_t fake_inb(uint16_t port)
{
    bool is_divisor = (chip.line_control & 0x80) != 0;
    uint8_t mcr = chip.modem_control;

    chip.accesses++;
    if (!chip.is_there || port < PORT || port >= PORT + 8)
        return 0xff;
    switch (port - PORT) {
    case 0: return is_divisor ? chip.divisor[0] : 0;
    case 1: return is_divisor ? chip.divisor[1] : chip.enables;
    case 2: return chip.fifo_control != 0 ? 0xc1 : 0x01;
    case 3: return chip.line_control;
    case 4: return mcr;
    case 5:
        if (chip.is_stuck)
            return 0;
        return chip.busy_reads > 0 ? chip.busy_reads--, 0 : LSR_EMPTY;
    case 6:
        if ((mcr & 0x10) == 0 || !chip.has_loop)
            return 0xb0;
        return (uint8_t)((mcr & 0x02) << 3 | (mcr & 0x01) << 5 | (mcr & 0x0c) << 4);
    default: return chip.has_scratch ? chip.scratch : 0;
    }
}

static void fake_outb(uint16_t port, uint8_t value)
{
    bool is_divisor = (chip.line_control & 0x80) != 0;

    chip.accesses++;
    chip.writes++;
    if (!chip.is_there || port < PORT || port >= PORT + 8)
        return;
    if (chip.busy_reads > 0)
        chip.writes_while_busy++;
    if (is_divisor && port - PORT < 2)
        chip.divisor_writes++;
    switch (port - PORT) {
    case 0:
        if (is_divisor)
            chip.divisor[0] = value;
        else if (chip.sent_count < sizeof(chip.sent))
            chip.sent[chip.sent_count++] = (char)value;
        break;
    case 1:
        if (is_divisor)
            chip.divisor[1] = value;
        else if (chip.has_enables)
            chip.enables = value & 0x0f;
        break;
    case 2: chip.fifo_control = value; break;
    case 3: chip.line_control = value; break;
    case 4: chip.modem_control = value & 0x1f; break;
    case 7: chip.scratch = value; break;
    default: break;
    }
    if ((chip.modem_control & 0x08) != 0 && chip.enables != 0)
        chip.interrupt_was_possible = true;
}

#define inb  fake_inb
#define outb fake_outb
#include "arch/x86/uart.c"

static int set_up(void **state)
{
    (void)state;
    memset(&chip, 0, sizeof(chip));
    chip.is_there = chip.has_enables = chip.has_scratch = chip.has_loop = true;
    chip.line_control = 0x03;
    chip.modem_control = 0x0b;
    chip.scratch = 0x77;
    return 0;
}

/* Both places find the same: every mixture of what a UART may lack. */
static void test_one_rule(void **state)
{
    for (unsigned lacks = 0; lacks < 16; lacks++) {
        struct uart uart;
        bool expected = (lacks & 1) == 0 && (lacks & 2) == 0 && (lacks & 12) != 12;

        (void)set_up(state);
        chip.is_there = (lacks & 1) == 0;
        chip.has_enables = (lacks & 2) == 0;
        chip.has_scratch = (lacks & 4) == 0;
        chip.has_loop = (lacks & 8) == 0;
        assert_int_equal(uart_is_present(PORT), expected);
        assert_int_equal(uart_init(&uart, PORT, 115200), expected ? STATUS_OK : STATUS_NOT_FOUND);
        assert_int_equal(uart.port, expected ? PORT : UART_NO_PORT);
    }
}

/* The firmware sends on it before and after. */
static void test_leaves_it_as_it_was(void **state)
{
    (void)state;
    for (unsigned lacks_scratch = 0; lacks_scratch < 2; lacks_scratch++) {
        chip.has_scratch = lacks_scratch == 0;
        chip.line_control = 0x9b; /* in the midst of setting the divisor; odd parity */
        chip.divisor[0] = 0x0c;
        chip.divisor[1] = 0x01;
        chip.enables = 0;
        chip.busy_reads = 500;
        assert_true(uart_is_present(PORT));
        assert_int_equal(chip.busy_reads, 0);
        assert_int_equal(chip.writes_while_busy, 0);
        assert_int_equal(chip.divisor_writes, 0);
        assert_int_equal(chip.line_control, 0x9b);
        assert_int_equal(chip.divisor[0], 0x0c);
        assert_int_equal(chip.divisor[1], 0x01);
        assert_int_equal(chip.modem_control, 0x0b);
        assert_int_equal(chip.enables, 0);
        if (chip.has_scratch)
            assert_int_equal(chip.scratch, 0x77);
        assert_false(chip.interrupt_was_possible);
        assert_int_equal(chip.sent_count, 0);
    }
}

/* Nothing is written where nothing is. */
static void test_absent(void **state)
{
    (void)state;
    chip.is_there = false;
    assert_false(uart_is_present(PORT));
    assert_int_equal(chip.writes, 0);
    assert_false(uart_is_present(0));
    assert_false(uart_is_present(0xfff9));
    assert_int_equal(chip.accesses, 1);
}

static void test_stuck(void **state)
{
    (void)state;
    chip.is_stuck = true; /* its peer holds it: found all the same, after a while */
    assert_true(uart_is_present(PORT));
    assert_in_range(chip.accesses, 100000, 10000000);
}

static void test_init(void **state)
{
    struct uart uart;

    (void)state;
    assert_int_equal(uart_init(&uart, PORT, 9600), STATUS_OK);
    assert_int_equal(chip.line_control, 0x03);
    assert_int_equal(chip.divisor[0], 12);
    assert_int_equal(chip.divisor[1], 0);
    assert_int_equal(chip.enables, 0);
    assert_int_equal(chip.modem_control, 0x0b);
    assert_int_equal(uart.fifo_bytes, 16);
    assert_true(uart_try_put(&uart, 'x'));
    assert_int_equal(chip.sent_count, 1);
    assert_int_equal(uart_init(&uart, PORT, 49), STATUS_OUT_OF_RANGE);
    assert_int_equal(uart_init(&uart, PORT, 80000), STATUS_OUT_OF_RANGE);
    assert_int_equal(uart_init(&uart, 0xfff9, 9600), STATUS_OUT_OF_RANGE);
}

/* A machine without a line: all goes somewhere, nothing comes, no register of a stranger is
 * touched.
 */
static void test_no_port(void **state)
{
    struct uart uart;
    uint8_t byte;

    (void)state;
    assert_int_equal(uart_init(&uart, UART_NO_PORT, 115200), STATUS_NOT_FOUND);
    for (unsigned i = 0; i < 100; i++) {
        assert_true(uart_try_put(&uart, 'x'));
        assert_true(uart_put_polled(&uart, 'x'));
    }
    assert_true(uart_flush(&uart));
    assert_false(uart_try_get(&uart, &byte));
    uart_set_interrupts(&uart, true, true);
    assert_int_equal(uart_interrupt_cause(&uart), UART_CAUSE_NONE);
    assert_int_equal(chip.accesses, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_one_rule, set_up),
        cmocka_unit_test_setup(test_leaves_it_as_it_was, set_up),
        cmocka_unit_test_setup(test_absent, set_up),
        cmocka_unit_test_setup(test_stuck, set_up),
        cmocka_unit_test_setup(test_init, set_up),
        cmocka_unit_test_setup(test_no_port, set_up),
    };
    return cmocka_run_group_tests_name("uart", tests, NULL, NULL);
}
