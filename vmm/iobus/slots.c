// SPDX-License-Identifier: BSD-2-Clause
/* Slots, and the counters that readers keep by slot number. Growth gives every reader a larger
 * array. The reader continues to count in the array that it knows, or in the new one; the sums
 * include all arrays. */
#include "vmm/iobus/layout.h"

#include <string.h>

static size_t array_bytes(uint32_t array)
{
    return (size_t)iobus_slot_counter(iobus_array_slots(array)) * sizeof(_Atomic uint64_t);
}

static bool add_array(struct iobus *bus, struct iobus_reader *reader, uint32_t array)
{
    _Atomic uint64_t *counters = iobus_allocate(bus, array_bytes(array));

    if (counters == NULL)
        return false;
    for (uint32_t i = 0; i < iobus_slot_counter(iobus_array_slots(array)); i++)
        atomic_init(&counters[i], 0);
    reader->counter_arrays[array] = counters;
    return true;
}

static void drop_array(struct iobus *bus, struct iobus_reader *reader, uint32_t array)
{
    if (reader->counter_arrays[array] != NULL)
        iobus_release(bus, reader->counter_arrays[array], array_bytes(array));
    reader->counter_arrays[array] = NULL;
}

/* Gives the reader its new array. It needs the array only for tables published later, and finds it
 * together with them. */
static void use_array(struct iobus_reader *reader, uint32_t array)
{
    atomic_store_explicit(&reader->counters, reader->counter_arrays[array], memory_order_release);
}

static enum status grow(struct iobus *bus)
{
    uint32_t array = bus->array_count;

    if (array == IOBUS_COUNTER_ARRAYS)
        return STATUS_NO_MEMORY;

    uint32_t count = iobus_array_slots(array);
    struct iobus_slot *slots = iobus_allocate(bus, count * sizeof(*slots));
    bool complete = slots != NULL;

    for (struct iobus_reader *reader = bus->readers; complete && reader != NULL;
         reader = reader->next)
        complete = add_array(bus, reader, array);
    if (!complete) {
        for (struct iobus_reader *reader = bus->readers; reader != NULL; reader = reader->next)
            drop_array(bus, reader, array);
        if (slots != NULL)
            iobus_release(bus, slots, count * sizeof(*slots));
        return STATUS_NO_MEMORY;
    }

    if (bus->slots != NULL) {
        memcpy(slots, bus->slots, bus->slot_count * sizeof(*slots));
        iobus_release(bus, bus->slots, bus->slot_count * sizeof(*slots));
    }
    for (uint32_t slot = count; slot-- > bus->slot_count;) {
        slots[slot] = (struct iobus_slot){.next_free = bus->slot_free};
        bus->slot_free = slot;
    }
    bus->slots = slots;
    bus->slot_count = count;
    bus->array_count++;
    for (struct iobus_reader *reader = bus->readers; reader != NULL; reader = reader->next)
        use_array(reader, array);
    return STATUS_OK;
}

enum status iobus_slot_take(struct iobus *bus, uint32_t *slot)
{
    if (bus->slot_free == IOBUS_NONE) {
        enum status status = grow(bus);

        if (status != STATUS_OK)
            return status;
    }
    *slot = bus->slot_free;
    bus->slot_free = bus->slots[*slot].next_free;
    for (struct iobus_reader *reader = bus->readers; reader != NULL; reader = reader->next) {
        for (uint32_t array = 0; array < bus->array_count; array++) {
            _Atomic uint64_t *counters = reader->counter_arrays[array];

            if (counters == NULL || *slot >= iobus_array_slots(array))
                continue;
            counters += iobus_slot_counter(*slot);
            atomic_store_explicit(&counters[0], 0, memory_order_relaxed);
            atomic_store_explicit(&counters[1], 0, memory_order_relaxed);
        }
    }
    return STATUS_OK;
}

void iobus_slot_give_back(struct iobus *bus, uint32_t slot)
{
    bus->slots[slot] = (struct iobus_slot){.next_free = bus->slot_free};
    bus->slot_free = slot;
}

static void add_counts(const struct iobus *bus, const struct iobus_reader *reader, uint32_t slot,
                       uint64_t *hits, uint64_t *cycles)
{
    for (uint32_t array = 0; array < bus->array_count; array++) {
        const _Atomic uint64_t *counters = reader->counter_arrays[array];

        if (counters == NULL || slot >= iobus_array_slots(array))
            continue;
        counters += iobus_slot_counter(slot);
        *hits += atomic_load_explicit(&counters[0], memory_order_relaxed);
        *cycles += atomic_load_explicit(&counters[1], memory_order_relaxed);
    }
}

void iobus_slot_sum(const struct iobus *bus, const struct iobus_registration *registration,
                    uint64_t *hits, uint64_t *cycles)
{
    *hits = registration->departed_hits;
    *cycles = registration->departed_cycles;
    for (const struct iobus_reader *reader = bus->readers; reader != NULL; reader = reader->next)
        add_counts(bus, reader, registration->slot, hits, cycles);
}

enum status iobus_reader_attach(struct iobus *bus, struct iobus_reader *reader, void *initiator)
{
    memset(reader, 0, sizeof(*reader));
    reader->bus = bus;
    reader->initiator = reader->piece.initiator = initiator;
    atomic_init(&reader->seen_epoch, 0);
    atomic_init(&reader->is_parked, true);

    spinlock_acquire(&bus->lock);
    if (bus->array_count > 0) {
        if (!add_array(bus, reader, bus->array_count - 1)) {
            spinlock_release(&bus->lock);
            return STATUS_NO_MEMORY;
        }
        use_array(reader, bus->array_count - 1);
    }
    reader->next = bus->readers;
    bus->readers = reader;
    spinlock_release(&bus->lock);
    return STATUS_OK;
}

static void keep_counts(struct iobus *bus, const struct iobus_reader *reader)
{
    for (uint32_t slot = 0; slot < bus->slot_count; slot++) {
        struct iobus_registration *registration = bus->slots[slot].registration;

        if (registration != NULL)
            add_counts(bus, reader, slot, &registration->departed_hits,
                       &registration->departed_cycles);
    }
    for (unsigned i = 0; i < IOBUS_UNCLAIMED_MAX; i++) {
        struct iobus_unclaimed_count count = iobus_unclaimed_read(&reader->unclaimed.entries[i]);

        if (count.read_count != 0 || count.write_count != 0)
            iobus_unclaimed_add(&bus->departed, count);
    }
    iobus_unclaimed_add_others(&bus->departed, iobus_unclaimed_read(&reader->unclaimed.others));
}

void iobus_reader_detach(struct iobus_reader *reader)
{
    struct iobus *bus = reader->bus;

    spinlock_acquire(&bus->lock);
    keep_counts(bus, reader);
    for (struct iobus_reader **link = &bus->readers; *link != NULL; link = &(*link)->next) {
        if (*link == reader) {
            *link = reader->next;
            break;
        }
    }
    for (uint32_t array = 0; array < bus->array_count; array++)
        drop_array(bus, reader, array);
    spinlock_release(&bus->lock);
}
