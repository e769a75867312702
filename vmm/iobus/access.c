// SPDX-License-Identifier: BSD-2-Clause
/* The slow half of fast.h carries out any access. An access that one range takes as a whole goes
 * straight to the range's handler. Every other access goes through a struct transfer, which
 * accounts for each byte. */
#include "vmm/base/bits.h"
#include "vmm/base/check.h"
#include "vmm/iobus/fast.h"
#include "vmm/iobus/layout.h"

/* Returns the cycle count; 0 on a bus without a clock, so that handlers there take no time. */
static uint64_t read_clock(const struct iobus_table *table)
{
    return table->clock == NULL ? 0 : table->clock();
}

/* Calls the handler and accounts for the call. Returns true if the handler answered. The handler
 * may publish another table; this one stays until the vCPU's next quiescent point. */
static bool make_call(const struct iobus_table *table, struct iobus_reader *reader,
                      const struct iobus_call *call, void *context, struct io_access *access)
{
    uint64_t started = read_clock(table);

    if (call->handler(context, access) != IO_HANDLED)
        return false;
    iobus_count_call(reader, call, read_clock(table) - started);
    return true;
}

static bool call_target(const struct iobus_table *table, struct iobus_reader *reader,
                        uint32_t target, struct io_access *access)
{
    const struct iobus_call *call = &table->targets[target].call;

    return make_call(table, reader, call, call->context, access);
}

/* An access that is offered to one candidate after another. */
struct transfer {
    struct iobus_reader *reader;
    const struct iobus_table *table;
    uint64_t address;
    uint64_t value; /* of a read: the bytes answered so far, ones elsewhere */
    bool is_write;
    unsigned pending; /* bit i: nobody has answered byte i yet */
};

static unsigned low_bits(unsigned count_bits)
{
    return (1u << count_bits) - 1;
}

/* Counts the pending bytes without a gap from byte `at` on, below end. */
static unsigned pending_run(const struct transfer *transfer, unsigned at, unsigned end)
{
    return (unsigned)__builtin_ctz(~(transfer->pending >> at & low_bits(end - at)));
}

/* Returns the largest size in access_sizes that is aligned at address and is at most limit_bytes; 0
 * if there is none. */
static unsigned piece_size(unsigned access_sizes, uint64_t address, unsigned limit_bytes)
{
    for (unsigned size = 8; size != 0; size /= 2) {
        if ((access_sizes & size) && size <= limit_bytes && is_aligned(address, size))
            return size;
    }
    return 0;
}

/* Offers size bytes from byte `at` on to a target. The handler gets a copy, so a handler that
 * changes the access and declines does no harm. */
static void offer(struct transfer *transfer, uint32_t target, unsigned at, unsigned size)
{
    uint64_t mask = bytes_mask(size);
    struct io_access piece = {
        .address = transfer->address + at,
        .value = transfer->is_write ? transfer->value >> 8 * at & mask : UINT64_MAX,
        .size = (uint8_t)size,
        .is_write = transfer->is_write,
        .initiator = transfer->reader->initiator,
    };

    if (!call_target(transfer->table, transfer->reader, target, &piece))
        return;
    if (!transfer->is_write)
        transfer->value = (transfer->value & ~(mask << 8 * at)) | (piece.value & mask) << 8 * at;
    transfer->pending &= ~(low_bits(size) << at);
}

/* Offers the pending bytes from..end-1, which lie in the range `target`, to this range and then to
 * the ranges around it. */
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

static void note_unclaimed(const struct iobus_table *table, struct iobus_reader *reader,
                           uint64_t address, bool is_write)
{
    if (table->address_last > IOBUS_PORT_LAST)
        address &= ~(IOBUS_UNCLAIMED_GRANULE - 1);
    iobus_unclaimed_note(&reader->unclaimed, address, is_write);
}

/* Counts the pending bytes from..end-1 as unclaimed, each run of them once. */
static void leave_unclaimed(struct transfer *transfer, unsigned from, unsigned end)
{
    while (from < end) {
        unsigned run = pending_run(transfer, from, end);

        if (run != 0)
            note_unclaimed(transfer->table, transfer->reader, transfer->address + from,
                           transfer->is_write);
        from += run != 0 ? run : 1;
    }
}

/* Returns the innermost range of a segment that has not been removed; IOBUS_NONE if there is
 * none. */
