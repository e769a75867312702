// SPDX-License-Identifier: BSD-2-Clause
/* The 8254 under any sequence of accesses, gates and times, also very long ones. */
#include "vmm/devices/i8254.h"
#include "tests/fuzz/input.h"

struct bench {
    struct i8254 pit;
    bool level[I8254_COUNTERS];
};

static struct bench bench;

static void set_level(unsigned counter, bool level)
{
    EXPECT(level != bench.level[counter]);
    bench.level[counter] = level;
}

static void set_0(void *context, bool level)
{
    (void)context;
    set_level(0, level);
}

static void set_2(void *context, bool level)
{
    (void)context;
    set_level(2, level);
}

/* The short read says what the long one says. */
static void read_port(unsigned offset, uint64_t now_ns)
{
    struct i8254 quick = bench.pit;
    uint64_t value;

    if (i8254_read_running(&quick, offset, now_ns, &value))
        EXPECT(value == i8254_read(&bench.pit, offset, now_ns));
    else
        (void)i8254_read(&bench.pit, offset, now_ns);
}

/* What the pins and reads say does not depend on how often the chip was asked on the way. */
static void check_steps(uint64_t from_ns, uint64_t to_ns)
{
    struct i8254 once = bench.pit, often = bench.pit;

    for (unsigned i = 0; i < I8254_COUNTERS; i++)
        once.out[i].set = often.out[i].set = NULL;
    for (unsigned step = 0; step < 8; step++)
        i8254_run(&often, from_ns + (to_ns - from_ns) / 8 * step);
    for (unsigned i = 0; i < I8254_COUNTERS; i++) {
        EXPECT(i8254_out(&once, i, to_ns) == i8254_out(&often, i, to_ns));
        EXPECT(i8254_read(&once, i, to_ns) == i8254_read(&often, i, to_ns));
    }
}

/* A deadline is in the future, nothing rises before it, and what is known of it stays so until
 * has_moved is set. */
static void check_deadline(uint64_t now_ns)
{
    uint64_t deadline_ns;

    i8254_run(&bench.pit, now_ns);
    deadline_ns = i8254_next_deadline(&bench.pit);
    EXPECT(deadline_ns > now_ns);
    EXPECT(!bench.pit.has_moved);
    if (deadline_ns != TIME_NEVER) {
        bool out_0 = bench.level[0], out_2 = bench.level[2];

        i8254_run(&bench.pit, deadline_ns - 1);
        EXPECT(bench.level[0] <= out_0 && bench.level[2] <= out_2);
    }
}

static void check(uint64_t now_ns)
{
    for (unsigned i = 0; i < I8254_COUNTERS; i++) {
        const struct i8254_counter *counter = &bench.pit.counter[i];

        EXPECT(counter->mode <= 5);
        EXPECT(counter->ce <= 65536 && counter->count <= 65536);
        EXPECT(counter->clk <= i8254_clk_at(now_ns));
        (void)i8254_out(&bench.pit, i, now_ns);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    struct input input = {data, data + size_bytes};
    uint64_t now_ns = input_span_ns(&input);

    bench = (struct bench){.level = {false}};
    bench.pit.out[0] = (struct line){set_0, NULL}; /* counter 1 has no listener */
    bench.pit.out[2] = (struct line){set_2, NULL};
    i8254_reset(&bench.pit, now_ns);
    while (input_left(&input)) {
        uint8_t what = input_u8(&input), value = input_u8(&input);

        switch (what % 8) {
        case 0:
        case 1: {
            uint64_t span_ns = what & 1 ? (uint64_t)value << 8 : input_span_ns(&input);

            check_steps(now_ns, now_ns + span_ns);
            now_ns += span_ns;
            break;
        }
        case 2: read_port(what >> 3, now_ns); break;
        case 3:
        case 4: i8254_write(&bench.pit, what >> 3, value, now_ns); break;
        case 5: i8254_set_gate(&bench.pit, (what >> 3) % I8254_COUNTERS, value & 1, now_ns); break;
        case 6: i8254_run(&bench.pit, now_ns); break;
        default: {
            struct bench before = bench;

            check_deadline(now_ns);
            bench = before;
            break;
        }
        }
        check(now_ns);
    }
    return 0;
}
