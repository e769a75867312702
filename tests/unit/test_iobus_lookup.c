// SPDX-License-Identifier: BSD-2-Clause
/* The guesses of the common access. A wrong one costs time and nothing else, so that no test of the
 * bus's answers would notice: here they are compared with the search. */
#include "tests/unit/iobus_fixture.h"
#include "vmm/iobus/fast.h"

#include "vmm/iobus/layout.h"
#include "vmm/iobus/lookup.h"

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

/* Devices of a page or more, far apart: each of the first pages has its slot. Also after the one
 * that had taken another's is gone. */
static void test_pages(void **state)
{
    struct fixture *fixture = *state;
    const struct iobus_table *table = published(&fixture->bus);
    uint64_t slots = (uint64_t)table->slot_mask + 1;
    struct iobus_handle before = add(fixture, "b", (2 * slots + 0xe0000) << 12, 0x1000, 1, &device);

    assert_true(slots >= IOBUS_INDEX_PAGE);
    for (unsigned i = 0; i < 8; i++)
        add(fixture, "r", 0xe0000000 + i * 0x10000, 0x8000, 1, &device);
    assert_int_equal(published(&fixture->bus)->slot_mask + UINT64_C(1), slots);
    assert_int_equal(iobus_remove(&fixture->bus, before, NULL), STATUS_OK);
    iobus_reader_quiesce(&fixture->reader);
    table = published(&fixture->bus);
    for (unsigned i = 0; i < 8; i++) {
        for (uint64_t at = 0; at < 0x8000; at += 0xfff) {
            uint64_t address = 0xe0000000 + i * 0x10000 + at;

            assert_int_equal(iobus_guess(table, address)->first, 0xe0000000 + i * 0x10000);
        }
    }
}

/* Calls are numbered alike and the index says the same whatever changed on the way. */
static void test_ports(void **state)
{
    struct iobus_handle handles[64];
    struct iobus bus;
    bool is_there[64] = {false};

    (void)state;
    assert_int_equal(iobus_init(&bus, IOBUS_PORT_LAST, &allocator, NULL), STATUS_OK);
    for (unsigned step = 0; step < 200; step++) {
        unsigned i = step * 37 % 64;
        struct iobus_range added = range("r", i * 1023, 1 + i % 9, 1 + i % 15, &device);

        if (is_there[i])
            assert_int_equal(iobus_remove(&bus, handles[i], NULL), STATUS_OK);
        else
            assert_int_equal(iobus_register(&bus, &added, &handles[i], NULL), STATUS_OK);
        is_there[i] = !is_there[i];
        for (uint64_t port = 0; step % 16 == 15 && port <= IOBUS_PORT_LAST; port++) {
            const struct iobus_table *table = published(&bus);
            const struct iobus_call *call = iobus_port_call(table, port, step / 16 % 2);
            uint32_t target = table->segments[searched(table, port)].target;

            assert_ptr_equal(call->handler, target == IOBUS_NONE ? NULL : device_access);
            if (target != IOBUS_NONE)
                assert_int_equal(call->counter, table->targets[target].call.counter);
        }
    }
    iobus_destroy(&bus);
}

/* What does not change stays where it is, for the caches' sake. */
static void test_sharing(void **state)
{
    struct iobus_range near = range("near", 0x3f8, 8, 1, &device);
    struct iobus_range far = range("far", 0xfff0, 8, 1, &device);
    struct iobus_handle handle;
    struct iobus bus;

    (void)state;
    assert_int_equal(iobus_init(&bus, IOBUS_PORT_LAST, &allocator, NULL), STATUS_OK);
    assert_int_equal(iobus_register(&bus, &near, NULL, NULL), STATUS_OK);

    const struct iobus_call *call = iobus_port_call(published(&bus), 0x3f8, false);
    const struct iobus_index_page *page = published(&bus)->pages[0];

    assert_int_equal(iobus_register(&bus, &far, &handle, NULL), STATUS_OK);
    assert_ptr_equal(iobus_port_call(published(&bus), 0x3f8, false), call);
    assert_ptr_equal(published(&bus)->pages[0], page);
    assert_ptr_equal(published(&bus)->pages[1], published(&bus)->pages[2]);
    assert_int_equal(iobus_remove(&bus, handle, NULL), STATUS_OK);
    assert_ptr_equal(iobus_port_call(published(&bus), 0x3f8, false), call);
    assert_ptr_equal(published(&bus)->pages[0], page);
    iobus_destroy(&bus);
}

