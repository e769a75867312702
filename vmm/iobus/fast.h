// SPDX-License-Identifier: BSD-2-Clause
/* The fast half of the bus: looks up who answers an access and calls it. Nearly every access goes
 * as a whole to one handler, or nobody answers it; this file does these. access.c does all other
 * accesses (iobus_access_slow).
 *
 * The functions are inline because every exit for an access runs through them. The exits, the unit
 * tests and the benchmarks use this one copy. It serves buses whose clock is iobus_tsc. */
#ifndef VMM_IOBUS_FAST_H
#define VMM_IOBUS_FAST_H

#include "vmm/iobus/table.h"
#include "vmm/iobus/tsc.h"

/* What a lookup found: a call that takes the whole access, and what belongs to the call. */
struct iobus_found {
    const struct iobus_table *table; /* null, and call is null too: the lookup found nothing */
    const struct iobus_call *call;
    uintptr_t poison; /* all ones if the processor runs ahead with an address that the call is not
                       * for: then the speculative call touches no device; else 0 */
};

enum iobus_lookup {
    IOBUS_CALL,   /* found->call is to be made */
    IOBUS_NOBODY, /* nobody answers: this is counted as unclaimed, and a read gives all ones */
    IOBUS_SLOW,   /* the slow half has to do the access; nothing has happened */
};

/* Returns the entry that the tree names for the address, and stores a hint for the next access in
 * the reader. The result is a guess, as the first two are: the caller checks that the entry covers
 * the address. Entries cover disjoint addresses. */
const struct iobus_entry *iobus_third_guess(const struct iobus_table *table,
                                            struct iobus_reader *reader, uint64_t address);

/* Returns the table for an access that begins now. */
static inline const struct iobus_table *iobus_in_force(struct iobus *bus)
{
    return atomic_load_explicit(&bus->table, memory_order_acquire);
}

/* Returns the doorbell that matches the data and width of a write, at the point of a call that does
 * not take the write; null if there is none. */
static inline __attribute__((always_inline)) const struct iobus_call *
iobus_bell_at(const struct iobus_table *table, const struct iobus_call *call,
              const struct io_access *access)
{
    uint32_t key =
        iobus_bell_key(call->point, IOBUS_WIDTH_1 + (unsigned)__builtin_ctz(access->size));
    const struct iobus_call *bell = iobus_bell(table, key, access->value);

    return bell->point == key && bell->data == access->value ? bell : NULL;
}

/* Turns found->call, the call for the access's first byte, into the call to make. granule is a
 * power of two, to which unclaimed addresses are rounded down. */
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

/* Looks up an access of size 1, 2 or 4 on a bus of ports. */
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

/* Returns an entry's call for reads or for writes. */
static inline const struct iobus_call *iobus_entry_call(const struct iobus_entry *entry,
                                                        bool is_write)
{
    const uint8_t *call = (const uint8_t *)&entry->call;

    return (const struct iobus_call *)(const void *)(is_write ? call + entry->write_call_at : call);
}

/* Looks up an access of size 1, 2, 4 or 8 on a bus that is not one of ports. */
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

/* Makes the call that was found. value and tsc are those of iobus_fast. Returns false if the
 * handler declined; then *value and *tsc are unchanged. */
static inline __attribute__((always_inline)) bool iobus_make_call(struct iobus_reader *reader,
                                                                  const struct iobus_found *found,
                                                                  const struct io_access *access,
                                                                  uint64_t *value, uint64_t *tsc)
{
    const struct iobus_call *call = found->call;
    struct io_access *piece = &reader->piece;
    uint64_t now;

    piece->address = access->address;
    piece->value = access->is_write ? access->value : UINT64_MAX;
    piece->size = access->size;
    piece->is_write = access->is_write;
    if (__builtin_expect(call->handler((void *)((uintptr_t)call->context | found->poison), piece) !=
                             IO_HANDLED,
                         0)) {
        piece->initiator = reader->initiator; /* the handler may have changed all of it */
        return false;
    }
    now = iobus_read_tsc();
    iobus_count_call(reader, call, now - *tsc);
    *value = piece->value;
    *tsc = now;
    return true;
}

/* Makes an access if the fast half can do it. The access has size 1, 2 or 4 on a bus of ports, and
 * size 1, 2, 4 or 8 on another bus; is_ports is a constant. The value of a write has zeros above
 * its size. The caller runs on the reader's vCPU, after iobus_reader_begin and not parked. It is no
 * handler called by this function, since a reader has one piece; iobus_access is for handlers.
 * Returns true if the access is done; *value is then the value read, whose bits above the size have
 * no meaning.
 * Returns false if it is not done; then the caller calls iobus_access_slow with found's table and
 * call.
 * On entry *tsc is the time-stamp from which the handler's cycles count. If the result is true,
 * *tsc becomes one taken at the end, so a caller that needs the time does not read it again. */
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
        *tsc += (uint32_t)(iobus_read_tsc() - *tsc); /* 32 bits are enough, as *tsc is recent */
        return true;
    case IOBUS_SLOW: break;
    }
    *found = (struct iobus_found){0};
    return false;
}

/* Makes an access that iobus_fast did not make. If declined is null, makes it from the beginning
 * and does not use table. Otherwise declined is the call, found in table, that declined the access,
 * and the access goes to those that come after it. Sets the value of a read as iobus_access
 * does. */
void iobus_access_slow(struct iobus *bus, struct iobus_reader *reader, struct io_access *access,
                       const struct iobus_table *table, const struct iobus_call *declined);

/* Does iobus_access on a bus whose clock is iobus_tsc, with the fast half first. Takes any address,
 * and size 1, 2, 4 or 8. *tsc is that of iobus_fast, but comes out as a new time-stamp in every
 * case. */
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

/* Does iobus_access_timed for a caller that does not need the time. */
static inline void iobus_access_fast(struct iobus *bus, struct iobus_reader *reader,
                                     struct io_access *access)
{
    uint64_t tsc = iobus_read_tsc();

    iobus_access_timed(bus, reader, access, &tsc);
}

#endif
