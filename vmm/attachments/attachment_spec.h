// SPDX-License-Identifier: BSD-2-Clause
/* What a line of the configuration, or of the prompt, may attach to a guest's buses and interrupts
 * while it runs: a doorbell, a coalesced zone, a trigger. This is the text and the struct it
 * becomes; attachments.h puts them to work. */
#ifndef VMM_ATTACHMENTS_ATTACHMENT_SPEC_H
#define VMM_ATTACHMENTS_ATTACHMENT_SPEC_H

#include "vmm/base/status.h"
#include "vmm/base/types.h"

#define ATTACHMENT_NAME_BYTES    24 /* closing NUL included */
#define ATTACHMENT_DOORBELLS_MAX 16384
#define ATTACHMENT_RING_MAX      4096
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

    /* A doorbell, or count of them: with data, all on address, for data, data + 1, ...; without, on
     * neighbouring addresses, width_bytes (any width: 1) apart. */
    uint8_t width_bytes; /* 1, 2, 4, 8; 0: any */
    bool has_data;
    uint64_t data;
    uint32_t count; /* 1..ATTACHMENT_DOORBELLS_MAX */
    /* Who listens: any of these, or nobody but the counter. */
    bool is_traced;                      /* a line on the console */
    bool has_line;                       /* a pulse on this line for each ring */
    bool has_message;                    /* this message to the local APICs for each ring */
    char trigger[ATTACHMENT_NAME_BYTES]; /* raises it; "" for none */
    char drain[ATTACHMENT_NAME_BYTES];   /* drains this zone; "" for none */

    /* A zone. */
    uint64_t length_bytes;
    uint32_t ring_entries; /* a power of two, 2..ATTACHMENT_RING_MAX */
    uint32_t delay_us;     /* the longest that a write waits; 1..1000000 */

    /* A trigger without has_message, and a doorbell with has_line. */
    uint8_t line;  /* 0..23, the board's global system interrupt numbers; not 2 */
    bool is_level; /* triggers only: high until the end of interrupt, once for each raise */

    /* Triggers and doorbells with has_message: what a device writes as a message-signalled
     * interrupt (Intel SDM vol. 3A, Sep 2023, "Message Address Register Format", "Message Data
     * Register Format"). */
    uint64_t message_address;
    uint32_t message_data;
};

/* "doorbell", "zone" or "trigger": the key in the configuration. */
const char *attachment_kind_name(enum attachment_kind kind);

/* Reads what follows the key `doorbell`, `zone` or `trigger`:
 *     doorbell = NAME port|mmio ADDRESS [width 1|2|4|8|any] [data VALUE] [count N] [line N]
 *                [message ADDRESS DATA] [trigger NAME] [drain NAME] [trace]
 *     zone     = NAME port|mmio ADDRESS LENGTH [ring N] [delay MICROSECONDS]
 *     trigger  = NAME line N [level]
 *     trigger  = NAME message ADDRESS DATA
 * The options of a doorbell or a zone may come in any order, each once. words: of the line,
 * word_count of them; each a NUL-ended string. Numbers as in C, decimal or 0x hexadecimal.
 * Defaults: width any, count 1, ring 64, delay 1000. Whether names exist and addresses are free is
 * found out when it is attached. STATUS_INVALID, STATUS_OUT_OF_RANGE: message (message_bytes) says
 * what is wrong with which word and what would be right; *spec then means nothing. */
MUST_USE enum status attachment_spec_parse(enum attachment_kind kind, const char *const *words,
                                           size_t word_count, struct attachment_spec *spec,
                                           char *message, size_t message_bytes);

/* The same for a line that has not been cut into words yet: length characters, blanks or tabs
 * between the words. */
MUST_USE enum status attachment_spec_parse_line(enum attachment_kind kind, const char *line,
                                                size_t length, struct attachment_spec *spec,
                                                char *message, size_t message_bytes);

/* Whether a spec, wherever it comes from, keeps all the rules that can be told without a guest: the
 * last step of parsing. Errors as above. */
MUST_USE enum status attachment_spec_check(const struct attachment_spec *spec, char *message,
                                           size_t message_bytes);

#endif
