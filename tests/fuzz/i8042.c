// SPDX-License-Identifier: BSD-2-Clause
/* The keyboard controller and port 0x92 under any sequence of accesses and times. */
#include "vmm/devices/i8042.h"
#include "tests/fuzz/input.h"
#include "vmm/base/time.h"

struct bench {
    struct i8042 controller;
    bool keyboard_irq, auxiliary_irq;
};

static void set_level(void *context, bool level)
{
    EXPECT(level != *(bool *)context);
    *(bool *)context = level;
}

static void reset_board(void *context)
{
    i8042_reset(&((struct bench *)context)->controller);
}

static void check(struct bench *bench, uint64_t now_ns)
{
    struct i8042 *controller = &bench->controller;
    uint64_t deadline_ns;

    i8042_run(controller, now_ns);
    /* An interrupt means that there is a byte, from the side that the status tells. */
    EXPECT(!(bench->keyboard_irq && bench->auxiliary_irq));
    EXPECT(!bench->keyboard_irq || (controller->output_full && !controller->output_is_auxiliary));
    EXPECT(!bench->auxiliary_irq || (controller->output_full && controller->output_is_auxiliary));
    EXPECT((i8042_read(controller, I8042_PORT_COMMAND, now_ns) & 1) == controller->output_full);
    deadline_ns = i8042_next_deadline(controller);
    EXPECT(deadline_ns > now_ns);
    EXPECT(deadline_ns == TIME_NEVER || controller->sending);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    static const uint16_t ports[] = {I8042_PORT_DATA, I8042_PORT_COMMAND, I8042_PORT_A, 0x61};
    struct input input = {data, data + size_bytes};
    uint64_t now_ns = input_span_ns(&input);
    struct bench bench = {.keyboard_irq = true, .auxiliary_irq = true}; /* init lowers both */
    const struct i8042_wires wires = {
        .keyboard_irq = {set_level, &bench.keyboard_irq},
        .auxiliary_irq = {set_level, &bench.auxiliary_irq},
        .reset_board = reset_board,
        .context = &bench,
    };

    i8042_init(&bench.controller, &wires);
    while (input_left(&input)) {
        uint8_t what = input_u8(&input), value = input_u8(&input);
        uint16_t port = ports[what >> 6];

        switch (what % 4) {
        case 0: now_ns += input_span_ns(&input); break;
        case 1: (void)i8042_read(&bench.controller, port, now_ns); break;
        default: i8042_write(&bench.controller, port, value, now_ns); break;
        }
        check(&bench, now_ns);
    }
    return 0;
}
