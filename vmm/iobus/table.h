// SPDX-License-Identifier: BSD-2-Clause
/* What a bus publishes: the calls of all addresses, and the indexes by which an access finds its
 * own. Nobody outside vmm/iobus includes this, except by fast.h. What the writers make it from is
 * in layout.h. */
#ifndef VMM_IOBUS_TABLE_H
#define VMM_IOBUS_TABLE_H

#include "vmm/iobus/flatten.h"
#include "vmm/iobus/iobus.h"
#include "vmm/iobus/lookup.h"

/* Whom to call for the addresses of a segment, and which accesses go to that handler without a look
 * at anything else. Hot: two to a cache line. Calls stay as they are from table to table; see
 * index.c. */
struct iobus_call {
    _Alignas(32) io_handler *handler; /* null: nobody is there */
    void *context;
    uint32_t counter; /* of its hits, in the reader's counters; its cycles are the next */
    uint32_t point;   /* the call's number if doorbells are there; or IOBUS_NONE. Of a
                       * doorbell in the table of bells: iobus_bell_key */
    union {
        struct {                       /* for reads, for writes */
            uint16_t refused_sizes[2]; /* all but the sizes that, aligned, go to the handler from
                                        * wherever in the segment they begin */
            uint16_t
                unclaimed_sizes[2]; /* without a handler, those that, aligned, nobody answers */
        };
        uint64_t data; /* of a doorbell in the table of bells: what it wants written */
    };
};
_Static_assert(sizeof(struct iobus_call) == 32, "an array of them is indexed by a shift");

/* Of a bus of ports, in one line: for reads, for writes. They are the same but where a single
 * doorbell without data hangs: it is the one for writes. */
struct iobus_port_calls {
    _Alignas(64) struct iobus_call by_direction[2];
};

/* A call with its addresses, in one line: for a bus that has no index of all of them. Where a
 * single doorbell without data hangs, it has an entry of its own, which no index knows; the call in
 * it is the one for writes. */
struct iobus_entry {
    _Alignas(64) uint64_t first;
    uint64_t length_minus_1;
    int64_t write_call_at; /* in bytes from `call`; 0 almost everywhere */
    bool is_for_writes;    /* the doorbell's */
    struct iobus_call call;
};
_Static_assert(sizeof(struct iobus_entry) == 64, "one line");

/* A piece of an index: where calls are, in bytes from the first. Tables share the pieces that are
 * the same in them. */
#define IOBUS_INDEX_PAGE 1024
struct iobus_index_page {
    _Alignas(64) uint32_t offsets_bytes[IOBUS_INDEX_PAGE];
    _Alignas(64) uint32_t use_count; /* layouts; the writers' */
};

/* How an access finds its call. */
enum iobus_way {
    IOBUS_WAY_SLOW,   /* by iobus_access alone: something is dead, or the clock is not iobus_tsc */
    IOBUS_WAY_PORT,   /* fast.h: by an index of all ports */
    IOBUS_WAY_MEMORY, /* fast.h: by an index of page numbers, whose answer is checked */
};

/* What is in force. Nobody changes a table that was published; see layout.h. What the common access
 * needs comes first, with as few loads as can be between the bus and the handler. */
struct iobus_table {
    _Alignas(64) const uint8_t *calls; /* iobus_port_calls or, elsewhere, iobus_entry */
    enum iobus_way way;
    uint32_t slot_mask; /* the index has this many slots and one more; a power of two */

    bool is_ports;
    uint32_t removal_count;  /* 0: nothing here is dead */
    uint64_t (*clock)(void); /* the bus's */
    uint64_t address_last;   /* the bus's */
    uint32_t segment_count;  /* at least 1 */
    uint32_t bell_mask;      /* bells are this many and one more */
    uint32_t tree_levels;
    const uint64_t *starts; /* of the segments, packed for the search */
    const struct iobus_segment *segments;
    const uint32_t *numbers; /* of the segments' calls */
    const uint64_t *tree;
    const struct iobus_target *targets;
    const uint64_t *data;
    const struct iobus_call *bells; /* by iobus_bell_slot; see layout.h */
    const struct iobus_point *points;

