// SPDX-License-Identifier: BSD-2-Clause
/* The 8259A's priorities: nesting, rotation, automatic end of interrupt, special modes, poll. */
#include "tests/unit/i8259_bench.h"

static void test_nesting(void **state)
{
    struct bench b;

    (void)state;
    start(&b, 1, 1);
    request(&b, 4);
    assert_int_equal(inta(&b), 0x24);
    request(&b, 5);
    request(&b, 4);
    assert_false(intr(&b)); /* lower and equal wait */
    request(&b, 1);
    assert_int_equal(inta(&b), 0x21);
    assert_int_equal(master(&b).isr, 0x12);
    wr(&b, 0x20, 0x0b);
    assert_int_equal(rd(&b, 0x20), 0x12);
    assert_int_equal(rd(&b, 0x20), 0x12); /* remembered */
    wr(&b, 0x20, 0x0a);
    assert_int_equal(rd(&b, 0x20), 0x30);
    wr(&b, 0x20, 0x09); /* RR = 0: no change */
    assert_int_equal(rd(&b, 0x20), 0x30);
    wr(&b, 0x20, 0x20); /* the highest one in service first */
    assert_int_equal(master(&b).isr, 0x10);
    assert_false(intr(&b));
    wr(&b, 0x20, 0x40); /* no operation */
    assert_int_equal(master(&b).isr, 0x10);
    wr(&b, 0x20, 0x65); /* specific, of another */
    assert_int_equal(master(&b).isr, 0x10);
    wr(&b, 0x20, 0x64);
    assert_int_equal(inta(&b), 0x24);
    wr(&b, 0x20, 0x20);
    assert_int_equal(inta(&b), 0x25);
}

static void test_rotation(void **state)
{
    struct bench b;

    (void)state;
    start(&b, 1, 1);
    expect_order(&b, 0);
    for (unsigned level = 0; level < 8; level++) {
        wr(&b, 0x20, 0xc0 | level); /* set priority */
        expect_order(&b, level + 1);
        if (level == 2)
            continue;
        start(&b, 1, 1);
        request(&b, level);
        inta(&b);
        wr(&b, 0x20, 0xa0); /* rotate on non-specific EOI */
        assert_int_equal(master(&b).isr, 0);
        expect_order(&b, level + 1);
        request(&b, level);
        inta(&b);
        wr(&b, 0x20, 0xe0 | level); /* rotate on specific EOI */
        assert_int_equal(master(&b).isr, 0);
        expect_order(&b, level + 1);
        wr(&b, 0x20, 0xa0); /* nothing in service: nothing rotates */
        expect_order(&b, level + 1);
    }
    /* the datasheet's example, figure 9: IS6 and IS4; IR4 is served and comes last */
    start(&b, 1, 1);
    request(&b, 6);
    inta(&b);
    request(&b, 4);
    inta(&b);
    wr(&b, 0x20, 0xa0);
    assert_int_equal(master(&b).isr, 0x40);
    request(&b, 7);
    assert_false(intr(&b));
    request(&b, 5);
    assert_int_equal(inta(&b), 0x25);
    wr(&b, 0x20, 0xa0); /* 5 is in front of 6 now */
    assert_int_equal(master(&b).isr, 0x40);
    wr(&b, 0x20, 0xa0);
    assert_int_equal(inta(&b), 0x27);
}

static void test_auto_eoi(void **state)
{
    struct bench b;

    (void)state;
    start(&b, 3, 1);
    request(&b, 3);
    request(&b, 5);
    assert_int_equal(inta(&b), 0x23);
    assert_int_equal(master(&b).isr, 0);
    assert_int_equal(inta(&b), 0x25); /* nothing holds it back */
    assert_false(intr(&b));
    assert_int_equal(b.rises, 2);

    wr(&b, 0x20, 0x80); /* rotate in automatic EOI mode: set */
    for (unsigned i = 0; i < 8; i++)
        if (i != 2)
            request(&b, i);
    assert_int_equal(inta(&b), 0x20);
    request(&b, 0);
    assert_int_equal(inta(&b), 0x21);
    request(&b, 1);
    assert_int_equal(inta(&b), 0x23);
    wr(&b, 0x20, 0x00); /* clear: 3 stays the last */
    assert_int_equal(inta(&b), 0x24);
    request(&b, 4);
    assert_int_equal(inta(&b), 0x24);
    assert_int_equal(inta(&b), 0x25);
}

/* With automatic EOI in both, each further request of the slave is a new edge on IR2. */
static void test_auto_eoi_of_slave(void **state)
{
    struct bench b;

    (void)state;
    start(&b, 3, 3);
    request(&b, 15);
    request(&b, 8);
    request(&b, 12);
    assert_int_equal(inta(&b), 0x28);
    assert_int_equal(inta(&b), 0x2c);
    assert_int_equal(inta(&b), 0x2f);
    assert_false(intr(&b));
    assert_int_equal(master(&b).isr | slave(&b).isr, 0);
}

