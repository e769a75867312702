// SPDX-License-Identifier: BSD-2-Clause
/* The fast half of the bus: the one copy of "look up, call, nobody, or the slow way". Nearly every
 * access goes whole to one handler, or to nobody. All of it is inline, as it is in the way of each
 * exit; unit tests and benchmarks make their accesses by it, too.
 *
 * It serves buses whose clock is iobus_tsc. What it does not do, access.c does: iobus_access_slow.
 */
#ifndef VMM_IOBUS_FAST_H
#define VMM_IOBUS_FAST_H

#include "vmm/iobus/table.h"

/* What a lookup found: a call that takes the whole access, and what belongs to it. */
struct iobus_found {
    const struct iobus_table *table; /* null, as call is: nothing was found */
    const struct iobus_call *call;
    uintptr_t poison; /* 0; all ones where the processor runs ahead with an address that the call is
                       * not for, so that no device is touched */
};

enum iobus_lookup {
    IOBUS_CALL,   /* there is a call to make */
    IOBUS_NOBODY, /* nobody is there: that is noted, and a read is all ones */
    IOBUS_SLOW,   /* neither, and nothing has happened */
};

/* The entry that the tree names for the address, and a hint of it for the next access. A guess,
 * too: whoever uses an entry looks whether it covers the address, and entries cover disjoint
 * addresses. */
const struct iobus_entry *iobus_third_guess(const struct iobus_table *table,
                                            struct iobus_reader *reader, uint64_t address);

/* The table of an access that begins now. */
static inline const struct iobus_table *iobus_in_force(struct iobus *bus)
{
    return atomic_load_explicit(&bus->table, memory_order_acquire);
}

/* The doorbell of this data that hangs at a call which does not take the write; or null. */
static inline __attribute__((always_inline)) const struct iobus_call *
iobus_bell_at(const struct iobus_table *table, const struct iobus_call *call,
              const struct io_access *access)
{
    uint32_t key =
        iobus_bell_key(call->point, IOBUS_WIDTH_1 + (unsigned)__builtin_ctz(access->size));
    const struct iobus_call *bell = iobus_bell(table, key, access->value);

    return bell->point == key && bell->data == access->value ? bell : NULL;
}

/* Turns found->call, that of the access's first byte, into the call to make. granule: what
 * unclaimed addresses are rounded down to. */
static inline __attribute__((always_inline)) enum iobus_lookup
iobus_look_up_at(struct iobus_reader *reader, uint64_t granule, const struct io_access *access,
                 struct iobus_found *found)
{
    const struct iobus_call *call = found->call;
    uint32_t misaligned = (uint32_t)access->address & (access->size - 1u);

    if (__builtin_expect((misaligned | (call->refused_sizes[access->is_write] & access->size)) == 0,
                         1))
        return IOBUS_CALL;
    if ((misaligned | (call->unclaimed_sizes[access->is_write] & access->size)) == access->size) {
        iobus_unclaimed_note(&reader->unclaimed, access->address & ~(granule - 1),
                             access->is_write);
        return IOBUS_NOBODY;
    }
    if (!access->is_write || call->point == IOBUS_NONE)
        return IOBUS_SLOW;
    found->call = iobus_bell_at(found->table, call, access);
    return found->call != NULL ? IOBUS_CALL : IOBUS_SLOW;
}

/* The lookup on a bus of ports, of an access of size 1, 2 or 4. */
static inline __attribute__((always_inline)) enum iobus_lookup
iobus_look_up_port(struct iobus *bus, struct iobus_reader *reader, const struct io_access *access,
                   struct iobus_found *found)
{
    const struct iobus_table *table = iobus_in_force(bus);

    if (__builtin_expect(table->way != IOBUS_WAY_PORT, 0))
        return IOBUS_SLOW;
    *found = (struct iobus_found){
        .table = table,
        .call = iobus_port_call(table, access->address, access->is_write),
    };
    return iobus_look_up_at(reader, 1, access, found);
}

/* The call of an entry, for reads or for writes. */
static inline const struct iobus_call *iobus_entry_call(const struct iobus_entry *entry,
                                                        bool is_write)
{
    const uint8_t *call = (const uint8_t *)&entry->call;

    return (const struct iobus_call *)(const void *)(is_write ? call + entry->write_call_at : call);
}

/* The lookup on a bus that is not of ports, of an access of size 1, 2, 4 or 8. */
static inline __attribute__((always_inline)) enum iobus_lookup
iobus_look_up_memory(struct iobus *bus, struct iobus_reader *reader, const struct io_access *access,
                     struct iobus_found *found)
{
    const struct iobus_table *table = iobus_in_force(bus);
    const struct iobus_entry *entry;
    uint64_t offset;

