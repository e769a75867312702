// SPDX-License-Identifier: BSD-2-Clause
/* Registration and removal: check everything, build a new table beside the current one, publish
 * it. */
#include "vmm/base/bits.h"
#include "vmm/iobus/layout.h"

#include <string.h>

static bool is_access_size(uint8_t size_bytes)
{
    return size_bytes == 1 || size_bytes == 2 || size_bytes == 4 || size_bytes == 8;
}

static bool match_is_valid(const struct iobus_range *range)
{
    const struct iobus_match *match = range->match;

    if (match->width_bytes != 0 && !is_access_size(match->width_bytes))
        return false;
    if (range->access_sizes != 0 ||
        range->length_bytes != (match->width_bytes == 0 ? 1 : match->width_bytes))
        return false;
    if (!match->has_data)
        return match->data == 0;
    return match->width_bytes == 0 || match->data <= bytes_mask(match->width_bytes);
}

static enum status validate(const struct iobus *bus, const struct iobus_range *range)
{
    if (range->name == NULL || range->handler == NULL || range->length_bytes == 0 ||
        range->length_bytes > BIT(63))
        return STATUS_INVALID;
    if (range->match != NULL ? !match_is_valid(range)
                             : range->access_sizes == 0 || range->access_sizes > IOBUS_SIZES_ALL)
        return STATUS_INVALID;
    if (range->match != NULL && range->is_overlay)
        return STATUS_INVALID;
    if (range->first > bus->address_last ||
        range->length_bytes - 1 > bus->address_last - range->first)
        return STATUS_OUT_OF_RANGE;
    return STATUS_OK;
}

static void copy_name(char destination[IOBUS_NAME_BYTES], const char *source)
{
    size_t i = 0;

    for (; i + 1 < IOBUS_NAME_BYTES && source[i] != '\0'; i++)
        destination[i] = source[i];
    memset(destination + i, 0, IOBUS_NAME_BYTES - i);
}

static enum status make_registration(struct iobus *bus, const struct iobus_range *range,
                                     size_t addition_index, struct iobus_registration **result)
{
    struct iobus_table *removal_table = iobus_allocate(bus, sizeof(*removal_table));
    struct iobus_registration *registration = iobus_allocate(bus, sizeof(*registration));
    uint32_t slot = IOBUS_NONE;

    if (removal_table == NULL || registration == NULL || iobus_slot_take(bus, &slot) != STATUS_OK) {
        if (removal_table != NULL)
            iobus_release(bus, removal_table, sizeof(*removal_table));
        if (registration != NULL)
            iobus_release(bus, registration, sizeof(*registration));
        return STATUS_NO_MEMORY;
    }
    *registration = (struct iobus_registration){
        .first = range->first,
        .last = range->first + (range->length_bytes - 1),
        .handler = range->handler,
        .context = range->context,
        .access_sizes = range->access_sizes,
        .is_doorbell = range->match != NULL,
        .is_overlay = range->is_overlay,
        .is_by_initiator = range->is_by_initiator,
        .is_new = true,
        .slot = slot,
        .removal_table = removal_table,
        .addition_index = addition_index,
    };
    if (range->match != NULL)
        registration->match = *range->match;
    copy_name(registration->name, range->name);
    *result = registration;
    return STATUS_OK;
}

/* The state of an update during its preparation. */
struct preparation {
    struct iobus_registration **additions; /* sorted later; null: none */
    size_t addition_count;                 /* made until now */
    size_t addition_bytes;
    struct iobus_registration *removed;
    struct iobus_layout *layout;
    bool is_burial; /* the layout is the current one, in which the removed targets are dead */
};

static void undo(struct iobus *bus, struct preparation *preparation)
{
    for (struct iobus_registration *gone = preparation->removed; gone != NULL;
         gone = gone->next_removed)
        gone->is_leaving = false;
    for (size_t i = 0; i < preparation->addition_count; i++)
        iobus_registration_free(bus, preparation->additions[i]);
    if (preparation->additions != NULL)
        iobus_release(bus, preparation->additions, preparation->addition_bytes);
}

