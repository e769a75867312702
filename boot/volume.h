// SPDX-License-Identifier: BSD-2-Clause
/* Reads files on the volume that the monitor was started from. */
#ifndef BOOT_VOLUME_H
#define BOOT_VOLUME_H

#include "boot/uefi.h"
#include "vmm/boot_info.h"

struct volume {
    EFI_HANDLE device;
    EFI_FILE_HANDLE root;  /* null: not open */
    uint8_t *buffer;       /* VOLUME_BUFFER_BYTES that any disk controller can access */
    struct blob checksums; /* of VOLUME_CHECKSUMS_PATH; no data if there is none */
};

#define VOLUME_BUFFER_BYTES   (1 * MIB)
#define VOLUME_CHECKSUMS_PATH "\\portcullis\\checksums"

/* Opens the volume of the running image: EFI_LOADED_IMAGE_PROTOCOL.DeviceHandle (UEFI 2.10, 9.1)
 * and its EFI_SIMPLE_FILE_SYSTEM_PROTOCOL (13.4). Reads the checksums if there are any. After an
 * error a message was printed; the caller closes the volume in any case. */
EFI_STATUS volume_open(struct uefi *uefi, struct volume *volume);

/* Closes the volume. Has no effect if it is not open. */
void volume_close(struct uefi *uefi, struct volume *volume);

/* Reads a whole file into pages of its own, through a buffer below 4 GiB, and shows progress. A
 * file whose checksum differs from the listed one is refused. A file without content gives null
 * data. The caller reports EFI_NOT_FOUND and EFI_BAD_BUFFER_SIZE; for every other error a message
 * was printed.
 *   path: from the root, with backslashes, ASCII, less than 256 characters;
 *   size_bytes_max: a larger file is refused with EFI_BAD_BUFFER_SIZE; blob->size_bytes is its
 *     size. */
EFI_STATUS volume_read(struct uefi *uefi, struct volume *volume, const char *path,
                       uint64_t size_bytes_max, struct blob *blob);

#endif
