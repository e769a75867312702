// SPDX-License-Identifier: BSD-2-Clause
/* What listeners see: deadlines, edges, and a comparison with a counter that ticks. */
#include "tests/unit/i8254_bench.h"
#include "tests/unit/random.h"
#include "tests/unit/rounds.h"

/* A million periods: every deadline is the exact pulse, and not one ns before. */
static void test_deadlines_do_not_drift(void **state)
{
    static const struct {
        uint8_t control;
        uint16_t count;
    } cases[] = {{0x34, 1193}, {0x36, 11931}, {0x34, 2}, {0x36, 3}};
    struct bench b;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        unsigned periods = i == 0 ? 1000000 : 20000;
        uint64_t now_ns = 0;

        reset(&b, 777);
        wr(&b, 3, cases[i].control);
        wr(&b, 0, cases[i].count & 0xff);
        wr(&b, 0, cases[i].count >> 8);
        for (unsigned period = 1; period <= periods; period++) {
            uint64_t deadline_ns = i8254_next_deadline(&b.pit);

            if (deadline_ns != at(778 + (uint64_t)period * cases[i].count) || deadline_ns <= now_ns)
                fail_msg("period %u: %lu", period, deadline_ns);
            now_ns = deadline_ns;
            i8254_run(&b.pit, now_ns - 1);
            if (b.rises[0] != period - 1)
                fail_msg("period %u: early", period);
            i8254_run(&b.pit, now_ns);
            if (b.rises[0] != period || !b.level[0])
                fail_msg("period %u: %u edges", period, b.rises[0]);
        }
        assert_int_equal(b.falls[0], periods);
    }
}

static void test_missed_periods_merge(void **state)
{
    struct bench b;

    (void)state;
    for (unsigned control = 0x34; control <= 0x36; control += 2) {
        reset(&b, 0);
        wr(&b, 3, control);
        wr(&b, 0, 100);
        wr(&b, 0, 0);
        clks(&b, 100000);
        assert_int_equal(b.rises[0], 1);
        /* in phase still: 1 + k * 100 */
        assert_int_equal(i8254_next_deadline(&b.pit), at(100001));
        /* time that runs backwards is time that stands */
        i8254_run(&b.pit, at(50));
        assert_int_equal(b.rises[0], 1);
        assert_int_equal(i8254_next_deadline(&b.pit), at(100001));
        /* a run between two edges shows none */
        clks(&b, 1);
        clks(&b, 50);
        assert_int_equal(b.rises[0], 2);
        clks(&b, 40);
        assert_int_equal(b.rises[0], 2);
        assert_true(b.level[0]);
        /* reads and writes deliver what is due, too */
        b.clk += 20;
        rd(&b, 0);
        assert_int_equal(b.rises[0], 3);
    }
}

static void test_only_listeners_have_deadlines(void **state)
{
    struct bench b;

    (void)state;
    reset(&b, 0);
    b.pit.out[2] = (struct line){0};
    wr(&b, 3, 0x94);
    wr(&b, 2, 20);
    assert_int_equal(i8254_next_deadline(&b.pit), TIME_NEVER);
    wr(&b, 3, 0x54);
    wr(&b, 1, 50);
    wr(&b, 3, 0x14);
    wr(&b, 0, 40);
    assert_int_equal(i8254_next_deadline(&b.pit), at(41));
    clks(&b, 45);
    assert_int_equal(i8254_next_deadline(&b.pit), at(51));
}

static void test_one_shot_edges(void **state)
{
    struct bench b;

    (void)state;
    reset(&b, 0);
    wr(&b, 3, 0x10); /* mode 0: falls with the control word */
    assert_false(b.level[0]);
    wr(&b, 0, 10);
    clks(&b, 10);
    assert_false(b.level[0]);
    clks(&b, 1);
    assert_true(b.level[0]);
    assert_int_equal(i8254_next_deadline(&b.pit), TIME_NEVER);
    wr(&b, 0, 10);
    assert_false(b.level[0]);
    wr(&b, 3, 0x18); /* mode 4: up with the control word, one edge for the strobe */
    assert_true(b.level[0]);
    assert_int_equal(b.rises[0], 2);
    wr(&b, 0, 5);
    assert_int_equal(i8254_next_deadline(&b.pit), at(b.clk + 7));
    clks(&b, 100);
    assert_int_equal(b.rises[0], 3);
    /* from one strobe into the next */
    wr(&b, 3, 0x18);
    wr(&b, 0, 5);
    clks(&b, 6);
    assert_false(b.level[0]);
    wr(&b, 0, 3);
    clks(&b, 100);
    assert_int_equal(b.rises[0], 5);
    /* the low half of mode 3 is not shown, but ending it early is an edge all the same */
    wr(&b, 3, 0x16);
    wr(&b, 0, 40);
    clks(&b, 30);
    assert_false(out(&b));
    assert_int_equal(b.rises[0], 5);
    wr(&b, 3, 0x14);
    assert_int_equal(b.rises[0], 6);
    /* GATE in the low pulse of mode 2 */
    wr(&b, 0, 4);
    clks(&b, 4);
    assert_false(out(&b));
    gate(&b, false);
    assert_int_equal(b.rises[0], 7);
    assert_int_equal(i8254_next_deadline(&b.pit), TIME_NEVER);
}