    /* The writers' own. */
    struct iobus_layout *layout;
    struct iobus_table *next_retired;
    uint64_t retired_epoch;
    struct iobus_registration *removed; /* by the update that retired this table */
    struct iobus_completion *completion;

    /* The index; none where something is dead. */
    _Alignas(64) struct iobus_index_page *pages[];
};

_Static_assert(offsetof(struct iobus_table, pages) == sizeof(struct iobus_table),
               "assigning to a table leaves its index alone");

/* The bytes of an access of size 1, 2, 4, 8. */
extern const uint64_t iobus_byte_masks[16];

/* What the index says. Whatever the processor guesses, the slot is within it. */
static inline const void *iobus_indexed(const struct iobus_table *table, uint32_t slot)
{
    return table->calls +
           table->pages[slot / IOBUS_INDEX_PAGE]->offsets_bytes[slot % IOBUS_INDEX_PAGE];
}

static inline const struct iobus_port_calls *iobus_port_calls(const struct iobus_table *table,
                                                              uint64_t port)
{
    return iobus_indexed(table, (uint16_t)port);
}

/* The call of a port, for reads or for writes. */
static inline const struct iobus_call *iobus_port_call(const struct iobus_table *table,
                                                       uint64_t port, bool is_write)
{
    return &iobus_port_calls(table, port)->by_direction[is_write];
}

/* How wide the writes are that a doorbell takes. */
enum {
    IOBUS_WIDTH_ANY,
    IOBUS_WIDTH_1,
    IOBUS_WIDTH_2,
    IOBUS_WIDTH_4,
    IOBUS_WIDTH_8,
    IOBUS_WIDTH_COUNT,
};

/* Names the doorbells with data of one point, by its call, and width; keys of two such groups
 * differ. */
static inline uint32_t iobus_bell_key(uint32_t number, unsigned width)
{
    return 8 * number + width;
}

/* The doorbell of this key and data, if it has its slot; else another, or an empty slot: whoever
 * asks compares. */
static inline const struct iobus_call *iobus_bell(const struct iobus_table *table, uint32_t key,
                                                  uint64_t data)
{
    return &table->bells[iobus_bell_slot(data, key, table->bell_mask)];
}

/* An entry that may be the address's; whoever uses it looks whether it is. */
static inline const struct iobus_entry *iobus_guess(const struct iobus_table *table,
                                                    uint64_t address)
{
    return iobus_indexed(table, iobus_page_slot(address, table->slot_mask));
}

static inline bool iobus_entry_covers(const struct iobus_entry *entry, uint64_t address)
{
    return iobus_covers(entry->first, entry->length_minus_1, address);
}

/* Of a bus that is not of ports. */
static inline const struct iobus_entry *iobus_entry_of(const struct iobus_table *table,
                                                       uint64_t segment)
{
    return (const struct iobus_entry *)(const void *)table->calls + table->numbers[segment];
}

/* Where the last access fell, which may come from an older table: no more than a guess. */
static inline const struct iobus_entry *iobus_second_guess(const struct iobus_table *table,
                                                           const struct iobus_reader *reader)
{
    return iobus_entry_of(table, iobus_clamp(reader->last_segment, table->segment_count - 1));
}

/* A call that was made has answered, in so many cycles. After the handler, which may have brought a
 * larger array of counters into use. */
static inline void iobus_count_call(const struct iobus_reader *reader,
                                    const struct iobus_call *call, uint64_t cycles)
{
    _Atomic uint64_t *counters = atomic_load_explicit(&reader->counters, memory_order_acquire);

    iobus_count(&counters[call->counter], 1);
    iobus_count(&counters[call->counter + UINT64_C(1)], cycles);
}

/* iobus_tsc, without the call. */
static inline uint64_t iobus_read_tsc(void)
{
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#else
    return 0;
#endif
}

#endif
