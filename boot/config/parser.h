// SPDX-License-Identifier: BSD-2-Clause
/* The interface within boot/config between config.c, which reads the lines, and values.c, which
 * reads the values; parser.c has the common functions. */
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
    struct config_guest *guest; /* the guest whose section is open; null: [monitor] */
    uint32_t cpu_count;         /* of the machine */
    unsigned line;              /* counted from 1 */
    char *message;
    size_t message_bytes;
};

/* Checks the value of one key and stores it in parser->config. */
typedef enum status config_set(struct parser *parser, struct text value);

struct config_key {
    const char *name;
    config_set *set;
    bool may_be_empty;
    bool may_repeat;
};

#define CONFIG_KEYS_MAX 16

/* The keys of [monitor] and of [guest NAME]. Each list ends with a null name and has fewer than
 * CONFIG_KEYS_MAX entries. */
extern const struct config_key config_monitor_keys[];
extern const struct config_key config_guest_keys[];

/* Writes "portcullis.conf:LINE: TEXT" to the parser's message and returns status. */
enum status config_refuse(struct parser *parser, unsigned line, enum status status,
                          const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Checks a guest's attachments together: whether what its doorbells refer to exists. */
enum status config_check_attachments(struct parser *parser);

bool text_equals(struct text text, const char *string);

/* The arguments of "%.*s" for text in a message, cut at 40 characters. */
#define QUOTED(text) (int)((text).length < 40 ? (text).length : 40), (text).start

#endif
