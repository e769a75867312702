#include "tests/unit/unit.h"

#include "vmm/iobus/iobus.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* --- Memory: what is freed is poisoned by the sanitiser; allocation number fail_at fails ---------
 */

static atomic_long used_bytes;
static long allocation_count, fail_at = -1;
static bool always_fail;

static void *allocate(void *context, size_t size_bytes, size_t alignment_bytes)
{
    void *block;

    (void)context;
    if (always_fail || allocation_count++ == fail_at)
        return NULL;
    block = aligned_alloc(alignment_bytes,
                          (size_bytes + alignment_bytes - 1) / alignment_bytes * alignment_bytes);
    memset(block, 0xa5, size_bytes);
    used_bytes += (long)size_bytes;
    return block;
}

static void release(void *context, void *memory, size_t size_bytes)
{
    (void)context;
    memset(memory, 0xdb, size_bytes);
    used_bytes -= (long)size_bytes;
    free(memory);
}

static const struct iobus_allocator allocator = {allocate, release, NULL};

/* --- A device that remembers what it was asked
 * ---------------------------------------------------- */

struct device {
    struct io_access calls[16];
    unsigned call_count;
    enum io_outcome outcome;
    uint64_t answer;
};

static enum io_outcome device_access(void *context, struct io_access *access)
{
    struct device *device = context;

    device->calls[device->call_count++ % 16] = *access;
    if (!access->is_write)
        access->value = device->answer;
    return device->outcome;
}

struct fixture {
    struct iobus bus;
    struct iobus_reader reader;
};

static int set_up(void **state)
{
    struct fixture *fixture = aligned_alloc(64, sizeof(*fixture));

    allocation_count = 0;
    fail_at = -1;
    always_fail = false;
    assert_int_equal(iobus_init(&fixture->bus, IOBUS_MMIO_LAST, &allocator, NULL), STATUS_OK);
    assert_int_equal(iobus_reader_attach(&fixture->bus, &fixture->reader), STATUS_OK);
    iobus_reader_begin(&fixture->reader);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    iobus_reader_park(&fixture->reader);
    iobus_reader_detach(&fixture->reader);
    iobus_destroy(&fixture->bus);
    assert_int_equal(used_bytes, 0);
    free(fixture);
    return 0;
}

static struct iobus_range range(const char *name, uint64_t first, uint64_t length_bytes,
                                uint8_t access_sizes, struct device *device)
{
    return (struct iobus_range){.first = first,
                                .length_bytes = length_bytes,
                                .name = name,
                                .access_sizes = access_sizes,
                                .handler = device_access,
                                .context = device};
}

static struct iobus_handle add(struct fixture *fixture, const char *name, uint64_t first,
                               uint64_t length_bytes, uint8_t access_sizes, struct device *device)
{
    struct iobus_range added = range(name, first, length_bytes, access_sizes, device);
    struct iobus_handle handle;

    assert_int_equal(iobus_register(&fixture->bus, &added, &handle, NULL), STATUS_OK);
    return handle;
}

static enum status add_doorbell(struct fixture *fixture, uint64_t address,
                                const struct iobus_match *match, struct device *device)
{
    struct iobus_range added =
        range("doorbell", address, match->width_bytes ? match->width_bytes : 1, 0, device);

    added.match = match;
    return iobus_register(&fixture->bus, &added, NULL, NULL);
}

static uint64_t read_bus(struct fixture *fixture, uint64_t address, uint8_t size)
{
    struct io_access access = {.address = address, .size = size, .value = 0x1122334455667788};

    iobus_access(&fixture->bus, &fixture->reader, &access);
    return access.value;
}

static void write_bus(struct fixture *fixture, uint64_t address, uint8_t size, uint64_t value)
{
    struct io_access access = {.address = address, .size = size, .value = value, .is_write = true};

    iobus_access(&fixture->bus, &fixture->reader, &access);
}

