// SPDX-License-Identifier: BSD-2-Clause
/* The list of what is attached, and the references. */
#include "vmm/attachments/attachment.h"

#include <string.h>

void attachment_deallocate(struct attachment *attachment)
{
    const struct iobus_allocator *allocator = &attachment->set->setup.allocator;

    allocator->release(allocator->context, attachment, attachment->size_bytes);
}

uint32_t *attachment_line_user_count(const struct attachment *attachment)
{
    const struct attachment_spec *spec = &attachment->spec;

    if (attachment_is_level(attachment))
        return &attachment->set->line_users[spec->line].level_count;
    if ((spec->kind == ATTACHMENT_TRIGGER && !spec->has_message) ||
        (spec->kind == ATTACHMENT_DOORBELL && spec->has_line))
        return &attachment->set->line_users[spec->line].pulse_count;
    return NULL;
}

void attachment_release(struct attachment *attachment)
{
    struct attachments *set = attachment->set;
    struct attachment *trigger = attachment->trigger, *drain = attachment->drain;

    if (atomic_fetch_sub_explicit(&attachment->references, 1, memory_order_acq_rel) != 1)
        return;

    /* Only now is the line free for another kind of use: nobody can still drive it for this one. */
    spinlock_acquire(&set->lock);
    uint32_t *line_users = attachment_line_user_count(attachment);
    bool leaves_line = line_users != NULL && --*line_users == 0;

    if (leaves_line && attachment_is_level(attachment))
        atomic_fetch_and_explicit(&set->level_lines, ~(UINT32_C(1) << attachment->spec.line),
                                  memory_order_relaxed);
    set->object_count--;
    spinlock_release(&set->lock);

    if (leaves_line && !attachment_is_level(attachment))
        line_trigger_reset(&set->pulses[attachment->spec.line]); /* its rest state is high while it
                                                                    is in use */

    attachment_deallocate(attachment);
    /* A trigger or a zone refers to nothing, so the recursion ends here. */
    if (trigger != NULL)
        attachment_release(trigger);
    if (drain != NULL)
        attachment_release(drain);
}

struct attachment *attachments_find_locked(struct attachments *set, const char *name)
{
    struct attachment *found = set->first;

    while (found != NULL && strcmp(found->spec.name, name) != 0)
        found = found->next;
    return found;
}

void attachments_unlink_locked(struct attachment *attachment)
{
    struct attachments *set = attachment->set;
    struct attachment *before = NULL;

    for (struct attachment *at = set->first; at != attachment; at = at->next)
        before = at;
    if (before != NULL)
        before->next = attachment->next;
    else
        set->first = attachment->next;
    if (set->last == attachment)
        set->last = before;
    attachment->is_listed = false;
}

struct attachment *attachments_next(struct attachments *set, const struct attachment *before)
{
    struct attachment *found;

    spinlock_acquire(&set->lock);
    if (before != NULL && before->is_listed)
        found = before->next;
    else
        found = set->first;
    while (found != NULL &&
           ((before != NULL && found->serial <= before->serial) || !found->is_attached))
        found = found->next;
    if (found != NULL)
        attachment_reference(found);
    spinlock_release(&set->lock);
    return found;
}

struct attachment *attachments_find(struct attachments *set, const char *name)
{
    struct attachment *found;

    spinlock_acquire(&set->lock);
    found = attachments_find_locked(set, name);
    if (found != NULL && !found->is_attached)
        found = NULL;
    if (found != NULL)
        attachment_reference(found);
    spinlock_release(&set->lock);
    return found;
}

struct attachment *attachments_find_level(struct attachments *set, unsigned line)
{
    struct attachment *found;

    spinlock_acquire(&set->lock);
    found = set->first;
    while (found != NULL && (!attachment_is_level(found) || found->spec.line != line))
        found = found->next;
    if (found != NULL)
        attachment_reference(found);
    spinlock_release(&set->lock);
    return found;
}

void attachments_append_locked(struct attachment *attachment)
{
    struct attachments *set = attachment->set;

    attachment->serial = set->next_serial++;
    attachment->is_listed = true;
    if (set->last != NULL)
        set->last->next = attachment;
    else
        set->first = attachment;
    set->last = attachment;
    set->object_count++;
}
