// SPDX-License-Identifier: BSD-2-Clause
/* Reads the values of the configuration file's keys. */
#include "boot/config/parser.h"

#include "vmm/base/bits.h"
#include "vmm/base/format.h"
#include "vmm/base/hex.h"

#include <string.h>

static enum status set_console(struct parser *parser, struct text value);
static enum status set_baud(struct parser *parser, struct text value);
static enum status set_console_irq(struct parser *parser, struct text value);
static enum status set_on_last_exit(struct parser *parser, struct text value);
static enum status set_on_bad_guest(struct parser *parser, struct text value);
static enum status set_schedule(struct parser *parser, struct text value);
static enum status set_heap(struct parser *parser, struct text value);
static enum status set_kernel(struct parser *parser, struct text value);
static enum status set_initrd(struct parser *parser, struct text value);
static enum status set_cmdline(struct parser *parser, struct text value);
static enum status set_memory(struct parser *parser, struct text value);
static enum status set_guest_heap(struct parser *parser, struct text value);
static enum status set_cpus(struct parser *parser, struct text value);
static enum status set_testdev(struct parser *parser, struct text value);
static enum status set_apic(struct parser *parser, struct text value);
static enum status set_x2apic(struct parser *parser, struct text value);
static enum status set_on_reset(struct parser *parser, struct text value);
static enum status set_timeout(struct parser *parser, struct text value);
static enum status set_doorbell(struct parser *parser, struct text value);
static enum status set_zone(struct parser *parser, struct text value);
static enum status set_trigger(struct parser *parser, struct text value);

const struct config_key config_monitor_keys[] = {
    {.name = "console", .set = set_console},
    {.name = "baud", .set = set_baud},
    {.name = "console_irq", .set = set_console_irq},
    {.name = "on_last_exit", .set = set_on_last_exit},
    {.name = "on_bad_guest", .set = set_on_bad_guest},
    {.name = "schedule", .set = set_schedule},
    {.name = "heap", .set = set_heap},
    {.name = NULL},
};

const struct config_key config_guest_keys[] = {
    {.name = "kernel", .set = set_kernel},
    {.name = "initrd", .set = set_initrd},
    {.name = "cmdline", .set = set_cmdline, .may_be_empty = true},
    {.name = "memory", .set = set_memory},
    {.name = "heap", .set = set_guest_heap},
    {.name = "cpus", .set = set_cpus},
    {.name = "testdev", .set = set_testdev},
    {.name = "apic", .set = set_apic},
    {.name = "x2apic", .set = set_x2apic},
    {.name = "on_reset", .set = set_on_reset},
    {.name = "timeout", .set = set_timeout},
    {.name = "doorbell", .set = set_doorbell, .may_repeat = true},
    {.name = "zone", .set = set_zone, .may_repeat = true},
    {.name = "trigger", .set = set_trigger, .may_repeat = true},
    {.name = NULL},
};

_Static_assert(ARRAY_COUNT(config_monitor_keys) <= CONFIG_KEYS_MAX, "a place for each key's line");
_Static_assert(ARRAY_COUNT(config_guest_keys) <= CONFIG_KEYS_MAX, "a place for each key's line");

struct word {
    const char *name;
    uint32_t value;
};

/* Reads a value that is one of a few words. */
static enum status read_word(struct parser *parser, const char *key, struct text value,
                             const struct word *words, size_t word_count, uint32_t *result)
{
    char known[64];
    size_t used = 0;

    for (size_t i = 0; i < word_count; i++) {
        if (text_equals(value, words[i].name)) {
            *result = words[i].value;
            return STATUS_OK;
        }
        if (used < sizeof(known))
            used += format_text(known + used, sizeof(known) - used, "%s%s",
                                i == 0 ? "" : (i + 1 == word_count ? " or " : ", "), words[i].name);
    }
    return config_refuse(parser, parser->line, STATUS_INVALID, "%s = %.*s: it can be %s", key,
                         QUOTED(value), known);
}

/* Reads the decimal digits at the start of text. *digits is how many they are. Returns false if
 * there are none or the number does not fit. */
static bool read_digits(struct text text, uint64_t *number, size_t *digits)
{
    *number = 0;
    for (*digits = 0; *digits < text.length; (*digits)++) {
        char c = text.start[*digits];

        if (c < '0' || c > '9')
            break;
        if (__builtin_mul_overflow(*number, 10, number) ||
            __builtin_add_overflow(*number, (uint64_t)(c - '0'), number))
            return false;
    }
    return *digits > 0;
}

