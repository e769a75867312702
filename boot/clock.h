// SPDX-License-Identifier: BSD-2-Clause
/* Measures the rate of the TSC while the firmware's console can still show a refusal. */
#ifndef BOOT_CLOCK_H
#define BOOT_CLOCK_H

#include "boot/uefi.h"
#include "vmm/boot_info.h"

/* Measures the TSC with the timers that boot->acpi lists, the 8254 and the firmware's Stall, reads
 * CPUID's rate, and sets boot->tsc. Takes half a second; interrupts are off for most of it.
 *   EFI_DEVICE_ERROR: no clock can be believed; a message with what each clock gave was printed. */
EFI_STATUS clock_calibrate(struct uefi *uefi, struct boot_info *boot);

#endif
