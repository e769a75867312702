// SPDX-License-Identifier: BSD-2-Clause
#include "tests/unit/unit.h"

#include "vmm/devices/port_61.h"

static uint64_t at(uint64_t clk)
{
    return (uint64_t)(((unsigned __int128)clk * 1000000000 + 1193181) / 1193182);
}

static void test_registers(void **state)
{
    struct i8254 pit = {0};
    struct port_61 port = {.pit = &pit};

    (void)state;
    i8254_reset(&pit, 0);
    i8254_set_gate(&pit, 2, true, 0);
    port_61_reset(&port, 0);
    assert_false(pit.counter[2].gate);
    for (unsigned value = 0; value < 256; value++) {
        port_61_write(&port, (uint8_t)value, 0);
        assert_int_equal(port_61_read(&port, 0), 0x20 | (value & 0x0f)); /* OUT 2 idles high */
        assert_int_equal(pit.counter[2].gate, value & 1);
    }
}

static void test_refresh_toggles(void **state)
{
    struct i8254 pit = {0};
    struct port_61 port = {.pit = &pit};

    (void)state;
    i8254_reset(&pit, 0);
    port_61_reset(&port, 0);
    for (uint64_t half = 0; half < 1000; half++) {
        assert_int_equal(port_61_read(&port, at(half * 18)) & 0x10, half % 2 * 0x10);
        assert_int_equal(port_61_read(&port, at(half * 18 + 18) - 1) & 0x10, half % 2 * 0x10);
    }
}

/* A kernel's calibration loop: gate on, speaker off, mode 0, wait for bit 5. */
static void test_calibration(void **state)
{
    struct i8254 pit = {0};
    struct port_61 port = {.pit = &pit};
    uint64_t start_ns = at(1000000) + 300;

    (void)state;
    i8254_reset(&pit, 0);
    port_61_reset(&port, 0);
    port_61_write(&port, (port_61_read(&port, start_ns) & 0xfd) | 1, start_ns);
    i8254_write(&pit, 3, 0xb0, start_ns);
    i8254_write(&pit, 2, 0x9b, start_ns);
    i8254_write(&pit, 2, 0x2e, start_ns);
    assert_int_equal(port_61_read(&port, start_ns) & 0x20, 0);
    assert_int_equal(port_61_read(&port, at(1000000 + 0x2e9b + 1) - 1) & 0x20, 0);
    assert_int_equal(port_61_read(&port, at(1000000 + 0x2e9b + 1)) & 0x20, 0x20);
    /* with the gate off it would not have come to an end */
    port_61_write(&port, 0, start_ns);
    assert_int_equal(port_61_read(&port, start_ns + 1000000000) & 0x20, 0);
    port_61_write(&port, 1, start_ns + 1000000000);
    assert_int_equal(port_61_read(&port, start_ns + 2000000000) & 0x20, 0x20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_registers),
        cmocka_unit_test(test_refresh_toggles),
        cmocka_unit_test(test_calibration),
    };
    return cmocka_run_group_tests_name("port_61", tests, NULL, NULL);
}
