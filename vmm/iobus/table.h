/* What a bus publishes. The bus's own: nobody outside vmm/iobus includes this.
 *
 * A struct iobus_table is what the bus points to: immutable, small. Its arrays lie in one layout,
 * one piece of memory. Usually each table has a layout of its own; but a removal that finds no
 * memory for a new layout publishes a table with the old layout and a higher removal_count, which
 * makes the removed targets dead for this table and leaves them alive for the earlier ones. The
 * memory for that table came with the registration, so removing cannot fail. */
#ifndef VMM_IOBUS_TABLE_H
#define VMM_IOBUS_TABLE_H

#include "vmm/iobus/flatten.h"
#include "vmm/iobus/iobus.h"

/* Whom to call, and when without further ado. Hot: two to a cache line. */
struct iobus_call {
    _Alignas(32) io_handler *handler;
    void *context;
    uint32_t counter;          /* of its hits, in the reader's counters; its cycles are the next */
    uint32_t point;            /* the doorbells at the segment's only address; or IOBUS_NONE */
    uint32_t refused_sizes[2]; /* for reads, for writes: all but the sizes that, aligned, go to the
                                * handler from wherever in the segment they begin */
};
_Static_assert(sizeof(struct iobus_call) == 32, "an array of them is indexed by a shift");

struct iobus_target {
    _Alignas(64) struct iobus_call call; /* handler, context and counter of it */
    uint8_t access_sizes;
    uint32_t parent; /* the range around this one, a target; or IOBUS_NONE */
    /* Dead for tables whose removal_count is at least this; UINT32_MAX while alive. */
    _Atomic uint32_t dead_from;
};

/* What the common access needs to know of a segment of a bus that has no index of all addresses, in
 * one line; entry i is segment i's. */
struct iobus_entry {
    _Alignas(64) uint64_t first;
    uint64_t length_minus_1;
    struct iobus_call call;
};

/* A doorbell with data, in a table by iobus_bell_slot. Of two that want one slot, one is not there
 * and found by search. */
struct iobus_bell {
    uint64_t data;
    uint32_t key; /* iobus_bell_key, or IOBUS_NONE: empty */
    uint32_t target;
};

enum {
    IOBUS_WIDTH_ANY,
    IOBUS_WIDTH_1,
    IOBUS_WIDTH_2,
    IOBUS_WIDTH_4,
    IOBUS_WIDTH_8,
    IOBUS_WIDTH_COUNT,
};

/* The doorbells of one address. Those with data are neighbours among the targets, grouped by width,
 * in each group ascending by data: [data_first[w], data_first[w + 1]). */
struct iobus_point {
    uint32_t data_first[IOBUS_WIDTH_COUNT + 1];
    uint32_t without_data[IOBUS_WIDTH_COUNT]; /* or IOBUS_NONE */
    uint32_t only_any; /* without_data[IOBUS_WIDTH_ANY] if there is no other; or IOBUS_NONE */
};

struct iobus_layout {
    size_t size_bytes;
    uint32_t table_count; /* tables that use it, retired ones included */
    uint32_t removal_count;
    uint32_t segment_count;
    uint32_t tree_levels;
    uint64_t *starts;
    uint64_t *tree;
    uint32_t *page_index;
    uint32_t page_mask;
    uint32_t bell_mask;
    struct iobus_bell *bells;
    uint16_t *port_index; /* null but for a bus of ports */
    struct iobus_call *port_calls;
    struct iobus_entry *entries;
    struct iobus_segment *segments;
    struct iobus_target *targets;
    uint64_t *data; /* of the targets that are doorbells with data */
    struct iobus_point *points;
    /* The writers' own. The live registrations in the order of layout.c. */
    struct iobus_registration **registrations;
    uint32_t registration_count;
};

struct iobus_table {
    _Alignas(64) struct iobus_table_head head;
    /* Of the common access. A bus of ports: a call for every port. */
    const uint16_t *port_index; /* null if this is no bus of ports */
    const struct iobus_call *port_calls;
    /* Any other: which entry may be the one; lookup.h tells how. */
    const struct iobus_entry *entries;
    const uint32_t *page_index; /* page_mask + 1 numbers of entries, by iobus_page_slot */
    const uint64_t *tree;
    uint32_t page_mask;
    uint32_t tree_levels;
    uint32_t entry_last;

    const uint64_t *starts; /* of the segments, packed for the search */
    const struct iobus_segment *segments;
    const struct iobus_target *targets;
    const uint64_t *data;
    const struct iobus_bell *bells; /* bell_mask + 1 of them, by iobus_bell_slot */
    const struct iobus_point *points;
    uint64_t (*clock)(void); /* the bus's */
    uint64_t address_last;   /* the bus's */
    uint32_t bell_mask;
    uint32_t segment_count; /* at least 1 */
    uint32_t removal_count; /* 0: nothing here is dead */

    /* The writers' own. */
    struct iobus_layout *layout;
    struct iobus_table *next_retired;
    uint64_t retired_epoch;
    struct iobus_registration *removed; /* by the update that retired this table */
    struct iobus_completion *completion;
};

