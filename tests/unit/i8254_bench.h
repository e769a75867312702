// SPDX-License-Identifier: BSD-2-Clause
/* A timer with listeners on all three counters and a clock that the test moves. */
#ifndef TESTS_UNIT_I8254_BENCH_H
#define TESTS_UNIT_I8254_BENCH_H

#include "tests/unit/unit.h"

#include "vmm/devices/i8254.h"

#include <stdlib.h>
#include <string.h>

#define CLK_HZ 1193182

/* The first nanosecond after CLK pulse number clk. */
static inline uint64_t at(uint64_t clk)
{
    return (uint64_t)(((unsigned __int128)clk * 1000000000 + CLK_HZ - 1) / CLK_HZ);
}

struct bench {
    struct i8254 pit;
    uint64_t clk;
    unsigned rises[3];
    unsigned falls[3];
    bool level[3];
    unsigned short_reads; /* by i8254_read_running */
};

static inline void set_level(struct bench *b, unsigned counter, bool level)
{
    b->rises[counter] += level && !b->level[counter];
    b->falls[counter] += !level && b->level[counter];
    b->level[counter] = level;
}

static inline void set_0(void *context, bool level)
{
    set_level(context, 0, level);
}

static inline void set_1(void *context, bool level)
{
    set_level(context, 1, level);
}

static inline void set_2(void *context, bool level)
{
    set_level(context, 2, level);
}

/* All three counters heard, all gates high. */
static inline void reset(struct bench *b, uint64_t clk)
{
    memset(b, 0, sizeof(*b));
    b->pit.out[0] = (struct line){set_0, b};
    b->pit.out[1] = (struct line){set_1, b};
    b->pit.out[2] = (struct line){set_2, b};
    b->clk = clk;
    i8254_reset(&b->pit, at(clk));
    i8254_set_gate(&b->pit, 2, true, at(clk));
    memset(b->rises, 0, sizeof(b->rises));
}

static inline void wr(struct bench *b, unsigned offset, unsigned value)
{
    i8254_write(&b->pit, offset, (uint8_t)value, at(b->clk));
}

/* As the board reads. Where there is a short way, it has to say the same as the long one. */
static inline uint8_t read_at(struct bench *b, unsigned offset, uint64_t now_ns)
{
    struct i8254 other = b->pit;
    uint64_t value;

    if (!i8254_read_running(&b->pit, offset, now_ns, &value))
        return i8254_read(&b->pit, offset, now_ns);
    assert_int_equal(value, i8254_read(&other, offset, now_ns));
    if ((offset & 3) < I8254_COUNTERS)
        assert_int_equal(b->pit.counter[offset & 3].read_shift,
                         other.counter[offset & 3].read_shift);
    b->short_reads++;
    return (uint8_t)value;
}

static inline uint8_t rd(struct bench *b, unsigned offset)
{
    return read_at(b, offset, at(b->clk));
}

static inline void gate(struct bench *b, bool level)
{
    i8254_set_gate(&b->pit, 0, level, at(b->clk));
}

static inline void clks(struct bench *b, uint64_t count)
{
    b->clk += count;
    i8254_run(&b->pit, at(b->clk));
}

/* OUT of counter 0. */
static inline bool out(struct bench *b)
{
    return i8254_out(&b->pit, 0, at(b->clk));
}

#endif
