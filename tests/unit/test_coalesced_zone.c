// SPDX-License-Identifier: BSD-2-Clause
#include "tests/unit/unit.h"

#include "vmm/base/time.h"
#include "vmm/devices/notify/coalesced_zone.h"

#include <pthread.h>
#include <string.h>

#define RING_ENTRIES 4

struct bench {
    struct coalesced_zone zone;
    struct coalesced_write ring[RING_ENTRIES];
    uint64_t now_ns;
    _Atomic uint64_t deadline_ns; /* what the last call gave */
    _Atomic unsigned deadlines_told;
    struct io_access seen[64]; /* by the device */
    unsigned seen_count;
    enum io_outcome outcome;
};

static enum io_outcome device(void *context, struct io_access *access)
{
    struct bench *b = context;

    assert_true(access->is_write);
    b->seen[b->seen_count++ % 64] = *access;
    return b->outcome;
}

static uint64_t now(void *context)
{
    return ((struct bench *)context)->now_ns;
}

static void deadline_set(void *context, uint64_t deadline_ns)
{
    struct bench *b = context;

    b->deadline_ns = deadline_ns;
    b->deadlines_told++;
}

static void start(struct bench *b, io_handler *handler)
{
    memset(b, 0, sizeof(*b));
    coalesced_zone_init(&b->zone, &(struct coalesced_zone_setup){
                                      .first = 0x1010,
                                      .last = 0x101f,
                                      .handler = handler,
                                      .context = b,
                                      .ring = b->ring,
                                      .ring_entries = RING_ENTRIES,
                                      .delay_ns = 1000,
                                      .now_ns = now,
                                      .clock_context = b,
                                      .deadline_set = deadline_set,
                                      .deadline_context = b,
                                  });
}

static enum io_outcome put(struct bench *b, uint64_t address, uint8_t size, uint64_t value)
{
    return coalesced_zone_access(
        &b->zone,
        &(struct io_access){.address = address, .value = value, .size = size, .is_write = true});
}

static enum io_outcome get(struct bench *b, uint64_t address)
{
    return coalesced_zone_access(&b->zone, &(struct io_access){.address = address, .size = 1});
}

static void test_queues_and_drains(void **state)
{
    struct bench b;

    (void)state;
    start(&b, device);
    assert_int_equal(get(&b, 0x1010), IO_DECLINED);
    assert_int_equal(b.zone.batches, 0);
    assert_int_equal(put(&b, 0x1010, 4, 0xaabbccdd), IO_HANDLED);
    assert_int_equal(put(&b, 0x101f, 1, 2), IO_HANDLED);
    assert_int_equal(b.seen_count, 0);
    assert_int_equal(b.zone.waiting, 2);

    assert_int_equal(get(&b, 0x1000), IO_DECLINED); /* a read anywhere in the device */
    assert_int_equal(b.seen_count, 2);
    assert_int_equal(b.seen[0].address, 0x1010);
    assert_int_equal(b.seen[0].value, 0xaabbccdd);
    assert_int_equal(b.seen[0].size, 4);
    assert_int_equal(b.seen[1].address, 0x101f);

    put(&b, 0x1012, 1, 3);
    assert_int_equal(put(&b, 0x1020, 1, 4), IO_DECLINED); /* just behind, just before, across */
    assert_int_equal(b.seen_count, 3);
    put(&b, 0x1012, 1, 3);
    assert_int_equal(put(&b, 0x100f, 1, 4), IO_DECLINED);
    assert_int_equal(b.seen_count, 4);
    put(&b, 0x1012, 1, 3);
    assert_int_equal(put(&b, 0x101e, 4, 4), IO_DECLINED);
    assert_int_equal(b.seen_count, 5);
    assert_int_equal(coalesced_zone_queued(&b.zone), 5);
    assert_int_equal(b.zone.drained, 5);
    assert_int_equal(b.zone.batches, 4);
    assert_int_equal(b.zone.unanswered, 0);
}

static void test_full_ring_drains(void **state)
{
    struct bench b;

    (void)state;
    start(&b, device);
    for (unsigned i = 0; i < 3 * RING_ENTRIES; i++)
        assert_int_equal(put(&b, 0x1010, 1, i), IO_HANDLED);
    assert_int_equal(b.zone.full, 2);
    assert_int_equal(b.seen_count, 2 * RING_ENTRIES);
    coalesced_zone_drain(&b.zone);
    for (unsigned i = 0; i < 3 * RING_ENTRIES; i++)
        assert_int_equal(b.seen[i].value, i);
    assert_int_equal(b.zone.batches, 3);
}