static void assert_call(const struct device *device, unsigned number, uint64_t address,
                        uint8_t size, uint64_t value)
{
    assert_true(number < device->call_count);
    assert_int_equal(device->calls[number].address, address);
    assert_int_equal(device->calls[number].size, size);
    assert_int_equal(device->calls[number].value, value);
}

/* --- Answering ----------------------------------------------------------------------------------
 */

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
    assert_int_equal(iobus_reader_attach(bus, reader), STATUS_OK);
    iobus_reader_begin(reader);
    assert_int_equal(iobus_register(bus, &last, NULL, NULL), STATUS_OK);
    iobus_access(bus, reader, &access);
    assert_int_equal(access.value, 0xffffff33);
    access = (struct io_access){.address = UINT64_C(0x1ffff), .size = 1};
    iobus_access(bus, reader, &access);
    assert_int_equal(access.value, 0xff);
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
    struct iobus_update update = {.additions = ranges, .addition_count = 1000};

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

/* --- Refusals ------------------------------------------------------------------------------------
 */

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

/* --- Removal, batches, completions
 * ----------------------------------------------------------------- */

static void test_handles(void **state)
{
    struct fixture *fixture = *state;
    struct device device = {0};
    struct iobus_handle first = add(fixture, "first", 0x10, 4, 1, &device), second;

    assert_int_equal(iobus_remove(&fixture->bus, (struct iobus_handle){0}, NULL), STATUS_NOT_FOUND);
    assert_int_equal(iobus_remove(&fixture->bus, first, NULL), STATUS_OK);
    assert_int_equal(iobus_remove(&fixture->bus, first, NULL), STATUS_NOT_FOUND);
    iobus_reader_quiesce(&fixture->reader);
    assert_int_equal(iobus_reclaim(&fixture->bus), 0);
    second = add(fixture, "second", 0x10, 4, 1, &device);
    assert_int_equal(second.slot, first.slot);
    assert_int_equal(iobus_remove(&fixture->bus, first, NULL), STATUS_NOT_FOUND);
    assert_int_equal(read_bus(fixture, 0x10, 1), 0);

    const struct iobus_handle twice[] = {second, second};
    const struct iobus_update update = {.removals = twice, .removal_count = 2};

    assert_int_equal(iobus_update(&fixture->bus, &update, NULL), STATUS_NOT_FOUND);
    assert_int_equal(read_bus(fixture, 0x10, 1), 0);
    assert_int_equal(iobus_remove(&fixture->bus, second, NULL), STATUS_OK);
    assert_int_equal(read_bus(fixture, 0x10, 1), 0xff);
}

static void test_batch(void **state)
{
    struct fixture *fixture = *state;
    struct device old = {.answer = 1}, left = {.answer = 2}, right = {.answer = 3};
    struct iobus_handle handle = add(fixture, "old", 0x10, 8, 1, &old), handles[2];
    struct iobus_range ranges[] = {
        range("right", 0x14, 4, 1, &right),
        range("left", 0x10, 4, 1, &left),
    };
    struct iobus_update update = {
        .additions = ranges,
        .addition_count = 2,
        .handles = handles,
        .removals = &handle,
        .removal_count = 1,
    };

    ranges[1].length_bytes = 5;
    assert_int_equal(iobus_update(&fixture->bus, &update, NULL), STATUS_CONFLICT);
    assert_int_equal(read_bus(fixture, 0x10, 1), 1);
    assert_int_equal(read_bus(fixture, 0x14, 1), 1);
    ranges[1].length_bytes = 4;
    assert_int_equal(iobus_update(&fixture->bus, &update, NULL), STATUS_OK);
    assert_int_equal(read_bus(fixture, 0x10, 1), 2);
    assert_int_equal(read_bus(fixture, 0x14, 1), 3);
    /* Each handle is its own range's, whatever the order. */
    assert_int_equal(iobus_remove(&fixture->bus, handles[0], NULL), STATUS_OK);
    assert_int_equal(read_bus(fixture, 0x10, 1), 2);
    assert_int_equal(read_bus(fixture, 0x14, 1), 0xff);
}