static uint32_t innermost(const struct iobus_table *table, uint32_t segment)
{
    uint32_t target = table->segments[segment].target;

    while (target != IOBUS_NONE && iobus_target_is_dead(table, target))
        target = table->targets[target].parent;
    return target;
}

/* Returns the end of the part that begins at byte `from` and has one innermost range; at most size.
 * Moves *segment to the segment of that end if the end is below size. Segments that differ only in
 * their doorbells, or in removed ranges, belong to the same part. */
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

/* Finds the doorbell with data at a point that matches the value written. width is the index of an
 * exact width, or IOBUS_WIDTH_ANY. Returns IOBUS_NONE if there is none. */
static uint32_t doorbell_with_data(const struct iobus_table *table, const struct iobus_point *point,
                                   unsigned width, uint64_t value)
{
    uint32_t first = point->data_first[width], found;
    uint32_t in_group = point->data_first[width + 1] - first;

    if (in_group == 0)
        return IOBUS_NONE;
    found = first + iobus_search(table->data + first, in_group, value);
    return table->data[found] == value ? found : IOBUS_NONE;
}

/* Offers the access, as the guest made it, to the doorbells that match, except the one whose
 * counter is `asked`: that one has declined already. Returns true if a doorbell answered. */
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
        struct io_access copy = {
            .address = transfer->address,
            .value = transfer->value,
            .size = access->size,
            .is_write = true,
            .initiator = transfer->reader->initiator,
        };

        if (candidates[i] == IOBUS_NONE || iobus_target_is_dead(table, candidates[i]) ||
            table->targets[candidates[i]].call.counter == asked)
            continue;
        if (call_target(table, transfer->reader, candidates[i], &copy))
            return true;
    }
    return false;
}

/* Makes any access, by way of a transfer. asked is the counter of a doorbell that has declined
 * already, or IOBUS_NONE. */
static __attribute__((noinline)) void access_any(const struct iobus_table *table,
                                                 struct iobus_reader *reader,
                                                 struct io_access *access, uint32_t asked)
{
    CHECK(access->size == 1 || access->size == 2 || access->size == 4 || access->size == 8);

    uint64_t mask = bytes_mask(access->size);
    unsigned size = access->size; /* the bytes within the address space */
    struct transfer transfer = {
        .reader = reader,
        .table = table,
        .address = access->address,
        .value = access->is_write ? access->value & mask : UINT64_MAX,
        .is_write = access->is_write,
        .pending = low_bits(access->size),
    };

    if (access->address > table->address_last)
        size = 0;
    else if (size - 1 > table->address_last - access->address)
        size = (unsigned)(table->address_last - access->address) + 1;

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
    if (size < access->size) /* past the end of the space: no better address exists for it */
        note_unclaimed(table, reader, access->address, access->is_write);
    if (!access->is_write)
        access->value = transfer.value & mask;
}

/* Goes on after a call got the whole access and declined it. Where a point has doorbells, a write
 * had gone to one of them. */
static void access_declined(const struct iobus_table *table, struct iobus_reader *reader,
                            struct io_access *access, const struct iobus_call *call)
{
    uint32_t segment = iobus_search(table->starts, table->segment_count, access->address);
    const struct iobus_target *target;
    uint64_t mask = bytes_mask(access->size);
    struct transfer transfer = {
        .reader = reader,
        .table = table,
        .address = access->address,
        .value = access->is_write ? access->value & mask : UINT64_MAX,
        .is_write = access->is_write,
        .pending = low_bits(access->size),
    };

    if (access->is_write && table->segments[segment].point != IOBUS_NONE) {
        access_any(table, reader, access, call->counter);
        return;
    }
    target = &table->targets[table->segments[segment].target];
    offer_outwards(&transfer, target->parent, 0, access->size);
    leave_unclaimed(&transfer, 0, access->size);
    if (!access->is_write)
        access->value = transfer.value & mask;
}

/* Returns the doorbell with this key and data; null if there is none. */
static inline const struct iobus_call *bell_call(const struct iobus_table *table, uint32_t key,
                                                 uint64_t data)
{
    const struct iobus_call *bell = iobus_bell(table, key, data);

    return bell->point == key && bell->data == data ? bell : NULL;
}

/* Offers a write at once to the doorbell that has its width and data, at the point with this
 * number. That doorbell answers in nearly all cases. The table has no removed registrations.
 * Returns true if it answered. If it declined, sets *asked to its counter. */
