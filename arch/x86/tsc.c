// SPDX-License-Identifier: BSD-2-Clause
#include "arch/x86/tsc.h"

#include "arch/x86/cpu.h"
#include "vmm/base/bits.h"

/* The length of a round. A reading of a timer is wrong by about a microsecond: 0.01 %. */
#define ROUND_MICROSECONDS 20000
#define ROUNDS_PER_SECOND  (1000000 / ROUND_MICROSECONDS)
#define READINGS           5

#define TIMER_ROUNDS_AGREE_PPM 500
#define WAIT_ROUNDS_AGREE_PPM  10000 /* waits end late, perhaps by an interrupt */

/* Limits of a wait, in reads of the timer, as neither of the two clocks can be trusted yet. A read
 * takes about a microsecond on a chipset, and at least some 50 ns. */
#define READS_UNCHANGED_MAX 200000
#define READS_MAX           4000000

/* Runs rounds until enough of them agree. run_round returns the rate of the TSC in Hz, or 0 if the
 * clock does not count. */
static struct tsc_reading measure(uint64_t (*run_round)(const void *context), const void *context,
                                  uint64_t agree_ppm)
{
    struct tsc_reading reading = {.kind = TSC_CLOCK_UNSTEADY};
    struct tsc_rounds rounds = {0};

    while (reading.kind == TSC_CLOCK_UNSTEADY && rounds.count < TSC_ROUNDS_MAX) {
        uint64_t hz = run_round(context);

        if (hz == 0)
            return (struct tsc_reading){.kind = TSC_CLOCK_STUCK};
        reading = tsc_rounds_add(&rounds, hz, agree_ppm);
    }
    return reading;
}

/* --- Timers that count upwards by themselves --- */

#define PM_TIMER_HZ UINT64_C(3579545)

#define HPET_PERIOD             0x004 /* the upper half of GCAP_ID, in femtoseconds */
#define HPET_GEN_CONF           0x010
#define HPET_MAIN_CNT           0x0f0
#define HPET_PERIOD_MIN         UINT32_C(1000000) /* no HPET is faster */
#define HPET_PERIOD_MAX         UINT32_C(100000000)
#define HPET_ENABLE_CNF         0x1u
#define FEMTOSECONDS_PER_SECOND UINT64_C(1000000000000000)

struct counter {
    bool is_port;
    uint64_t address; /* I/O port or physical address of 32 bits */
    uint32_t mask;    /* the bits that count */
    uint64_t hz;
};

/* The same moment on both clocks. */
struct moment {
    uint64_t tsc;
    uint32_t ticks;
};

static uint32_t read_counter(const struct counter *counter)
{
    uint32_t value =
        counter->is_port ? inl((uint16_t)counter->address) : mmio_read32(counter->address);
    return value & counter->mask;
}

/* Reads both clocks at one moment. System management interrupts and virtual machine exits can come
 * between the reads, so the shortest of several readings is taken. */
static struct moment read_moment(const struct counter *counter)
{
    struct moment best = {0};
    uint64_t best_width = UINT64_MAX;

    for (unsigned i = 0; i < READINGS; i++) {
        uint64_t before = rdtsc_ordered();
        uint32_t ticks = read_counter(counter);
        uint64_t width = rdtsc_ordered() - before;

        if (width < best_width) {
            best_width = width;
            best = (struct moment){.tsc = before + width / 2, .ticks = ticks};
        }
    }
    return best;
}

static uint64_t run_counter_round(const void *context)
{
    const struct counter *counter = context;
    const uint32_t round_ticks = (uint32_t)(counter->hz / ROUNDS_PER_SECOND);
    struct moment start = read_moment(counter), end;
    uint32_t last = start.ticks, ticks;
    unsigned unchanged = 0;

    for (unsigned reads = 0; ((last - start.ticks) & counter->mask) < round_ticks; reads++) {
        uint32_t now = read_counter(counter);

        unchanged = now == last ? unchanged + 1 : 0;
        if (unchanged > READS_UNCHANGED_MAX || reads > READS_MAX)
            return 0;
        last = now;
    }
    end = read_moment(counter);
    ticks = (end.ticks - start.ticks) & counter->mask;
    return ticks == 0 ? 0 : (end.tsc - start.tsc) * counter->hz / ticks;
}

static struct tsc_reading measure_counter(const struct counter *counter)
{
    return measure(run_counter_round, counter, TIMER_ROUNDS_AGREE_PPM);
}

