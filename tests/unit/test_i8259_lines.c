// SPDX-License-Identifier: BSD-2-Clause
/* What the 8259A makes of its inputs: edges and levels, spurious interrupts, the cascade. */
#include "tests/unit/i8259_bench.h"

static void test_edges(void **state)
{
    struct bench b;

    (void)state;
    start(&b, 1, 1);
    line(&b, 5, true);
    assert_int_equal(master(&b).irr, 0x20);
    line(&b, 5, false); /* too early */
    assert_int_equal(master(&b).irr, 0);
    assert_false(intr(&b));
    line(&b, 5, true);
    line(&b, 5, true);
    assert_int_equal(inta(&b), 0x25);
    line(&b, 5, true); /* no edge */
    wr(&b, 0x20, 0x20);
    assert_false(intr(&b));
    /* an edge during service waits */
    request(&b, 5);
    inta(&b);
    request(&b, 5);
    assert_false(intr(&b));
    wr(&b, 0x20, 0x20);
    assert_int_equal(inta(&b), 0x25);
}

static void test_spurious(void **state)
{
    struct bench b;

    (void)state;
    start(&b, 1, 1);
    line(&b, 5, true);
    line(&b, 5, false);
    assert_int_equal(i8259_pair_acknowledge(&b.pic), 0x27);
    assert_int_equal(master(&b).isr, 0);
    assert_false(intr(&b));
    /* so with a request that came from the slave */
    line(&b, 13, true);
    line(&b, 13, false);
    assert_int_equal(i8259_pair_acknowledge(&b.pic), 0x27);
    assert_int_equal(master(&b).isr | slave(&b).isr, 0);
    /* a real IR7 shows in the ISR */
    request(&b, 7);
    assert_int_equal(inta(&b), 0x27);
    assert_int_equal(master(&b).isr, 0x80);
    wr(&b, 0x20, 0x20);

    /* The slave's request goes away between the two INTA pulses, after the master has decided. */
    request(&b, 13);
    b.pic.chip[I8259_SLAVE].edges = 0;
    assert_int_equal(inta(&b), 0x2f);
    assert_int_equal(master(&b).isr, 0x04); /* wants an EOI */
    assert_int_equal(slave(&b).isr, 0);
    wr(&b, 0x20, 0x20);
    assert_false(intr(&b));
    /* automatic EOI has nothing to end */
    start(&b, 3, 3);
    wr(&b, 0x20, 0x80);
    assert_int_equal(i8259_pair_acknowledge(&b.pic), 0x27);
    wr(&b, 0x20, 0x00);
    expect_order(&b, 0);
}

static void test_elcr(void **state)
{
    struct bench b;

    (void)state;
    start(&b, 1, 1);
    i8259_elcr_write(&b.pic, I8259_MASTER, 0xff);
    i8259_elcr_write(&b.pic, I8259_SLAVE, 0xff);
    assert_int_equal(i8259_elcr_read(&b.pic, I8259_MASTER), 0xf8);
    assert_int_equal(i8259_elcr_read(&b.pic, I8259_SLAVE), 0xde);
    /* level: as long as it is high */
    line(&b, 5, true);
    assert_int_equal(inta(&b), 0x25);
    assert_int_equal(master(&b).irr, 0x20);
    assert_false(intr(&b));
    wr(&b, 0x20, 0x20);
    assert_int_equal(inta(&b), 0x25);
    line(&b, 5, false);
    wr(&b, 0x20, 0x20);
    assert_false(intr(&b));
    line(&b, 11, true);
    assert_int_equal(inta(&b), 0x2b);
    wr(&b, 0xa0, 0x20);
    assert_false(intr(&b));
    wr(&b, 0x20, 0x62);
    assert_int_equal(inta(&b), 0x2b);
    line(&b, 11, false);
    wr(&b, 0xa0, 0x20);
    wr(&b, 0x20, 0x62);
    assert_false(intr(&b));
    /* ICW1 forgets edges, not levels, and leaves the ELCR; LTIM is overruled */
    line(&b, 6, true);
    line(&b, 1, true);
    wr(&b, 0x20, 0x19);
    wr(&b, 0x21, 0x20);
    wr(&b, 0x21, 0x04);
    wr(&b, 0x21, 0x01);
    assert_int_equal(i8259_elcr_read(&b.pic, I8259_MASTER), 0xf8);
    assert_int_equal(master(&b).irr, 0x40);
    /* back to edge: the level that is there is none */
    i8259_elcr_write(&b.pic, I8259_MASTER, 0);
    assert_int_equal(master(&b).irr, 0);
    assert_false(intr(&b));
    request(&b, 6);
    assert_true(intr(&b));
    i8259_elcr_write(&b.pic, I8259_MASTER, 0x40);
    assert_true(intr(&b));
    i8259_elcr_write(&b.pic, I8259_MASTER, 0);
    assert_false(intr(&b));
    /* a level never was an edge */
    i8259_elcr_write(&b.pic, I8259_MASTER, 0x40);
    request(&b, 6);
    assert_true(intr(&b));
    i8259_elcr_write(&b.pic, I8259_MASTER, 0);
    assert_false(intr(&b));
}

