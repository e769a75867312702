// SPDX-License-Identifier: BSD-2-Clause
/* Publication, and the time at which what it replaced may be freed.
 *
 * The bus counts publications in `epoch`. A writer stores the new table, then epoch = e, and notes
 * e at the table that it replaced. A vCPU at its quiescent point loads epoch, then stores the value
 * to its own seen_epoch. The table may be freed when every reader's seen_epoch is at least e:
 * - What the vCPU did with the old table comes before its store of seen_epoch in program order. The
 *   store is a release and the writer's load of it an acquire, so it comes before the free.
 * - What the vCPU does later comes after its *load* of epoch, an acquire that read e or more, which
 *   the writer stored (release) after the new table. So the vCPU finds the new table or a later
 *   one.
 * No step needs a store that becomes visible before a later load, which is the one order that x86
 * does not give (Intel SDM vol. 3A, "Loads May Be Reordered with Earlier Stores to Different
 * Locations"). If the vCPU only stored "I am outside", or a count of its own, its next load of the
 * table pointer could overtake that store, and the writer would see the end of a use that has just
 * begun.
 *
 * The writer does not wait for a parked vCPU. Here the order of a store and a later load does
 * matter: unparking stores is_parked = false and then loads epoch; the writer stores epoch and then
 * loads is_parked. All four are sequentially consistent (on x86 the stores become XCHG). So either
 * the writer sees that the vCPU is awake, or the vCPU sees the new epoch and with it the new table.
 * Parking is rare: at HLT.
 *
 * A vCPU that stays in its guest without an exit holds no table, but shows that only at its next
 * exit. Memory and completions wait for that exit; nobody else does. */
#include "vmm/base/check.h"
#include "vmm/iobus/layout.h"

void iobus_reader_park(struct iobus_reader *reader)
{
    atomic_store_explicit(&reader->is_parked, true, memory_order_seq_cst);
}

void iobus_reader_unpark(struct iobus_reader *reader)
{
    atomic_store_explicit(&reader->is_parked, false, memory_order_seq_cst);

    uint64_t epoch = atomic_load_explicit(&reader->bus->epoch, memory_order_seq_cst);

    atomic_store_explicit(&reader->seen_epoch, epoch, memory_order_release);
}

void iobus_publish(struct iobus *bus, struct iobus_table *table, struct iobus_registration *removed,
                   struct iobus_completion *completion)
{
    struct iobus_table *old = iobus_current(bus);
    uint64_t epoch = atomic_load_explicit(&bus->epoch, memory_order_relaxed) + 1;

    table->layout->table_count++;
    if (table->layout != old->layout)
        old->layout->dropped = table->layout->replaced;
    atomic_store_explicit(&bus->table, table, memory_order_release);
    atomic_store_explicit(&bus->epoch, epoch, memory_order_seq_cst);

    old->retired_epoch = epoch;
    old->removed = removed;
    old->completion = completion;
    old->next_retired = NULL;
    if (bus->retired_last != NULL)
        bus->retired_last->next_retired = old;
    else
        bus->retired_first = old;
    bus->retired_last = old;
    atomic_fetch_add_explicit(&bus->retired_count, 1, memory_order_relaxed);
}

void iobus_registration_free(struct iobus *bus, struct iobus_registration *registration)
{
    iobus_slot_give_back(bus, registration->slot);
    if (registration->removal_table != NULL)
        iobus_release(bus, registration->removal_table, sizeof(*registration->removal_table));
    iobus_release(bus, registration, sizeof(*registration));
}

static void free_table(struct iobus *bus, struct iobus_table *table)
{
    struct iobus_layout *layout = table->layout;

    while (table->removed != NULL) {
        struct iobus_registration *registration = table->removed;

        table->removed = registration->next_removed;
        iobus_registration_free(bus, registration);
    }
    if (table != layout->table)
        iobus_release(bus, table, sizeof(*table));
    if (--layout->table_count == 0)
        iobus_layout_free(bus, layout);
}

/* Returns the epoch up to which no reader can still use what was retired. */
static uint64_t quiescent_epoch(struct iobus *bus)
{
    uint64_t oldest = UINT64_MAX;

    for (struct iobus_reader *reader = bus->readers; reader != NULL; reader = reader->next) {
        if (atomic_load_explicit(&reader->is_parked, memory_order_seq_cst))
            continue;

        uint64_t seen = atomic_load_explicit(&reader->seen_epoch, memory_order_acquire);

        if (seen < oldest)
            oldest = seen;
    }
    return oldest;
}

struct iobus_completion *iobus_collect(struct iobus *bus, struct iobus_completion *completions)
{
    struct iobus_completion **end = &completions;

    if (bus->retired_first == NULL)
        return completions;
    while (*end != NULL)
        end = &(*end)->next;

    for (uint64_t epoch = quiescent_epoch(bus);
         bus->retired_first != NULL && bus->retired_first->retired_epoch <= epoch;) {
        struct iobus_table *table = bus->retired_first;

        bus->retired_first = table->next_retired;
        atomic_fetch_sub_explicit(&bus->retired_count, 1, memory_order_relaxed);
        if (bus->retired_first == NULL)
            bus->retired_last = NULL;
        if (table->completion != NULL) {
            *end = table->completion;
            end = &(*end)->next;
            *end = NULL;
        }
        free_table(bus, table);
    }
    return completions;
}

void iobus_finish(struct iobus_completion *completions)
{
    while (completions != NULL) {
        struct iobus_completion *next = completions->next;
        void (*callback)(void *) = completions->callback;
        void *context = completions->context;

        /* The completion's owner may free it as soon as it sees this. */
        atomic_store_explicit(&completions->done, true, memory_order_release);
        if (callback != NULL)
            callback(context);
        completions = next;
    }
}

/* Builds a layout without dead targets, when there is memory again. Removals that found no memory
 * have left dead targets. */
static void compact(struct iobus *bus)
{
    const struct iobus_registration *new_side, *old_side;
    struct iobus_layout *old = iobus_current(bus)->layout, *layout;

    if (old->removal_count == 0)
        return;

    if (iobus_layout_build(bus, old, NULL, 0, &layout, &new_side, &old_side) != STATUS_OK)
        return;
    iobus_table_set(bus, layout->table, layout);
    iobus_publish(bus, layout->table, NULL, NULL);
}

size_t iobus_reclaim(struct iobus *bus)
{
    spinlock_acquire(&bus->lock);

    struct iobus_completion *completions = iobus_collect(bus, NULL);

    compact(bus);
    completions = iobus_collect(bus, completions);
    spinlock_release(&bus->lock);
    iobus_finish(completions);
    return iobus_waiting(bus);
}

void iobus_destroy(struct iobus *bus)
{
    CHECK(bus->readers == NULL);
    iobus_finish(iobus_collect(bus, NULL)); /* no reader: this frees all of them */

    struct iobus_table *table = iobus_current(bus);
    struct iobus_layout *layout = table->layout;

    for (uint32_t i = 0; i < layout->registration_count; i++)
        iobus_registration_free(bus, layout->registrations[i]);
    free_table(bus, table);
    iobus_index_destroy(bus);
    if (bus->slots != NULL)
        iobus_release(bus, bus->slots, bus->slot_count * sizeof(*bus->slots));
}
