// SPDX-License-Identifier: BSD-2-Clause
/* How fast the time-stamp counter runs, measured. CPUID's word is not taken for it: virtual
 * machines and emulators pass through leaves that have nothing to do with their counter. */
#ifndef ARCH_X86_TSC_H
#define ARCH_X86_TSC_H

#include "arch/x86/host_acpi.h"

struct tsc_calibration {
    uint64_t frequency_hz;
    uint32_t spread_ppm; /* between the rounds that were used */
    const char *source;  /* "acpi pm timer" or "8254" */
};

/* Measures against the ACPI power-management timer if there is one, else, or if that does not
 * count, against channel 2 of the 8254 (ports 0x42, 0x43, 0x61; its gate is left as it was). Takes
 * about 0.2 s, at worst a few seconds. Interrupts are off. pm_timer is mapped, if in memory.
 * STATUS_UNSUPPORTED, and *calibration untouched: neither timer counts, or no five of fifteen
 * rounds agree within 0.05 %. ACPI 6.5, 4.8.3.3 "Power Management Timer"; Intel 8254 datasheet,
 * "Mode 0". */
MUST_USE enum status tsc_calibrate(const struct host_acpi_pm_timer *pm_timer,
                                   struct tsc_calibration *calibration);

/* CPUID.80000007H:EDX[8]: runs at one rate in all power states. Where it does not, time drifts. */
bool tsc_is_invariant(void);

#endif