static void note_call(void *context)
{
    ++*(unsigned *)context;
}

static void test_completion(void **state)
{
    struct fixture *fixture = *state;
    struct device device = {0};
    unsigned calls = 0;
    struct iobus_completion completion = {.callback = note_call, .context = &calls};
    struct iobus_handle handle = add(fixture, "a", 0x10, 4, 1, &device);

    /* Nothing was removed: at once. */
    assert_int_equal(
        iobus_update(&fixture->bus, &(struct iobus_update){.completion = &completion}, NULL),
        STATUS_OK);
    assert_true(completion.done);
    assert_int_equal(calls, 1);

    assert_int_equal(iobus_remove(&fixture->bus, handle, &completion), STATUS_OK);
    assert_int_equal(iobus_reclaim(&fixture->bus), 2);
    assert_false(completion.done);
    iobus_reader_quiesce(&fixture->reader);
    assert_false(completion.done); /* the vCPU itself has no time for this */
    assert_int_equal(iobus_reclaim(&fixture->bus), 0);
    assert_true(completion.done);
    assert_int_equal(calls, 2);

    /* Nobody waits for a parked vCPU; one that wakes has not got the old table. */
    handle = add(fixture, "b", 0x10, 4, 1, &device);
    iobus_reader_park(&fixture->reader);
    assert_int_equal(iobus_remove(&fixture->bus, handle, &completion), STATUS_OK);
    assert_true(completion.done);
    iobus_reader_begin(&fixture->reader);
    assert_int_equal(read_bus(fixture, 0x10, 1), 0xff);
}

struct self_remover {
    struct fixture *fixture;
    struct iobus_handle handle;
    struct device *successor;
};

static enum io_outcome remove_myself(void *context, struct io_access *access)
{
    struct self_remover *self = context;
    struct iobus_range next = range("next", access->address, 1, 1, self->successor);
    const struct iobus_update update = {
        .additions = &next, .addition_count = 1, .removals = &self->handle, .removal_count = 1};

    assert_int_equal(iobus_update(&self->fixture->bus, &update, NULL), STATUS_OK);
    /* The new table answers already, from within. */
    assert_int_equal(read_bus(self->fixture, access->address, 1), 0x77);
    access->value = 0x66;
    return IO_HANDLED;
}

static void test_handler_changes_the_bus(void **state)
{
    struct fixture *fixture = *state;
    struct device successor = {.answer = 0x77};
    struct self_remover self = {.fixture = fixture, .successor = &successor};
    struct iobus_range added = {.first = 0x92,
                                .length_bytes = 1,
                                .name = "self",
                                .access_sizes = 1,
                                .handler = remove_myself,
                                .context = &self};

    assert_int_equal(iobus_register(&fixture->bus, &added, &self.handle, NULL), STATUS_OK);
    assert_int_equal(read_bus(fixture, 0x92, 1), 0x66);
    assert_int_equal(read_bus(fixture, 0x92, 1), 0x77);
}

/* --- Memory
 * --------------------------------------------------------------------------------------- */

