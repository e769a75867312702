/* Slots, and the counters that readers keep by slot number. Growing adds a chunk to every reader;
 * nothing moves, so a reader never notices. */
#include "vmm/iobus/table.h"

#include <string.h>

static size_t chunk_bytes(uint32_t chunk)
{
    return iobus_chunk_counters(chunk) * sizeof(struct iobus_counter);
}

static bool add_chunk(struct iobus *bus, struct iobus_reader *reader, uint32_t chunk)
{
    struct iobus_counter *counters = iobus_allocate(bus, chunk_bytes(chunk));

    if (counters == NULL)
        return false;
    for (uint32_t i = 0; i < iobus_chunk_counters(chunk); i++) {
        atomic_init(&counters[i].hits, 0);
        atomic_init(&counters[i].cycles, 0);
    }
    reader->counters[chunk] = counters;
    return true;
}

static void drop_chunk(struct iobus *bus, struct iobus_reader *reader, uint32_t chunk)
{
    if (reader->counters[chunk] != NULL)
        iobus_release(bus, reader->counters[chunk], chunk_bytes(chunk));
    reader->counters[chunk] = NULL;
}

/* One chunk more. A reader uses it only through a table published later. */
static enum status grow(struct iobus *bus)
{
    uint32_t chunk = bus->chunk_count;

    if (chunk == IOBUS_COUNTER_CHUNKS)
        return STATUS_NO_MEMORY;

    uint32_t count = bus->slot_count + iobus_chunk_counters(chunk);
    struct iobus_slot *slots = iobus_allocate(bus, count * sizeof(*slots));
    bool complete = slots != NULL;

    for (struct iobus_reader *reader = bus->readers; complete && reader != NULL;
         reader = reader->next)
        complete = add_chunk(bus, reader, chunk);
    if (!complete) {
        for (struct iobus_reader *reader = bus->readers; reader != NULL; reader = reader->next)
            drop_chunk(bus, reader, chunk);
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
    bus->chunk_count++;
    return STATUS_OK;
}

static struct iobus_counter *counter_of(const struct iobus_reader *reader, uint32_t slot)
{
    return &reader->counters[iobus_slot_chunk(slot)][iobus_slot_offset(slot)];
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
        atomic_store_explicit(&counter_of(reader, *slot)->hits, 0, memory_order_relaxed);
        atomic_store_explicit(&counter_of(reader, *slot)->cycles, 0, memory_order_relaxed);
    }
    return STATUS_OK;
}

void iobus_slot_give_back(struct iobus *bus, uint32_t slot)
{
    bus->slots[slot] = (struct iobus_slot){.next_free = bus->slot_free};
    bus->slot_free = slot;
}

static void add_counts(const struct iobus_reader *reader, uint32_t slot, uint64_t *hits,
                       uint64_t *cycles)
{
    const struct iobus_counter *counter = counter_of(reader, slot);

    *hits += atomic_load_explicit(&counter->hits, memory_order_relaxed);
    *cycles += atomic_load_explicit(&counter->cycles, memory_order_relaxed);
}

void iobus_slot_sum(const struct iobus *bus, const struct iobus_registration *registration,
                    uint64_t *hits, uint64_t *cycles)
{
    *hits = registration->departed_hits;
    *cycles = registration->departed_cycles;
    for (const struct iobus_reader *reader = bus->readers; reader != NULL; reader = reader->next)
        add_counts(reader, registration->slot, hits, cycles);
}

enum status iobus_reader_attach(struct iobus *bus, struct iobus_reader *reader)
{
    memset(reader, 0, sizeof(*reader));
    reader->bus = bus;
    atomic_init(&reader->seen_epoch, 0);
    atomic_init(&reader->is_parked, true);

    spinlock_acquire(&bus->lock);
    for (uint32_t chunk = 0; chunk < bus->chunk_count; chunk++) {
        if (add_chunk(bus, reader, chunk))
            continue;
        while (chunk-- > 0)
            drop_chunk(bus, reader, chunk);
        spinlock_release(&bus->lock);
        return STATUS_NO_MEMORY;
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
            add_counts(reader, slot, &registration->departed_hits, &registration->departed_cycles);
    }
    for (unsigned i = 0; i < IOBUS_UNCLAIMED_MAX; i++) {
        struct iobus_unclaimed_count count = iobus_unclaimed_read(&reader->unclaimed.entries[i]);

        if (count.read_count != 0 || count.write_count != 0)
            iobus_unclaimed_note(&bus->departed, count.address, count.read_count,
                                 count.write_count);
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
    for (uint32_t chunk = 0; chunk < bus->chunk_count; chunk++)
        drop_chunk(bus, reader, chunk);
    spinlock_release(&bus->lock);
}
