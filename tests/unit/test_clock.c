// SPDX-License-Identifier: BSD-2-Clause
#include "tests/unit/unit.h"

#include "vmm/base/clock.h"
#include "vmm/base/time.h"

static const uint64_t frequencies_hz[] = {1000000,    50000000,   50000831,   999999999,
                                          1000000000, 2904000000, 3500000000, 6200000000};

#define FREQUENCY_COUNT (sizeof(frequencies_hz) / sizeof(frequencies_hz[0]))

/* The least tick count whose time has reached the deadline: one less has not, for any frequency. */
static void test_ticks_are_the_least(void **state)
{
    (void)state;
    for (size_t i = 0; i < FREQUENCY_COUNT; i++) {
        clock_init(frequencies_hz[i]);
        assert_int_equal(clock_tsc_hz(), frequencies_hz[i]);
        for (uint64_t ns = 1; ns < NS_PER_SECOND * 4; ns = ns * 3 + 7) {
            uint64_t ticks = clock_ticks_from_ns(ns);
            assert_true(clock_ns_from_ticks(ticks) >= ns);
            assert_true(clock_ns_from_ticks(ticks - 1) < ns);
        }
    }
}

/* A year later the two still agree, and are within 0.01 ppm of the true time. */
static void test_long_times(void **state)
{
    const uint64_t year_seconds = 365 * 86400;

    (void)state;
    for (size_t i = 0; i < FREQUENCY_COUNT; i++) {
        uint64_t ns;
        clock_init(frequencies_hz[i]);
        ns = clock_ns_from_ticks(frequencies_hz[i] * year_seconds);
        assert_true(ns <= year_seconds * NS_PER_SECOND);
        assert_true(year_seconds * NS_PER_SECOND - ns < year_seconds * NS_PER_SECOND / 100000000);
        assert_true(clock_ns_from_ticks(clock_ticks_from_ns(ns)) >= ns);
    }
}

static void test_never(void **state)
{
    (void)state;
    for (size_t i = 0; i < FREQUENCY_COUNT; i++) {
        clock_init(frequencies_hz[i]);
        assert_int_equal(clock_ticks_from_ns(TIME_NEVER), UINT64_MAX);
        assert_int_equal(clock_ticks_from_ns(TIME_NEVER - 1), UINT64_MAX);
        assert_int_equal(clock_ticks_from_ns(0), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ticks_are_the_least),
        cmocka_unit_test(test_long_times),
        cmocka_unit_test(test_never),
    };
    return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
