// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/prompt/shown_text.h"

static bool is_harmless(uint8_t byte)
{
    return byte == '\t' || (byte >= ' ' && byte <= '~');
}

size_t shown_text(char *shown, const char *text, size_t length)
{
    static const char digits[] = "0123456789abcdef";
    size_t count = 0;

    for (size_t i = 0; i < length; i++) {
        uint8_t byte = (uint8_t)text[i];

        if (is_harmless(byte)) {
            shown[count++] = text[i];
            continue;
        }
        shown[count++] = '\\';
        shown[count++] = 'x';
        shown[count++] = digits[byte >> 4];
        shown[count++] = digits[byte & 0xf];
    }
    return count;
}
