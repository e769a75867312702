// SPDX-License-Identifier: BSD-2-Clause
/* Overlays, who is where, and doorbells rung by address alone. */
#include "tests/unit/iobus_fixture.h"

static enum status add_overlay(struct fixture *fixture, const char *name, uint64_t first,
                               uint64_t length_bytes, uint8_t access_sizes, struct device *device,
                               struct iobus_handle *handle, struct iobus_conflict *conflict)
{
    struct iobus_range added = range(name, first, length_bytes, access_sizes, device);

    added.is_overlay = true;
    return iobus_register(&fixture->bus, &added, handle, conflict);
}

/* Whichever comes first, the overlay is asked first. */
static void test_overlay_is_inner(void **state)
{
    struct fixture *fixture = *state;
    struct device under = {.answer = 0x11}, over = {.answer = 0x22};
    struct iobus_handle handle;

    add(fixture, "under", 0x1000, 8, 1, &under);
    assert_int_equal(add_overlay(fixture, "over", 0x1000, 8, 1 | 2, &over, &handle, NULL),
                     STATUS_OK);
    assert_int_equal(add_overlay(fixture, "other", 0x2000, 8, 1, &over, NULL, NULL), STATUS_OK);
    add(fixture, "other's", 0x2000, 8, 1, &under);
    assert_int_equal(read_bus(fixture, 0x1001, 1), 0x22);
    assert_int_equal(read_bus(fixture, 0x2001, 1), 0x22);
    assert_int_equal(read_bus(fixture, 0x1002, 2), 0x22);
    assert_int_equal(under.call_count, 0);

    over.outcome = IO_DECLINED;
    assert_int_equal(read_bus(fixture, 0x1001, 1), 0x11);
    assert_int_equal(read_bus(fixture, 0x1002, 2), 0x1111);
    assert_int_equal(read_bus(fixture, 0x1004, 4), 0x11111111); /* two of 2, then four of 1 */

    over.outcome = IO_HANDLED;
    assert_int_equal(iobus_remove(&fixture->bus, handle, NULL), STATUS_OK);
    assert_int_equal(read_bus(fixture, 0x1001, 1), 0x11);
}

/* What lies inside is asked before both, what lies around after both. */
static void test_overlay_nests(void **state)
{
    struct fixture *fixture = *state;
    struct device devices[4] = {{.answer = 1}, {.answer = 2}, {.answer = 3}, {.answer = 4}};

    add(fixture, "around", 0x1000, 0x100, 1, &devices[3]);
    assert_int_equal(add_overlay(fixture, "over", 0x1010, 8, 1, &devices[1], NULL, NULL),
                     STATUS_OK);
    add(fixture, "inside", 0x1010, 4, 1, &devices[0]);
    add(fixture, "under", 0x1010, 8, 1, &devices[2]);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(read_bus(fixture, 0x1012, 1), i + 1);
        devices[i].outcome = IO_DECLINED;
    }
    assert_int_equal(read_bus(fixture, 0x1012, 1), 0xff);
}

static void test_overlay_conflicts(void **state)
{
    struct fixture *fixture = *state;
    struct device device = {0};
    struct iobus_conflict conflict;
    const struct iobus_match match = {.width_bytes = 1};
    struct iobus_range twin = range("twin", 0x1000, 8, 1, &device),
                       bell = range("bell", 0x1000, 1, 0, &device);

    add(fixture, "under", 0x1000, 8, 1, &device);
    assert_int_equal(add_overlay(fixture, "over", 0x1000, 8, 1, &device, NULL, &conflict),
                     STATUS_OK);
    assert_int_equal(add_overlay(fixture, "second", 0x1000, 8, 1, &device, NULL, &conflict),
                     STATUS_CONFLICT);
    assert_string_equal(conflict.new_name, "second");
    assert_string_equal(conflict.old_name, "over");
    assert_int_equal(iobus_register(&fixture->bus, &twin, NULL, &conflict), STATUS_CONFLICT);
    assert_string_equal(conflict.new_name, "twin");
    assert_string_equal(conflict.old_name, "under");
    assert_int_equal(add_overlay(fixture, "half", 0x1004, 8, 1, &device, NULL, &conflict),
                     STATUS_CONFLICT);
    assert_string_equal(conflict.new_name, "half");
    bell.match = &match;
    bell.is_overlay = true;
    assert_int_equal(iobus_register(&fixture->bus, &bell, NULL, NULL), STATUS_INVALID);
}

static void test_find_range(void **state)
{
    struct fixture *fixture = *state;
    struct device outer = {0}, inner = {0}, over = {0};
    struct iobus_registered found = {.first = 1};
    struct iobus_handle around, handle;

    assert_false(iobus_find_range(&fixture->bus, 0x1000, &found));
    assert_int_equal(found.first, 1);
    around = add(fixture, "outer", 0x1000, 0x100, IOBUS_SIZES_ALL, &outer);
    handle = add(fixture, "inner", 0x1010, 8, 1 | 2, &inner);
    assert_int_equal(add_overlay(fixture, "over", 0x1010, 8, 1, &over, NULL, NULL), STATUS_OK);
    assert_int_equal(add_overlay(fixture, "part", 0x1014, 2, 1, &over, NULL, NULL), STATUS_OK);
    assert_int_equal(add_doorbell(fixture, 0x1015, &(struct iobus_match){.width_bytes = 1}, &over),
                     STATUS_OK);
    assert_true(iobus_find_range(&fixture->bus, 0x1015, &found));
    assert_string_equal(found.name, "inner");
    assert_int_equal(found.first, 0x1010);
    assert_int_equal(found.last, 0x1017);
    assert_int_equal(found.access_sizes, 1 | 2);
    assert_ptr_equal(found.handler, device_access);
    assert_ptr_equal(found.context, &inner);
    assert_true(iobus_find_range(&fixture->bus, 0x1018, &found));
    assert_string_equal(found.name, "outer");
    assert_false(iobus_find_range(&fixture->bus, 0x1100, &found));

    /* Also where what was removed is still in the table. */
    always_fail = true;
    assert_int_equal(iobus_remove(&fixture->bus, handle, NULL), STATUS_OK);
    assert_true(iobus_find_range(&fixture->bus, 0x1015, &found));
    assert_ptr_equal(found.context, &outer);
    assert_int_equal(iobus_remove(&fixture->bus, around, NULL), STATUS_OK);
    assert_false(iobus_find_range(&fixture->bus, 0x1015, &found));
    always_fail = false;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IOBUS_TEST(test_overlay_is_inner),
        IOBUS_TEST(test_overlay_nests),
        IOBUS_TEST(test_overlay_conflicts),
        IOBUS_TEST(test_find_range),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
