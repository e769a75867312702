// SPDX-License-Identifier: BSD-2-Clause
/* Which clock is believed about the TSC, with every combination of dead, unsteady, wild and sound
 * ones. */
#include "tests/unit/unit.h"

/* Not in the portable library. */
#include "arch/x86/tsc_rate.c"

#include <string.h>

#define RIGHT UINT64_C(2400000000)

/* --- One by one --- */

static struct tsc_reading rate(uint64_t hz)
{
    return (struct tsc_reading){.kind = TSC_CLOCK_RATE, .hz = hz};
}

#define ABSENT   ((struct tsc_reading){.kind = TSC_CLOCK_ABSENT})
#define STUCK    ((struct tsc_reading){.kind = TSC_CLOCK_STUCK})
#define UNSTEADY ((struct tsc_reading){.kind = TSC_CLOCK_UNSTEADY})

static struct tsc_calibration calibration(struct tsc_reading pm_timer, struct tsc_reading hpet,
                                          struct tsc_reading i8254, struct tsc_reading stall,
                                          struct tsc_reading by_cpuid)
{
    return (struct tsc_calibration){.readings = {pm_timer, hpet, i8254, stall, by_cpuid}};
}

static void assert_chosen(struct tsc_calibration tsc, enum tsc_clock clock)
{
    assert_int_equal(tsc_choose(&tsc), STATUS_OK);
    assert_int_equal(tsc.clock, clock);
    assert_int_equal(tsc.frequency_hz, tsc.readings[clock].hz);
    assert_false(tsc_contradicts(&tsc, clock));
}

static void test_agreeing_timers(void **state)
{
    struct tsc_reading right = rate(RIGHT), wild = rate(RIGHT * 2),
                       close = rate(RIGHT + RIGHT / 250);

    (void)state;
    assert_chosen(calibration(right, right, right, right, right), TSC_BY_PM_TIMER);
    assert_chosen(calibration(right, close, wild, ABSENT, ABSENT), TSC_BY_PM_TIMER);
    assert_chosen(calibration(right, wild, close, wild, wild), TSC_BY_PM_TIMER);
    assert_chosen(calibration(wild, right, close, wild, wild), TSC_BY_HPET);
    assert_chosen(calibration(UNSTEADY, right, close, STUCK, ABSENT), TSC_BY_HPET);
}

static void test_one_timer(void **state)
{
    struct tsc_reading right = rate(RIGHT), wild = rate(RIGHT * 2);

    (void)state;
    /* An emulator: CPUID tells of a processor that it does not have the speed of. */
    assert_chosen(calibration(ABSENT, ABSENT, right, right, wild), TSC_BY_8254);
    assert_chosen(calibration(ABSENT, ABSENT, right, wild, wild), TSC_BY_8254);
    assert_chosen(calibration(right, STUCK, STUCK, ABSENT, ABSENT), TSC_BY_PM_TIMER);
    assert_chosen(calibration(STUCK, right, UNSTEADY, ABSENT, ABSENT), TSC_BY_HPET);
}

static void test_contradicting_timers(void **state)
{
    struct tsc_reading right = rate(RIGHT), wild = rate(RIGHT / 2), wild_2 = rate(RIGHT / 4);
    struct tsc_calibration tsc;

    (void)state;
    assert_chosen(calibration(wild, right, STUCK, right, wild), TSC_BY_HPET);
    assert_chosen(calibration(wild, wild_2, right, ABSENT, right), TSC_BY_8254);
    tsc = calibration(right, wild, wild_2, ABSENT, rate(RIGHT * 3));
    assert_int_equal(tsc_choose(&tsc), STATUS_CONFLICT);
    tsc = calibration(right, ABSENT, wild, STUCK, ABSENT);
    assert_int_equal(tsc_choose(&tsc), STATUS_CONFLICT);
}

static void test_no_timer(void **state)
{
    struct tsc_reading right = rate(RIGHT), near = rate(RIGHT + RIGHT / 200),
                       wild = rate(RIGHT * 2);
    struct tsc_calibration tsc;

    (void)state;
    assert_chosen(calibration(STUCK, ABSENT, STUCK, near, right), TSC_BY_CPUID);
    assert_chosen(calibration(STUCK, ABSENT, STUCK, STUCK, right), TSC_BY_CPUID);
    assert_chosen(calibration(STUCK, ABSENT, STUCK, right, wild), TSC_BY_STALL);
    assert_chosen(calibration(STUCK, ABSENT, UNSTEADY, right, ABSENT), TSC_BY_STALL);
    tsc = calibration(STUCK, ABSENT, STUCK, UNSTEADY, ABSENT);
    assert_int_equal(tsc_choose(&tsc), STATUS_UNSUPPORTED);
}

