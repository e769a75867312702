// SPDX-License-Identifier: BSD-2-Clause
/* Finds the machine's processors. */
#ifndef BOOT_PROCESSORS_H
#define BOOT_PROCESSORS_H

#include "boot/uefi.h"
#include "vmm/boot_info.h"

/* Fills in boot's list of processors: the enabled ones of the ACPI tables (boot->acpi), or if these
 * list none, those of the firmware's MP services, or else only the processor that runs this. */
void processors_find(struct uefi *uefi, struct boot_info *boot);

/* Sets boot->ap_area to memory below 1 MiB for starting the other processors, or to 0 if the
 * firmware has none free: then leave_firmware looks for an area. */
void processors_allocate_area(struct uefi *uefi, struct boot_info *boot);

#endif
