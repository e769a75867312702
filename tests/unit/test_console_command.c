// SPDX-License-Identifier: BSD-2-Clause
#include "tests/unit/unit.h"

#include "vmm/prompt/command.h"

#include <stdlib.h>
#include <string.h>

static char printed[8192];
static size_t printed_bytes;

static void print(void *context, const char *text, size_t length)
{
    (void)context;
    assert_true(printed_bytes + length < sizeof(printed));
    memcpy(printed + printed_bytes, text, length);
    printed_bytes += length;
    printed[printed_bytes] = '\0';
}

static const struct command_output output = {.write = print};

/* What the last handler was called with, words joined by '|'. */
static char called[512];

static enum command_result note(void *context, const struct command_output *to, int argc,
                                char *const argv[])
{
    assert_ptr_equal(context, called);
    assert_ptr_equal(to, &output);
    assert_null(argv[argc]);
    called[0] = '\0';
    for (int i = 0; i < argc; i++) {
        strcat(called, i == 0 ? "" : "|");
        strcat(called, argv[i]);
    }
    return argc > 1 && strcmp(argv[1], "wrong") == 0 ? COMMAND_USAGE : COMMAND_OK;
}

static const struct command commands[] = {
    {"bus", "", "the tables", 0, 0, note},
    {"boot", "NAME", "start a guest", 1, 1, note},
    {"bootstrap", "", "longer than another", 0, 0, note},
    {"memory", "ADDRESS [COUNT]", "show memory", 1, 23, note},
};

static enum status run(const char *line)
{
    printed[0] = called[0] = '\0';
    printed_bytes = 0;
    return command_run(commands, ARRAY_COUNT(commands), called, &output, line);
}

#define ASSERT_CALLED(line, with)                                                                  \
    do {                                                                                           \
        assert_int_equal(run(line), STATUS_OK);                                                    \
        assert_string_equal(called, with);                                                         \
        assert_string_equal(printed, "");                                                          \
    } while (0)

#define ASSERT_REFUSED(line, status, message)                                                      \
    do {                                                                                           \
        assert_int_equal(run(line), status);                                                       \
        assert_string_equal(printed, message);                                                     \
        assert_int_equal(printed_bytes, strlen(message));                                          \
    } while (0)

static void test_words(void **state)
{
    (void)state;
    ASSERT_CALLED("bus", "bus");
    ASSERT_CALLED("  bus\t ", "bus");
    ASSERT_CALLED("", "");
    ASSERT_CALLED(" \t ", "");
    ASSERT_CALLED("memory 0x10  20", "memory|0x10|20");
    ASSERT_CALLED("memory \"two words\" 'it is \"so\"' \"it's\"",
                  "memory|two words|it is \"so\"|it's");
    ASSERT_CALLED("memory a\"b c\"d'' \"\" x", "memory|ab cd||x");
    ASSERT_CALLED("memory \\portcullis\\vm\\\"linuz\"", "memory|\\portcullis\\vm\\linuz");
    ASSERT_CALLED("\"bus\"", "bus");
    ASSERT_CALLED("memory 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23",
                  "memory|1|2|3|4|5|6|7|8|9|10|11|12|13|14|15|16|17|18|19|20|21|22|23");
}

static void test_bad_lines(void **state)
{
    char line[600];

    (void)state;
    ASSERT_REFUSED("memory \"a b", STATUS_INVALID, "a quote is not closed: \" is missing\n");
    ASSERT_REFUSED("memory 'a\"", STATUS_INVALID, "a quote is not closed: ' is missing\n");
    ASSERT_REFUSED("memory 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24",
                   STATUS_INVALID, "more than 24 words\n");
    memset(line, 'x', sizeof(line));
    line[256] = '\0';
    ASSERT_REFUSED(line, STATUS_INVALID, "the line has 256 characters, at most 255 fit\n");
    line[255] = '\0';
    assert_int_equal(run(line), STATUS_NOT_FOUND);
}

static void test_lookup(void **state)
{
    (void)state;
    ASSERT_CALLED("m 1", "memory|1");
    ASSERT_CALLED("boot x", "boot|x"); /* not bootstrap: the full name is meant */
    ASSERT_CALLED("boots", "bootstrap");
    ASSERT_REFUSED("b", STATUS_NOT_FOUND, "'b' is ambiguous: bus boot bootstrap\n");
    ASSERT_REFUSED("bo x", STATUS_NOT_FOUND, "'bo' is ambiguous: boot bootstrap\n");
    ASSERT_REFUSED("reboot", STATUS_NOT_FOUND,
                   "unknown command 'reboot'; there are: bus boot bootstrap memory help\n");
    ASSERT_REFUSED("buses", STATUS_NOT_FOUND,
                   "unknown command 'buses'; there are: bus boot bootstrap memory help\n");
    ASSERT_REFUSED("\"\"", STATUS_NOT_FOUND,
                   "unknown command ''; there are: bus boot bootstrap memory help\n");
    ASSERT_REFUSED("%s%n", STATUS_NOT_FOUND,
                   "unknown command '%s%n'; there are: bus boot bootstrap memory help\n");
}

