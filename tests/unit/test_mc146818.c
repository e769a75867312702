// SPDX-License-Identifier: BSD-2-Clause
/* The real-time clock's registers, its RAM and its reset, and any sequence of accesses. */
#include "tests/unit/mc146818_bench.h"

#include "tests/unit/random.h"

static void test_initial(void **state)
{
    struct board board;

    (void)state;
    set_up(&board, 1718454645); /* 15 June 2024, a Saturday, 12:30:45 */
    SHOWS(&board, "2024-06-15 7 12:30:45");
    assert_int_equal(get(&board, MC146818_A), 0x26);
    assert_int_equal(get(&board, MC146818_B), 0x02);
    assert_int_equal(get(&board, MC146818_C), 0x00);
    assert_int_equal(get(&board, MC146818_D), 0x80);
    assert_int_equal(mc146818_read(&board.rtc, MC146818_INDEX, 0), 0xff);
    assert_int_equal(mc146818_read(&board.rtc, 7, 0), 0xff);
    assert_int_equal(mc146818_next_deadline(&board.rtc), TIME_NEVER);
    board.now_ns = 14 * SECOND + SECOND / 2;
    SHOWS(&board, "2024-06-15 7 12:30:59");
    board.now_ns = 15 * SECOND;
    SHOWS(&board, "2024-06-15 7 12:31:00");
    /* The start need not be at 0. */
    mc146818_init(&board.rtc, (struct line){NULL, NULL}, 0, 7 * SECOND + 5);
    board.now_ns = 8 * SECOND + 4;
    SHOWS(&board, "1970-01-01 5 00:00:00");
    board.now_ns = 8 * SECOND + 5;
    SHOWS(&board, "1970-01-01 5 00:00:01");
    /* Absurd firmware clocks are just dates. */
    mc146818_init(&board.rtc, (struct line){NULL, NULL}, UINT64_MAX, 0);
    board.now_ns = 3 * SECOND;
    (void)get(&board, MC146818_SECONDS);
}

static void test_update_in_progress(void **state)
{
    struct board board;

    (void)state;
    set_up(&board, 0);
    for (unsigned i = 1; i < 4; i++) {
        board.now_ns = i * SECOND - UIP_NS - 1000;
        assert_int_equal(get(&board, MC146818_A) & UIP, 0);
        assert_int_equal(get(&board, MC146818_C) & UF, 0);
        board.now_ns = i * SECOND - UIP_NS + 1;
        assert_int_equal(get(&board, MC146818_A) & UIP, UIP);
        board.now_ns = i * SECOND - 1;
        assert_int_equal(get(&board, MC146818_A) & UIP, UIP);
        assert_int_equal(get(&board, MC146818_SECONDS), i - 1);
        board.now_ns = i * SECOND;
        assert_int_equal(get(&board, MC146818_A) & UIP, 0);
        assert_int_equal(get(&board, MC146818_SECONDS), i);
        assert_int_equal(get(&board, MC146818_C) & UF, UF);
    }
    /* SET aborts an update. */
    board.now_ns = 4 * SECOND - 1000;
    assert_int_equal(get(&board, MC146818_A) & UIP, UIP);
    put(&board, MC146818_B, SET | H24);
    assert_int_equal(get(&board, MC146818_A) & UIP, 0);
}

/* Flags of sources that are not enabled are found set all the same. */
static void test_lazy_flags(void **state)
{
    struct board board;

    (void)state;
    set_up(&board, 0);
    set_alarm(&board, 0x00, 0x01, 0x00);
    board.now_ns = 59 * SECOND;
    assert_int_equal(get(&board, MC146818_C), PF | UF);
    board.now_ns = 200 * SECOND;
    assert_int_equal(get(&board, MC146818_C), PF | AF | UF);
    board.now_ns = 400 * SECOND;
    assert_int_equal(get(&board, MC146818_C), PF | UF);
    assert_int_equal(board.edges, 0);
}

static void test_index_and_ram(void **state)
{
    struct board board;

    (void)state;
    set_up(&board, 0);
    for (unsigned i = 0x0e; i < 0x80; i++)
        put(&board, (uint8_t)i, (uint8_t)(i ^ 0x5a));
    for (unsigned i = 0x0e; i < 0x80; i++)
        assert_int_equal(get(&board, (uint8_t)i), i ^ 0x5a);
    mc146818_set_cmos(&board.rtc, 0x10, 0x44);
    mc146818_set_cmos(&board.rtc, 0x7f, 0x55);
    assert_int_equal(get(&board, 0x10), 0x44);
    assert_int_equal(get(&board, 0xff), 0x55);
    assert_true(mc146818_nmi_masked(&board.rtc));
    assert_int_equal(get(&board, 0x7f), 0x55);
    assert_false(mc146818_nmi_masked(&board.rtc));
    put(&board, MC146818_C, 0xff);
    put(&board, MC146818_D, 0x00);
    assert_int_equal(get(&board, MC146818_C), 0);
    assert_int_equal(get(&board, MC146818_D), 0x80);
    mc146818_write(&board.rtc, 5, 0x12, 0);
}

static void test_reset_pin(void **state)
{
    struct board board;

    (void)state;
    set_up(&board, 0);
    put(&board, 0x40, 0x12);
    put(&board, MC146818_B, 0x7f);
    board.now_ns = 100 * SECOND;
    mc146818_run(&board.rtc, board.now_ns);
    assert_true(board.irq);
    mc146818_write(&board.rtc, MC146818_INDEX, 0x8f, board.now_ns);
    mc146818_reset(&board.rtc, board.now_ns);
    assert_false(board.irq);
    assert_false(mc146818_nmi_masked(&board.rtc));
    assert_int_equal(get(&board, MC146818_B), DM | H24 | DSE);
    assert_int_equal(get(&board, MC146818_C), 0);
    assert_int_equal(get(&board, 0x40), 0x12);
    assert_int_equal(get(&board, MC146818_MINUTES), 1);
    /* A clock that runs backwards stands still. */
    board.now_ns = 0;
    assert_int_equal(get(&board, MC146818_MINUTES), 1);
}

/* Any sequence of accesses is harmless, and a deadline is always ahead or raises the line. */
static void test_random(void **state)
{
    struct board board;

    (void)state;
    set_up(&board, 1718454645);
    for (unsigned i = 0; i < 200000; i++) {
        uint64_t random = random_u64(), deadline;

        if (random >> 60 < 12)
            put(&board, (uint8_t)(random >> 8 & (random & 1 ? 0x0f : 0x3f)),
                (uint8_t)(random >> 16));
        else
            (void)get(&board, (uint8_t)(random >> 8));
        if ((random & 0x700) == 0)
            put(&board, MC146818_A, 0x20 | (random >> 24 & 15));
        board.now_ns += random >> 32 & (random & 2 ? 0xffff : 0xffffffff);
        deadline = mc146818_next_deadline(&board.rtc);
        if (deadline != TIME_NEVER) {
            assert_false(board.irq);
            if (deadline > board.now_ns) {
                mc146818_run(&board.rtc, deadline - 1);
                assert_false(board.irq);
                if (random & 4)
                    continue;
                board.now_ns = deadline;
            }
            mc146818_run(&board.rtc, board.now_ns);
            assert_true(board.irq);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_initial),    cmocka_unit_test(test_update_in_progress),
        cmocka_unit_test(test_lazy_flags), cmocka_unit_test(test_index_and_ram),
        cmocka_unit_test(test_reset_pin),  cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests_name("mc146818", tests, NULL, NULL);
}
