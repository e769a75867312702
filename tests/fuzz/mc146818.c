// SPDX-License-Identifier: BSD-2-Clause
/* The real-time clock under any sequence of accesses and times. */
#include "vmm/devices/mc146818.h"
#include "tests/fuzz/input.h"
#include "vmm/base/time.h"

static bool irq;

static void set_irq(void *context, bool level)
{
    EXPECT(context == &irq);
    EXPECT(level != irq);
    irq = level;
}

static uint8_t read_register(struct mc146818 *rtc, uint8_t index, uint64_t now_ns)
{
    uint8_t selected = rtc->index;
    uint8_t value;

    rtc->index = index;
    value = mc146818_read(rtc, MC146818_DATA, now_ns);
    rtc->index = selected;
    return value;
}

/* IRQ is what the flags and enables say, and a deadline lies in the future. */
static void check(struct mc146818 *rtc, uint64_t now_ns)
{
    uint8_t flags, enables;
    uint64_t deadline_ns;

    mc146818_run(rtc, now_ns);
    flags = rtc->registers[MC146818_C];
    enables = rtc->registers[MC146818_B];
    EXPECT(irq == ((flags & enables & 0x70) != 0));
    EXPECT((flags & 0x0f) == 0);
    deadline_ns = mc146818_next_deadline(rtc);
    EXPECT(deadline_ns > now_ns);
    if (deadline_ns != TIME_NEVER && !irq) {
        struct mc146818 early = *rtc, late = *rtc;

        early.irq.set = late.irq.set = NULL;
        mc146818_run(&early, deadline_ns - 1);
        EXPECT(!early.irq_level);
        mc146818_run(&late, deadline_ns);
        EXPECT(late.irq_level);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    struct input input = {data, data + size_bytes};
    uint64_t now_ns = input_span_ns(&input);
    struct mc146818 rtc;

    irq = true; /* init lowers it */
    mc146818_init(&rtc, (struct line){set_irq, &irq}, input_bytes(&input, 5), now_ns);
    while (input_left(&input)) {
        uint8_t what = input_u8(&input), value = input_u8(&input);

        switch (what % 8) {
        case 0: now_ns += input_span_ns(&input); break;
        case 1: now_ns += (uint64_t)value << 12; break;
        case 2: (void)mc146818_read(&rtc, value & 1, now_ns); break;
        case 3: mc146818_write(&rtc, MC146818_INDEX, value, now_ns); break;
        case 4: mc146818_write(&rtc, MC146818_DATA, value, now_ns); break;
        case 5: /* both */
            mc146818_write(&rtc, MC146818_INDEX, (what >> 3) % 16, now_ns);
            mc146818_write(&rtc, MC146818_DATA, value, now_ns);
            break;
        case 6: EXPECT((read_register(&rtc, MC146818_D, now_ns) & 0x7f) == 0); break;
        default:
            if (value == 0x5a)
                mc146818_reset(&rtc, now_ns);
            break;
        }
        check(&rtc, now_ns);
    }
    return 0;
}