static void test_usage(void **state)
{
    (void)state;
    ASSERT_REFUSED("bus 1", STATUS_INVALID, "usage: bus\n");
    ASSERT_REFUSED("memory", STATUS_INVALID, "usage: memory ADDRESS [COUNT]\n");
    ASSERT_REFUSED("boot a b", STATUS_INVALID, "usage: boot NAME\n");
    assert_string_equal(called, "");
    ASSERT_REFUSED("memory wrong", STATUS_INVALID, "usage: memory ADDRESS [COUNT]\n");
    assert_string_equal(called, "memory|wrong");
}

static void test_help(void **state)
{
    (void)state;
    assert_int_equal(run("help"), STATUS_OK);
    assert_string_equal(printed, "  bus                     the tables\n"
                                 "  boot NAME               start a guest\n"
                                 "  bootstrap               longer than another\n"
                                 "  memory ADDRESS [COUNT]  show memory\n"
                                 "  help [COMMAND]          what there is, or what COMMAND does\n");
    assert_int_equal(run("he mem"), STATUS_OK);
    assert_string_equal(printed, "usage: memory ADDRESS [COUNT]\nshow memory\n");
    assert_int_equal(run("help b"), STATUS_NOT_FOUND);
    assert_int_equal(run("help bus boot"), STATUS_INVALID);
    assert_string_equal(printed, "usage: help [COMMAND]\n");
    /* A table may be empty. */
    printed_bytes = 0;
    assert_int_equal(command_run(NULL, 0, NULL, &output, "help"), STATUS_OK);
    assert_string_equal(printed, "  help [COMMAND]  what there is, or what COMMAND does\n");
}

static void test_numbers(void **state)
{
    static const struct {
        const char *word;
        enum status status;
        uint64_t value;
    } cases[] = {
        {"0", STATUS_OK, 0},
        {"007", STATUS_OK, 7},
        {"4096", STATUS_OK, 4096},
        {"0x7C0a", STATUS_OK, 0x7c0a},
        {"0Xff", STATUS_OK, 255},
        {"4K", STATUS_OK, 4096},
        {"0x10M", STATUS_OK, 16 << 20},
        {"3G", STATUS_OK, UINT64_C(3) << 30},
        {"18446744073709551615", STATUS_OK, UINT64_MAX},
        {"0xffffffffffffffff", STATUS_OK, UINT64_MAX},
        {"18446744073709551616", STATUS_OUT_OF_RANGE, 0},
        {"99999999999999999999999", STATUS_OUT_OF_RANGE, 0},
        {"0x10000000000000000", STATUS_OUT_OF_RANGE, 0},
        {"18446744073709551615K", STATUS_OUT_OF_RANGE, 0},
        {"17179869184G", STATUS_OUT_OF_RANGE, 0},
        {"", STATUS_INVALID, 0},
        {"0x", STATUS_INVALID, 0},
        {"K", STATUS_INVALID, 0},
        {"1KB", STATUS_INVALID, 0},
        {"1k", STATUS_INVALID, 0},
        {"12a", STATUS_INVALID, 0},
        {"-1", STATUS_INVALID, 0},
        {" 1", STATUS_INVALID, 0},
        {"0xg", STATUS_INVALID, 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        uint64_t value = 0x5a5a;
        assert_int_equal(command_number(cases[i].word, &value), cases[i].status);
        assert_int_equal(value, cases[i].status == STATUS_OK ? cases[i].value : 0x5a5a);
    }
}

static void test_random_lines(void **state)
{
    static const char characters[] = "ab \t\"'\\mus0%h";
    char line[300];

    (void)state;
    srand(2);
    for (int i = 0; i < 50000; i++) {
        size_t length = (size_t)rand() % (i % 2 != 0 ? 20 : sizeof(line) - 1);
        for (size_t n = 0; n < length; n++)
            line[n] = rand() % 8 != 0 ? characters[(size_t)rand() % (sizeof(characters) - 1)]
                                      : (char)(1 + rand() % 255);
        line[length] = '\0';
        struct command_words words;
        char message[16];
        enum status status = command_parse(&words, line, message, sizeof(message));
        assert_int_equal(status == STATUS_OK || words.count == 0, true);
        assert_null(words.words[words.count]);
        run(line);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),        cmocka_unit_test(test_bad_lines),
        cmocka_unit_test(test_lookup),       cmocka_unit_test(test_usage),
        cmocka_unit_test(test_help),         cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_random_lines),
    };
    return cmocka_run_group_tests_name("console_command", tests, NULL, NULL);
}
