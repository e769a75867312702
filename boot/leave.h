// SPDX-License-Identifier: BSD-2-Clause
/* The last that is asked of the firmware: what the machine has, and to let go of it. */
#ifndef BOOT_LEAVE_H
#define BOOT_LEAVE_H

#include "boot/uefi.h"
#include "vmm/boot_info.h"

/* Fills boot's wall clock, runtime services and way to power off. A clock that cannot be read is
 * said and leaves 1970. */
void leave_ask(struct uefi *uefi, struct boot_info *boot);

/* For struct boot_info's firmware_power_off. Called by the monitor; in boot/power.c. */
void leave_power_off(hpa_t efi_runtime_services);

/* Ends boot services with interrupts off and fills boot's memory map from the last one there was
 * (UEFI 2.10, 7.4.6, EFI_BOOT_SERVICES.ExitBootServices()). Where boot has no area for starting the
 * other processors, it gets one in what boot services used. On an error a message was printed, and
 * the firmware is still there. */
EFI_STATUS leave_firmware(struct uefi *uefi, struct boot_info *boot);

#endif
