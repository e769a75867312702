// SPDX-License-Identifier: BSD-2-Clause
/* iobus_access as the run loop makes it, the shortest way: nearly every access goes whole to one
 * handler, or to nobody, and the caller knows what the time is. Inline, as all of it is in the way
 * of an exit. */
#ifndef VMM_IOBUS_FAST_H
#define VMM_IOBUS_FAST_H

#include "vmm/iobus/iobus.h"

/* What can be said of an access at once. */
enum iobus_answer {
    IOBUS_CALL,      /* there is a call to make: iobus_ask */
    IOBUS_NOBODY,    /* nobody is there: it is noted, and a read is all ones */
    IOBUS_NOT_ASKED, /* neither, and nothing has happened: iobus_access */
};

/* A call that takes the whole access, and what belongs to it. */
struct iobus_question {
    const struct iobus_table *table;
    const struct iobus_call *call;
    uintptr_t poison; /* as for iobus_offer */
};

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

/* The call of the access's first byte, as for iobus_offer, becomes the one to make. granule: what
 * unclaimed addresses are rounded down to. */
static inline __attribute__((always_inline)) enum iobus_answer
iobus_question_at(struct iobus_reader *reader, uint64_t granule, const struct io_access *access,
                  struct iobus_question *question)
{
    const struct iobus_call *call = question->call;
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
        return IOBUS_NOT_ASKED;
    question->call = iobus_bell_at(question->table, call, access);
    return question->call != NULL ? IOBUS_CALL : IOBUS_NOT_ASKED;
}

/* The first half of iobus_access for an I/O instruction as nearly all are: a port of a bus whose
 * clock is iobus_tsc, one handler or nobody for the whole access, of size 1, 2 or 4; a write's
 * value has zeros above the size. The caller runs on the reader's vCPU, begun and not parked. */
static inline __attribute__((always_inline)) enum iobus_answer
iobus_question_port(struct iobus *bus, struct iobus_reader *reader, const struct io_access *access,
                    struct iobus_question *question)
{
    const struct iobus_table *table = iobus_in_force(bus);

    if (__builtin_expect(table->way != IOBUS_WAY_PORT_TSC, 0))
        return IOBUS_NOT_ASKED;
    *question = (struct iobus_question){
        .table = table,
        .call = iobus_port_call(table, access->address, access->is_write),
    };
    return iobus_question_at(reader, 1, access, question);
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
iobus_question_memory(struct iobus *bus, struct iobus_reader *reader,
                      const struct io_access *access, struct iobus_question *question)
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
    *question = (struct iobus_question){
        .table = table,
        .call = iobus_entry_call(entry, access->is_write),
        .poison = iobus_poison(0, offset, entry->length_minus_1),
    };
    return iobus_question_at(reader, IOBUS_UNCLAIMED_GRANULE, access, question);
}

/* The second half, where the first one found a call: makes it. *tsc: a reading since which the
 * cycles count; then one after the handler, so that a caller that wants the time, too, need not
 * read it twice. *value is what was read, with anything above the access's size. False: the call
 * declined, and the caller calls iobus_access_declined. */
static inline __attribute__((always_inline)) bool iobus_ask(struct iobus_reader *reader,
                                                            const struct iobus_question *question,
                                                            const struct io_access *access,
                                                            uint64_t *value, uint64_t *tsc)
{
    const struct iobus_call *call = question->call;
    struct io_access piece;
    uint64_t now;

    piece.address = access->address;
    piece.value = access->is_write ? access->value : UINT64_MAX;
    piece.size = access->size;
    piece.is_write = access->is_write;
    if (__builtin_expect(call->handler((void *)((uintptr_t)call->context | question->poison),
                                       &piece) != IO_HANDLED,
                         0))
        return false;
    now = iobus_read_tsc();
    iobus_count_call(reader, call, now - *tsc);
    *value = piece.value;
    *tsc = now;
    return true;
}

#endif
