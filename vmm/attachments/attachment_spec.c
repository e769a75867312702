// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/attachments/attachment_spec.h"

#include "vmm/base/bits.h"
#include "vmm/base/format.h"

#include <string.h>

#define PORT_LAST          UINT64_C(0xffff)
#define PORT_WIDTH_MAX     4 /* Intel SDM vol. 2B, "OUT": no 8 bytes */
#define LENGTH_BYTES_MAX   BIT(63)
#define LINE_CASCADE       2
#define RING_ENTRIES_MIN   2
#define RING_ENTRIES_USUAL 64
#define DELAY_US_USUAL     1000
#define WORDS_MAX          20 /* one more than the longest doorbell has */
#define LINE_CHARS_MAX     255
#define NUMBER_HINT        "write a number, decimal or hexadecimal with 0x"
#define NAME_HINT          "letters, digits, '-', '_' and '.'"
#define WIDTH_HINT         "it can be 1, 2, 4, 8 or any"
#define MESSAGE_DATA_MAX   UINT64_C(0xffff)
#define MESSAGE_VECTOR_MIN 0x10
#define MESSAGE_VECTOR_MAX 0xfe

const char *attachment_kind_name(enum attachment_kind kind)
{
    static const char *const names[] = {
        [ATTACHMENT_DOORBELL] = "doorbell",
        [ATTACHMENT_ZONE] = "zone",
        [ATTACHMENT_TRIGGER] = "trigger",
    };

    return names[kind];
}

struct message {
    char *text;
    size_t size_bytes;
};

static enum status refuse(const struct message *message, enum status status, const char *format,
                          ...) __attribute__((format(printf, 3, 4)));

static enum status refuse(const struct message *message, enum status status, const char *format,
                          ...)
{
    va_list arguments;

    va_start(arguments, format);
    format_text_v(message->text, message->size_bytes, format, arguments);
    va_end(arguments);
    return status;
}

/* Checks. A parsed spec passes them as well, so that the parser only reads. */

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
}

static bool is_name(const char name[ATTACHMENT_NAME_BYTES])
{
    size_t length = 0;

    while (length < ATTACHMENT_NAME_BYTES && is_name_char(name[length]))
        length++;
    return length > 0 && length < ATTACHMENT_NAME_BYTES && name[length] == '\0';
}

static uint64_t address_last(const struct attachment_spec *spec)
{
    return spec->space == ATTACHMENT_PORT ? PORT_LAST : UINT64_MAX;
}

static const char *space_name(const struct attachment_spec *spec)
{
    return spec->space == ATTACHMENT_PORT ? "port" : "mmio";
}

/* Checks that [address, address + length_bytes) is in the spec's space. length_bytes is at least
 * 1. */
static enum status check_extent(const struct attachment_spec *spec, uint64_t length_bytes,
                                const struct message *message)
{
    uint64_t last = address_last(spec);

    if (spec->space != ATTACHMENT_PORT && spec->space != ATTACHMENT_MMIO)
        return refuse(message, STATUS_INVALID, "the address is of a port or of mmio");
    if (spec->address > last || length_bytes - 1 > last - spec->address)
        return refuse(message, STATUS_OUT_OF_RANGE,
                      "%s 0x%llx and the %llu bytes from there do not end by "
                      "0x%llx, the last of "
                      "all",
                      space_name(spec), (unsigned long long)spec->address,
                      (unsigned long long)length_bytes, (unsigned long long)last);
    return STATUS_OK;
}

static enum status check_line(const struct attachment_spec *spec, const struct message *message)
{
    if (spec->line >= ATTACHMENT_LINES)
        return refuse(message, STATUS_OUT_OF_RANGE, "line %u: the lines are 0 to %u", spec->line,
                      ATTACHMENT_LINES - 1);
    if (spec->line == LINE_CASCADE)
        return refuse(message, STATUS_OUT_OF_RANGE,
                      "line 2: it joins the two interrupt controllers and nothing else; take "
                      "another");
    return STATUS_OK;
}