/* Reads "0x" and hexadecimal digits. Returns false if text is anything else. */
static bool read_hex(struct text text, uint32_t *number)
{
    return text.length > 2 && text.start[0] == '0' && text.start[1] == 'x' &&
           hex_read(text.start + 2, text.length - 2, number);
}

static enum status set_console(struct parser *parser, struct text value)
{
    /* The ports that PCs have used since the PC/AT. */
    static const struct word words[] = {
        {"com1", 0x3f8}, {"com2", 0x2f8}, {"com3", 0x3e8}, {"com4", 0x2e8}};
    uint32_t port = 0;

    for (size_t i = 0; i < ARRAY_COUNT(words); i++) {
        if (text_equals(value, words[i].name))
            port = words[i].value;
    }
    if (port == 0 && !read_hex(value, &port))
        return config_refuse(parser, parser->line, STATUS_INVALID,
                             "console = %.*s: it can be com1, com2, com3, com4 or an I/O port such "
                             "as 0x3f8",
                             QUOTED(value));
    /* The chipset has the ports below. The eight registers of a UART begin at a multiple of 8. */
    if (port < CONFIG_CONSOLE_PORT_MIN || port > CONFIG_CONSOLE_PORT_MAX || port % 8 != 0)
        return config_refuse(
            parser, parser->line, STATUS_OUT_OF_RANGE,
            "console = %.*s: a serial port's I/O port is a multiple of 8 from 0x%x "
            "to 0x%x",
            QUOTED(value), CONFIG_CONSOLE_PORT_MIN, CONFIG_CONSOLE_PORT_MAX);
    parser->config->console_port = (uint16_t)port;
    parser->config->console_line = parser->line;
    return STATUS_OK;
}

static enum status set_baud(struct parser *parser, struct text value)
{
    uint64_t baud;
    size_t digits;

    if (!read_digits(value, &baud, &digits) || digits != value.length ||
        baud < CONFIG_CONSOLE_BAUD_MIN || CONFIG_CONSOLE_BAUD_CLOCK % baud != 0)
        return config_refuse(parser, parser->line, STATUS_OUT_OF_RANGE,
                             "baud = %.*s: it has to divide %u, as 115200, 57600, 38400, 19200 and "
                             "9600 do, and to be %u at least",
                             QUOTED(value), CONFIG_CONSOLE_BAUD_CLOCK, CONFIG_CONSOLE_BAUD_MIN);
    parser->config->console_baud = (uint32_t)baud;
    return STATUS_OK;
}

static enum status set_console_irq(struct parser *parser, struct text value)
{
    uint64_t irq;
    size_t digits;

    if (!read_digits(value, &irq, &digits) || digits != value.length || irq < 1 ||
        irq > CONSOLE_IRQ_MAX)
        return config_refuse(
            parser, parser->line, STATUS_OUT_OF_RANGE,
            "console_irq = %.*s: it is a number from 1 to %u, the serial port's IRQ "
            "as the firmware's setup shows it",
            QUOTED(value), CONSOLE_IRQ_MAX);
    parser->config->console_irq = (uint32_t)irq;
    return STATUS_OK;
}

static enum status set_on_last_exit(struct parser *parser, struct text value)
{
    static const struct word words[] = {{"prompt", ON_LAST_EXIT_PROMPT},
                                        {"poweroff", ON_LAST_EXIT_POWEROFF}};
    uint32_t what = 0;
    enum status status = read_word(parser, "on_last_exit", value, words, ARRAY_COUNT(words), &what);

    parser->config->on_last_exit = (enum on_last_exit)what;
    return status;
}

static enum status set_on_bad_guest(struct parser *parser, struct text value)
{
    static const struct word words[] = {{"refuse", false}, {"skip", true}};
    uint32_t skips = 0;
    enum status status =
        read_word(parser, "on_bad_guest", value, words, ARRAY_COUNT(words), &skips);

    parser->config->skips_bad_guests = skips != 0;
    return status;
}

static enum status set_schedule(struct parser *parser, struct text value)
{
    static const struct word words[] = {{"parallel", SCHEDULE_PARALLEL},
                                        {"sequence", SCHEDULE_SEQUENCE}};
    uint32_t what = 0;
    enum status status = read_word(parser, "schedule", value, words, ARRAY_COUNT(words), &what);

