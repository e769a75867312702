// SPDX-License-Identifier: BSD-2-Clause
/* Decides which of several clocks is believed about the rate of the time-stamp counter. Pure; tsc.h
 * measures. */
#ifndef ARCH_X86_TSC_RATE_H
#define ARCH_X86_TSC_RATE_H

#include "vmm/base/status.h"
#include "vmm/base/types.h"

/* The timers come first. Among clocks that agree the first in this order is taken. */
enum tsc_clock {
    TSC_BY_PM_TIMER, /* ACPI 6.5, 4.8.3.3 "Power Management Timer" */
    TSC_BY_HPET,
    TSC_BY_8254,
    TSC_TIMER_COUNT,
    TSC_BY_STALL = TSC_TIMER_COUNT, /* EFI_BOOT_SERVICES.Stall(), with a clock of the firmware */
    TSC_BY_CPUID,                   /* the rate that the processor, or a virtual machine, reports */
    TSC_CLOCK_COUNT,
};

struct tsc_reading {
    enum {
        TSC_CLOCK_ABSENT,
        TSC_CLOCK_STUCK,    /* it does not count */
        TSC_CLOCK_UNSTEADY, /* its rounds did not agree */
        TSC_CLOCK_RATE,
    } kind;
    uint64_t hz; /* with TSC_CLOCK_RATE: the rate of the TSC by this clock */
};

struct tsc_calibration {
    uint64_t frequency_hz;
    enum tsc_clock clock; /* the clock that gave the rate */
    struct tsc_reading readings[TSC_CLOCK_COUNT];
};

/* Returns the clock's name, "acpi pm timer" or "8254", for a text with "the" before it. Never
 * null. */
const char *tsc_clock_name(enum tsc_clock clock);

/* Sets frequency_hz and clock from the readings. Rates below 1 MHz and above 100 GHz are ignored.
 * These clocks are believed:
 *   the only timer that gives a rate;
 *   of several timers, the first that agrees with another timer, else the first that agrees with
 *     the firmware's Stall, else the first that agrees with CPUID;
 *   without a timer, CPUID, as it is exact, unless Stall contradicts it: then Stall.
 * Errors
 *   STATUS_CONFLICT: timers contradict each other.
 *   STATUS_UNSUPPORTED: no clock gives a rate. */
MUST_USE enum status tsc_choose(struct tsc_calibration *calibration);

/* Returns whether this clock's reading deserves a note: it gives a rate that differs from the
 * chosen one, or the clock exists and gives none. */
bool tsc_contradicts(const struct tsc_calibration *calibration, enum tsc_clock clock);

/* Writes what the clock gave, such as "the 8254 does not count", as at most size bytes with the
 * NUL. Returns the length of the whole text. */
size_t tsc_describe(const struct tsc_calibration *calibration, enum tsc_clock clock, char *text,
                    size_t size);

/* Writes the same of all clocks, with "; " between them. */
void tsc_describe_all(const struct tsc_calibration *calibration, char *text, size_t size);

/* --- For the functions that measure --- */

#define TSC_ROUNDS_MAX 15

/* The rounds of one clock, in ascending order. All bytes are zero before the first round. */
struct tsc_rounds {
    uint64_t hz[TSC_ROUNDS_MAX];
    size_t count;
};

/* Adds the rate of one more round and returns what the clock says. Expects fewer than
 * TSC_ROUNDS_MAX rounds in *rounds.
 *   TSC_CLOCK_RATE: five rounds lie within agree_ppm of each other; hz is their median. Disturbed
 *     rounds lie apart and do not count.
 *   TSC_CLOCK_UNSTEADY: not yet. */
struct tsc_reading tsc_rounds_add(struct tsc_rounds *rounds, uint64_t hz, uint64_t agree_ppm);

/* Returns the rate that leaves 0x15 and 0x16 of CPUID give, from their unchanged values (all zero
 * if a leaf is missing); TSC_CLOCK_ABSENT if they give none. SDM vol. 2A, "CPUID", "Time Stamp
 * Counter and Nominal Core Crystal Clock Information Leaf", "Processor Frequency Information
 * Leaf". */
struct tsc_reading tsc_rate_by_cpuid(uint32_t eax_15, uint32_t ebx_15, uint32_t ecx_15,
                                     uint32_t eax_16);

#endif
