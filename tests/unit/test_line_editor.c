// SPDX-License-Identifier: BSD-2-Clause
#include "tests/unit/unit.h"

#include "vmm/prompt/line_editor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a terminal shows: a line on which backspace moves left and a new line starts over. */
struct terminal {
    char screen[4096];
    size_t column;
    unsigned bells, lines;
};

static void show(void *context, const char *text, size_t length)
{
    struct terminal *terminal = context;

    for (size_t i = 0; i < length; i++) {
        switch (text[i]) {
        case '\a': terminal->bells++; break;
        case '\b':
            assert_true(terminal->column > 0);
            terminal->column--;
            break;
        case '\r': terminal->column = 0; break;
        case '\n':
            terminal->lines++;
            memset(terminal->screen, 0, sizeof(terminal->screen));
            break;
        default: terminal->screen[terminal->column++] = text[i]; break;
        }
    }
}

static struct terminal terminal;
static struct line_editor editor;

static int fresh(void **state)
{
    (void)state;
    memset(&terminal, 0, sizeof(terminal));
    line_editor_init(&editor, show, &terminal);
    return 0;
}

/* Types text; the result of its last character. All before it are pending. */
static enum line_result type(const char *text)
{
    for (; text[1] != '\0'; text++)
        assert_int_equal(line_editor_feed(&editor, *text), LINE_PENDING);
    return line_editor_feed(&editor, *text);
}

/* The line on the screen, blanks that erasing left behind aside, is the line in memory. */
#define ASSERT_SHOWN(text)                                                                         \
    do {                                                                                           \
        assert_string_equal(line_editor_text(&editor), text);                                      \
        assert_int_equal(terminal.column, strlen(text));                                           \
        assert_memory_equal(terminal.screen, text, strlen(text));                                  \
        for (const char *rest = terminal.screen + strlen(text); *rest != '\0'; rest++)             \
            assert_int_equal(*rest, ' ');                                                          \
    } while (0)

#define ASSERT_LINE(typed, text)                                                                   \
    do {                                                                                           \
        assert_int_equal(type(typed), LINE_DONE);                                                  \
        assert_string_equal(line_editor_text(&editor), text);                                      \
    } while (0)

#define UP   "\x1b[A"
#define DOWN "\x1b[B"

static void test_typing(void **state)
{
    (void)state;
    type("bus");
    ASSERT_SHOWN("bus");
    ASSERT_LINE("\r", "bus");
    assert_int_equal(terminal.lines, 1);
    ASSERT_LINE("\r", "");
    ASSERT_LINE("a\n", "a");
    /* CR LF is one end of line, LF LF are two. */
    ASSERT_LINE("b\r", "b");
    assert_int_equal(line_editor_feed(&editor, '\n'), LINE_PENDING);
    assert_string_equal(line_editor_text(&editor), "b");
    ASSERT_LINE("\n", "");
    ASSERT_LINE("\n", "");
}

/* What a prompt shows again after other output: the begun line, and never one that is done. */
static void test_pending(void **state)
{
    (void)state;
    assert_string_equal(line_editor_pending(&editor), "");
    assert_int_equal(line_editor_feed(&editor, 'a'), LINE_PENDING);
    assert_string_equal(line_editor_pending(&editor), "a");
    assert_int_equal(line_editor_feed(&editor, '\r'), LINE_DONE);
    assert_string_equal(line_editor_text(&editor), "a");
    assert_string_equal(line_editor_pending(&editor), "");
    assert_int_equal(line_editor_feed(&editor, 'b'), LINE_PENDING);
    assert_string_equal(line_editor_pending(&editor), "b");
    assert_int_equal(line_editor_feed(&editor, 0x03), LINE_CANCELLED);
    assert_string_equal(line_editor_pending(&editor), "");
}

static void test_erasing(void **state)
{
    (void)state;
    type("\x7f\b\x15\x17");
    ASSERT_SHOWN("");
    type("show busy\b");
    ASSERT_SHOWN("show bus");
    type("\x7f\x7f\x7fgdt");
    ASSERT_SHOWN("show gdt");
    type("  \x17");
    ASSERT_SHOWN("show ");
    type("\x17");
    ASSERT_SHOWN("");
    type("one two\x15");
    ASSERT_SHOWN("");
    type("x");
    assert_int_equal(type("\x03"), LINE_CANCELLED);
    ASSERT_LINE("y\r", "y");
    assert_int_equal(terminal.bells, 0);
}