/* A counter that really ticks, to compare with. */
struct ticking {
    unsigned mode, modulus;
    unsigned count, next_count; /* in CE's cycle; in CR */
    unsigned ce;
    bool gate, out, null, has_count, running, load, done;
};

static void tick(struct ticking *t)
{
    bool strobe_mode = t->mode == 4 || t->mode == 5;
    bool level_gated = t->mode != 1 && t->mode != 5;

    if (strobe_mode)
        t->out = true;
    if (t->load) {
        t->load = false;
        t->running = true;
        t->done = false;
        t->null = false;
        t->count = t->next_count;
        t->ce = t->mode == 3 ? t->count - t->count % 2 : t->count;
        if (t->mode == 1)
            t->out = false;
        return;
    }
    if (!t->running || (level_gated && !t->gate))
        return;
    if ((t->mode == 2 || t->mode == 3) && t->count == 1)
        return;
    if (t->mode == 2) {
        t->ce--;
        if (t->ce == 0) {
            t->null = false;
            t->ce = t->count = t->next_count;
        }
        t->out = t->ce != 1 || t->count == 1;
    } else if (t->mode == 3) {
        bool waits_at_zero = t->count % 2 == 1 && t->out;
        if (waits_at_zero ? t->ce == 0 : t->ce == 2) {
            t->null = false;
            t->count = t->next_count;
            t->ce = t->count - t->count % 2;
            t->out = !t->out || t->count == 1;
        } else {
            t->ce -= 2;
        }
    } else {
        t->ce = t->ce == 0 ? t->modulus - 1 : t->ce - 1;
        if (t->ce == 0 && !t->done) {
            t->done = true;
            t->out = !strobe_mode;
        }
    }
}

static unsigned to_bcd(unsigned value)
{
    return value / 1000 % 10 << 12 | value / 100 % 10 << 8 | value / 10 % 10 << 4 | value % 10;
}

/* Both bytes of the counting element and the status, by read-back. */
static void compare(struct bench *b, unsigned n, const struct ticking *t, unsigned control)
{
    wr(b, 3, 0xc0 | 2u << n);
    unsigned status = rd(b, n);
    unsigned low = rd(b, n), high = rd(b, n);
    unsigned ce = t->modulus == 10000 ? to_bcd(t->ce) : t->ce & 0xffff;

    if (status != (control | t->null << 6 | t->out << 7) || (t->running && (high << 8 | low) != ce))
        fail_msg("clk %lu counter %u mode %u: status %x, ce %x; expected out %d null %d ce %x",
                 b->clk, n, t->mode, status, high << 8 | low, t->out, t->null, ce);
    if (i8254_out(&b->pit, n, at(b->clk)) != t->out)
        fail_msg("clk %lu counter %u: OUT", b->clk, n);
}

