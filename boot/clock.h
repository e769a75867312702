// SPDX-License-Identifier: BSD-2-Clause
/* The rate of the TSC, found out while the firmware still has a screen to complain on. */
#ifndef BOOT_CLOCK_H
#define BOOT_CLOCK_H

#include "boot/uefi.h"
#include "vmm/boot_info.h"

/* Measures the TSC against the timers that boot->acpi lists, the 8254 and the firmware's Stall, and
 * sets boot->tsc. Takes half a second; interrupts are off for most of it.
 * EFI_DEVICE_ERROR, after a message which says what each clock gave: none can be believed. */
EFI_STATUS clock_calibrate(struct uefi *uefi, struct boot_info *boot);

#endif
