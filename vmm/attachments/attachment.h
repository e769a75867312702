// SPDX-License-Identifier: BSD-2-Clause
/* One attachment. Within vmm/attachments only. */
#ifndef VMM_ATTACHMENTS_ATTACHMENT_H
#define VMM_ATTACHMENTS_ATTACHMENT_H

#include "vmm/attachments/attachments.h"
#include "vmm/devices/notify/coalesced_zone.h"
#include "vmm/devices/notify/doorbell.h"
#include "vmm/devices/notify/message_trigger.h"

/* Lives until nobody refers to it: the list, or after detaching the bus, holds one reference, each
 * doorbell group that names it one until it is freed itself, and everybody who works on it without
 * the set's lock. */
struct attachment {
    struct attachments *set;
    struct attachment_spec spec;
    size_t size_bytes; /* of this and the arrays behind it */
    _Atomic uint32_t references;

    /* The list's, under the set's lock. */
    struct attachment *next;
    uint64_t serial;
    bool is_attached; /* false while it is being attached: listed, so that the
                         name is taken */

    struct iobus_completion completion;
    struct iobus_handle *handles; /* of a zone 1, of doorbells spec.count */

    /* By spec.kind. */
    struct doorbell *doorbells;         /* spec.count of them */
    struct attachment *trigger, *drain; /* what they refer to, referenced; or null */

    struct coalesced_zone zone;
    struct iobus_handle zone_handle;
    char device[IOBUS_NAME_BYTES];
    _Atomic bool wants_drain;

    struct line_trigger level;      /* a level trigger's own */
    _Atomic uint64_t pulses_raised; /* an edge trigger's, on the line that it may share */
    struct message_trigger message; /* of a trigger or of doorbells, with spec.has_message */
};

static inline bool attachment_is_zone(const struct attachment *attachment)
{
    return attachment->spec.kind == ATTACHMENT_ZONE;
}

static inline bool attachment_is_level(const struct attachment *attachment)
{
    return attachment->spec.kind == ATTACHMENT_TRIGGER && attachment->spec.is_level;
}

static inline struct iobus *attachment_bus(const struct attachment *attachment)
{
    return attachment->spec.space == ATTACHMENT_PORT ? attachment->set->setup.ports
                                                     : attachment->set->setup.mmio;
}

/* set.c */

static inline void attachment_reference(struct attachment *attachment)
{
    atomic_fetch_add_explicit(&attachment->references, 1, memory_order_relaxed);
}

/* Gives a reference back; with the last one the attachment is freed. The caller holds no lock. */
void attachment_release(struct attachment *attachment);

/* The first attachment, attached already, with a higher serial: with a reference for the caller.
 * Null: none. */
struct attachment *attachments_next(struct attachments *set, uint64_t serial);

/* The one of this name, and the level trigger on this line; with a reference, or null. */
struct attachment *attachments_find(struct attachments *set, const char *name);
struct attachment *attachments_find_level(struct attachments *set, unsigned line);

/* With the set's lock: the one of this name, attached or not; or null. */
struct attachment *attachments_find_locked(struct attachments *set, const char *name);

/* With the set's lock: puts one at the end of the list, and takes one off it. */
void attachments_append_locked(struct attachment *attachment);
void attachments_unlink_locked(struct attachment *attachment);

/* The number of users of its line that an attachment counts as, or null. */
uint32_t *attachment_line_user_count(const struct attachment *attachment);

/* Frees one that nobody refers to and that was never listed. */
void attachment_deallocate(struct attachment *attachment);

/* attachment_bus.c */

/* Puts a doorbell group or a zone on its bus. Errors as attachments_attach. */
MUST_USE enum status attachment_register(struct attachment *attachment, char *message,
                                         size_t message_bytes);

/* Takes it off again; the bus then gives back the list's reference. A zone is drained before. */
void attachment_unregister(struct attachment *attachment);

/* attachments_run.c */

/* What struct doorbell_listener calls; context is the struct attachment. */
void attachment_rung(void *context, const struct io_access *access);

/* What a zone calls; context is the struct attachments. */
void attachments_deadline_set(void *context, uint64_t deadline_ns);

/* An event for a trigger. */
void attachment_raise(struct attachment *trigger);

#endif
