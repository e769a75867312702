// SPDX-License-Identifier: BSD-2-Clause
/* One line from a terminal: characters in, echo out, a whole line at Enter. Works on anything that
 * knows backspace. Keys:
 *   Backspace, Delete (0x08, 0x7f)  take back a character
 *   Ctrl-W                          take back a word
 *   Ctrl-U                          take back the line
 *   Ctrl-C                          give the line up
 *   Up, Down, Ctrl-P, Ctrl-N        earlier and later lines
 *   Enter (CR, LF or both)          done
 * Other control characters, other escape sequences (ECMA-48, 5.4 "Control sequences") and bytes
 * above 0x7e are ignored. */
#ifndef VMM_PROMPT_LINE_EDITOR_H
#define VMM_PROMPT_LINE_EDITOR_H

#include "vmm/base/types.h"

#define LINE_BYTES_MAX     255 /* without the NUL; what is typed beyond rings the bell */
#define LINE_HISTORY_LINES 16

/* Where the echo goes. */
typedef void line_echo(void *context, const char *text, size_t length);

enum line_result {
    LINE_PENDING,
    LINE_DONE,      /* line_editor_text has it */
    LINE_CANCELLED, /* Ctrl-C: there is none */
};

struct line_editor {
    line_echo *echo;
    void *echo_context;

    char line[LINE_BYTES_MAX + 1]; /* NUL-terminated at any time */
    size_t length;
    bool is_finished; /* the next character starts a new line */
    bool was_cr;      /* an LF right after a CR belongs to it */
    enum { ESCAPE_NONE, ESCAPE_STARTED, ESCAPE_SEQUENCE, ESCAPE_SINGLE_SHIFT } escape;

    /* history[(history_count - 1) % LINES] is the newest. */
    char history[LINE_HISTORY_LINES][LINE_BYTES_MAX + 1];
    size_t history_count;
    size_t history_back; /* how many lines back the user looks; 0: at the line being typed */
    char draft[LINE_BYTES_MAX + 1]; /* that line, while they look */
};

/* Starts with an empty line and no history. */
void line_editor_init(struct line_editor *editor, line_echo *write, void *echo_context);

/* One received character. */
enum line_result line_editor_feed(struct line_editor *editor, char character);

/* After LINE_DONE: the line without its end. Valid until the next feed. */
const char *line_editor_text(const struct line_editor *editor);

/* What has been typed of a line that is not done, to be shown again after output has disturbed it;
 * "" where none has been begun. Valid until the next feed. */
const char *line_editor_pending(const struct line_editor *editor);

#endif