static void test_impossible_rates(void **state)
{
    struct tsc_calibration tsc =
        calibration(rate(HZ_MIN - 1), rate(HZ_MAX + 1), rate(0), rate(UINT64_MAX), ABSENT);

    (void)state;
    assert_int_equal(tsc_choose(&tsc), STATUS_UNSUPPORTED);
    tsc.readings[TSC_BY_8254] = rate(HZ_MIN);
    assert_chosen(tsc, TSC_BY_8254);
    tsc.readings[TSC_BY_8254] = rate(HZ_MAX);
    assert_chosen(tsc, TSC_BY_8254);
}

/* --- All combinations --- */

enum { DEAD, STOPS_AND_GOES, WILD, SOUND, STATES };

/* What is wild is so in a way of its own. */
static struct tsc_reading reading_of(enum tsc_clock clock, unsigned state)
{
    switch (state) {
    case DEAD: return clock % 2 == 0 ? ABSENT : STUCK;
    case STOPS_AND_GOES: return UNSTEADY;
    case WILD: return rate(RIGHT * (clock + 2));
    default: return rate(RIGHT + clock); /* a hertz more or less */
    }
}

static unsigned count(const unsigned *states, size_t first, size_t end, unsigned wanted)
{
    unsigned result = 0;

    for (size_t i = first; i < end; i++)
        result += states[i] == wanted;
    return result;
}

static void check_combination(const unsigned *states)
{
    const unsigned sound = count(states, 0, TSC_TIMER_COUNT, SOUND);
    const unsigned wild = count(states, 0, TSC_TIMER_COUNT, WILD);
    const bool has_sound_witness = count(states, TSC_TIMER_COUNT, TSC_CLOCK_COUNT, SOUND) > 0;
    const bool has_wild_witness = count(states, TSC_TIMER_COUNT, TSC_CLOCK_COUNT, WILD) > 0;
    struct tsc_calibration tsc = {0};
    enum status status;

    for (enum tsc_clock clock = 0; clock < TSC_CLOCK_COUNT; clock++)
        tsc.readings[clock] = reading_of(clock, states[clock]);
    status = tsc_choose(&tsc);
    if (status == STATUS_OK) {
        assert_int_equal(tsc.readings[tsc.clock].kind, TSC_CLOCK_RATE);
        assert_int_equal(tsc.readings[tsc.clock].hz, tsc.frequency_hz);
        /* A timer that counts is never outdone by somebody's word. */
        assert_true(tsc.clock < TSC_TIMER_COUNT || sound + wild == 0);
        for (enum tsc_clock clock = 0; clock < TSC_CLOCK_COUNT; clock++) {
            bool is_noted = tsc.readings[clock].kind != TSC_CLOCK_ABSENT &&
                            !(states[clock] == SOUND && states[tsc.clock] == SOUND) &&
                            clock != tsc.clock;
            assert_int_equal(tsc_contradicts(&tsc, clock), is_noted);
        }
    }
    if (sound >= 2 || (sound == 1 && (wild == 0 || has_sound_witness))) {
        assert_int_equal(status, STATUS_OK);
        assert_int_equal(states[tsc.clock], SOUND);
    } else if (sound + wild >= 2) {
        assert_int_equal(status, STATUS_CONFLICT);
    } else if (sound + wild == 1) {
        assert_int_equal(status, STATUS_OK);
        assert_int_equal(states[tsc.clock], WILD); /* nothing decides */
    } else if (has_sound_witness || has_wild_witness) {
        bool has_stall = states[TSC_BY_STALL] >= WILD;
        bool do_agree = states[TSC_BY_STALL] == SOUND && states[TSC_BY_CPUID] == SOUND;

        assert_int_equal(status, STATUS_OK);
        assert_int_equal(tsc.clock, has_stall && !do_agree ? TSC_BY_STALL : TSC_BY_CPUID);
    } else {
        assert_int_equal(status, STATUS_UNSUPPORTED);
    }
}

