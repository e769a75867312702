/* Dispatch. The common access, one range that takes it whole, stays in iobus_access; all else goes
 * through a transfer, byte by byte accounted for. */
#include "vmm/base/bits.h"
#include "vmm/base/check.h"
#include "vmm/iobus/lookup.h"
#include "vmm/iobus/table.h"

/* The bytes of an access, by its size. */
static const uint64_t byte_masks[9] = {
    [1] = 0xff, [2] = 0xffff, [4] = 0xffffffff, [8] = UINT64_MAX};

/* Only this reader's vCPU writes the counter, so that no read-modify-write is needed. */
static inline void count(_Atomic uint64_t *counter, uint64_t amount)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + amount,
                          memory_order_relaxed);
}

/* Calls the handler and accounts for it. True if it answered. */
static inline bool call(uint64_t (*clock)(void), io_handler *handler, void *context,
                        struct iobus_counter *counter, struct io_access *access)
{
    if (clock == NULL) {
        if (handler(context, access) != IO_HANDLED)
            return false;
    } else {
        uint64_t started = clock();

        if (handler(context, access) != IO_HANDLED)
            return false;
        count(&counter->cycles, clock() - started);
    }
    count(&counter->hits, 1);
    return true;
}

/* Where the reader counts for a target. A handler may publish another table, but this one stays
 * until the vCPU's next quiescent point. */
static inline bool call_target(const struct iobus *bus, struct iobus_reader *reader,
                               const struct iobus_target *target, struct io_access *access)
{
    return call(bus->clock, target->handler, target->context,
                &reader->counters[target->counter_chunk][target->counter_offset], access);
}

/* An access on its way from candidate to candidate. Byte i is bit i of pending. */
struct transfer {
    const struct iobus *bus;
    struct iobus_reader *reader;
    const struct iobus_table *table;
    uint64_t address;
    uint64_t value; /* of a read: what has been answered, ones elsewhere */
    bool is_write;
    unsigned pending; /* bytes nobody has answered yet */
};

static unsigned low_bits(unsigned count_bits)
{
    return (1u << count_bits) - 1;
}

/* How many bytes from `at` on, below end, are pending without a gap. */
static unsigned pending_run(const struct transfer *transfer, unsigned at, unsigned end)
{
    return (unsigned)__builtin_ctz(~(transfer->pending >> at & low_bits(end - at)));
}

/* The largest size that is taken, aligned at address, and no more than limit_bytes; 0 if none. */
static unsigned piece_size(unsigned access_sizes, uint64_t address, unsigned limit_bytes)
{
    for (unsigned size = 8; size != 0; size /= 2) {
        if ((access_sizes & size) && size <= limit_bytes && is_aligned(address, size))
            return size;
    }
    return 0;
}

/* Offers size bytes from byte `at` on to a target, from a copy: a handler that scribbles on the
 * access and declines does no harm. */
static void offer(struct transfer *transfer, uint32_t target, unsigned at, unsigned size)
{
    uint64_t mask = bytes_mask(size);
    struct io_access piece = {
        .address = transfer->address + at,
        .value = transfer->is_write ? transfer->value >> 8 * at & mask : mask,
        .size = (uint8_t)size,
        .is_write = transfer->is_write,
    };

    if (!call_target(transfer->bus, transfer->reader, &transfer->table->targets[target], &piece))
        return;
    if (!transfer->is_write)
        transfer->value = (transfer->value & ~(mask << 8 * at)) | (piece.value & mask) << 8 * at;
    transfer->pending &= ~(low_bits(size) << at);
}

/* Offers the pending bytes from..end-1, which lie in the range `target`, to it and to the ranges
 * around it. */
static void offer_outwards(struct transfer *transfer, uint32_t target, unsigned from, unsigned end)
{
    const struct iobus_table *table = transfer->table;

    for (; target != IOBUS_NONE && (transfer->pending & (low_bits(end) & ~low_bits(from))) != 0;
         target = table->targets[target].parent) {
        if (iobus_target_is_dead(table, target))
            continue;
        for (unsigned at = from; at < end;) {
            unsigned size = piece_size(table->targets[target].access_sizes, transfer->address + at,
                                       pending_run(transfer, at, end));

            if (size != 0)
                offer(transfer, target, at, size);
            at += size != 0 ? size : 1;
        }
    }
}

static void note_unclaimed(const struct iobus *bus, struct iobus_reader *reader, uint64_t address,
                           bool is_write)
{
    if (bus->address_last > IOBUS_PORT_LAST)
        address &= ~(IOBUS_UNCLAIMED_GRANULE - 1);
    iobus_unclaimed_note(&reader->unclaimed, address, !is_write, is_write);
}

/* Notes the pending bytes from..end-1 as unclaimed, each run of them once. */
static void leave_unclaimed(struct transfer *transfer, unsigned from, unsigned end)
{
    while (from < end) {
        unsigned run = pending_run(transfer, from, end);

        if (run != 0)
            note_unclaimed(transfer->bus, transfer->reader, transfer->address + from,
                           transfer->is_write);
        from += run != 0 ? run : 1;
    }
}

