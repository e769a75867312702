// SPDX-License-Identifier: BSD-2-Clause
/* Firmware tables as bytes: their tests share no struct with the code. */
#ifndef TESTS_UNIT_TABLE_BYTES_H
#define TESTS_UNIT_TABLE_BYTES_H

#include <stddef.h>
#include <stdint.h>

/* Little-endian. */
static inline uint64_t get(const uint8_t *at, unsigned size_bytes)
{
    uint64_t value = 0;
    for (unsigned i = size_bytes; i-- > 0;)
        value = value << 8 | at[i];
    return value;
}

/* 0 where a checksum is right. */
static inline unsigned sum(const uint8_t *at, size_t size_bytes)
{
    unsigned total = 0;
    for (size_t i = 0; i < size_bytes; i++)
        total += at[i];
    return total & 0xff;
}

#endif