/* A vCPU in the middle of an access: what it found says what it said. */
static void test_older_tables(void **state)
{
    struct iobus_range stays = range("stays", 0x3f8, 8, 1, &device);
    struct iobus_range comes = range("comes", 0x2f8, 8, 1, &device);
    struct device other;
    struct iobus_reader *reader = aligned_alloc(64, sizeof(*reader));
    const struct iobus_table *before, *with;
    struct iobus_handle handle;
    struct iobus bus;

    (void)state;
    assert_int_equal(iobus_init(&bus, IOBUS_PORT_LAST, &allocator, NULL), STATUS_OK);
    assert_int_equal(iobus_reader_attach(&bus, reader, NULL), STATUS_OK);
    iobus_reader_begin(reader);
    assert_int_equal(iobus_register(&bus, &stays, NULL, NULL), STATUS_OK);
    before = published(&bus);
    assert_int_equal(iobus_register(&bus, &comes, &handle, NULL), STATUS_OK);
    with = published(&bus);
    comes.context = &other;
    for (unsigned i = 0; i < 100; i++) { /* many more calls than there was room for */
        assert_int_equal(iobus_remove(&bus, handle, NULL), STATUS_OK);
        comes.first = 0x2f0 - i % 16;
        assert_int_equal(iobus_register(&bus, &comes, &handle, NULL), STATUS_OK);
    }
    assert_null(iobus_port_call(before, 0x2f8, true)->handler);
    assert_ptr_equal(iobus_port_call(before, 0x3f8, true)->handler, device_access);
    assert_ptr_equal(iobus_port_call(with, 0x2f8, true)->handler, device_access);
    assert_ptr_equal(iobus_port_call(with, 0x2ff, true)->context, &device);
    assert_null(iobus_port_call(with, 0x2f7, true)->handler);
    iobus_reader_park(reader);
    iobus_reader_detach(reader);
    iobus_destroy(&bus);
    free(reader);
}

/* The call of an address, as the run loop finds it. */
static const struct iobus_call *call_at(struct iobus *bus, uint64_t address, bool is_write)
{
    const struct iobus_table *table = published(bus);

    if (table->is_ports)
        return iobus_port_call(table, address, is_write);
    return iobus_entry_call(iobus_entry_of(table, searched(table, address)), is_write);
}

/* The only doorbell of an address, if it has no data, is the call for writes; with another one
 * there it is not, and after that it is again. It is asked once, declining or not. */
static void check_direct_bell(uint64_t address_last)
{
    struct device outer = {0}, bell = {0}, second = {0};
    struct iobus_range around = range("around", 0x100, 0x10, 7, &outer);
    struct iobus_range narrow = range("narrow", 0x104, 2, 0, &bell);
    struct iobus_range any = range("any", 0x104, 1, 0, &second);
    struct io_access access = {.address = 0x104, .size = 2, .value = 0x1234, .is_write = true};
    struct iobus_reader *reader = aligned_alloc(64, sizeof(*reader));
    const struct iobus_call *call;
    struct iobus_handle handle;
    struct iobus bus;

    narrow.match = &(struct iobus_match){.width_bytes = 2};
    any.match = &(struct iobus_match){.width_bytes = 0};
    assert_int_equal(iobus_init(&bus, address_last, &allocator, iobus_tsc), STATUS_OK);
    assert_int_equal(iobus_reader_attach(&bus, reader, NULL), STATUS_OK);
    iobus_reader_begin(reader);
    assert_int_equal(iobus_register(&bus, &around, NULL, NULL), STATUS_OK);
    assert_int_equal(iobus_register(&bus, &narrow, NULL, NULL), STATUS_OK);
    call = call_at(&bus, 0x104, true);
    assert_ptr_equal(call->context, &bell);
    assert_int_equal(call->refused_sizes[1] & IOBUS_SIZES_ALL, 1 | 4 | 8);
    assert_ptr_equal(call_at(&bus, 0x104, false)->context, &outer);
    iobus_access_fast(&bus, reader, &access);
    assert_int_equal(bell.call_count, 1);
    assert_call(&bell, 0, 0x104, 2, 0x1234);

    bell.outcome = IO_DECLINED;
    iobus_access_fast(&bus, reader, &access);
    assert_int_equal(bell.call_count, 2);
    assert_int_equal(outer.call_count, 1);
    assert_call(&outer, 0, 0x104, 2, 0x1234);

    assert_int_equal(iobus_register(&bus, &any, &handle, NULL), STATUS_OK);
    iobus_reader_quiesce(reader);
    assert_ptr_equal(call_at(&bus, 0x104, true)->context, &outer);
    iobus_access_fast(&bus, reader, &access);
    assert_int_equal(bell.call_count, 3);
    assert_int_equal(second.call_count, 1);
    assert_int_equal(outer.call_count, 1);

    assert_int_equal(iobus_remove(&bus, handle, NULL), STATUS_OK);
    iobus_reader_quiesce(reader);
    assert_ptr_equal(call_at(&bus, 0x104, true)->context, &bell);
    access.size = 1; /* not its width */
    iobus_access_fast(&bus, reader, &access);
    assert_int_equal(bell.call_count, 3);
    assert_int_equal(outer.call_count, 2);
    iobus_reader_park(reader);
    iobus_reader_detach(reader);
    iobus_destroy(&bus);
    free(reader);
}

