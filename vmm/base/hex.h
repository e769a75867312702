// SPDX-License-Identifier: BSD-2-Clause
/* Hexadecimal numbers in text. */
#ifndef VMM_BASE_HEX_H
#define VMM_BASE_HEX_H

#include "vmm/base/types.h"

#define HEX_DIGITS_MAX 8

/* All of [text, +length) as hexadecimal digits, of either case. False: another character, no digit
 * or more than HEX_DIGITS_MAX. */
static inline bool hex_read(const char *text, size_t length, uint32_t *value)
{
    *value = 0;
    if (length == 0 || length > HEX_DIGITS_MAX)
        return false;
    for (size_t i = 0; i < length; i++) {
        char c = text[i] >= 'A' && text[i] <= 'F' ? (char)(text[i] | 0x20) : text[i];

        if (c >= '0' && c <= '9')
            *value = *value << 4 | (uint32_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            *value = *value << 4 | (uint32_t)(c - 'a' + 10);
        else
            return false;
    }
    return true;
}

#endif