static void test_against_ticking_counter(void **state)
{
    (void)state;
    for (unsigned round = 0; round < rounds(4000); round++) {
        struct bench b;
        struct ticking t = {0};
        unsigned n = random_below(3), rises = 0;
        unsigned control = 0x30 | random_below(8) << 1 | (random_below(4) == 0);
        bool old_out;

        reset(&b, random_below(1000000));
        t.mode = control >> 1 & 7;
        t.mode = t.mode > 5 ? t.mode - 4 : t.mode;
        t.modulus = control & 1 ? 10000 : 65536;
        t.gate = true;
        t.null = true;
        t.out = t.mode != 0;
        wr(&b, 3, control | n << 6);
        for (unsigned step = 0; step < 40; step++) {
            old_out = t.out;
            switch (random_below(4)) {
            case 0: {
                unsigned count = random_below(8) == 0 ? random_below(t.modulus) : random_below(12);
                unsigned written = control & 1 ? to_bcd(count) : count;
                wr(&b, n, written & 0xff);
                wr(&b, n, written >> 8);
                t.next_count = count == 0 ? t.modulus : count;
                t.null = t.has_count = true;
                if (t.mode == 0 || t.mode == 4)
                    t.load = true;
                if ((t.mode == 2 || t.mode == 3) && (!t.running || t.count == 1))
                    t.load = true;
                if (t.mode == 0) {
                    t.out = false;
                    t.running = false;
                }
                break;
            }
            case 1: {
                bool level = random_below(2);
                i8254_set_gate(&b.pit, n, level, at(b.clk));
                if (level && !t.gate && t.has_count && t.mode != 0 && t.mode != 4)
                    t.load = true;
                if (!level && (t.mode == 2 || t.mode == 3))
                    t.out = true;
                t.gate = level;
                break;
            }
            default: {
                /* jump; the ticking one walks */
                unsigned distance = random_below(16) == 0 ? random_below(3000) : random_below(8);
                bool watched = random_below(2);
                uint64_t rise = 0;
                struct ticking ahead = t;
                for (unsigned i = 1; i <= 60 && rise == 0; i++) {
                    bool before = ahead.out;
                    tick(&ahead);
                    if (ahead.out && !before)
                        rise = b.clk + i;
                }
                uint64_t deadline_ns = i8254_next_deadline(&b.pit);
                if (rise != 0 ? deadline_ns != at(rise) : deadline_ns <= at(b.clk + 60))
                    fail_msg("clk %lu mode %u: deadline %lu, rise at clk %lu", b.clk, t.mode,
                             deadline_ns, rise);
                for (unsigned i = 0; i < distance; i++) {
                    bool before = t.out;
                    tick(&t);
                    rises += t.out && !before;
                    b.clk++;
                    if (watched)
                        i8254_run(&b.pit, at(b.clk));
                }
                if (!watched) {
                    i8254_run(&b.pit, at(b.clk));
                    if (t.mode != 2 && t.mode != 3)
                        assert_int_equal(b.rises[n], rises);
                    rises = b.rises[n];
                }
                assert_int_equal(b.rises[n], rises);
                old_out = t.out;
                break;
            }
            }
            rises += t.out && !old_out;
            compare(&b, n, &t, control & 0x3f);
            assert_int_equal(b.rises[n], rises);
            if (t.mode != 2 && t.mode != 3)
                assert_int_equal(b.level[n], t.out);
        }
    }
}

/* Any writes at any times: defined, and the next deadline lies ahead. */
static void test_random_writes(void **state)
{
    struct bench b;

    (void)state;
    reset(&b, 0);
    uint64_t now_ns = 0;
    for (unsigned i = 0; i < rounds(200000); i++) {
        now_ns += random_below(4) == 0 ? random_below(100000000) : random_below(2000);
        switch (random_below(4)) {
        case 0: i8254_write(&b.pit, 3, (uint8_t)random_below(256), now_ns); break;
        case 1: i8254_write(&b.pit, random_below(3), (uint8_t)random_below(256), now_ns); break;
        case 2: (void)read_at(&b, random_below(4), now_ns); break;
        default: i8254_set_gate(&b.pit, random_below(3), random_below(2), now_ns); break;
        }
        i8254_run(&b.pit, now_ns);
        if (i8254_next_deadline(&b.pit) <= now_ns)
            fail_msg("deadline in the past");
    }
    assert_true(b.short_reads > rounds(1000));
    i8254_run(&b.pit, UINT64_MAX);
    (void)i8254_next_deadline(&b.pit);
}

/* At each pulse of some second, and one ns before. */
static void test_pulses_within_a_second(void **state)
{
    (void)state;
    struct bench b;
    uint64_t second = 86400 * 400;

    reset(&b, second * CLK_HZ);
    (void)i8254_read(&b.pit, 0, second * NS_PER_SECOND);
    assert_int_equal(b.pit.second_ns, second * NS_PER_SECOND);
    for (uint64_t clk = second * CLK_HZ + 1; clk < (second + 1) * CLK_HZ; clk++) {
        uint64_t ns = at(clk) - second * NS_PER_SECOND;

        if (i8254_clk_in_second(&b.pit, ns) != clk ||
            i8254_clk_in_second(&b.pit, ns - 1) != clk - 1)
            fail_msg("pulse %ju", (uintmax_t)clk);
    }
    assert_int_equal(i8254_clk_in_second(&b.pit, NS_PER_SECOND - 1), (second + 1) * CLK_HZ - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_deadlines_do_not_drift),
        cmocka_unit_test(test_missed_periods_merge),
        cmocka_unit_test(test_only_listeners_have_deadlines),
        cmocka_unit_test(test_one_shot_edges),
        cmocka_unit_test(test_against_ticking_counter),
        cmocka_unit_test(test_random_writes),
        cmocka_unit_test(test_pulses_within_a_second),
    };
    return cmocka_run_group_tests_name("i8254_edges", tests, NULL, NULL);
}
