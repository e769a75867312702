// SPDX-License-Identifier: BSD-2-Clause
/* What the I/O APIC sends, and when: edges, delivery modes, masks, and messages that nobody takes. */
#include "tests/unit/i82093aa_bench.h"

static void test_edge(void **state)
{
    struct bench b;

    (void)state;
    start(&b);
    set_high(&b, 4, 0x03000000);
    set_low(&b, 4, 0x31);
    line(&b, 4, true);
    assert_int_equal(b.sent, 1);
    assert_int_equal(b.last.vector, 0x31);
    assert_int_equal(b.last.destination, 3);
    assert_int_equal(b.last.delivery, APIC_FIXED);
    assert_false(b.last.is_logical);
    assert_false(b.last.is_level);
    assert_true(b.last.is_asserted);
    /* Held high is no second edge, nor is a write to the entry; no EOI is needed. */
    line(&b, 4, true);
    set_low(&b, 4, 0x32);
    assert_int_equal(b.sent, 1);
    assert_int_equal(low(&b, 4), 0x32);
    line(&b, 4, false);
    assert_int_equal(b.sent, 1);
    line(&b, 4, true);
    assert_int_equal(b.sent, 2);
    eoi(&b, 0x32);
    assert_int_equal(b.sent, 2);
    assert_int_equal(b.end_count, 0);
}

