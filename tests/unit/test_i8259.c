// SPDX-License-Identifier: BSD-2-Clause
#include "tests/unit/unit.h"

#include "vmm/devices/i8259.h"

#include <string.h>

struct bench {
    struct i8259_pair pic;
    unsigned rises;
    bool level;
};

static void set_intr(void *context, bool level)
{
    struct bench *b = context;

    assert_true(level != b->level);
    b->level = level;
    b->rises += level;
}

static void wr(struct bench *b, unsigned port, unsigned value)
{
    enum i8259_which which = port >= 0xa0 ? I8259_SLAVE : I8259_MASTER;

    i8259_write(&b->pic, which, port, (uint8_t)value);
}

static uint8_t rd(struct bench *b, unsigned port)
{
    return i8259_read(&b->pic, port >= 0xa0 ? I8259_SLAVE : I8259_MASTER, port);
}

static void line(struct bench *b, unsigned irq, bool level)
{
    i8259_pair_set_line(&b->pic, irq, level);
}

/* A new request: a rising edge that stays high. */
static void request(struct bench *b, unsigned irq)
{
    line(b, irq, false);
    line(b, irq, true);
}

static bool intr(const struct bench *b)
{
    bool level = i8259_pair_interrupt_pending(&b->pic);

    assert_int_equal(level, b->level);
    return level;
}

/* The INTA cycles of an interrupt that has to be there. */
static uint8_t inta(struct bench *b)
{
    assert_true(intr(b));
    return i8259_pair_acknowledge(&b->pic);
}

static struct i8259_state master(const struct bench *b)
{
    return i8259_describe(&b->pic, I8259_MASTER);
}

static struct i8259_state slave(const struct bench *b)
{
    return i8259_describe(&b->pic, I8259_SLAVE);
}

static void icws(struct bench *b, unsigned port, unsigned icw2, unsigned icw3, unsigned icw4)
{
    wr(b, port, 0x11);
    wr(b, port + 1, icw2);
    wr(b, port + 1, icw3);
    wr(b, port + 1, icw4);
}

/* As kernels program it: vectors 0x20-0x2f, both in 8086 mode with the given ICW4. */
static void start(struct bench *b, unsigned master_icw4, unsigned slave_icw4)
{
    memset(b, 0, sizeof(*b));
    i8259_pair_init(&b->pic, (struct line){set_intr, b});
    icws(b, 0x20, 0x20, 0x04, master_icw4);
    icws(b, 0xa0, 0x28, 0x02, slave_icw4);
}

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

/* With all inputs requesting: the order in which they are served. */
static void expect_order(struct bench *b, unsigned first)
{
    for (unsigned i = 0; i < 8; i++)
        if (i != 2)
            request(b, i);
    for (unsigned i = 0; i < 8; i++) {
        unsigned level = (first + i) & 7;
        if (level == 2)
            continue;
        assert_int_equal(inta(b), 0x20 + level);
        wr(b, 0x20, 0x60 | level);
    }
    assert_false(intr(b));
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
    uint64_t random = 12345;

    (void)state;
    start(&b, 1, 1);
    for (unsigned i = 0; i < 300000; i++) {
        random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
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

/* What the end-of-interrupt hook was told. */
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
        cmocka_unit_test(test_silent_until_initialised),
        cmocka_unit_test(test_every_vector),
        cmocka_unit_test(test_icw1_side_effects),
        cmocka_unit_test(test_single_mode),
        cmocka_unit_test(test_all_icw_values),
        cmocka_unit_test(test_mask),
        cmocka_unit_test(test_nesting),
        cmocka_unit_test(test_rotation),
        cmocka_unit_test(test_auto_eoi),
        cmocka_unit_test(test_auto_eoi_of_slave),
        cmocka_unit_test(test_special_mask),
        cmocka_unit_test(test_special_fully_nested),
        cmocka_unit_test(test_poll),
        cmocka_unit_test(test_edges),
        cmocka_unit_test(test_spurious),
        cmocka_unit_test(test_elcr),
        cmocka_unit_test(test_cascade),
        cmocka_unit_test(test_reset),
        cmocka_unit_test(test_end_hook_commands),
        cmocka_unit_test(test_end_hook_of_slave),
        cmocka_unit_test(test_end_hook_automatic),
        cmocka_unit_test(test_end_hook_lowers),
        cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests_name("i8259", tests, NULL, NULL);
}
