// SPDX-License-Identifier: BSD-2-Clause
/* Which processors are refused for their VMX-preemption timer. */
#include "tests/unit/unit.h"

/* Not in the portable library. */
#include "arch/x86/preemption_timer.c"

#include <string.h>

static void test_faulty(void **state)
{
    static const uint32_t signatures[] = {0x106a0, 0x106a1, 0x106a4, 0x106a5, 0x106e5,
                                          0x20652, 0x20655, 0x206e6, 0x306a8};

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(signatures); i++)
        assert_non_null(preemption_timer_errs_on(signatures[i]));
    assert_non_null(strstr(preemption_timer_errs_on(0x306a8), "Ivy Bridge"));
    assert_non_null(strstr(preemption_timer_errs_on(0x20655), "Arrandale"));
}

static void test_reserved_bits(void **state)
{
    (void)state;
    assert_non_null(preemption_timer_errs_on(0x306a8 | 0xf000c000));
    /* The processor type is not reserved. */
    assert_null(preemption_timer_errs_on(0x306a8 | 0x1000));
}

static void test_sound(void **state)
{
    /* Ivy Bridge as sold, Westmere-EP, Sandy Bridge, Haswell, Skylake-X, Alder Lake; none. */
    static const uint32_t signatures[] = {0x306a9, 0x206c2, 0x206a7, 0x306c3, 0x50654, 0x90672, 0};

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(signatures); i++)
        assert_null(preemption_timer_errs_on(signatures[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_faulty),
        cmocka_unit_test(test_reserved_bits),
        cmocka_unit_test(test_sound),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
