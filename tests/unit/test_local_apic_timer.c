// SPDX-License-Identifier: BSD-2-Clause
#include "tests/unit/local_apic_fixture.h"

#include "vmm/base/types.h"

#define NEVER LOCAL_APIC_NO_DEADLINE

static struct apic_fixture fixture;

static int set_up(void **state)
{
    *state = fixture_new(&fixture);
    enable_all(&fixture);
    fixture.now = 1000;
    return 0;
}

/* Runs the timer at now; whether vector came up, which is then done with. */
static bool fires(struct apic_fixture *f, uint64_t now, int vector)
{
    f->now = now;
    local_apic_run(&f->apic[0], now);
    return (who_gets(f, vector) & 1) != 0;
}

static uint64_t deadline(struct apic_fixture *f)
{
    return local_apic_next_deadline(&f->apic[0]);
}

static void test_one_shot(void **state)
{
    struct apic_fixture *f = *state;
    assert_int_equal(deadline(f), NEVER);
    reg_write(f, 0, 0x320, 0x40);
    reg_write(f, 0, 0x3e0, 0xb);
    reg_write(f, 0, 0x380, 100);
    assert_int_equal(deadline(f), 1100);
    assert_int_equal(reg_read(f, 0, 0x390), 100);
    assert_false(fires(f, 1099, 0x40));
    assert_int_equal(reg_read(f, 0, 0x390), 1);
    assert_true(fires(f, 1100, 0x40));
    assert_int_equal(reg_read(f, 0, 0x390), 0);
    assert_int_equal(reg_read(f, 0, 0x380), 100);
    assert_int_equal(deadline(f), NEVER);
    assert_false(fires(f, 5000, 0x40));

    reg_write(f, 0, 0x380, 100); /* once more, and stopped */
    assert_int_equal(deadline(f), 5100);
    reg_write(f, 0, 0x380, 0);
    assert_int_equal(deadline(f), NEVER);
    assert_false(fires(f, 6000, 0x40));

    reg_write(f, 0, 0x380, 10); /* masked meanwhile: that one is lost */
    reg_write(f, 0, 0x320, 0x10040);
    assert_int_equal(deadline(f), NEVER);
    f->now = 6100;
    reg_write(f, 0, 0x320, 0x40);
    assert_false(fires(f, 6100, 0x40));

    reg_write(f, 0, 0x380, 10); /* due at the very access */
    f->now = 6110;
    (void)reg_read(f, 0, 0x80);
    assert_int_equal(pending(f, 0), 0x40);
}

static void test_divide(void **state)
{
    struct apic_fixture *f = *state;
    static const struct {
        uint32_t configuration, divisor;
    } settings[] = {{0, 2},  {1, 4},    {2, 8},  {3, 16}, {8, 32},
                    {9, 64}, {10, 128}, {11, 1}, {4, 2},  {0xffffffff, 1}};
    reg_write(f, 0, 0x320, 0x40);
    for (unsigned i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
        reg_write(f, 0, 0x3e0, settings[i].configuration);
        reg_write(f, 0, 0x380, 7);
        assert_int_equal(deadline(f), f->now + 7 * settings[i].divisor);
        reg_write(f, 0, 0x380, UINT32_MAX);
        assert_int_equal(deadline(f), f->now + (uint64_t)UINT32_MAX * settings[i].divisor);
        assert_int_equal(reg_read(f, 0, 0x390), UINT32_MAX);
        f->now += 3 * settings[i].divisor;
        assert_int_equal(reg_read(f, 0, 0x390), UINT32_MAX - 3);
    }
    /* A change of rate keeps the count. */
    reg_write(f, 0, 0x3e0, 0xb);
    reg_write(f, 0, 0x380, 1000);
    f->now += 400;
    reg_write(f, 0, 0x3e0, 0x3);
    assert_int_equal(reg_read(f, 0, 0x390), 600);
    assert_int_equal(deadline(f), f->now + 600 * 16);
}

static void test_periodic(void **state)
{
    struct apic_fixture *f = *state;
    reg_write(f, 0, 0x320, 0x20040);
    reg_write(f, 0, 0x380, 50); /* 100 ticks */
    assert_int_equal(deadline(f), 1100);
    assert_true(fires(f, 1100, 0x40));
    assert_int_equal(deadline(f), 1200);
    assert_true(fires(f, 1250, 0x40)); /* late, but in phase */
    assert_int_equal(deadline(f), 1300);
    assert_int_equal(reg_read(f, 0, 0x390), 25);
    assert_true(fires(f, 1999, 0x40)); /* seven periods: one interrupt */
    assert_false(fires(f, 1999, 0x40));
    assert_int_equal(deadline(f), 2000);

    /* Neither lost nor doubled: over many periods, asked at odd moments within each. */
    unsigned count = 0;
    uint64_t first = deadline(f);
    for (uint64_t now = first; now < first + 100 * 1000; now = deadline(f) + count % 97)
        count += fires(f, now, 0x40);
    assert_int_equal(count, 1000);

    /* While one waits in IRR more would be merged with it: no deadline. */
    f->now = deadline(f);
    local_apic_run(&f->apic[0], f->now);
    assert_int_equal(deadline(f), NEVER);
    f->now += 1000;
    assert_int_equal(who_gets(f, 0x40), 1);
    assert_int_equal(who_gets(f, 0x40), 1); /* ten periods went by before the first was taken */
    assert_int_equal(who_gets(f, 0x40), 0);
    assert_int_equal(deadline(f), f->now + 100);

    /* Masked it counts on. */
    reg_write(f, 0, 0x320, 0x30040);
    assert_int_equal(deadline(f), NEVER);
    f->now += 75 + 100 * 11;
    assert_int_equal(reg_read(f, 0, 0x390), 13);
    reg_write(f, 0, 0x320, 0x20040);
    assert_int_equal(deadline(f), f->now + 25);
    assert_int_equal(pending(f, 0), LOCAL_APIC_NO_VECTOR);
}

