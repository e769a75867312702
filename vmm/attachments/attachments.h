// SPDX-License-Identifier: BSD-2-Clause
/* What is attached to a guest's buses and interrupts while it runs: doorbells, coalesced zones,
 * triggers. Each has a spec (attachment_spec.h) and a name.
 *
 * Any CPU may call these functions at any time, also while vCPUs run, except where a function says
 * otherwise. The set's own lock is held only while the list is read or changed, never during a call
 * of a bus, a device, a line or the environment. Triggers take no lock at all, so triggers may be
 * raised, and ends of interrupt reported, from within any of these calls. A zone's lock is held
 * while the zone hands queued writes to its device (coalesced_zone.h). A caller that guards devices
 * with a lock of its own therefore takes that lock in one of two ways, but never in both: around
 * iobus_access, attachments_work and attachments_run; or inside the devices' handlers.
 *
 * The memory of a detached doorbell or zone is freed when the bus reports that no vCPU can still
 * use it. A trigger or a zone to which doorbells refer is freed after them. */
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
    /* The memory for attachments; the buses' own allocator can serve. Called without any lock
     * held. */
    struct iobus_allocator allocator;
    /* One line for each of the board's interrupt inputs; nothing can be attached to a line without
     * a listener. */
    struct line lines[ATTACHMENT_LINES];
    /* The local APICs, which receive messages. Null: nothing that sends a message can be
     * attached. */
    struct apic_bus *apics;

    /* Returns the guest's time. It never runs backwards except at a reset. Called with a zone's
     * lock held. */
    uint64_t (*now_ns)(void *context);
    /* Prints a ring of a doorbell with `trace`; called by attachments_work. access is as the bus
     * gave it. missed: the number of rings directly before this one that were not kept, because
     * rings came faster than they were printed. If null, traces are dropped. */
    void (*trace)(void *context, const char *name, const struct io_access *access, uint64_t missed);
    /* Called when attachments_next_deadline has become earlier, on the vCPU that wrote. May be
     * null. */
    void (*deadline_changed)(void *context);
    /* Called when attachments_has_work has become true, on the vCPU that rang. May be null. */
    void (*work_wanted)(void *context);
    void *context;
};

struct attachment_trace {
    char name[ATTACHMENT_NAME_BYTES];
    struct io_access access;
    uint64_t missed;
};

struct attachment;

/* All fields belong to the set; nobody else reads or writes them. */
struct attachments {
    struct attachments_setup setup;
    struct line_trigger pulses[ATTACHMENT_LINES]; /* all edges of a line go through its one line
                                                     trigger */

    _Atomic uint64_t deadline_ns; /* no zone has an earlier deadline; the zone with this one may be
                                     gone */
    _Atomic bool has_work;
    _Atomic uint32_t level_lines; /* bit n: a level trigger may be on line n */

    /* Held while one attachment is taken off the list and apart, and during a reset: what a zone
     * hands over because it is removed reaches the devices before the reset, or not at all. Taken
     * before every other lock. */
    struct spinlock removal_lock;
    struct spinlock lock;            /* for all fields below, up to trace_lock */
    struct attachment *first, *last; /* in ascending order of serial */
    uint64_t next_serial;            /* begins at 1 */
    uint32_t object_count;           /* attachments not freed yet, attached or not */
    struct {
        uint32_t pulse_count; /* attachments that pulse this line */
        uint32_t level_count; /* triggers that hold it high; at most 1, and then no other user */
    } line_users[ATTACHMENT_LINES];

    struct spinlock trace_lock; /* for the ring of traces */
    struct attachment_trace traces[ATTACHMENT_TRACES_MAX];
    uint32_t trace_first, trace_count;
    uint64_t trace_missed; /* since the last trace that was kept */
};

/* The facts about one attachment. Fields of other kinds are 0. */
struct attachment_report {
    struct attachment_spec spec;
    uint64_t rings; /* all doorbells of the spec together */
    /* A zone: see struct coalesced_zone. */
    uint64_t queued, drained, batches, full, unanswered;
    uint32_t waiting;
    char device[IOBUS_NAME_BYTES]; /* the device under the zone; "": none */
    /* A trigger: see struct line_trigger. A message counts as delivered if a local APIC took it. */
    uint64_t raised, delivered, pending;
};

/* Makes set an empty set and copies setup. The set must not be moved afterwards. */
void attachments_init(struct attachments *set, const struct attachments_setup *setup);

