// SPDX-License-Identifier: BSD-2-Clause
/* How the real-time clock counts: dates, formats, setting, the divider, daylight saving. */
#include "tests/unit/mc146818_bench.h"

#include <time.h>

/* Against the C library, jumping through two centuries in odd steps. */
static void test_calendar(void **state)
{
    struct board board;

    (void)state;
    set_up(&board, 0);
    for (uint64_t seconds = 0; seconds < UINT64_C(4102444800); seconds += 2300007) {
        time_t wall = (time_t)seconds;
        char expected[32];
        struct tm tm;

        board.now_ns = seconds * SECOND;
        gmtime_r(&wall, &tm);
        snprintf(expected, sizeof(expected), "%04d-%02d-%02d %x %02d:%02d:%02d", tm.tm_year + 1900,
                 tm.tm_mon + 1, tm.tm_mday, tm.tm_wday + 1, tm.tm_hour, tm.tm_min, tm.tm_sec);
        SHOWS(&board, expected);
        if (seconds % 5 == 0) { /* set-up by wall time agrees with running there */
            mc146818_init(&board.rtc, (struct line){NULL, NULL}, seconds, board.now_ns);
            SHOWS(&board, expected);
        }
    }
}

static void test_rollovers(void **state)
{
    static const struct {
        unsigned year;
        uint8_t month, date, week_day;
        const char *next;
    } cases[] = {
        {0x1999, 0x12, 0x31, 6, "2000-01-01 7 00:00:00"},
        {0x2000, 0x02, 0x28, 2, "2000-02-29 3 00:00:00"},
        {0x2000, 0x02, 0x29, 3, "2000-03-01 4 00:00:00"},
        {0x2023, 0x02, 0x28, 3, "2023-03-01 4 00:00:00"},
        {0x2024, 0x04, 0x30, 7, "2024-05-01 1 00:00:00"},
        {0x9999, 0x12, 0x31, 7, "0000-01-01 1 00:00:00"},
        {0x2023, 0x02, 0x30, 3, "2023-02-02 4 00:00:00"}, /* no such date: the 1st, then the 2nd */
        {0x2023, 0x13, 0x00, 0, "2023-01-02 2 00:00:00"},
        {0x202f, 0x0a, 0x0a, 9, "2000-01-02 2 00:00:00"},
    };
    struct board board;

    (void)state;
    set_up(&board, 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        set_clock(&board, cases[i].year, cases[i].month, cases[i].date, cases[i].week_day, 0x23,
                  0x59, 0x59);
        board.now_ns += SECOND;
        SHOWS(&board, cases[i].next);
    }
    /* Illegal times count as 0 from the next update on. */
    set_clock(&board, 0x2020, 1, 1, 1, 0x24, 0x60, 0xff);
    assert_int_equal(get(&board, MC146818_SECONDS), 0x7f); /* the top bit is read-only */
    assert_int_equal(get(&board, MC146818_HOURS), 0x24);
    board.now_ns += SECOND;
    SHOWS(&board, "2020-01-01 1 00:00:01");
}

static void test_formats(void **state)
{
    static const struct {
        uint8_t b, before, after;
    } cases[] = {
        {H24, 0x00, 0x01}, {H24, 0x12, 0x13}, {H24, 0x23, 0x00}, {0, 0x12, 0x01},
        {0, 0x11, 0x92},   {0, 0x92, 0x81},   {0, 0x91, 0x12},   {DM, 12, 1},
        {DM, 11, 0x8c},    {DM, 0x8c, 0x81},  {DM, 0x8b, 12},    {DM | H24, 9, 10},
        {DM | H24, 23, 0}, {0, 0x00, 0x01},   {0, 0x13, 0x01},   {0, 0x80, 0x01},
    };
    struct board board;

    (void)state;
    set_up(&board, 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        bool binary = cases[i].b & DM;

        put(&board, MC146818_B, cases[i].b);
        set_clock(&board, binary ? 0x1345 : 0x1969, 3, 9, 1, cases[i].before, binary ? 59 : 0x59,
                  binary ? 59 : 0x59);
        board.now_ns += SECOND;
        assert_int_equal(get(&board, MC146818_HOURS), cases[i].after);
        assert_int_equal(get(&board, MC146818_MINUTES), 0);
        assert_int_equal(get(&board, MC146818_YEAR), binary ? 0x45 : 0x69);
        assert_int_equal(get(&board, MC146818_CENTURY), binary ? 0x13 : 0x19);
    }
    /* Century in binary. */
    put(&board, MC146818_B, DM | H24);
    set_clock(&board, 19 << 8 | 99, 12, 31, 6, 23, 59, 59);
    board.now_ns += SECOND;
    assert_int_equal(get(&board, MC146818_CENTURY), 20);
    assert_int_equal(get(&board, MC146818_YEAR), 0);
}