static inline bool ring_at_once(const struct iobus_table *table, struct iobus_reader *reader,
                                const struct io_access *access, uint32_t number, uint32_t *asked)
{
    static const uint8_t widths[16] = {
        [1] = IOBUS_WIDTH_1, [2] = IOBUS_WIDTH_2, [4] = IOBUS_WIDTH_4, [8] = IOBUS_WIDTH_8};
    unsigned size = access->size & 15;
    struct io_access copy = {
        .address = access->address,
        .value = access->value & iobus_byte_masks[size],
        .size = (uint8_t)size,
        .is_write = true,
        .initiator = reader->initiator,
    };
    const struct iobus_call *bell =
        bell_call(table, iobus_bell_key(number, widths[size]), copy.value);

    if (bell == NULL)
        return false;
    if (__builtin_expect(make_call(table, reader, bell, bell->context, &copy), 1))
        return true;
    *asked = bell->counter;
    return false;
}

/* Makes an access for which the call of its first byte is known but does not take it. */
static void access_refused(const struct iobus_table *table, struct iobus_reader *reader,
                           struct io_access *access, const struct iobus_call *call)
{
    uint32_t asked = IOBUS_NONE;

    if (access->is_write && call->point != IOBUS_NONE) {
        if (ring_at_once(table, reader, access, call->point, &asked))
            return;
    } else if ((call->unclaimed_sizes[access->is_write] & access->size) != 0 &&
               is_aligned(access->address, access->size) &&
               access->address <= table->address_last) {
        note_unclaimed(table, reader, access->address, access->is_write);
        if (!access->is_write)
            access->value = iobus_byte_masks[access->size & 15];
        return;
    }
    access_any(table, reader, access, asked);
}

/* Finds the call for the address. Returns null if there is none: the address is past the last. Sets
 * *poison to 0, or to all ones if the processor runs ahead with an address that the call is not
 * for: the speculative call then touches no device. */
static const struct iobus_call *find_call(const struct iobus_table *table,
                                          struct iobus_reader *reader, uint64_t address,
                                          bool is_write, uintptr_t *poison)
{
    const struct iobus_entry *entry;

    *poison = 0;
    if (table->is_ports)
        return address > IOBUS_PORT_LAST ? NULL : iobus_port_call(table, address, is_write);
    entry = iobus_guess(table, address);
    if (!iobus_entry_covers(entry, address))
        entry = iobus_second_guess(table, reader);
    if (!iobus_entry_covers(entry, address))
        entry = iobus_third_guess(table, reader, address);
    if (!iobus_entry_covers(entry, address))
        return NULL;
    *poison = iobus_poison(0, address - entry->first, entry->length_minus_1);
    return &entry->call;
}

/* Offers an access to the call of its first byte. poison is that of find_call. */
static void offer_whole(const struct iobus_table *table, struct iobus_reader *reader,
                        struct io_access *access, const struct iobus_call *call, uintptr_t poison)
{
    struct io_access piece = *access; /* a copy for the handler, which may change it */

    if (!is_aligned(access->address, access->size) ||
        (call->refused_sizes[access->is_write] & access->size) != 0) {
        access_refused(table, reader, access, call);
        return;
    }
    piece.initiator = reader->initiator;
    if (!access->is_write)
        piece.value = UINT64_MAX;
    if (!make_call(table, reader, call, (void *)((uintptr_t)call->context | poison), &piece))
        access_declined(table, reader, access, call);
    else if (!access->is_write)
        access->value = piece.value & iobus_byte_masks[access->size & 15];
}

void iobus_access(struct iobus *bus, struct iobus_reader *reader, struct io_access *access)
{
    const struct iobus_table *table = iobus_in_force(bus);
    const struct iobus_call *call = NULL;
    uintptr_t poison = 0;

    if (table->removal_count == 0)
        call = find_call(table, reader, access->address, access->is_write, &poison);
    if (call == NULL)
        access_any(table, reader, access, IOBUS_NONE);
    else
        offer_whole(table, reader, access, call, poison);
}

void iobus_access_slow(struct iobus *bus, struct iobus_reader *reader, struct io_access *access,
                       const struct iobus_table *table, const struct iobus_call *declined)
{
    if (declined != NULL)
        access_declined(table, reader, access, declined);
    else
        iobus_access(bus, reader, access);
}
