// SPDX-License-Identifier: BSD-2-Clause
/* Commands: a line is cut into words, and a table says which function handles the first word. */
#ifndef VMM_PROMPT_COMMAND_H
#define VMM_PROMPT_COMMAND_H

#include "vmm/base/status.h"
#include "vmm/base/types.h"

#define COMMAND_WORDS_MAX      24
#define COMMAND_LINE_BYTES_MAX 255

/* The place to which commands print. */
struct command_output {
    void (*write)(void *context, const char *text, size_t length);
    void *context;
};

/* Prints formatted text, with the formats of format_text. Cuts the text at 500 characters. Adds no
 * end of line. */
void command_print(const struct command_output *output, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The words of a line. The pointers point into text; words[count] is null. */
struct command_words {
    char text[COMMAND_LINE_BYTES_MAX + 1];
    char *words[COMMAND_WORDS_MAX + 1];
    int count;
};

/* Cuts line into words at blanks and tabs. Inside '...' or "..." a blank is text and no character
 * except the closing quote is special. A quoted part joins the characters that it touches, and ""
 * is an empty word. A backslash is an ordinary character, as in paths. On an error words->count is
 * 0 and message (size bytes, including the NUL) says what is wrong.
 * STATUS_INVALID: a quote has no end.
 * STATUS_OUT_OF_RANGE: more than COMMAND_WORDS_MAX words or COMMAND_LINE_BYTES_MAX characters. */
MUST_USE enum status command_parse(struct command_words *words, const char *line, char *message,
                                   size_t size);

/* A handler's judgement of its arguments. */
enum command_result {
    COMMAND_OK,
    COMMAND_USAGE, /* the arguments are wrong: the dispatcher prints the usage line */
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

/* Runs the command in line. A command may be shortened if no other command has the same beginning;
 * a full name always selects its own command. `help` is built in: it prints all commands, or the
 * one named. An empty line does nothing. Errors in the line are printed to output.
 * STATUS_OK: a handler ran and accepted its arguments, or help was printed, or the line was empty.
 * STATUS_NOT_FOUND: no command fits, or more than one.
 * STATUS_INVALID: any other error. */
enum status command_run(const struct command *commands, size_t command_count, void *context,
                        const struct command_output *output, const char *line);

/* Reads a number as C writes it: decimal, or hexadecimal with 0x; a suffix K, M or G means KiB,
 * MiB, GiB. Sets *value on success only.
 * STATUS_INVALID: word is not a number.
 * STATUS_OUT_OF_RANGE: the number is above UINT64_MAX. */
MUST_USE enum status command_number(const char *word, uint64_t *value);

#endif
