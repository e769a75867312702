// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/attachments/attachment.h"

#include "vmm/base/check.h"
#include "vmm/base/format.h"
#include "vmm/base/time.h"

#include <string.h>

void attachments_init(struct attachments *set, const struct attachments_setup *setup)
{
    memset(set, 0, sizeof(*set));
    set->setup = *setup;
    set->next_serial = 1;
    atomic_init(&set->deadline_ns, TIME_NEVER);
    for (unsigned line = 0; line < ATTACHMENT_LINES; line++)
        attachments_init_line(set, &set->pulses[line], line, false);
}

/* Memory. The arrays lie behind the attachment, in the same block. */

static size_t array_bytes(const struct attachment_spec *spec)
{
    switch (spec->kind) {
    case ATTACHMENT_DOORBELL:
        return spec->count * (sizeof(struct doorbell) + sizeof(struct iobus_handle));
    case ATTACHMENT_ZONE: return spec->ring_entries * sizeof(struct coalesced_write);
    case ATTACHMENT_TRIGGER: break;
    }
    return 0;
}

/* Returns the listener of a doorbell, after its references are resolved. Most rings are only
 * counted, and many others only send one message. */
static struct doorbell_listener choose_listener(struct attachment *doorbells)
{
    const struct attachment_spec *spec = &doorbells->spec;
    bool does_more = spec->has_line || spec->is_traced || doorbells->drain != NULL;
    bool has_trigger = doorbells->trigger != NULL;

    if (!does_more && !spec->has_message && !has_trigger)
        return (struct doorbell_listener){.rung = NULL};
    if (!does_more && !has_trigger)
        return (struct doorbell_listener){message_trigger_rung, &doorbells->message};
    if (!does_more && !spec->has_message && doorbells->trigger->spec.has_message)
        return (struct doorbell_listener){message_trigger_rung, &doorbells->trigger->message};
    return (struct doorbell_listener){attachment_rung, doorbells};
}

static struct attachment *allocate(struct attachments *set, const struct attachment_spec *spec)
{
    const struct iobus_allocator *allocator = &set->setup.allocator;
    size_t size_bytes = sizeof(struct attachment) + array_bytes(spec);
    struct attachment *attachment = allocator->allocate(allocator->context, size_bytes, 64);

    if (attachment == NULL)
        return NULL;
    memset(attachment, 0, size_bytes);
    attachment->set = set;
    attachment->spec = *spec;
    attachment->size_bytes = size_bytes;
    atomic_init(&attachment->references, 1);
    if (spec->kind == ATTACHMENT_DOORBELL) {
        attachment->doorbells = (struct doorbell *)(attachment + 1);
        attachment->handles = (struct iobus_handle *)(attachment->doorbells + spec->count);
    }
    if (attachment_is_zone(attachment))
        attachment->handles = &attachment->zone_handle;
    if (attachment_is_level(attachment))
        attachments_init_line(set, &attachment->level, spec->line, true);
    if (spec->has_message)
        message_trigger_init(&attachment->message, set->setup.apics, spec->message_address,
                             spec->message_data);
    return attachment;
}

/* Attaching */

static enum status check_name_free(const struct attachment *attachment, char *message,
                                   size_t message_bytes)
{
    struct attachment *found = attachments_find_locked(attachment->set, attachment->spec.name);

    if (found == NULL)
        return STATUS_OK;
    format_text(message, message_bytes, "%s %s: there is a %s of this name already",
                attachment_kind_name(attachment->spec.kind), attachment->spec.name,
                attachment_kind_name(found->spec.kind));
    return STATUS_CONFLICT;
}

/* Checks that the line exists and is free. A level trigger that holds the line would hide pulses,
 * and pulses would hide its level. With two level triggers on one line, an end of interrupt could
 * belong to either. */
