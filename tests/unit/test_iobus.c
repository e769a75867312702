// SPDX-License-Identifier: BSD-2-Clause
/* What the bus answers, refuses and counts. */
#include "tests/unit/iobus_fixture.h"

/* Answering. */

static void test_whole_access(void **state)
{
    struct fixture *fixture = *state;
    struct device device = {.answer = 0xffeeddccbbaa9988};

    add(fixture, "a", 0x1000, 16, IOBUS_SIZES_ALL, &device);
    assert_int_equal(read_bus(fixture, 0x1000, 1), 0x88);
    assert_int_equal(read_bus(fixture, 0x1004, 4), 0xbbaa9988);
    assert_int_equal(read_bus(fixture, 0x1008, 8), 0xffeeddccbbaa9988);
    write_bus(fixture, 0x100e, 2, 0x1234);
    assert_int_equal(device.call_count, 4);
    assert_call(&device, 3, 0x100e, 2, 0x1234);
}

static void test_split_by_sizes(void **state)
{
    struct fixture *fixture = *state;
    struct device bytes = {.answer = 0x5a}, words = {.answer = 0xbeef}, dwords = {.answer = 1};

    add(fixture, "bytes", 0x40, 4, 1, &bytes);
    add(fixture, "words", 0x100, 0x10, 1 | 2, &words);
    add(fixture, "dwords", 0x200, 0x20, 4, &dwords);

    write_bus(fixture, 0x40, 4, 0x44332211);
    for (unsigned i = 0; i < 4; i++)
        assert_call(&bytes, i, 0x40 + i, 1, 0x11 * (i + 1));
    assert_int_equal(read_bus(fixture, 0x40, 2), 0x5a5a);

    /* Misaligned: 1 + 2 + 1. */
    write_bus(fixture, 0x101, 4, 0x44332211);
    assert_int_equal(words.call_count, 3);
    assert_call(&words, 0, 0x101, 1, 0x11);
    assert_call(&words, 1, 0x102, 2, 0x3322);
    assert_call(&words, 2, 0x104, 1, 0x44);
    assert_int_equal(read_bus(fixture, 0x108, 8), 0xbeefbeefbeefbeef);

    /* Two of the size it takes; none that fits within one. */
    assert_int_equal(read_bus(fixture, 0x208, 8), 0x0000000100000001);
    assert_int_equal(read_bus(fixture, 0x208, 1), 0xff);
    assert_int_equal(read_bus(fixture, 0x20a, 4), 0xffffffff);
    /* The bytes that do fit reach it, the others float. */
    assert_int_equal(read_bus(fixture, 0x202, 8), 0xffff00000001ffff);
}

static void test_split_by_segments(void **state)
{
    struct fixture *fixture = *state;
    struct device low = {.answer = 0x11111111}, high = {.answer = 0x2222};

    add(fixture, "low", 0x10, 4, IOBUS_SIZES_ALL, &low);
    add(fixture, "high", 0x14, 2, IOBUS_SIZES_ALL, &high);
    assert_int_equal(read_bus(fixture, 0x10, 8), 0xffff222211111111);
    assert_int_equal(read_bus(fixture, 0x13, 2), 0x2211);
    assert_int_equal(read_bus(fixture, 0xe, 4), 0x1111ffff);
    write_bus(fixture, 0x12, 8, 0x8877665544332211);
    assert_call(&low, low.call_count - 1, 0x12, 2, 0x2211);
    assert_call(&high, high.call_count - 1, 0x14, 2, 0x4433);
}

static void test_nested_and_declined(void **state)
{
    struct fixture *fixture = *state;
    struct device outer = {.answer = 0xaaaaaaaa}, middle = {.answer = 0xbbbb},
                  inner = {.answer = 0xcc};

    add(fixture, "middle", 0x1002, 2, IOBUS_SIZES_ALL, &middle);
    add(fixture, "inner", 0x1003, 1, IOBUS_SIZES_ALL, &inner);
    add(fixture, "outer", 0x1000, 8, IOBUS_SIZES_ALL, &outer);
    assert_int_equal(read_bus(fixture, 0x1000, 4), 0xccbbaaaa);

    inner.outcome = IO_DECLINED;
    assert_int_equal(read_bus(fixture, 0x1003, 1), 0xbb);
    middle.outcome = IO_DECLINED;
    assert_int_equal(read_bus(fixture, 0x1003, 1), 0xaa);
    outer.outcome = IO_DECLINED;
    assert_int_equal(read_bus(fixture, 0x1003, 1), 0xff);

    /* What a byte-wide range declines comes to the one around it in one piece again. */
    struct device board = {.answer = 0x12345678}, chip = {.outcome = IO_DECLINED};

    add(fixture, "board", 0x2000, 0x100, IOBUS_SIZES_ALL, &board);
    add(fixture, "chip", 0x2010, 4, 1, &chip);
    assert_int_equal(read_bus(fixture, 0x2010, 4), 0x12345678);
    assert_int_equal(chip.call_count, 4);
    assert_int_equal(board.call_count, 1);
}

