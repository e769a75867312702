// SPDX-License-Identifier: BSD-2-Clause
/* Interrupts of the real-time clock: update, periodic, alarm. */
#include "tests/unit/mc146818_bench.h"

static void test_update_interrupt(void **state)
{
    struct board board;

    (void)state;
    set_up(&board, 0);
    board.now_ns = SECOND / 3;
    put(&board, MC146818_B, H24 | UIE);
    for (unsigned i = 1; i < 5; i++) {
        uint64_t deadline = mc146818_next_deadline(&board.rtc);

        assert_int_equal(deadline, i * SECOND);
        mc146818_run(&board.rtc, deadline - 1);
        assert_false(board.irq);
        assert_int_equal(mc146818_next_deadline(&board.rtc), deadline);
        mc146818_run(&board.rtc, deadline);
        assert_true(board.irq);
        assert_int_equal(mc146818_next_deadline(&board.rtc), TIME_NEVER);
        board.now_ns = deadline;
        assert_int_equal(get(&board, MC146818_C) & ~PF, IRQF | UF);
        assert_false(board.irq);
        assert_int_equal(get(&board, MC146818_C), 0);
    }
    /* Missed ones merge. */
    board.edges = 0;
    board.now_ns = 60 * SECOND;
    mc146818_run(&board.rtc, board.now_ns);
    assert_int_equal(board.edges, 1);
    (void)get(&board, MC146818_C);
    assert_int_equal(mc146818_next_deadline(&board.rtc), 61 * SECOND);
    /* A flag that is set interrupts as soon as it is enabled. */
    put(&board, MC146818_B, H24);
    board.now_ns = 70 * SECOND;
    assert_false(board.irq);
    put(&board, MC146818_B, H24 | UIE);
    assert_true(board.irq);
    put(&board, MC146818_B, H24);
    assert_false(board.irq);
}

static void test_periodic_rates(void **state)
{
    static const uint32_t hertz[16] = {0,   256, 128, 8192, 4096, 2048, 1024, 512,
                                       256, 128, 64,  32,   16,   8,    4,    2};
    struct board board;

    (void)state;
    for (unsigned rate = 0; rate < 16; rate++) {
        uint64_t previous = 0;
        unsigned count = 0;

        set_up(&board, 0);
        put(&board, MC146818_A, (uint8_t)(0x20 | rate));
        put(&board, MC146818_B, H24 | PIE);
        if (rate == 0) {
            assert_int_equal(mc146818_next_deadline(&board.rtc), TIME_NEVER);
            board.now_ns = 5 * SECOND;
            assert_int_equal(get(&board, MC146818_C), UF);
            continue;
        }
        for (;;) {
            uint64_t deadline = mc146818_next_deadline(&board.rtc);
            uint64_t period = SECOND / hertz[rate];

            if (deadline >= 2 * SECOND)
                break;
            if (count > 0)
                assert_in_range(deadline - previous, period - 1, period + 1);
            mc146818_run(&board.rtc, deadline - 1);
            assert_false(board.irq);
            mc146818_run(&board.rtc, deadline);
            assert_true(board.irq);
            board.now_ns = previous = deadline;
            assert_int_equal(get(&board, MC146818_C) & ~UF, IRQF | PF);
            count++;
        }
        assert_int_equal(count, 2 * hertz[rate]);
    }
}

/* Figure 16: UIP rises half a period after a periodic edge. */
static void test_periodic_phase(void **state)
{
    struct board board;

    (void)state;
    set_up(&board, 0);
    put(&board, MC146818_A, 0x2f);
    put(&board, MC146818_B, H24 | PIE);
    board.now_ns = mc146818_next_deadline(&board.rtc);
    mc146818_run(&board.rtc, board.now_ns);
    assert_in_range(board.now_ns + SECOND / 4, SECOND / 2 - UIP_NS - 1, SECOND / 2 - UIP_NS + 2);
    (void)get(&board, MC146818_C);
    board.now_ns = mc146818_next_deadline(&board.rtc);
    assert_in_range(board.now_ns + SECOND / 4, SECOND - UIP_NS - 1, SECOND - UIP_NS + 2);
}