static void test_direct_bell(void **state)
{
    (void)state;
    check_direct_bell(IOBUS_PORT_LAST);
    check_direct_bell(IOBUS_MMIO_LAST);
}

/* A device that declines reads, and changes all of the access before. */
static enum io_outcome spoil(void *context, struct io_access *access)
{
    struct device *spoiler = context;

    spoiler->calls[spoiler->call_count++ % 16] = *access;
    if (access->is_write)
        return IO_HANDLED;
    memset(access, 0x5a, sizeof(*access));
    return IO_DECLINED;
}

/* The fast half says whose access it is, too, whatever a handler does to what it gets. */
static void check_initiator(uint64_t address_last)
{
    struct device spoiler = {0}, outer = {0};
    struct iobus_range around = range("around", 0x100, 0x10, 7, &outer);
    struct iobus_range inside = range("inside", 0x108, 4, 7, &spoiler);
    struct iobus_reader *reader = aligned_alloc(64, sizeof(*reader));
    struct iobus bus;

    inside.handler = spoil;
    assert_int_equal(iobus_init(&bus, address_last, &allocator, iobus_tsc), STATUS_OK);
    assert_int_equal(iobus_reader_attach(&bus, reader, &bus), STATUS_OK);
    iobus_reader_begin(reader);
    assert_int_equal(iobus_register(&bus, &around, NULL, NULL), STATUS_OK);
    assert_int_equal(iobus_register(&bus, &inside, NULL, NULL), STATUS_OK);
    for (unsigned i = 0; i < 4; i++) {
        struct io_access access = {.address = 0x108, .size = 4, .is_write = i % 2 != 0};

        iobus_access_fast(&bus, reader, &access);
        assert_int_equal(spoiler.call_count, i + 1);
        assert_ptr_equal(spoiler.calls[i].initiator, &bus);
        assert_int_equal(spoiler.calls[i].address, 0x108);
    }
    assert_int_equal(outer.call_count, 2);
    assert_ptr_equal(outer.calls[0].initiator, &bus);
    iobus_reader_park(reader);
    iobus_reader_detach(reader);
    iobus_destroy(&bus);
    free(reader);
}

static void test_initiator(void **state)
{
    (void)state;
    check_initiator(IOBUS_PORT_LAST);
    check_initiator(IOBUS_MMIO_LAST);
}

