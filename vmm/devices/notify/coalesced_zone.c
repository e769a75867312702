// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/devices/notify/coalesced_zone.h"

#include "vmm/base/check.h"
#include "vmm/base/time.h"

#include <string.h>

void coalesced_zone_init(struct coalesced_zone *zone, const struct coalesced_zone_setup *setup)
{
    CHECK(setup->ring_entries != 0);
    memset(zone, 0, sizeof(*zone));
    zone->setup = *setup;
    zone->capacity = setup->ring_entries;
    atomic_init(&zone->deadline_ns, TIME_NEVER);
}

/* Adds amount to a counter. Counters are written only under the lock, so no read-modify-write is
 * needed. */
static void count(_Atomic uint64_t *counter, uint64_t amount)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + amount,
                          memory_order_relaxed);
}

static uint32_t waiting(const struct coalesced_zone *zone)
{
    return atomic_load_explicit(&zone->waiting, memory_order_relaxed);
}

/* Marks the queue as empty. The store releases what the device did: a CPU that finds nothing
 * waiting also sees the device's work. */
static void set_empty(struct coalesced_zone *zone)
{
    atomic_store_explicit(&zone->deadline_ns, TIME_NEVER, memory_order_release);
    atomic_store_explicit(&zone->waiting, 0, memory_order_release);
}

static void drain_locked(struct coalesced_zone *zone)
{
    const struct coalesced_zone_setup *setup = &zone->setup;
    uint32_t write_count = waiting(zone);

    if (write_count == 0)
        return;
    for (uint32_t i = 0; i < write_count; i++) {
        struct io_access access = {
            .address = setup->ring[i].address,
            .value = setup->ring[i].value,
            .size = setup->ring[i].size,
            .is_write = true,
        };

        if (setup->handler == NULL || setup->handler(setup->context, &access) != IO_HANDLED)
            count(&zone->unanswered, 1);
    }
    count(&zone->drained, write_count);
    count(&zone->batches, 1);
    set_empty(zone);
}

static inline void push(struct coalesced_zone *zone, uint32_t at, const struct io_access *access)
{
    struct coalesced_write *write = &zone->setup.ring[at];

    write->address = access->address;
    write->value = access->value;
    write->size = access->size;
    atomic_store_explicit(&zone->waiting, at + 1, memory_order_relaxed);
}

/* Handles the rare cases of coalesced_zone_access, with the lock held, and releases the lock: the
 * ring is full, the zone is closed, or the queue is empty and a deadline begins. */
static __attribute__((noinline)) enum io_outcome access_locked(struct coalesced_zone *zone,
                                                               const struct io_access *access)
{
    const struct coalesced_zone_setup *setup = &zone->setup;
    uint64_t deadline_ns;

    if (zone->capacity == 0) {
        spinlock_release(&zone->lock);
        return IO_DECLINED;
    }
    if (waiting(zone) != 0) {
        count(&zone->full, 1);
        drain_locked(zone);
    }
    deadline_ns = setup->now_ns(setup->clock_context) + setup->delay_ns;
    atomic_store_explicit(&zone->deadline_ns, deadline_ns, memory_order_release);
    push(zone, 0, access);
    spinlock_release(&zone->lock);
    if (setup->deadline_set != NULL)
        setup->deadline_set(setup->deadline_context, deadline_ns);
    return IO_HANDLED;
}

static __attribute__((noinline)) enum io_outcome let_pass(struct coalesced_zone *zone)
{
    coalesced_zone_drain(zone);
    return IO_DECLINED;
}

enum io_outcome coalesced_zone_access(void *context, struct io_access *access)
{
    struct coalesced_zone *zone = context;
    const struct coalesced_zone_setup *setup = &zone->setup;
    uint32_t at;

    if (!access->is_write || access->address < setup->first || access->address > setup->last ||
        access->size - 1u > setup->last - access->address)
        return let_pass(zone);
    spinlock_acquire(&zone->lock);
    at = waiting(zone);
    if (__builtin_expect(at == 0 || at >= zone->capacity, 0))
        return access_locked(zone, access);
    push(zone, at, access);
    spinlock_release(&zone->lock);
    return IO_HANDLED;
}

void coalesced_zone_drain(struct coalesced_zone *zone)
{
    /* A count of 0 means that all writes which this vCPU knows to be queued have reached the
     * device. */
    if (atomic_load_explicit(&zone->waiting, memory_order_acquire) == 0)
        return;
    spinlock_acquire(&zone->lock);
    drain_locked(zone);
    spinlock_release(&zone->lock);
}

void coalesced_zone_run(struct coalesced_zone *zone, uint64_t now_ns)
{
    if (now_ns < coalesced_zone_next_deadline(zone))
        return;
    spinlock_acquire(&zone->lock);
    if (now_ns >= coalesced_zone_next_deadline(zone))
        drain_locked(zone);
    spinlock_release(&zone->lock);
}

void coalesced_zone_drop(struct coalesced_zone *zone)
{
    spinlock_acquire(&zone->lock);
    count(&zone->dropped, waiting(zone));
    set_empty(zone);
    spinlock_release(&zone->lock);
}

void coalesced_zone_close(struct coalesced_zone *zone)
{
    spinlock_acquire(&zone->lock);
    drain_locked(zone);
    zone->capacity = 0;
    spinlock_release(&zone->lock);
}
