// SPDX-License-Identifier: BSD-2-Clause
/* A coalesced zone: writes to part of a device are queued and reach it later, in order, many at
 * once. What KVM calls coalesced MMIO and PIO (Linux, Documentation/virt/kvm/api.rst,
 * "KVM_(UN)REGISTER_COALESCED_MMIO"), with three promises more: a full queue is drained and nothing
 * is dropped; no write waits longer than delay_ns; and nothing at all overtakes a queued write, be
 * it a read or a write elsewhere in the same device.
 *
 * For the last, the zone lies as an overlay over the whole device (struct iobus_range.is_overlay,
 * the device's own access sizes), and so sees each of its accesses first. A write in the zone it
 * queues; with all else it first drains, then declines, so that the device itself answers. Where no
 * device is under the zone it is a plain range over just the zone; its writes are counted and
 * vanish.
 *
 * A spin lock, held while draining, keeps one order among CPUs: who comes meanwhile waits until the
 * device has had everything. So the device's handler runs under this lock, on whichever CPU drains,
 * and what it calls must not come back to this zone: it may drive lines, since nothing behind a
 * line accesses a bus (a doorbell or trigger that wants a zone drained leaves that to a run loop),
 * but it must not access the bus that the zone lies on. The queue is only ever emptied as a whole,
 * which is why the ring that it is needs no head. */
#ifndef VMM_DEVICES_NOTIFY_COALESCED_ZONE_H
#define VMM_DEVICES_NOTIFY_COALESCED_ZONE_H

#include "vmm/base/spinlock.h"
#include "vmm/base/types.h"
#include "vmm/iobus/io_access.h"

struct coalesced_write {
    uint64_t address;
    uint64_t value;
    uint8_t size;
};

struct coalesced_zone_setup {
    uint64_t first, last; /* the zone */
    /* The device under it, which stays as long as the zone does; null: there is none. */
    io_handler *handler;
    void *context;

    struct coalesced_write *ring; /* the caller's, ring_entries of them */
    uint32_t ring_entries;        /* at least 1 */
    uint64_t delay_ns;            /* the longest that a write waits */
    /* The time; called with the zone's lock held. */
    uint64_t (*now_ns)(void *clock_context);
    void *clock_context;
    /* The first write into an empty queue set a deadline; called without the lock. Null: nobody
     * asks. */
    void (*deadline_set)(void *deadline_context, uint64_t deadline_ns);
    void *deadline_context;
};

struct coalesced_zone {
    struct coalesced_zone_setup setup;
    struct spinlock lock;
    uint32_t capacity; /* of the ring; 0 once the zone is closed. Under the lock */
    /* Changed under the lock. 0 also tells that all that was queued has been handled. */
    _Atomic uint32_t waiting;
    _Atomic uint64_t deadline_ns; /* of the oldest; TIME_NEVER when nothing waits */

    /* Since the beginning; for reports, read at any time. */
    _Atomic uint64_t drained;    /* handed to the device */
    _Atomic uint64_t dropped;    /* forgotten at a reset */
    _Atomic uint64_t batches;    /* in so many goes */
    _Atomic uint64_t full;       /* so many of these because the ring was full */
    _Atomic uint64_t unanswered; /* of the drained, those that no device took */
};

/* An empty zone; setup is copied. */
void coalesced_zone_init(struct coalesced_zone *zone, const struct coalesced_zone_setup *setup);

/* An io_handler for the overlay, or for the plain range; context is the struct coalesced_zone. Any
 * number of vCPUs at once. May drain. */
enum io_outcome coalesced_zone_access(void *context, struct io_access *access);

/* Hands everything that waits to the device, in order. */
void coalesced_zone_drain(struct coalesced_zone *zone);

/* Drains if the oldest write has waited until now_ns. */
void coalesced_zone_run(struct coalesced_zone *zone, uint64_t now_ns);

/* Forgets what waits: the guest was reset, and its board with it. */
void coalesced_zone_drop(struct coalesced_zone *zone);

/* Drains, and from then on queues nothing: what still arrives goes to the device. To be called
 * before the zone is taken off its bus, so that order lasts to the end. */
void coalesced_zone_close(struct coalesced_zone *zone);

/* How many writes were queued since the beginning. While another CPU drains, those may count twice.
 */
static inline uint64_t coalesced_zone_queued(const struct coalesced_zone *zone)
{
    return atomic_load_explicit(&zone->waiting, memory_order_relaxed) +
           atomic_load_explicit(&zone->drained, memory_order_relaxed) +
           atomic_load_explicit(&zone->dropped, memory_order_relaxed);
}

/* When coalesced_zone_run has something to do; TIME_NEVER when nothing waits. */
static inline uint64_t coalesced_zone_next_deadline(const struct coalesced_zone *zone)
{
    return atomic_load_explicit(&zone->deadline_ns, memory_order_acquire);
}

#endif