/* The innermost range that is alive in a segment. */
static uint32_t innermost(const struct iobus_table *table, uint32_t segment)
{
    uint32_t target = table->segments[segment].target;

    while (target != IOBUS_NONE && iobus_target_is_dead(table, target))
        target = table->targets[target].parent;
    return target;
}

/* Where the part that begins at byte `from` and has one innermost range ends, at most at size.
 * Moves *segment to the segment of that end, if it is below size. Segments that differ only in
 * their doorbells, or in ranges that are dead, are not cut apart. */
static unsigned part_end(const struct transfer *transfer, uint32_t *segment, unsigned from,
                         unsigned size)
{
    const struct iobus_table *table = transfer->table;
    uint32_t target = innermost(table, *segment);
    unsigned end = from;

    for (;;) {
        uint64_t left = table->segments[*segment].last - (transfer->address + end);

        if (left >= size - end - 1)
            return size;
        end += (unsigned)left + 1;
        ++*segment;
        if (innermost(table, *segment) != target)
            return end;
    }
}

/* The doorbell at a point that answers a write: the exact width's or any width's with this value.
 */
static uint32_t doorbell_with_data(const struct iobus_table *table, const struct iobus_point *point,
                                   unsigned width, uint64_t value)
{
    uint32_t first = point->data_first[width], found;
    uint32_t in_group = point->data_first[width + 1] - first;

    if (in_group == 0)
        return IOBUS_NONE;
    found = table->data_index[iobus_data_slot(value, first, table->data_mask)];
    if (__builtin_expect(found - first < in_group && table->data[found] == value, 1))
        return found;
    found = first + iobus_search(table->data + first, in_group, value);
    return table->data[found] == value ? found : IOBUS_NONE;
}

/* Offers the access as the guest made it to the doorbells that match, but to the one asked before.
 * True if one answered. */
static bool ring(const struct transfer *transfer, const struct iobus_point *point,
                 const struct io_access *access, uint32_t asked)
{
    const struct iobus_table *table = transfer->table;
    unsigned width = IOBUS_WIDTH_1 + (unsigned)__builtin_ctz(access->size);
    const uint32_t candidates[] = {
        doorbell_with_data(table, point, width, transfer->value),
        doorbell_with_data(table, point, IOBUS_WIDTH_ANY, transfer->value),
        point->without_data[width],
        point->without_data[IOBUS_WIDTH_ANY],
    };

    for (unsigned i = 0; i < sizeof(candidates) / sizeof(candidates[0]); i++) {
        struct io_access copy = {transfer->address, transfer->value, access->size, true};

        if (candidates[i] == IOBUS_NONE || candidates[i] == asked ||
            iobus_target_is_dead(table, candidates[i]))
            continue;
        if (call_target(transfer->bus, transfer->reader, &table->targets[candidates[i]], &copy))
            return true;
    }
    return false;
}

/* Everything but the common case. asked is a doorbell that has declined already, or IOBUS_NONE. */
static __attribute__((noinline)) void access_any(const struct iobus *bus,
                                                 struct iobus_reader *reader,
                                                 const struct iobus_table *table,
                                                 struct io_access *access, uint32_t asked)
{
    CHECK(access->size == 1 || access->size == 2 || access->size == 4 || access->size == 8);

    uint64_t mask = bytes_mask(access->size);
    unsigned size = access->size; /* as far as it lies in the address space */
    struct transfer transfer = {
        .bus = bus,
        .reader = reader,
        .table = table,
        .address = access->address,
        .value = access->is_write ? access->value & mask : UINT64_MAX,
        .is_write = access->is_write,
        .pending = low_bits(access->size),
    };

    if (access->address > bus->address_last)
        size = 0;
    else if (size - 1 > bus->address_last - access->address)
        size = (unsigned)(bus->address_last - access->address) + 1;

    if (size != 0) {
        uint32_t segment = iobus_search(table->starts, table->segment_count, access->address);
        uint32_t point = table->segments[segment].point;

        if (access->is_write && point != IOBUS_NONE &&
            ring(&transfer, &table->points[point], access, asked))
            return;
        for (unsigned from = 0, end; from < size; from = end) {
            uint32_t target = innermost(table, segment);

            end = part_end(&transfer, &segment, from, size);
            offer_outwards(&transfer, target, from, end);
            leave_unclaimed(&transfer, from, end);
        }
    }
    if (size < access->size) /* past the end of the space; there is no better address for it */
        note_unclaimed(bus, reader, access->address, access->is_write);
    if (!access->is_write)
        access->value = transfer.value & mask;
}

/* The innermost range took the whole access and declined. */
static __attribute__((noinline)) void access_declined(const struct iobus *bus,
                                                      struct iobus_reader *reader,
                                                      const struct iobus_table *table,
                                                      struct io_access *access)
{
    uint32_t segment = iobus_search(table->starts, table->segment_count, access->address);
    uint64_t mask = bytes_mask(access->size);
    struct transfer transfer = {
        .bus = bus,
        .reader = reader,
        .table = table,
        .address = access->address,
        .value = access->is_write ? access->value & mask : UINT64_MAX,
        .is_write = access->is_write,
        .pending = low_bits(access->size),
    };

