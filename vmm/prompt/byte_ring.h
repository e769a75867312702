// SPDX-License-Identifier: BSD-2-Clause
/* A ring of bytes between one producer and one consumer: an interrupt handler and the main path, or
 * two processors. It uses C11 acquire and release, and no lock. The serial line's transmit queue is
 * such a ring. */
#ifndef VMM_PROMPT_BYTE_RING_H
#define VMM_PROMPT_BYTE_RING_H

#include "vmm/base/types.h"

#include <stdatomic.h>

/* The counts increase without bound and wrap at 2^32; their difference is the number of bytes in
 * the ring. */
struct byte_ring {
    uint8_t *bytes;
    uint32_t size_bytes;             /* a power of two */
    _Atomic uint32_t put_count;      /* only the producer writes it */
    _Atomic uint32_t consumed_count; /* only the consumer writes it */
};

/* Empties the ring and gives it a storage of size_bytes, a power of two in 1..2^31. The storage
 * still belongs to the caller. Neither side may use the ring meanwhile. */
void byte_ring_init(struct byte_ring *ring, uint8_t *storage, uint32_t size_bytes);

/* For the producer: appends as many of the size_bytes bytes as fit and returns their number. */
size_t byte_ring_put(struct byte_ring *ring, const void *bytes, size_t size_bytes);

/* Returns how many bytes byte_ring_put takes now. While the producer looks, the number can only
 * grow. */
size_t byte_ring_space(const struct byte_ring *ring);

/* Returns how many bytes the ring holds. While the consumer looks, the number can only grow. */
size_t byte_ring_used(const struct byte_ring *ring);

/* For the consumer: sets *bytes to the oldest bytes and returns how many of them lie in one piece;
 * 0 only if the ring is empty. The bytes stay in the ring, at the same place, until
 * byte_ring_consume drops them. */
size_t byte_ring_peek(const struct byte_ring *ring, const uint8_t **bytes);

/* For the consumer: drops the oldest size_bytes bytes, or all bytes if there are fewer. */
void byte_ring_consume(struct byte_ring *ring, size_t size_bytes);

#endif