static void test_no_memory_changes_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct device old = {.answer = 1}, new = {.answer = 2};
    struct iobus_handle handle = add(fixture, "old", 0x10, 8, 1, &old), handles[70];
    struct iobus_range ranges[70];
    struct iobus_reader *reader = aligned_alloc(64, sizeof(*reader));
    struct iobus_update update = {
        .additions = ranges,
        .addition_count = 70, /* more than the first chunk of slots */
        .handles = handles,
        .removals = &handle,
        .removal_count = 1,
    };
    unsigned failures = 0;

    for (unsigned i = 0; i < 70; i++)
        ranges[i] = range("new", 0x10 + i, 1, 1, &new);
    for (;; failures++) {
        allocation_count = 0;
        fail_at = failures;
        enum status status = iobus_update(&fixture->bus, &update, NULL);

        if (status == STATUS_OK)
            break;
        assert_int_equal(status, STATUS_NO_MEMORY);
        assert_int_equal(read_bus(fixture, 0x10, 1), 1);
        assert_int_equal(read_bus(fixture, 0x18, 1), 0xff);
    }
    assert_in_range(failures, 140, 200);
    assert_int_equal(read_bus(fixture, 0x10, 1), 2);

    for (failures = 0;; failures++) {
        allocation_count = 0;
        fail_at = failures;
        if (iobus_reader_attach(&fixture->bus, reader) == STATUS_OK)
            break;
    }
    assert_int_equal(failures, 2);
    iobus_reader_detach(reader);
    free(reader);

    struct iobus *bus = aligned_alloc(64, sizeof(*bus));

    for (failures = 0;; failures++) {
        allocation_count = 0;
        fail_at = failures;
        if (iobus_init(bus, IOBUS_PORT_LAST, &allocator, NULL) == STATUS_OK)
            break;
    }
    assert_int_equal(failures, 2);
    iobus_destroy(bus);
    free(bus);
}

static void test_removal_needs_no_memory(void **state)
{
    struct fixture *fixture = *state;
    struct device outer = {.answer = 0x11111111}, inner[8] = {0}, bell = {0};
    struct iobus_handle handles[8];
    struct iobus_completion completions[8] = {0};
    struct iobus_range added = range("bell", 0x108, 4, 0, &bell);

    add(fixture, "outer", 0x100, 16, IOBUS_SIZES_ALL, &outer);
    for (unsigned i = 0; i < 8; i++)
        handles[i] = add(fixture, "inner", 0x100 + i, 1, 1, &inner[i]);
    assert_int_equal(read_bus(fixture, 0x100, 8), 0);

    /* One after the other, and the vCPU never gets to its quiescent point. */
    always_fail = true;
    for (unsigned i = 0; i < 8; i++) {
        assert_int_equal(iobus_remove(&fixture->bus, handles[i], &completions[i]), STATUS_OK);
        assert_int_equal(iobus_remove(&fixture->bus, handles[i], NULL), STATUS_NOT_FOUND);
        assert_int_equal(read_bus(fixture, 0x100 + i, 1), 0x11);
        if (i < 7)
            assert_int_equal(read_bus(fixture, 0x101 + i, 1), 0);
        assert_false(completions[i].done);
    }
    /* What is gone does not cut the access of what is around it either. */
    outer.call_count = 0;
    outer.answer = 0x1122334455667788;
    assert_int_equal(read_bus(fixture, 0x100, 8), outer.answer);
    assert_int_equal(outer.call_count, 1);

    iobus_reader_quiesce(&fixture->reader);
    assert_int_equal(iobus_reclaim(&fixture->bus), 0);
    for (unsigned i = 0; i < 8; i++)
        assert_true(completions[i].done);
    assert_int_equal(iobus_register(&fixture->bus, &added, NULL, NULL), STATUS_INVALID);
    added.match = &(const struct iobus_match){.width_bytes = 4};
    assert_int_equal(iobus_register(&fixture->bus, &added, NULL, NULL), STATUS_NO_MEMORY);

    /* Memory again: the table is made small, and nothing is lost. */
    always_fail = false;
    assert_int_equal(iobus_reclaim(&fixture->bus), 1);
    assert_int_equal(read_bus(fixture, 0x100, 8), outer.answer);
    assert_int_equal(iobus_register(&fixture->bus, &added, &handles[0], NULL), STATUS_OK);
    write_bus(fixture, 0x108, 4, 1);
    assert_int_equal(bell.call_count, 1);
    always_fail = true;
    assert_int_equal(iobus_remove(&fixture->bus, handles[0], NULL), STATUS_OK);
    write_bus(fixture, 0x108, 4, 1);
    assert_int_equal(bell.call_count, 1);
    always_fail = false;
}

