// SPDX-License-Identifier: BSD-2-Clause
/* What the user typed and nobody has read yet. The producer, an interrupt handler, knows the escape
 * key when it takes the byte from the UART: that key is never lost, whether the queue is full, its
 * reader does not read, or the bytes before the key wrap around the end of the ring. Between one
 * producer and one consumer, without a lock. */
#ifndef VMM_PROMPT_INPUT_QUEUE_H
#define VMM_PROMPT_INPUT_QUEUE_H

#include "vmm/base/types.h"
#include "vmm/prompt/byte_ring.h"

#define INPUT_QUEUE_BYTES  (64 * 1024)
#define INPUT_QUEUE_ESCAPE 0x1d /* Ctrl-], GS in ISO 646 */

struct input_queue {
    struct byte_ring ring;
    uint8_t bytes[INPUT_QUEUE_BYTES];
    /* The escape keys that were put into the ring, and those of them that were taken out. */
    _Atomic uint32_t placed_count; /* only the producer writes it */
    uint32_t taken_count;          /* only the consumer uses it */
    /* The same for escape keys that found no room. They come after all that is in the ring: until
     * they are taken, the producer drops everything else. */
    _Atomic uint32_t unplaced_count;       /* only the producer writes it */
    _Atomic uint32_t unplaced_taken_count; /* only the consumer writes it */
};

enum input_kind {
    INPUT_NONE,
    INPUT_BYTE,
    INPUT_ESCAPE, /* the escape key */
};

/* Empties the queue. Neither side may use it meanwhile. */
void input_queue_init(struct input_queue *queue);

/* For the producer: appends what was typed. Without room a byte is dropped, but never the escape
 * key. Each call takes the same short time. */
void input_queue_put(struct input_queue *queue, uint8_t byte);

/* For the consumer: says what comes next, and sets *byte if it is INPUT_BYTE. It stays in the queue
 * until input_queue_take. */
enum input_kind input_queue_peek(const struct input_queue *queue, uint8_t *byte);

/* For the consumer: removes what input_queue_peek has just returned, which was not INPUT_NONE. */
void input_queue_take(struct input_queue *queue);

/* For a consumer that cannot use the next bytes: if the escape key was typed after them, drops them
 * and returns true; the key is next. Otherwise returns false and changes nothing. Takes time for
 * INPUT_QUEUE_BYTES bytes at most, and only if it returns true. */
MUST_USE bool input_queue_skip_to_escape(struct input_queue *queue);

#endif
