// SPDX-License-Identifier: BSD-2-Clause
/* printf's formatting without a C library. */
#ifndef VMM_BASE_FORMAT_H
#define VMM_BASE_FORMAT_H

#include <stdarg.h>
#include <stddef.h>

/* Writes at most size bytes to buffer, the closing NUL included, and returns the length the whole
 * text has, as snprintf does. size may be 0. Knows %c %s %d %i %u %x %X %p %% with the flags '-',
 * '0', width and precision (both also as '*') and the lengths l, ll, z. Anything else is copied as
 * it stands. ISO C11, 7.21.6.1 "The fprintf function". */
size_t format_text(char *buffer, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

size_t format_text_v(char *buffer, size_t size, const char *format, va_list arguments)
    __attribute__((format(printf, 3, 0)));

#endif
