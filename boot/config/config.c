// SPDX-License-Identifier: BSD-2-Clause
#include "boot/config/config.h"

#include "boot/config/parser.h"
#include "vmm/base/format.h"

#include <string.h>

#define MONITOR_NAME     "portcullis"
#define GUEST_NAME_CHARS "letters, digits, '-', '_' and '.'"

/* The open section, and the lines where its keys were given. */
struct section {
    const struct config_key *keys; /* null: no section yet */
    unsigned said_on_line[CONFIG_KEYS_MAX];
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static struct text trimmed(struct text text)
{
    while (text.length > 0 && is_blank(text.start[0])) {
        text.start++;
        text.length--;
    }
    while (text.length > 0 && is_blank(text.start[text.length - 1]))
        text.length--;
    return text;
}

/* --- The nearest known word --- */

#define DISTANCE_CHARS_MAX 24

/* Returns Levenshtein's distance: how many characters to insert, remove or change. */
static unsigned edit_distance(struct text text, const char *word)
{
    unsigned row[DISTANCE_CHARS_MAX + 1];
    size_t word_length = strlen(word);

    if (text.length > DISTANCE_CHARS_MAX || word_length > DISTANCE_CHARS_MAX)
        return DISTANCE_CHARS_MAX;
    for (size_t w = 0; w <= word_length; w++)
        row[w] = (unsigned)w;
    for (size_t t = 1; t <= text.length; t++) {
        unsigned diagonal = row[0];

        row[0] = (unsigned)t;
        for (size_t w = 1; w <= word_length; w++) {
            unsigned best = diagonal + (text.start[t - 1] != word[w - 1]);

            if (row[w] + 1 < best)
                best = row[w] + 1;
            if (row[w - 1] + 1 < best)
                best = row[w - 1] + 1;
            diagonal = row[w];
            row[w] = best;
        }
    }
    return row[word_length];
}

static enum status refuse_unknown_key(struct parser *parser, struct text key,
                                      const struct config_key *keys)
{
    char known[128];
    size_t used = 0;
    const char *nearest = NULL;
    unsigned nearest_distance = 3; /* a greater distance is not a typing error */

    known[0] = '\0';
    for (const struct config_key *k = keys; k->name != NULL; k++) {
        unsigned distance = edit_distance(key, k->name);

        if (distance < nearest_distance && distance < key.length) {
            nearest = k->name;
            nearest_distance = distance;
        }
        if (used < sizeof(known))
            used += format_text(known + used, sizeof(known) - used, "%s%s", k == keys ? "" : ", ",
                                k->name);
    }
    if (nearest != NULL)
        return config_refuse(parser, parser->line, STATUS_INVALID,
                             "unknown key '%.*s'; did you mean '%s'? %s has the keys %s",
                             QUOTED(key), nearest, parser->guest ? "[guest]" : "[monitor]", known);
    return config_refuse(parser, parser->line, STATUS_INVALID,
                         "unknown key '%.*s'; %s has the keys %s", QUOTED(key),
                         parser->guest ? "[guest]" : "[monitor]", known);
}

/* --- Sections --- */

static bool is_guest_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
}

/* Checks that the section has all that it needs. */
static enum status close_section(struct parser *parser)
{
    const struct config_guest *guest = parser->guest;

    if (guest == NULL)
        return STATUS_OK;
    if (guest->kernel_line == 0)
        return config_refuse(parser, guest->line, STATUS_NOT_FOUND,
                             "guest '%s' has no kernel; add a line such as: kernel = "
                             "\\portcullis\\vmlinuz",
                             guest->name);
    if (guest->memory_line == 0)
        return config_refuse(parser, guest->line, STATUS_NOT_FOUND,
                             "guest '%s' has no memory; add a line such as: memory = 256M",
                             guest->name);
    return config_check_attachments(parser);
}

static enum status open_guest(struct parser *parser, struct text name)
{
    struct config *config = parser->config;
    struct config_guest *guest;

