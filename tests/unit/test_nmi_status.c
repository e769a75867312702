// SPDX-License-Identifier: BSD-2-Clause
/* Which values of port 0x61 report an error of the machine. */
#include "tests/unit/unit.h"

#include "arch/x86/nmi_status.h"

static void test_errors(void **state)
{
    (void)state;
    assert_true(nmi_status_has_error(0x80));
    assert_true(nmi_status_has_error(0x40));
    assert_true(nmi_status_has_error(0xc0));
    /* Bit 4 toggles with the refresh, bit 5 is channel 2's output, bits 0 to 3 can be written. */
    assert_true(nmi_status_has_error(0xb3));
    assert_true(nmi_status_has_error(0x7f));
    assert_true(nmi_status_has_error(0xfe));
}

static void test_no_errors(void **state)
{
    (void)state;
    for (unsigned status = 0; status < 0x40; status++)
        assert_false(nmi_status_has_error((uint8_t)status));
}

static void test_no_port(void **state)
{
    (void)state;
    assert_false(nmi_status_has_error(0xff));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_no_errors),
        cmocka_unit_test(test_no_port),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