static void test_cascade(void **state)
{
    struct bench b;

    (void)state;
    /* the slave stands at IR2: between 1 and 3 */
    start(&b, 1, 1);
    request(&b, 3);
    request(&b, 15);
    request(&b, 8);
    request(&b, 1);
    assert_int_equal(inta(&b), 0x21);
    wr(&b, 0x20, 0x20);
    assert_int_equal(inta(&b), 0x28);
    wr(&b, 0xa0, 0x20); /* its next request waits for the master's EOI */
    assert_false(intr(&b));
    wr(&b, 0x20, 0x20);
    assert_int_equal(inta(&b), 0x2f);
    assert_int_equal(master(&b).isr, 0x04);
    wr(&b, 0x20, 0x20); /* the other order */
    wr(&b, 0xa0, 0x20);
    assert_int_equal(inta(&b), 0x23);

    /* a master that believes IR2 to be a device answers itself */
    start(&b, 1, 1);
    icws(&b, 0x20, 0x20, 0x00, 1);
    request(&b, 9);
    assert_int_equal(inta(&b), 0x22);
    /* an identity that nobody has: the bus floats */
    start(&b, 1, 1);
    icws(&b, 0xa0, 0x28, 0x03, 1);
    request(&b, 9);
    assert_int_equal(inta(&b), 0xff);
    assert_int_equal(slave(&b).isr, 0);
    start(&b, 1, 1);
    icws(&b, 0x20, 0x20, 0x24, 1);
    request(&b, 5);
    assert_int_equal(inta(&b), 0xff);
    /* nobody: a slave that was not initialised, or as a single chip (its identity is 7 then) */
    memset(&b, 0, sizeof(b));
    i8259_pair_init(&b.pic, (struct line){set_intr, &b});
    icws(&b, 0x20, 0x20, 0x05, 1);
    request(&b, 0);
    assert_int_equal(inta(&b), 0xff);
    wr(&b, 0x20, 0x20);
    wr(&b, 0xa0, 0x13);
    wr(&b, 0xa1, 0x28);
    wr(&b, 0xa1, 0x01);
    request(&b, 0);
    assert_int_equal(inta(&b), 0xff);
    /* IR2 belongs to the slave alone */
    start(&b, 1, 1);
    request(&b, 9);
    wr(&b, 0x20, 0x0c);
    assert_int_equal(rd(&b, 0x20), 0x82);
    wr(&b, 0x20, 0x20);
    request(&b, 2);
    assert_int_equal(master(&b).irr, 0);
    /* of the identity only the low three bits count */
    start(&b, 1, 1);
    icws(&b, 0xa0, 0x28, 0xfa, 1);
    request(&b, 9);
    assert_int_equal(inta(&b), 0x29);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_edges),
        cmocka_unit_test(test_spurious),
        cmocka_unit_test(test_elcr),
        cmocka_unit_test(test_cascade),
    };
    return cmocka_run_group_tests_name("i8259_lines", tests, NULL, NULL);
}