static void test_all_combinations(void **state)
{
    unsigned states[TSC_CLOCK_COUNT] = {0}, combinations = 0;
    size_t clock;

    (void)state;
    do {
        check_combination(states);
        combinations++;
        for (clock = 0; clock < TSC_CLOCK_COUNT && ++states[clock] == STATES; clock++)
            states[clock] = 0;
    } while (clock < TSC_CLOCK_COUNT);
    assert_int_equal(combinations, 1024);
}

/* --- In words --- */

static void test_words(void **state)
{
    struct tsc_calibration tsc =
        calibration(STUCK, ABSENT, UNSTEADY, rate(49999000), rate(UINT64_C(3500000000)));
    char text[300], small[20];

    (void)state;
    tsc_describe_all(&tsc, text, sizeof(text));
    assert_string_equal(text, "the acpi pm timer does not count; the HPET tells nothing; "
                              "the rounds of the 8254 did not agree; "
                              "the firmware's Stall gives 49999 kHz; "
                              "the processor's CPUID gives 3500000 kHz");
    for (size_t size = 1; size <= sizeof(small); size++) {
        tsc_describe_all(&tsc, small, size);
        assert_int_equal(strlen(small), size - 1);
        assert_memory_equal(small, text, size - 1);
    }
}

/* --- Rounds --- */

static void test_rounds(void **state)
{
    static const uint64_t hz[] = {1000000000, 1003000000, 1000100000, 900000000,
                                  1000200000, 1000300000, 1000400000};
    struct tsc_rounds rounds = {0};
    struct tsc_reading reading = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(hz) / sizeof(hz[0]); i++) {
        assert_int_not_equal(reading.kind, TSC_CLOCK_RATE);
        reading = tsc_rounds_add(&rounds, hz[i], 500);
    }
    assert_int_equal(reading.kind, TSC_CLOCK_RATE);
    assert_int_equal(reading.hz, 1000200000);
}

static void test_rounds_that_do_not_agree(void **state)
{
    struct tsc_rounds rounds = {0};

    (void)state;
    for (uint64_t i = 0; i < TSC_ROUNDS_MAX; i++) {
        struct tsc_reading reading = tsc_rounds_add(&rounds, 1000000000 + i * 200000, 500);
        assert_int_equal(reading.kind, TSC_CLOCK_UNSTEADY);
    }
    assert_int_equal(rounds.count, TSC_ROUNDS_MAX);
}

/* --- CPUID --- */

static void assert_cpuid(uint32_t eax_15, uint32_t ebx_15, uint32_t ecx_15, uint32_t eax_16,
                         uint64_t hz)
{
    struct tsc_reading reading = tsc_rate_by_cpuid(eax_15, ebx_15, ecx_15, eax_16);

    assert_int_equal(reading.kind, hz == 0 ? TSC_CLOCK_ABSENT : TSC_CLOCK_RATE);
    assert_int_equal(reading.hz, hz);
}

static void test_cpuid(void **state)
{
    (void)state;
    assert_cpuid(0, 0, 0, 0, 0);
    assert_cpuid(2, 216, 24000000, 0, 2592000000);
    assert_cpuid(2, 216, 24000000, 3000, 2592000000);
    /* Skylake: no crystal; the TSC is the base frequency's. */
    assert_cpuid(2, 292, 0, 3500, 3500000000);
    assert_cpuid(2, 292, 0, 0, 0);
    assert_cpuid(2, 292, 0, 0x10000, 0); /* the upper half is reserved */
    assert_cpuid(0, 292, 24000000, 3500, 0);
    assert_cpuid(2, 0, 24000000, 3500, 0);
    assert_cpuid(1, UINT32_MAX, UINT32_MAX, 0, UINT64_C(0xfffffffe00000001));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_agreeing_timers),
        cmocka_unit_test(test_one_timer),
        cmocka_unit_test(test_contradicting_timers),
        cmocka_unit_test(test_no_timer),
        cmocka_unit_test(test_impossible_rates),
        cmocka_unit_test(test_all_combinations),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_rounds),
        cmocka_unit_test(test_rounds_that_do_not_agree),
        cmocka_unit_test(test_cpuid),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
