// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/prompt/line_editor.h"

#include <string.h>

enum {
    CTRL_C = 0x03,
    CTRL_H = 0x08,
    CTRL_N = 0x0e,
    CTRL_P = 0x10,
    CTRL_U = 0x15,
    CTRL_W = 0x17,
    ESC = 0x1b,
    DEL = 0x7f,
};

static void echo(const struct line_editor *editor, const char *text)
{
    editor->echo(editor->echo_context, text, strlen(text));
}

static void erase(struct line_editor *editor, size_t count)
{
    while (count-- > 0 && editor->length > 0) {
        editor->line[--editor->length] = '\0';
        echo(editor, "\b \b");
    }
}

static void insert(struct line_editor *editor, char character)
{
    if (editor->length == LINE_BYTES_MAX) {
        echo(editor, "\a");
        return;
    }
    editor->line[editor->length++] = character;
    editor->line[editor->length] = '\0';
    editor->echo(editor->echo_context, &character, 1);
}

/* Removes the blanks at the end, then the characters before them up to the next blank. */
static void erase_word(struct line_editor *editor)
{
    while (editor->length > 0 && editor->line[editor->length - 1] == ' ')
        erase(editor, 1);
    while (editor->length > 0 && editor->line[editor->length - 1] != ' ')
        erase(editor, 1);
}

static const char *history_line(const struct line_editor *editor, size_t back)
{
    return editor->history[(editor->history_count - back) % LINE_HISTORY_LINES];
}

static void remember(struct line_editor *editor)
{
    if (editor->length == 0)
        return;
    if (editor->history_count > 0 &&
        memcmp(history_line(editor, 1), editor->line, editor->length + 1) == 0)
        return;
    memcpy(editor->history[editor->history_count++ % LINE_HISTORY_LINES], editor->line,
           editor->length + 1);
}

/* Shows the line that is `back` lines before the one being typed. Keeps the typed line as the
 * draft. */
static void look_back(struct line_editor *editor, size_t back)
{
    size_t kept =
        editor->history_count < LINE_HISTORY_LINES ? editor->history_count : LINE_HISTORY_LINES;

    if (back > kept) {
        echo(editor, "\a");
        return;
    }
    if (editor->history_back == 0)
        memcpy(editor->draft, editor->line, editor->length + 1);
    erase(editor, editor->length);
    editor->history_back = back;

    const char *line = back == 0 ? editor->draft : history_line(editor, back);
    editor->length = strlen(line);
    memcpy(editor->line, line, editor->length + 1);
    echo(editor, editor->line);
}

static void look_earlier(struct line_editor *editor)
{
    look_back(editor, editor->history_back + 1);
}

static void look_later(struct line_editor *editor)
{
    if (editor->history_back > 0)
        look_back(editor, editor->history_back - 1);
    else
        echo(editor, "\a");
}

static enum line_result finish(struct line_editor *editor, enum line_result result)
{
    editor->is_finished = true;
    editor->history_back = 0;
    return result;
}

static void clear(struct line_editor *editor)
{
    editor->line[0] = '\0';
    editor->length = 0;
    editor->is_finished = false;
}

/* Handles the rest of an escape sequence. Cursor keys send ESC [ parameters final, or ESC O final;
 * ESC and any other character is a sequence of two. */
static void feed_escape(struct line_editor *editor, char character)
{
    switch (editor->escape) {
    case ESCAPE_STARTED:
        editor->escape = character == '['   ? ESCAPE_SEQUENCE
                         : character == 'O' ? ESCAPE_SINGLE_SHIFT
                                            : ESCAPE_NONE;
        return;
    case ESCAPE_SEQUENCE:
        if (character >= 0x20 && character <= 0x3f) /* parameter and intermediate bytes */
            return;
        break;
    case ESCAPE_SINGLE_SHIFT:
    case ESCAPE_NONE: break;
    }
    editor->escape = ESCAPE_NONE;
    if (character == 'A')
        look_earlier(editor);
    else if (character == 'B')
        look_later(editor);
}

void line_editor_init(struct line_editor *editor, line_echo *write, void *echo_context)
{
    memset(editor, 0, sizeof(*editor));
    editor->echo = write;
    editor->echo_context = echo_context;
}

enum line_result line_editor_feed(struct line_editor *editor, char character)
{
    bool was_cr = editor->was_cr;

    editor->was_cr = character == '\r';
    if (character == '\n' && was_cr)
        return LINE_PENDING;
    if (editor->is_finished)
        clear(editor);

    /* A control character ends a broken sequence and is handled itself. */
    if (editor->escape != ESCAPE_NONE && character >= 0x20 && character < DEL) {
        feed_escape(editor, character);
        return LINE_PENDING;
    }
    editor->escape = ESCAPE_NONE;

    switch (character) {
    case '\r':
    case '\n':
        echo(editor, "\r\n");
        remember(editor);
        return finish(editor, LINE_DONE);
    case CTRL_C:
        echo(editor, "^C\r\n");
        clear(editor);
        return finish(editor, LINE_CANCELLED);
    case CTRL_H:
    case DEL: erase(editor, 1); break;
    case CTRL_U: erase(editor, editor->length); break;
    case CTRL_W: erase_word(editor); break;
    case CTRL_P: look_earlier(editor); break;
    case CTRL_N: look_later(editor); break;
    case ESC: editor->escape = ESCAPE_STARTED; break;
    default:
        if (character >= 0x20 && character < DEL)
            insert(editor, character);
        break;
    }
    return LINE_PENDING;
}

const char *line_editor_text(const struct line_editor *editor)
{
    return editor->line;
}

const char *line_editor_pending(const struct line_editor *editor)
{
    return editor->is_finished ? "" : editor->line;
}