static void test_ends_of_the_space(void **state)
{
    struct fixture *fixture = *state;
    struct device low = {.answer = 0x11}, high = {.answer = 0x22};
    struct iobus_range beyond = range("beyond", UINT64_MAX - 1, 3, 1, &high);

    assert_int_equal(iobus_register(&fixture->bus, &beyond, NULL, NULL), STATUS_OUT_OF_RANGE);
    add(fixture, "low", 0, UINT64_C(1) << 63, 1, &low);
    add(fixture, "high", UINT64_C(1) << 63, UINT64_C(1) << 63, 1, &high);
    assert_int_equal(read_bus(fixture, 0, 1), 0x11);
    assert_int_equal(read_bus(fixture, UINT64_MAX, 1), 0x22);
    assert_int_equal(read_bus(fixture, (UINT64_C(1) << 63) - 1, 2), 0x2211);
    /* It does not wrap to address 0. */
    assert_int_equal(read_bus(fixture, UINT64_MAX - 1, 8), 0xffffffffffff2222);
}

static void test_ports_end(void **state)
{
    struct iobus *bus = aligned_alloc(64, sizeof(*bus));
    struct iobus_reader *reader = aligned_alloc(64, sizeof(*reader));
    struct device device = {.answer = 0x33};
    struct iobus_range last = range("last", 0xffff, 1, 1, &device);
    struct io_access access = {.address = 0xffff, .size = 4};

    (void)state;
    assert_int_equal(iobus_init(bus, IOBUS_PORT_LAST, &allocator, NULL), STATUS_OK);
    assert_int_equal(iobus_reader_attach(bus, reader, NULL), STATUS_OK);
    iobus_reader_begin(reader);
    assert_int_equal(iobus_register(bus, &last, NULL, NULL), STATUS_OK);
    iobus_access(bus, reader, &access);
    assert_int_equal(access.value, 0xffffff33);
    access = (struct io_access){.address = UINT64_C(0x1ffff), .size = 1};
    iobus_access(bus, reader, &access);
    assert_int_equal(access.value, 0xff);
    /* Ports are counted one by one; what lies past the end of the space, at the access's address.
     */
    access = (struct io_access){.address = 0x80, .size = 1, .is_write = true};
    iobus_access(bus, reader, &access);
    access.address = 0x81;
    iobus_access(bus, reader, &access);
    assert_int_equal(iobus_unclaimed_find(&reader->unclaimed, 0x80).write_count, 1);
    assert_int_equal(iobus_unclaimed_find(&reader->unclaimed, 0x81).write_count, 1);
    assert_int_equal(iobus_unclaimed_find(&reader->unclaimed, 0xffff).read_count, 1);
    iobus_reader_park(reader);
    iobus_reader_detach(reader);
    iobus_destroy(bus);
    free(reader);
    free(bus);
}

static void test_doorbell_order(void **state)
{
    struct fixture *fixture = *state;
    struct device device = {0}, bells[4] = {0};
    const struct iobus_match matches[] = {
        {.width_bytes = 4, .has_data = true, .data = 7},
        {.width_bytes = 0, .has_data = true, .data = 7},
        {.width_bytes = 4},
        {.width_bytes = 0},
    };

    add(fixture, "device", 0x3000, 0x100, IOBUS_SIZES_ALL, &device);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(add_doorbell(fixture, 0x3010, &matches[3 - i], &bells[3 - i]), STATUS_OK);
    for (unsigned i = 0; i < 4; i++) {
        write_bus(fixture, 0x3010, 4, 7);
        for (unsigned j = 0; j < 4; j++) /* those asked before declined, too */
            assert_int_equal(bells[j].call_count, j <= i ? i - j + 1 : 0);
        bells[i].outcome = IO_DECLINED;
        assert_int_equal(device.call_count, 0);
    }
    write_bus(fixture, 0x3010, 4, 7);
    assert_int_equal(device.call_count, 1);
    assert_call(&device, 0, 0x3010, 4, 7);
}