static struct iobus_registration *find(struct iobus *bus, struct iobus_handle handle)
{
    if (handle.slot >= bus->slot_count || bus->slots[handle.slot].serial != handle.serial)
        return NULL;
    return bus->slots[handle.slot].registration;
}

static enum status prepare_removals(struct iobus *bus, const struct iobus_change *update,
                                    struct preparation *preparation)
{
    /* Goes from the end, so that the list is in the caller's order. */
    for (size_t i = update->removal_count; i-- > 0;) {
        struct iobus_registration *registration = find(bus, update->removals[i]);

        if (registration == NULL || registration->is_leaving)
            return STATUS_NOT_FOUND;
        registration->is_leaving = true;
        registration->next_removed = preparation->removed;
        preparation->removed = registration;
    }
    return STATUS_OK;
}

static enum status prepare_additions(struct iobus *bus, const struct iobus_change *update,
                                     struct preparation *preparation)
{
    size_t count = update->addition_count;

    if (count == 0)
        return STATUS_OK;
    if (count > UINT32_MAX / 8) /* more than a layout can hold */
        return STATUS_NO_MEMORY;
    preparation->addition_bytes = count * sizeof(*preparation->additions);
    preparation->additions = iobus_allocate(bus, preparation->addition_bytes);
    if (preparation->additions == NULL)
        return STATUS_NO_MEMORY;
    for (; preparation->addition_count < count; preparation->addition_count++) {
        size_t i = preparation->addition_count;
        enum status status =
            make_registration(bus, &update->additions[i], i, &preparation->additions[i]);

        if (status != STATUS_OK)
            return status;
    }
    iobus_registrations_sort(preparation->additions, count);
    return STATUS_OK;
}

static void report_conflict(struct iobus_conflict *conflict,
                            const struct iobus_registration *new_side,
                            const struct iobus_registration *old_side)
{
    if (conflict == NULL)
        return;
    *conflict = (struct iobus_conflict){
        .new_first = new_side->first,
        .new_last = new_side->last,
        .old_first = old_side->first,
        .old_last = old_side->last,
    };
    memcpy(conflict->new_name, new_side->name, IOBUS_NAME_BYTES);
    memcpy(conflict->old_name, old_side->name, IOBUS_NAME_BYTES);
}

/* Marks the leaving registrations dead in the old layout, because there is no memory for a new one.
 * They are dead for tables from the next one on. The tables in use now have a lower removal_count
 * and do not see it. */
static struct iobus_layout *bury(struct iobus_layout *layout, struct iobus_registration *removed)
{
    uint32_t kept = 0;

    layout->removal_count++;
    for (; removed != NULL; removed = removed->next_removed) {
        atomic_store_explicit(&layout->targets[removed->target].dead_from, layout->removal_count,
                              memory_order_relaxed);
        layout->slots[removed->target] = IOBUS_SLOT_DEAD;
    }
    for (uint32_t i = 0; i < layout->registration_count; i++) {
        if (layout->registrations[i]->is_leaving)
            continue;
        layout->registrations[kept++] = layout->registrations[i];
    }
    layout->registration_count = kept;
    return layout;
}

static enum status prepare_layout(struct iobus *bus, struct preparation *preparation,
                                  struct iobus_conflict *conflict)
{
    const struct iobus_registration *new_side = NULL, *old_side = NULL;
    struct iobus_layout *old = iobus_current(bus)->layout;
    enum status status =
        iobus_layout_build(bus, old, preparation->additions, preparation->addition_count,
                           &preparation->layout, &new_side, &old_side);

    if (status == STATUS_CONFLICT)
        report_conflict(conflict, new_side, old_side);
    if (status == STATUS_NO_MEMORY && preparation->addition_count == 0) {
        preparation->layout = bury(old, preparation->removed);
        preparation->is_burial = true;
        status = STATUS_OK;
    }
    return status;
}

/* Makes the update effective; nothing can fail from here on. */
static void commit(struct iobus *bus, const struct iobus_change *update,
                   struct preparation *preparation)
{
    struct iobus_table *table = preparation->layout->table;

