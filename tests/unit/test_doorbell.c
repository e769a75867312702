// SPDX-License-Identifier: BSD-2-Clause
#include "tests/unit/unit.h"

#include "vmm/devices/notify/doorbell.h"

#include <pthread.h>

static struct {
    unsigned count;
    struct io_access last;
} heard;

static void listen(void *context, const struct io_access *access)
{
    assert_ptr_equal(context, &heard);
    heard.count++;
    heard.last = *access;
}

static void test_counts_and_tells(void **state)
{
    struct io_access access = {.address = 0x510, .value = 7, .size = 2, .is_write = true};
    struct doorbell doorbell;

    (void)state;
    doorbell_init(&doorbell, (struct doorbell_listener){listen, &heard});
    assert_int_equal(doorbell_rings(&doorbell), 0);
    assert_int_equal(doorbell_ring(&doorbell, &access), IO_HANDLED);
    assert_int_equal(heard.count, 1);
    assert_int_equal(heard.last.address, 0x510);
    assert_int_equal(heard.last.value, 7);
    assert_int_equal(heard.last.size, 2);
    assert_int_equal(doorbell_ring(&doorbell, &access), IO_HANDLED);
    assert_int_equal(doorbell_rings(&doorbell), 2);
    assert_int_equal(heard.count, 2);
}

static void test_counts_beyond_32_bits(void **state)
{
    struct io_access access = {.size = 1, .is_write = true};
    struct doorbell doorbell;

    (void)state;
    doorbell_init(&doorbell, (struct doorbell_listener){0});
    atomic_store(&doorbell.rings, UINT32_MAX);
    doorbell_ring(&doorbell, &access);
    assert_true(doorbell_rings(&doorbell) == UINT64_C(1) << 32);
}

#define RINGS_EACH 100000

static void *ring_often(void *context)
{
    struct io_access access = {.size = 4, .is_write = true};

    for (int i = 0; i < RINGS_EACH; i++)
        doorbell_ring(context, &access);
    return NULL;
}

static void test_two_at_once(void **state)
{
    struct doorbell doorbell;
    pthread_t threads[2];

    (void)state;
    doorbell_init(&doorbell, (struct doorbell_listener){0});
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ring_often, &doorbell), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(doorbell_rings(&doorbell), 2 * RINGS_EACH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts_and_tells),
        cmocka_unit_test(test_counts_beyond_32_bits),
        cmocka_unit_test(test_two_at_once),
    };
    return cmocka_run_group_tests_name("doorbell", tests, NULL, NULL);
}
