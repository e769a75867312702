// SPDX-License-Identifier: BSD-2-Clause
/* How the bus changes while it is in use. */
#include "tests/unit/iobus_fixture.h"
#include "tests/unit/rounds.h"

#include <pthread.h>
#include <sched.h>

/* Removal, batches, completions. */

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
    const struct iobus_change update = {.removals = twice, .removal_count = 2};

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
    struct iobus_change update = {
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
        iobus_update(&fixture->bus, &(struct iobus_change){.completion = &completion}, NULL),
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
    const struct iobus_change update = {
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

/* Memory. */

static void test_no_memory_changes_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct device old = {.answer = 1}, new = {.answer = 2};
    struct iobus_handle handle = add(fixture, "old", 0x10, 8, 1, &old), handles[70];
    struct iobus_range ranges[70];
    struct iobus_reader *reader = aligned_alloc(64, sizeof(*reader));
    struct iobus_change update = {
        .additions = ranges,
        .addition_count = 70, /* more slots than there are at first */
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
        if (iobus_reader_attach(&fixture->bus, reader, NULL) == STATUS_OK)
            break;
    }
    assert_int_equal(failures, 1); /* one array of counters, whatever there is room for */
    iobus_reader_detach(reader);
    free(reader);

    struct iobus *bus = aligned_alloc(64, sizeof(*bus));

    for (failures = 0;; failures++) {
        allocation_count = 0;
        fail_at = failures;
        if (iobus_init(bus, IOBUS_PORT_LAST, &allocator, NULL) == STATUS_OK)
            break;
    }
    assert_int_equal(failures, 3);
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

/* What comes where something dead has been is not taken for it. */
static void test_successor_of_the_dead(void **state)
{
    struct fixture *fixture = *state;
    struct device first = {.answer = 1}, second = {.answer = 2};
    struct iobus_handle handle = add(fixture, "first", 0x100, 4, 1, &first), next;

    always_fail = true;
    assert_int_equal(iobus_remove(&fixture->bus, handle, NULL), STATUS_OK);
    iobus_reader_quiesce(&fixture->reader);
    assert_int_equal(iobus_reclaim(&fixture->bus), 0);
    always_fail = false;
    next = add(fixture, "second", 0x100, 4, 1, &second);
    assert_int_equal(next.slot, handle.slot);
    assert_int_equal(read_bus(fixture, 0x100, 1), 2);
    assert_int_equal(first.call_count, 0);
}

/* Random registrations and removals, and for each whether it answers; calls are many and old. */
static void test_numbers_are_reused(void **state)
{
    enum { COUNT = 300 };
    struct fixture *fixture = *state;
    struct device devices[COUNT];
    struct iobus_handle handles[COUNT];
    bool is_there[COUNT] = {false};

    for (unsigned i = 0; i < COUNT; i++)
        devices[i] = (struct device){.answer = i};
    for (unsigned step = 0; step < 3000; step++) {
        unsigned i = step * 2654435761u % COUNT;

        if (is_there[i])
            assert_int_equal(iobus_remove(&fixture->bus, handles[i], NULL), STATUS_OK);
        else
            handles[i] = add(fixture, "r", (uint64_t)i * 0x1800, 0x1000, 4, &devices[i]);
        is_there[i] = !is_there[i];
        if (step % 3 == 0)
            iobus_reader_quiesce(&fixture->reader);
        for (unsigned j = step % 7; j < COUNT; j += 7)
            assert_int_equal(read_bus(fixture, (uint64_t)j * 0x1800 + 0x800, 4),
                             is_there[j] ? j : 0xffffffff);
    }
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
    struct iobus_change update = {.additions = ranges, .addition_count = COUNT, .handles = handles};

    assert_int_equal(iobus_update(&fixture->bus, &update, NULL), STATUS_OK);
    for (unsigned i = 0; i < COUNT; i++) {
        assert_int_equal(read_bus(fixture, ranges[i].first + 4, 4), i);
        assert_int_equal(read_bus(fixture, ranges[i].first + 8, 4), 0xffffffff);
    }
    update = (struct iobus_change){.removals = handles, .removal_count = COUNT};
    assert_int_equal(iobus_update(&fixture->bus, &update, NULL), STATUS_OK);
    assert_int_equal(read_bus(fixture, ranges[0].first, 4), 0xffffffff);
    free(devices);
    free(ranges);
    free(handles);
}

/* Two threads: a vCPU that accesses, a writer that registers and removes. */

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
    for (unsigned i = 0; i < rounds(20000); i++) {
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
    while (race.accesses == 0 || race.hits == 0)
        (void)sched_yield(); /* the other thread has not come to it on a busy host */
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
    const struct CMUnitTest tests[] = {
        IOBUS_TEST(test_handles),
        IOBUS_TEST(test_batch),
        IOBUS_TEST(test_completion),
        IOBUS_TEST(test_handler_changes_the_bus),
        IOBUS_TEST(test_no_memory_changes_nothing),
        IOBUS_TEST(test_removal_needs_no_memory),
        IOBUS_TEST(test_successor_of_the_dead),
        IOBUS_TEST(test_numbers_are_reused),
        IOBUS_TEST(test_capacity),
        IOBUS_TEST(test_two_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
