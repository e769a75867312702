// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/prompt/byte_ring.h"

#include "vmm/base/check.h"

#include <string.h>

/* Each side reads the other side's count with acquire and stores its own with release. So bytes are
 * written before put_count includes them, and are read before consumed_count includes them. A side
 * may read its own count relaxed. */

void byte_ring_init(struct byte_ring *ring, uint8_t *storage, uint32_t size_bytes)
{
    CHECK(size_bytes != 0 && (size_bytes & (size_bytes - 1)) == 0);
    ring->bytes = storage;
    ring->size_bytes = size_bytes;
    atomic_init(&ring->put_count, 0);
    atomic_init(&ring->consumed_count, 0);
}

size_t byte_ring_used(const struct byte_ring *ring)
{
    uint32_t consumed = atomic_load_explicit(&ring->consumed_count, memory_order_acquire);
    uint32_t put = atomic_load_explicit(&ring->put_count, memory_order_acquire);
    return put - consumed;
}

size_t byte_ring_space(const struct byte_ring *ring)
{
    return ring->size_bytes - byte_ring_used(ring);
}

size_t byte_ring_put(struct byte_ring *ring, const void *bytes, size_t size_bytes)
{
    uint32_t put = atomic_load_explicit(&ring->put_count, memory_order_relaxed);
    size_t space = byte_ring_space(ring);
    uint32_t count = (uint32_t)(size_bytes < space ? size_bytes : space);
    uint32_t index = put & (ring->size_bytes - 1);
    uint32_t to_end = ring->size_bytes - index;
    uint32_t first = count < to_end ? count : to_end;

    memcpy(ring->bytes + index, bytes, first);
    memcpy(ring->bytes, (const uint8_t *)bytes + first, count - first);
    atomic_store_explicit(&ring->put_count, put + count, memory_order_release);
    return count;
}

size_t byte_ring_peek(const struct byte_ring *ring, const uint8_t **bytes)
{
    uint32_t consumed = atomic_load_explicit(&ring->consumed_count, memory_order_relaxed);
    size_t used = byte_ring_used(ring);
    uint32_t index = consumed & (ring->size_bytes - 1);
    size_t to_end = ring->size_bytes - index;

    *bytes = ring->bytes + index;
    return used < to_end ? used : to_end;
}

void byte_ring_consume(struct byte_ring *ring, size_t size_bytes)
{
    uint32_t consumed = atomic_load_explicit(&ring->consumed_count, memory_order_relaxed);
    size_t used = byte_ring_used(ring);
    uint32_t count = (uint32_t)(size_bytes < used ? size_bytes : used);

    atomic_store_explicit(&ring->consumed_count, consumed + count, memory_order_release);
}