    parser->config->schedule = (enum schedule)what;
    return status;
}

static enum status set_heap(struct parser *parser, struct text value)
{
    static const struct word words[] = {{"plain", false}, {"poison", true}};
    uint32_t poisons = 0;
    enum status status = read_word(parser, "heap", value, words, ARRAY_COUNT(words), &poisons);

    parser->config->heap_poisons = poisons != 0;
    return status;
}

/* Reads a path and writes it as the firmware's file system takes it: from the root, with
 * backslashes. */
static enum status read_path(struct parser *parser, const char *key, struct text value, char *path)
{
    bool from_root = value.start[0] == '\\' || value.start[0] == '/';
    size_t used = 0;

    if (!from_root) {
        used = sizeof(CONFIG_FOLDER) - 1;
        memcpy(path, CONFIG_FOLDER, used);
    }
    if (used + value.length >= CONFIG_PATH_BYTES)
        return config_refuse(parser, parser->line, STATUS_OUT_OF_RANGE,
                             "%s: the path is longer than the %u characters that fit", key,
                             CONFIG_PATH_BYTES - 1);
    for (size_t i = 0; i < value.length; i++) {
        char c = value.start[i];

        if (c == '"' || c == '\'')
            return config_refuse(parser, parser->line, STATUS_INVALID,
                                 "%s = %.*s: write the path without quotation marks", key,
                                 QUOTED(value));
        /* FAT does not allow these in a name, and beyond ASCII the file's encoding is not known. */
        if (c < ' ' || c > '~' || strchr("*:<>?|", c) != NULL)
            return config_refuse(parser, parser->line, STATUS_INVALID,
                                 "%s = %.*s: a path has printable ASCII characters, none of them "
                                 "* : < > ? |",
                                 key, QUOTED(value));
        path[used + i] = c == '/' ? '\\' : c;
    }
    used += value.length;
    path[used] = '\0';
    if (path[used - 1] == '\\')
        return config_refuse(parser, parser->line, STATUS_INVALID,
                             "%s = %.*s: that is a folder; a file is needed", key, QUOTED(value));
    return STATUS_OK;
}

static enum status set_kernel(struct parser *parser, struct text value)
{
    parser->guest->kernel_line = parser->line;
    return read_path(parser, "kernel", value, parser->guest->kernel);
}

static enum status set_initrd(struct parser *parser, struct text value)
{
    parser->guest->initrd_line = parser->line;
    return read_path(parser, "initrd", value, parser->guest->initrd);
}

static enum status set_cmdline(struct parser *parser, struct text value)
{
    if (value.length >= GUEST_CMDLINE_BYTES)
        return config_refuse(parser, parser->line, STATUS_OUT_OF_RANGE,
                             "cmdline is %zu characters long; at most %u fit", value.length,
                             GUEST_CMDLINE_BYTES - 1);
    memcpy(parser->guest->cmdline, value.start, value.length);
    return STATUS_OK;
}

/* Reads a whole number with its unit. A number that does not fit becomes UINT64_MAX. */
static enum status read_size(struct parser *parser, const char *key, const char *example,
                             struct text value, uint64_t *bytes)
{
    uint64_t number, unit_bytes = 0;
    size_t digits;
    bool is_number = read_digits(value, &number, &digits);

    if (is_number && digits + 1 == value.length) {
        char unit = value.start[digits] | 0x20; /* lower case */

        unit_bytes = unit == 'k' ? KIB : unit == 'm' ? MIB : unit == 'g' ? GIB : 0;
    }
    if (unit_bytes == 0)
        return config_refuse(parser, parser->line, STATUS_INVALID,
                             "%s = %.*s: write a whole number with its unit K, M or G, such as %s",
                             key, QUOTED(value), example);
    if (__builtin_mul_overflow(number, unit_bytes, bytes))
        *bytes = UINT64_MAX;
    return STATUS_OK;
}

static enum status set_memory(struct parser *parser, struct text value)
{
    uint64_t bytes;
    enum status status = read_size(parser, "memory", "256M", value, &bytes);

