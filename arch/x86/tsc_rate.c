// SPDX-License-Identifier: BSD-2-Clause
#include "arch/x86/tsc_rate.h"

#include "vmm/base/check.h"
#include "vmm/base/format.h"

#define HZ_MIN UINT64_C(1000000)
#define HZ_MAX UINT64_C(100000000000)

/* Timers have crystals that are exact to 0.01 %, but in a virtual machine reading a timer may take
 * 0.1 ms of a round of 20 ms. Stall may wait longer than it is told to, and CPUID gives rounded
 * values. */
#define TIMERS_AGREE_PPM    5000
#define WITNESSES_AGREE_PPM 10000

#define ROUNDS_WANTED 5

const char *tsc_clock_name(enum tsc_clock clock)
{
    static const char *const names[TSC_CLOCK_COUNT] = {
        [TSC_BY_PM_TIMER] = "acpi pm timer",
        [TSC_BY_HPET] = "HPET",
        [TSC_BY_8254] = "8254",
        [TSC_BY_STALL] = "firmware's Stall",
        [TSC_BY_CPUID] = "processor's CPUID",
    };

    return names[clock];
}

/* --- Which clock is believed --- */

static bool has_rate(const struct tsc_reading *reading)
{
    return reading->kind == TSC_CLOCK_RATE && reading->hz >= HZ_MIN && reading->hz <= HZ_MAX;
}

static bool is_within(uint64_t a, uint64_t b, uint64_t ppm)
{
    uint64_t apart = a > b ? a - b : b - a;

    return apart <= (a < b ? a : b) / 1000000 * ppm;
}

static bool agree(const struct tsc_reading *readings, enum tsc_clock a, enum tsc_clock b)
{
    bool are_timers = a < TSC_TIMER_COUNT && b < TSC_TIMER_COUNT;

    return has_rate(&readings[a]) && has_rate(&readings[b]) &&
           is_within(readings[a].hz, readings[b].hz,
                     are_timers ? TIMERS_AGREE_PPM : WITNESSES_AGREE_PPM);
}

static void choose(struct tsc_calibration *calibration, enum tsc_clock clock)
{
    calibration->clock = clock;
    calibration->frequency_hz = calibration->readings[clock].hz;
}

/* Chooses the first timer before the witness, in enum tsc_clock's order, that agrees with the
 * witness. Returns false if none does. */
static bool choose_timer_by(struct tsc_calibration *calibration, enum tsc_clock witness)
{
    for (enum tsc_clock timer = 0; timer < TSC_TIMER_COUNT && timer < witness; timer++) {
        if (agree(calibration->readings, timer, witness)) {
            choose(calibration, timer);
            return true;
        }
    }
    return false;
}

enum status tsc_choose(struct tsc_calibration *calibration)
{
    const struct tsc_reading *readings = calibration->readings;
    unsigned timers_with_rate = 0;

    for (enum tsc_clock timer = 0; timer < TSC_TIMER_COUNT; timer++) {
        if (has_rate(&readings[timer])) {
            choose(calibration, timer);
            timers_with_rate++;
        }
    }
    if (timers_with_rate == 1)
        return STATUS_OK;
    if (timers_with_rate > 1) {
        for (enum tsc_clock witness = 0; witness < TSC_CLOCK_COUNT; witness++) {
            if (choose_timer_by(calibration, witness))
                return STATUS_OK;
        }
        return STATUS_CONFLICT;
    }
    if (!has_rate(&readings[TSC_BY_STALL]) && !has_rate(&readings[TSC_BY_CPUID]))
        return STATUS_UNSUPPORTED;
    if (!has_rate(&readings[TSC_BY_STALL]) || agree(readings, TSC_BY_STALL, TSC_BY_CPUID))
        choose(calibration, TSC_BY_CPUID);
    else
        choose(calibration, TSC_BY_STALL);
    return STATUS_OK;
}

/* --- Texts --- */

