// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/base/format.h"

#include <stdbool.h>
#include <stdint.h>

struct output {
    char *buffer;
    size_t size;
    size_t length; /* of the whole text, including what no longer fits */
};

struct conversion {
    bool left;
    bool zero;
    int width;
    int precision; /* -1: no precision was given */
    unsigned long_count;
};

static void put(struct output *out, char c)
{
    if (out->length + 1 < out->size)
        out->buffer[out->length] = c;
    out->length++;
}

static void put_repeated(struct output *out, char c, int count)
{
    for (; count > 0; count--)
        put(out, c);
}

static void put_padded(struct output *out, const struct conversion *conversion, const char *text,
                       int length)
{
    int padding = conversion->width - length;

    if (!conversion->left)
        put_repeated(out, ' ', padding);
    for (int i = 0; i < length; i++)
        put(out, text[i]);
    if (conversion->left)
        put_repeated(out, ' ', padding);
}

static void put_number(struct output *out, const struct conversion *conversion, uint64_t value,
                       unsigned base, bool negative, const char *digits)
{
    char text[64 + 1];
    int start = (int)sizeof(text);
    int least_digits = conversion->precision;

    if (conversion->precision < 0)
        least_digits = conversion->zero && !conversion->left ? conversion->width - negative : 1;
    if (least_digits > 64)
        least_digits = 64;
    for (; value != 0 || (int)sizeof(text) - start < least_digits; value /= base)
        text[--start] = digits[value % base];
    if (negative)
        text[--start] = '-';
    put_padded(out, conversion, text + start, (int)sizeof(text) - start);
}

static void put_string(struct output *out, const struct conversion *conversion, const char *text)
{
    int length = 0;

    if (text == NULL)
        text = "(null)";
    while ((conversion->precision < 0 || length < conversion->precision) && text[length] != '\0')
        length++;
    put_padded(out, conversion, text, length);
}

static uint64_t unsigned_argument(const struct conversion *conversion, va_list *arguments)
{
    if (conversion->long_count == 0)
        return va_arg(*arguments, unsigned);
    return va_arg(*arguments, unsigned long);
}

static int64_t signed_argument(const struct conversion *conversion, va_list *arguments)
{
    if (conversion->long_count == 0)
        return va_arg(*arguments, int);
    return va_arg(*arguments, long);
}

static int parse_count(const char **format, va_list *arguments)
{
    int count = 0;

    if (**format == '*') {
        (*format)++;
        return va_arg(*arguments, int);
    }
    for (; **format >= '0' && **format <= '9'; (*format)++)
        count = count * 10 + (**format - '0');
    return count;
}

static struct conversion parse_conversion(const char **format, va_list *arguments)
{
    struct conversion conversion = {.precision = -1};

    for (;; (*format)++) {
        if (**format == '-')
            conversion.left = true;
        else if (**format == '0')
            conversion.zero = true;
        else
            break;
    }
    conversion.width = parse_count(format, arguments);
    if (**format == '.') {
        (*format)++;
        conversion.precision = parse_count(format, arguments);
    }
    for (; **format == 'l' || **format == 'z'; (*format)++)
        conversion.long_count++;
    return conversion;
}

size_t format_text_v(char *buffer, size_t size, const char *format, va_list arguments_in)
{
    static const char lower[] = "0123456789abcdef";
    static const char upper[] = "0123456789ABCDEF";
    struct output out = {.buffer = buffer, .size = size};
    va_list arguments;

    va_copy(arguments, arguments_in);
    for (; *format != '\0'; format++) {
        if (*format != '%') {
            put(&out, *format);
            continue;
        }
        const char *start = format++;
        struct conversion conversion = parse_conversion(&format, &arguments);
        switch (*format) {
        case 'd':
        case 'i': {
            int64_t value = signed_argument(&conversion, &arguments);
            uint64_t magnitude = value < 0 ? -(uint64_t)value : (uint64_t)value;
            put_number(&out, &conversion, magnitude, 10, value < 0, lower);
            break;
        }
        case 'u':
            put_number(&out, &conversion, unsigned_argument(&conversion, &arguments), 10, false,
                       lower);
            break;
        case 'x':
            put_number(&out, &conversion, unsigned_argument(&conversion, &arguments), 16, false,
                       lower);
            break;
        case 'X':
            put_number(&out, &conversion, unsigned_argument(&conversion, &arguments), 16, false,
                       upper);
            break;
        case 'p':
            put(&out, '0');
            put(&out, 'x');
            put_number(&out, &conversion, (uintptr_t)va_arg(arguments, void *), 16, false, lower);
            break;
        case 'c': {
            char c = (char)va_arg(arguments, int);
            put_padded(&out, &conversion, &c, 1);
            break;
        }
        case 's': put_string(&out, &conversion, va_arg(arguments, const char *)); break;
        case '%': put(&out, '%'); break;
        default:
            while (start < format)
                put(&out, *start++);
            if (*format == '\0')
                format--;
            else
                put(&out, *format);
        }
    }
    va_end(arguments);
    if (size > 0)
        buffer[out.length < size ? out.length : size - 1] = '\0';
    return out.length;
}

size_t format_text(char *buffer, size_t size, const char *format, ...)
{
    va_list arguments;
    size_t length;

    va_start(arguments, format);
    length = format_text_v(buffer, size, format, arguments);
    va_end(arguments);
    return length;
}
