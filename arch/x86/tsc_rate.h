// SPDX-License-Identifier: BSD-2-Clause
/* How fast the time-stamp counter runs, by what several clocks say: which of them is believed.
 * Pure; tsc.h measures. */
#ifndef ARCH_X86_TSC_RATE_H
#define ARCH_X86_TSC_RATE_H

#include "vmm/base/status.h"
#include "vmm/base/types.h"

/* The timers come first. Of those that agree the first one is taken. */
enum tsc_clock {
    TSC_BY_PM_TIMER, /* ACPI 6.5, 4.8.3.3 "Power Management Timer" */
    TSC_BY_HPET,
    TSC_BY_8254,
    TSC_TIMER_COUNT,
    TSC_BY_STALL = TSC_TIMER_COUNT, /* EFI_BOOT_SERVICES.Stall(), by a clock of the firmware's */
    TSC_BY_CPUID,                   /* what the processor, or a virtual machine, says of itself */
    TSC_CLOCK_COUNT,
};

struct tsc_reading {
    enum {
        TSC_CLOCK_ABSENT,
        TSC_CLOCK_STUCK,    /* it does not count */
        TSC_CLOCK_UNSTEADY, /* its rounds did not agree */
        TSC_CLOCK_RATE,
    } kind;
    uint64_t hz; /* TSC_CLOCK_RATE: of the TSC, by this clock */
};

struct tsc_calibration {
    uint64_t frequency_hz;
    enum tsc_clock clock; /* whose rate that is */
    struct tsc_reading readings[TSC_CLOCK_COUNT];
};

/* "acpi pm timer", "8254", for a text that has "the" before it. Never null. */
const char *tsc_clock_name(enum tsc_clock clock);

/* Sets frequency_hz and clock from the readings. A timer is believed that another timer agrees
 * with, or that is the only one to give a rate; where timers contradict each other, one that the
 * firmware's Stall or else CPUID agrees with. Only where no timer gives a rate, Stall and CPUID
 * count by themselves: CPUID, as it is exact, unless Stall contradicts it. Rates below 1 MHz and
 * above 100 GHz are nobody's.
 * STATUS_CONFLICT: timers contradict each other. STATUS_UNSUPPORTED: no clock gives a rate. */
MUST_USE enum status tsc_choose(struct tsc_calibration *calibration);

/* Whether this clock's reading is worth a note: it gives a rate other than the chosen one, or was
 * there and gave none. */
bool tsc_contradicts(const struct tsc_calibration *calibration, enum tsc_clock clock);

/* Writes what the clock said, "the 8254 does not count", at most size bytes with the NUL; returns
 * the length of the whole text. */
size_t tsc_describe(const struct tsc_calibration *calibration, enum tsc_clock clock, char *text,
                    size_t size);

/* The same of all clocks, with "; " in between. */
void tsc_describe_all(const struct tsc_calibration *calibration, char *text, size_t size);

/* --- For those who measure --- */

#define TSC_ROUNDS_MAX 15

/* The rounds of one clock, in ascending order. Zeroed before the first one. */
struct tsc_rounds {
    uint64_t hz[TSC_ROUNDS_MAX];
    size_t count;
};

/* Takes in one more round's rate, and returns what the clock says: TSC_CLOCK_RATE as soon as five
 * rounds lie within agree_ppm of each other, their middle one; disturbed rounds lie apart. Else
 * TSC_CLOCK_UNSTEADY. There are less than TSC_ROUNDS_MAX rounds yet. */
struct tsc_reading tsc_rounds_add(struct tsc_rounds *rounds, uint64_t hz, uint64_t agree_ppm);

/* Leaves 0x15 and 0x16 of CPUID as they are (all zero: they are not there). TSC_CLOCK_ABSENT: they
 * do not tell. SDM vol. 2A, "CPUID", "Time Stamp Counter and Nominal Core Crystal Clock Information
 * Leaf", "Processor Frequency Information Leaf". */
struct tsc_reading tsc_rate_by_cpuid(uint32_t eax_15, uint32_t ebx_15, uint32_t ecx_15,
                                     uint32_t eax_16);

#endif
