// SPDX-License-Identifier: BSD-2-Clause
#include "tests/unit/unit.h"

#include "vmm/devices/debug_console.h"

struct sink {
    char text[8];
    size_t length;
};

static void put(void *context, uint8_t byte)
{
    struct sink *sink = context;

    assert_true(sink->length < sizeof(sink->text) - 1);
    sink->text[sink->length++] = (char)byte;
}

static void test_console(void **state)
{
    struct sink sink = {0};
    struct debug_console console;

    (void)state;
    debug_console_init(&console, put, &sink);
    assert_int_equal(debug_console_read(&console), 0xe9);
    debug_console_write(&console, 'h');
    debug_console_write(&console, 'i');
    debug_console_write(&console, 0xff);
    assert_string_equal(sink.text, "hi\xff");

    debug_console_init(&console, NULL, NULL);
    debug_console_write(&console, 'x');
    assert_int_equal(sink.length, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_console),
    };
    return cmocka_run_group_tests_name("debug_console", tests, NULL, NULL);
}
