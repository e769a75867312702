// SPDX-License-Identifier: BSD-2-Clause
/* Commands: a line cut into words, and a table that says who answers the first one. */
#ifndef VMM_PROMPT_COMMAND_H
#define VMM_PROMPT_COMMAND_H

#include "vmm/base/status.h"
#include "vmm/base/types.h"

#define COMMAND_WORDS_MAX      24
#define COMMAND_LINE_BYTES_MAX 255

/* Where commands print. */
struct command_output {
    void (*write)(void *context, const char *text, size_t length);
    void *context;
};

/* Formatted output, as format_text; cut at 500 characters. Ends no lines by itself. */
void command_print(const struct command_output *output, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The words of a line. They lie in text; words[count] is null. */
struct command_words {
    char text[COMMAND_LINE_BYTES_MAX + 1];
    char *words[COMMAND_WORDS_MAX + 1];
    int count;
};

/* Cuts line at blanks. Inside '...' or "..." blanks count as text and nothing else is special; a
 * quoted part joins what it touches, and "" is an empty word. A backslash is an ordinary character,
 * as in paths. STATUS_INVALID: a quote does not end; STATUS_OUT_OF_RANGE: more than
 * COMMAND_WORDS_MAX words or COMMAND_LINE_BYTES_MAX characters. Then words->count is 0 and message
 * (size bytes, NUL included) says what is wrong. */
MUST_USE enum status command_parse(struct command_words *words, const char *line, char *message,
                                   size_t size);

/* What a handler says of its arguments. */
enum command_result {
    COMMAND_OK,
    COMMAND_USAGE, /* the arguments make no sense: the dispatcher prints how they should be */
};

struct command {
    const char *name;
    const char *arguments; /* for the usage line: "ADDRESS [COUNT]"; "" for none */
    const char *what;      /* one line for the help */
    int arguments_min;
    int arguments_max;

    /* argv[0] is the command's full name; argc counts it; argv[argc] is null. */
    enum command_result (*handler)(void *context, const struct command_output *output, int argc,
                                   char *const argv[]);
};

/* Runs the command that line asks for. A command may be shortened as long as it is the only one
 * that begins so; a full name always is meant. `help` is built in: all commands, or the one named.
 * An empty line does nothing. Whatever is wrong with the line is printed to output.
 * STATUS_OK: a handler ran and took its arguments, or help was given, or the line was empty;
 * STATUS_NOT_FOUND: there is no such command, or more than one; STATUS_INVALID: any other error. */
enum status command_run(const struct command *commands, size_t command_count, void *context,
                        const struct command_output *output, const char *line);

/* A number as it is written in C: decimal, 0x hexadecimal; with K, M or G for KiB, MiB, GiB.
 * STATUS_INVALID: not a number; STATUS_OUT_OF_RANGE: above UINT64_MAX. *value is set on success. */
MUST_USE enum status command_number(const char *word, uint64_t *value);

#endif
