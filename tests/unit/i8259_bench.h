// SPDX-License-Identifier: BSD-2-Clause
/* A pair of 8259As, and the processor at its output. */
#ifndef TESTS_UNIT_I8259_BENCH_H
#define TESTS_UNIT_I8259_BENCH_H

#include "tests/unit/unit.h"

#include "vmm/devices/i8259.h"

#include <string.h>

struct bench {
    struct i8259_pair pic;
    unsigned rises;
    bool level;
};

static inline void set_intr(void *context, bool level)
{
    struct bench *b = context;

    assert_true(level != b->level);
    b->level = level;
    b->rises += level;
}

static inline void wr(struct bench *b, unsigned port, unsigned value)
{
    enum i8259_which which = port >= 0xa0 ? I8259_SLAVE : I8259_MASTER;

    i8259_write(&b->pic, which, port, (uint8_t)value);
}

static inline uint8_t rd(struct bench *b, unsigned port)
{
    return i8259_read(&b->pic, port >= 0xa0 ? I8259_SLAVE : I8259_MASTER, port);
}

static inline void line(struct bench *b, unsigned irq, bool level)
{
    i8259_pair_set_line(&b->pic, irq, level);
}

/* A new request: a rising edge that stays high. */
static inline void request(struct bench *b, unsigned irq)
{
    line(b, irq, false);
    line(b, irq, true);
}

static inline bool intr(const struct bench *b)
{
    bool level = i8259_pair_interrupt_pending(&b->pic);

    assert_int_equal(level, b->level);
    return level;
}

/* The INTA cycles of an interrupt that has to be there. */
static inline uint8_t inta(struct bench *b)
{
    assert_true(intr(b));
    return i8259_pair_acknowledge(&b->pic);
}

static inline struct i8259_state master(const struct bench *b)
{
    return i8259_describe(&b->pic, I8259_MASTER);
}

static inline struct i8259_state slave(const struct bench *b)
{
    return i8259_describe(&b->pic, I8259_SLAVE);
}

static inline void icws(struct bench *b, unsigned port, unsigned icw2, unsigned icw3, unsigned icw4)
{
    wr(b, port, 0x11);
    wr(b, port + 1, icw2);
    wr(b, port + 1, icw3);
    wr(b, port + 1, icw4);
}

/* As kernels program it: vectors 0x20-0x2f, both in 8086 mode with the given ICW4. */
static inline void start(struct bench *b, unsigned master_icw4, unsigned slave_icw4)
{
    memset(b, 0, sizeof(*b));
    i8259_pair_init(&b->pic, (struct line){set_intr, b});
    icws(b, 0x20, 0x20, 0x04, master_icw4);
    icws(b, 0xa0, 0x28, 0x02, slave_icw4);
}

/* With all inputs requesting: the order in which they are served. */
static inline void expect_order(struct bench *b, unsigned first)
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

#endif
