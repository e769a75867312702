// SPDX-License-Identifier: BSD-2-Clause
/* Reads the checksums that tools/mkimage puts beside the files of an image. */
#ifndef BOOT_FIRMWARE_CHECKSUMS_H
#define BOOT_FIRMWARE_CHECKSUMS_H

#include "vmm/base/types.h"

/* Returns the CRC-32 (ISO 3309, as in zlib and gzip) of data that continue with bytes. crc is the
 * CRC-32 of the data before them; 0 if there are none. */
uint32_t crc32_add(uint32_t crc, const uint8_t *bytes, uint64_t size_bytes);

/* Looks for path in text and sets *crc. Returns false if path is not listed.
 *   text: lines of eight hexadecimal digits, a space and a path; other lines are skipped;
 *   path: from the root, with backslashes; case does not matter, as in FAT. */
bool checksums_find(const char *text, uint64_t size_bytes, const char *path, uint32_t *crc);

#endif
