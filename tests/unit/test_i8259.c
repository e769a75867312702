// SPDX-License-Identifier: BSD-2-Clause
/* The 8259A: initialisation, vectors, masks. */
#include "tests/unit/i8259_bench.h"
#include "tests/unit/random.h"

static void test_silent_until_initialised(void **state)
{
    struct bench b = {0};

    (void)state;
    i8259_pair_init(&b.pic, (struct line){set_intr, &b});
    request(&b, 3);
    assert_false(intr(&b));
    assert_int_equal(rd(&b, 0x20), 0x08);
    wr(&b, 0x21, 0xa5); /* OCW1 works: kernels probe with it */
    assert_int_equal(rd(&b, 0x21), 0xa5);
    assert_false(master(&b).is_ready);
    wr(&b, 0x20, 0x11);
    assert_int_equal(rd(&b, 0x21), 0);
    assert_int_equal(rd(&b, 0x20), 0); /* the edge is forgotten */
    wr(&b, 0x21, 0x20);
    wr(&b, 0x21, 0x04);
    request(&b, 4);
    assert_false(intr(&b));
    wr(&b, 0x21, 0x01);
    assert_true(master(&b).is_ready);
    assert_int_equal(inta(&b), 0x24);
}

static void test_every_vector(void **state)
{
    struct bench b;

    (void)state;
    start(&b, 1, 1);
    for (unsigned irq = 0; irq < 16; irq++) {
        request(&b, irq);
        if (irq == 2) {
            assert_false(intr(&b)); /* no such pin */
            continue;
        }
        assert_int_equal(inta(&b), 0x20 + irq);
        assert_false(intr(&b));
        if (irq >= 8) {
            assert_int_equal(slave(&b).isr, 1 << (irq - 8));
            assert_int_equal(master(&b).isr, 0x04);
            wr(&b, 0xa0, 0x20);
        } else {
            assert_int_equal(master(&b).isr, 1 << irq);
        }
        wr(&b, 0x20, 0x20);
        assert_int_equal(master(&b).isr | slave(&b).isr, 0);
        assert_int_equal(master(&b).irr | slave(&b).irr, 0);
        assert_false(intr(&b)); /* still high: one edge, one interrupt */
    }
    assert_int_equal(b.rises, 15);
}

static void test_icw1_side_effects(void **state)
{
    struct bench b;

    (void)state;
    start(&b, 3, 1);
    wr(&b, 0x21, 0xf0);
    wr(&b, 0x20, 0xc3); /* priority */
    wr(&b, 0x20, 0x6b); /* special mask mode, read ISR */
    wr(&b, 0x20, 0x80); /* rotate in AEOI */
    request(&b, 1);
    request(&b, 6);
    line(&b, 7, true);
    wr(&b, 0x20, 0x0c); /* poll */
    wr(&b, 0x20, 0x10); /* ICW1: cascaded, no ICW4 */
    assert_int_equal(rd(&b, 0x20), 0);
    assert_int_equal(rd(&b, 0x21), 0);
    assert_false(intr(&b));
    wr(&b, 0x21, 0x47);
    wr(&b, 0x21, 0x04);
    assert_true(master(&b).is_ready);
    assert_int_equal(master(&b).vector_base, 0x40);
    assert_false(intr(&b));
    line(&b, 7, true); /* no new transition */
    assert_false(intr(&b));
    request(&b, 4);
    request(&b, 3);
    assert_int_equal(inta(&b), 0x43); /* IR7 is last again; no AEOI */
    assert_int_equal(master(&b).isr, 0x08);
    assert_int_equal(master(&b).irr, 0x10);
    assert_int_equal(rd(&b, 0x20), 0x10);
    wr(&b, 0x20, 0x11); /* the ISR, too */
    assert_int_equal(master(&b).isr, 0);
    /* special mask mode is off: a masked input in service holds back others */
    icws(&b, 0x20, 0x20, 0x04, 1);
    request(&b, 1);
    inta(&b);
    wr(&b, 0x21, 0x02);
    request(&b, 3);
    assert_false(intr(&b));
    /* nor does automatic EOI rotate any longer */
    icws(&b, 0x20, 0x20, 0x04, 3);
    wr(&b, 0x20, 0x80);
    icws(&b, 0x20, 0x20, 0x04, 3);
    request(&b, 4);
    inta(&b);
    request(&b, 4);
    request(&b, 6);
    assert_int_equal(inta(&b), 0x24);
}

