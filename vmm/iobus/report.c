// SPDX-License-Identifier: BSD-2-Clause
/* The reports for the console, and the search for a range. Each step takes the lock, copies one
 * item and releases the lock, so a slow listener holds up no writer. */
#include "vmm/iobus/layout.h"
#include "vmm/iobus/lookup.h"

#include <string.h>

/* Returns the first registration after `last` in the layout's order; null last: the first of
 * all. */
static struct iobus_registration *next_registration(const struct iobus_layout *layout,
                                                    const struct iobus_registration *last)
{
    uint32_t low = 0, high = layout->registration_count;

    while (last != NULL && low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (iobus_registration_order(layout->registrations[middle], last) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < layout->registration_count ? layout->registrations[low] : NULL;
}

void iobus_for_each_range(struct iobus *bus,
                          void (*visit)(void *context, const struct iobus_range_info *info),
                          void *context)
{
    struct iobus_registration last; /* a copy, because the original may be removed meanwhile */
    bool is_first = true;

    for (;; is_first = false) {
        struct iobus_range_info info;

        spinlock_acquire(&bus->lock);

        const struct iobus_registration *registration =
            next_registration(iobus_current(bus)->layout, is_first ? NULL : &last);

        if (registration == NULL) {
            spinlock_release(&bus->lock);
            return;
        }
        last = *registration;
        iobus_slot_sum(bus, registration, &info.hits, &info.cycles);
        spinlock_release(&bus->lock);

        memcpy(info.name, last.name, sizeof(info.name));
        info.first = last.first;
        info.last = last.last;
        info.access_sizes = last.access_sizes;
        info.is_overlay = last.is_overlay;
        info.has_match = last.is_doorbell;
        info.match = last.match;
        visit(context, &info);
    }
}

/* Returns the registration of a target that is not dead. Targets are numbered in the order of
 * registrations, but the registrations of dead targets are not in the list. */
static const struct iobus_registration *registration_of(const struct iobus_layout *layout,
                                                        uint32_t target)
{
    uint32_t low = 0, high = layout->registration_count - 1;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (layout->registrations[middle]->target < target)
            low = middle + 1;
        else
            high = middle;
    }
    return layout->registrations[low];
}

/* Returns the innermost range around the address that is neither dead nor an overlay, or null. */
static const struct iobus_registration *range_around(const struct iobus_table *table,
                                                     uint64_t address)
{
    uint32_t segment = iobus_search(table->starts, table->segment_count, address);
    uint32_t target = table->segments[segment].target;

    for (; target != IOBUS_NONE; target = table->targets[target].parent) {
        const struct iobus_registration *registration;

        if (iobus_target_is_dead(table, target))
            continue;
        registration = registration_of(table->layout, target);
        if (!registration->is_overlay)
            return registration;
    }
    return NULL;
}

bool iobus_find_range(struct iobus *bus, uint64_t address, struct iobus_registered *found)
{
    if (address > bus->address_last)
        return false;
    spinlock_acquire(&bus->lock);

    const struct iobus_registration *registration = range_around(iobus_current(bus), address);

    if (registration != NULL) {
        *found = (struct iobus_registered){
            .first = registration->first,
            .last = registration->last,
            .access_sizes = registration->access_sizes,
            .is_by_initiator = registration->is_by_initiator,
            .handler = registration->handler,
            .context = registration->context,
        };
        memcpy(found->name, registration->name, sizeof(found->name));
    }
    spinlock_release(&bus->lock);
    return registration != NULL;
}

/* Returns a table of unclaimed accesses. Number 0 has what detached readers left; the readers' own
 * tables follow. Null: there is no such number. */
static const struct iobus_unclaimed *unclaimed_table(const struct iobus *bus, size_t number)
{
    const struct iobus_reader *reader = bus->readers;

    if (number == 0)
        return &bus->departed;
    while (--number > 0 && reader != NULL)
        reader = reader->next;
    return reader == NULL ? NULL : &reader->unclaimed;
}

/* Sums up entry `index` of table `number` and the later tables' counts for the same address.
 * Returns false if the entry is empty, or if an earlier table has the address and so has shown
 * it. */
static bool sum_unclaimed(const struct iobus *bus, size_t number, unsigned index,
                          struct iobus_unclaimed_count *sum)
{
    const struct iobus_unclaimed *own = unclaimed_table(bus, number), *other;

    if (own == NULL)
        return false;
    *sum = iobus_unclaimed_read(&own->entries[index]);
    if (sum->read_count == 0 && sum->write_count == 0)
        return false;
    for (size_t i = 0; (other = unclaimed_table(bus, i)) != NULL; i++) {
        struct iobus_unclaimed_count count;

        if (i == number)
            continue;
        count = iobus_unclaimed_find(other, sum->address);
        if (i < number && (count.read_count != 0 || count.write_count != 0))
            return false;
        sum->read_count += count.read_count;
        sum->write_count += count.write_count;
    }
    return true;
}

struct iobus_unclaimed_count
iobus_for_each_unclaimed(struct iobus *bus,
                         void (*visit)(void *context, const struct iobus_unclaimed_count *count),
                         void *context)
{
    struct iobus_unclaimed_count others = {0};

    for (size_t number = 0;; number++) {
        spinlock_acquire(&bus->lock);

        const struct iobus_unclaimed *table = unclaimed_table(bus, number);

        if (table != NULL) {
            struct iobus_unclaimed_count count = iobus_unclaimed_read(&table->others);

            others.read_count += count.read_count;
            others.write_count += count.write_count;
        }
        spinlock_release(&bus->lock);
        if (table == NULL)
            return others;

        for (unsigned i = 0; i < IOBUS_UNCLAIMED_MAX; i++) {
            struct iobus_unclaimed_count count;

            spinlock_acquire(&bus->lock);

            bool is_shown = sum_unclaimed(bus, number, i, &count);

            spinlock_release(&bus->lock);
            if (is_shown)
                visit(context, &count);
        }
    }
}
