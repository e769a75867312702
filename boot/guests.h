// SPDX-License-Identifier: BSD-2-Clause
/* Prepares the configured guests: reads their files and allocates their memory. */
#ifndef BOOT_GUESTS_H
#define BOOT_GUESTS_H

#include "boot/config/config.h"
#include "boot/uefi.h"
#include "boot/volume.h"
#include "vmm/boot_info.h"

/* Reads the files of every guest (a file that several guests name only once), checks that each
 * guest can be started with them, and fills boot->guests, except their RAM. Attachments stay in
 * config. All guests are looked at, so that each one's state is printed. Those that cannot be started
 * are left out with on_bad_guest = skip, and listed in boot->left_out, as long as one is left;
 * otherwise the first one's error is returned. After an error a message was printed;
 * uefi_release_all gives back what was allocated. */
EFI_STATUS guests_read(struct uefi *uefi, struct volume *volume, const struct config *config,
                       struct boot_info *boot);

/* Allocates the RAM of each guest, in several pieces if need be; in sequence, RAM for all that
 * suffices for the largest guest. A guest without memory is left out as in guests_read. Errors as
 * for guests_read. */
EFI_STATUS guests_allocate_ram(struct uefi *uefi, const struct config *config,
                               struct boot_info *boot);

/* Returns the EFI status for a refusal by the configuration parser, a loader or the CPU check. */
EFI_STATUS guests_efi_status(enum status status);

#endif
