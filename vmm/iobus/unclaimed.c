// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/iobus/unclaimed.h"

#include <stddef.h>

/* Adds to a counter. Only the owner adds, so no read-modify-write is needed. */
static void add(_Atomic uint64_t *counter, uint64_t count)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + count,
                          memory_order_release);
}

/* Returns the address's entry, or the empty entry that it would get; null if there is neither. */
static const struct iobus_unclaimed_entry *probe(const struct iobus_unclaimed *unclaimed,
                                                 uint64_t address)
{
    unsigned start = iobus_unclaimed_home(address);

    for (unsigned step = 0; step < IOBUS_UNCLAIMED_PROBES; step++) {
        const struct iobus_unclaimed_entry *entry =
            &unclaimed->entries[(start + step) % IOBUS_UNCLAIMED_MAX];
        struct iobus_unclaimed_count count = iobus_unclaimed_read(entry);

        if (count.address == address || (count.read_count == 0 && count.write_count == 0))
            return entry;
    }
    return NULL;
}

/* Returns where the owner counts an address: in its entry, in an empty one, or with the others. An
 * empty entry has address 0, so one comparison is enough for most entries. */
static struct iobus_unclaimed_entry *entry_for(struct iobus_unclaimed *unclaimed, uint64_t address)
{
    unsigned start = iobus_unclaimed_home(address);

    for (unsigned step = 0; step < IOBUS_UNCLAIMED_PROBES; step++) {
        struct iobus_unclaimed_entry *entry =
            &unclaimed->entries[(start + step) % IOBUS_UNCLAIMED_MAX];
        uint64_t there = atomic_load_explicit(&entry->address, memory_order_relaxed);

        if (there == address)
            return entry;
        if (there == 0 && atomic_load_explicit(&entry->read_count, memory_order_relaxed) == 0 &&
            atomic_load_explicit(&entry->write_count, memory_order_relaxed) == 0) {
            atomic_store_explicit(&entry->address, address, memory_order_relaxed);
            return entry;
        }
    }
    return &unclaimed->others;
}

void iobus_unclaimed_add(struct iobus_unclaimed *unclaimed, struct iobus_unclaimed_count count)
{
    struct iobus_unclaimed_entry *entry = entry_for(unclaimed, count.address);

    add(&entry->read_count, count.read_count);
    add(&entry->write_count, count.write_count);
}

void iobus_unclaimed_add_others(struct iobus_unclaimed *unclaimed,
                                struct iobus_unclaimed_count count)
{
    add(&unclaimed->others.read_count, count.read_count);
    add(&unclaimed->others.write_count, count.write_count);
}

struct iobus_unclaimed_count iobus_unclaimed_read(const struct iobus_unclaimed_entry *entry)
{
    /* The counts come first: a count that is not 0 was stored after the address. */
    struct iobus_unclaimed_count count = {
        .read_count = atomic_load_explicit(&entry->read_count, memory_order_acquire),
        .write_count = atomic_load_explicit(&entry->write_count, memory_order_acquire),
    };

    count.address = atomic_load_explicit(&entry->address, memory_order_relaxed);
    return count;
}

struct iobus_unclaimed_count iobus_unclaimed_find(const struct iobus_unclaimed *unclaimed,
                                                  uint64_t address)
{
    const struct iobus_unclaimed_entry *entry = probe(unclaimed, address);

    if (entry != NULL) {
        struct iobus_unclaimed_count count = iobus_unclaimed_read(entry);

        if (count.address == address) /* skips an entry that was empty and is being filled just
                                         now */
            return count;
    }
    return (struct iobus_unclaimed_count){.address = address};
}