static enum status check_line_free(const struct attachment *attachment, char *message,
                                   size_t message_bytes)
{
    struct attachments *set = attachment->set;
    const struct attachment_spec *spec = &attachment->spec;
    bool is_level = attachment_is_level(attachment);
    struct attachment *other = set->first;

    if (attachment_line_user_count(attachment) == NULL)
        return STATUS_OK;
    if (set->setup.lines[spec->line].set == NULL) {
        format_text(message, message_bytes, "%s %s: the board has no line %u",
                    attachment_kind_name(spec->kind), spec->name, spec->line);
        return STATUS_NOT_FOUND;
    }
    if (set->line_users[spec->line].level_count == 0 &&
        (!is_level || set->line_users[spec->line].pulse_count == 0))
        return STATUS_OK;
    while (other != NULL &&
           (attachment_line_user_count(other) == NULL || other->spec.line != spec->line))
        other = other->next;
    if (other == NULL)
        format_text(message, message_bytes,
                    "%s %s: what was on line %u is not out of use yet; try once more",
                    attachment_kind_name(spec->kind), spec->name, spec->line);
    else
        format_text(message, message_bytes,
                    "%s %s: line %u has %s %s already, and a level trigger shares "
                    "its line with "
                    "nobody",
                    attachment_kind_name(spec->kind), spec->name, spec->line,
                    attachment_kind_name(other->spec.kind), other->spec.name);
    return STATUS_CONFLICT;
}

static enum status check_apics(const struct attachment *attachment, char *message,
                               size_t message_bytes)
{
    if (!attachment->spec.has_message || attachment->set->setup.apics != NULL)
        return STATUS_OK;
    format_text(message, message_bytes, "%s %s: the board has no local APICs for its message",
                attachment_kind_name(attachment->spec.kind), attachment->spec.name);
    return STATUS_NOT_FOUND;
}

/* Finds the attachment to which a doorbell refers. The caller takes the reference after all
 * checks. */
static enum status resolve(const struct attachment *attachment, const char *name,
                           enum attachment_kind kind, struct attachment **result, char *message,
                           size_t message_bytes)
{
    struct attachment *found;

    if (attachment->spec.kind != ATTACHMENT_DOORBELL || name[0] == '\0')
        return STATUS_OK;
    found = attachments_find_locked(attachment->set, name);
    if (found == NULL || !found->is_attached || found->spec.kind != kind) {
        format_text(message, message_bytes, "%s %s: there is no %s %s",
                    attachment_kind_name(attachment->spec.kind), attachment->spec.name,
                    attachment_kind_name(kind), name);
        return STATUS_NOT_FOUND;
    }
    *result = found;
    return STATUS_OK;
}

/* Puts the attachment on the list, not attached yet, and takes its name, its line and its
 * references. On an error nothing is changed. The caller holds the set's lock. */
static enum status list(struct attachment *attachment, char *message, size_t message_bytes)
{
    struct attachment *trigger = NULL, *drain = NULL;
    enum status status = check_name_free(attachment, message, message_bytes);

    if (status == STATUS_OK)
        status = check_line_free(attachment, message, message_bytes);
    if (status == STATUS_OK)
        status = check_apics(attachment, message, message_bytes);
    if (status == STATUS_OK)
        status = resolve(attachment, attachment->spec.trigger, ATTACHMENT_TRIGGER, &trigger,
                         message, message_bytes);
    if (status == STATUS_OK)
        status = resolve(attachment, attachment->spec.drain, ATTACHMENT_ZONE, &drain, message,
                         message_bytes);
    if (status != STATUS_OK)
        return status;

    uint32_t *line_users = attachment_line_user_count(attachment);

    if (line_users != NULL)
        ++*line_users;
    attachment->trigger = trigger;
    attachment->drain = drain;
    if (trigger != NULL)
        attachment_reference(trigger);
    if (drain != NULL)
        attachment_reference(drain);
    attachments_append_locked(attachment);
    return STATUS_OK;
}

