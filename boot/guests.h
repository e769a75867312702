// SPDX-License-Identifier: BSD-2-Clause
/* The configured guests: their files and their memory. */
#ifndef BOOT_GUESTS_H
#define BOOT_GUESTS_H

#include "boot/config/config.h"
#include "boot/uefi.h"
#include "boot/volume.h"
#include "vmm/boot_info.h"

/* Reads every guest's files (one that several name, once), checks that each guest can be started
 * with them, and fills boot->guests but for their RAM; their attachments stay where config has
 * them. On an error a message was printed; what was allocated is uefi's to release. */
EFI_STATUS guests_read(struct uefi *uefi, struct volume *volume, const struct config *config,
                       struct boot_info *boot);

/* Gives each guest its RAM, or all of a sequence one piece that suffices for the largest. Errors as
 * above. */
EFI_STATUS guests_allocate_ram(struct uefi *uefi, const struct config *config,
                               struct boot_info *boot);

/* The EFI status that goes with a refusal by the parser, a loader or the CPU check. */
EFI_STATUS guests_efi_status(enum status status);

#endif
