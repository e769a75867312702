// SPDX-License-Identifier: BSD-2-Clause
/* The checksums that tools/mkimage puts beside the files of an image. */
#ifndef BOOT_FIRMWARE_CHECKSUMS_H
#define BOOT_FIRMWARE_CHECKSUMS_H

#include "vmm/base/types.h"

/* The CRC-32 (ISO 3309, as zlib and gzip have it) of bytes that follow those whose CRC-32 is crc; 0
 * for the first ones. */
uint32_t crc32_add(uint32_t crc, const uint8_t *bytes, uint64_t size_bytes);

/* Looks for path (from the root, with backslashes; case does not matter, as in FAT) in text, lines
 * of eight hexadecimal digits, a space and a path; what is no such line is passed over. False: it
 * is not listed. */
bool checksums_find(const char *text, uint64_t size_bytes, const char *path, uint32_t *crc);

#endif
