// SPDX-License-Identifier: BSD-2-Clause
/* Files on the volume that the monitor was started from. */
#ifndef BOOT_VOLUME_H
#define BOOT_VOLUME_H

#include "boot/uefi.h"
#include "vmm/boot_info.h"

struct volume {
    EFI_HANDLE device;
    EFI_FILE_HANDLE root;  /* null: not open */
    uint8_t *buffer;       /* VOLUME_BUFFER_BYTES, where any disk controller reaches */
    struct blob checksums; /* of VOLUME_CHECKSUMS_PATH; no data when there is none */
};

#define VOLUME_BUFFER_BYTES   (1 * MIB)
#define VOLUME_CHECKSUMS_PATH "\\portcullis\\checksums"

/* Opens the volume of the running image: EFI_LOADED_IMAGE_PROTOCOL.DeviceHandle (UEFI 2.10, 9.1)
 * and its EFI_SIMPLE_FILE_SYSTEM_PROTOCOL (13.4); reads the checksums that are there. On an error a
 * message was printed; the volume needs to be closed all the same. */
EFI_STATUS volume_open(struct uefi *uefi, struct volume *volume);

void volume_close(struct uefi *uefi, struct volume *volume);

/* Reads the whole file at path (from the root, backslashes, ASCII, less than 256 characters) into
 * pages of its own, through a buffer below 4 GiB, and shows progress. A file that is listed in the
 * checksums and has another one is refused. size_bytes_max: larger ones are refused with
 * EFI_BAD_BUFFER_SIZE; blob->size_bytes is set then. A file without content gives null data.
 * EFI_NOT_FOUND and EFI_BAD_BUFFER_SIZE are for the caller to report; for every other error a
 * message was printed. */
EFI_STATUS volume_read(struct uefi *uefi, struct volume *volume, const char *path,
                       uint64_t size_bytes_max, struct blob *blob);

#endif