    if (preparation->is_burial) {
        table = preparation->removed->removal_table;
        preparation->removed->removal_table = NULL;
    }
    for (size_t i = 0; i < preparation->addition_count; i++) {
        struct iobus_registration *registration = preparation->additions[i];
        struct iobus_slot *slot = &bus->slots[registration->slot];

        registration->is_new = false;
        slot->registration = registration;
        slot->serial = bus->next_serial++;
        if (update->handles != NULL)
            update->handles[registration->addition_index] =
                (struct iobus_handle){.serial = slot->serial, .slot = registration->slot};
    }
    if (preparation->additions != NULL)
        iobus_release(bus, preparation->additions, preparation->addition_bytes);
    for (struct iobus_registration *gone = preparation->removed; gone != NULL;
         gone = gone->next_removed)
        bus->slots[gone->slot].registration = NULL;
    if (update->completion != NULL)
        atomic_store_explicit(&update->completion->done, false, memory_order_relaxed);
    iobus_table_set(bus, table, preparation->layout);
    iobus_publish(bus, table, preparation->removed, update->completion);
}

static enum status apply(struct iobus *bus, const struct iobus_change *update,
                         struct iobus_conflict *conflict)
{
    struct preparation preparation = {0};
    enum status status = prepare_removals(bus, update, &preparation);

    if (status == STATUS_OK)
        status = prepare_additions(bus, update, &preparation);
    if (status == STATUS_OK)
        status = prepare_layout(bus, &preparation, conflict);
    if (status == STATUS_OK)
        commit(bus, update, &preparation);
    else
        undo(bus, &preparation);
    return status;
}

enum status iobus_update(struct iobus *bus, const struct iobus_change *update,
                         struct iobus_conflict *conflict)
{
    for (size_t i = 0; i < update->addition_count; i++) {
        enum status status = validate(bus, &update->additions[i]);

        if (status != STATUS_OK)
            return status;
    }
    if (update->addition_count == 0 && update->removal_count == 0) {
        if (update->completion != NULL) {
            update->completion->next = NULL;
            iobus_finish(update->completion);
        }
        return STATUS_OK;
    }

    spinlock_acquire(&bus->lock);

    /* Collects before, to have the memory, and afterwards, because the old table is free at once if
     * all readers are parked. */
    struct iobus_completion *completions = iobus_collect(bus, NULL);
    enum status status = apply(bus, update, conflict);

    completions = iobus_collect(bus, completions);
    spinlock_release(&bus->lock);
    iobus_finish(completions);
    return status;
}

enum status iobus_register(struct iobus *bus, const struct iobus_range *range,
                           struct iobus_handle *handle, struct iobus_conflict *conflict)
{
    const struct iobus_change update = {.additions = range, .addition_count = 1, .handles = handle};

    return iobus_update(bus, &update, conflict);
}

enum status iobus_remove(struct iobus *bus, struct iobus_handle handle,
                         struct iobus_completion *completion)
{
    const struct iobus_change update = {
        .removals = &handle, .removal_count = 1, .completion = completion};

    return iobus_update(bus, &update, NULL);
}

enum status iobus_init(struct iobus *bus, uint64_t address_last,
                       const struct iobus_allocator *allocator, uint64_t (*clock)(void))
{
    const struct iobus_registration *new_side, *old_side;
    struct iobus_layout *layout;

    memset(bus, 0, sizeof(*bus));
    bus->address_last = address_last;
    bus->allocator = *allocator;
    bus->clock = clock;
    bus->slot_free = IOBUS_NONE;
    bus->next_serial = 1;
    atomic_init(&bus->epoch, 1);

    enum status status = iobus_index_init(bus);

    if (status != STATUS_OK)
        return status;

    status = iobus_layout_build(bus, NULL, NULL, 0, &layout, &new_side, &old_side);
    if (status != STATUS_OK) {
        iobus_index_destroy(bus);
        return status;
    }
    iobus_table_set(bus, layout->table, layout);
    layout->table_count = 1;
    atomic_init(&bus->table, layout->table);
    return STATUS_OK;
}