/* Intel SDM vol. 3A, Sep 2023, "Message Address Register Format". */
static enum status check_message_address(uint64_t address, const struct message *message)
{
    const uint64_t destination = BITS(address, 19, 12);
    const bool is_redirectable = BITS(address, 3, 3) != 0, is_logical = BITS(address, 2, 2) != 0;

    if (address >> 20 != 0xfee || BITS(address, 11, 4) != 0 || BITS(address, 1, 0) != 0)
        return refuse(message, STATUS_OUT_OF_RANGE,
                      "message address 0x%llx: it is 0xfee00000, plus 0x1000 times the "
                      "destination's "
                      "ID, plus 8 for the redirection hint, plus 4 for a logical destination",
                      (unsigned long long)address);
    if (is_redirectable && !is_logical && destination == 0xff)
        return refuse(message, STATUS_INVALID,
                      "message address 0x%llx: all processors, and the redirection hint; of the "
                      "two leave one",
                      (unsigned long long)address);
    return STATUS_OK;
}

/* Checks the data. "Message Data Register Format". */
static enum status check_message_data(uint32_t data, const struct message *message)
{
    /* For each delivery mode: whether such a message exists, and whether it uses the vector. */
    static const struct {
        bool is_there, has_vector;
    } deliveries[8] = {
        [0] = {true, true},  /* fixed */
        [1] = {true, true},  /* lowest priority */
        [4] = {true, false}, /* NMI */
        [5] = {true, false}, /* INIT */
        [7] = {true, false}, /* ExtINT */
    };
    unsigned delivery = (unsigned)BITS(data, 10, 8), vector = data & 0xff;

    if (data > MESSAGE_DATA_MAX || BITS(data, 13, 11) != 0)
        return refuse(message, STATUS_OUT_OF_RANGE,
                      "message data 0x%x: bits 7:0 are the vector, 10:8 the delivery mode, 14 "
                      "asserts, 15 is for level; no others",
                      data);
    if (!deliveries[delivery].is_there)
        return refuse(message, STATUS_INVALID,
                      "message data 0x%x: its delivery mode is %u; there are 0 fixed, 1 lowest "
                      "priority, 4 NMI, 5 INIT and 7 ExtINT",
                      data, delivery);
    if (deliveries[delivery].has_vector &&
        (vector < MESSAGE_VECTOR_MIN || vector > MESSAGE_VECTOR_MAX))
        return refuse(message, STATUS_OUT_OF_RANGE,
                      "message data 0x%x: its vector is 0x%x; it can be 0x%x to 0x%x", data, vector,
                      MESSAGE_VECTOR_MIN, MESSAGE_VECTOR_MAX);
    if (BITS(data, 15, 14) == 2)
        return refuse(message, STATUS_INVALID,
                      "message data 0x%x: level without assert, which raises nothing; add 0x4000",
                      data);
    return STATUS_OK;
}

static enum status check_message(const struct attachment_spec *spec, const struct message *message)
{
    enum status status = check_message_address(spec->message_address, message);

    return status == STATUS_OK ? check_message_data(spec->message_data, message) : status;
}

static enum status check_trigger(const struct attachment_spec *spec, const struct message *message)
{
    if (!spec->has_message)
        return check_line(spec, message);
    if (spec->is_level)
        return refuse(message, STATUS_INVALID,
                      "level is for a line; a message has it in bit 15 of its data");
    return check_message(spec, message);
}

static bool is_width(uint8_t width_bytes)
{
    return width_bytes == 0 || width_bytes == 1 || width_bytes == 2 || width_bytes == 4 ||
           width_bytes == 8;
}

static enum status check_data(const struct attachment_spec *spec, const struct message *message)
{
    unsigned widest = spec->space == ATTACHMENT_PORT ? PORT_WIDTH_MAX : 8;
    uint64_t data_max = bytes_mask(spec->width_bytes != 0 ? spec->width_bytes : widest);

