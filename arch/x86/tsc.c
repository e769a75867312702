// SPDX-License-Identifier: BSD-2-Clause
#include "arch/x86/tsc.h"

#include "arch/x86/cpu.h"
#include "vmm/base/bits.h"

#define PM_TIMER_HZ UINT64_C(3579545)
/* The 8254 runs on a third of that: one 14.31818 MHz crystal, divided by 12 and by 4. */
#define PM_TICKS_PER_PIT_CLOCK 3

/* A round of 20 ms, in ticks of the PM timer. A reading is off by a microsecond or so: 0.01 %. */
#define ROUND_TICKS   (PM_TIMER_HZ / 50)
#define ROUNDS_WANTED 5
#define ROUNDS_MAX    15
#define AGREE_PPM     500
#define READINGS      5

/* Waits are counted in reads of the timer, the one clock being measured and the other doubted. A
 * read takes about a microsecond on a chipset, some 50 ns at the least. */
#define READS_UNCHANGED_MAX 200000
#define READS_MAX           4000000

/* A moment on both clocks. */
struct moment {
    uint64_t tsc;
    uint32_t ticks;
};

/* What one round found. */
struct round {
    uint64_t tsc;
    uint64_t pm_ticks;
};

static uint32_t read_pm_timer(const struct host_acpi_pm_timer *timer)
{
    uint32_t value =
        timer->kind == PM_TIMER_PORT ? inl((uint16_t)timer->address) : mmio_read32(timer->address);
    return timer->is_32bit ? value : value & 0xffffff;
}

/* System management interrupts and virtual machine exits come in between: of several readings, the
 * one that took the shortest is the best. */
static struct moment read_moment(const struct host_acpi_pm_timer *timer)
{
    struct moment best = {0};
    uint64_t best_width = UINT64_MAX;

    for (unsigned i = 0; i < READINGS; i++) {
        uint64_t before = rdtsc_ordered();
        uint32_t ticks = read_pm_timer(timer);
        uint64_t width = rdtsc_ordered() - before;

        if (width < best_width) {
            best_width = width;
            best = (struct moment){.tsc = before + width / 2, .ticks = ticks};
        }
    }
    return best;
}

static bool run_pm_round(const struct host_acpi_pm_timer *timer, struct round *round)
{
    uint32_t mask = timer->is_32bit ? UINT32_MAX : 0xffffff;
    struct moment start = read_moment(timer);
    uint32_t last = start.ticks;
    unsigned unchanged = 0;

    for (unsigned reads = 0; ((last - start.ticks) & mask) < ROUND_TICKS; reads++) {
        uint32_t now = read_pm_timer(timer);

        unchanged = now == last ? unchanged + 1 : 0;
        if (unchanged > READS_UNCHANGED_MAX || reads > READS_MAX)
            return false;
        last = now;
    }
    struct moment end = read_moment(timer);
    round->tsc = end.tsc - start.tsc;
    round->pm_ticks = (end.ticks - start.ticks) & mask;
    return true;
}

/* --- 8254, channel 2 --- */

#define PIT_CHANNEL_2        0x42
#define PIT_CONTROL          0x43
#define PIT_CHANNEL_2_MODE_0 0xb0 /* channel 2, low then high byte, mode 0, binary */
#define GATE_PORT            0x61 /* NMI status and control */
#define GATE_CHANNEL_2       0x01
#define GATE_SPEAKER         0x02
#define GATE_WRITABLE        0x0f
#define GATE_OUTPUT_2        0x20

/* Mode 0: OUT is low from the control word on and goes high N + 1 clocks after the count N is
 * written (8254 datasheet, "Mode 0: Interrupt on Terminal Count"). */
static bool run_pit_round(struct round *round)
{
    const uint32_t count = (uint32_t)(ROUND_TICKS / PM_TICKS_PER_PIT_CLOCK);
    uint8_t gate = inb(GATE_PORT) & GATE_WRITABLE;
    uint64_t start, previous, now;
    unsigned reads = 0;

    outb(GATE_PORT, (uint8_t)((gate & ~GATE_SPEAKER) | GATE_CHANNEL_2));
    outb(PIT_CONTROL, PIT_CHANNEL_2_MODE_0);
    outb(PIT_CHANNEL_2, (uint8_t)count);
    start = rdtsc_ordered();
    outb(PIT_CHANNEL_2, (uint8_t)(count >> 8));
    now = rdtsc_ordered();
    start += (now - start) / 2;
    do {
        previous = now;
        if (reads++ > READS_MAX)
            break;
        uint8_t status = inb(GATE_PORT);
        now = rdtsc_ordered();
        if ((status & GATE_OUTPUT_2) != 0)
            break;
    } while (true);
    outb(GATE_PORT, gate);

    /* High at once: nobody counts there. */
    if (reads < 10 || reads > READS_MAX)
        return false;
    round->tsc = previous + (now - previous) / 2 - start;
    round->pm_ticks = (uint64_t)(count + 1) * PM_TICKS_PER_PIT_CLOCK;
    return true;
}

/* --- Rounds into a frequency --- */

static uint64_t round_hz(const struct round *round)
{
    return round->tsc * PM_TIMER_HZ / round->pm_ticks;
}

static void insert_sorted(uint64_t *values, size_t count, uint64_t value)
{
    size_t i = count;
    for (; i > 0 && values[i - 1] > value; i--)
        values[i] = values[i - 1];
    values[i] = value;
}

/* The ROUNDS_WANTED sorted values that lie closest together: disturbed rounds lie apart. */
static size_t closest(const uint64_t *values, size_t count)
{
    size_t best = 0;
    for (size_t i = 1; i + ROUNDS_WANTED <= count; i++) {
        if (values[i + ROUNDS_WANTED - 1] - values[i] <
            values[best + ROUNDS_WANTED - 1] - values[best])
            best = i;
    }
    return best;
}

static enum status measure(const struct host_acpi_pm_timer *timer,
                           struct tsc_calibration *calibration)
{
    uint64_t hz[ROUNDS_MAX];

    for (size_t count = 0; count < ROUNDS_MAX; count++) {
        struct round round;
        bool is_done = timer != NULL ? run_pm_round(timer, &round) : run_pit_round(&round);

        if (!is_done || round.tsc == 0 || round.pm_ticks == 0)
            return STATUS_UNSUPPORTED;
        insert_sorted(hz, count, round_hz(&round));
        if (count + 1 < ROUNDS_WANTED)
            continue;

        const uint64_t *used = &hz[closest(hz, count + 1)];
        uint64_t median = used[ROUNDS_WANTED / 2];
        uint64_t spread = used[ROUNDS_WANTED - 1] - used[0];
        if (median != 0 && spread * 1000000 / median <= AGREE_PPM) {
            calibration->frequency_hz = median;
            calibration->spread_ppm = (uint32_t)(spread * 1000000 / median);
            calibration->source = timer != NULL ? "acpi pm timer" : "8254";
            return STATUS_OK;
        }
    }
    return STATUS_UNSUPPORTED;
}

enum status tsc_calibrate(const struct host_acpi_pm_timer *pm_timer,
                          struct tsc_calibration *calibration)
{
    if (pm_timer->kind != PM_TIMER_NONE && measure(pm_timer, calibration) == STATUS_OK)
        return STATUS_OK;
    return measure(NULL, calibration);
}

bool tsc_is_invariant(void)
{
    return (cpuid_max(0x80000007, 0).edx & BIT(8)) != 0;
}
