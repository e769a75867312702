// SPDX-License-Identifier: BSD-2-Clause
#include "tests/unit/unit.h"

#include "vmm/base/time.h"
#include "vmm/devices/acpi_pm.h"

#define TMR    0x0001
#define GBL    0x0020
#define PWRBTN 0x0100
#define RTC    0x0400

/* The first nanosecond of the timer's carry into bit 31: 2^31 / 3579545 Hz, rounded up. */
#define CARRY_NS UINT64_C(599932015941)

struct board {
    struct acpi_pm pm;
    bool sci;
    unsigned edges, power_offs, resets;
};

static void set_sci(void *context, bool level)
{
    struct board *board = context;

    board->sci = level;
    board->edges++;
}

static void power_off(void *context)
{
    ((struct board *)context)->power_offs++;
}

static void reset_board(void *context)
{
    struct board *board = context;

    board->resets++;
    acpi_pm_reset(&board->pm, 0);
}

static void set_up(struct board *board, uint64_t now_ns)
{
    struct acpi_pm_wires wires = {
        .sci = {set_sci, board},
        .power_off = power_off,
        .reset_board = reset_board,
        .context = board,
    };

    *board = (struct board){.sci = true};
    acpi_pm_init(&board->pm, &wires, now_ns);
    assert_false(board->sci);
    board->edges = 0;
}

static void test_enable(void **state)
{
    struct board board;

    (void)state;
    set_up(&board, 0);
    assert_int_equal(acpi_pm_read(&board.pm, ACPI_PM1_CONTROL, 2, 0), 0);
    /* SCI_EN is the platform's: writing the register does not change it. */
    acpi_pm_write(&board.pm, ACPI_PM1_CONTROL, 2, 0x0001, 0);
    assert_int_equal(acpi_pm_read(&board.pm, ACPI_PM1_CONTROL, 2, 0), 0);
    acpi_pm_write_smi_command(&board.pm, ACPI_SMI_ENABLE, 0);
    assert_int_equal(acpi_pm_read_smi_command(&board.pm), ACPI_SMI_ENABLE);
    acpi_pm_write_smi_command(&board.pm, 0x77, 0);
    assert_int_equal(acpi_pm_read(&board.pm, ACPI_PM1_CONTROL, 2, 0), 1);
    acpi_pm_write(&board.pm, ACPI_PM1_CONTROL, 2, 0, 0);
    assert_int_equal(acpi_pm_read(&board.pm, ACPI_PM1_CONTROL, 2, 0), 1);
    acpi_pm_write_smi_command(&board.pm, ACPI_SMI_DISABLE, 0);
    assert_int_equal(acpi_pm_read(&board.pm, ACPI_PM1_CONTROL, 2, 0), 0);
}

static void test_power_button(void **state)
{
    struct board board;

    (void)state;
    set_up(&board, 0);
    acpi_pm_write(&board.pm, ACPI_PM1_ENABLE, 2, PWRBTN, 0);
    acpi_pm_press_power_button(&board.pm, 0);
    assert_int_equal(acpi_pm_read(&board.pm, ACPI_PM1_STATUS, 2, 0), PWRBTN);
    assert_false(board.sci); /* legacy mode */
    acpi_pm_write_smi_command(&board.pm, ACPI_SMI_ENABLE, 0);
    assert_true(board.sci);
    /* Zeros leave the status alone, a one of another bit too. */
    acpi_pm_write(&board.pm, ACPI_PM1_STATUS, 2, TMR, 0);
    assert_true(board.sci);
    acpi_pm_write(&board.pm, ACPI_PM1_STATUS, 2, PWRBTN, 0);
    assert_false(board.sci);
    assert_int_equal(acpi_pm_read(&board.pm, ACPI_PM1_STATUS, 2, 0), 0);

    acpi_pm_write(&board.pm, ACPI_PM1_ENABLE, 2, 0, 0);
    acpi_pm_press_power_button(&board.pm, 0);
    assert_false(board.sci);
    acpi_pm_write(&board.pm, ACPI_PM1_ENABLE, 2, PWRBTN, 0);
    assert_true(board.sci);
}

static void test_rtc_alarm(void **state)
{
    struct board board;

    (void)state;
    set_up(&board, 0);
    acpi_pm_write_smi_command(&board.pm, ACPI_SMI_ENABLE, 0);
    acpi_pm_rtc_alarm(&board.pm, 0);
    assert_int_equal(acpi_pm_read(&board.pm, ACPI_PM1_STATUS, 2, 0), RTC);
    assert_false(board.sci); /* not enabled */
    acpi_pm_write(&board.pm, ACPI_PM1_ENABLE, 2, RTC, 0);
    assert_int_equal(acpi_pm_read(&board.pm, ACPI_PM1_ENABLE, 2, 0), RTC);
    assert_true(board.sci);
    acpi_pm_write(&board.pm, ACPI_PM1_STATUS, 2, RTC, 0);
    assert_false(board.sci);
}