static void test_special_mask(void **state)
{
    struct bench b;

    (void)state;
    start(&b, 1, 1);
    request(&b, 3);
    inta(&b);
    wr(&b, 0x21, 0x08);
    request(&b, 6);
    assert_false(intr(&b)); /* masked or not, IR3 is in service */
    wr(&b, 0x20, 0x28);     /* ESMM = 0: SMM does not count */
    assert_false(intr(&b));
    wr(&b, 0x20, 0x68);
    assert_true(intr(&b));
    wr(&b, 0x20, 0x08); /* ESMM = 0: stays */
    assert_true(intr(&b));
    request(&b, 3);
    assert_int_equal(inta(&b), 0x26); /* 3 itself is masked */
    assert_int_equal(master(&b).isr, 0x48);
    wr(&b, 0x20, 0x20); /* a non-specific EOI does not find masked ones */
    assert_int_equal(master(&b).isr, 0x08);
    wr(&b, 0x20, 0x20);
    assert_int_equal(master(&b).isr, 0x08);
    wr(&b, 0x20, 0x63);
    assert_int_equal(master(&b).isr, 0);
    wr(&b, 0x21, 0);
    assert_int_equal(inta(&b), 0x23);
    wr(&b, 0x20, 0x48); /* off again */
    wr(&b, 0x21, 0x08);
    request(&b, 6);
    assert_false(intr(&b));
}

static void test_special_fully_nested(void **state)
{
    struct bench b;

    (void)state;
    for (unsigned icw4 = 0x01; icw4 <= 0x11; icw4 += 0x10) {
        start(&b, icw4, 1);
        request(&b, 12);
        assert_int_equal(inta(&b), 0x2c);
        request(&b, 9);
        assert_int_equal(intr(&b), icw4 == 0x11);
        request(&b, 3); /* lower than the slave */
        assert_int_equal(intr(&b), icw4 == 0x11);
        if (icw4 == 0x11) {
            assert_int_equal(inta(&b), 0x29);
            assert_int_equal(slave(&b).isr, 0x12);
            assert_false(intr(&b));
            wr(&b, 0xa0, 0x20);
            assert_int_equal(slave(&b).isr, 0x10); /* not empty: no EOI to the master */
        }
        wr(&b, 0xa0, 0x20);
        wr(&b, 0x20, 0x20);
        assert_int_equal(inta(&b), icw4 == 0x11 ? 0x23 : 0x29);
        /* other inputs do not interrupt themselves */
        request(&b, 3);
        assert_false(intr(&b));
    }
}

static void test_poll(void **state)
{
    struct bench b;

    (void)state;
    start(&b, 1, 1);
    wr(&b, 0x20, 0x0c);
    assert_int_equal(rd(&b, 0x20) & 0x80, 0);
    assert_int_equal(master(&b).isr, 0);
    request(&b, 6);
    request(&b, 3);
    wr(&b, 0x20, 0x0f); /* with RR and RIS: the poll comes first */
    assert_int_equal(rd(&b, 0x20), 0x83);
    assert_int_equal(master(&b).isr, 0x08);
    assert_int_equal(rd(&b, 0x20), 0x08); /* once only; now the ISR */
    assert_false(intr(&b));
    wr(&b, 0x20, 0x0c);
    assert_int_equal(rd(&b, 0x20) & 0x80, 0); /* 6 is held back by 3 */
    wr(&b, 0x20, 0x20);
    wr(&b, 0x20, 0x0c);
    request(&b, 0);
    assert_int_equal(rd(&b, 0x21), 0x86); /* frozen at the write; any read */
    assert_int_equal(rd(&b, 0x21), 0x00); /* the mask again */
    assert_int_equal(inta(&b), 0x20);

    /* the cascade by hand, with automatic EOI on the way */
    start(&b, 3, 3);
    request(&b, 14);
    request(&b, 11);
    for (unsigned level = 3; level <= 6; level += 3) {
        wr(&b, 0x20, 0x0c);
        assert_int_equal(rd(&b, 0x20), 0x82);
        wr(&b, 0xa0, 0x0c);
        assert_int_equal(rd(&b, 0xa0), 0x80 | level);
    }
    assert_false(intr(&b));
    assert_int_equal(master(&b).isr | slave(&b).isr, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nesting),      cmocka_unit_test(test_rotation),
        cmocka_unit_test(test_auto_eoi),     cmocka_unit_test(test_auto_eoi_of_slave),
        cmocka_unit_test(test_special_mask), cmocka_unit_test(test_special_fully_nested),
        cmocka_unit_test(test_poll),
    };
    return cmocka_run_group_tests_name("i8259_priority", tests, NULL, NULL);
}