static void test_single_mode(void **state)
{
    struct bench b;

    (void)state;
    memset(&b, 0, sizeof(b));
    i8259_pair_init(&b.pic, (struct line){set_intr, &b});
    wr(&b, 0x20, 0x13); /* SNGL, IC4: no ICW3 */
    wr(&b, 0x21, 0x58);
    wr(&b, 0x21, 0x01);
    assert_true(master(&b).is_ready);
    icws(&b, 0xa0, 0x70, 0x02, 0x01);
    request(&b, 9);
    assert_int_equal(inta(&b), 0x5a); /* IR2 like any other */
    assert_int_equal(slave(&b).isr, 0);

    wr(&b, 0x20, 0x12); /* SNGL, no ICW4 */
    wr(&b, 0x21, 0x60);
    assert_true(master(&b).is_ready);
    request(&b, 5);
    assert_int_equal(inta(&b), 0x65);
}

/* Bits that x86 has no use for; all of ICW1's and ICW4's other values. */
static void test_all_icw_values(void **state)
{
    struct bench b;

    (void)state;
    for (unsigned icw1 = 0x10; icw1 < 0x100; icw1 = (icw1 + 1) | 0x10) {
        for (unsigned icw4 = 0; icw4 < 0x100; icw4++) {
            start(&b, 1, 1);
            wr(&b, 0x20, icw1);
            wr(&b, 0x21, 0x30);
            if (!(icw1 & 2))
                wr(&b, 0x21, 0x04);
            if (icw1 & 1)
                wr(&b, 0x21, icw4);
            assert_true(master(&b).is_ready);
            request(&b, 5);
            assert_int_equal(inta(&b), 0x35);
            assert_int_equal(master(&b).isr, (icw1 & 1) && (icw4 & 2) ? 0 : 0x20);
        }
    }
}

static void test_mask(void **state)
{
    struct bench b;

    (void)state;
    start(&b, 1, 1);
    wr(&b, 0x21, 0x08);
    request(&b, 3);
    assert_false(intr(&b));
    assert_int_equal(rd(&b, 0x20), 0x08); /* the IRR is not masked */
    wr(&b, 0x21, 0);
    assert_true(intr(&b));
    wr(&b, 0x21, 0xff);
    assert_false(intr(&b));
    assert_int_equal(rd(&b, 0x21), 0xff);
    /* the slave's mask takes the cascade down and up */
    wr(&b, 0x21, 0xfb);
    request(&b, 8);
    assert_true(intr(&b));
    wr(&b, 0xa1, 0x01);
    assert_false(intr(&b));
    assert_int_equal(master(&b).irr, 0x08);
    wr(&b, 0xa1, 0);
    assert_int_equal(inta(&b), 0x28);
}

static void test_reset(void **state)
{
    struct bench b;

    (void)state;
    start(&b, 3, 3);
    i8259_elcr_write(&b.pic, I8259_MASTER, 0x08);
    line(&b, 3, true);
    assert_true(b.level);
    i8259_pair_reset(&b.pic);
    assert_false(intr(&b));
    assert_false(master(&b).is_ready);
    assert_int_equal(i8259_elcr_read(&b.pic, I8259_MASTER), 0);
    icws(&b, 0x20, 0x20, 0x04, 1);
    i8259_elcr_write(&b.pic, I8259_MASTER, 0x08);
    assert_int_equal(inta(&b), 0x23); /* the line has been high all along */
}

/* Any programming, any lines, at any moment: defined, and INT is what the registers say. */
static void test_random(void **state)
{
    struct bench b;

    (void)state;
    start(&b, 1, 1);
    for (unsigned i = 0; i < 300000; i++) {
        uint64_t random = random_u64();
        unsigned value = random >> 40 & 0xff, port = random >> 48 & 1, which = random >> 49 & 1;
        switch (random >> 60) {
        case 0:
        case 1:
        case 2: i8259_write(&b.pic, which, port, (uint8_t)value); break;
        case 3: i8259_read(&b.pic, which, port); break;
        case 4: i8259_elcr_write(&b.pic, which, (uint8_t)value); break;
        case 5: icws(&b, which ? 0xa0 : 0x20, value, which ? 2 : 4, value & 0x13); break;
        case 6:
        case 7:
        case 8: i8259_pair_acknowledge(&b.pic); break;
        default: line(&b, value & 15, value >> 7); break;
        }
        struct i8259_state m = master(&b);
        if (intr(&b) && (!m.is_ready || !(m.irr & ~m.imr)))
            fail_msg("INT without a request");
        if (m.is_ready && (m.irr & ~m.imr) && !m.isr && !intr(&b))
            fail_msg("a request without INT");
        if ((m.irr >> 2 & 1) && !(slave(&b).irr & ~slave(&b).imr))
            fail_msg("IR2 without a request of the slave");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_silent_until_initialised),
        cmocka_unit_test(test_every_vector),
        cmocka_unit_test(test_icw1_side_effects),
        cmocka_unit_test(test_single_mode),
        cmocka_unit_test(test_all_icw_values),
        cmocka_unit_test(test_mask),
        cmocka_unit_test(test_reset),
        cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests_name("i8259", tests, NULL, NULL);
}