    if (spec->data > data_max)
        return refuse(message, STATUS_OUT_OF_RANGE,
                      "data 0x%llx: at most 0x%llx is written with this width",
                      (unsigned long long)spec->data, (unsigned long long)data_max);
    if (spec->count - 1 > data_max - spec->data)
        return refuse(message, STATUS_OUT_OF_RANGE,
                      "count %u: from data 0x%llx on, %llu values are left with this width",
                      spec->count, (unsigned long long)spec->data,
                      (unsigned long long)(data_max - spec->data + 1));
    return STATUS_OK;
}

static enum status check_doorbell(const struct attachment_spec *spec, const struct message *message)
{
    uint64_t width_bytes = spec->width_bytes != 0 ? spec->width_bytes : 1;
    enum status status;

    if (!is_width(spec->width_bytes))
        return refuse(message, STATUS_INVALID, "width %u: " WIDTH_HINT, spec->width_bytes);
    if (spec->space == ATTACHMENT_PORT && spec->width_bytes > PORT_WIDTH_MAX)
        return refuse(message, STATUS_OUT_OF_RANGE,
                      "width 8: a port is written with 1, 2 or 4 bytes");
    if (spec->count < 1 || spec->count > ATTACHMENT_DOORBELLS_MAX)
        return refuse(message, STATUS_OUT_OF_RANGE, "count %u: it can be 1 to %u", spec->count,
                      ATTACHMENT_DOORBELLS_MAX);
    status = check_extent(spec, spec->has_data ? width_bytes : width_bytes * spec->count, message);
    if (status == STATUS_OK && spec->has_data)
        status = check_data(spec, message);
    if (status == STATUS_OK && spec->has_line)
        status = check_line(spec, message);
    if (status == STATUS_OK && spec->has_message)
        status = check_message(spec, message);
    if (status != STATUS_OK)
        return status;
    if (spec->trigger[0] != '\0' && !is_name(spec->trigger))
        return refuse(message, STATUS_INVALID, "trigger: its name has 1 to %u " NAME_HINT,
                      ATTACHMENT_NAME_BYTES - 1);
    if (spec->drain[0] != '\0' && !is_name(spec->drain))
        return refuse(message, STATUS_INVALID, "drain: the zone's name has 1 to %u " NAME_HINT,
                      ATTACHMENT_NAME_BYTES - 1);
    return STATUS_OK;
}

static bool is_power_of_two(uint32_t value)
{
    return value != 0 && (value & (value - 1)) == 0;
}

static enum status check_zone(const struct attachment_spec *spec, const struct message *message)
{
    if (spec->length_bytes == 0 || spec->length_bytes > LENGTH_BYTES_MAX)
        return refuse(message, STATUS_OUT_OF_RANGE, "LENGTH 0x%llx: it can be 1 to 0x%llx bytes",
                      (unsigned long long)spec->length_bytes, (unsigned long long)LENGTH_BYTES_MAX);
    if (spec->ring_entries < RING_ENTRIES_MIN || spec->ring_entries > ATTACHMENT_RING_MAX ||
        !is_power_of_two(spec->ring_entries))
        return refuse(message, STATUS_OUT_OF_RANGE,
                      "ring %u: it can be a power of two, %u to %u writes", spec->ring_entries,
                      RING_ENTRIES_MIN, ATTACHMENT_RING_MAX);
    if (spec->delay_us < 1 || spec->delay_us > ATTACHMENT_DELAY_US_MAX)
        return refuse(message, STATUS_OUT_OF_RANGE, "delay %u: it can be 1 to %u microseconds",
                      spec->delay_us, ATTACHMENT_DELAY_US_MAX);
    return check_extent(spec, spec->length_bytes, message);
}

