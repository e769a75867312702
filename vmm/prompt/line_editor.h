// SPDX-License-Identifier: BSD-2-Clause
/* Edits one line from a terminal: takes characters, echoes them, and returns the whole line at
 * Enter. Works on any terminal that knows backspace. Keys:
 *   Backspace, Delete (0x08, 0x7f)  remove a character
 *   Ctrl-W                          remove a word
 *   Ctrl-U                          remove all of the line
 *   Ctrl-C                          cancel the line
 *   Up, Down, Ctrl-P, Ctrl-N        show earlier and later lines
 *   Enter (CR, LF or both)          finish the line
 * All other control characters, other escape sequences (ECMA-48, 5.4 "Control sequences") and bytes
 * above 0x7e are ignored. */
#ifndef VMM_PROMPT_LINE_EDITOR_H
#define VMM_PROMPT_LINE_EDITOR_H

#include "vmm/base/types.h"

#define LINE_BYTES_MAX     255 /* without the NUL; further characters ring the bell */
#define LINE_HISTORY_LINES 16

/* Writes the echo to the terminal. */
typedef void line_echo(void *context, const char *text, size_t length);

enum line_result {
    LINE_PENDING,
    LINE_DONE,      /* line_editor_text returns the line */
    LINE_CANCELLED, /* Ctrl-C: there is no line */
};

struct line_editor {
    line_echo *echo;
    void *echo_context;

    char line[LINE_BYTES_MAX + 1]; /* NUL-terminated at any time */
    size_t length;
    bool is_finished; /* the next character starts a new line */
    bool was_cr;      /* an LF right after a CR is part of the same end of line */
    enum { ESCAPE_NONE, ESCAPE_STARTED, ESCAPE_SEQUENCE, ESCAPE_SINGLE_SHIFT } escape;

    /* history[(history_count - 1) % LINE_HISTORY_LINES] is the newest line. */
    char history[LINE_HISTORY_LINES][LINE_BYTES_MAX + 1];
    size_t history_count;
    size_t history_back; /* the line shown is this many lines back; 0: the line being typed */
    char draft[LINE_BYTES_MAX + 1]; /* the line being typed, while an earlier line is shown */
};

/* Starts with an empty line and no history. write and echo_context: where the echo goes. */
void line_editor_init(struct line_editor *editor, line_echo *write, void *echo_context);

/* Handles one received character and returns whether the line is complete. */
enum line_result line_editor_feed(struct line_editor *editor, char character);

/* Returns the line without its end, after LINE_DONE. Valid until the next character is fed. */
const char *line_editor_text(const struct line_editor *editor);

/* Returns the typed part of a line that is not finished, so that the caller can show it again after
 * other output. Returns "" if no line is begun. Valid until the next character is fed. */
const char *line_editor_pending(const struct line_editor *editor);

#endif
