// SPDX-License-Identifier: BSD-2-Clause
/* Measures the rate of the time-stamp counter with the clocks of a PC. tsc_rate.h decides which
 * clock is believed. */
#ifndef ARCH_X86_TSC_H
#define ARCH_X86_TSC_H

#include "arch/x86/host_acpi.h"
#include "arch/x86/tsc_rate.h"

/* Sets the readings of the timers: the ACPI power-management timer and the HPET of acpi, and
 * channel 2 of the 8254 (ports 0x42, 0x43, 0x61). The HPET is made to count for the measurement;
 * its configuration and the 8254's gate are restored. Interrupts are off; timers in memory are
 * mapped. Takes 0.1 s for each timer, at worst a few seconds. IA-PC HPET Specification 1.0a, 2.3
 * "Register Model"; Intel 8254 datasheet, "Mode 0: Interrupt on Terminal Count". */
void tsc_measure_timers(const struct host_acpi *acpi, struct tsc_reading *readings);

/* Measures the TSC with wait(context, microseconds), which returns after that time by a clock of
 * its own. Takes 0.1 to 0.3 s. */
struct tsc_reading tsc_measure_wait(void (*wait)(void *context, uint64_t microseconds),
                                    void *context);

/* Returns the rate that CPUID gives. It need not be true: virtual machines and emulators pass
 * leaves through that have nothing to do with their counter. */
struct tsc_reading tsc_read_cpuid(void);

/* Returns CPUID.80000007H:EDX[8]: the TSC runs at one rate in all power states. Without it, time
 * drifts. */
bool tsc_is_invariant(void);

#endif
