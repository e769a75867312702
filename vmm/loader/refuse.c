// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/base/format.h"
#include "vmm/loader/format.h"

enum status loader_refuse(const struct loader_report *report, const char *file, enum status status,
                          const char *format, ...)
{
    va_list arguments;
    size_t used = format_text(report->message, report->message_bytes,
                              "guest '%s': %s: ", report->guest_name, file);

    if (used < report->message_bytes) {
        va_start(arguments, format);
        format_text_v(report->message + used, report->message_bytes - used, format, arguments);
        va_end(arguments);
    }
    return status;
}
