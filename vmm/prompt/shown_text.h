// SPDX-License-Identifier: BSD-2-Clause
/* Text of a guest in a form that no terminal takes for anything but letters. */
#ifndef VMM_PROMPT_SHOWN_TEXT_H
#define VMM_PROMPT_SHOWN_TEXT_H

#include "vmm/base/types.h"

/* One byte takes up to so many characters. */
#define SHOWN_TEXT_GROWTH 4

/* Copies length bytes to shown, which has room for SHOWN_TEXT_GROWTH * length characters. Printable
 * ASCII and tabs are copied; every other byte is shown as "\xHH": C0 and C1 control characters and
 * DEL (ECMA-48, 5.2 and 5.3), and all bytes above 0x7f, since a terminal of 8-bit characters takes
 * some bytes of UTF-8 for C1. Returns the number of characters; adds no NUL. */
size_t shown_text(char *shown, const char *text, size_t length);

#endif