    if (name.length == 0)
        return config_refuse(parser, parser->line, STATUS_INVALID,
                             "a guest needs a name, as in [guest debian]");
    if (name.length >= GUEST_NAME_BYTES)
        return config_refuse(parser, parser->line, STATUS_OUT_OF_RANGE,
                             "the guest's name '%.*s' is %zu characters long; at most %u fit",
                             QUOTED(name), name.length, GUEST_NAME_BYTES - 1);
    for (size_t i = 0; i < name.length; i++)
        if (!is_guest_name_char(name.start[i]))
            return config_refuse(parser, parser->line, STATUS_INVALID,
                                 "the guest's name '%.*s' may have only " GUEST_NAME_CHARS,
                                 QUOTED(name));
    if (text_equals(name, MONITOR_NAME))
        return config_refuse(parser, parser->line, STATUS_CONFLICT,
                             "a guest cannot have the name " MONITOR_NAME
                             ", with which the monitor's own lines begin: give it another one");
    for (size_t i = 0; i < config->guest_count; i++)
        if (text_equals(name, config->guests[i].name))
            return config_refuse(parser, parser->line, STATUS_CONFLICT,
                                 "there is a guest '%s' already, on line %u; give this one another "
                                 "name",
                                 config->guests[i].name, config->guests[i].line);
    if (config->guest_count == BOOT_GUESTS_MAX)
        return config_refuse(parser, parser->line, STATUS_OUT_OF_RANGE,
                             "one guest too many; at most %u fit", BOOT_GUESTS_MAX);

    guest = &config->guests[config->guest_count++];
    memcpy(guest->name, name.start, name.length);
    guest->line = parser->line;
    guest->cpu_count = 1;
    guest->apic = GUEST_APIC_AUTO;
    guest->attachment_first = config->attachment_count;
    parser->guest = guest;
    return STATUS_OK;
}

static enum status read_section(struct parser *parser, struct section *section, struct text line,
                                unsigned *monitor_line)
{
    struct text inside = trimmed((struct text){line.start + 1, line.length - 1});
    struct text kind;
    enum status status;

    if (inside.length == 0 || inside.start[inside.length - 1] != ']')
        return config_refuse(parser, parser->line, STATUS_INVALID,
                             "a section's line ends with ']', as in [guest debian]");
    inside.length--;
    inside = trimmed(inside);
    kind = inside;
    for (size_t i = 0; i < inside.length; i++)
        if (is_blank(inside.start[i])) {
            kind.length = i;
            break;
        }

    status = close_section(parser);
    if (status != STATUS_OK)
        return status;
    *section = (struct section){0};
    if (text_equals(inside, "monitor")) {
        if (*monitor_line != 0)
            return config_refuse(parser, parser->line, STATUS_CONFLICT,
                                 "there is a [monitor] section already, on line %u; write its keys "
                                 "there",
                                 *monitor_line);
        *monitor_line = parser->line;
        parser->guest = NULL;
        section->keys = config_monitor_keys;
        return STATUS_OK;
    }
    if (text_equals(kind, "guest")) {
        section->keys = config_guest_keys;
        return open_guest(parser, trimmed((struct text){inside.start + kind.length,
                                                        inside.length - kind.length}));
    }
    return config_refuse(parser, parser->line, STATUS_INVALID,
                         "unknown section [%.*s]; known are [monitor] and [guest NAME]",
                         QUOTED(inside));
}

/* --- Lines --- */

static enum status read_key(struct parser *parser, struct section *section, struct text line)
{
    const char *equals = memchr(line.start, '=', line.length);
    struct text key, value;

    if (section->keys == NULL)
        return config_refuse(parser, parser->line, STATUS_INVALID,
                             "'%.*s' stands before any section; begin with [monitor] or "
                             "[guest NAME]",
                             QUOTED(line));
    if (equals == NULL)
        return config_refuse(parser, parser->line, STATUS_INVALID,
                             "'%.*s' is neither [SECTION], KEY = VALUE nor a comment, which begins "
                             "with ; or #",
                             QUOTED(line));
    key = trimmed((struct text){line.start, (size_t)(equals - line.start)});
    value = trimmed((struct text){equals + 1, line.length - (size_t)(equals - line.start) - 1});

