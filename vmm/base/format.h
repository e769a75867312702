// SPDX-License-Identifier: BSD-2-Clause
/* printf's formatting without a C library. */
#ifndef VMM_BASE_FORMAT_H
#define VMM_BASE_FORMAT_H

#include <stdarg.h>
#include <stddef.h>

/* Writes the formatted text to buffer, as snprintf does: at most size bytes, including the closing
 * NUL. Returns the length of the whole text without the NUL, even if the text was cut. size may be
 * 0. Knows %c %s %d %i %u %x %X %p %% with the flags '-' and '0', width and precision (both also as
 * '*') and the lengths l, ll, z. Copies any other conversion unchanged. ISO C11, 7.21.6.1 "The
 * fprintf function". */
size_t format_text(char *buffer, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Does what format_text does, with the arguments in a va_list, which stays unchanged. */
size_t format_text_v(char *buffer, size_t size, const char *format, va_list arguments)
    __attribute__((format(printf, 3, 0)));

#endif