static void test_doorbell_is_exact(void **state)
{
    struct fixture *fixture = *state;
    struct device device = {.answer = 0x99}, bell = {0};

    add(fixture, "device", 0x3000, 0x100, IOBUS_SIZES_ALL, &device);
    assert_int_equal(
        add_doorbell(fixture, 0x3010,
                     &(struct iobus_match){.width_bytes = 4, .has_data = true, .data = UINT32_MAX},
                     &bell),
        STATUS_OK);
    write_bus(fixture, 0x3010, 4, 1);          /* other data */
    write_bus(fixture, 0x3010, 2, 0xffff);     /* other width */
    write_bus(fixture, 0x300c, 8, UINT64_MAX); /* over it, not at it */
    write_bus(fixture, 0x3010, 8, UINT64_MAX);
    assert_int_equal(read_bus(fixture, 0x3010, 4), 0x99); /* not a write */
    assert_int_equal(bell.call_count, 0);
    /* It does not cut the accesses of the device it lies in. */
    assert_int_equal(device.call_count, 6);
    assert_call(&device, 2, 0x3008 + 4, 4, UINT32_MAX);
    write_bus(fixture, 0x3010, 4, UINT32_MAX);
    assert_int_equal(bell.call_count, 1);
    assert_int_equal(device.call_count, 6);
    /* Nor those of nobody. */
    assert_int_equal(add_doorbell(fixture, 0x8000, &(struct iobus_match){.width_bytes = 1}, &bell),
                     STATUS_OK);
    assert_int_equal(read_bus(fixture, 0x7fff, 4), 0xffffffff);
}

static void test_many_doorbells_on_one_address(void **state)
{
    struct fixture *fixture = *state;
    static struct device bells[1000];
    static struct iobus_match matches[1000];
    static struct iobus_range ranges[1000];
    struct device device = {0};
    struct iobus_change update = {.additions = ranges, .addition_count = 1000};

    memset(bells, 0, sizeof(bells));
    add(fixture, "device", 0x5000, 0x10, IOBUS_SIZES_ALL, &device);
    for (unsigned i = 0; i < 1000; i++) {
        matches[i] = (struct iobus_match){.width_bytes = 4, .has_data = true, .data = 3 * i};
        ranges[i] = range("bell", 0x5004, 4, 0, &bells[i]);
        ranges[i].match = &matches[i];
    }
    assert_int_equal(iobus_update(&fixture->bus, &update, NULL), STATUS_OK);
    for (unsigned i = 0; i < 3000; i++)
        write_bus(fixture, 0x5004, 4, i);
    for (unsigned i = 0; i < 1000; i++)
        assert_int_equal(bells[i].call_count, 1);
    assert_int_equal(device.call_count, 2000);
}

/* Refusals. */

static void test_overlap(void **state)
{
    struct fixture *fixture = *state;
    struct device device = {0};
    struct iobus_conflict conflict;
    struct iobus_range added;

    add(fixture, "i8254", 0x40, 4, 1, &device);
    added = range("half", 0x42, 4, 1, &device);
    assert_int_equal(iobus_register(&fixture->bus, &added, NULL, &conflict), STATUS_CONFLICT);
    assert_string_equal(conflict.new_name, "half");
    assert_string_equal(conflict.old_name, "i8254");
    assert_int_equal(conflict.new_first, 0x42);
    assert_int_equal(conflict.new_last, 0x45);
    assert_int_equal(conflict.old_first, 0x40);
    assert_int_equal(conflict.old_last, 0x43);
    added = range("twin", 0x40, 4, 1, &device);
    assert_int_equal(iobus_register(&fixture->bus, &added, NULL, &conflict), STATUS_CONFLICT);
    assert_string_equal(conflict.new_name, "twin");
    added = range("below", 0x3f, 2, 1, &device);
    assert_int_equal(iobus_register(&fixture->bus, &added, NULL, &conflict), STATUS_CONFLICT);
    assert_string_equal(conflict.new_name, "below");
    assert_string_equal(conflict.old_name, "i8254");

    const struct iobus_match match = {.width_bytes = 2, .has_data = true, .data = 1};

    assert_int_equal(add_doorbell(fixture, 0x50, &match, &device), STATUS_OK);
    assert_int_equal(add_doorbell(fixture, 0x50, &match, &device), STATUS_CONFLICT);
    assert_int_equal(
        add_doorbell(fixture, 0x50,
                     &(struct iobus_match){.width_bytes = 2, .has_data = true, .data = 2}, &device),
        STATUS_OK);
}

