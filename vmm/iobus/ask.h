/* iobus_access as the run loop makes it, the shortest way: nearly every access goes whole to one
 * handler, or to nobody, and the caller knows what the time is. Inline, as all of it is in the way
 * of an exit. */
#ifndef VMM_IOBUS_ASK_H
#define VMM_IOBUS_ASK_H

#include "vmm/iobus/iobus.h"

enum iobus_answer {
    IOBUS_ANSWERED,
    IOBUS_NOT_ASKED,
    IOBUS_DECLINED,
};

/* Whom iobus_ask_port or iobus_ask_memory asked. */
struct iobus_asked {
    const struct iobus_table *table;
    const struct iobus_call *call;
};

/* The doorbell of this data that hangs at a call which does not take the write; or null. */
static inline __attribute__((always_inline)) const struct iobus_call *
iobus_ask_bell(const struct iobus_table *table, const struct iobus_call *call,
               const struct io_access *access)
{
    uint32_t key =
        iobus_bell_key(call->point, IOBUS_WIDTH_1 + (unsigned)__builtin_ctz(access->size));
    const struct iobus_call *bell = iobus_bell(table, key, access->value);

    return bell->point == key && bell->data == access->value ? bell : NULL;
}

/* What both have in common, once the call of the access's first byte is known. poison as for
 * iobus_offer; granule: what unclaimed addresses are rounded down to. */
static inline __attribute__((always_inline)) enum iobus_answer
iobus_ask_call(const struct iobus_table *table, struct iobus_reader *reader,
               const struct iobus_call *call, uintptr_t poison, uint64_t granule,
               const struct io_access *access, uint64_t *value, uint64_t *tsc,
               struct iobus_asked *asked)
{
    void *context;
    struct io_access piece;
    enum io_outcome outcome;
    uint64_t now;

    if (__builtin_expect((((uint32_t)access->address & (access->size - 1u)) |
                          (call->refused_sizes[access->is_write] & access->size)) != 0,
                         0)) {
        if (access->is_write && call->point != IOBUS_NONE) {
            call = iobus_ask_bell(table, call, access);
            if (call == NULL)
                return IOBUS_NOT_ASKED;
        } else if (call->handler == NULL &&
                   (((uint32_t)access->address & (access->size - 1u)) == 0) &&
                   (call->counter & access->size) != 0) {
            iobus_unclaimed_note(&reader->unclaimed, access->address & ~(granule - 1),
                                 access->is_write);
            *value = UINT64_MAX;
            *tsc = iobus_read_tsc();
            return IOBUS_ANSWERED;
        } else
            return IOBUS_NOT_ASKED;
    }
    *asked = (struct iobus_asked){.table = table, .call = call};
    context = (void *)((uintptr_t)call->context | poison);
    piece.address = access->address;
    piece.value = access->is_write ? access->value : UINT64_MAX;
    piece.size = access->size;
    piece.is_write = access->is_write;
    iobus_count(iobus_counter(reader, call), 1);
    outcome = call->handler(context, &piece);
    if (__builtin_expect(outcome != IO_HANDLED, 0))
        return IOBUS_DECLINED;
    now = iobus_read_tsc();
    iobus_count(iobus_counter(reader, call) + 1, now - *tsc);
    *value = piece.value;
    *tsc = now;
    return IOBUS_ANSWERED;
}

/* iobus_access for an I/O instruction as nearly all are: a port of a bus whose clock is iobus_tsc,
 * one handler or nobody for the whole access, of size 1, 2 or 4; a write's value has zeros above
 * the size. *tsc: a reading since which the cycles count; then one after the handler, so that a
 * caller that wants the time, too, need not read it twice. IOBUS_ANSWERED: *value is what was read,
 * with anything above the access's size. IOBUS_NOT_ASKED: nothing has happened, and the caller
 * calls iobus_access. IOBUS_DECLINED: it calls iobus_access_declined with what is in asked. The
 * caller runs on the reader's vCPU, begun and not parked. */
static inline __attribute__((always_inline)) enum iobus_answer
iobus_ask_port(struct iobus *bus, struct iobus_reader *reader, const struct io_access *access,
               uint64_t *value, uint64_t *tsc, struct iobus_asked *asked)
{
    const struct iobus_table *table = iobus_in_force(bus);

    if (__builtin_expect(table->way != IOBUS_WAY_PORT_TSC, 0))
        return IOBUS_NOT_ASKED;
    return iobus_ask_call(table, reader, iobus_port_call(table, access->address, access->is_write),
                          0, 1, access, value, tsc, asked);
}

/* The call of an entry, for reads or for writes. */
static inline const struct iobus_call *iobus_entry_call(const struct iobus_entry *entry,
                                                        bool is_write)
{
    const uint8_t *call = (const uint8_t *)&entry->call;

    return (const struct iobus_call *)(const void *)(is_write ? call + entry->write_call_at : call);
}

/* The same for a load or store, of size 1, 2, 4 or 8, on a bus that is not of ports. */
static inline __attribute__((always_inline)) enum iobus_answer
iobus_ask_memory(struct iobus *bus, struct iobus_reader *reader, const struct io_access *access,
                 uint64_t *value, uint64_t *tsc, struct iobus_asked *asked)
{
    const struct iobus_table *table = iobus_in_force(bus);
    const struct iobus_entry *entry;
    uint64_t offset;

    if (__builtin_expect(table->way != IOBUS_WAY_GUESS_TSC, 0))
        return IOBUS_NOT_ASKED;
    entry = iobus_guess(table, access->address);
    offset = access->address - entry->first;
    if (__builtin_expect(offset > entry->length_minus_1, 0)) {
        entry = iobus_second_guess(table, reader);
        if (!iobus_entry_covers(entry, access->address))
            entry = iobus_third_guess(table, reader, access->address);
        offset = access->address - entry->first;
        if (__builtin_expect(offset > entry->length_minus_1, 0))
            return IOBUS_NOT_ASKED;
    }
    return iobus_ask_call(table, reader, iobus_entry_call(entry, access->is_write),
                          iobus_poison(0, offset, entry->length_minus_1), IOBUS_UNCLAIMED_GRANULE,
                          access, value, tsc, asked);
}

#endif
