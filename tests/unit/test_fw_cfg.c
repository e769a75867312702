// SPDX-License-Identifier: BSD-2-Clause
#include "tests/unit/unit.h"

#include "vmm/devices/fw_cfg.h"

#define RAM_BYTES UINT64_C(0x123456789abcd000)

static uint64_t read_item(struct fw_cfg *cfg, uint16_t key, unsigned size_bytes)
{
    uint64_t value = 0;

    fw_cfg_write(cfg, FW_CFG_SELECTOR, 2, key);
    for (unsigned i = 0; i < size_bytes; i++)
        value |= (uint64_t)fw_cfg_read(cfg, FW_CFG_DATA, 1) << 8 * i;
    return value;
}

static void test_items(void **state)
{
    static const char text[] = "QEMU";
    struct fw_cfg cfg;

    (void)state;
    fw_cfg_init(&cfg, RAM_BYTES, 0x0104);
    /* The signature is selected from the start. */
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(fw_cfg_read(&cfg, FW_CFG_DATA, 1), text[i]);
    assert_int_equal(fw_cfg_read(&cfg, FW_CFG_DATA, 1), 0);

    assert_int_equal(read_item(&cfg, 0x00, 4), 0x554d4551);
    assert_int_equal(read_item(&cfg, 0x01, 4), 1);
    assert_int_equal(read_item(&cfg, 0x03, 8), RAM_BYTES);
    assert_int_equal(read_item(&cfg, 0x05, 2), 0x0104);
    assert_int_equal(read_item(&cfg, 0x0f, 2), 0x0104);
    assert_int_equal(read_item(&cfg, 0x19, 4), 0);
    assert_int_equal(read_item(&cfg, 0x8002, 4), 1);
}

static void test_everything_else_is_zeros(void **state)
{
    struct fw_cfg cfg;

    (void)state;
    fw_cfg_init(&cfg, RAM_BYTES, 4);
    for (uint32_t key = 0; key <= 0xffff; key++) {
        uint16_t item = (uint16_t)(key & ~0x4000u);
        uint64_t value = read_item(&cfg, (uint16_t)key, 8);
        uint64_t want = item == 0        ? 0x554d4551
                        : item == 1      ? 1
                        : item == 3      ? RAM_BYTES
                        : item == 5      ? 4
                        : item == 0xf    ? 4
                        : item == 0x8002 ? 1
                                         : 0;

        assert_true(value == want);
    }
}

static void test_behind_the_end(void **state)
{
    struct fw_cfg cfg;

    (void)state;
    fw_cfg_init(&cfg, UINT64_MAX, 1);
    assert_true(read_item(&cfg, 3, 8) == UINT64_MAX);
    for (unsigned i = 0; i < 1000; i++)
        assert_int_equal(fw_cfg_read(&cfg, FW_CFG_DATA, 1), 0);
    /* Selecting it again begins again; so does a reset, with the signature. */
    assert_int_equal(read_item(&cfg, 3, 1), 0xff);
    fw_cfg_reset(&cfg);
    assert_int_equal(fw_cfg_read(&cfg, FW_CFG_DATA, 1), 'Q');
}

static void test_other_accesses(void **state)
{
    struct fw_cfg cfg;

    (void)state;
    fw_cfg_init(&cfg, 0, 1);
    assert_int_equal(fw_cfg_read(&cfg, FW_CFG_DATA, 1), 'Q');
    /* None of these moves the item or its offset. */
    assert_int_equal(fw_cfg_read(&cfg, FW_CFG_SELECTOR, 1), 0xff);
    assert_int_equal(fw_cfg_read(&cfg, FW_CFG_SELECTOR, 2), 0xffff);
    assert_int_equal(fw_cfg_read(&cfg, FW_CFG_DATA, 2), 0xffff);
    fw_cfg_write(&cfg, FW_CFG_SELECTOR, 1, 5);
    fw_cfg_write(&cfg, FW_CFG_DATA, 1, 5);
    fw_cfg_write(&cfg, FW_CFG_DATA, 2, 5);
    assert_int_equal(fw_cfg_read(&cfg, FW_CFG_DATA, 1), 'E');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_items),
        cmocka_unit_test(test_everything_else_is_zeros),
        cmocka_unit_test(test_behind_the_end),
        cmocka_unit_test(test_other_accesses),
    };
    return cmocka_run_group_tests_name("fw_cfg", tests, NULL, NULL);
}