static void test_modes(void **state)
{
    struct apic_fixture *f = *state;
    /* Between one-shot and periodic the count goes on. */
    reg_write(f, 0, 0x3e0, 0xb);
    reg_write(f, 0, 0x320, 0x40);
    reg_write(f, 0, 0x380, 1000);
    f->now += 600;
    reg_write(f, 0, 0x320, 0x20040);
    assert_int_equal(reg_read(f, 0, 0x390), 400);
    assert_true(fires(f, 2001, 0x40));
    assert_int_equal(reg_read(f, 0, 0x390), 999);
    reg_write(f, 0, 0x320, 0x40);
    assert_int_equal(reg_read(f, 0, 0x390), 999);
    assert_true(fires(f, 3000, 0x40));
    reg_write(f, 0, 0x320, 0x20040); /* a count of 0 stays */
    assert_int_equal(reg_read(f, 0, 0x390), 0);
    assert_int_equal(deadline(f), NEVER);

    /* TSC-deadline mode disarms. */
    reg_write(f, 0, 0x380, 1000);
    reg_write(f, 0, 0x320, 0x40040);
    assert_int_equal(deadline(f), NEVER);
    assert_int_equal(reg_read(f, 0, 0x390), 0);
    reg_write(f, 0, 0x380, 77); /* ignored */
    assert_int_equal(reg_read(f, 0, 0x380), 1000);
    assert_int_equal(deadline(f), NEVER);
    local_apic_write_tsc_deadline(&f->apic[0], 9000, f->now);
    assert_int_equal(deadline(f), 9000);
    reg_write(f, 0, 0x320, 0x20040);
    assert_int_equal(deadline(f), NEVER);
    assert_int_equal(local_apic_tsc_deadline(&f->apic[0], f->now), 0);
    assert_false(fires(f, 10000, 0x40));

    reg_write(f, 0, 0x320, 0x60040); /* reserved */
    reg_write(f, 0, 0x380, 5);
    local_apic_write_tsc_deadline(&f->apic[0], 1, f->now);
    assert_int_equal(deadline(f), NEVER);
    assert_false(fires(f, 20000, 0x40));
}

static void test_tsc_deadline(void **state)
{
    struct apic_fixture *f = *state;
    struct local_apic *apic = &f->apic[0];
    local_apic_write_tsc_deadline(apic, 5000, f->now); /* one-shot mode: ignored */
    assert_int_equal(local_apic_tsc_deadline(apic, f->now), 0);
    reg_write(f, 0, 0x320, 0x40040);
    local_apic_write_tsc_deadline(apic, 5000, f->now);
    assert_int_equal(local_apic_tsc_deadline(apic, f->now), 5000);
    assert_int_equal(deadline(f), 5000);
    local_apic_write_tsc_deadline(apic, 3000, f->now); /* brought forward */
    assert_false(fires(f, 2999, 0x40));
    assert_true(fires(f, 3000, 0x40));
    assert_int_equal(local_apic_tsc_deadline(apic, f->now), 0);
    assert_int_equal(deadline(f), NEVER);

    local_apic_write_tsc_deadline(apic, 1, f->now); /* in the past: at once */
    assert_int_equal(who_gets(f, 0x40), 1);
    local_apic_write_tsc_deadline(apic, 4000, f->now);
    local_apic_write_tsc_deadline(apic, 0, f->now); /* disarmed */
    assert_false(fires(f, 4000, 0x40));

    reg_write(f, 0, 0x320, 0x50040); /* masked: it passes in silence */
    local_apic_write_tsc_deadline(apic, 4100, f->now);
    assert_int_equal(deadline(f), NEVER);
    f->now = 4200;
    reg_write(f, 0, 0x320, 0x40040);
    assert_int_equal(local_apic_tsc_deadline(apic, f->now), 0);
    assert_int_equal(pending(f, 0), LOCAL_APIC_NO_VECTOR);

    local_apic_write_tsc_deadline(apic, UINT64_MAX, f->now);
    assert_int_equal(deadline(f), UINT64_MAX - 1);
    assert_false(fires(f, UINT64_MAX - 1, 0x40));
    assert_true(fires(f, UINT64_MAX, 0x40));

    f->now = 10000;
    local_apic_write_tsc_deadline(apic, 20000, f->now); /* INIT and software disabling */
    reg_write(f, 0, 0xf0, 0xff);
    assert_int_equal(deadline(f), NEVER);
    local_apic_init_signal(apic);
    assert_false(fires(f, 30000, 0x40));
}