enum status attachments_attach(struct attachments *set, const struct attachment_spec *spec,
                               char *message, size_t message_bytes)
{
    struct attachment *attachment;
    enum status status = attachment_spec_check(spec, message, message_bytes);

    if (status != STATUS_OK)
        return status;
    attachment = allocate(set, spec);
    if (attachment == NULL) {
        format_text(message, message_bytes, "%s %s: no memory for it",
                    attachment_kind_name(spec->kind), spec->name);
        return STATUS_NO_MEMORY;
    }

    spinlock_acquire(&set->lock);
    status = list(attachment, message, message_bytes);
    spinlock_release(&set->lock);
    if (status != STATUS_OK) {
        attachment_deallocate(attachment);
        return status;
    }

    if (spec->kind == ATTACHMENT_DOORBELL) {
        struct doorbell_listener listener = choose_listener(attachment);

        for (uint32_t i = 0; i < spec->count; i++)
            doorbell_init(&attachment->doorbells[i], listener);
    }
    if (spec->kind != ATTACHMENT_TRIGGER)
        status = attachment_register(attachment, message, message_bytes);

    spinlock_acquire(&set->lock);
    if (status != STATUS_OK)
        attachments_unlink_locked(attachment);
    else
        attachment->is_attached = true;
    if (status == STATUS_OK && attachment_is_level(attachment))
        atomic_fetch_or_explicit(&set->level_lines, UINT32_C(1) << spec->line,
                                 memory_order_relaxed);
    spinlock_release(&set->lock);
    if (status != STATUS_OK)
        attachment_release(attachment);
    return status;
}

enum status attachments_attach_all(struct attachments *set, const struct attachment_spec *specs,
                                   size_t count, char *message, size_t message_bytes)
{
    enum status status = STATUS_OK;
    size_t done = 0;

    /* Attach first the attachments to which doorbells refer, then the doorbells. */
    for (; status == STATUS_OK && done < 2 * count; done++) {
        const struct attachment_spec *spec = &specs[done % count];

        if ((spec->kind == ATTACHMENT_DOORBELL) == (done >= count))
            status = attachments_attach(set, spec, message, message_bytes);
    }
    if (status == STATUS_OK)
        return STATUS_OK;
    /* The last one failed; detach the others in reverse order. */
    for (done--; done-- > 0;) {
        const struct attachment_spec *spec = &specs[done % count];

        if ((spec->kind == ATTACHMENT_DOORBELL) == (done >= count))
            (void)!attachments_detach(set, spec->name, NULL, 0);
    }
    return status;
}

/* Detaching */

/* Ends the use of an attachment that is no longer on the list. */
static void dismantle(struct attachment *attachment)
{
    if (attachment->spec.kind != ATTACHMENT_TRIGGER) {
        attachment_unregister(attachment);
        return;
    }
    if (attachment_is_level(attachment))
        line_trigger_close(&attachment->level);
    attachment_release(attachment);
}

static enum status check_unused(const struct attachment *attachment, char *message,
                                size_t message_bytes)
{
    const struct attachment_spec *spec = &attachment->spec;

    if (!attachment->is_attached) {
        format_text(message, message_bytes, "%s %s is being attached just now",
                    attachment_kind_name(spec->kind), spec->name);
        return STATUS_CONFLICT;
    }
    for (const struct attachment *user = attachment->set->first; user != NULL; user = user->next)
        if (user->trigger == attachment || user->drain == attachment) {
            format_text(message, message_bytes,
                        "%s %s is in use by doorbell %s; detach that one first",
                        attachment_kind_name(spec->kind), spec->name, user->spec.name);
            return STATUS_CONFLICT;
        }
    return STATUS_OK;
}

enum status attachments_detach(struct attachments *set, const char *name, char *message,
                               size_t message_bytes)
{
    struct attachment *found;
    enum status status = STATUS_NOT_FOUND;

    spinlock_acquire(&set->removal_lock);
    spinlock_acquire(&set->lock);
    found = attachments_find_locked(set, name);
    if (found == NULL)
        format_text(message, message_bytes, "nothing is attached under the name '%.40s'", name);
    else
        status = check_unused(found, message, message_bytes);
    if (status == STATUS_OK)
        attachments_unlink_locked(found);
    spinlock_release(&set->lock);
    if (status == STATUS_OK)
        dismantle(found);
    spinlock_release(&set->removal_lock);
    return status;
}

void attachments_destroy(struct attachments *set)
{
    for (;;) {
        spinlock_acquire(&set->lock);
        struct attachment *attachment = set->first;

        if (attachment != NULL)
            attachments_unlink_locked(attachment);
        spinlock_release(&set->lock);
        if (attachment == NULL)
            break;
        dismantle(attachment);
    }
    (void)iobus_reclaim(set->setup.ports);
    (void)iobus_reclaim(set->setup.mmio);
    /* If this fails, a vCPU still uses a bus and would use freed memory. */
    CHECK(set->object_count == 0);
}
