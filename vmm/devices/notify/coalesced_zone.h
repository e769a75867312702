// SPDX-License-Identifier: BSD-2-Clause
/* A coalesced zone: writes to a part of a device are queued and reach the device later, in order,
 * many at once. KVM calls this coalesced MMIO and PIO (Linux, Documentation/virt/kvm/api.rst,
 * "KVM_(UN)REGISTER_COALESCED_MMIO"). A zone promises three more things: a full queue is drained
 * and nothing is dropped; no write waits longer than delay_ns; and no access overtakes a queued
 * write, neither a read nor a write elsewhere in the same device.
 *
 * For the last promise the zone lies as an overlay over the whole device (struct
 * iobus_range.is_overlay, with the device's own access sizes), so it sees each of the device's
 * accesses first. It queues a write in the zone. For all other accesses it first drains, then
 * declines, so that the device itself answers. If no device is under the zone, the zone is a plain
 * range over its own addresses only; its writes are counted and have no effect.
 *
 * A spin lock, which is held while the zone drains, keeps one order for all CPUs: a CPU that
 * accesses the zone meanwhile waits until the device has received everything. So the device's
 * handler runs under this lock, on the CPU that drains, and must not come back to this zone. The
 * handler may drive lines, because nothing behind a line accesses a bus (a doorbell or a trigger
 * that wants a zone drained leaves that to a run loop). The handler must not access the bus on
 * which the zone lies. The queue is only ever emptied as a whole, so its ring needs no head. */
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
    uint64_t first, last; /* the zone's addresses */
    /* The device under the zone, which exists as long as the zone does; null: there is none. */
    io_handler *handler;
    void *context;

    struct coalesced_write *ring; /* memory of the caller for ring_entries writes */
    uint32_t ring_entries;        /* at least 1 */
    uint64_t delay_ns;            /* the longest time that a write waits */
    /* Returns the time; called with the zone's lock held. */
    uint64_t (*now_ns)(void *clock_context);
    void *clock_context;
    /* Called without the lock when the first write into an empty queue has set a deadline. Null:
     * not called. */
    void (*deadline_set)(void *deadline_context, uint64_t deadline_ns);
    void *deadline_context;
};

struct coalesced_zone {
    struct coalesced_zone_setup setup;
    struct spinlock lock;
    uint32_t capacity; /* of the ring; 0 after the zone is closed. Under the lock */
    /* Changed under the lock. A reader that finds 0 also knows that the device has handled all that
     * was queued. */
    _Atomic uint32_t waiting;
    _Atomic uint64_t deadline_ns; /* of the oldest write; TIME_NEVER if nothing waits */

    /* Counts since the beginning, for reports; read at any time. */
    _Atomic uint64_t drained;    /* writes passed to the device */
    _Atomic uint64_t dropped;    /* writes dropped at a reset */
    _Atomic uint64_t batches;    /* how often the queue was drained */
    _Atomic uint64_t full;       /* batches because the ring was full */
    _Atomic uint64_t unanswered; /* drained writes that no device accepted */
};

/* Sets up an empty zone and copies setup. setup->ring_entries is at least 1. */
void coalesced_zone_init(struct coalesced_zone *zone, const struct coalesced_zone_setup *setup);

/* The io_handler for the overlay or the plain range; context is the struct coalesced_zone. Any
 * number of vCPUs may call it at once. May drain. */
enum io_outcome coalesced_zone_access(void *context, struct io_access *access);

/* Passes all queued writes to the device, in order. */
void coalesced_zone_drain(struct coalesced_zone *zone);

/* Drains if the oldest write has waited until now_ns. */
void coalesced_zone_run(struct coalesced_zone *zone, uint64_t now_ns);

/* Drops all queued writes: the guest and its board were reset. */
void coalesced_zone_drop(struct coalesced_zone *zone);

/* Drains the zone, and from then on queues nothing: later accesses go to the device. Call it before
 * the zone is removed from its bus, so that the order is kept to the end. */
void coalesced_zone_close(struct coalesced_zone *zone);

/* Returns how many writes were queued since the beginning. While another CPU drains, the writes
 * that it drains may count twice. */
static inline uint64_t coalesced_zone_queued(const struct coalesced_zone *zone)
{
    return atomic_load_explicit(&zone->waiting, memory_order_relaxed) +
           atomic_load_explicit(&zone->drained, memory_order_relaxed) +
           atomic_load_explicit(&zone->dropped, memory_order_relaxed);
}

/* Returns the time at which coalesced_zone_run has work; TIME_NEVER if nothing waits. */
static inline uint64_t coalesced_zone_next_deadline(const struct coalesced_zone *zone)
{
    return atomic_load_explicit(&zone->deadline_ns, memory_order_acquire);
}

#endif
