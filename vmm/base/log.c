// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/base/log.h"

#include "vmm/base/format.h"

#define LOG_BYTES 512

static log_sink *current_sink;
static void *current_context;

void log_set_sink(log_sink *sink, void *context)
{
    current_sink = sink;
    current_context = context;
}

static void emit(const char *prefix, const char *suffix, const char *format, va_list arguments)
{
    char text[LOG_BYTES];
    size_t length = format_text(text, sizeof(text), "%s", prefix);

    if (current_sink == NULL)
        return;
    length += format_text_v(text + length, sizeof(text) - length, format, arguments);
    if (length > sizeof(text) - 2)
        length = sizeof(text) - 2;
    length += format_text(text + length, sizeof(text) - length, "%s", suffix);
    current_sink(current_context, text, length);
}

void log_line(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    emit("portcullis: ", "\n", format, arguments);
    va_end(arguments);
}

void log_text(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    emit("", "", format, arguments);
    va_end(arguments);
}
