// SPDX-License-Identifier: BSD-2-Clause
#include "boot/config/parser.h"

#include "vmm/base/format.h"

#include <string.h>

bool text_equals(struct text text, const char *string)
{
    return text.length == strlen(string) && memcmp(text.start, string, text.length) == 0;
}

enum status config_refuse(struct parser *parser, unsigned line, enum status status,
                          const char *format, ...)
{
    va_list arguments;
    size_t used =
        format_text(parser->message, parser->message_bytes, "%s:%u: ", CONFIG_FILE_NAME, line);

    if (used < parser->message_bytes) {
        va_start(arguments, format);
        format_text_v(parser->message + used, parser->message_bytes - used, format, arguments);
        va_end(arguments);
    }
    return status;
}
