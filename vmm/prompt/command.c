// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/prompt/command.h"

#include "vmm/base/format.h"

#include <string.h>

#define HELP "help"

void command_print(const struct command_output *output, const char *format, ...)
{
    char text[501];
    va_list arguments;

    va_start(arguments, format);
    size_t length = format_text_v(text, sizeof(text), format, arguments);
    va_end(arguments);
    output->write(output->context, text, length < sizeof(text) ? length : sizeof(text) - 1);
}

static bool is_blank(char character)
{
    return character == ' ' || character == '\t';
}

enum status command_parse(struct command_words *words, const char *line, char *message, size_t size)
{
    char *out = words->text;
    size_t length = strlen(line);

    words->count = 0;
    words->words[0] = NULL;
    if (length > COMMAND_LINE_BYTES_MAX) {
        format_text(message, size, "the line has %zu characters, at most %d fit", length,
                    COMMAND_LINE_BYTES_MAX);
        return STATUS_OUT_OF_RANGE;
    }

    /* A word with its NUL is never longer than its source: the NUL replaces the blank or the end
     * after the word. */
    int count = 0;
    for (;;) {
        while (is_blank(*line))
            line++;
        if (*line == '\0')
            break;
        if (count == COMMAND_WORDS_MAX) {
            words->words[0] = NULL;
            format_text(message, size, "more than %d words", COMMAND_WORDS_MAX);
            return STATUS_OUT_OF_RANGE;
        }
        words->words[count++] = out;

        char quote = '\0';
        for (; *line != '\0' && (quote != '\0' || !is_blank(*line)); line++) {
            if (*line == quote)
                quote = '\0';
            else if (quote == '\0' && (*line == '"' || *line == '\''))
                quote = *line;
            else
                *out++ = *line;
        }
        *out++ = '\0';
        if (quote != '\0') {
            words->words[0] = NULL;
            format_text(message, size, "a quote is not closed: %c is missing", quote);
            return STATUS_INVALID;
        }
    }
    words->words[count] = NULL;
    words->count = count;
    return STATUS_OK;
}

static bool begins_with(const char *text, const char *prefix)
{
    while (*prefix != '\0')
        if (*text++ != *prefix++)
            return false;
    return true;
}

static bool is_same(const char *a, const char *b)
{
    return begins_with(a, b) && begins_with(b, a);
}

static const struct command help_command = {
    .name = HELP,
    .arguments = "[COMMAND]",
    .what = "what there is, or what COMMAND does",
    .arguments_max = 1,
};

/* The table of commands, with help as an additional last row. */
struct command_table {
    const struct command *rows;
    size_t count;
};

static const struct command *row(const struct command_table *table, size_t index)
{
    return index < table->count ? &table->rows[index] : &help_command;
}

/* Returns the command that word selects; prints why and returns null if there is none. */
static const struct command *find(const struct command_table *table, const char *word,
                                  const struct command_output *output)
{
    const struct command *found = NULL;
    size_t found_count = 0;

    for (size_t i = 0; i <= table->count; i++) {
        const struct command *candidate = row(table, i);
        if (is_same(candidate->name, word))
            return candidate;
        if (begins_with(candidate->name, word)) {
            found = candidate;
            found_count++;
        }
    }
    if (found_count == 1 && word[0] != '\0')
        return found;

    /* If several candidates exist, name them; if none exists, name all commands. */
    bool is_ambiguous = found_count > 1 && word[0] != '\0';
    command_print(output,
                  is_ambiguous ? "'%s' is ambiguous:" : "unknown command '%s'; there are:", word);
    for (size_t i = 0; i <= table->count; i++)
        if (!is_ambiguous || begins_with(row(table, i)->name, word))
            command_print(output, " %s", row(table, i)->name);
    command_print(output, "\n");
    return NULL;
}

static void print_usage(const struct command *command, const struct command_output *output)
{
    command_print(output, "usage: %s%s%s\n", command->name,
                  command->arguments[0] != '\0' ? " " : "", command->arguments);
}

static enum status help(const struct command_table *table, const struct command_output *output,
                        const struct command_words *words)
{
    int width = 0;

    if (words->count == 2) {
        const struct command *command = find(table, words->words[1], output);
        if (command == NULL)
            return STATUS_NOT_FOUND;
        print_usage(command, output);
        command_print(output, "%s\n", command->what);
        return STATUS_OK;
    }
    for (size_t i = 0; i <= table->count; i++) {
        int length = (int)(strlen(row(table, i)->name) + strlen(row(table, i)->arguments));
        width = length > width ? length : width;
    }
    for (size_t i = 0; i <= table->count; i++) {
        const struct command *command = row(table, i);
        int rest = width - (int)strlen(command->name);
        command_print(output, "  %s %-*s  %s\n", command->name, rest, command->arguments,
                      command->what);
    }
    return STATUS_OK;
}

enum status command_run(const struct command *commands, size_t command_count, void *context,
                        const struct command_output *output, const char *line)
{
    const struct command_table table = {commands, command_count};
    struct command_words words;
    char message[80];

    if (command_parse(&words, line, message, sizeof(message)) != STATUS_OK) {
        command_print(output, "%s\n", message);
        return STATUS_INVALID;
    }
    if (words.count == 0)
        return STATUS_OK;

    const struct command *command = find(&table, words.words[0], output);
    if (command == NULL)
        return STATUS_NOT_FOUND;

    int argument_count = words.count - 1;
    if (argument_count < command->arguments_min || argument_count > command->arguments_max) {
        print_usage(command, output);
        return STATUS_INVALID;
    }
    if (command == &help_command)
        return help(&table, output, &words);

    char *argv[COMMAND_WORDS_MAX + 1];
    memcpy(argv, words.words, sizeof(argv[0]) * ((size_t)words.count + 1));
    argv[0] = (char *)command->name;
    if (command->handler(context, output, words.count, argv) == COMMAND_USAGE) {
        print_usage(command, output);
        return STATUS_INVALID;
    }
    return STATUS_OK;
}

static int digit_value(char character, unsigned base)
{
    int value = -1;

    if (character >= '0' && character <= '9')
        value = character - '0';
    else if (character >= 'a' && character <= 'f')
        value = character - 'a' + 10;
    else if (character >= 'A' && character <= 'F')
        value = character - 'A' + 10;
    return value < (int)base ? value : -1;
}

enum status command_number(const char *word, uint64_t *value)
{
    unsigned base = 10, shift = 0;
    uint64_t result = 0;

    if (word[0] == '0' && (word[1] == 'x' || word[1] == 'X')) {
        base = 16;
        word += 2;
    }
    if (digit_value(*word, base) < 0)
        return STATUS_INVALID;

    bool overflows = false;
    for (int digit; (digit = digit_value(*word, base)) >= 0; word++) {
        overflows |= __builtin_mul_overflow(result, (uint64_t)base, &result);
        overflows |= __builtin_add_overflow(result, (uint64_t)digit, &result);
    }
    switch (*word) {
    case 'K': shift = 10; break;
    case 'M': shift = 20; break;
    case 'G': shift = 30; break;
    default: break;
    }
    if (word[shift != 0] != '\0')
        return STATUS_INVALID;
    overflows |= __builtin_mul_overflow(result, UINT64_C(1) << shift, &result);
    if (overflows)
        return STATUS_OUT_OF_RANGE;
    *value = result;
    return STATUS_OK;
}
