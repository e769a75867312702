// SPDX-License-Identifier: BSD-2-Clause
/* Registers and waveforms. */
#include "tests/unit/i8254_bench.h"

/* Each word: one CLK pulse, then CE's low byte in hex (or N: not defined) and OUT as '-' or '_'. An
 * empty first value checks OUT alone. Counter 0, programmed for the low byte. */
static void expect(struct bench *b, const char *words)
{
    const char *word = words;

    while (*word != '\0') {
        char *end = (char *)word;
        unsigned long ce = 0;
        bool defined = *word != 'N';

        clks(b, 1);
        if (defined)
            ce = strtoul(word, &end, 16);
        else
            end++;
        bool out = i8254_out(&b->pit, 0, at(b->clk));
        if (out != (*end == '-') || (defined && rd(b, 0) != ce))
            fail_msg("at \"%s\" of \"%s\": out %d, ce %x", word, words, out, b->pit.counter[0].ce);
        word = end + 1;
        word += strspn(word, " ");
    }
}

/* The waveforms of the datasheet's figures 15 to 20. */

static void test_mode_0(void **state)
{
    struct bench b;

    (void)state;
    reset(&b, 1000);
    assert_true(out(&b));
    wr(&b, 3, 0x10);
    assert_false(out(&b));
    expect(&b, "N_ N_");
    wr(&b, 0, 4);
    expect(&b, "4_ 3_ 2_ 1_ 0- FF- FE-");
    /* a new count ends the high level at once */
    wr(&b, 0, 2);
    assert_false(out(&b));
    expect(&b, "2_ 1_ 0- FF-");

    /* GATE low holds the count */
    wr(&b, 3, 0x10);
    wr(&b, 0, 3);
    expect(&b, "3_ 2_");
    gate(&b, false);
    expect(&b, "2_ 2_");
    gate(&b, true);
    expect(&b, "1_ 0- FF-");

    /* loaded with GATE low; OUT high N pulses after GATE */
    gate(&b, false);
    wr(&b, 3, 0x10);
    wr(&b, 0, 3);
    expect(&b, "3_ 3_ 3_");
    gate(&b, true);
    expect(&b, "2_ 1_ 0-");

    /* a new count while counting */
    wr(&b, 3, 0x10);
    wr(&b, 0, 3);
    expect(&b, "3_ 2_ 1_");
    wr(&b, 0, 2);
    expect(&b, "2_ 1_ 0- FF-");

    /* a two-byte count stops the counter between its bytes */
    wr(&b, 3, 0x30);
    wr(&b, 0, 2);
    wr(&b, 0, 0);
    clks(&b, 3);
    assert_true(out(&b));
    wr(&b, 0, 3);
    assert_false(out(&b));
    clks(&b, 10);
    assert_false(out(&b));
    assert_int_equal(b.pit.counter[0].ce, 0);
    wr(&b, 0, 1);
    clks(&b, 0x103);
    assert_false(out(&b));
    clks(&b, 1);
    assert_true(out(&b));
}

static void test_mode_1(void **state)
{
    struct bench b;

    (void)state;
    reset(&b, 7);
    gate(&b, false);
    wr(&b, 3, 0x12);
    gate(&b, true); /* before the count: not armed */
    expect(&b, "N- N-");
    gate(&b, false);
    wr(&b, 0, 3);
    expect(&b, "N- N-");
    gate(&b, true);
    assert_true(out(&b));
    expect(&b, "3_ 2_ 1_ 0- FF-");
    gate(&b, false);
    gate(&b, true);
    expect(&b, "3_ 2_");
    gate(&b, false); /* no effect except the edge */
    expect(&b, "1_");
    gate(&b, true);
    expect(&b, "3_ 2_ 1_ 0-");

    /* a new count waits for the trigger */
    gate(&b, false);
    wr(&b, 3, 0x12);
    wr(&b, 0, 2);
    gate(&b, true);
    expect(&b, "2_");
    wr(&b, 0, 4);
    expect(&b, "1_ 0- FF- FE-");
    gate(&b, false);
    gate(&b, true);
    gate(&b, false); /* the flip-flop has it */
    expect(&b, "4_ 3_ 2_ 1_ 0- FF-");
}

