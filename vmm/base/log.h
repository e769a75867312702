// SPDX-License-Identifier: BSD-2-Clause
/* The monitor's messages. A line is "portcullis: " and the text; where it goes is the sink's
 * affair. */
#ifndef VMM_BASE_LOG_H
#define VMM_BASE_LOG_H

#include <stddef.h>

typedef void log_sink(void *context, const char *text, size_t length);

/* From now on all messages go to sink; null drops them. */
void log_set_sink(log_sink *sink, void *context);

/* One line "portcullis: TEXT"; the end of line is added. Longer than 500 characters is cut. */
void log_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Text as it is, for dumps and tables; the caller ends lines with "\n". Cut at 500 characters too.
 */
void log_text(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
