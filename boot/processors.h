// SPDX-License-Identifier: BSD-2-Clause
/* Which processors the machine has. */
#ifndef BOOT_PROCESSORS_H
#define BOOT_PROCESSORS_H

#include "boot/uefi.h"
#include "vmm/boot_info.h"

/* Fills in boot's list of processors, from the ACPI tables (boot->acpi), or where these list
 * none from the firmware's MP services; at least the one that runs this. */
void processors_find(struct uefi *uefi, struct boot_info *boot);

/* Memory below 1 MiB for starting the others; 0 in boot where the firmware has none to give: then
 * leave_firmware looks for some. */
void processors_allocate_area(struct uefi *uefi, struct boot_info *boot);

#endif