    if (__builtin_expect(table->way != IOBUS_WAY_MEMORY, 0))
        return IOBUS_SLOW;
    entry = iobus_guess(table, access->address);
    offset = access->address - entry->first;
    if (__builtin_expect(offset > entry->length_minus_1, 0)) {
        entry = iobus_second_guess(table, reader);
        if (!iobus_entry_covers(entry, access->address))
            entry = iobus_third_guess(table, reader, access->address);
        offset = access->address - entry->first;
        if (__builtin_expect(offset > entry->length_minus_1, 0))
            return IOBUS_SLOW;
    }
    *found = (struct iobus_found){
        .table = table,
        .call = iobus_entry_call(entry, access->is_write),
        .poison = iobus_poison(0, offset, entry->length_minus_1),
    };
    return iobus_look_up_at(reader, IOBUS_UNCLAIMED_GRANULE, access, found);
}

/* Makes the call that was found. False: it declined. */
static inline __attribute__((always_inline)) bool iobus_make_call(struct iobus_reader *reader,
                                                                  const struct iobus_found *found,
                                                                  const struct io_access *access,
                                                                  uint64_t *value, uint64_t *tsc)
{
    const struct iobus_call *call = found->call;
    struct io_access piece;
    uint64_t now;

    piece.address = access->address;
    piece.value = access->is_write ? access->value : UINT64_MAX;
    piece.size = access->size;
    piece.is_write = access->is_write;
    if (__builtin_expect(
            call->handler((void *)((uintptr_t)call->context | found->poison), &piece) != IO_HANDLED,
            0))
        return false;
    now = iobus_read_tsc();
    iobus_count_call(reader, call, now - *tsc);
    *value = piece.value;
    *tsc = now;
    return true;
}

/* Makes an access of size 1, 2 or 4 on a bus of ports, or of size 1, 2, 4 or 8 on another bus
 * (is_ports is a constant); a write's value has zeros above the size. True: it is done; *value is
 * what was read, with anything above the size. False: iobus_access_slow has to do it, with found's
 * table and call. *tsc is a reading since which the handler's cycles count, then one after it: a
 * caller that wants the time, too, need not read it again. The caller runs on the reader's vCPU,
 * begun and not parked. */
static inline __attribute__((always_inline)) bool iobus_fast(struct iobus *bus, bool is_ports,
                                                             struct iobus_reader *reader,
                                                             const struct io_access *access,
                                                             struct iobus_found *found,
                                                             uint64_t *value, uint64_t *tsc)
{
    switch (is_ports ? iobus_look_up_port(bus, reader, access, found)
                     : iobus_look_up_memory(bus, reader, access, found)) {
    case IOBUS_CALL: return iobus_make_call(reader, found, access, value, tsc);
    case IOBUS_NOBODY:
        *value = UINT64_MAX;
        *tsc += (uint32_t)(iobus_read_tsc() - *tsc); /* it was a moment ago */
        return true;
    case IOBUS_SLOW: break;
    }
    *found = (struct iobus_found){0};
    return false;
}

/* What iobus_fast did not do, from the beginning; or, with a call, what that call declined. As
 * iobus_access otherwise. */
void iobus_access_slow(struct iobus *bus, struct iobus_reader *reader, struct io_access *access,
                       const struct iobus_table *table, const struct iobus_call *declined);

/* iobus_access on a bus whose clock is iobus_tsc, the fast half first. *tsc as in iobus_fast, with
 * a new reading at the end whatever was done. Any address and size. */
static inline void iobus_access_timed(struct iobus *bus, struct iobus_reader *reader,
                                      struct io_access *access, uint64_t *tsc)
{
    bool is_ports = bus->address_last == IOBUS_PORT_LAST;
    struct iobus_found found = {0};
    uint64_t value;
    bool is_done;

    if (!is_ports)
        is_done = iobus_fast(bus, false, reader, access, &found, &value, tsc);
    else if (access->size > 4 || access->address > IOBUS_PORT_LAST)
        is_done = false;
    else
        is_done = iobus_fast(bus, true, reader, access, &found, &value, tsc);
    if (!is_done) {
        iobus_access_slow(bus, reader, access, found.table, found.call);
        *tsc = iobus_read_tsc();
    } else if (!access->is_write)
        access->value = value & iobus_byte_masks[access->size & 15];
}

/* The same for a caller that does not want the time. */
static inline void iobus_access_fast(struct iobus *bus, struct iobus_reader *reader,
                                     struct io_access *access)
{
    uint64_t tsc = iobus_read_tsc();

    iobus_access_timed(bus, reader, access, &tsc);
}

#endif