static void test_widths(void **state)
{
    struct board board;

    (void)state;
    set_up(&board, 0);
    acpi_pm_press_power_button(&board.pm, 0);
    /* Reserved enable bits read 0. */
    acpi_pm_write(&board.pm, ACPI_PM1_ENABLE, 2, 0xffff, 0);
    assert_int_equal(acpi_pm_read(&board.pm, ACPI_PM1_ENABLE, 2, 0), TMR | GBL | PWRBTN | RTC);
    assert_int_equal(acpi_pm_read(&board.pm, 0, 4, 0), (TMR | GBL | PWRBTN | RTC) << 16 | PWRBTN);
    assert_int_equal(acpi_pm_read(&board.pm, 1, 1, 0), PWRBTN >> 8);
    assert_int_equal(acpi_pm_read(&board.pm, 1, 2, 0), ((TMR | GBL) << 8) | PWRBTN >> 8);
    assert_int_equal(acpi_pm_read(&board.pm, 3, 1, 0), (PWRBTN | RTC) >> 8);
    /* A byte written to one half leaves the other. */
    acpi_pm_write(&board.pm, 2, 1, 0, 0);
    assert_int_equal(acpi_pm_read(&board.pm, ACPI_PM1_ENABLE, 2, 0), PWRBTN | RTC);
    acpi_pm_write(&board.pm, 0, 1, 0xff, 0);
    assert_int_equal(acpi_pm_read(&board.pm, ACPI_PM1_STATUS, 2, 0), PWRBTN);
    acpi_pm_write(&board.pm, 1, 1, 0x01, 0);
    assert_int_equal(acpi_pm_read(&board.pm, ACPI_PM1_STATUS, 2, 0), 0);
    acpi_pm_press_power_button(&board.pm, 0);
    acpi_pm_write(&board.pm, 0, 4, GBL << 16 | PWRBTN, 0);
    assert_int_equal(acpi_pm_read(&board.pm, 0, 4, 0), GBL << 16);
    /* SLP_TYP and BM_RLD stick, write-only bits do not. */
    acpi_pm_write(&board.pm, ACPI_PM1_CONTROL, 2, 0x1c06, 0);
    assert_int_equal(acpi_pm_read(&board.pm, ACPI_PM1_CONTROL, 2, 0), 0x1c02);
    acpi_pm_write(&board.pm, ACPI_PM1_CONTROL + 1, 1, 0x04, 0);
    assert_int_equal(acpi_pm_read(&board.pm, ACPI_PM1_CONTROL, 4, 0), 0x0402);
    assert_int_equal(acpi_pm_read(&board.pm, 0xa, 4, 0), 0xffff0000);
    assert_int_equal(acpi_pm_read(&board.pm, UINT32_MAX, 1, 0), 0xff);
    acpi_pm_write(&board.pm, 0xc, 4, UINT32_MAX, 0);
    assert_int_equal(board.power_offs, 0);
}

static void test_power_off(void **state)
{
    struct board board;

    (void)state;
    set_up(&board, 0);
    for (uint32_t type = 0; type < 8; type++) {
        acpi_pm_write(&board.pm, ACPI_PM1_CONTROL, 2, type << 10, 0);
        assert_int_equal(board.power_offs, type > ACPI_SLP_TYP_S5);
        acpi_pm_write(&board.pm, ACPI_PM1_CONTROL, 2, type << 10 | 0x2000, 0);
        assert_int_equal(board.power_offs, type >= ACPI_SLP_TYP_S5);
        assert_int_equal(acpi_pm_read(&board.pm, ACPI_PM1_CONTROL, 2, 0), type << 10);
    }
    acpi_pm_write(&board.pm, ACPI_PM1_CONTROL + 1, 1, 5 << 2 | 0x20, 0);
    assert_int_equal(board.power_offs, 2);
}

static void test_reset(void **state)
{
    struct board board;

    (void)state;
    set_up(&board, 0);
    acpi_pm_write_reset_control(&board.pm, 0x02);
    assert_int_equal(board.resets, 0);
    assert_int_equal(acpi_pm_read_reset_control(&board.pm), 0x02);
    acpi_pm_write_reset_control(&board.pm, ACPI_RESET_VALUE);
    assert_int_equal(board.resets, 1);
    assert_int_equal(acpi_pm_read_reset_control(&board.pm), 0);
    acpi_pm_write_reset_control(&board.pm, 0xff);
    assert_int_equal(board.resets, 2);

    board.pm.wires.reset_board = NULL;
    acpi_pm_write_reset_control(&board.pm, 0x0e);
    assert_int_equal(acpi_pm_read_reset_control(&board.pm), 0x0e);
    board.pm.wires.reset_board = reset_board;
    acpi_pm_write_reset_control(&board.pm, 0x0e); /* no rising edge */
    assert_int_equal(board.resets, 2);
    acpi_pm_write_reset_control(&board.pm, 0x00);
    acpi_pm_write_reset_control(&board.pm, 0x04); /* soft */
    assert_int_equal(board.resets, 3);
}

