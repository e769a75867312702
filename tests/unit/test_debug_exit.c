// SPDX-License-Identifier: BSD-2-Clause
#include "tests/unit/unit.h"

#include "vmm/devices/debug_exit.h"

static void end(void *context, uint64_t code)
{
    *(uint64_t *)context = code;
}

static void test_codes(void **state)
{
    static const struct {
        unsigned size_bytes;
        uint32_t value;
        uint64_t code;
    } cases[] = {
        {1, 0, 1},
        {1, 0x31, 0x63},
        {1, 0x1ff, 0x1ff},
        {2, 0xffff, 0x1ffff},
        {2, 0xabcd1234, 0x2469},
        {4, 0xffffffff, 0x1ffffffff},
    };
    uint64_t code = 0;
    struct debug_exit port;

    (void)state;
    debug_exit_init(&port, end, &code);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        debug_exit_write(&port, cases[i].size_bytes, cases[i].value);
        assert_int_equal(code, cases[i].code);
    }
    debug_exit_init(&port, NULL, NULL);
    debug_exit_write(&port, 1, 0);
}

static void test_reads_float(void **state)
{
    struct debug_exit port;

    (void)state;
    debug_exit_init(&port, end, NULL);
    assert_int_equal(debug_exit_read(&port, 1), 0xff);
    assert_int_equal(debug_exit_read(&port, 2), 0xffff);
    assert_int_equal(debug_exit_read(&port, 4), 0xffffffff);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_codes),
        cmocka_unit_test(test_reads_float),
    };
    return cmocka_run_group_tests_name("debug_exit", tests, NULL, NULL);
}
