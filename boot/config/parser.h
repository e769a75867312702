// SPDX-License-Identifier: BSD-2-Clause
/* Within boot/config: what reading the lines (config.c) and reading a value (values.c) share, and
 * parser.c has. */
#ifndef BOOT_CONFIG_PARSER_H
#define BOOT_CONFIG_PARSER_H

#include "boot/config/config.h"

/* Characters of the file, not ended by a NUL. */
struct text {
    const char *start;
    size_t length;
};

struct parser {
    struct config *config;
    struct config_guest *guest; /* the section that is open is this guest's; null: [monitor] */
    uint32_t cpu_count;         /* of the machine */
    unsigned line;              /* counted from 1 */
    char *message;
    size_t message_bytes;
};

/* Checks one key's value and takes it over. */
typedef enum status config_set(struct parser *parser, struct text value);

struct config_key {
    const char *name;
    config_set *set;
    bool may_be_empty;
    bool may_repeat;
};

#define CONFIG_KEYS_MAX 16

/* The keys of [monitor] and of [guest NAME]; each list ends with a null name and has fewer than
 * CONFIG_KEYS_MAX entries. */
extern const struct config_key config_monitor_keys[];
extern const struct config_key config_guest_keys[];

/* Writes "portcullis.conf:LINE: TEXT" and returns status. */
enum status config_refuse(struct parser *parser, unsigned line, enum status status,
                          const char *format, ...) __attribute__((format(printf, 4, 5)));

/* A guest's attachments as a whole: whether what its doorbells refer to is there. */
enum status config_check_attachments(struct parser *parser);

bool text_equals(struct text text, const char *string);

/* For "%.*s": the text as a message quotes it, cut at 40 characters. */
#define QUOTED(text) (int)((text).length < 40 ? (text).length : 40), (text).start

#endif