    if (status != STATUS_OK)
        return status;
    if (bytes < PAGE_SIZE_LARGE || bytes > CONFIG_MEMORY_BYTES_MAX)
        return config_refuse(parser, parser->line, STATUS_OUT_OF_RANGE,
                             "memory = %.*s: it has to be from 2M to %uG", QUOTED(value),
                             (unsigned)(CONFIG_MEMORY_BYTES_MAX / GIB));
    if (!is_aligned(bytes, PAGE_SIZE_LARGE))
        return config_refuse(parser, parser->line, STATUS_OUT_OF_RANGE,
                             "memory = %.*s: it has to be a multiple of 2M; %lluM would be",
                             QUOTED(value),
                             (unsigned long long)(align_up(bytes, PAGE_SIZE_LARGE) / MIB));
    parser->guest->memory_bytes = bytes;
    parser->guest->memory_line = parser->line;
    return STATUS_OK;
}

/* The boot stage checks the least size, which depends on the guest's other keys. */
static enum status set_guest_heap(struct parser *parser, struct text value)
{
    uint64_t bytes;
    enum status status = read_size(parser, "heap", "4M", value, &bytes);

    if (status != STATUS_OK)
        return status;
    if (bytes == 0 || bytes > CONFIG_HEAP_BYTES_MAX)
        return config_refuse(parser, parser->line, STATUS_OUT_OF_RANGE,
                             "heap = %.*s: it can be at most %uG, and not 0", QUOTED(value),
                             (unsigned)(CONFIG_HEAP_BYTES_MAX / GIB));
    parser->guest->heap_bytes = bytes;
    parser->guest->heap_line = parser->line;
    return STATUS_OK;
}

static enum status set_cpus(struct parser *parser, struct text value)
{
    uint64_t number;
    size_t digits;

    if (!read_digits(value, &number, &digits) || digits != value.length || number == 0)
        return config_refuse(parser, parser->line, STATUS_INVALID,
                             "cpus = %.*s: write a whole number from 1", QUOTED(value));
    if (number > GUEST_CPUS_MAX)
        return config_refuse(parser, parser->line, STATUS_OUT_OF_RANGE,
                             "cpus = %.*s: a guest has at most %u CPUs", QUOTED(value),
                             GUEST_CPUS_MAX);
    if (number > parser->cpu_count)
        return config_refuse(parser, parser->line, STATUS_UNSUPPORTED,
                             "cpus = %.*s: this machine has %u, and each of the guest's needs one "
                             "of its own",
                             QUOTED(value), parser->cpu_count);
    parser->guest->cpu_count = (uint32_t)number;
    return STATUS_OK;
}

static enum status set_testdev(struct parser *parser, struct text value)
{
    static const struct word words[] = {{"off", false}, {"on", true}};
    uint32_t is_on = false;
    enum status status = read_word(parser, "testdev", value, words, ARRAY_COUNT(words), &is_on);

    parser->guest->has_testdev = is_on != 0;
    return status;
}

static enum status set_apic(struct parser *parser, struct text value)
{
    static const struct word words[] = {{"auto", GUEST_APIC_AUTO},
                                        {"emulated", GUEST_APIC_EMULATED},
                                        {"virtual", GUEST_APIC_VIRTUAL}};
    uint32_t apic = GUEST_APIC_AUTO;
    enum status status = read_word(parser, "apic", value, words, ARRAY_COUNT(words), &apic);

    parser->guest->apic = (enum guest_apic)apic;
    return status;
}

static enum status set_x2apic(struct parser *parser, struct text value)
{
    static const struct word words[] = {{"off", false}, {"on", true}};
    uint32_t is_on = true;
    enum status status = read_word(parser, "x2apic", value, words, ARRAY_COUNT(words), &is_on);

    parser->guest->has_no_x2apic = is_on == 0;
    return status;
}

static enum status set_on_reset(struct parser *parser, struct text value)
{
    static const struct word words[] = {{"restart", ON_RESET_RESTART}, {"stop", ON_RESET_STOP}};
    uint32_t what = 0;
    enum status status = read_word(parser, "on_reset", value, words, ARRAY_COUNT(words), &what);

    parser->guest->on_reset = (enum on_reset)what;
    return status;
}

static enum status set_timeout(struct parser *parser, struct text value)
{
    uint64_t seconds;
    size_t digits;