enum status attachment_spec_check(const struct attachment_spec *spec, char *message,
                                  size_t message_bytes)
{
    const struct message to = {message, message_bytes};

    if (!is_name(spec->name))
        return refuse(&to, STATUS_INVALID, "its name has to be 1 to %u " NAME_HINT,
                      ATTACHMENT_NAME_BYTES - 1);
    switch (spec->kind) {
    case ATTACHMENT_DOORBELL: return check_doorbell(spec, &to);
    case ATTACHMENT_ZONE: return check_zone(spec, &to);
    case ATTACHMENT_TRIGGER: return check_trigger(spec, &to);
    }
    return refuse(&to, STATUS_INVALID, "neither a doorbell nor a zone nor a trigger");
}

/* Reading */

/* Takes words from the line, one after the other. */
struct reader {
    struct attachment_spec *spec;
    const char *const *words;
    size_t word_count, next;
    struct message message;
};

/* Returns the next word; null at the end. */
static const char *take(struct reader *reader)
{
    return reader->next < reader->word_count ? reader->words[reader->next++] : NULL;
}

static unsigned digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0');
    c |= 0x20; /* lower case */
    return c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10 : 16;
}

/* Reads a number up to maximum. what: for messages, the word before the number or the name of its
 * place. */
static enum status read_number(struct reader *reader, const char *what, uint64_t maximum,
                               uint64_t *number)
{
    const char *word = take(reader);
    const char *digit = word;
    unsigned base = 10;
    bool overflows = false;
    uint64_t value = 0;

    if (word == NULL)
        return refuse(&reader->message, STATUS_INVALID, "%s is missing; " NUMBER_HINT, what);
    if (digit[0] == '0' && (digit[1] == 'x' || digit[1] == 'X')) {
        base = 16;
        digit += 2;
    }
    if (*digit == '\0')
        return refuse(&reader->message, STATUS_INVALID, "%s %.24s: " NUMBER_HINT, what, word);
    for (; *digit != '\0'; digit++) {
        unsigned one = digit_value(*digit);

        if (one >= base)
            return refuse(&reader->message, STATUS_INVALID, "%s %.24s: " NUMBER_HINT, what, word);
        overflows |= __builtin_mul_overflow(value, (uint64_t)base, &value);
        overflows |= __builtin_add_overflow(value, (uint64_t)one, &value);
    }
    if (overflows || value > maximum)
        return refuse(&reader->message, STATUS_OUT_OF_RANGE, "%s %.24s: it can be at most 0x%llx",
                      what, word, (unsigned long long)maximum);
    *number = value;
    return STATUS_OK;
}

static enum status read_name(struct reader *reader, const char *what, char *name)
{
    const char *word = take(reader);

    if (word == NULL)
        return refuse(&reader->message, STATUS_INVALID, "%s is missing", what);

    size_t length = strlen(word);

    if (length >= ATTACHMENT_NAME_BYTES)
        return refuse(&reader->message, STATUS_OUT_OF_RANGE,
                      "%s '%.40s' is %zu characters long; at most %u fit", what, word, length,
                      ATTACHMENT_NAME_BYTES - 1);
    memcpy(name, word, length + 1);
    if (!is_name(name))
        return refuse(&reader->message, STATUS_INVALID, "%s '%s' may have only " NAME_HINT, what,
                      word);
    return STATUS_OK;
}

static enum status read_width(struct reader *reader)
{
    static const struct {
        const char *word;
        uint8_t width_bytes;
    } widths[] = {{"1", 1}, {"2", 2}, {"4", 4}, {"8", 8}, {"any", 0}};
    const char *word = take(reader);

    for (size_t i = 0; word != NULL && i < ARRAY_COUNT(widths); i++)
        if (strcmp(word, widths[i].word) == 0) {
            reader->spec->width_bytes = widths[i].width_bytes;
            return STATUS_OK;
        }
    return refuse(&reader->message, STATUS_INVALID, "width %.24s: " WIDTH_HINT,
                  word != NULL ? word : "is missing");
}

static enum status read_data(struct reader *reader)
{
    reader->spec->has_data = true;
    return read_number(reader, "data", UINT64_MAX, &reader->spec->data);
}

/* Reads a number into a field of 32 bits. attachment_spec_check checks its range. */
static enum status read_u32(struct reader *reader, const char *what, uint32_t *field)
{
    uint64_t number = 0;
    enum status status = read_number(reader, what, UINT32_MAX, &number);