    offer_outwards(&transfer, table->targets[table->segments[segment].target].parent, 0,
                   access->size);
    leave_unclaimed(&transfer, 0, access->size);
    if (!access->is_write)
        access->value = transfer.value & mask;
}

/* The entry that may cover the address: of ports, what the index says; otherwise what its page's
 * slot says, or where the last access fell, which may come from an older table, or what the tree
 * says. No more than a guess: whoever uses it compares the address with what the entry covers, and
 * entries cover disjoint addresses. */
static inline const struct iobus_entry *guess(const struct iobus_table *table,
                                              struct iobus_reader *reader, uint64_t address)
{
    const struct iobus_entry *entry;
    uint64_t index;

    if (table->port_index != NULL)
        return &table->entries[table->port_index[address & IOBUS_PORT_LAST]];
    entry = &table->entries[table->page_index[iobus_page_slot(address, table->page_mask)]];
    if (__builtin_expect(address - entry->first <= entry->length_minus_1, 1))
        return entry;
    entry = &table->entries[iobus_clamp(reader->last_segment, table->entry_last)];
    if (address - entry->first <= entry->length_minus_1)
        return entry;
    index =
        iobus_clamp(iobus_tree_guess(table->tree, table->tree_levels, address), table->entry_last);
    reader->last_segment = (uint32_t)index;
    return &table->entries[index];
}

/* A write of 1, 2, 4 or 8 bytes to a point while nothing is dead. The doorbell of its width and
 * data, which in nearly all cases answers, is asked at once. */
static __attribute__((noinline)) void access_point(const struct iobus *bus,
                                                   struct iobus_reader *reader,
                                                   const struct iobus_table *table, uint32_t number,
                                                   struct io_access *access)
{
    const struct iobus_point *point = &table->points[number];
    struct io_access copy = {
        .address = access->address,
        .value = access->value & byte_masks[access->size],
        .size = access->size,
        .is_write = true,
    };
    uint32_t target = doorbell_with_data(
        table, point, IOBUS_WIDTH_1 + (unsigned)__builtin_ctz(access->size), copy.value);

    if (target == IOBUS_NONE || !call_target(bus, reader, &table->targets[target], &copy))
        access_any(bus, reader, table, access, target);
}

/* What is kept while the handler runs, beside the copy that it may scribble on. */
struct direct_call {
    struct io_access copy;
    struct iobus_reader *reader;
    const struct iobus_table *table;
};

/* With the copy made: calls, and takes the answer. */
static inline void finish_direct(struct direct_call *direct, const struct iobus_entry *entry,
                                 struct iobus_counter *counter, struct io_access *access,
                                 uint64_t (*clock)(void))
{
    if (__builtin_expect(!call(clock, entry->handler, entry->context, counter, &direct->copy), 0))
        access_declined(direct->reader->bus, direct->reader, direct->table, access);
    else if (!access->is_write)
        access->value = direct->copy.value & byte_masks[access->size];
}

static __attribute__((noinline)) void finish_timed(struct direct_call *direct,
                                                   const struct iobus_entry *entry,
                                                   struct iobus_counter *counter,
                                                   struct io_access *access)
{
    finish_direct(direct, entry, counter, access, direct->reader->bus->clock);
}

void iobus_access(struct iobus *bus, struct iobus_reader *reader, struct io_access *access)
{
    const struct iobus_table *table = atomic_load_explicit(&bus->table, memory_order_acquire);
    uint64_t address = access->address, size = access->size;
    bool is_write = access->is_write;
    const struct iobus_entry *entry = guess(table, reader, address);
    uint64_t offset = address - entry->first;

    if (__builtin_expect(
            offset > entry->length_minus_1 || size - 1 > entry->whole_minus_1 - offset ||
                (address & (size - 1)) != 0 || (entry->direct_sizes[is_write] & size) == 0,
            0)) {
        if (is_write && offset <= entry->length_minus_1 && entry->point != IOBUS_NONE)
            access_point(bus, reader, table, entry->point, access);
        else
            access_any(bus, reader, table, access, IOBUS_NONE);
        return;
    }

    /* Whatever the processor guesses above, no guest chooses an address outside the segment. */
    struct direct_call direct = {
        .copy =
            {
                .address = iobus_poison(address, offset, entry->length_minus_1),
                .value = is_write ? access->value : byte_masks[size],
                .size = (uint8_t)size,
                .is_write = is_write,
            },
        .reader = reader,
        .table = table,
    };
    struct iobus_counter *counter =
        (struct iobus_counter *)((char *)reader->counters[entry->counter_chunk] +
                                 entry->counter_offset_bytes);

    if (bus->clock == NULL)
        finish_direct(&direct, entry, counter, access, NULL);
    else
        finish_timed(&direct, entry, counter, access);
}
