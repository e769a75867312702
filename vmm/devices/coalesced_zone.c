#include "vmm/devices/coalesced_zone.h"

#include "vmm/base/check.h"
#include "vmm/base/time.h"

#include <string.h>

void coalesced_zone_init(struct coalesced_zone *zone, const struct coalesced_zone_setup *setup)
{
    CHECK(setup->ring_entries != 0);
    memset(zone, 0, sizeof(*zone));
    zone->setup = *setup;
    atomic_init(&zone->deadline_ns, TIME_NEVER);
}

/* Written under the lock only, so that no read-modify-write is needed. */
static void count(_Atomic uint64_t *counter, uint64_t amount)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + amount,
                          memory_order_relaxed);
}

static uint32_t waiting(const struct coalesced_zone *zone)
{
    return atomic_load_explicit(&zone->waiting, memory_order_relaxed);
}

/* The store releases what the device did: who finds nothing waiting comes after it. */
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

static void push_locked(struct coalesced_zone *zone, const struct io_access *access)
{
    if (waiting(zone) == zone->setup.ring_entries) {
        count(&zone->full, 1);
        drain_locked(zone);
    }

    uint32_t at = waiting(zone);

    zone->setup.ring[at] = (struct coalesced_write){
        .address = access->address, .value = access->value, .size = access->size};
    if (at == 0)
        atomic_store_explicit(&zone->deadline_ns,
                              zone->setup.now_ns(zone->setup.clock_context) + zone->setup.delay_ns,
                              memory_order_release);
    atomic_store_explicit(&zone->waiting, at + 1, memory_order_relaxed);
    count(&zone->queued, 1);
}

enum io_outcome coalesced_zone_access(void *context, struct io_access *access)
{
    struct coalesced_zone *zone = context;
    const struct coalesced_zone_setup *setup = &zone->setup;
    enum io_outcome outcome = IO_DECLINED;
    uint64_t deadline_ns = TIME_NEVER;

    if (!access->is_write || access->address < setup->first || access->address > setup->last ||
        access->size - 1u > setup->last - access->address) {
        coalesced_zone_drain(zone);
        return IO_DECLINED;
    }

    spinlock_acquire(&zone->lock);
    if (!zone->is_closed) {
        push_locked(zone, access);
        if (waiting(zone) == 1)
            deadline_ns = coalesced_zone_next_deadline(zone);
        outcome = IO_HANDLED;
    }
    spinlock_release(&zone->lock);
    if (deadline_ns != TIME_NEVER && setup->deadline_set != NULL)
        setup->deadline_set(setup->deadline_context, deadline_ns);
    return outcome;
}

void coalesced_zone_drain(struct coalesced_zone *zone)
{
    /* Of what this vCPU knows to be queued, nothing is missing from a count of 0. */
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
    set_empty(zone);
    spinlock_release(&zone->lock);
}

void coalesced_zone_close(struct coalesced_zone *zone)
{
    spinlock_acquire(&zone->lock);
    drain_locked(zone);
    zone->is_closed = true;
    spinlock_release(&zone->lock);
}
