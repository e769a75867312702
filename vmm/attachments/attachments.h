// SPDX-License-Identifier: BSD-2-Clause
/* What is attached to a guest's buses and interrupts while it runs: doorbells, coalesced zones,
 * triggers, each by its spec (attachment_spec.h) and under its name.
 *
 * Everything may be called on any CPU at any time, also while vCPUs run, unless it says otherwise.
 * The set's own lock is held for list surgery only, never while a bus, a device, a line or the
 * environment is called; triggers take no lock at all. So they may be raised, and ends of interrupt
 * told, from within any of these. A zone's lock is held while its device is handed the queued
 * writes (coalesced_zone.h): whoever guards devices with a lock of its own takes that lock around
 * iobus_access, attachments_work and attachments_run alike, or inside the devices' handlers, but
 * not in one way here and in the other there.
 *
 * What a detached doorbell or zone occupied is freed when the bus says that no vCPU can be using it
 * any more; a trigger or zone that doorbells refer to, after them. */
#ifndef VMM_ATTACHMENTS_ATTACHMENTS_H
#define VMM_ATTACHMENTS_ATTACHMENTS_H

#include "vmm/attachments/attachment_spec.h"
#include "vmm/base/spinlock.h"
#include "vmm/devices/apic/apic_bus.h"
#include "vmm/devices/line.h"
#include "vmm/devices/notify/line_trigger.h"
#include "vmm/iobus/iobus.h"

#define ATTACHMENT_TRACES_MAX 64

struct attachments_setup {
    struct iobus *ports, *mmio;
    /* The buses' own will do. Called without any lock. */
    struct iobus_allocator allocator;
    /* One for each of the board's interrupt inputs; those without listener cannot be attached to.
     */
    struct line lines[ATTACHMENT_LINES];
    /* Where messages go. Null: nothing that sends one can be attached. */
    struct apic_bus *apics;

    /* The guest's clock, never running backwards but at a reset. Called with a zone's lock held. */
    uint64_t (*now_ns)(void *context);
    /* A ring of a doorbell with `trace`, from attachments_work. missed: how many before it were not
     * kept, because rings came faster than they were traced. access is as the bus gave it. Null
     * drops them. */
    void (*trace)(void *context, const char *name, const struct io_access *access, uint64_t missed);
    /* attachments_next_deadline has become earlier; on the vCPU that wrote. May be null. */
    void (*deadline_changed)(void *context);
    /* attachments_has_work has become true; on the vCPU that rang. May be null. */
    void (*work_wanted)(void *context);
    void *context;
};

struct attachment_trace {
    char name[ATTACHMENT_NAME_BYTES];
    struct io_access access;
    uint64_t missed;
};

struct attachment;

/* All fields are the set's own. */
struct attachments {
    struct attachments_setup setup;
    struct line_trigger pulses[ATTACHMENT_LINES]; /* all edges of a line go through one */

    _Atomic uint64_t deadline_ns; /* no zone's is earlier; it may have gone meanwhile */
    _Atomic bool has_work;
    _Atomic uint32_t level_lines; /* bit n: a level trigger may be on line n */

    struct spinlock lock;            /* of all below */
    struct attachment *first, *last; /* ascending by serial */
    uint64_t next_serial;            /* from 1 */
    uint32_t object_count;           /* not freed yet, attached or not */
    struct {
        uint32_t pulse_count; /* objects that pulse this line */
        uint32_t level_count; /* triggers that hold it high; at most 1, and alone */
    } line_users[ATTACHMENT_LINES];

    struct spinlock trace_lock; /* of the ring of traces */
    struct attachment_trace traces[ATTACHMENT_TRACES_MAX];
    uint32_t trace_first, trace_count;
    uint64_t trace_missed; /* since the last that was kept */
};