static void test_timer(void **state)
{
    struct board board;
    const uint64_t start = 5000;

    (void)state;
    set_up(&board, start);
    assert_int_equal(acpi_pm_read(&board.pm, ACPI_PM_TIMER, 4, start), 0);
    assert_int_equal(acpi_pm_read(&board.pm, ACPI_PM_TIMER, 4, start + NS_PER_SECOND),
                     ACPI_PM_TIMER_HZ);
    assert_int_equal(acpi_pm_read(&board.pm, ACPI_PM_TIMER + 1, 2, start + NS_PER_SECOND),
                     ACPI_PM_TIMER_HZ >> 8 & 0xffff);
    acpi_pm_write(&board.pm, ACPI_PM_TIMER, 4, 0, start + NS_PER_SECOND);
    assert_int_equal(acpi_pm_read(&board.pm, ACPI_PM_TIMER, 4, start + NS_PER_SECOND),
                     ACPI_PM_TIMER_HZ);
    /* Time that runs backwards stands still. */
    assert_int_equal(acpi_pm_read(&board.pm, ACPI_PM_TIMER, 4, 0), ACPI_PM_TIMER_HZ);
    assert_int_equal(acpi_pm_read(&board.pm, ACPI_PM_TIMER, 4, start + CARRY_NS - 1), 0x7fffffff);
    assert_int_equal(acpi_pm_read(&board.pm, ACPI_PM1_STATUS, 2, start + CARRY_NS - 1), 0);
    assert_int_equal(acpi_pm_read(&board.pm, ACPI_PM_TIMER, 4, start + CARRY_NS), 0x80000000);
    assert_int_equal(acpi_pm_read(&board.pm, ACPI_PM1_STATUS, 2, start + CARRY_NS), TMR);
    /* 32 bits, then it wraps. */
    assert_true(acpi_pm_read(&board.pm, ACPI_PM_TIMER, 4, start + 2 * CARRY_NS) < 8);
}

static void test_timer_interrupt(void **state)
{
    struct board board;
    uint64_t now;

    (void)state;
    set_up(&board, 0);
    acpi_pm_write(&board.pm, ACPI_PM1_ENABLE, 2, TMR, 0);
    assert_int_equal(acpi_pm_next_deadline(&board.pm), TIME_NEVER);
    acpi_pm_write_smi_command(&board.pm, ACPI_SMI_ENABLE, 0);
    now = acpi_pm_next_deadline(&board.pm);
    assert_int_equal(now, CARRY_NS);
    acpi_pm_run(&board.pm, now - 1);
    assert_false(board.sci);
    assert_int_equal(acpi_pm_next_deadline(&board.pm), now);
    acpi_pm_run(&board.pm, now);
    assert_true(board.sci);
    assert_int_equal(acpi_pm_next_deadline(&board.pm), TIME_NEVER);
    acpi_pm_write(&board.pm, ACPI_PM1_STATUS, 2, TMR, now + 10);
    assert_false(board.sci);
    /* The top bit's fall counts as well; three carries at once are one event. */
    assert_in_range(acpi_pm_next_deadline(&board.pm), 2 * CARRY_NS - 1, 2 * CARRY_NS);
    acpi_pm_run(&board.pm, 4 * CARRY_NS);
    assert_true(board.sci);
    acpi_pm_write(&board.pm, ACPI_PM1_STATUS, 2, TMR, 4 * CARRY_NS);
    assert_false(board.sci);
    assert_in_range(acpi_pm_next_deadline(&board.pm), 5 * CARRY_NS - 4, 5 * CARRY_NS);
    acpi_pm_write(&board.pm, ACPI_PM1_ENABLE, 2, 0, 4 * CARRY_NS);
    assert_int_equal(acpi_pm_next_deadline(&board.pm), TIME_NEVER);
    /* Status without enable is lazy but not lost. */
    acpi_pm_write(&board.pm, ACPI_PM1_ENABLE, 2, TMR, 6 * CARRY_NS);
    assert_true(board.sci);
    acpi_pm_reset(&board.pm, 6 * CARRY_NS);
    assert_false(board.sci);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_enable),    cmocka_unit_test(test_power_button),
        cmocka_unit_test(test_rtc_alarm), cmocka_unit_test(test_widths),
        cmocka_unit_test(test_power_off), cmocka_unit_test(test_reset),
        cmocka_unit_test(test_timer),     cmocka_unit_test(test_timer_interrupt),
    };
    return cmocka_run_group_tests_name("acpi_pm", tests, NULL, NULL);
}
