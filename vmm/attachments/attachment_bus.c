// SPDX-License-Identifier: BSD-2-Clause
/* Registers doorbells and zones on their bus, and removes them. */
#include "vmm/attachments/attachment.h"
#include "vmm/base/check.h"
#include "vmm/base/format.h"

#define NS_PER_US UINT64_C(1000)

/* Gives the list's reference back. The bus calls this when no vCPU can still use the
 * registrations. */
static void out_of_use(void *context)
{
    attachment_release(context);
}

static const char *kind(const struct attachment *attachment)
{
    return attachment_kind_name(attachment->spec.kind);
}

static enum status no_memory(const struct attachment *attachment, char *message,
                             size_t message_bytes)
{
    format_text(message, message_bytes, "%s %s: no memory for it", kind(attachment),
                attachment->spec.name);
    return STATUS_NO_MEMORY;
}

/* Writes to message why the bus refused the attachment, and returns status. */
static enum status explain(const struct attachment *attachment, enum status status,
                           const struct iobus_conflict *conflict, char *message,
                           size_t message_bytes)
{
    if (status == STATUS_NO_MEMORY)
        return no_memory(attachment, message, message_bytes);
    if (status == STATUS_CONFLICT)
        format_text(message, message_bytes,
                    "%s %s: %s at 0x%llx-0x%llx collides with %s at 0x%llx-0x%llx",
                    kind(attachment), attachment->spec.name, conflict->new_name,
                    (unsigned long long)conflict->new_first, (unsigned long long)conflict->new_last,
                    conflict->old_name, (unsigned long long)conflict->old_first,
                    (unsigned long long)conflict->old_last);
    else
        format_text(message, message_bytes, "%s %s: the bus refuses it: %s", kind(attachment),
                    attachment->spec.name, status_name(status));
    return status;
}

/* What the bus reads about each doorbell; needed only while the bus registers it. */
struct doorbell_entry {
    struct iobus_match match;
    char name[IOBUS_NAME_BYTES];
};

static struct iobus_range doorbell_range(struct attachment *attachment, uint32_t index,
                                         struct doorbell_entry *entry)
{
    const struct attachment_spec *spec = &attachment->spec;
    uint64_t width_bytes = spec->width_bytes != 0 ? spec->width_bytes : 1;

    entry->match = (struct iobus_match){
        .width_bytes = spec->width_bytes,
        .has_data = spec->has_data,
        .data = spec->has_data ? spec->data + index : 0,
    };
    if (spec->count == 1)
        format_text(entry->name, sizeof(entry->name), "%s", spec->name);
    else
        format_text(entry->name, sizeof(entry->name), "%s[%u]", spec->name, index);
    return (struct iobus_range){
        .first = spec->has_data ? spec->address : spec->address + width_bytes * index,
        .length_bytes = width_bytes,
        .name = entry->name,
        .handler = doorbell_ring,
        .context = &attachment->doorbells[index],
        .match = &entry->match,
    };
}

static enum status register_doorbells(struct attachment *attachment, char *message,
                                      size_t message_bytes)
{
    const struct iobus_allocator *allocator = &attachment->set->setup.allocator;
    uint32_t count = attachment->spec.count;
    size_t size_bytes = count * (sizeof(struct iobus_range) + sizeof(struct doorbell_entry));
    struct iobus_range *ranges = allocator->allocate(allocator->context, size_bytes, 64);
    struct iobus_conflict conflict = {0};
    enum status status;

    if (ranges == NULL)
        return no_memory(attachment, message, message_bytes);

    struct doorbell_entry *entries = (struct doorbell_entry *)(ranges + count);

    for (uint32_t i = 0; i < count; i++)
        ranges[i] = doorbell_range(attachment, i, &entries[i]);
    status = iobus_update(attachment_bus(attachment),
                          &(struct iobus_change){
                              .additions = ranges,
                              .addition_count = count,
                              .handles = attachment->handles,
                          },
                          &conflict);
    allocator->release(allocator->context, ranges, size_bytes);
    return status == STATUS_OK ? status
                               : explain(attachment, status, &conflict, message, message_bytes);
}

/* Finds the device over which a zone would lie. Returns STATUS_OK and leaves *device unchanged if
 * there is none. */