/* What is told of one attachment; of its kind, the rest is 0. */
struct attachment_report {
    struct attachment_spec spec;
    uint64_t rings; /* of all doorbells of the spec together */
    /* A zone: see struct coalesced_zone. */
    uint64_t queued, drained, batches, full, unanswered;
    uint32_t waiting;
    char device[IOBUS_NAME_BYTES]; /* under it; "" for none */
    /* A trigger: see struct line_trigger. Of messages those that a local APIC took are delivered.
     */
    uint64_t raised, delivered, pending;
};

/* An empty set; setup is copied. It stays where it is. */
void attachments_init(struct attachments *set, const struct attachments_setup *setup);

/* Detaches everything. No vCPU uses the buses any more: all their readers are parked or detached.
 */
void attachments_destroy(struct attachments *set);

/* Attaches what spec says. All doorbells of a spec appear at once, with one publication of the bus.
 * A zone takes over the device at its first address, which has to stay registered as long as it
 * does; a device carries one zone. A line has either one level trigger or any number of pulses. On
 * an error nothing has changed and message, of message_bytes (ATTACHMENT_MESSAGE_BYTES suffice),
 * tells what is in the way:
 *   STATUS_INVALID, STATUS_OUT_OF_RANGE  the spec breaks a rule of attachment_spec.h
 *   STATUS_CONFLICT                      the name, the line or an address is taken
 *   STATUS_NOT_FOUND                     no such trigger, zone or line; no local APICs
 *   STATUS_NO_MEMORY */
MUST_USE enum status attachments_attach(struct attachments *set, const struct attachment_spec *spec,
                                        char *message, size_t message_bytes);

/* Attaches several, in any order: one may refer to another that comes later. On an error, as above,
 * none is attached. */
MUST_USE enum status attachments_attach_all(struct attachments *set,
                                            const struct attachment_spec *specs, size_t count,
                                            char *message, size_t message_bytes);

/* Detaches what has this name. A zone's queued writes reach the device first; a trigger's line goes
 * low. STATUS_NOT_FOUND; STATUS_CONFLICT: a doorbell refers to it, which message names, or it is
 * being attached just now. Needs no memory. */
MUST_USE enum status attachments_detach(struct attachments *set, const char *name, char *message,
                                        size_t message_bytes);

/* An event for the trigger of this name. STATUS_NOT_FOUND; STATUS_INVALID: it is no trigger. */
MUST_USE enum status attachments_raise(struct attachments *set, const char *name, char *message,
                                       size_t message_bytes);

/* The guest ended an interrupt that came in on line: 0..23; others are nobody's. Cheap on lines
 * without a level trigger. */
void attachments_end_of_interrupt(struct attachments *set, unsigned line);

/* Whether a doorbell was rung that wants a zone drained or a trace printed. One load: asked between
 * VM exits. */
static inline bool attachments_has_work(const struct attachments *set)
{
    return atomic_load_explicit(&set->has_work, memory_order_relaxed);
}

/* Does that work; ATTACHMENT_TRACES_MAX traces at most, so that a guest that rings without pause
 * does not keep the caller. */
void attachments_work(struct attachments *set);

/* When attachments_run may have something to do: never too late, now and then too early. TIME_NEVER
 * while nothing waits. */
static inline uint64_t attachments_next_deadline(const struct attachments *set)
{
    return atomic_load_explicit(&set->deadline_ns, memory_order_acquire);
}

/* Drains the zones whose oldest write has waited until now_ns. One compare when there is none. */
void attachments_run(struct attachments *set, uint64_t now_ns);

/* The guest is reset and its vCPUs do not run: queued writes and traces are forgotten, pending
 * events too, lines go low. Counters go on. */
void attachments_reset(struct attachments *set);

/* Calls visit for each attachment, oldest first. No lock is held meanwhile: visit may attach and
 * detach. */
void attachments_for_each(struct attachments *set,
                          void (*visit)(void *context, const struct attachment_report *report),
                          void *context);

#endif