static void test_mode_2(void **state)
{
    struct bench b;

    (void)state;
    for (unsigned control = 0x14; control <= 0x1c; control += 8) {
        reset(&b, 12345);
        wr(&b, 3, control);
        expect(&b, "N- N-");
        wr(&b, 0, 3);
        expect(&b, "3- 2- 1_ 3- 2- 1_ 3-");
        gate(&b, false);
        expect(&b, "3- 3- 3-");
        gate(&b, true);
        expect(&b, "3- 2- 1_");
        gate(&b, false); /* in the pulse: high at once */
        assert_true(out(&b));
        expect(&b, "1- 1-");
        gate(&b, true);
        expect(&b, "3- 2- 1_ 3-");

        /* a new count at the end of the cycle, or with a trigger */
        wr(&b, 3, control);
        wr(&b, 0, 4);
        expect(&b, "4- 3-");
        wr(&b, 0, 5);
        expect(&b, "2- 1_ 5- 4-");
        wr(&b, 0, 2);
        gate(&b, false);
        gate(&b, true);
        expect(&b, "2- 1_ 2- 1_");

        /* the illegal count of 1 holds OUT until another is written */
        wr(&b, 0, 1);
        expect(&b, "1- 1- 1-");
        assert_int_equal(i8254_next_deadline(&b.pit), TIME_NEVER);
        wr(&b, 0, 2);
        expect(&b, "2- 1_");
    }
}

static void test_mode_3(void **state)
{
    struct bench b;

    (void)state;
    for (unsigned control = 0x16; control <= 0x1e; control += 8) {
        reset(&b, 0);
        wr(&b, 3, control);
        wr(&b, 0, 4);
        expect(&b, "4- 2- 4_ 2_ 4- 2- 4_ 2_");
        wr(&b, 3, control);
        wr(&b, 0, 5);
        expect(&b, "4- 2- 0- 4_ 2_ 4- 2- 0- 4_ 2_ 4-");
        wr(&b, 3, control);
        wr(&b, 0, 3);
        expect(&b, "2- 0- 2_ 2- 0- 2_");

        wr(&b, 3, control);
        wr(&b, 0, 4);
        expect(&b, "4- 2- 4_");
        gate(&b, false);
        assert_true(out(&b));
        expect(&b, "4- 4-");
        gate(&b, true);
        expect(&b, "4- 2- 4_ 2_ 4-");

        /* a new count at the end of the half cycle, or with a trigger */
        wr(&b, 0, 6);
        expect(&b, "2- 6_ 4_ 2_ 6- 4-");
        wr(&b, 0, 3);
        gate(&b, false);
        gate(&b, true);
        expect(&b, "2- 0- 2_ 2-");

        wr(&b, 0, 1);
        expect(&b, "0- 0- 0-");
        assert_int_equal(i8254_next_deadline(&b.pit), TIME_NEVER);
        wr(&b, 0, 2);
        expect(&b, "2- 2_ 2- 2_");
    }
}

static void test_mode_4(void **state)
{
    struct bench b;

    (void)state;
    reset(&b, 99);
    wr(&b, 3, 0x18);
    expect(&b, "N- N-");
    wr(&b, 0, 3);
    expect(&b, "3- 2- 1- 0_ FF- FE- FD-");
    clks(&b, 0x10000 - 4); /* past 0 again: no second strobe */
    expect(&b, "0- FF-");

    gate(&b, false);
    wr(&b, 3, 0x18);
    wr(&b, 0, 3);
    expect(&b, "3- 3- 3-");
    gate(&b, true);
    expect(&b, "2- 1- 0_");
    gate(&b, false); /* the strobe ends all the same */
    expect(&b, "0- 0-");
    gate(&b, true);
    expect(&b, "FF-");

    wr(&b, 0, 3);
    expect(&b, "3- 2- 1-");
    wr(&b, 0, 2);
    expect(&b, "2- 1- 0_");
    wr(&b, 0, 1); /* written in the strobe */
    expect(&b, "1- 0_ FF-");

    /* the first of two bytes does not stop it */
    wr(&b, 3, 0x38);
    wr(&b, 0, 3);
    wr(&b, 0, 0);
    clks(&b, 1);
    wr(&b, 0, 9);
    clks(&b, 2);
    assert_true(out(&b));
    clks(&b, 1);
    assert_false(out(&b));
    wr(&b, 0, 0);
    clks(&b, 9);
    assert_true(out(&b));
    clks(&b, 1);
    assert_false(out(&b));
}