    for (size_t i = 0; section->keys[i].name != NULL; i++) {
        const struct config_key *known = &section->keys[i];

        if (!text_equals(key, known->name))
            continue;
        if (section->said_on_line[i] != 0 && !known->may_repeat)
            return config_refuse(parser, parser->line, STATUS_CONFLICT,
                                 "%s was set already, on line %u; keep one of the two lines",
                                 known->name, section->said_on_line[i]);
        section->said_on_line[i] = parser->line;
        if (value.length == 0 && !known->may_be_empty)
            return config_refuse(parser, parser->line, STATUS_INVALID,
                                 "%s has no value; write one after the '=' or leave the line out",
                                 known->name);
        return known->set(parser, value);
    }
    return refuse_unknown_key(parser, key, section->keys);
}

/* Allows only the characters that an editor writes. A NUL or an escape sequence means a damaged
 * file, or one that is not a text. */
static enum status check_characters(struct parser *parser, struct text line)
{
    if (line.length > CONFIG_LINE_CHARS_MAX)
        return config_refuse(parser, parser->line, STATUS_OUT_OF_RANGE,
                             "the line is %zu characters long; at most %u are read", line.length,
                             CONFIG_LINE_CHARS_MAX);
    for (size_t i = 0; i < line.length; i++) {
        unsigned char c = (unsigned char)line.start[i];

        if ((c < ' ' && c != '\t') || c == 0x7f)
            return config_refuse(parser, parser->line, STATUS_INVALID,
                                 "character %zu of the line is a control character (0x%02x); save "
                                 "the file as plain text",
                                 i + 1, c);
    }
    return STATUS_OK;
}

static enum status read_line(struct parser *parser, struct section *section, struct text line,
                             unsigned *monitor_line)
{
    enum status status;

    if (line.length > 0 && line.start[line.length - 1] == '\r')
        line.length--;
    status = check_characters(parser, line);
    line = trimmed(line);
    if (status != STATUS_OK || line.length == 0 || line.start[0] == ';' || line.start[0] == '#')
        return status;
    if (line.start[0] == '[')
        return read_section(parser, section, line, monitor_line);
    return read_key(parser, section, line);
}

/* --- The whole file --- */

static enum status check_whole(struct parser *parser)
{
    const struct config *config = parser->config;
    uint32_t needed = 0;

    if (config->guest_count == 0)
        return config_refuse(
            parser, parser->line, STATUS_NOT_FOUND,
            "the file ends without a guest; add a section [guest NAME] with kernel "
            "and memory");
    for (size_t i = 0; i < config->guest_count; i++)
        needed += config->guests[i].cpu_count;
    if (config->schedule == SCHEDULE_PARALLEL && needed > parser->cpu_count)
        return config_refuse(parser, config->guests[config->guest_count - 1].line,
                             STATUS_UNSUPPORTED,
                             "%zu guests with %u CPUs in all are to run at once, and this machine "
                             "has %u; give them fewer, or set schedule = sequence in [monitor] to "
                             "run one after the other",
                             config->guest_count, needed, parser->cpu_count);
    return STATUS_OK;
}

enum status config_parse(const char *text, size_t size_bytes, uint32_t cpu_count,
                         struct config *config, char *message, size_t message_bytes)
{
    struct parser parser = {.config = config,
                            .cpu_count = cpu_count,
                            .line = 1,
                            .message = message,
                            .message_bytes = message_bytes};
    struct section section = {0};
    unsigned monitor_line = 0;
    size_t position = 0;
    enum status status;

    if (message_bytes > 0)
        message[0] = '\0';
    memset(config, 0, sizeof(*config));
    config->console_port = 0x3f8;
    config->console_baud = CONFIG_CONSOLE_BAUD_CLOCK;
    config->console_irq = CONSOLE_IRQ_OF_PORT;
    config->on_last_exit = ON_LAST_EXIT_PROMPT;
    config->schedule = SCHEDULE_PARALLEL;

    if (size_bytes >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        position = 3;
    while (position < size_bytes) {
        const char *line = text + position;
        const char *end = memchr(line, '\n', size_bytes - position);
        size_t length = end != NULL ? (size_t)(end - line) : size_bytes - position;

        status = read_line(&parser, &section, (struct text){line, length}, &monitor_line);
        if (status != STATUS_OK)
            return status;
        position += length;
        if (end != NULL) {
            position++;
            parser.line++;
        }
    }
    status = close_section(&parser);
    if (status == STATUS_OK)
        status = check_whole(&parser);
    return status;
}