static void test_what_is_ignored(void **state)
{
    (void)state;
    type("a\x01\x02\x04\x05\t\v\f\x12\x1c\x80\xff"
         "b");
    ASSERT_SHOWN("ab");
    /* Right, Delete, Home in both spellings, F5, Alt-x: no letters are left behind. */
    type("\x1b[C\x1b[3~\x1bOH\x1b[1;5H\x1b[15~\x1bx");
    ASSERT_SHOWN("ab");
    /* Enter ends a broken sequence and counts. */
    ASSERT_LINE("\x1b[\r", "ab");
    ASSERT_LINE("\x1b\r", "");
    ASSERT_LINE("\x1b\x1b[\x1b[1z\r", "");
}

static void test_longest_line(void **state)
{
    char expected[LINE_BYTES_MAX + 1];

    (void)state;
    for (int i = 0; i < LINE_BYTES_MAX; i++)
        assert_int_equal(line_editor_feed(&editor, (char)('a' + i % 26)), LINE_PENDING);
    assert_int_equal(terminal.bells, 0);
    memcpy(expected, line_editor_text(&editor), sizeof(expected));
    type("XY");
    assert_int_equal(terminal.bells, 2);
    ASSERT_LINE("\r", expected);
    type(UP);
    ASSERT_SHOWN(expected);
}

static void test_history(void **state)
{
    (void)state;
    type(UP);
    assert_int_equal(terminal.bells, 1);
    type(DOWN);
    assert_int_equal(terminal.bells, 2);
    ASSERT_LINE("one\r", "one");
    ASSERT_LINE("two\r", "two");
    ASSERT_LINE("\r", "");
    ASSERT_LINE("two\r", "two");
    ASSERT_LINE("three\r", "three");
    /* Empty lines and repetitions are not kept; what was being typed comes back. */
    type("dra" UP);
    ASSERT_SHOWN("three");
    type(UP);
    ASSERT_SHOWN("two");
    type("\x1bOA");
    ASSERT_SHOWN("one");
    type(UP);
    ASSERT_SHOWN("one");
    assert_int_equal(terminal.bells, 3);
    type("\x0e");
    ASSERT_SHOWN("two");
    type(DOWN DOWN);
    ASSERT_SHOWN("dra");
    type(DOWN);
    ASSERT_SHOWN("dra");
    type("ft\x10");
    ASSERT_SHOWN("three");
    /* A line from the history can be changed; the history keeps the old one too. */
    ASSERT_LINE("!\r", "three!");
    type(UP UP);
    ASSERT_SHOWN("three");
    assert_int_equal(type("\x03"), LINE_CANCELLED);
    type(UP);
    ASSERT_SHOWN("three!");
}

static void test_history_is_bounded(void **state)
{
    char line[24];

    (void)state;
    for (int i = 0; i < 100; i++) {
        snprintf(line, sizeof(line), "line %d\r", i);
        assert_int_equal(type(line), LINE_DONE);
    }
    for (int i = 0; i < LINE_HISTORY_LINES; i++) {
        type(UP);
        snprintf(line, sizeof(line), "line %d", 99 - i);
        ASSERT_SHOWN(line);
    }
    type(UP);
    ASSERT_SHOWN("line 84");
    assert_int_equal(terminal.bells, 1);
}

/* Any bytes whatever: the screen and the memory agree and nothing is overrun. */
static void test_random_bytes(void **state)
{
    static const char likely[] = "ab \x1b[AB\r\b\x17\x15O1;\x10\x0e";

    (void)state;
    srand(1);
    for (int i = 0; i < 200000; i++) {
        int choice = rand();
        char next = choice % 4 != 0 ? likely[(size_t)choice / 4 % (sizeof(likely) - 1)]
                                    : (char)(choice >> 8);
        if (line_editor_feed(&editor, next) == LINE_PENDING && !editor.is_finished)
            ASSERT_SHOWN(line_editor_pending(&editor));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_typing, fresh),
        cmocka_unit_test_setup(test_pending, fresh),
        cmocka_unit_test_setup(test_erasing, fresh),
        cmocka_unit_test_setup(test_what_is_ignored, fresh),
        cmocka_unit_test_setup(test_longest_line, fresh),
        cmocka_unit_test_setup(test_history, fresh),
        cmocka_unit_test_setup(test_history_is_bounded, fresh),
        cmocka_unit_test_setup(test_random_bytes, fresh),
    };
    return cmocka_run_group_tests_name("line_editor", tests, NULL, NULL);
}
