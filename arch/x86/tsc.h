// SPDX-License-Identifier: BSD-2-Clause
/* How fast the time-stamp counter runs, measured against the clocks of a PC. Which of them is
 * believed is tsc_rate.h's business. */
#ifndef ARCH_X86_TSC_H
#define ARCH_X86_TSC_H

#include "arch/x86/host_acpi.h"
#include "arch/x86/tsc_rate.h"

/* Sets the readings of the timers: the ACPI power-management timer and the HPET as acpi has them,
 * where the HPET counts meanwhile even if it did not before, and channel 2 of the 8254 (ports 0x42,
 * 0x43, 0x61; its gate is left as it was). Interrupts are off; timers in memory are mapped. Takes
 * 0.1 s for each timer, at worst a few seconds. IA-PC HPET Specification 1.0a, 2.3 "Register
 * Model"; Intel 8254 datasheet, "Mode 0: Interrupt on Terminal Count". */
void tsc_measure_timers(const struct host_acpi *acpi, struct tsc_reading *readings);

/* What wait(context, microseconds) says, which returns after that time by a clock of its own. Takes
 * 0.1 to 0.3 s. */
struct tsc_reading tsc_measure_wait(void (*wait)(void *context, uint64_t microseconds),
                                    void *context);

/* What CPUID says. It is not taken for granted: virtual machines and emulators pass through leaves
 * that have nothing to do with their counter. */
struct tsc_reading tsc_read_cpuid(void);

/* CPUID.80000007H:EDX[8]: runs at one rate in all power states. Where it does not, time drifts. */
bool tsc_is_invariant(void);

#endif
