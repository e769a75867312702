// SPDX-License-Identifier: BSD-2-Clause
/* The I/O APIC under any sequence of accesses, lines and EOIs, with local APICs that at times refuse
 * what it sends. */
#include "vmm/devices/i82093aa.h"
#include "tests/fuzz/input.h"

struct bench {
    struct i82093aa ioapic;
    bool accepts;
    bool lowers;   /* a driver lowers its line at the end of the interrupt */
    unsigned sent; /* in one step */
};

static bool send(void *context, const struct apic_message *message)
{
    struct bench *bench = context;

    bench->sent++;
    EXPECT(message->destination <= 0xff);
    EXPECT(message->delivery <= APIC_EXTINT && message->delivery != 3);
    return bench->accepts;
}

static void end_of_interrupt(void *context, unsigned pin)
{
    struct bench *bench = context;

    EXPECT(pin < I82093AA_PIN_COUNT);
    if (bench->lowers)
        i82093aa_set_line(&bench->ioapic, pin, false);
}

static void check(const struct bench *bench)
{
    const struct i82093aa *ioapic = &bench->ioapic;

    EXPECT(ioapic->id < 16);
    EXPECT((ioapic->pins | ioapic->edges | ioapic->remote_irr) >> I82093AA_PIN_COUNT == 0);
    EXPECT((ioapic->edges & ioapic->remote_irr) == 0);
    for (unsigned pin = 0; pin < I82093AA_PIN_COUNT; pin++) {
        struct i82093aa_pin state = i82093aa_describe(ioapic, pin);

        EXPECT(!state.remote_irr || state.is_level);
        EXPECT(!state.is_pending || !state.is_masked);
        EXPECT(state.is_asserted == (ioapic->pins >> pin & 1));
    }
    /* One message a pin and step: a guest cannot make one access send without end. */
    EXPECT(bench->sent <= I82093AA_PIN_COUNT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    static const uint16_t offsets[] = {I82093AA_IOREGSEL, I82093AA_IOWIN, I82093AA_EOIR};
    struct input input = {data, data + size_bytes};
    struct bench bench = {.accepts = true};
    const struct i82093aa_wires wires = {send, end_of_interrupt, &bench};

    i82093aa_init(&bench.ioapic, &wires);
    while (input_left(&input)) {
        uint8_t what = input_u8(&input), value = input_u8(&input);
        unsigned offset = offsets[(what >> 4) % 3], size = 1u << (what >> 6) % 3;

        bench.sent = 0;
        switch (what % 9) {
        case 0: i82093aa_write(&bench.ioapic, I82093AA_IOREGSEL, 1, value); break;
        case 1: i82093aa_write(&bench.ioapic, I82093AA_IOWIN, 4, input_u32(&input)); break;
        case 2: i82093aa_write(&bench.ioapic, value, size, input_u32(&input)); break;
        case 3: {
            uint32_t mask = size == 4 ? UINT32_MAX : (UINT32_C(1) << 8 * size) - 1;

            EXPECT((i82093aa_read(&bench.ioapic, offset + value % 4 / size * size, size) & ~mask) ==
                   0);
            break;
        }
        case 4: i82093aa_set_line(&bench.ioapic, value % I82093AA_PIN_COUNT, value >> 7); break;
        case 5: i82093aa_eoi(&bench.ioapic, value); break;
        case 6: i82093aa_retry(&bench.ioapic); break;
        case 7:
            bench.accepts = value & 1;
            bench.lowers = value & 2;
            break;
        default:
            if (value == 0x5a)
                i82093aa_reset(&bench.ioapic);
            break;
        }
        check(&bench);
    }
    return 0;
}