static void test_deadline(void **state)
{
    struct bench b;

    (void)state;
    start(&b, device);
    assert_true(coalesced_zone_next_deadline(&b.zone) == TIME_NEVER);
    b.now_ns = 500;
    put(&b, 0x1010, 1, 1);
    b.now_ns = 900;
    put(&b, 0x1010, 1, 2); /* the oldest counts */
    assert_int_equal(coalesced_zone_next_deadline(&b.zone), 1500);
    assert_int_equal(b.deadline_ns, 1500);
    assert_int_equal(b.deadlines_told, 1);
    coalesced_zone_run(&b.zone, 1499);
    assert_int_equal(b.seen_count, 0);
    coalesced_zone_run(&b.zone, 1500);
    assert_int_equal(b.seen_count, 2);
    assert_true(coalesced_zone_next_deadline(&b.zone) == TIME_NEVER);
    coalesced_zone_run(&b.zone, UINT64_MAX);
    assert_int_equal(b.zone.batches, 1);

    /* A full ring starts its time anew. */
    for (unsigned i = 0; i <= RING_ENTRIES; i++) {
        b.now_ns = 2000 + i;
        put(&b, 0x1010, 1, i);
    }
    assert_int_equal(coalesced_zone_next_deadline(&b.zone), 3000 + RING_ENTRIES);
    assert_int_equal(b.deadlines_told, 3);
}

static void test_nobody_under_it(void **state)
{
    struct bench b;

    (void)state;
    start(&b, NULL);
    put(&b, 0x1010, 1, 1);
    assert_int_equal(get(&b, 0x1010), IO_DECLINED);
    assert_int_equal(b.zone.drained, 1);
    assert_int_equal(b.zone.unanswered, 1);

    start(&b, device);
    b.outcome = IO_DECLINED;
    put(&b, 0x1010, 1, 1);
    coalesced_zone_drain(&b.zone);
    assert_int_equal(b.seen_count, 1);
    assert_int_equal(b.zone.unanswered, 1);
}

static void test_drop_and_close(void **state)
{
    struct bench b;

    (void)state;
    start(&b, device);
    put(&b, 0x1010, 1, 1);
    coalesced_zone_drop(&b.zone);
    assert_true(coalesced_zone_next_deadline(&b.zone) == TIME_NEVER);
    get(&b, 0x1010);
    assert_int_equal(b.seen_count, 0);
    put(&b, 0x1010, 1, 2);
    coalesced_zone_close(&b.zone);
    assert_int_equal(b.seen_count, 1);
    assert_int_equal(put(&b, 0x1010, 1, 3), IO_DECLINED);
    assert_int_equal(get(&b, 0x1010), IO_DECLINED);
    assert_int_equal(b.seen_count, 1);
}

/* Two vCPUs write, a third CPU drains: nothing is lost, and each writer's order stays. */

#define WRITES_EACH 50000

static struct {
    struct bench b;
    uint64_t next[2];
    uint64_t seen;
} race;

static enum io_outcome racing_device(void *context, struct io_access *access)
{
    unsigned writer = (unsigned)(access->address & 1);

    (void)context;
    assert_int_equal(access->value, race.next[writer]);
    race.next[writer]++;
    race.seen++;
    return IO_HANDLED;
}

static void *write_often(void *context)
{
    uint64_t address = 0x1010 + (uintptr_t)context;

    for (uint64_t i = 0; i < WRITES_EACH; i++) {
        put(&race.b, address, 1, i);
        if (i % 1000 == 0) { /* its own writes are there at once */
            get(&race.b, 0x1000);
            assert_true(race.next[(uintptr_t)context] == i + 1);
        }
    }
    return NULL;
}

static void test_two_writers(void **state)
{
    pthread_t threads[2];

    (void)state;
    start(&race.b, racing_device);
    for (uintptr_t i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_often, (void *)i), 0);
    for (int i = 0; i < 10000; i++)
        coalesced_zone_drain(&race.b.zone);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    coalesced_zone_drain(&race.b.zone);
    assert_int_equal(race.seen, 2 * WRITES_EACH);
    assert_int_equal(race.b.zone.drained, 2 * WRITES_EACH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_queues_and_drains), cmocka_unit_test(test_full_ring_drains),
        cmocka_unit_test(test_deadline),          cmocka_unit_test(test_nobody_under_it),
        cmocka_unit_test(test_drop_and_close),    cmocka_unit_test(test_two_writers),
    };
    return cmocka_run_group_tests_name("coalesced_zone", tests, NULL, NULL);
}