static void test_capacity(void **state)
{
    enum { COUNT = 16384 };
    struct fixture *fixture = *state;
    struct device *devices = calloc(COUNT, sizeof(*devices));
    struct iobus_range *ranges = calloc(COUNT, sizeof(*ranges));
    struct iobus_handle *handles = calloc(COUNT, sizeof(*handles));

    for (unsigned i = 0; i < COUNT; i++) {
        devices[i].answer = i;
        ranges[i] = range("many", UINT64_C(0x10000) + 16 * (i * 7919u % COUNT), 8, 4, &devices[i]);
    }
    struct iobus_update update = {.additions = ranges, .addition_count = COUNT, .handles = handles};

    assert_int_equal(iobus_update(&fixture->bus, &update, NULL), STATUS_OK);
    for (unsigned i = 0; i < COUNT; i++) {
        assert_int_equal(read_bus(fixture, ranges[i].first + 4, 4), i);
        assert_int_equal(read_bus(fixture, ranges[i].first + 8, 4), 0xffffffff);
    }
    update = (struct iobus_update){.removals = handles, .removal_count = COUNT};
    assert_int_equal(iobus_update(&fixture->bus, &update, NULL), STATUS_OK);
    assert_int_equal(read_bus(fixture, ranges[0].first, 4), 0xffffffff);
    free(devices);
    free(ranges);
    free(handles);
}

/* --- Counting
 * --------------------------------------------------------------------------------------- */

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
    assert_int_equal(iobus_reader_attach(&fixture->bus, second), STATUS_OK);
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

static void test_unclaimed(void **state)
{
    struct fixture *fixture = *state;
    struct iobus_reader *second = aligned_alloc(64, sizeof(*second));
    struct io_access access = {.address = 0x300, .size = 2, .is_write = true};
    struct iobus_unclaimed_count others;
    struct seen seen = {.count = 0};

    assert_int_equal(iobus_reader_attach(&fixture->bus, second), STATUS_OK);
    iobus_reader_begin(second);
    iobus_access(&fixture->bus, second, &access);
    read_bus(fixture, 0x300, 4);
    read_bus(fixture, 0x300, 1);
    iobus_for_each_unclaimed(&fixture->bus, see_unclaimed, &seen);
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.unclaimed[0].address, 0x300);
    assert_int_equal(seen.unclaimed[0].read_count, 2);
    assert_int_equal(seen.unclaimed[0].write_count, 1);

    for (unsigned i = 0; i < 100; i++)
        read_bus(fixture, 0x1000 + i, 1);
    seen.count = 0;
    others = iobus_for_each_unclaimed(&fixture->bus, see_unclaimed, &seen);
    assert_int_equal(seen.count, IOBUS_UNCLAIMED_MAX);
    assert_int_equal(others.read_count, 100 - (IOBUS_UNCLAIMED_MAX - 1));
    assert_int_equal(others.write_count, 0);
    iobus_reader_park(second);
    iobus_reader_detach(second);
    free(second);
}

/* --- Two threads: a vCPU that accesses, a writer that registers and removes
 * ------------------------- */

struct gadget {
    atomic_uint magic; /* not so after the writer has freed it */
};

static enum io_outcome gadget_access(void *context, struct io_access *access)
{
    if (((struct gadget *)context)->magic != 0x900d)
        abort(); /* cmocka's assertions are for its own thread */
    access->value = 0x42;
    return IO_HANDLED;
}

struct race {
    struct fixture *fixture;
    atomic_bool is_over;
    unsigned long accesses, hits;
};