/* Many of them in one page, and the calls grow and are used again: each keeps its own. */
static void test_direct_bells_in_memory(void **state)
{
    static struct device bells[200];
    struct iobus_handle handles[200];
    struct iobus_reader *reader = aligned_alloc(64, sizeof(*reader));
    struct device outer = {0};
    struct iobus_range around = range("around", 0x1000, 0x1000, IOBUS_SIZES_ALL, &outer);
    struct iobus bus;
    uint32_t capacity;

    (void)state;
    assert_int_equal(iobus_init(&bus, IOBUS_MMIO_LAST, &allocator, iobus_tsc), STATUS_OK);
    assert_int_equal(iobus_reader_attach(&bus, reader, NULL), STATUS_OK);
    iobus_reader_begin(reader);
    assert_int_equal(iobus_register(&bus, &around, NULL, NULL), STATUS_OK);
    for (unsigned round = 0; round < 4; round++) {
        for (unsigned i = 0; i < 200; i++) {
            struct iobus_range bell = range("bell", 0x1000 + 8 * i, 1, 0, &bells[i]);

            bell.match = &(struct iobus_match){0};
            bells[i].call_count = 0;
            assert_int_equal(iobus_register(&bus, &bell, &handles[i], NULL), STATUS_OK);
            iobus_reader_quiesce(reader);
        }
        for (unsigned i = 0; i < 200; i++) {
            struct io_access access = {.address = 0x1000 + 8 * i, .size = 8, .is_write = true};

            assert_ptr_equal(call_at(&bus, access.address, true)->context, &bells[i]);
            assert_ptr_equal(call_at(&bus, access.address, false)->context, &outer);
            iobus_access_fast(&bus, reader, &access);
            assert_int_equal(bells[i].call_count, 1);
        }
        assert_int_equal(outer.call_count, 0);
        for (unsigned i = 0; i < 200; i++)
            assert_int_equal(iobus_remove(&bus, handles[i], NULL), STATUS_OK);
        iobus_reader_quiesce(reader);
        assert_int_equal(iobus_reclaim(&bus), 0);
        if (round == 0)
            capacity = bus.store->capacity;
        assert_int_equal(bus.store->capacity, capacity); /* no number is lost */
    }
    iobus_reader_park(reader);
    iobus_reader_detach(reader);
    iobus_destroy(&bus);
    free(reader);
}

static void visit_unclaimed(void *context, const struct iobus_unclaimed_count *count)
{
    uint64_t *writes = context;

    assert_int_equal(count->address, 0x9000);
    *writes += count->write_count;
}

/* The index knows a segment and not its doorbell's own line, and who is nowhere is counted by
 * granule. */
static void test_asked_in_memory(void **state)
{
    struct device outer = {0}, bell = {0};
    struct iobus_range around = range("around", 0x5000, 1, IOBUS_SIZES_1, &outer);
    struct iobus_range any = range("any", 0x5000, 1, 0, &bell);
    struct io_access access = {.address = 0x5000, .size = 1};
    struct iobus_reader *reader = aligned_alloc(64, sizeof(*reader));
    uint64_t unclaimed_writes = 0;
    struct iobus bus;

    (void)state;
    any.match = &(struct iobus_match){0};
    assert_int_equal(iobus_init(&bus, IOBUS_MMIO_LAST, &allocator, iobus_tsc), STATUS_OK);
    assert_int_equal(iobus_reader_attach(&bus, reader, NULL), STATUS_OK);
    iobus_reader_begin(reader);
    assert_int_equal(iobus_register(&bus, &around, NULL, NULL), STATUS_OK);
    assert_int_equal(iobus_register(&bus, &any, NULL, NULL), STATUS_OK);
    iobus_reader_quiesce(reader);
    assert_int_equal(iobus_guess(published(&bus), 0x5000)->first, 0x5000);
    iobus_access_fast(&bus, reader, &access);
    assert_int_equal(outer.call_count, 1);
    assert_int_equal(bell.call_count, 0);
    access.is_write = true;
    iobus_access_fast(&bus, reader, &access);
    assert_int_equal(bell.call_count, 1);

    access.address = 0x9004;
    access.size = 4;
    iobus_access_fast(&bus, reader, &access);
    (void)iobus_for_each_unclaimed(&bus, visit_unclaimed, &unclaimed_writes);
    assert_int_equal(unclaimed_writes, 1);
    iobus_reader_park(reader);
    iobus_reader_detach(reader);
    iobus_destroy(&bus);
    free(reader);
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
    uint32_t number = iobus_guess(table, 0x1000)->call.point;
    uint32_t key = iobus_bell_key(number, IOBUS_WIDTH_4);
    unsigned found = 0;

    assert_int_not_equal(number, IOBUS_NONE);
    for (unsigned i = 0; i < 4; i++) {
        const struct iobus_call *bell = iobus_bell(table, key, i * UINT64_C(1000));

        found += bell->point == key && bell->data == i * UINT64_C(1000) && bell->context == &device;
    }
    assert_true(found >= 3); /* two may want one slot */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IOBUS_TEST(test_tree),
        cmocka_unit_test(test_search),
        IOBUS_TEST(test_pages),
        cmocka_unit_test(test_ports),
        cmocka_unit_test(test_sharing),
        cmocka_unit_test(test_older_tables),
        IOBUS_TEST(test_data),
        cmocka_unit_test(test_direct_bell),
        cmocka_unit_test(test_initiator),
        cmocka_unit_test(test_direct_bells_in_memory),
        cmocka_unit_test(test_asked_in_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
