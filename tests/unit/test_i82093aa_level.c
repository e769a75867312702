// SPDX-License-Identifier: BSD-2-Clause
/* Level-triggered interrupts of the I/O APIC: remote IRR, and the ways to its end. */
#include "tests/unit/i82093aa_bench.h"

static void test_masked_level_waits(void **state)
{
    struct bench b;

    (void)state;
    start(&b);
    set_low(&b, 14, MASKED | LEVEL | 0x82);
    pulse(&b, 14);
    set_low(&b, 14, LEVEL | 0x82);
    assert_int_equal(b.tried, 0);
    set_low(&b, 14, MASKED | LEVEL | 0x82);
    line(&b, 14, true);
    assert_int_equal(b.tried, 0);
    assert_int_equal(low(&b, 14), MASKED | LEVEL | 0x82);
    set_low(&b, 14, LEVEL | 0x82);
    assert_int_equal(b.sent, 1);
    assert_true(b.last.is_level);
}

static void test_level_and_eoi(void **state)
{
    struct bench b;

    (void)state;
    start(&b);
    set_low(&b, 9, LEVEL | 0x61);
    line(&b, 9, true);
    assert_int_equal(b.sent, 1);
    assert_int_equal(low(&b, 9), LEVEL | 0x4061);
    /* Nothing more before the EOI, whatever the line does. */
    line(&b, 9, false);
    assert_int_equal(low(&b, 9), LEVEL | 0x4061);
    line(&b, 9, true);
    eoi(&b, 0x60);
    assert_int_equal(b.sent, 1);
    assert_int_equal(b.end_count, 0);
    /* Still asserted: once more. */
    eoi(&b, 0x61);
    assert_int_equal(b.sent, 2);
    assert_int_equal(b.ended, 1u << 9);
    assert_int_equal(low(&b, 9), LEVEL | 0x4061);
    line(&b, 9, false);
    eoi(&b, 0x61);
    assert_int_equal(b.sent, 2);
    assert_int_equal(low(&b, 9), LEVEL | 0x61);
    assert_int_equal(b.end_count, 2);
    /* Over: another EOI ends nothing. */
    eoi(&b, 0x61);
    assert_int_equal(b.end_count, 2);
    line(&b, 9, true);
    assert_int_equal(b.sent, 3);
}

static void test_eoi_register(void **state)
{
    struct bench b;

    (void)state;
    start(&b);
    for (unsigned size = 1; size <= 4; size *= 2) {
        set_low(&b, 9, LEVEL | 0x61);
        line(&b, 9, true);
        line(&b, 9, false);
        i82093aa_write(&b.ioapic, I82093AA_EOIR, size, 0x62);
        assert_int_equal(low(&b, 9), LEVEL | 0x4061);
        i82093aa_write(&b.ioapic, I82093AA_EOIR, size, 0x61);
        assert_int_equal(low(&b, 9), LEVEL | 0x61);
    }
    assert_int_equal(b.sent, 3);
    assert_int_equal(b.end_count, 3);
}

/* "If multiple entries assign the same vector, each of those will have the Remote_IRR bit reset".
 */
static void test_shared_vector(void **state)
{
    struct bench b;

    (void)state;
    start(&b);
    set_low(&b, 3, LEVEL | 0x50);
    set_low(&b, 17, LEVEL | 0x50);
    set_low(&b, 18, LEVEL | 0x51);
    line(&b, 3, true);
    line(&b, 17, true);
    line(&b, 18, true);
    line(&b, 17, false);
    assert_int_equal(b.sent, 3);
    eoi(&b, 0x50);
    assert_int_equal(b.sent, 4);
    assert_int_equal(low(&b, 3), LEVEL | 0x4050);
    assert_int_equal(low(&b, 17), LEVEL | 0x50);
    assert_int_equal(low(&b, 18), LEVEL | 0x4051);
    assert_int_equal(b.ended, 1u << 3 | 1u << 17);
}

/* What the end of an interrupt does to the lines counts for what is sent next, once. */
static void test_end_of_interrupt_drives_lines(void **state)
{
    struct bench b;

    (void)state;
    start(&b);
    set_low(&b, 20, LEVEL | 0x70);
    set_low(&b, 21, LEVEL | 0x71);
    b.lowered_at_end = 1u << 20;
    b.pulsed_at_end = 1u << 21;
    line(&b, 20, true);
    line(&b, 21, true);
    assert_int_equal(b.sent, 2);
    eoi(&b, 0x70);
    assert_int_equal(b.sent, 2);
    assert_int_equal(low(&b, 20), LEVEL | 0x70);
    eoi(&b, 0x71);
    assert_int_equal(b.sent, 3);
    assert_int_equal(b.end_count, 2);
    assert_int_equal(low(&b, 21), LEVEL | 0x4071);
}

/* The destination changes while the interrupt is in service: no second message, and the EOI is
 * found by the vector. */
static void test_rewrite_in_service(void **state)
{
    struct bench b;

    (void)state;
    start(&b);
    set_low(&b, 14, LEVEL | 0x84);
    line(&b, 14, true);
    set_high(&b, 14, 0x01000000);
    assert_int_equal(b.sent, 1);
    assert_int_equal(low(&b, 14), LEVEL | 0x4084);
    set_low(&b, 14, MASKED | LEVEL | 0x84);
    assert_int_equal(low(&b, 14), MASKED | LEVEL | 0x4084);
    eoi(&b, 0x84);
    assert_int_equal(b.sent, 1);
    assert_int_equal(b.end_count, 1);
    set_low(&b, 14, LEVEL | 0x84);
    assert_int_equal(b.sent, 2);
    assert_int_equal(b.last.destination, 1);
}

/* How an interrupt is ended without an EOI register: to edge, and back. */
static void test_edge_clears_remote_irr(void **state)
{
    struct bench b;

    (void)state;
    start(&b);
    set_low(&b, 9, LEVEL | 0x61);
    line(&b, 9, true);
    set_low(&b, 9, MASKED | LEVEL | 0x61);
    assert_int_equal(b.end_count, 0);
    set_low(&b, 9, MASKED | 0x61);
    assert_int_equal(low(&b, 9), MASKED | 0x61);
    assert_int_equal(b.end_count, 1);
    set_low(&b, 9, MASKED | LEVEL | 0x61);
    assert_int_equal(low(&b, 9), MASKED | LEVEL | 0x61);
    set_low(&b, 9, LEVEL | 0x61);
    assert_int_equal(b.sent, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_masked_level_waits),
        cmocka_unit_test(test_level_and_eoi),
        cmocka_unit_test(test_eoi_register),
        cmocka_unit_test(test_shared_vector),
        cmocka_unit_test(test_end_of_interrupt_drives_lines),
        cmocka_unit_test(test_rewrite_in_service),
        cmocka_unit_test(test_edge_clears_remote_irr),
    };
    return cmocka_run_group_tests_name("i82093aa_level", tests, NULL, NULL);
}
