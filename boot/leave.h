// SPDX-License-Identifier: BSD-2-Clause
/* Leaves the firmware: reads from it what the monitor needs later, and ends boot services. */
#ifndef BOOT_LEAVE_H
#define BOOT_LEAVE_H

#include "boot/uefi.h"
#include "vmm/boot_info.h"

/* Fills in boot's wall clock, runtime services and way to power off. If the clock cannot be read,
 * prints a message and leaves the wall clock at 1970. */
void leave_read_state(struct uefi *uefi, struct boot_info *boot);

/* Switches the machine off through the firmware's runtime services. The monitor calls it as struct
 * boot_info's firmware_power_off. In boot/power.c. */
void leave_power_off(hpa_t efi_runtime_services);

/* Ends boot services, with interrupts off afterwards, and fills in boot's memory map from the last
 * map of the firmware (UEFI 2.10, 7.4.6, EFI_BOOT_SERVICES.ExitBootServices()). If boot has no area
 * for starting the other processors, chooses one in memory that boot services used. After an error
 * a message was printed, and boot services have not ended. */
EFI_STATUS leave_firmware(struct uefi *uefi, struct boot_info *boot);

#endif