    *field = (uint32_t)number;
    return status;
}

static enum status read_count(struct reader *reader)
{
    return read_u32(reader, "count", &reader->spec->count);
}

static enum status read_line(struct reader *reader)
{
    uint64_t number = 0;
    enum status status = read_number(reader, "line", ATTACHMENT_LINES - 1, &number);

    reader->spec->has_line = reader->spec->kind == ATTACHMENT_DOORBELL;
    reader->spec->line = (uint8_t)number;
    return status;
}

static enum status read_message(struct reader *reader)
{
    uint64_t data = 0;
    enum status status =
        read_number(reader, "the message's address", UINT64_MAX, &reader->spec->message_address);

    if (status == STATUS_OK)
        status = read_number(reader, "the message's data", MESSAGE_DATA_MAX, &data);
    reader->spec->has_message = true;
    reader->spec->message_data = (uint32_t)data;
    return status;
}

static enum status read_trigger(struct reader *reader)
{
    return read_name(reader, "the trigger's name", reader->spec->trigger);
}

static enum status read_drain(struct reader *reader)
{
    return read_name(reader, "the zone's name", reader->spec->drain);
}

static enum status read_trace(struct reader *reader)
{
    reader->spec->is_traced = true;
    return STATUS_OK;
}

static enum status read_ring(struct reader *reader)
{
    return read_u32(reader, "ring", &reader->spec->ring_entries);
}

static enum status read_delay(struct reader *reader)
{
    return read_u32(reader, "delay", &reader->spec->delay_us);
}

static enum status read_level(struct reader *reader)
{
    reader->spec->is_level = true;
    return STATUS_OK;
}

struct option {
    const char *word;
    enum status (*read)(struct reader *reader); /* reads what follows the word */
};

static const struct option doorbell_options[] = {
    {"width", read_width}, {"data", read_data},       {"count", read_count},
    {"line", read_line},   {"message", read_message}, {"trigger", read_trigger},
    {"drain", read_drain}, {"trace", read_trace},     {NULL, NULL},
};

static const struct option zone_options[] = {
    {"ring", read_ring},
    {"delay", read_delay},
    {NULL, NULL},
};

enum { TRIGGER_LINE, TRIGGER_LEVEL, TRIGGER_MESSAGE };

static const struct option trigger_options[] = {
    [TRIGGER_LINE] = {"line", read_line},
    [TRIGGER_LEVEL] = {"level", read_level},
    [TRIGGER_MESSAGE] = {"message", read_message},
    {NULL, NULL},
};

static const struct {
    const struct option *options;
    const char *form;
} grammar[] = {
    [ATTACHMENT_DOORBELL] = {doorbell_options,
                             "NAME port|mmio ADDRESS [width 1|2|4|8|any] [data VALUE] [count N] "
                             "[line N] [message ADDRESS DATA] [trigger NAME] [drain NAME] "
                             "[trace]"},
    [ATTACHMENT_ZONE] = {zone_options,
                         "NAME port|mmio ADDRESS LENGTH [ring N] [delay MICROSECONDS]"},
    [ATTACHMENT_TRIGGER] = {trigger_options, "NAME line N [level] or NAME message ADDRESS DATA"},
};

static enum status read_space(struct reader *reader)
{
    const char *word = take(reader);

    if (word != NULL && strcmp(word, "port") == 0)
        reader->spec->space = ATTACHMENT_PORT;
    else if (word != NULL && strcmp(word, "mmio") == 0)
        reader->spec->space = ATTACHMENT_MMIO;
    else
        return refuse(&reader->message, STATUS_INVALID,
                      "after the name comes port or mmio, not '%.24s'; the form is: %s",
                      word != NULL ? word : "", grammar[reader->spec->kind].form);
    return read_number(reader, "ADDRESS", address_last(reader->spec), &reader->spec->address);
}

/* Checks that a trigger either drives a line or sends a message. said: one bit for each option that
 * the line has. */
