// SPDX-License-Identifier: BSD-2-Clause
/* The 16550A between a guest that accesses it in any way and a line that is at times full. */
#include "vmm/devices/uart16550.h"
#include "tests/fuzz/input.h"
#include "vmm/base/time.h"

struct bench {
    struct uart16550 uart;
    bool irq, dtr, rts, out1, is_break;
    bool takes; /* the line has room */
    uint64_t sent;
    uint64_t written; /* to the transmitter, outside loopback */
};

static void set_level(void *context, bool level)
{
    EXPECT(level != *(bool *)context);
    *(bool *)context = level;
}

static bool transmit(void *context, uint8_t byte)
{
    struct bench *bench = context;

    (void)byte;
    bench->sent += bench->takes;
    return bench->takes;
}

static void write_register(struct bench *bench, unsigned offset, uint8_t value, uint64_t now_ns)
{
    if (offset == UART16550_THR && !(bench->uart.lcr & 0x80))
        bench->written++;
    uart16550_write(&bench->uart, offset, value, now_ns);
}

static void check(struct bench *bench, uint64_t now_ns)
{
    const struct uart16550 *uart = &bench->uart;
    uint64_t deadline_ns;
    size_t space = uart16550_receive_space(uart);

    EXPECT(uart->received_count <= UART16550_FIFO_BYTES);
    EXPECT(uart->received_first < UART16550_FIFO_BYTES);
    EXPECT(uart->transmitting_count <= UART16550_FIFO_BYTES);
    EXPECT(uart->transmitting_first < UART16550_FIFO_BYTES);
    EXPECT(space <= UART16550_FIFO_BYTES);
    EXPECT(space == 0 || !(uart->mcr & 0x10)); /* none in loopback */
    EXPECT(bench->sent <= bench->written);
    uart16550_run(&bench->uart, now_ns);
    EXPECT(!bench->irq || (uart->mcr & 0x08)); /* OUT2 gates it */
    deadline_ns = uart16550_next_deadline(uart);
    EXPECT(deadline_ns > now_ns);
    if (deadline_ns != TIME_NEVER) {
        struct uart16550 later = *uart;

        later.wires.irq.set = NULL;
        uart16550_run(&later, deadline_ns - 1);
        EXPECT(later.irq_level == uart->irq_level);
        uart16550_run(&later, deadline_ns);
        EXPECT(later.irq_level);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    struct input input = {data, data + size_bytes};
    uint64_t now_ns = input_span_ns(&input);
    struct bench bench = {.takes = true};
    const struct uart16550_wires wires = {
        .irq = {set_level, &bench.irq},
        .transmit = transmit,
        .context = &bench,
        .dtr = {set_level, &bench.dtr},
        .rts = {set_level, &bench.rts},
        .out1 = {set_level, &bench.out1},
        .sout_break = {set_level, &bench.is_break},
    };

    bench.irq = bench.dtr = bench.rts = bench.out1 = bench.is_break = true; /* init lowers all */
    uart16550_init(&bench.uart, &wires);
    while (input_left(&input)) {
        uint8_t what = input_u8(&input), value = input_u8(&input);
        unsigned offset = what >> 5;

        switch (what % 10) {
        case 0: now_ns += input_span_ns(&input); break;
        case 1:
        case 2: (void)uart16550_read(&bench.uart, offset, now_ns); break;
        case 3:
        case 4: write_register(&bench, offset, value, now_ns); break;
        case 5: uart16550_receive(&bench.uart, value, now_ns); break;
        case 6: uart16550_receive_break(&bench.uart, now_ns); break;
        case 7: uart16550_set_modem(&bench.uart, value & 0xf0, now_ns); break;
        case 8:
            bench.takes = value & 1;
            if (bench.takes)
                uart16550_transmit_ready(&bench.uart, now_ns);
            break;
        default:
            if (value == 0x5a)
                uart16550_reset(&bench.uart);
            break;
        }
        check(&bench, now_ns);
    }
    return 0;
}
