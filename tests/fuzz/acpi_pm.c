// SPDX-License-Identifier: BSD-2-Clause
/* ACPI's fixed hardware under any sequence of accesses, buttons and times. */
#include "vmm/devices/acpi_pm.h"
#include "tests/fuzz/input.h"
#include "vmm/base/time.h"

struct bench {
    struct acpi_pm pm;
    bool sci;
    uint64_t now_ns;
};

static void set_sci(void *context, bool level)
{
    struct bench *bench = context;

    EXPECT(level != bench->sci);
    bench->sci = level;
}

static void reset_board(void *context)
{
    struct bench *bench = context;

    acpi_pm_reset(&bench->pm, bench->now_ns);
}

static void check(struct bench *bench)
{
    struct acpi_pm *pm = &bench->pm;
    uint64_t deadline_ns, now_ns = bench->now_ns;

    acpi_pm_run(pm, now_ns);
    EXPECT(bench->sci == ((pm->control & 1) && (pm->status & pm->enable) != 0));
    EXPECT(acpi_pm_read(pm, ACPI_PM_BLOCK_BYTES, 4, now_ns) == UINT32_MAX);
    EXPECT(acpi_pm_read(pm, ACPI_PM_TIMER, 4, now_ns) ==
           (uint32_t)scale_u64(now_ns - pm->timer_base_ns, ACPI_PM_TIMER_HZ, NS_PER_SECOND));
    deadline_ns = acpi_pm_next_deadline(pm);
    EXPECT(deadline_ns > now_ns);
    if (deadline_ns != TIME_NEVER) {
        struct acpi_pm later = *pm;

        later.wires.sci.set = NULL;
        acpi_pm_run(&later, deadline_ns - 1);
        EXPECT(!later.sci_level);
        acpi_pm_run(&later, deadline_ns);
        EXPECT(later.sci_level);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    struct input input = {data, data + size_bytes};
    struct bench bench = {.sci = true, .now_ns = input_span_ns(&input)}; /* init lowers SCI */
    const struct acpi_pm_wires wires = {
        .sci = {set_sci, &bench}, .reset_board = reset_board, .context = &bench};

    acpi_pm_init(&bench.pm, &wires, bench.now_ns);
    while (input_left(&input)) {
        uint8_t what = input_u8(&input);
        unsigned offset = input_u8(&input) % 16, size = 1u << (what >> 4) % 3;

        switch (what % 8) {
        case 0: bench.now_ns += input_span_ns(&input); break;
        case 1: (void)acpi_pm_read(&bench.pm, offset, size, bench.now_ns); break;
        case 2:
        case 3: acpi_pm_write(&bench.pm, offset, size, input_u32(&input), bench.now_ns); break;
        case 4: acpi_pm_write_smi_command(&bench.pm, input_u8(&input), bench.now_ns); break;
        case 5: acpi_pm_write_reset_control(&bench.pm, input_u8(&input)); break;
        case 6: acpi_pm_press_power_button(&bench.pm, bench.now_ns); break;
        default: acpi_pm_rtc_alarm(&bench.pm, bench.now_ns); break;
        }
        check(&bench);
    }
    return 0;
}
