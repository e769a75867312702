// SPDX-License-Identifier: BSD-2-Clause
#include "tests/unit/unit.h"

#include "vmm/base/types.h"
#include "vmm/prompt/byte_ring.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

static void test_fill_and_drain(void **state)
{
    uint8_t storage[8];
    struct byte_ring ring;
    const uint8_t *bytes;

    (void)state;
    byte_ring_init(&ring, storage, sizeof(storage));
    assert_int_equal(byte_ring_peek(&ring, &bytes), 0);
    assert_int_equal(byte_ring_space(&ring), 8);
    assert_int_equal(byte_ring_put(&ring, "abcdefghij", 10), 8);
    assert_int_equal(byte_ring_put(&ring, "x", 1), 0);
    assert_int_equal(byte_ring_space(&ring), 0);
    assert_int_equal(byte_ring_peek(&ring, &bytes), 8);
    assert_memory_equal(bytes, "abcdefgh", 8);
    byte_ring_consume(&ring, 5);
    assert_int_equal(byte_ring_put(&ring, "klm", 3), 3);
    /* Two pieces: up to the end of the storage, then from its start. */
    assert_int_equal(byte_ring_used(&ring), 6);
    assert_int_equal(byte_ring_peek(&ring, &bytes), 3);
    assert_memory_equal(bytes, "fgh", 3);
    byte_ring_consume(&ring, 3);
    assert_int_equal(byte_ring_peek(&ring, &bytes), 3);
    assert_memory_equal(bytes, "klm", 3);
    byte_ring_consume(&ring, 100);
    assert_int_equal(byte_ring_used(&ring), 0);
}

/* The counts wrap at 2^32 without a seam; a ring of one byte is a ring. */
static void test_counts_wrap(void **state)
{
    static const uint32_t sizes[] = {1, 2, 64};
    uint8_t storage[64];

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(sizes); i++) {
        struct byte_ring ring;
        uint8_t next_put = 0, next_taken = 0;

        byte_ring_init(&ring, storage, sizes[i]);
        atomic_store(&ring.put_count, UINT32_MAX - 1000);
        atomic_store(&ring.consumed_count, UINT32_MAX - 1000);
        srand(3);
        for (int round = 0; round < 20000; round++) {
            uint8_t out[70];
            const uint8_t *in;
            size_t want = (size_t)rand() % sizeof(out), space = byte_ring_space(&ring);
            for (size_t n = 0; n < want; n++)
                out[n] = (uint8_t)(next_put + n);
            size_t put = byte_ring_put(&ring, out, want);
            assert_int_equal(put, want < space ? want : space);
            next_put = (uint8_t)(next_put + put);

            size_t ready = byte_ring_peek(&ring, &in);
            size_t take = ready != 0 ? (size_t)rand() % (ready + 1) : 0;
            for (size_t n = 0; n < take; n++)
                assert_int_equal(in[n], next_taken++);
            byte_ring_consume(&ring, take);
        }
    }
}

enum { STREAM_BYTES = 2000000 };

static void *produce(void *context)
{
    uint32_t sent = 0;
    while (sent < STREAM_BYTES) {
        uint8_t chunk[37];
        size_t size = STREAM_BYTES - sent < sizeof(chunk) ? STREAM_BYTES - sent : sizeof(chunk);
        for (size_t i = 0; i < size; i++)
            chunk[i] = (uint8_t)((sent + i) * 7 % 251);
        size_t put = byte_ring_put(context, chunk, size);
        sent += (uint32_t)put;
        if (put == 0)
            sched_yield();
    }
    return NULL;
}

/* A thread on each side: every byte arrives, once and in order. */
static void test_two_threads(void **state)
{
    static uint8_t storage[256];
    struct byte_ring ring;
    pthread_t producer;
    uint32_t received = 0;

    (void)state;
    byte_ring_init(&ring, storage, sizeof(storage));
    assert_int_equal(pthread_create(&producer, NULL, produce, &ring), 0);
    while (received < STREAM_BYTES) {
        const uint8_t *bytes;
        size_t ready = byte_ring_peek(&ring, &bytes);
        for (size_t i = 0; i < ready; i++)
            if (bytes[i] != (received + i) * 7 % 251)
                fail_msg("byte %zu is wrong", received + i);
        byte_ring_consume(&ring, ready);
        received += (uint32_t)ready;
        if (ready == 0)
            sched_yield();
    }
    pthread_join(producer, NULL);
    assert_int_equal(byte_ring_used(&ring), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fill_and_drain),
        cmocka_unit_test(test_counts_wrap),
        cmocka_unit_test(test_two_threads),
    };
    return cmocka_run_group_tests_name("console_ring", tests, NULL, NULL);
}
