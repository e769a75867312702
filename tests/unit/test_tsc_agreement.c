// SPDX-License-Identifier: BSD-2-Clause
/* What three readings of two counters say about their difference. */
#include "tests/unit/unit.h"

#include "arch/x86/tsc_agreement.h"

static int64_t after_rounds(const uint64_t (*rounds)[3], size_t count)
{
    struct tsc_bounds bounds = TSC_BOUNDS_NONE;

    for (size_t i = 0; i < count; i++)
        bounds = tsc_bounds_narrow(bounds, rounds[i][0], rounds[i][1], rounds[i][2]);
    return tsc_bounds_difference(bounds);
}

#define AFTER(...)                                                                                 \
    after_rounds((const uint64_t[][3]){__VA_ARGS__},                                               \
                 sizeof((const uint64_t[][3]){__VA_ARGS__}) / sizeof(uint64_t[3]))

#define ROUND(before, other, after)                                                                \
    {                                                                                              \
        before, other, after                                                                       \
    }

static void test_agreement(void **state)
{
    (void)state;
    assert_int_equal(after_rounds(NULL, 0), 0);
    assert_int_equal(AFTER(ROUND(100, 100, 100)), 0);
    assert_int_equal(AFTER(ROUND(100, 150, 200)), 0);
    assert_int_equal(AFTER(ROUND(100, 100, 200), ROUND(300, 350, 350)), 0);
    /* A wrap of the counter in between. */
    assert_int_equal(AFTER(ROUND(UINT64_MAX - 5, UINT64_MAX, 5)), 0);
    assert_int_equal(AFTER(ROUND(UINT64_MAX - 5, 2, 5)), 0);
}

static void test_difference(void **state)
{
    (void)state;
    assert_int_equal(AFTER(ROUND(100, 99, 200)), -1);
    assert_int_equal(AFTER(ROUND(100, 201, 200)), 1);
    /* The quickest round tells the most; slow ones take nothing of it back. */
    assert_int_equal(AFTER(ROUND(100, 1150, 200), ROUND(1000, 2005, 1010), ROUND(0, 1500, 9000)),
                     995);
    assert_int_equal(AFTER(ROUND(5000, 4050, 5100), ROUND(6000, 5004, 6008)), -996);
    assert_int_equal(AFTER(ROUND(UINT64_MAX - 5, 100, 5)), 95);
    assert_int_equal(AFTER(ROUND(10, UINT64_MAX - 9, 20)), -20);
    /* Half the range apart is the furthest there is. */
    assert_int_equal(AFTER(ROUND(0, INT64_MAX, 0)), INT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_agreement),
        cmocka_unit_test(test_difference),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
