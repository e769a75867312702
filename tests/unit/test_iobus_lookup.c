/* The guesses of the common access. A wrong one costs time and nothing else, so that no test of the
 * bus's answers would notice: here they are compared with the search. */
#include "tests/unit/iobus_fixture.h"

#include "vmm/iobus/lookup.h"
#include "vmm/iobus/table.h"

#define RANGES_MAX 300

static struct device device;

static const struct iobus_table *published(struct iobus *bus)
{
    return atomic_load(&bus->table);
}

static uint32_t searched(const struct iobus_table *table, uint64_t address)
{
    return iobus_search(table->starts, table->segment_count, address);
}

static uint64_t guessed_by_tree(const struct iobus_table *table, uint64_t address)
{
    return iobus_tree_guess(table->tree, table->tree_levels, address);
}

/* With every number of ranges, at both sides of every border and at both ends of the space. */
static void test_tree(void **state)
{
    struct fixture *fixture = *state;

    for (unsigned count = 0; count < RANGES_MAX; count++) {
        const struct iobus_table *table;

        if (count > 0)
            add(fixture, "r", (uint64_t)count * count * 0x100000 - 8, count % 3 + 5, 1, &device);
        iobus_reader_quiesce(&fixture->reader);
        table = published(&fixture->bus);
        for (uint32_t i = 0; i < table->segment_count; i++) {
            assert_int_equal(guessed_by_tree(table, table->starts[i]), i);
            assert_int_equal(guessed_by_tree(table, table->segments[i].last), i);
        }
        assert_int_equal(guessed_by_tree(table, UINT64_MAX), table->segment_count - 1);
    }
}

static void test_search(void **state)
{
    static const uint64_t keys[] = {0, 1, 5, 6, 7, UINT64_C(1) << 63, UINT64_MAX};

    (void)state;
    for (uint32_t count = 1; count <= 7; count++) {
        for (uint32_t i = 0; i < 7; i++) {
            uint32_t last = i < count ? i : count - 1;

            assert_int_equal(iobus_search(keys, count, keys[i]), last);
            if (i > 0 && keys[i] - 1 != keys[i - 1])
                assert_int_equal(iobus_search(keys, count, keys[i] - 1),
                                 i - 1 < count ? i - 1 : count - 1);
        }
    }
}

/* Devices of a page or more, far apart: each of the first pages has its slot. */
static void test_pages(void **state)
{
    struct fixture *fixture = *state;
    const struct iobus_table *table;

    for (unsigned i = 0; i < 8; i++)
        add(fixture, "r", 0xfe000000 + i * 0x10000, 0x8000, 1, &device);
    iobus_reader_quiesce(&fixture->reader);
    table = published(&fixture->bus);
    for (unsigned i = 0; i < 8; i++) {
        for (uint64_t at = 0; at < 0x8000; at += 0xfff) {
            uint64_t address = 0xfe000000 + i * 0x10000 + at;

            assert_int_equal(table->page_index[iobus_page_slot(address, table->page_mask)],
                             searched(table, address));
        }
    }
}

static void test_ports(void **state)
{
    struct iobus_range added = range("r", 0x3f8, 8, 1, &device);
    struct iobus bus;

    (void)state;
    assert_int_equal(iobus_init(&bus, IOBUS_PORT_LAST, &allocator, NULL), STATUS_OK);
    assert_int_equal(iobus_register(&bus, &added, NULL, NULL), STATUS_OK);
    added.first = 0xfff8;
    assert_int_equal(iobus_register(&bus, &added, NULL, NULL), STATUS_OK);
    for (uint64_t port = 0; port <= IOBUS_PORT_LAST; port++) {
        const struct iobus_table *table = published(&bus);
        const struct iobus_call *call = &table->port_calls[table->port_index[port]];
        uint32_t target = table->segments[searched(table, port)].target;

        assert_ptr_equal(call->handler, target == IOBUS_NONE ? NULL : device_access);
        if (target != IOBUS_NONE)
            assert_int_equal(call->counter, table->targets[target].call.counter);
    }
    iobus_destroy(&bus);
}

static void test_data(void **state)
{
    struct fixture *fixture = *state;
    const struct iobus_table *table;

    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(add_doorbell(fixture, 0x1000,
                                      &(struct iobus_match){4, true, i * UINT64_C(1000)}, &device),
                         STATUS_OK);
    iobus_reader_quiesce(&fixture->reader);
    table = published(&fixture->bus);
    uint32_t first = table->points[0].data_first[IOBUS_WIDTH_4];
    uint32_t key = iobus_bell_key(0, IOBUS_WIDTH_4);
    unsigned found = 0;

    for (unsigned i = 0; i < 4; i++) {
        const struct iobus_bell *bell =
            &table->bells[iobus_bell_slot(i * UINT64_C(1000), key, table->bell_mask)];

        found += bell->key == key && bell->data == i * UINT64_C(1000) && bell->target == first + i;
    }
    assert_true(found >= 3); /* two may want one slot */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IOBUS_TEST(test_tree),        cmocka_unit_test(test_search), IOBUS_TEST(test_pages),
        cmocka_unit_test(test_ports), IOBUS_TEST(test_data),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