/* Detaches everything and frees it. No vCPU uses the buses any more: all their readers are parked
 * or detached. */
void attachments_destroy(struct attachments *set);

/* Attaches what spec describes. All doorbells of a spec appear at the same moment, by one
 * publication of the bus. A zone takes over the device at its first address; a device carries one
 * zone and stays registered at least as long as the zone. A device that each processor has for
 * itself, such as the local APIC, takes no zone. A line has either one level trigger or
 * any number of pulses. On an error nothing has changed, and message (message_bytes;
 * ATTACHMENT_MESSAGE_BYTES are enough) names the cause.
 * STATUS_INVALID, STATUS_OUT_OF_RANGE: the spec breaks a rule of attachment_spec.h.
 * STATUS_CONFLICT: the name, the line or an address is taken.
 * STATUS_NOT_FOUND: there is no such trigger, zone or line, or there are no local APICs.
 * STATUS_NO_MEMORY: there is no memory for it. */
MUST_USE enum status attachments_attach(struct attachments *set, const struct attachment_spec *spec,
                                        char *message, size_t message_bytes);

/* Attaches several specs in any order: one may refer to another that comes later. On an error none
 * is attached. Errors and message are those of attachments_attach. */
MUST_USE enum status attachments_attach_all(struct attachments *set,
                                            const struct attachment_spec *specs, size_t count,
                                            char *message, size_t message_bytes);

/* Detaches the attachment of this name. A zone's queued writes reach the device first; a trigger's
 * line goes low. Needs no memory. Not called by a device's handler. On an error message names the
 * cause.
 * STATUS_NOT_FOUND: there is no such attachment.
 * STATUS_CONFLICT: a doorbell refers to it, or it is just being attached. */
MUST_USE enum status attachments_detach(struct attachments *set, const char *name, char *message,
                                        size_t message_bytes);

/* Raises count events of the trigger of this name, the first few at once, the others by
 * attachments_work. On an error message names the cause.
 * STATUS_NOT_FOUND: there is no such attachment.
 * STATUS_INVALID: the attachment is not a trigger. */
MUST_USE enum status attachments_raise(struct attachments *set, const char *name, uint64_t count,
                                       char *message, size_t message_bytes);

/* Handles the end of an interrupt that arrived on line, 0..23; other numbers are ignored. Cheap if
 * the line has no level trigger. */
void attachments_end_of_interrupt(struct attachments *set, unsigned line);

/* Returns whether attachments_work has something to do: a ring has asked for a zone's drain or a
 * trace, or events are left to be raised. Costs one load; called between VM exits. */
static inline bool attachments_has_work(const struct attachments *set)
{
    return atomic_load_explicit(&set->has_work, memory_order_relaxed);
}

/* Does the work that attachments_has_work reports, and no more than a share of it, so that a guest
 * that rings without pause does not keep the caller here: on each line and level trigger one batch
 * of events (line_trigger.h), 32 of the events that attachments_raise has left, zones until
 * ATTACHMENT_RING_MAX writes are drained, and ATTACHMENT_TRACES_MAX traces. If something is left,
 * attachments_has_work stays true. */
void attachments_work(struct attachments *set);

/* Returns the time at which attachments_run may have something to do. The time is never too late,
 * but sometimes too early; TIME_NEVER if nothing waits. */
static inline uint64_t attachments_next_deadline(const struct attachments *set)
{
    return atomic_load_explicit(&set->deadline_ns, memory_order_acquire);
}

/* Drains the zones whose oldest write has waited until now_ns; after ATTACHMENT_RING_MAX writes it
 * leaves the other zones to the next call, whose deadline has then come already. Costs one
 * comparison if there is none. */
void attachments_run(struct attachments *set, uint64_t now_ns);

/* Resets the attachments while the guest is reset and its vCPUs do not run: drops queued writes,
 * traces and pending events; lines go low. Counters keep their values. When it returns, no write from
 * before reaches a device any more, whatever is detached meanwhile; so it is called before the
 * devices are reset. Not called by a device's handler. */
void attachments_reset(struct attachments *set);

/* Calls visit for each attachment, the oldest first. No lock is held during the calls: visit may
 * attach and detach. */
void attachments_for_each(struct attachments *set,
                          void (*visit)(void *context, const struct attachment_report *report),
                          void *context);

#endif