static enum status find_device(const struct attachment *attachment, struct iobus_registered *device,
                               char *message, size_t message_bytes)
{
    const struct attachment_spec *spec = &attachment->spec;
    uint64_t last = spec->address + (spec->length_bytes - 1);

    if (!iobus_find_range(attachment_bus(attachment), spec->address, device))
        return STATUS_OK;
    /* The zone there has no device. A second zone over it could outlive the handler to which it
     * hands its writes. */
    if (device->handler == coalesced_zone_access) {
        format_text(message, message_bytes, "zone %s: at 0x%llx there is zone %s already",
                    spec->name, (unsigned long long)spec->address, device->name);
        return STATUS_CONFLICT;
    }
    /* A queued write is nobody's: it may reach the device on another processor, or after its vCPU
     * has gone on. */
    if (device->is_by_initiator) {
        format_text(
            message, message_bytes,
            "zone %s: each processor has its own %s at 0x%llx-0x%llx, so its writes cannot be "
            "queued",
            spec->name, device->name, (unsigned long long)device->first,
            (unsigned long long)device->last);
        return STATUS_CONFLICT;
    }
    if (last > device->last) {
        format_text(message, message_bytes,
                    "zone %s: it ends at 0x%llx, beyond %s, which ends at 0x%llx; "
                    "a zone lies "
                    "within one device",
                    spec->name, (unsigned long long)last, device->name,
                    (unsigned long long)device->last);
        return STATUS_CONFLICT;
    }
    return STATUS_OK;
}

static enum status register_zone(struct attachment *attachment, char *message, size_t message_bytes)
{
    const struct attachments_setup *setup = &attachment->set->setup;
    const struct attachment_spec *spec = &attachment->spec;
    struct iobus_registered device = {.handler = NULL};
    struct iobus_conflict conflict = {0};
    enum status status = find_device(attachment, &device, message, message_bytes);

    if (status != STATUS_OK)
        return status;
    format_text(attachment->device, sizeof(attachment->device), "%s", device.name);
    coalesced_zone_init(&attachment->zone, &(struct coalesced_zone_setup){
                                               .first = spec->address,
                                               .last = spec->address + (spec->length_bytes - 1),
                                               .handler = device.handler,
                                               .context = device.context,
                                               .ring = (struct coalesced_write *)(attachment + 1),
                                               .ring_entries = spec->ring_entries,
                                               .delay_ns = spec->delay_us * NS_PER_US,
                                               .now_ns = setup->now_ns,
                                               .clock_context = setup->context,
                                               .deadline_set = attachments_deadline_set,
                                               .deadline_context = attachment->set,
                                           });

    struct iobus_range range = {
        .first = spec->address,
        .length_bytes = spec->length_bytes,
        .name = spec->name,
        .access_sizes = IOBUS_SIZES_ALL,
        .handler = coalesced_zone_access,
        .context = &attachment->zone,
    };

    if (device.handler != NULL) {
        range.is_overlay = true;
        range.first = device.first;
        range.length_bytes = device.last - device.first + 1;
        range.access_sizes = device.access_sizes;
    }
    status = iobus_register(attachment_bus(attachment), &range, attachment->handles, &conflict);
    return status == STATUS_OK ? status
                               : explain(attachment, status, &conflict, message, message_bytes);
}

enum status attachment_register(struct attachment *attachment, char *message, size_t message_bytes)
{
    return attachment_is_zone(attachment) ? register_zone(attachment, message, message_bytes)
                                          : register_doorbells(attachment, message, message_bytes);
}

void attachment_unregister(struct attachment *attachment)
{
    bool is_zone = attachment_is_zone(attachment);

    if (is_zone)
        coalesced_zone_close(&attachment->zone);
    attachment->completion =
        (struct iobus_completion){.callback = out_of_use, .context = attachment};

    enum status status = iobus_update(attachment_bus(attachment),
                                      &(struct iobus_change){
                                          .removals = attachment->handles,
                                          .removal_count = is_zone ? 1 : attachment->spec.count,
                                          .completion = &attachment->completion,
                                      },
                                      NULL);

    /* The handles come from this bus and are used once, and a removal needs no memory. */
    CHECK(status == STATUS_OK);
}
