// SPDX-License-Identifier: BSD-2-Clause
#include "tests/unit/unit.h"

#include "vmm/base/format.h"

#include <stdio.h>
#include <string.h>

/* The C library is the oracle: same text, same length. */
#define SAME(...)                                                                                  \
    do {                                                                                           \
        char ours[64], theirs[64];                                                                 \
        size_t length = format_text(ours, sizeof(ours), __VA_ARGS__);                              \
        assert_int_equal(length, snprintf(theirs, sizeof(theirs), __VA_ARGS__));                   \
        assert_string_equal(ours, theirs);                                                         \
    } while (0)

static void test_numbers(void **state)
{
    (void)state;
    SAME("%d %i %u", -2147483647 - 1, 0, 4294967295u);
    SAME("%lx %llx %lX", 0xdeadbeefcafef00dul, 0x1234ull, 0xabcul);
    SAME("%zu|%ld", (size_t)1 << 40, -5l);
    SAME("[%5d][%-5d][%05d][%05d]", 42, 42, 42, -42);
    SAME("[%08x][%.3x][%8.3x][%-8.3x]", 0xabc, 1, 1, 1);
    SAME("[%*d][%-*d]", 6, 1, 6, 1);
}

static void test_text(void **state)
{
    (void)state;
    SAME("%s|%10s|%-10s|%.2s|%c|%%", "abc", "abc", "abc", "abc", 'x');
    SAME("%.*s", 2, "abcdef");
    SAME("%p", (void *)0x1234);
}

static void test_truncation(void **state)
{
    char buffer[4];

    (void)state;
    assert_int_equal(format_text(buffer, sizeof(buffer), "%d", 123456), 6);
    assert_string_equal(buffer, "123");
    assert_int_equal(format_text(NULL, 0, "%s", "abc"), 3);
}

static void test_unknown_conversion(void **state)
{
    char buffer[16];
    const char *unknown = "%q!", *unfinished = "50%";

    (void)state;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-security"
    format_text(buffer, sizeof(buffer), unknown);
    assert_string_equal(buffer, "%q!");
    format_text(buffer, sizeof(buffer), unfinished);
    assert_string_equal(buffer, "50%");
#pragma GCC diagnostic pop
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_truncation),
        cmocka_unit_test(test_unknown_conversion),
    };
    return cmocka_run_group_tests_name("format", tests, NULL, NULL);
}
