// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/prompt/input_queue.h"

void input_queue_init(struct input_queue *queue)
{
    byte_ring_init(&queue->ring, queue->bytes, INPUT_QUEUE_BYTES);
    atomic_init(&queue->placed_count, 0);
    queue->taken_count = 0;
    atomic_init(&queue->unplaced_count, 0);
    atomic_init(&queue->unplaced_taken_count, 0);
}

/* Returns whether an escape key without room waits. While it waits, the ring only gets emptier. */
static bool has_unplaced(const struct input_queue *queue)
{
    return atomic_load_explicit(&queue->unplaced_count, memory_order_acquire) !=
           atomic_load_explicit(&queue->unplaced_taken_count, memory_order_acquire);
}

static void add_one(_Atomic uint32_t *count)
{
    atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) + 1,
                          memory_order_release);
}

void input_queue_put(struct input_queue *queue, uint8_t byte)
{
    bool is_placed = !has_unplaced(queue) && byte_ring_put(&queue->ring, &byte, 1) == 1;

    if (byte == INPUT_QUEUE_ESCAPE)
        add_one(is_placed ? &queue->placed_count : &queue->unplaced_count);
}

enum input_kind input_queue_peek(const struct input_queue *queue, uint8_t *byte)
{
    bool escapes_last = has_unplaced(queue); /* read first: then nothing comes into the ring */
    const uint8_t *bytes;

    if (byte_ring_peek(&queue->ring, &bytes) == 0)
        return escapes_last ? INPUT_ESCAPE : INPUT_NONE;
    if (bytes[0] == INPUT_QUEUE_ESCAPE)
        return INPUT_ESCAPE;
    *byte = bytes[0];
    return INPUT_BYTE;
}

void input_queue_take(struct input_queue *queue)
{
    const uint8_t *bytes;

    if (byte_ring_peek(&queue->ring, &bytes) > 0) {
        if (bytes[0] == INPUT_QUEUE_ESCAPE)
            queue->taken_count++;
        byte_ring_consume(&queue->ring, 1);
    } else if (has_unplaced(queue)) {
        add_one(&queue->unplaced_taken_count);
    }
}

bool input_queue_skip_to_escape(struct input_queue *queue)
{
    uint32_t placed_count = atomic_load_explicit(&queue->placed_count, memory_order_acquire);
    uint8_t byte;

    /* A key may have been taken already and not be counted as placed yet. */
    if ((int32_t)(placed_count - queue->taken_count) <= 0 && !has_unplaced(queue))
        return false;
    while (input_queue_peek(queue, &byte) == INPUT_BYTE)
        input_queue_take(queue);
    return true;
}