/* A registration's lasting half, the writers' own. */
struct iobus_registration {
    uint64_t first, last;
    io_handler *handler;
    void *context;
    uint8_t access_sizes;
    bool is_doorbell;
    bool is_overlay;
    bool is_leaving; /* named by the removals of the update in progress */
    bool is_new;     /* among its additions */
    struct iobus_match match;
    uint32_t slot;
    uint32_t target;                   /* in the current layout */
    struct iobus_table *removal_table; /* for its removal to publish */
    uint64_t departed_hits, departed_cycles;
    struct iobus_registration *next_removed;
    size_t addition_index; /* in the update that brought it */
    char name[IOBUS_NAME_BYTES];
};

/* What a handle names, and what the counters are numbered by. A slot is free again only when nobody
 * can be counting in it any more. */
struct iobus_slot {
    struct iobus_registration *registration; /* null: free or on its way out */
    uint64_t serial;
    uint32_t next_free;
};

static inline bool iobus_target_is_dead(const struct iobus_table *table, uint32_t target)
{
    return atomic_load_explicit(&table->targets[target].dead_from, memory_order_relaxed) <=
           table->removal_count;
}

/* How many slots counter array `array` has room for. */
static inline uint32_t iobus_array_slots(uint32_t array)
{
    return (UINT32_C(128) << array) - 64;
}

/* Where a slot's hits are in each array that has room for it; its cycles are the next. */
static inline uint32_t iobus_slot_counter(uint32_t slot)
{
    return 2 * slot;
}

/* Names the doorbells with data of one point and width; keys of two such groups differ. */
static inline uint32_t iobus_bell_key(uint32_t point, unsigned width)
{
    return 8 * point + width;
}

/* access.c */

/* How tables answer: those in which something is dead; else by kind of bus and by whether it has a
 * clock. */
extern const struct iobus_table_head iobus_dead_table_head, iobus_table_heads[2][2];

/* layout.c */

/* Orders registrations: by address, ranges before doorbells, outer ranges before inner, the range
 * before its overlay, doorbells with data first, then by width and data. 0 for what may not exist
 * twice. */
int iobus_registration_order(const struct iobus_registration *a,
                             const struct iobus_registration *b);

/* Sorts by iobus_registration_order, in place, n log n. */
void iobus_registrations_sort(struct iobus_registration **registrations, size_t count);

/* Builds the layout of what old holds, without those that are leaving, and the sorted additions.
 * old may be null. On success, for the caller to publish, every registration's target tells where
 * it is in the new layout. STATUS_NO_MEMORY, or STATUS_CONFLICT with *new_side and *old_side set.
 */
MUST_USE enum status iobus_layout_build(const struct iobus_allocator *allocator,
                                        uint64_t address_last, const struct iobus_layout *old,
                                        struct iobus_registration *const *additions,
                                        size_t addition_count, struct iobus_layout **layout,
                                        const struct iobus_registration **new_side,
                                        const struct iobus_registration **old_side);

/* Points a table to a layout, with the layout's count of removals. */
void iobus_table_set(const struct iobus *bus, struct iobus_table *table,
                     struct iobus_layout *layout);

/* reclaim.c */

/* Frees the retired tables that nobody can be using, and what was removed with them. Returns their
 * completions, oldest first, appended to the list given (null: none). The caller holds the lock. */
struct iobus_completion *iobus_collect(struct iobus *bus, struct iobus_completion *completions);

/* Ends the completions. The caller does not hold the lock. */
void iobus_finish(struct iobus_completion *completions);

/* Gives back a registration, its slot and its memory. */
void iobus_registration_free(struct iobus *bus, struct iobus_registration *registration);

/* Makes table the bus's and retires the one before, with what the update removed. */
void iobus_publish(struct iobus *bus, struct iobus_table *table, struct iobus_registration *removed,
                   struct iobus_completion *completion);

/* The current table; the caller holds the lock. */
static inline struct iobus_table *iobus_current(struct iobus *bus)
{
    /* Only vCPUs need it const. */
    return (struct iobus_table *)atomic_load_explicit(&bus->table, memory_order_relaxed);
}

/* slots.c: slots, and the counters that readers keep by slot number */

/* Takes a free slot, its counters zero; grows slots and counters if there is none.
 * STATUS_NO_MEMORY. */
MUST_USE enum status iobus_slot_take(struct iobus *bus, uint32_t *slot);
void iobus_slot_give_back(struct iobus *bus, uint32_t slot);

/* What all readers, present and past, counted for a registration. The caller holds the lock. */
void iobus_slot_sum(const struct iobus *bus, const struct iobus_registration *registration,
                    uint64_t *hits, uint64_t *cycles);

/* Memory from the bus's allocator. */
static inline void *iobus_allocate(struct iobus *bus, size_t size_bytes)
{
    return bus->allocator.allocate(bus->allocator.context, size_bytes, 64);
}

static inline void iobus_release(struct iobus *bus, void *memory, size_t size_bytes)
{
    bus->allocator.release(bus->allocator.context, memory, size_bytes);
}

#endif