static enum status check_trigger_options(const struct reader *reader, unsigned said)
{
    const unsigned line = 1u << TRIGGER_LINE, message = 1u << TRIGGER_MESSAGE;

    if ((said & (line | message)) == 0)
        return refuse(&reader->message, STATUS_INVALID,
                      "message or line is missing; the form is: %s",
                      grammar[ATTACHMENT_TRIGGER].form);
    if ((said & (line | message)) == (line | message))
        return refuse(&reader->message, STATUS_INVALID,
                      "line and message are both said; a trigger has one of them");
    return STATUS_OK;
}

static enum status read_options(struct reader *reader)
{
    const struct option *options = grammar[reader->spec->kind].options;
    unsigned said = 0;

    for (const char *word; (word = take(reader)) != NULL;) {
        unsigned i = 0;

        while (options[i].word != NULL && strcmp(word, options[i].word) != 0)
            i++;
        if (options[i].word == NULL)
            return refuse(&reader->message, STATUS_INVALID, "unknown word '%.24s'; the form is: %s",
                          word, grammar[reader->spec->kind].form);
        if (said & 1u << i)
            return refuse(&reader->message, STATUS_INVALID, "%s is said twice; keep one", word);
        said |= 1u << i;

        enum status status = options[i].read(reader);

        if (status != STATUS_OK)
            return status;
    }
    return reader->spec->kind == ATTACHMENT_TRIGGER ? check_trigger_options(reader, said)
                                                    : STATUS_OK;
}

enum status attachment_spec_parse(enum attachment_kind kind, const char *const *words,
                                  size_t word_count, struct attachment_spec *spec, char *message,
                                  size_t message_bytes)
{
    struct reader reader = {
        .spec = spec,
        .words = words,
        .word_count = word_count,
        .message = {message, message_bytes},
    };
    enum status status;

    *spec = (struct attachment_spec){.kind = kind};
    if (kind == ATTACHMENT_DOORBELL)
        spec->count = 1;
    if (kind == ATTACHMENT_ZONE) {
        spec->ring_entries = RING_ENTRIES_USUAL;
        spec->delay_us = DELAY_US_USUAL;
    }
    if (word_count == 0)
        return refuse(&reader.message, STATUS_INVALID, "nothing is said; the form is: %s",
                      grammar[kind].form);
    status = read_name(&reader, "the name", spec->name);
    if (status == STATUS_OK && kind != ATTACHMENT_TRIGGER)
        status = read_space(&reader);
    if (status == STATUS_OK && kind == ATTACHMENT_ZONE)
        status = read_number(&reader, "LENGTH", LENGTH_BYTES_MAX, &spec->length_bytes);
    if (status == STATUS_OK)
        status = read_options(&reader);
    if (status == STATUS_OK)
        status = attachment_spec_check(spec, message, message_bytes);
    return status;
}

enum status attachment_spec_parse_line(enum attachment_kind kind, const char *line, size_t length,
                                       struct attachment_spec *spec, char *message,
                                       size_t message_bytes)
{
    const struct message to = {message, message_bytes};
    char text[LINE_CHARS_MAX + 1];
    const char *words[WORDS_MAX];
    size_t word_count = 0;
    bool is_inside = false;

    if (length > LINE_CHARS_MAX)
        return refuse(&to, STATUS_OUT_OF_RANGE, "%zu characters are too many; at most %u are read",
                      length, LINE_CHARS_MAX);
    for (size_t i = 0; i < length; i++) {
        bool is_blank = line[i] == ' ' || line[i] == '\t';

        text[i] = is_blank ? '\0' : line[i];
        if (!is_blank && !is_inside) {
            /* A line with more words than one of each option has one option twice, so the surplus
             * is not needed. */
            if (word_count == WORDS_MAX)
                break;
            words[word_count++] = &text[i];
        }
        is_inside = !is_blank;
    }
    text[length] = '\0';
    return attachment_spec_parse(kind, words, word_count, spec, message, message_bytes);
}