static void test_invalid(void **state)
{
    struct fixture *fixture = *state;
    struct device device = {0};
    const struct iobus_range good = range("good", 0x10, 4, 1, &device);
    struct iobus_range bad[7];
    static const struct iobus_match matches[] = {
        {.width_bytes = 3},
        {.width_bytes = 1, .has_data = true, .data = 0x100},
        {.width_bytes = 1, .data = 1},
    };

    for (unsigned i = 0; i < 7; i++)
        bad[i] = good;
    bad[0].length_bytes = 0;
    bad[1].length_bytes = (UINT64_C(1) << 63) + 1;
    bad[2].access_sizes = 0;
    bad[3].access_sizes = 16;
    bad[4].handler = NULL;
    bad[5].name = NULL;
    bad[6].match = &(const struct iobus_match){.width_bytes = 4}; /* and access_sizes */
    for (unsigned i = 0; i < 7; i++)
        assert_int_equal(iobus_register(&fixture->bus, &bad[i], NULL, NULL), STATUS_INVALID);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(add_doorbell(fixture, 0x10, &matches[i], &device), STATUS_INVALID);
}

/* Counting. */

static uint64_t ticks;

static uint64_t tick_clock(void)
{
    return ticks += 100;
}

struct seen {
    struct iobus_range_info infos[8];
    struct iobus_unclaimed_count unclaimed[80];
    unsigned count;
};

static void see_range(void *context, const struct iobus_range_info *info)
{
    struct seen *seen = context;

    seen->infos[seen->count++] = *info;
}

static void see_unclaimed(void *context, const struct iobus_unclaimed_count *count)
{
    struct seen *seen = context;

    seen->unclaimed[seen->count++] = *count;
}

static void test_counters(void **state)
{
    struct fixture *fixture = *state;
    struct device device = {0};
    struct iobus_reader *second = aligned_alloc(64, sizeof(*second));
    struct seen seen = {.count = 0};
    struct io_access access = {.address = 0x20, .size = 1};

    fixture->bus.clock = tick_clock;
    add(fixture, "b", 0x20, 4, 1, &device);
    add(fixture, "a", 0x10, 0x20, 1, &device);
    assert_int_equal(add_doorbell(fixture, 0x20, &(struct iobus_match){.width_bytes = 1}, &device),
                     STATUS_OK);
    assert_int_equal(iobus_reader_attach(&fixture->bus, second, NULL), STATUS_OK);
    iobus_reader_begin(second);
    for (unsigned i = 0; i < 5; i++)
        read_bus(fixture, 0x20, 1);
    write_bus(fixture, 0x20, 1, 0);
    read_bus(fixture, 0x10, 2);
    for (unsigned i = 0; i < 3; i++)
        iobus_access(&fixture->bus, second, &access);
    add(fixture, "a name that is a good deal longer than there is room", 0x30, 4, 1, &device);

    for (unsigned round = 0; round < 2; round++) { /* the second: after the reader has gone */
        seen.count = 0;
        iobus_for_each_range(&fixture->bus, see_range, &seen);
        assert_int_equal(seen.count, 4);
        assert_string_equal(seen.infos[0].name, "a");
        assert_int_equal(seen.infos[0].last, 0x2f);
        assert_int_equal(seen.infos[0].hits, 2);
        assert_string_equal(seen.infos[1].name, "b");
        assert_int_equal(seen.infos[1].hits, 8);
        assert_int_equal(seen.infos[1].cycles, 800);
        assert_true(seen.infos[2].has_match);
        assert_int_equal(seen.infos[2].hits, 1);
        assert_string_equal(seen.infos[3].name, "a name that is a good deal long");
        if (round == 0) {
            iobus_reader_park(second);
            iobus_reader_detach(second);
        }
    }
    free(second);
}

static void add_hits(void *context, const struct iobus_range_info *info)
{
    *(uint64_t *)context += info->hits;
}

/* What was counted before there were more slots, and after, is in the sum. */
static void test_counters_grow(void **state)
{
    struct fixture *fixture = *state;
    static struct device device;
    uint64_t hits = 0;

    for (unsigned i = 0; i < 200; i++) {
        add(fixture, "r", 0x1000 + 16 * i, 16, 1, &device);
        read_bus(fixture, 0x1000, 1);
        device.outcome = IO_DECLINED; /* counts for nobody */
        read_bus(fixture, 0x1000, 1);
        device.outcome = IO_HANDLED;
    }
    iobus_for_each_range(&fixture->bus, add_hits, &hits);
    assert_int_equal(hits, 200);
}