static void test_delivery_modes(void **state)
{
    static const struct {
        uint32_t entry;
        enum apic_delivery delivery;
        bool is_level;
    } modes[] = {
        {0x041, APIC_FIXED, false},
        {0x8041, APIC_FIXED, true},
        {0x141, APIC_LOWEST_PRIORITY, false},
        {0x8141, APIC_LOWEST_PRIORITY, true},
        {0x200, APIC_SMI, false},
        {0x8200, APIC_SMI, false},
        {0x400, APIC_NMI, false},
        {0x8400, APIC_NMI, false},
        {0x500, APIC_INIT, false},
        {0x8500, APIC_INIT, false},
        {0x700, APIC_EXTINT, false},
        {0x8700, APIC_EXTINT, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        for (unsigned logical = 0; logical < 2; logical++) {
            struct bench b;

            start(&b);
            set_high(&b, 23, 0xf1000000);
            set_low(&b, 23, modes[i].entry | logical << 11);
            line(&b, 23, true);
            assert_int_equal(b.sent, 1);
            assert_int_equal(b.last.delivery, modes[i].delivery);
            assert_int_equal(b.last.is_level, modes[i].is_level);
            assert_int_equal(b.last.is_logical, logical);
            assert_int_equal(b.last.destination, 0xf1);
            assert_int_equal(b.last.vector, modes[i].entry & 0xff);
            /* Remote IRR is of level interrupts; the others need a new edge. */
            assert_int_equal(low(&b, 23) >> 14 & 1, modes[i].is_level);
            eoi(&b, modes[i].entry & 0xff);
            assert_int_equal(b.sent, modes[i].is_level ? 2 : 1);
        }
    }
}

/* 3 is reserved: nothing to send, nothing kept; 6 goes nowhere but to the local APICs' judgement.
 */
static void test_reserved_delivery(void **state)
{
    struct bench b;

    (void)state;
    start(&b);
    set_low(&b, 1, 0x341);
    line(&b, 1, true);
    assert_int_equal(low(&b, 1), 0x341);
    set_low(&b, 1, 0x041);
    set_low(&b, 2, 0x8341);
    line(&b, 2, true);
    assert_int_equal(low(&b, 2), 0x8341);
    assert_int_equal(b.tried, 0);
}

static void test_masked_edge_is_lost(void **state)
{
    struct bench b;

    (void)state;
    start(&b);
    set_low(&b, 14, MASKED | 0x81);
    pulse(&b, 14);
    line(&b, 14, true);
    set_low(&b, 14, 0x81); /* still high */
    assert_int_equal(b.tried, 0);
    line(&b, 14, false);
    line(&b, 14, true);
    assert_int_equal(b.sent, 1);
}

static void test_nobody_accepts(void **state)
{
    struct bench b;

    (void)state;
    start(&b);
    set_low(&b, 5, 0x35);
    set_low(&b, 6, LEVEL | 0x36);
    b.refuses = true;
    pulse(&b, 5);
    line(&b, 6, true);
    assert_int_equal(low(&b, 5), 0x1035);         /* DELIVS */
    assert_int_equal(low(&b, 6), LEVEL | 0x1036); /* and no remote IRR */
    eoi(&b, 0x36);
    assert_int_equal(b.end_count, 0);
    b.refuses = false;
    i82093aa_retry(&b.ioapic);
    assert_int_equal(b.sent, 2);
    assert_int_equal(low(&b, 5), 0x35);
    assert_int_equal(low(&b, 6), LEVEL | 0x4036);
    i82093aa_retry(&b.ioapic);
    assert_int_equal(b.sent, 2);

    /* The cause goes: a level that is withdrawn, an edge that is masked. */
    line(&b, 6, false);
    eoi(&b, 0x36);
    b.refuses = true;
    pulse(&b, 5);
    pulse(&b, 6);
    assert_int_equal(low(&b, 6), LEVEL | 0x36);
    set_low(&b, 5, MASKED | 0x35);
    assert_int_equal(low(&b, 5), MASKED | 0x35);
    b.refuses = false;
    set_low(&b, 5, 0x35);
    i82093aa_retry(&b.ioapic);
    assert_int_equal(b.sent, 2);

    /* A new entry tries at once. */
    b.refuses = true;
    pulse(&b, 5);
    b.refuses = false;
    set_high(&b, 5, 0x02000000);
    assert_int_equal(b.sent, 3);
    assert_int_equal(b.last.destination, 2);
}

/* Polarity says how the board is wired and changes nothing in what is asserted. */
static void test_polarity(void **state)
{
    struct bench b;

    (void)state;
    start(&b);
    set_low(&b, 9, LEVEL | 0x2061);
    assert_int_equal(b.tried, 0);
    line(&b, 9, true);
    assert_int_equal(b.sent, 1);
    assert_int_equal(low(&b, 9), LEVEL | 0x6061);
    assert_true(i82093aa_describe(&b.ioapic, 9).is_active_low);
}

static void test_trigger_mode_changes(void **state)
{
    struct bench b;

    (void)state;
    start(&b);
    set_low(&b, 7, 0x37);
    line(&b, 7, true);
    assert_int_equal(b.sent, 1);
    set_low(&b, 7, LEVEL | 0x37); /* high: that is a level */
    assert_int_equal(b.sent, 2);
    set_low(&b, 7, 0x37); /* and no edge */
    assert_int_equal(b.sent, 2);
    assert_int_equal(low(&b, 7), 0x37);
    /* An edge nobody took is no edge any more after a time as a level. */
    line(&b, 7, false);
    b.refuses = true;
    pulse(&b, 7);
    set_low(&b, 7, LEVEL | 0x37);
    b.refuses = false;
    set_low(&b, 7, 0x37);
    assert_int_equal(b.sent, 2);
    /* A rise as a level is no edge afterwards either. */
    set_low(&b, 7, LEVEL | 0x37);
    line(&b, 7, true);
    assert_int_equal(b.sent, 3);
    set_low(&b, 7, 0x37);
    assert_int_equal(b.sent, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_edge),
        cmocka_unit_test(test_delivery_modes),
        cmocka_unit_test(test_reserved_delivery),
        cmocka_unit_test(test_masked_edge_is_lost),
        cmocka_unit_test(test_nobody_accepts),
        cmocka_unit_test(test_polarity),
        cmocka_unit_test(test_trigger_mode_changes),
    };
    return cmocka_run_group_tests_name("i82093aa_delivery", tests, NULL, NULL);
}