static void test_alarm(void **state)
{
    /* From 1 January 1970, 10:20:30. */
    static const struct {
        uint8_t hours, minutes, seconds;
        uint64_t first, second; /* seconds until then */
    } cases[] = {
        {0x10, 0x20, 0x31, 1, 86401},
        {0x10, 0x20, 0x30, 86400, 172800}, /* matches now, but that update is over */
        {0x10, 0x20, 0x29, 86399, 172799},
        {0x11, 0x00, 0x00, 2370, 88770},
        {0x09, 0x59, 0x59, 85169, 171569},
        {0x00, 0x00, 0x00, 49170, 135570},
        {0xff, 0xff, 0xff, 1, 2},
        {0xc0, 0xc0, 0xc0, 1, 2},
        {0xff, 0xff, 0x15, 45, 105},
        {0xff, 0x20, 0x15, 3585, 7185},
        {0xff, 0x20, 0x45, 15, 3615},
        {0xff, 0x25, 0xff, 270, 271},
        {0xff, 0x20, 0xff, 1, 2},
        {0xff, 0x10, 0xff, 2970, 2971},
        {0x10, 0xff, 0xff, 1, 2},
        {0x10, 0xff, 0x00, 30, 90},
        {0x12, 0xff, 0xff, 5970, 5971},
        {0x12, 0xff, 0x30, 6000, 6060},
        {0x03, 0x20, 0xff, 61170, 61171},
        {0x10, 0x20, 0xff, 1, 2},
        {0x24, 0x00, 0x00, 0, 0}, /* never */
        {0x10, 0x60, 0x00, 0, 0},
        {0x10, 0x00, 0x60, 0, 0},
        {0xbf, 0x00, 0x00, 0, 0},
        {0x10, 0x1a, 0x00, 0, 0},
    };
    struct board board;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        set_up(&board, 10 * 3600 + 20 * 60 + 30);
        set_alarm(&board, cases[i].hours, cases[i].minutes, cases[i].seconds);
        put(&board, MC146818_B, H24 | AIE);
        if (cases[i].first == 0) {
            assert_int_equal(mc146818_next_deadline(&board.rtc), TIME_NEVER);
            board.now_ns = 1000000 * SECOND;
            assert_int_equal(get(&board, MC146818_C) & AF, 0);
            continue;
        }
        assert_int_equal(mc146818_next_deadline(&board.rtc), cases[i].first * SECOND);
        mc146818_run(&board.rtc, cases[i].first * SECOND - 1);
        assert_false(board.irq);
        assert_int_equal(mc146818_next_deadline(&board.rtc), cases[i].first * SECOND);
        board.now_ns = cases[i].first * SECOND;
        mc146818_run(&board.rtc, board.now_ns);
        assert_true(board.irq);
        assert_int_equal(get(&board, MC146818_C) & ~PF, IRQF | AF | UF);
        assert_int_equal(mc146818_next_deadline(&board.rtc), cases[i].second * SECOND);
    }
}

/* The closed form of the next match against trying every second. */
static void test_alarm_oracle(void **state)
{
    static const uint8_t hours[] = {0x00, 0x01, 0x13, 0x23, 0xff};
    static const uint8_t sixties[] = {0x00, 0x30, 0x59, 0xff};
    static const uint32_t starts[] = {0, 3599, 46799, 46800, 82800, 86399, 1830, 48630};
    struct board board;

    (void)state;
    for (unsigned h = 0; h < sizeof(hours); h++)
        for (unsigned m = 0; m < sizeof(sixties); m++)
            for (unsigned s = 0; s < sizeof(sixties); s++)
                for (unsigned k = 0; k < sizeof(starts) / sizeof(starts[0]); k++) {
                    uint32_t wait = 1;

                    for (;; wait++) {
                        uint32_t t = (starts[k] + wait) % 86400;
                        uint8_t bcd[3] = {(uint8_t)(t / 36000 << 4 | t / 3600 % 10),
                                          (uint8_t)(t / 600 % 6 << 4 | t / 60 % 10),
                                          (uint8_t)(t / 10 % 6 << 4 | t % 10)};

                        if ((hours[h] == 0xff || hours[h] == bcd[0]) &&
                            (sixties[m] == 0xff || sixties[m] == bcd[1]) &&
                            (sixties[s] == 0xff || sixties[s] == bcd[2]))
                            break;
                    }
                    set_up(&board, starts[k]);
                    set_alarm(&board, hours[h], sixties[m], sixties[s]);
                    put(&board, MC146818_B, H24 | AIE);
                    assert_int_equal(mc146818_next_deadline(&board.rtc), wait * SECOND);
                }
}

static void test_alarm_12_hours(void **state)
{
    struct board board;

    (void)state;
    set_up(&board, 0);
    put(&board, MC146818_B, AIE);
    set_clock(&board, 0x2024, 1, 1, 2, 0x11, 0x59, 0x58);
    set_alarm(&board, 0x92, 0x00, 0x00); /* noon */
    assert_int_equal(mc146818_next_deadline(&board.rtc), 2 * SECOND);
    set_alarm(&board, 0x12, 0x00, 0x00); /* midnight */
    assert_int_equal(mc146818_next_deadline(&board.rtc), (2 + 43200) * SECOND);
    set_alarm(&board, 0xff, 0x00, 0x01);
    assert_int_equal(mc146818_next_deadline(&board.rtc), 3 * SECOND);
    set_alarm(&board, 0x00, 0x00, 0x00); /* no such hour */
    assert_int_equal(mc146818_next_deadline(&board.rtc), TIME_NEVER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_update_interrupt), cmocka_unit_test(test_periodic_rates),
        cmocka_unit_test(test_periodic_phase),   cmocka_unit_test(test_alarm),
        cmocka_unit_test(test_alarm_oracle),     cmocka_unit_test(test_alarm_12_hours),
    };
    return cmocka_run_group_tests_name("mc146818_interrupts", tests, NULL, NULL);
}