static void test_mode_5(void **state)
{
    struct bench b;

    (void)state;
    reset(&b, 5);
    gate(&b, false);
    wr(&b, 3, 0x1a);
    wr(&b, 0, 3);
    expect(&b, "N- N-");
    gate(&b, true);
    expect(&b, "3- 2- 1- 0_ FF-");
    gate(&b, false);
    gate(&b, true);
    expect(&b, "3- 2-");
    gate(&b, false);
    expect(&b, "1-");
    gate(&b, true); /* retriggered before the strobe */
    expect(&b, "3- 2- 1- 0_ FF-");
    wr(&b, 0, 5); /* no effect on the running count */
    expect(&b, "FE-");
    gate(&b, false);
    gate(&b, true);
    expect(&b, "5- 4- 3- 2- 1- 0_");
    gate(&b, false);
    gate(&b, true); /* triggered in the strobe */
    expect(&b, "5- 4-");
}

/* What a kernel does to calibrate its TSC: OUT is high N + 1 pulses after the count was written. */
static void test_calibration_count(void **state)
{
    struct bench b;

    (void)state;
    reset(&b, 5000000);
    wr(&b, 3, 0xb0);
    wr(&b, 2, 59659 & 0xff);
    wr(&b, 2, 59659 >> 8);
    assert_false(i8254_out(&b.pit, 2, at(b.clk + 59660) - 1));
    assert_true(i8254_out(&b.pit, 2, at(b.clk + 59660)));
    /* and the counting element on the way there */
    b.clk += 1 + 0x1234;
    wr(&b, 3, 0x80);
    b.clk += 1000;
    unsigned low = rd(&b, 2), high = rd(&b, 2);
    assert_int_equal(high << 8 | low, 59659 - 0x1234);
}

static void test_access_modes(void **state)
{
    struct bench b;

    (void)state;
    reset(&b, 0);
    /* high byte only; the low one is 0 */
    wr(&b, 3, 0x20);
    wr(&b, 0, 0x12);
    clks(&b, 1);
    assert_int_equal(b.pit.counter[0].ce, 0x1200);
    assert_int_equal(rd(&b, 0), 0x12);
    clks(&b, 1);
    assert_int_equal(rd(&b, 0), 0x11);
    /* low byte only */
    wr(&b, 3, 0x10);
    wr(&b, 0, 0);
    clks(&b, 2);
    assert_int_equal(b.pit.counter[0].ce, 0xffff);
    assert_int_equal(rd(&b, 0), 0xff);
    assert_int_equal(rd(&b, 0), 0xff);
    /* both; reads and writes keep their places apart */
    wr(&b, 3, 0x34);
    wr(&b, 0, 0x34);
    wr(&b, 0, 0x12);
    clks(&b, 1);
    assert_int_equal(rd(&b, 0), 0x34);
    wr(&b, 0, 0x78);
    assert_int_equal(rd(&b, 0), 0x12);
    wr(&b, 0, 0x56);
    assert_int_equal(b.pit.counter[0].cr, 0x5678);
    /* a control word starts with the first byte again */
    rd(&b, 0);
    wr(&b, 0, 0x11);
    wr(&b, 3, 0x34);
    wr(&b, 0, 0x22);
    wr(&b, 0, 0x33);
    clks(&b, 1);
    assert_int_equal(rd(&b, 0), 0x22);
    assert_int_equal(rd(&b, 0), 0x33);
    /* port 0x43 cannot be read */
    assert_int_equal(rd(&b, 3), 0xff);
    /* offsets are decoded by two address lines */
    wr(&b, 7, 0x16);
    assert_int_equal(b.pit.counter[0].mode, 3);
}

static void test_counter_latch(void **state)
{
    struct bench b;

    (void)state;
    reset(&b, 0);
    wr(&b, 3, 0x34);
    wr(&b, 0, 0x00);
    wr(&b, 0, 0x10);
    clks(&b, 1 + 0x123);
    wr(&b, 3, 0x00);
    clks(&b, 0x10);
    wr(&b, 3, 0x00); /* ignored: the first is not read yet */
    clks(&b, 0x10);
    assert_int_equal(rd(&b, 0), 0xdd);
    clks(&b, 1);
    wr(&b, 3, 0x00); /* still not */
    assert_int_equal(rd(&b, 0), 0x0e);
    assert_int_equal(rd(&b, 0), (0x1000 - 0x144) & 0xff); /* live again */
    rd(&b, 0);
    wr(&b, 3, 0x00);
    wr(&b, 3, 0x34); /* reprogrammed: the latch is gone */
    wr(&b, 0, 2);
    wr(&b, 0, 3);
    clks(&b, 2);
    assert_int_equal(rd(&b, 0), 1);
    assert_int_equal(rd(&b, 0), 3);
    /* one-byte access: one read frees it */
    wr(&b, 3, 0x54);
    wr(&b, 1, 50);
    clks(&b, 1);
    wr(&b, 3, 0x40);
    clks(&b, 5);
    assert_int_equal(rd(&b, 1), 50);
    assert_int_equal(rd(&b, 1), 45);
}

