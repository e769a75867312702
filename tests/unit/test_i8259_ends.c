// SPDX-License-Identifier: BSD-2-Clause
/* Who learns of the 8259A's ends of interrupt. */
#include "tests/unit/i8259_bench.h"

/* The calls of the end-of-interrupt hook. */
static struct {
    struct bench *bench;
    unsigned count;
    unsigned irq;
    bool lowers; /* as a level-triggered device would, when it is served */
} ends;

static void note_end(void *context, unsigned irq)
{
    struct bench *b = context;

    assert_ptr_equal(b, ends.bench);
    assert_true(irq < 16);
    ends.count++;
    ends.irq = irq;
    if (ends.lowers)
        line(b, irq, false);
}

static void watch_ends(struct bench *b)
{
    memset(&ends, 0, sizeof(ends));
    ends.bench = b;
    i8259_pair_on_end_of_interrupt(&b->pic, note_end, b);
}

static void assert_ended(unsigned count, unsigned irq)
{
    assert_int_equal(ends.count, count);
    assert_int_equal(ends.irq, irq);
}

static void test_end_hook_commands(void **state)
{
    struct bench b;

    (void)state;
    start(&b, 1, 1);
    watch_ends(&b);
    wr(&b, 0x20, 0x20); /* nothing in service */
    wr(&b, 0x20, 0x63);
    assert_int_equal(ends.count, 0);

    request(&b, 3);
    request(&b, 5);
    assert_int_equal(inta(&b), 0x23);
    wr(&b, 0x20, 0x65); /* specific, of another input */
    assert_int_equal(ends.count, 0);
    wr(&b, 0x20, 0x20);
    assert_ended(1, 3);
    assert_int_equal(inta(&b), 0x25);
    wr(&b, 0x20, 0x65);
    assert_ended(2, 5);
    wr(&b, 0x20, 0x65); /* only once */
    assert_int_equal(ends.count, 2);

    request(&b, 6);
    inta(&b);
    wr(&b, 0x20, 0xa0); /* rotate on non-specific */
    assert_ended(3, 6);
    request(&b, 7);
    inta(&b);
    wr(&b, 0x20, 0xe7); /* rotate on specific */
    assert_ended(4, 7);

    /* Setting priorities, masks, a status read: no ends. */
    request(&b, 1);
    inta(&b);
    wr(&b, 0x20, 0xc3);
    wr(&b, 0x21, 0xff);
    wr(&b, 0x20, 0x0b);
    assert_int_equal(ends.count, 4);
    icws(&b, 0x20, 0x20, 0x04, 1); /* starts over without one */
    assert_int_equal(ends.count, 4);
}

static void test_end_hook_of_slave(void **state)
{
    struct bench b;

    (void)state;
    start(&b, 1, 1);
    watch_ends(&b);
    for (unsigned irq = 8; irq < 16; irq++) {
        request(&b, irq);
        assert_int_equal(inta(&b), 0x20 + irq);
        wr(&b, 0xa0, 0x20);
        assert_ended(irq - 7, irq);
        wr(&b, 0x20, 0x20); /* the cascade input is nobody's line */
        assert_ended(irq - 7, irq);
        line(&b, irq, false);
    }
}

static void test_end_hook_automatic(void **state)
{
    struct bench b;

    (void)state;
    start(&b, 3, 3);
    watch_ends(&b);
    request(&b, 4);
    inta(&b);
    assert_ended(1, 4);
    request(&b, 12);
    inta(&b);
    assert_ended(2, 12);
    i8259_pair_acknowledge(&b.pic); /* spurious: nothing was in service */
    assert_int_equal(ends.count, 2);
    request(&b, 5);
    wr(&b, 0x20, 0x0c);
    assert_int_equal(rd(&b, 0x20), 0x85);
    assert_ended(3, 5);
}

/* A level input that the hook lowers is not requested once more, not for a moment. */
static void test_end_hook_lowers(void **state)
{
    struct bench b;

    (void)state;
    start(&b, 1, 1);
    wr(&b, 0x21, 0);
    i8259_elcr_write(&b.pic, I8259_MASTER, 0x20);
    watch_ends(&b);
    ends.lowers = true;
    line(&b, 5, true);
    assert_int_equal(inta(&b), 0x25);
    assert_int_equal(b.rises, 1);
    wr(&b, 0x20, 0x20);
    assert_ended(1, 5);
    assert_false(intr(&b));
    assert_int_equal(b.rises, 1);

    i8259_pair_on_end_of_interrupt(&b.pic, NULL, NULL);
    line(&b, 5, true);
    assert_int_equal(inta(&b), 0x25);
    wr(&b, 0x20, 0x20);
    assert_int_equal(ends.count, 1);
    assert_true(intr(&b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_end_hook_commands),
        cmocka_unit_test(test_end_hook_of_slave),
        cmocka_unit_test(test_end_hook_automatic),
        cmocka_unit_test(test_end_hook_lowers),
    };
    return cmocka_run_group_tests_name("i8259_ends", tests, NULL, NULL);
}
