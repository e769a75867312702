// SPDX-License-Identifier: BSD-2-Clause
#include "boot/firmware/checksums.h"

#include "vmm/base/hex.h"

#include <string.h>

#define CRC32_POLYNOMIAL 0xedb88320 /* reflected */
#define CRC_DIGITS       8

uint32_t crc32_add(uint32_t crc, const uint8_t *bytes, uint64_t size_bytes)
{
    static uint32_t table[256];

    if (table[1] == 0) {
        for (uint32_t i = 0; i < 256; i++) {
            table[i] = i;
            for (unsigned bit = 0; bit < 8; bit++)
                table[i] = (table[i] >> 1) ^ ((table[i] & 1) != 0 ? CRC32_POLYNOMIAL : 0);
        }
    }
    crc = ~crc;
    for (uint64_t i = 0; i < size_bytes; i++)
        crc = (crc >> 8) ^ table[(crc ^ bytes[i]) & 0xff];
    return ~crc;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static bool is_same_path(const char *listed, uint64_t length, const char *path)
{
    for (uint64_t i = 0; i < length; i++) {
        if (path[i] == '\0' || lower(listed[i]) != lower(path[i]))
            return false;
    }
    return path[length] == '\0';
}

bool checksums_find(const char *text, uint64_t size_bytes, const char *path, uint32_t *crc)
{
    for (uint64_t at = 0; at < size_bytes;) {
        const char *line = text + at, *end = memchr(line, '\n', size_bytes - at);
        uint64_t length = end != NULL ? (uint64_t)(end - line) : size_bytes - at;

        at += length + 1;
        if (length > 0 && line[length - 1] == '\r')
            length--;
        if (length > CRC_DIGITS + 1 && line[CRC_DIGITS] == ' ' &&
            is_same_path(line + CRC_DIGITS + 1, length - CRC_DIGITS - 1, path) &&
            hex_read(line, CRC_DIGITS, crc))
            return true;
    }
    return false;
}