    if (!read_digits(value, &seconds, &digits) || digits != value.length || seconds == 0 ||
        seconds > GUEST_TIMEOUT_SECONDS_MAX)
        return config_refuse(parser, parser->line, STATUS_OUT_OF_RANGE,
                             "timeout = %.*s: it is a number of seconds from 1 to %u; leave the "
                             "line out for a guest that may run as long as it likes",
                             QUOTED(value), GUEST_TIMEOUT_SECONDS_MAX);
    parser->guest->timeout_seconds = (uint32_t)seconds;
    return STATUS_OK;
}

/* Returns the number in struct config of this guest's attachment with this name, or
 * CONFIG_ATTACHMENTS_MAX. */
static size_t find_attachment(const struct parser *parser, const char *name)
{
    size_t end = parser->guest->attachment_first + parser->guest->attachment_count;

    for (size_t i = parser->guest->attachment_first; i < end; i++)
        if (strcmp(parser->config->attachments[i].name, name) == 0)
            return i;
    return CONFIG_ATTACHMENTS_MAX;
}

static enum status add_attachment(struct parser *parser, enum attachment_kind kind,
                                  struct text value)
{
    struct config *config = parser->config;
    const char *key = attachment_kind_name(kind);
    char message[ATTACHMENT_MESSAGE_BYTES] = "";
    struct attachment_spec spec;
    enum status status = attachment_spec_parse_line(kind, value.start, value.length, &spec, message,
                                                    sizeof(message));

    if (status != STATUS_OK)
        return config_refuse(parser, parser->line, status, "%s = %.*s: %s", key, QUOTED(value),
                             message);

    size_t same = find_attachment(parser, spec.name);

    if (same != CONFIG_ATTACHMENTS_MAX)
        return config_refuse(parser, parser->line, STATUS_CONFLICT,
                             "%s: there is a %s '%s' already, on line %u; give this one another "
                             "name",
                             key, attachment_kind_name(config->attachments[same].kind), spec.name,
                             config->attachment_lines[same]);
    if (parser->guest->attachment_count == GUEST_ATTACHMENTS_MAX)
        return config_refuse(parser, parser->line, STATUS_OUT_OF_RANGE,
                             "%s: a guest may have at most %u doorbells, zones and triggers; a "
                             "doorbell with count is one",
                             key, GUEST_ATTACHMENTS_MAX);
    if (config->attachment_count == CONFIG_ATTACHMENTS_MAX)
        return config_refuse(parser, parser->line, STATUS_OUT_OF_RANGE,
                             "%s: all guests together may have at most %u doorbells, zones and "
                             "triggers",
                             key, CONFIG_ATTACHMENTS_MAX);
    config->attachments[config->attachment_count] = spec;
    config->attachment_lines[config->attachment_count++] = parser->line;
    parser->guest->attachment_count++;
    return STATUS_OK;
}

static enum status set_doorbell(struct parser *parser, struct text value)
{
    return add_attachment(parser, ATTACHMENT_DOORBELL, value);
}

static enum status set_zone(struct parser *parser, struct text value)
{
    return add_attachment(parser, ATTACHMENT_ZONE, value);
}

static enum status set_trigger(struct parser *parser, struct text value)
{
    return add_attachment(parser, ATTACHMENT_TRIGGER, value);
}

/* Checks that the attachment exists that the doorbell with this number refers to by name, if it
 * refers to one. */
static enum status check_reference(struct parser *parser, size_t doorbell, const char *name,
                                   enum attachment_kind kind)
{
    const struct config *config = parser->config;
    size_t found;

    if (name[0] == '\0')
        return STATUS_OK;
    found = find_attachment(parser, name);
    if (found != CONFIG_ATTACHMENTS_MAX && config->attachments[found].kind == kind)
        return STATUS_OK;
    return config_refuse(parser, config->attachment_lines[doorbell], STATUS_NOT_FOUND,
                         "doorbell '%s': guest '%s' has no %s '%s'",
                         config->attachments[doorbell].name, parser->guest->name,
                         attachment_kind_name(kind), name);
}

enum status config_check_attachments(struct parser *parser)
{
    size_t end = parser->guest->attachment_first + parser->guest->attachment_count;
    enum status status = STATUS_OK;

    for (size_t i = parser->guest->attachment_first; i < end && status == STATUS_OK; i++) {
        const struct attachment_spec *spec = &parser->config->attachments[i];

        status = check_reference(parser, i, spec->trigger, ATTACHMENT_TRIGGER);
        if (status == STATUS_OK)
            status = check_reference(parser, i, spec->drain, ATTACHMENT_ZONE);
    }
    return status;
}
