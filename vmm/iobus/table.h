// SPDX-License-Identifier: BSD-2-Clause
/* The table that a bus publishes: the calls of all addresses, and the indexes by which an access
 * finds its call. Outside vmm/iobus only fast.h brings this file in. layout.h has what writers
 * build it from. */
#ifndef VMM_IOBUS_TABLE_H
#define VMM_IOBUS_TABLE_H

#include "vmm/iobus/flatten.h"
#include "vmm/iobus/iobus.h"
#include "vmm/iobus/lookup.h"

/* The handler for the addresses of a segment, and the accesses that go to it without any further
 * check. Used in every access: two fit into a cache line. A call stays unchanged from table to
 * table; see index.c. */
struct iobus_call {
    _Alignas(32) io_handler *handler; /* null: there is no handler */
    void *context;
    uint32_t counter; /* the reader's counter of its hits; the next counter has its cycles */
    uint32_t point;   /* the call's number if doorbells are at its address; or IOBUS_NONE. In the
                         table of bells: the doorbell's iobus_bell_key */
    union {
        struct {                       /* for reads, for writes */
            uint16_t refused_sizes[2]; /* all sizes except those whose aligned accesses go to the
                                          handler, wherever in the segment they begin */
            uint16_t
                unclaimed_sizes[2]; /* without a handler: sizes whose aligned accesses no handler
                                       answers */
        };
        uint64_t data; /* in the table of bells: the value that the doorbell wants */
    };
};
_Static_assert(sizeof(struct iobus_call) == 32, "an array of them is indexed by a shift");

/* The calls of a port, in one cache line: for reads and for writes. They differ only if the port
 * has a single doorbell without data: then the doorbell is the call for writes. */
struct iobus_port_entry {
    _Alignas(64) struct iobus_call by_direction[2];
};

/* A call with its addresses, in one cache line: for a bus that has no index of all its addresses.
 * If a segment has a single doorbell without data, the doorbell has an entry of its own, which is
 * in no index; its call is the one for writes. */
struct iobus_entry {
    _Alignas(64) uint64_t first;
    uint64_t length_minus_1;
    int64_t write_call_at; /* in bytes from `call`; nearly always 0 */
    bool is_for_writes;    /* the entry is the doorbell's */
    struct iobus_call call;
};
_Static_assert(sizeof(struct iobus_entry) == 64, "one line");

/* A piece of an index: the places of calls, in bytes from the first call. Tables share pieces that
 * are the same in them. */
#define IOBUS_INDEX_PAGE 1024
struct iobus_index_page {
    _Alignas(64) uint32_t offsets_bytes[IOBUS_INDEX_PAGE];
    _Alignas(64) uint32_t use_count; /* the number of layouts that use the piece; for writers */
};

/* The way by which an access finds its call. */
enum iobus_way {
    IOBUS_WAY_SLOW,   /* only iobus_access: a target is dead, or the clock is not iobus_tsc */
    IOBUS_WAY_PORT,   /* fast.h, by an index of all ports */
    IOBUS_WAY_MEMORY, /* fast.h, by an index of page numbers, whose result is checked */
};

/* The table of a bus. A published table never changes; see layout.h. The fields of the common
 * access come first, so that few loads lie between the bus and the handler. */
struct iobus_table {
    _Alignas(64) const uint8_t *calls; /* struct iobus_port_entry; on a bus that is not of ports
                                          iobus_entry */
    enum iobus_way way;
    uint32_t slot_mask; /* the index has slot_mask + 1 slots, a power of two */

    bool is_ports;
    uint32_t removal_count;  /* 0: no target is dead */
    uint64_t (*clock)(void); /* the bus's */
    uint64_t address_last;   /* the bus's */
    uint32_t segment_count;  /* at least 1 */
    uint32_t bell_mask;      /* the table of bells has bell_mask + 1 slots */
    uint32_t tree_levels;
    const uint64_t *starts; /* the segments' first addresses, packed for the search */
    const struct iobus_segment *segments;
    const uint32_t *numbers; /* of the segments' calls */
    const uint64_t *tree;
    const struct iobus_target *targets;
    const uint64_t *data;
    const struct iobus_call *bells; /* by iobus_bell_slot; see layout.h */
    const struct iobus_point *points;