static void test_tsc_written(void **state)
{
    struct apic_fixture *f = *state;
    reg_write(f, 0, 0x3e0, 0xb);
    reg_write(f, 0, 0x320, 0x40);
    reg_write(f, 0, 0x380, 100);
    local_apic_tsc_adjusted(&f->apic[0], UINT64_MAX - 1050 + 1); /* 1000 becomes 2^64 - 50 */
    f->now = UINT64_MAX - 49;
    assert_int_equal(reg_read(f, 0, 0x390), 100);
    assert_int_equal(deadline(f), UINT64_MAX - 1); /* beyond the wrap */
    assert_false(fires(f, UINT64_MAX, 0x40));
    assert_int_equal(reg_read(f, 0, 0x390), 51);
    assert_false(fires(f, 49, 0x40));
    assert_int_equal(deadline(f), 50);
    assert_true(fires(f, 50, 0x40));

    reg_write(f, 0, 0x320, 0x40040);
    local_apic_write_tsc_deadline(&f->apic[0], 500, f->now);
    local_apic_tsc_adjusted(&f->apic[0], 100);
    assert_int_equal(deadline(f), 500);
}

static void test_illegal_vector(void **state)
{
    struct apic_fixture *f = *state;
    reg_write(f, 0, 0x370, 0x55);
    reg_write(f, 0, 0x320, 0x20007);
    reg_write(f, 0, 0x380, 1);
    assert_true(fires(f, f->now + 10, 0x55));
    assert_false(fires(f, f->now + 10, 0x55)); /* until ESR is written */
    reg_write(f, 0, 0x280, 0);
    assert_int_equal(reg_read(f, 0, 0x280), 0x40);
    assert_true(fires(f, f->now + 10, 0x55));
}

static void test_x2apic(void **state)
{
    struct apic_fixture *f = *state;
    uint64_t value;
    enter_x2apic(f, 0);
    assert_true(msr_write(f, 0, 0x832, 0x20040));
    assert_true(msr_write(f, 0, 0x83e, 0xb));
    assert_true(msr_write(f, 0, 0x838, 100));
    f->now += 30;
    assert_true(msr_read(f, 0, 0x839, &value));
    assert_int_equal(value, 70);
    assert_true(fires(f, 1100, 0x40));
    f->apic[0].config.has_tsc_deadline = false;
    assert_false(msr_write(f, 0, 0x832, 0x40040));
}

/* The short way does what the long one does, or nothing: with the timer in each mode and none,
 * armed or not, due, just due and not yet. */
static void test_moved_deadline(void **state)
{
    struct apic_fixture *f = *state;
    static const uint32_t modes[] = {0x40, 0x20040, 0x40040, 0x50040, 0x60040};
    static const uint64_t times[] = {0, 1, 999, 1000, 1001, 2000, UINT64_MAX};
    static struct local_apic before, written, moved;
    unsigned moves = 0;

    for (unsigned i = 0; i < ARRAY_COUNT(modes) * ARRAY_COUNT(times) * ARRAY_COUNT(times); i++) {
        uint64_t first = times[i % ARRAY_COUNT(times)];
        uint64_t second = times[i / ARRAY_COUNT(times) % ARRAY_COUNT(times)];

        f->now = 500;
        reg_write(f, 0, 0x320, modes[i / ARRAY_COUNT(times) / ARRAY_COUNT(times)]);
        reg_write(f, 0, 0x380, (uint32_t)first);
        local_apic_write_tsc_deadline(&f->apic[0], first, f->now);
        memcpy(&before, &f->apic[0], sizeof(before));
        memcpy(&moved, &before, sizeof(moved));
        memcpy(&written, &before, sizeof(written));
        local_apic_write_tsc_deadline(&written, second, 1000);
        if (local_apic_move_tsc_deadline(&moved, second, 1000)) {
            moves++;
            assert_memory_equal(&moved, &written, sizeof(moved));
        } else
            assert_memory_equal(&moved, &before, sizeof(moved));
        if (fires(f, UINT64_MAX, 0x40))
            fires(f, 0, 0x40);
    }
    /* In deadline mode, masked or not, from none (0 and 1, which has come at once), or one that has
     * not come, to a moment to come. */
    assert_int_equal(moves, 2 * 5 * 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_one_shot, set_up),
        cmocka_unit_test_setup(test_divide, set_up),
        cmocka_unit_test_setup(test_periodic, set_up),
        cmocka_unit_test_setup(test_modes, set_up),
        cmocka_unit_test_setup(test_tsc_deadline, set_up),
        cmocka_unit_test_setup(test_moved_deadline, set_up),
        cmocka_unit_test_setup(test_tsc_written, set_up),
        cmocka_unit_test_setup(test_illegal_vector, set_up),
        cmocka_unit_test_setup(test_x2apic, set_up),
    };
    return cmocka_run_group_tests_name("local_apic_timer", tests, NULL, NULL);
}