static void *run_vcpu(void *context)
{
    struct race *race = context;

    for (unsigned round = 0; !race->is_over; round++) {
        iobus_reader_begin(&race->fixture->reader);
        for (unsigned i = 0; i < 1 + round % 3; i++) {
            uint64_t value = read_bus(race->fixture, 0x1000 + (round * 5 + i) % 64, 1);

            /* 0x1000 is always there. */
            if (value != 0x42 && (value != 0xff || (round * 5 + i) % 64 == 0))
                abort();
            race->accesses++;
            race->hits += value == 0x42;
        }
        if (round % 7 == 0)
            iobus_reader_park(&race->fixture->reader);
        else
            iobus_reader_quiesce(&race->fixture->reader);
    }
    return NULL;
}

struct leaving {
    struct iobus_completion completion;
    struct gadget *gadget;
};

static atomic_uint outstanding;

static void gadget_is_out_of_use(void *context)
{
    struct leaving *leaving = context;

    leaving->gadget->magic = 0xdead;
    free(leaving->gadget);
    free(leaving);
    outstanding--;
}

static struct iobus_handle add_gadget(struct iobus *bus, uint64_t address, struct gadget *gadget)
{
    struct iobus_range added = {.first = address,
                                .length_bytes = 1,
                                .name = "gadget",
                                .access_sizes = 1,
                                .handler = gadget_access,
                                .context = gadget};
    struct iobus_handle handle;

    assert_int_equal(iobus_register(bus, &added, &handle, NULL), STATUS_OK);
    return handle;
}

static void test_two_threads(void **state)
{
    struct fixture *fixture = *state;
    struct race race = {.fixture = fixture};
    struct gadget *gadgets[64] = {NULL}, lasting = {.magic = 0x900d};
    struct iobus_handle handles[64];
    pthread_t vcpu;

    add_gadget(&fixture->bus, 0x1000, &lasting);
    assert_int_equal(pthread_create(&vcpu, NULL, run_vcpu, &race), 0);
    for (unsigned i = 0; i < 20000; i++) {
        unsigned at = 1 + i * 2654435761u % 63;

        if (gadgets[at] == NULL) {
            gadgets[at] = malloc(sizeof(*gadgets[at]));
            gadgets[at]->magic = 0x900d;
            handles[at] = add_gadget(&fixture->bus, 0x1000 + at, gadgets[at]);
        } else {
            struct leaving *leaving = calloc(1, sizeof(*leaving));

            leaving->completion.callback = gadget_is_out_of_use;
            leaving->completion.context = leaving;
            leaving->gadget = gadgets[at];
            gadgets[at] = NULL;
            outstanding++;
            assert_int_equal(iobus_remove(&fixture->bus, handles[at], &leaving->completion),
                             STATUS_OK);
        }
    }
    race.is_over = true;
    pthread_join(vcpu, NULL);
    iobus_reader_park(&fixture->reader);
    assert_int_equal(iobus_reclaim(&fixture->bus), 0);
    assert_int_equal(outstanding, 0);
    assert_true(race.accesses > 0 && race.hits > 0);
    for (unsigned i = 0; i < 64; i++)
        free(gadgets[i]); /* still registered, but nobody accesses any more */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_whole_access),
        TEST(test_split_by_sizes),
        TEST(test_split_by_segments),
        TEST(test_nested_and_declined),
        TEST(test_ends_of_the_space),
        TEST(test_ports_end),
        TEST(test_doorbell_order),
        TEST(test_doorbell_is_exact),
        TEST(test_many_doorbells_on_one_address),
        TEST(test_overlap),
        TEST(test_invalid),
        TEST(test_handles),
        TEST(test_batch),
        TEST(test_completion),
        TEST(test_handler_changes_the_bus),
        TEST(test_no_memory_changes_nothing),
        TEST(test_removal_needs_no_memory),
        TEST(test_capacity),
        TEST(test_counters),
        TEST(test_unclaimed),
        TEST(test_two_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
