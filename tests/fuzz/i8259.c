// SPDX-License-Identifier: BSD-2-Clause
/* The 8259A pair under any sequence of accesses, lines and INTA cycles. */
#include "vmm/devices/i8259.h"
#include "tests/fuzz/input.h"

struct bench {
    struct i8259_pair pair;
    bool intr;       /* as the listener saw it */
    bool ends_level; /* a driver lowers its line when the service ends */
};

static void set_intr(void *context, bool level)
{
    struct bench *bench = context;

    EXPECT(level != bench->intr);
    bench->intr = level;
}

static void service_ended(void *context, unsigned irq)
{
    struct bench *bench = context;

    EXPECT(irq < 16 && irq != I8259_CASCADE_IR);
    if (bench->ends_level)
        i8259_pair_set_line(&bench->pair, irq, false);
}

/* A vector is in the base of the chip that gives it; only a slave that is not there gives 0xff. */
static void acknowledge(struct bench *bench)
{
    struct i8259_state master = i8259_describe(&bench->pair, I8259_MASTER);
    struct i8259_state slave = i8259_describe(&bench->pair, I8259_SLAVE);
    uint8_t vector = i8259_pair_acknowledge(&bench->pair);

    EXPECT((vector & ~7) == master.vector_base || (vector & ~7) == slave.vector_base ||
           vector == 0xff);
    EXPECT((i8259_describe(&bench->pair, I8259_MASTER).isr & ~master.isr &
            ~(master.irr & ~master.imr)) == 0); /* only what asked comes into service */
}

/* The short ways do what the long ones do, or nothing. */
static void read_port(struct bench *bench, enum i8259_which which, unsigned offset)
{
    uint64_t value;
    bool is_short = i8259_read_status(&bench->pair, which, offset, &value);
    uint8_t full = i8259_read(&bench->pair, which, offset);

    EXPECT(!is_short || value == full);
}

static void write_port(struct bench *bench, enum i8259_which which, unsigned offset, uint8_t value)
{
    struct bench other = *bench;

    other.pair.intr_output.set = NULL;
    other.pair.end_of_interrupt.ended = NULL;
    if (!i8259_write_mask(&other.pair, which, offset, value)) {
        i8259_write(&bench->pair, which, offset, value);
        return;
    }
    i8259_write(&bench->pair, which, offset, value);
    EXPECT(memcmp(other.pair.chip, bench->pair.chip, sizeof(other.pair.chip)) == 0);
    EXPECT(other.pair.intr == bench->pair.intr);
}

static void check(const struct bench *bench)
{
    EXPECT(bench->intr == i8259_pair_interrupt_pending(&bench->pair));
    for (int which = I8259_MASTER; which <= I8259_SLAVE; which++) {
        struct i8259_state state = i8259_describe(&bench->pair, which);

        EXPECT((state.vector_base & 7) == 0);
        EXPECT((state.elcr & (which == I8259_MASTER ? 0x07 : 0x21)) == 0);
        EXPECT(state.is_ready || which == I8259_SLAVE || !bench->intr);
        EXPECT(bench->pair.chip[which].lowest_priority < 8);
    }
    if (bench->intr) {
        struct i8259_state master = i8259_describe(&bench->pair, I8259_MASTER);

        EXPECT((master.irr & ~master.imr) != 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    struct input input = {data, data + size_bytes};
    struct bench bench = {0};

    bench.ends_level = input_u8(&input) & 1;
    i8259_pair_init(&bench.pair, (struct line){set_intr, &bench});
    i8259_pair_on_end_of_interrupt(&bench.pair, service_ended, &bench);
    while (input_left(&input)) {
        uint8_t what = input_u8(&input), value = input_u8(&input);
        enum i8259_which which = what & 0x80 ? I8259_SLAVE : I8259_MASTER;
        unsigned offset = what >> 6 & 1;

        switch (what % 7) {
        case 0: read_port(&bench, which, offset); break;
        case 1:
        case 2: write_port(&bench, which, offset, value); break;
        case 3: i8259_pair_set_line(&bench.pair, value % 16, value >> 7); break;
        case 4: acknowledge(&bench); break;
        case 5: i8259_elcr_write(&bench.pair, which, value); break;
        default:
            if (value == 0x5a)
                i8259_pair_reset(&bench.pair);
            else if (bench.intr)
                acknowledge(&bench);
            break;
        }
        check(&bench);
    }
    return 0;
}
