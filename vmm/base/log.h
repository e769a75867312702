// SPDX-License-Identifier: BSD-2-Clause
/* The monitor's messages. A message is one line: "portcullis: " and the text. A sink decides where
 * the lines go. */
#ifndef VMM_BASE_LOG_H
#define VMM_BASE_LOG_H

#include <stddef.h>

typedef void log_sink(void *context, const char *text, size_t length);

/* Sends all following messages to sink. If sink is null, messages are dropped. context is passed on
 * to sink. */
void log_set_sink(log_sink *sink, void *context);

/* Prints one line "portcullis: TEXT" and adds the end of line. Cuts a line that is longer than 510
 * bytes. */
void log_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Prints text as it is, for dumps and tables; the caller ends lines with "\n". Cuts the text after
 * 510 bytes. */
void log_text(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