static struct tsc_reading measure_pm_timer(const struct host_acpi_pm_timer *timer)
{
    if (timer->kind == PM_TIMER_NONE)
        return (struct tsc_reading){.kind = TSC_CLOCK_ABSENT};
    return measure_counter(&(struct counter){
        .is_port = timer->kind == PM_TIMER_PORT,
        .address = timer->address,
        .mask = timer->is_32bit ? UINT32_MAX : 0xffffff,
        .hz = PM_TIMER_HZ,
    });
}

/* The counter has 32 or 64 bits; the lower 32 are enough. */
static struct tsc_reading measure_hpet(uint64_t address)
{
    struct tsc_reading reading;
    uint32_t period, configuration;

    if (address == 0)
        return (struct tsc_reading){.kind = TSC_CLOCK_ABSENT};
    period = mmio_read32(address + HPET_PERIOD);
    if (period < HPET_PERIOD_MIN || period > HPET_PERIOD_MAX) /* all ones if there is no HPET */
        return (struct tsc_reading){.kind = TSC_CLOCK_ABSENT};
    configuration = mmio_read32(address + HPET_GEN_CONF);
    mmio_write32(address + HPET_GEN_CONF, configuration | HPET_ENABLE_CNF);
    reading = measure_counter(&(struct counter){
        .address = address + HPET_MAIN_CNT,
        .mask = UINT32_MAX,
        .hz = FEMTOSECONDS_PER_SECOND / period,
    });
    mmio_write32(address + HPET_GEN_CONF, configuration);
    return reading;
}

/* --- 8254, channel 2 --- */

#define PIT_HZ               UINT64_C(1193182)
#define PIT_CHANNEL_2        0x42
#define PIT_CONTROL          0x43
#define PIT_CHANNEL_2_MODE_0 0xb0 /* channel 2, low then high byte, mode 0, binary */
#define GATE_PORT            0x61 /* NMI status and control */
#define GATE_CHANNEL_2       0x01
#define GATE_SPEAKER         0x02
#define GATE_WRITABLE        0x0f
#define GATE_OUTPUT_2        0x20

/* Runs one round in mode 0: OUT is low from the control word on, and goes high N + 1 clocks after
 * the count N is written (8254 datasheet, "Mode 0: Interrupt on Terminal Count"). */
static uint64_t run_pit_round(const void *context)
{
    const uint32_t count = PIT_HZ / ROUNDS_PER_SECOND;
    uint8_t gate = inb(GATE_PORT) & GATE_WRITABLE;
    uint64_t start, previous, now;
    unsigned reads = 0;

    (void)context;
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

    /* OUT was high at once: there is no 8254, or it does not count. */
    if (reads < 10 || reads > READS_MAX)
        return 0;
    return (previous + (now - previous) / 2 - start) * PIT_HZ / (count + 1);
}

void tsc_measure_timers(const struct host_acpi *acpi, struct tsc_reading *readings)
{
    readings[TSC_BY_PM_TIMER] = measure_pm_timer(&acpi->pm_timer);
    readings[TSC_BY_HPET] = measure_hpet(acpi->hpet_address.value);
    readings[TSC_BY_8254] = measure(run_pit_round, NULL, TIMER_ROUNDS_AGREE_PPM);
}

/* --- The rates that the firmware and the processor give --- */

struct wait {
    void (*wait)(void *context, uint64_t microseconds);
    void *context;
};

static uint64_t run_wait_round(const void *context)
{
    const struct wait *wait = context;
    uint64_t start = rdtsc_ordered();

    wait->wait(wait->context, ROUND_MICROSECONDS);
    return (rdtsc_ordered() - start) * ROUNDS_PER_SECOND;
}

struct tsc_reading tsc_measure_wait(void (*wait)(void *context, uint64_t microseconds),
                                    void *context)
{
    return measure(run_wait_round, &(struct wait){wait, context}, WAIT_ROUNDS_AGREE_PPM);
}

struct tsc_reading tsc_read_cpuid(void)
{
    struct cpuid_result crystal = cpuid_max(0x15, 0), frequency = cpuid_max(0x16, 0);

    return tsc_rate_by_cpuid(crystal.eax, crystal.ebx, crystal.ecx, frequency.eax);
}

bool tsc_is_invariant(void)
{
    return (cpuid_max(0x80000007, 0).edx & BIT(8)) != 0;
}