static void test_set_holds_clock(void **state)
{
    struct board board;

    (void)state;
    set_up(&board, 0);
    put(&board, MC146818_B, H24 | UIE);
    put(&board, MC146818_B, H24 | UIE | SET);
    assert_int_equal(get(&board, MC146818_B), H24 | SET); /* SET clears UIE */
    put(&board, MC146818_B, H24 | UIE | SET);             /* but only when it goes high */
    assert_int_equal(get(&board, MC146818_B), H24 | UIE | SET);
    assert_int_equal(mc146818_next_deadline(&board.rtc), TIME_NEVER);
    board.now_ns = 10 * SECOND - 1000;
    assert_int_equal(get(&board, MC146818_A) & UIP, 0);
    board.now_ns = 10 * SECOND + SECOND / 4;
    assert_int_equal(get(&board, MC146818_C), PF); /* periodic taps run on */
    SHOWS(&board, "1970-01-01 5 00:00:00");
    put(&board, MC146818_SECONDS, 0x30);
    put(&board, MC146818_B, H24);
    /* The divider kept its phase. */
    board.now_ns = 11 * SECOND - 1;
    SHOWS(&board, "1970-01-01 5 00:00:30");
    board.now_ns = 11 * SECOND;
    SHOWS(&board, "1970-01-01 5 00:00:31");
}

static void test_divider(void **state)
{
    struct board board;

    (void)state;
    set_up(&board, 0);
    board.now_ns = SECOND / 10;
    put(&board, MC146818_B, H24 | UIE | PIE);
    put(&board, MC146818_A, 0x66); /* divider reset */
    assert_int_equal(mc146818_next_deadline(&board.rtc), TIME_NEVER);
    board.now_ns = 20 * SECOND;
    assert_int_equal(get(&board, MC146818_C), IRQF | PF);
    board.now_ns = 30 * SECOND;
    SHOWS(&board, "1970-01-01 5 00:00:00");
    assert_int_equal(get(&board, MC146818_C), 0);
    put(&board, MC146818_B, H24 | UIE);
    put(&board, MC146818_A, 0x26);
    /* The first update comes half a second after the reset's end. */
    assert_int_equal(mc146818_next_deadline(&board.rtc), 30 * SECOND + SECOND / 2);
    board.now_ns = 30 * SECOND + SECOND / 2 - 1;
    SHOWS(&board, "1970-01-01 5 00:00:00");
    board.now_ns++;
    SHOWS(&board, "1970-01-01 5 00:00:01");
    assert_int_equal(get(&board, MC146818_C), IRQF | PF | UF);
    /* Another time base than the board's crystal stops the chain where it is. */
    board.now_ns += SECOND / 4;
    put(&board, MC146818_A, 0x06);
    board.now_ns += 100 * SECOND;
    assert_int_equal(get(&board, MC146818_A), 0x06);
    put(&board, MC146818_A, 0x20);
    board.now_ns += 3 * SECOND / 4 - 1;
    SHOWS(&board, "1970-01-01 5 00:00:01");
    board.now_ns++;
    SHOWS(&board, "1970-01-01 5 00:00:02");
    assert_int_equal(get(&board, MC146818_A), 0x20);
    put(&board, MC146818_A, 0xff); /* UIP is read-only */
    assert_int_equal(get(&board, MC146818_A), 0x7f);
}

