// SPDX-License-Identifier: BSD-2-Clause
/* The attachments that a line of the configuration or of the prompt can describe: a doorbell, a
 * coalesced zone, a trigger, attached to a guest's buses and interrupts while it runs. This file
 * has the text's form and the struct; attachments.h attaches what they describe. */
#ifndef VMM_ATTACHMENTS_ATTACHMENT_SPEC_H
#define VMM_ATTACHMENTS_ATTACHMENT_SPEC_H

#include "vmm/base/status.h"
#include "vmm/base/types.h"

#define ATTACHMENT_NAME_BYTES    24 /* including the NUL */
#define ATTACHMENT_DOORBELLS_MAX 16384
#define ATTACHMENT_RING_MAX      1024 /* a device takes as many writes in one go */
#define ATTACHMENT_DELAY_US_MAX  1000000
#define ATTACHMENT_LINES         24
#define ATTACHMENT_MESSAGE_BYTES 320

enum attachment_kind {
    ATTACHMENT_DOORBELL,
    ATTACHMENT_ZONE,
    ATTACHMENT_TRIGGER,
};

enum attachment_space { ATTACHMENT_PORT, ATTACHMENT_MMIO };

struct attachment_spec {
    enum attachment_kind kind;
    char name[ATTACHMENT_NAME_BYTES]; /* letters, digits, '-', '_', '.'; unique in a guest */

    /* Doorbells and zones. */
    enum attachment_space space;
    uint64_t address;

    /* A doorbell, or count doorbells. With data, all have the same address and the data data, data
     * + 1, ... Without data, they have neighbouring addresses, width_bytes apart (1 apart for any
     * width). */
    uint8_t width_bytes; /* 1, 2, 4, 8; 0: any */
    bool has_data;
    uint64_t data;
    uint32_t count; /* 1..ATTACHMENT_DOORBELLS_MAX */
    /* Who is notified of a ring: any of these, or nobody, so that rings are only counted. */
    bool is_traced;                      /* prints a line on the console for each ring */
    bool has_line;                       /* pulses this line for each ring */
    bool has_message;                    /* sends this message to the local APICs for each ring */
    char trigger[ATTACHMENT_NAME_BYTES]; /* raises this trigger; "": none */
    char drain[ATTACHMENT_NAME_BYTES];   /* drains this zone; "": none */

    /* A zone. */
    uint64_t length_bytes;
    uint32_t ring_entries; /* a power of two, 2..ATTACHMENT_RING_MAX */
    uint32_t delay_us;     /* the longest time that a write waits; 1..1000000 */

    /* A trigger without has_message, and a doorbell with has_line. */
    uint8_t line;  /* 0..23 except 2: the board's global system interrupt number */
    bool is_level; /* triggers only: each raise holds the line high until the end of interrupt */

    /* Triggers and doorbells with has_message: the address and the data that a device writes as a
     * message-signalled interrupt (Intel SDM vol. 3A, Sep 2023, "Message Address Register Format",
     * "Message Data Register Format"). */
    uint64_t message_address;
    uint32_t message_data;
};

/* Returns the key in the configuration: "doorbell", "zone" or "trigger". */
const char *attachment_kind_name(enum attachment_kind kind);

/* Reads the text that follows the key `doorbell`, `zone` or `trigger`:
 *
 *     doorbell = NAME port|mmio ADDRESS [width 1|2|4|8|any] [data VALUE] [count N] [line N]
 *                 [message ADDRESS DATA] [trigger NAME] [drain NAME] [trace]
 *     zone     = NAME port|mmio ADDRESS LENGTH [ring N] [delay MICROSECONDS]
 *     trigger  = NAME line N [level]
 *     trigger  = NAME message ADDRESS DATA
 *
 * The options may come in any order, each once. words: the word_count words of the line, each a
 * NUL-terminated string. Numbers are decimal, or hexadecimal with 0x. Defaults: width any, count 1,
 * ring 64, delay 1000. Sets *spec; after an error *spec has no meaning. attachments_attach checks
 * later whether names exist and addresses are free. On an error message (message_bytes) names the
 * wrong word and says what is right.
 * STATUS_INVALID: the text or the spec breaks a rule of the form.
 * STATUS_OUT_OF_RANGE: a number, a name or the text is outside its range. */
MUST_USE enum status attachment_spec_parse(enum attachment_kind kind, const char *const *words,
                                           size_t word_count, struct attachment_spec *spec,
                                           char *message, size_t message_bytes);

/* Does what attachment_spec_parse does for a line that is not cut into words yet: length
 * characters, with blanks or tabs between the words. */
MUST_USE enum status attachment_spec_parse_line(enum attachment_kind kind, const char *line,
                                                size_t length, struct attachment_spec *spec,
                                                char *message, size_t message_bytes);

/* Checks a spec from any source against all rules that need no guest. This is the last step of
 * parsing. Errors and message are those of attachment_spec_parse. */
MUST_USE enum status attachment_spec_check(const struct attachment_spec *spec, char *message,
                                           size_t message_bytes);

#endif