/* Every handler learns whose access it is, whichever way the access goes, and from no one else. */
static void test_initiator(void **state)
{
    const struct iobus_match any = {0}, exact = {.width_bytes = 4, .has_data = true, .data = 5};
    struct fixture *fixture = *state;
    struct iobus_reader *second = aligned_alloc(64, sizeof(*second));
    struct device narrow = {0}, outer = {0}, bell = {0}, declines = {.outcome = IO_DECLINED};
    struct io_access lie = {.address = 0x1000, .size = 1, .initiator = &lie};
    uint64_t tsc = 0;

    add(fixture, "narrow", 0x1000, 8, IOBUS_SIZES_1, &narrow);
    add(fixture, "outer", 0x2000, 0x100, IOBUS_SIZES_ALL, &outer);
    add(fixture, "declines", 0x2010, 0x10, IOBUS_SIZES_ALL, &declines);
    assert_int_equal(add_doorbell(fixture, 0x3000, &any, &bell), STATUS_OK);
    assert_int_equal(add_doorbell(fixture, 0x3008, &exact, &bell), STATUS_OK);
    assert_int_equal(iobus_reader_attach(&fixture->bus, second, &tsc), STATUS_OK);
    iobus_reader_begin(second);

    iobus_access(&fixture->bus, &fixture->reader, &lie);
    iobus_access(&fixture->bus, second, &lie);
    assert_ptr_equal(narrow.calls[0].initiator, fixture);
    assert_ptr_equal(narrow.calls[1].initiator, &tsc);
    (void)read_bus(fixture, 0x1001, 4); /* in four pieces */
    assert_int_equal(narrow.call_count, 6);
    for (unsigned i = 2; i < 6; i++)
        assert_ptr_equal(narrow.calls[i].initiator, fixture);
    write_bus(fixture, 0x2012, 2, 0);
    (void)read_bus(fixture, 0x2ffe, 4); /* unclaimed */
    assert_ptr_equal(declines.calls[0].initiator, fixture);
    assert_ptr_equal(outer.calls[0].initiator, fixture);
    write_bus(fixture, 0x3000, 2, 0);
    write_bus(fixture, 0x3008, 4, 5);
    assert_int_equal(bell.call_count, 2);
    assert_ptr_equal(bell.calls[0].initiator, fixture);
    assert_ptr_equal(bell.calls[1].initiator, fixture);
    iobus_reader_park(second);
    iobus_reader_detach(second);
    free(second);
}

static void test_unclaimed(void **state)
{
    struct fixture *fixture = *state;
    struct iobus_reader *second = aligned_alloc(64, sizeof(*second));
    struct io_access access = {.address = 0x5300, .size = 2, .is_write = true};
    struct iobus_unclaimed_count others;
    struct seen seen = {.count = 0};

    assert_int_equal(iobus_reader_attach(&fixture->bus, second, NULL), STATUS_OK);
    iobus_reader_begin(second);
    iobus_access(&fixture->bus, second, &access);
    read_bus(fixture, 0x5ffc, 4);
    read_bus(fixture, 0x5000, 1);
    iobus_for_each_unclaimed(&fixture->bus, see_unclaimed, &seen);
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.unclaimed[0].address, 0x5000);
    assert_int_equal(seen.unclaimed[0].read_count, 2);
    assert_int_equal(seen.unclaimed[0].write_count, 1);

    for (unsigned i = 0; i < 100; i++)
        read_bus(fixture, 0x100000 + i * IOBUS_UNCLAIMED_GRANULE, 1);
    /* Most find room, and what finds none is not lost. */
    seen.count = 0;
    others = iobus_for_each_unclaimed(&fixture->bus, see_unclaimed, &seen);
    assert_in_range(seen.count, IOBUS_UNCLAIMED_MAX * 3 / 4, IOBUS_UNCLAIMED_MAX);
    assert_int_equal(others.read_count, 100 - (seen.count - 1));
    assert_int_equal(others.write_count, 0);
    iobus_reader_park(second);
    iobus_reader_detach(second);
    free(second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IOBUS_TEST(test_whole_access),
        IOBUS_TEST(test_split_by_sizes),
        IOBUS_TEST(test_split_by_segments),
        IOBUS_TEST(test_nested_and_declined),
        IOBUS_TEST(test_ends_of_the_space),
        IOBUS_TEST(test_ports_end),
        IOBUS_TEST(test_doorbell_order),
        IOBUS_TEST(test_doorbell_is_exact),
        IOBUS_TEST(test_many_doorbells_on_one_address),
        IOBUS_TEST(test_overlap),
        IOBUS_TEST(test_invalid),
        IOBUS_TEST(test_counters),
        IOBUS_TEST(test_counters_grow),
        IOBUS_TEST(test_initiator),
        IOBUS_TEST(test_unclaimed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
