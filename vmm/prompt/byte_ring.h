// SPDX-License-Identifier: BSD-2-Clause
/* A ring of bytes between one producer and one consumer, which may be interrupt handler and main
 * path, or two processors: no lock, C11 acquire and release. The serial line's transmit queue. */
#ifndef VMM_PROMPT_BYTE_RING_H
#define VMM_PROMPT_BYTE_RING_H

#include "vmm/base/types.h"

#include <stdatomic.h>

/* The counts run freely and wrap at 2^32; their difference is what is in the ring. */
struct byte_ring {
    uint8_t *bytes;
    uint32_t size_bytes;             /* a power of two */
    _Atomic uint32_t put_count;      /* written by the producer only */
    _Atomic uint32_t consumed_count; /* written by the consumer only */
};

/* Empties the ring and gives it its storage of size_bytes, a power of two in 1..2^31. The storage
 * stays the caller's. Neither side may be using the ring. */
void byte_ring_init(struct byte_ring *ring, uint8_t *storage, uint32_t size_bytes);

/* Producer: appends as much of bytes as fits and returns how much that was. */
size_t byte_ring_put(struct byte_ring *ring, const void *bytes, size_t size_bytes);

/* How many bytes byte_ring_put takes now; asked by the producer, it can only become more. */
size_t byte_ring_space(const struct byte_ring *ring);

/* How many bytes wait; asked by the consumer, it can only become more. */
size_t byte_ring_used(const struct byte_ring *ring);

/* Consumer: the oldest bytes, as many as lie in one piece; 0 only when the ring is empty. They stay
 * in the ring, and in place, until they are consumed. */
size_t byte_ring_peek(const struct byte_ring *ring, const uint8_t **bytes);

/* Consumer: drops the oldest size_bytes, or all there are if that is less. */
void byte_ring_consume(struct byte_ring *ring, size_t size_bytes);

#endif