static void test_read_back(void **state)
{
    struct bench b;

    (void)state;
    reset(&b, 0);
    /* the null count and OUT, step by step: figure "Null Count Operation" */
    wr(&b, 3, 0x3a); /* mode 5 */
    wr(&b, 3, 0xe2);
    assert_int_equal(rd(&b, 0), 0xfa);
    wr(&b, 3, 0x30);
    wr(&b, 3, 0xe2);
    assert_int_equal(rd(&b, 0), 0x70);
    wr(&b, 0, 3);
    wr(&b, 0, 0);
    wr(&b, 3, 0xe2);
    assert_int_equal(rd(&b, 0), 0x70);
    clks(&b, 1);
    wr(&b, 3, 0xe2);
    assert_int_equal(rd(&b, 0), 0x30);
    clks(&b, 3);
    wr(&b, 3, 0xe2);
    assert_int_equal(rd(&b, 0), 0xb0);
    wr(&b, 0, 9); /* null count: with the second byte only */
    wr(&b, 3, 0xe2);
    assert_int_equal(rd(&b, 0), 0x30);
    wr(&b, 0, 0);
    wr(&b, 3, 0xe2);
    assert_int_equal(rd(&b, 0), 0x70);

    /* a new count in mode 2 stays null until the period ends */
    wr(&b, 3, 0x7c); /* mode 2, M2 set: shown as written */
    wr(&b, 1, 4);
    wr(&b, 1, 0);
    clks(&b, 1);
    wr(&b, 1, 7);
    wr(&b, 1, 0);
    clks(&b, 3);
    wr(&b, 3, 0xe4);
    assert_int_equal(rd(&b, 1), 0x7c);
    clks(&b, 1);
    wr(&b, 3, 0xe4);
    assert_int_equal(rd(&b, 1), 0xbc);

    /* status and count of all at once; the status is read first, later latches are ignored */
    wr(&b, 3, 0xb4);
    wr(&b, 2, 0x20);
    wr(&b, 2, 0x10);
    clks(&b, 1);
    wr(&b, 3, 0xce);
    clks(&b, 2);
    wr(&b, 3, 0xb2); /* mode 1: clears latches and OUT of counter 2 */
    wr(&b, 3, 0xc4); /* counter 1 again: ignored */
    assert_int_equal(rd(&b, 1), 0xbc);
    assert_int_equal(rd(&b, 1), 6);
    assert_int_equal(rd(&b, 1), 0);
    assert_int_equal(rd(&b, 0), 0x30);
    assert_int_equal(rd(&b, 0), 4);
    assert_int_equal(rd(&b, 0), 0);
    assert_int_equal(rd(&b, 2), 0x1e); /* live */
    assert_int_equal(rd(&b, 2), 0x10);

    /* count first by latch, then status: the status still comes first */
    wr(&b, 3, 0x40);
    wr(&b, 3, 0xe4);
    clks(&b, 1);
    assert_int_equal(rd(&b, 1), 0xbc);
    assert_int_equal(rd(&b, 1), 4);
    assert_int_equal(rd(&b, 1), 0);
    /* two statuses: the first one holds */
    wr(&b, 3, 0x70);
    wr(&b, 3, 0xe4);
    wr(&b, 1, 4);
    wr(&b, 1, 0);
    clks(&b, 1);
    wr(&b, 3, 0xe4);
    assert_int_equal(rd(&b, 1), 0x70);
    wr(&b, 3, 0xe4);
    assert_int_equal(rd(&b, 1), 0x30);
    /* count only */
    wr(&b, 3, 0xd4);
    clks(&b, 1);
    assert_int_equal(rd(&b, 1), 4);
    assert_int_equal(rd(&b, 1), 0);
    /* neither */
    wr(&b, 3, 0xf4);
    assert_int_equal(rd(&b, 1), 3);
}

