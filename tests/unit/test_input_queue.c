// SPDX-License-Identifier: BSD-2-Clause
#include "tests/unit/unit.h"

#include "vmm/prompt/input_queue.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#define ESCAPE INPUT_QUEUE_ESCAPE

static struct input_queue queue;

static void put_all(const char *text)
{
    for (; *text != '\0'; text++)
        input_queue_put(&queue, (uint8_t)*text);
}

/* Takes what comes next: a byte, ESCAPE, or -1 for nothing. */
static int take(void)
{
    uint8_t byte = 0;
    enum input_kind kind = input_queue_peek(&queue, &byte);

    if (kind == INPUT_NONE)
        return -1;
    input_queue_take(&queue);
    return kind == INPUT_ESCAPE ? ESCAPE : byte;
}

/* Makes the next byte lie at this place of the ring. */
static void begin_at(uint32_t place)
{
    input_queue_init(&queue);
    for (uint32_t i = 0; i < place; i++) {
        input_queue_put(&queue, 'a');
        assert_int_equal(take(), 'a');
    }
}

static void test_order(void **state)
{
    (void)state;
    begin_at(0);
    assert_int_equal(take(), -1);
    put_all("a\x1d"
            "b\x1d\x1d");
    assert_int_equal(take(), 'a');
    assert_int_equal(take(), ESCAPE);
    assert_int_equal(take(), 'b');
    assert_int_equal(take(), ESCAPE);
    assert_int_equal(take(), ESCAPE);
    assert_int_equal(take(), -1);
}

/* The reader reads no more: the key is found wherever the ring wraps, and so is the next one. */
static void test_escape_behind_wrap(void **state)
{
    (void)state;
    for (uint32_t place = INPUT_QUEUE_BYTES - 6; place <= INPUT_QUEUE_BYTES + 2; place++) {
        begin_at(place);
        put_all("ls\r");
        assert_false(input_queue_skip_to_escape(&queue));
        put_all("\x1dregs\r\x1d");
        assert_true(input_queue_skip_to_escape(&queue));
        assert_int_equal(take(), ESCAPE);
        assert_int_equal(take(), 'r');
        assert_true(input_queue_skip_to_escape(&queue));
        assert_int_equal(take(), ESCAPE);
        assert_int_equal(take(), -1);
        assert_false(input_queue_skip_to_escape(&queue));
    }
}

/* Text was pasted to a guest that does not read: the key is found, what was typed after it and had
 * no room is dropped and never comes before it. */
static void test_escape_when_full(void **state)
{
    (void)state;
    for (uint32_t place = 0; place < 3; place++) {
        begin_at(place);
        for (unsigned i = 0; i < INPUT_QUEUE_BYTES + 5; i++)
            input_queue_put(&queue, 'a');
        assert_false(input_queue_skip_to_escape(&queue));
        input_queue_put(&queue, ESCAPE);
        assert_int_equal(take(), 'a');
        put_all("lost\x1d"); /* there is room for one byte now */
        assert_true(input_queue_skip_to_escape(&queue));
        assert_int_equal(take(), ESCAPE);
        put_all("lost");
        assert_int_equal(take(), ESCAPE);
        assert_int_equal(take(), -1);
        put_all("b\x1d");
        assert_int_equal(take(), 'b');
        assert_int_equal(take(), ESCAPE);
        assert_int_equal(take(), -1);
    }
}

/* The last place of the ring is the key's. */
static void test_escape_in_last_place(void **state)
{
    (void)state;
    begin_at(7);
    for (unsigned i = 0; i < INPUT_QUEUE_BYTES - 1; i++)
        input_queue_put(&queue, 'a');
    put_all("\x1d\x1dz");
    assert_true(input_queue_skip_to_escape(&queue));
    assert_int_equal(take(), ESCAPE);
    assert_int_equal(take(), ESCAPE);
    assert_int_equal(take(), -1);
}

/* A ring of nothing but keys, and more than it holds. */
static void test_only_escapes(void **state)
{
    (void)state;
    begin_at(3);
    for (unsigned i = 0; i < INPUT_QUEUE_BYTES + 100; i++)
        input_queue_put(&queue, ESCAPE);
    for (unsigned i = 0; i < INPUT_QUEUE_BYTES + 100; i++)
        assert_int_equal(take(), ESCAPE);
    assert_int_equal(take(), -1);
}

/* Against a plain count: with a reader that stops at times, every key arrives, in any mixture. */
static void test_random(void **state)
{
    uint32_t put_keys = 0, taken_keys = 0;

    (void)state;
    begin_at(11);
    srand(5);
    for (unsigned round = 0; round < 400; round++) {
        unsigned count = (unsigned)rand() % (INPUT_QUEUE_BYTES / 4);

        for (unsigned i = 0; i < count; i++) {
            uint8_t byte = rand() % 50 == 0 ? ESCAPE : 'x';

            put_keys += byte == ESCAPE;
            input_queue_put(&queue, byte);
        }
        if (round % 7 == 6 && put_keys != taken_keys) {
            assert_true(input_queue_skip_to_escape(&queue));
            assert_int_equal(take(), ESCAPE);
            taken_keys++;
        }
        for (unsigned i = (unsigned)rand() % (INPUT_QUEUE_BYTES / 4); i > 0; i--)
            taken_keys += take() == ESCAPE;
    }
    for (int next; (next = take()) != -1;)
        taken_keys += next == ESCAPE;
    assert_int_equal(put_keys, taken_keys);
}

enum { STREAM_KEYS = 20000 };

static void *produce(void *context)
{
    (void)context;
    for (unsigned key = 0; key < STREAM_KEYS; key++) {
        for (unsigned i = 0; i < key % 23; i++)
            input_queue_put(&queue, 'x');
        input_queue_put(&queue, ESCAPE);
    }
    return NULL;
}

/* Two threads; the reader jumps from key to key. */
static void test_two_threads(void **state)
{
    pthread_t producer;
    unsigned keys = 0;

    (void)state;
    begin_at(0);
    assert_int_equal(pthread_create(&producer, NULL, produce, NULL), 0);
    while (keys < STREAM_KEYS) {
        if (!input_queue_skip_to_escape(&queue)) {
            sched_yield();
            continue;
        }
        assert_int_equal(take(), ESCAPE);
        keys++;
    }
    assert_int_equal(pthread_join(producer, NULL), 0);
    assert_int_equal(take(), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_escape_behind_wrap),
        cmocka_unit_test(test_escape_when_full),
        cmocka_unit_test(test_escape_in_last_place),
        cmocka_unit_test(test_only_escapes),
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_two_threads),
    };
    return cmocka_run_group_tests_name("input_queue", tests, NULL, NULL);
}