    /* For writers only. */
    struct iobus_layout *layout;
    struct iobus_table *next_retired;
    uint64_t retired_epoch;
    struct iobus_registration *removed; /* removed by the update that retired this table */
    struct iobus_completion *completion;

    /* The index; there is none if a target is dead. */
    _Alignas(64) struct iobus_index_page *pages[];
};

_Static_assert(offsetof(struct iobus_table, pages) == sizeof(struct iobus_table),
               "assigning to a table leaves its index alone");

/* For each access size 1, 2, 4, 8: a mask of the access's bytes. */
extern const uint64_t iobus_byte_masks[16];

/* Returns the call in the index's slot. Even if the processor speculates, the slot is within the
 * index. */
static inline const void *iobus_indexed(const struct iobus_table *table, uint32_t slot)
{
    return table->calls +
           table->pages[slot / IOBUS_INDEX_PAGE]->offsets_bytes[slot % IOBUS_INDEX_PAGE];
}

static inline const struct iobus_port_entry *iobus_port_calls(const struct iobus_table *table,
                                                              uint64_t port)
{
    return iobus_indexed(table, (uint16_t)port);
}

/* Returns the call of a port, for reads or for writes. */
static inline const struct iobus_call *iobus_port_call(const struct iobus_table *table,
                                                       uint64_t port, bool is_write)
{
    return &iobus_port_calls(table, port)->by_direction[is_write];
}

/* The widths of the writes that a doorbell takes. */
enum {
    IOBUS_WIDTH_ANY,
    IOBUS_WIDTH_1,
    IOBUS_WIDTH_2,
    IOBUS_WIDTH_4,
    IOBUS_WIDTH_8,
    IOBUS_WIDTH_COUNT,
};

/* Returns a key for the doorbells with data of one point and width; number is that of the point's
 * call. Two such groups have different keys. */
static inline uint32_t iobus_bell_key(uint32_t number, unsigned width)
{
    return 8 * number + width;
}

/* Returns the doorbell of this key and data, if it has its slot; else another doorbell or an empty
 * slot. The caller compares key and data. */
static inline const struct iobus_call *iobus_bell(const struct iobus_table *table, uint32_t key,
                                                  uint64_t data)
{
    return &table->bells[iobus_bell_slot(data, key, table->bell_mask)];
}

/* Returns an entry that may have the address; the caller checks it. */
static inline const struct iobus_entry *iobus_guess(const struct iobus_table *table,
                                                    uint64_t address)
{
    return iobus_indexed(table, iobus_page_slot(address, table->slot_mask));
}

static inline bool iobus_entry_covers(const struct iobus_entry *entry, uint64_t address)
{
    return iobus_covers(entry->first, entry->length_minus_1, address);
}

/* Returns a segment's entry on a bus that is not of ports. */
static inline const struct iobus_entry *iobus_entry_of(const struct iobus_table *table,
                                                       uint64_t segment)
{
    return (const struct iobus_entry *)(const void *)table->calls + table->numbers[segment];
}

/* Returns the entry of the last access as a guess: last_segment may come from an older table. */
static inline const struct iobus_entry *iobus_second_guess(const struct iobus_table *table,
                                                           const struct iobus_reader *reader)
{
    return iobus_entry_of(table, iobus_clamp(reader->last_segment, table->segment_count - 1));
}

/* Counts one call that a handler has answered, with the cycles that it took. Called after the
 * handler, because the handler may have brought a larger array of counters into use. */
static inline void iobus_count_call(const struct iobus_reader *reader,
                                    const struct iobus_call *call, uint64_t cycles)
{
    _Atomic uint64_t *counters = atomic_load_explicit(&reader->counters, memory_order_acquire);

    iobus_count(&counters[call->counter], 1);
    iobus_count(&counters[call->counter + UINT64_C(1)], cycles);
}

#endif