static void test_daylight_saving(void **state)
{
    struct board board;

    (void)state;
    set_up(&board, 0);
    put(&board, MC146818_B, H24 | DSE | AIE);
    set_clock(&board, 0x1985, 0x04, 0x28, 1, 0x01, 0x59, 0x59); /* the last Sunday in April */
    set_alarm(&board, 0x02, 0x30, 0x00);
    /* Half past two does not come that day. */
    assert_int_equal(mc146818_next_deadline(&board.rtc), (1 + 23 * 3600 + 1800) * SECOND);
    set_alarm(&board, 0x03, 0x00, 0x00);
    assert_int_equal(mc146818_next_deadline(&board.rtc), SECOND);
    board.now_ns = SECOND;
    SHOWS(&board, "1985-04-28 1 03:00:00");
    assert_int_equal(get(&board, MC146818_C) & AF, AF);

    set_clock(&board, 0x1985, 0x04, 0x21, 1, 0x01, 0x59, 0x59); /* a Sunday too early */
    board.now_ns += SECOND;
    SHOWS(&board, "1985-04-21 1 02:00:00");

    set_clock(&board, 0x1985, 0x10, 0x27, 1, 0x01, 0x59, 0x59); /* the last Sunday in October */
    board.now_ns += SECOND;
    SHOWS(&board, "1985-10-27 1 01:00:00");
    board.now_ns += 3599 * SECOND;
    SHOWS(&board, "1985-10-27 1 01:59:59");
    board.now_ns += SECOND;
    SHOWS(&board, "1985-10-27 1 02:00:00");
    /* Set once more to that morning, it happens once more. */
    set_clock(&board, 0x1985, 0x10, 0x27, 1, 0x01, 0x30, 0x00);
    set_alarm(&board, 0x01, 0x15, 0x00);
    assert_int_equal(mc146818_next_deadline(&board.rtc) - board.now_ns, (1800 + 900) * SECOND);
    board.now_ns += 2 * 3600 * SECOND;
    SHOWS(&board, "1985-10-27 1 02:30:00");
    /* Even when it is set while the hour passes for the second time. */
    set_clock(&board, 0x1985, 0x10, 0x27, 1, 0x01, 0x30, 0x00);
    board.now_ns += 3600 * SECOND;
    SHOWS(&board, "1985-10-27 1 01:30:00");
    set_clock(&board, 0x1986, 0x10, 0x26, 1, 0x01, 0x59, 0x59);
    board.now_ns += SECOND;
    SHOWS(&board, "1986-10-26 1 01:00:00");

    /* Without DSE nothing happens; over whole years the two jumps cancel. */
    put(&board, MC146818_B, H24);
    set_clock(&board, 0x1985, 0x04, 0x28, 1, 0x01, 0x59, 0x59);
    board.now_ns += SECOND;
    SHOWS(&board, "1985-04-28 1 02:00:00");
    put(&board, MC146818_B, H24 | DSE);
    set_clock(&board, 0x1985, 0x01, 0x01, 3, 0x00, 0x00, 0x00);
    board.now_ns += UINT64_C(3652) * 86400 * SECOND;
    SHOWS(&board, "1995-01-01 1 00:00:00");
    board.now_ns += UINT64_C(181) * 86400 * SECOND;
    SHOWS(&board, "1995-07-01 7 01:00:00");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calendar), cmocka_unit_test(test_rollovers),
        cmocka_unit_test(test_formats),  cmocka_unit_test(test_set_holds_clock),
        cmocka_unit_test(test_divider),  cmocka_unit_test(test_daylight_saving),
    };
    return cmocka_run_group_tests_name("mc146818_calendar", tests, NULL, NULL);
}