static void test_bcd(void **state)
{
    struct bench b;

    (void)state;
    reset(&b, 0);
    wr(&b, 3, 0x31);
    wr(&b, 0, 0x00);
    wr(&b, 0, 0x10);
    clks(&b, 2);
    assert_int_equal(rd(&b, 0), 0x99);
    assert_int_equal(rd(&b, 0), 0x09);
    clks(&b, 998);
    assert_false(out(&b));
    clks(&b, 1);
    assert_true(out(&b));
    clks(&b, 1);
    assert_int_equal(rd(&b, 0), 0x99);
    assert_int_equal(rd(&b, 0), 0x99);
    /* 0 is 10000 */
    wr(&b, 3, 0x35);
    wr(&b, 0, 0);
    wr(&b, 0, 0);
    clks(&b, 1);
    assert_int_equal(i8254_next_deadline(&b.pit), at(b.clk + 10000));
    assert_int_equal(rd(&b, 0), 0);
    assert_int_equal(rd(&b, 0), 0);
    clks(&b, 1);
    assert_int_equal(rd(&b, 0), 0x99);
    assert_int_equal(rd(&b, 0), 0x99);
    /* digits that are none carry: 0x0f0a is 1510 */
    wr(&b, 3, 0x35);
    wr(&b, 0, 0x0a);
    wr(&b, 0, 0x0f);
    clks(&b, 1);
    assert_int_equal(rd(&b, 0), 0x10);
    assert_int_equal(rd(&b, 0), 0x15);
    wr(&b, 3, 0x35);
    wr(&b, 0, 0xff);
    wr(&b, 0, 0xff);
    clks(&b, 1);
    assert_int_equal(i8254_next_deadline(&b.pit), at(b.clk + 6665));
    for (unsigned count = 0; count < 0x10000; count += 0x111) {
        wr(&b, 3, 0x37);
        wr(&b, 0, count & 0xff);
        wr(&b, 0, count >> 8);
        clks(&b, 20000);
        (void)rd(&b, 0);
    }
}

static void test_count_of_zero(void **state)
{
    struct bench b;
    static const struct {
        uint8_t control;
        uint32_t rise_clk;
    } cases[] = {
        {0x30, 65537},
        {0x34, 65537},
        {0x36, 65537},
        {0x38, 65538},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        reset(&b, 3);
        wr(&b, 3, cases[i].control);
        wr(&b, 0, 0);
        wr(&b, 0, 0);
        assert_int_equal(i8254_next_deadline(&b.pit), at(3 + cases[i].rise_clk));
        clks(&b, cases[i].rise_clk - 1);
        assert_int_equal(b.rises[0], 0);
        clks(&b, 1);
        assert_int_equal(b.rises[0], 1);
    }
}

static void test_reset(void **state)
{
    struct bench b;

    (void)state;
    memset(&b, 0, sizeof(b));
    b.pit.out[0] = (struct line){set_0, &b};
    i8254_reset(&b.pit, 123456789);
    assert_true(b.level[0]);
    assert_int_equal(i8254_next_deadline(&b.pit), TIME_NEVER);
    i8254_run(&b.pit, UINT64_C(1) << 60);
    for (unsigned i = 0; i < 3; i++)
        assert_true(i8254_out(&b.pit, i, UINT64_C(1) << 61));
    assert_int_equal(b.falls[0], 0);
    assert_true(b.pit.counter[0].gate && b.pit.counter[1].gate && !b.pit.counter[2].gate);
    /* going from there to a rate generator shows no edge */
    i8254_write(&b.pit, 3, 0x34, UINT64_C(1) << 61);
    assert_int_equal(b.falls[0], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mode_0),
        cmocka_unit_test(test_mode_1),
        cmocka_unit_test(test_mode_2),
        cmocka_unit_test(test_mode_3),
        cmocka_unit_test(test_mode_4),
        cmocka_unit_test(test_mode_5),
        cmocka_unit_test(test_calibration_count),
        cmocka_unit_test(test_access_modes),
        cmocka_unit_test(test_counter_latch),
        cmocka_unit_test(test_read_back),
        cmocka_unit_test(test_bcd),
        cmocka_unit_test(test_count_of_zero),
        cmocka_unit_test(test_reset),
    };
    return cmocka_run_group_tests_name("i8254", tests, NULL, NULL);
}
