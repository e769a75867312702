// SPDX-License-Identifier: BSD-2-Clause
/* One attachment; used only inside vmm/attachments. */
#ifndef VMM_ATTACHMENTS_ATTACHMENT_H
#define VMM_ATTACHMENTS_ATTACHMENT_H

#include "vmm/attachments/attachments.h"
#include "vmm/devices/notify/coalesced_zone.h"
#include "vmm/devices/notify/doorbell.h"
#include "vmm/devices/notify/message_trigger.h"

/* An attachment exists as long as somebody holds a reference to it. The list holds one; after
 * detaching the bus holds it instead. Each doorbell group that names the attachment holds one until
 * the group is freed. Code that works on the attachment without the set's lock holds one. */
struct attachment {
    struct attachments *set;
    struct attachment_spec spec;
    size_t size_bytes; /* bytes of this struct and the arrays behind it */
    _Atomic uint32_t references;

    /* Fields of the list, under the set's lock. */
    struct attachment *next;
    uint64_t serial;
    bool is_listed;
    bool is_attached; /* false while it is being attached: it is listed, so its name is taken */

    struct iobus_completion completion;
    struct iobus_handle *handles; /* a zone has 1, doorbells have spec.count */

    /* Which of the following are used depends on spec.kind. */
    struct doorbell *doorbells;         /* spec.count elements */
    struct attachment *trigger, *drain; /* what the doorbells refer to, with a reference; or null */

    struct coalesced_zone zone;
    struct iobus_handle zone_handle;
    char device[IOBUS_NAME_BYTES];
    _Atomic bool wants_drain;

    struct line_trigger level;      /* a level trigger's own line trigger */
    _Atomic uint64_t raises_left;   /* a trigger's events that attachments_work has to raise */
    _Atomic uint64_t pulses_raised; /* an edge trigger's own count; others may share its line */
    struct message_trigger message; /* with spec.has_message: a trigger's or a doorbell group's
                                       message */
};

static inline bool attachment_is_zone(const struct attachment *attachment)
{
    return attachment->spec.kind == ATTACHMENT_ZONE;
}

static inline bool attachment_is_level(const struct attachment *attachment)
{
    return attachment->spec.kind == ATTACHMENT_TRIGGER && attachment->spec.is_level;
}

/* Returns the bus on which a doorbell group or a zone is registered. */
static inline struct iobus *attachment_bus(const struct attachment *attachment)
{
    return attachment->spec.space == ATTACHMENT_PORT ? attachment->set->setup.ports
                                                     : attachment->set->setup.mmio;
}

/* set.c */

/* Takes one more reference. The caller holds one already, or the set's lock. */
static inline void attachment_reference(struct attachment *attachment)
{
    atomic_fetch_add_explicit(&attachment->references, 1, memory_order_relaxed);
}

/* Gives a reference back and frees the attachment if it was the last one. The caller holds no
 * lock. */
void attachment_release(struct attachment *attachment);

/* Returns the attached attachment that follows `before` in the list, or the first one if that is
 * null, with a reference for the caller; null if there is none. The caller has a reference to
 * before, which may have left the list meanwhile. */
struct attachment *attachments_next(struct attachments *set, const struct attachment *before);

/* Return the attached attachment of this name, and the level trigger on this line, with a reference
 * for the caller; or null. */
struct attachment *attachments_find(struct attachments *set, const char *name);
struct attachment *attachments_find_level(struct attachments *set, unsigned line);

/* Returns the attachment of this name, attached or not; or null. The caller holds the set's
 * lock. */
struct attachment *attachments_find_locked(struct attachments *set, const char *name);

/* Append an attachment to the list, and remove one from it. The caller holds the set's lock. */
void attachments_append_locked(struct attachment *attachment);
void attachments_unlink_locked(struct attachment *attachment);

/* Returns the counter of its line in which the attachment counts as a user; null if it uses no
 * line. */
uint32_t *attachment_line_user_count(const struct attachment *attachment);

/* Frees an attachment that was never listed and that nobody refers to. */
void attachment_deallocate(struct attachment *attachment);

/* attachment_bus.c */

/* Registers a doorbell group or a zone on its bus. Errors and message are those of
 * attachments_attach. */
MUST_USE enum status attachment_register(struct attachment *attachment, char *message,
                                         size_t message_bytes);

/* Removes the attachment from its bus. The bus later gives back the list's reference. A zone is
 * drained first. */
void attachment_unregister(struct attachment *attachment);

/* attachments_run.c */

/* The callback for struct doorbell_listener: handles one ring. context: the struct attachment. */
void attachment_rung(void *context, const struct io_access *access);

/* The callback for zones: a zone's deadline is now deadline_ns. context: the struct attachments. */
void attachments_deadline_set(void *context, uint64_t deadline_ns);

/* Raises one event of a trigger. */
void attachment_raise(struct attachment *trigger);

/* Sets up a line trigger of the set on one of its lines; what the trigger postpones is done by
 * attachments_work. */
void attachments_init_line(struct attachments *set, struct line_trigger *trigger, unsigned line,
                           bool is_level);

#endif