bool tsc_contradicts(const struct tsc_calibration *calibration, enum tsc_clock clock)
{
    const struct tsc_reading *readings = calibration->readings;

    if (readings[clock].kind == TSC_CLOCK_ABSENT || clock == calibration->clock)
        return false;
    return !agree(readings, clock, calibration->clock);
}

size_t tsc_describe(const struct tsc_calibration *calibration, enum tsc_clock clock, char *text,
                    size_t size)
{
    const struct tsc_reading *reading = &calibration->readings[clock];
    const char *name = tsc_clock_name(clock);

    switch (reading->kind) {
    case TSC_CLOCK_RATE:
        return format_text(text, size, "the %s gives %lu kHz", name,
                           (unsigned long)(reading->hz / 1000));
    case TSC_CLOCK_STUCK: return format_text(text, size, "the %s does not count", name);
    case TSC_CLOCK_UNSTEADY:
        return format_text(text, size, "the rounds of the %s did not agree", name);
    case TSC_CLOCK_ABSENT: break;
    }
    return format_text(text, size, "the %s tells nothing", name);
}

void tsc_describe_all(const struct tsc_calibration *calibration, char *text, size_t size)
{
    size_t length = 0;

    for (enum tsc_clock clock = 0; clock < TSC_CLOCK_COUNT && length < size; clock++) {
        if (clock > 0)
            length += format_text(text + length, size - length, "; ");
        if (length < size)
            length += tsc_describe(calibration, clock, text + length, size - length);
    }
}

/* --- From rounds to a rate --- */

static void insert_sorted(struct tsc_rounds *rounds, uint64_t hz)
{
    size_t i = rounds->count++;

    for (; i > 0 && rounds->hz[i - 1] > hz; i--)
        rounds->hz[i] = rounds->hz[i - 1];
    rounds->hz[i] = hz;
}

/* Returns the first of the ROUNDS_WANTED rounds that are closest together. */
static const uint64_t *closest(const struct tsc_rounds *rounds)
{
    const uint64_t *best = rounds->hz;

    for (size_t i = 1; i + ROUNDS_WANTED <= rounds->count; i++) {
        const uint64_t *hz = &rounds->hz[i];

        if (hz[ROUNDS_WANTED - 1] - hz[0] < best[ROUNDS_WANTED - 1] - best[0])
            best = hz;
    }
    return best;
}

struct tsc_reading tsc_rounds_add(struct tsc_rounds *rounds, uint64_t hz, uint64_t agree_ppm)
{
    const uint64_t *used;

    CHECK(rounds->count < TSC_ROUNDS_MAX);
    insert_sorted(rounds, hz);
    if (rounds->count < ROUNDS_WANTED)
        return (struct tsc_reading){.kind = TSC_CLOCK_UNSTEADY};
    used = closest(rounds);
    if (!is_within(used[0], used[ROUNDS_WANTED - 1], agree_ppm))
        return (struct tsc_reading){.kind = TSC_CLOCK_UNSTEADY};
    return (struct tsc_reading){.kind = TSC_CLOCK_RATE, .hz = used[ROUNDS_WANTED / 2]};
}

struct tsc_reading tsc_rate_by_cpuid(uint32_t eax_15, uint32_t ebx_15, uint32_t ecx_15,
                                     uint32_t eax_16)
{
    uint64_t base_hz = (uint64_t)(eax_16 & 0xffff) * 1000000;

    if (eax_15 == 0 || ebx_15 == 0)
        return (struct tsc_reading){.kind = TSC_CLOCK_ABSENT};
    if (ecx_15 != 0)
        return (struct tsc_reading){.kind = TSC_CLOCK_RATE,
                                    .hz = (uint64_t)ecx_15 * ebx_15 / eax_15};
    /* The crystal's rate is not given: the TSC runs at the base frequency. */
    if (base_hz != 0)
        return (struct tsc_reading){.kind = TSC_CLOCK_RATE, .hz = base_hz};
    return (struct tsc_reading){.kind = TSC_CLOCK_ABSENT};
}
