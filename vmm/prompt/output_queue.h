// SPDX-License-Identifier: BSD-2-Clause
/* Everything that is to go out over the serial line, and the order in which it goes:
 *   1. what the user is waiting for: the prompt, the echo, answers;
 *   2. lines of the log, each as a whole, also those that guests cause;
 *   3. the bytes of the guest in view, as long as the prompt does not have the line.
 * A log line that is written while a guest is in view goes out after the bytes that the guest had
 * written before it. Nothing here waits: what finds no room is refused, and the bytes of a guest
 * that is not shown stay in the guest's own ring.
 *
 * A line that begins with "portcullis:" is the monitor's. The guest in view cannot write this word:
 * a backslash comes before the colon, however the guest cuts it into pieces.
 *
 * The caller has a lock: one function at a time is called. Only the rings of guests have another
 * side, which may put bytes into them at any time. */
#ifndef VMM_PROMPT_OUTPUT_QUEUE_H
#define VMM_PROMPT_OUTPUT_QUEUE_H

#include "vmm/base/types.h"
#include "vmm/prompt/byte_ring.h"

#define OUTPUT_PROMPT_BYTES (8 * 1024)
#define OUTPUT_LOG_BYTES    (64 * 1024)

/* How much of the log's ring a text has to leave free: */
#define OUTPUT_SHARE_LINES (16 * 1024)                      /* for the monitor's lines: dumps */
#define OUTPUT_SHARE_DUMPS (OUTPUT_SHARE_LINES + 16 * 1024) /* for dumps as well: guests' lines */

/* What all guests together may have in the log's ring. */
#define OUTPUT_GUEST_LINES_BYTES (OUTPUT_LOG_BYTES - OUTPUT_SHARE_DUMPS)

/* In a text for the prompt: a new line begins here, unless the line is empty anyway. */
#define OUTPUT_FRESH_LINE '\0'

enum output_source {
    OUTPUT_NOTHING,
    OUTPUT_FROM_PROMPT,
    OUTPUT_FROM_LOG,
    OUTPUT_FROM_VIEW,
};

struct output_queue {
    struct byte_ring prompt;
    struct byte_ring log; /* texts, each behind a struct output_header */
    uint8_t prompt_bytes[OUTPUT_PROMPT_BYTES];
    uint8_t log_bytes[OUTPUT_LOG_BYTES];
    struct byte_ring *view; /* what the guest in view has written; null: there is none */
    bool shows_view;        /* false: the prompt has the line */
    uint32_t view_sent;     /* how many bytes came from views so far */

    uint32_t text_left;      /* of the log's text that has begun */
    bool is_log_line_open;   /* the last text of the log did not end its line */
    enum output_source last; /* where the last byte came from */
    bool at_line_start;      /* nothing was sent since the last '\n' */
    unsigned matched_length; /* of the monitor's word, at the end of what was sent */
    uint8_t held;            /* the second byte of a pair whose first one was sent */
    bool has_held;
};

/* Empties the queue. The line is empty, too. */
void output_queue_init(struct output_queue *queue);

/* Makes a guest's ring the one in view; null: no guest is in view. What the ring holds is not
 * lost. The ring stays in use until this function is called again. */
void output_queue_set_view(struct output_queue *queue, struct byte_ring *view);

/* Says whether the view is shown, or the prompt has the line. */
void output_queue_show_view(struct output_queue *queue, bool shows);

/* Appends text for the prompt, in a terminal's form ("\r\n"). Returns how many of the length
 * characters found room. */
size_t output_queue_put_prompt(struct output_queue *queue, const char *text, size_t length);

/* Appends a text to the log, whole or not at all; "\n" becomes "\r\n". The text begins a new line,
 * unless the log's last one did not end its line. reserve_bytes is what has to stay free for more
 * important texts: 0, OUTPUT_SHARE_LINES or OUTPUT_SHARE_DUMPS. Returns false if there is no
 * room. */
MUST_USE bool output_queue_put_log(struct output_queue *queue, const char *text, size_t length,
                                   size_t reserve_bytes);

/* Returns whether something is to be sent now. */
bool output_queue_has_output(const struct output_queue *queue);

/* Takes up to size bytes, which are sent next. Returns their number; less than size only if nothing
 * more is to be sent now. */
size_t output_queue_take(struct output_queue *queue, uint8_t *bytes, size_t size);

#endif
