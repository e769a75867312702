// SPDX-License-Identifier: BSD-2-Clause
/* What a bus's tables are made from. The writers' own: nobody outside vmm/iobus includes this.
 *
 * A struct iobus_table is what the bus points to; it is immutable. Its arrays lie in one layout,
 * one piece of memory, and so does usually the table itself. But a removal that finds no memory for
 * a new layout publishes a table with the old layout and a higher removal_count, which makes the
 * removed targets dead for this table and leaves them alive for the earlier ones. The memory for
 * that table came with the registration, so removing cannot fail.
 *
 * Layouts share the calls and the pieces of the index that are the same in them; see index.c. In
 * all a registration takes about a kilobyte, a doorbell a little more; the index of a bus of ports
 * up to 260 KiB besides. A publication makes 200 to 400 bytes of it per registration anew, and 4
 * KiB for each piece of the index that it changes. */
#ifndef VMM_IOBUS_LAYOUT_H
#define VMM_IOBUS_LAYOUT_H

#include "vmm/iobus/table.h"

struct iobus_target {
    _Alignas(64) struct iobus_call call; /* handler, context and counter of it */
    uint8_t access_sizes;
    uint32_t parent; /* the range around this one, a target; or IOBUS_NONE */
    /* Dead for tables whose removal_count is at least this; UINT32_MAX while alive. */
    _Atomic uint32_t dead_from;
};

/* The table of bells has, by iobus_bell_slot, the calls of doorbells with data: all there is to
 * know of one. point is its key, or IOBUS_NONE where a slot is empty. Of two that want one slot,
 * one is not there and found by search. */

/* The doorbells of one address. Those with data are neighbours among the targets, grouped by width,
 * in each group ascending by data: [data_first[w], data_first[w + 1]). */
struct iobus_point {
    uint32_t data_first[IOBUS_WIDTH_COUNT + 1];
    uint32_t without_data[IOBUS_WIDTH_COUNT]; /* or IOBUS_NONE */
    uint32_t only_one; /* the doorbell if there is no other and it has no data; or IOBUS_NONE */
};

/* No slot: a slot may be another's while there are targets of its last owner that are dead. */
#define IOBUS_SLOT_DEAD (IOBUS_NONE - 1)

struct iobus_layout {
    size_t size_bytes;
    struct iobus_table *table; /* its first, in the same piece of memory */
    uint32_t table_count;      /* tables that use it, retired ones included */
    uint32_t removal_count;
    uint32_t segment_count;
    uint32_t tree_levels;
    uint64_t *starts;
    uint64_t *tree;
    uint32_t *numbers; /* of the segments' calls */
    uint32_t *slots;   /* of the targets' registrations, or IOBUS_SLOT_DEAD; the writers' */
    uint32_t bell_mask;
    struct iobus_call *bells;
    struct iobus_segment *segments;
    struct iobus_target *targets;
    uint64_t *data; /* of the targets that are doorbells with data */
    struct iobus_point *points;
    /* The writers' own. The live registrations in the order of layout.c. */
    struct iobus_registration **registrations;
    uint32_t registration_count;
    /* See index.c. */
    struct iobus_index_page **pages; /* the table's */
    uint32_t page_count;
    bool is_crowded;           /* some page's slot was another's */
    struct iobus_store *store; /* that has its calls */
    uint32_t replaced; /* first of the list of calls the layout before had and this has not */
    uint32_t added;    /* the other way round */
    uint32_t dropped;  /* free when this layout is: what the next one replaced */
};

/* Calls, or on a bus that is not of ports entries, by number. Numbers below IOBUS_NOBODY_CALLS are
 * always there: on a bus of ports nobody, where aligned accesses of the sizes joined in the number
 * end before somebody begins; elsewhere, number 0 is no guess at all. A port's two calls have one
 * number. */
#define IOBUS_NOBODY_CALLS 16
struct iobus_store {
    uint32_t use_count; /* layouts, and the bus if it is the newest */
    uint32_t capacity;
    size_t size_bytes;
    struct iobus_port_calls *calls; /* null but for a bus of ports */
    struct iobus_entry *entries;    /* null for a bus of ports */
    uint32_t *next;                 /* for each number: the next on the list that it is on */
    uint32_t first_free;
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
    struct iobus_table *removal_table; /* for its removal to publish if there is no memory */
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
MUST_USE enum status iobus_layout_build(struct iobus *bus, const struct iobus_layout *old,
                                        struct iobus_registration *const *additions,
                                        size_t addition_count, struct iobus_layout **layout,
                                        const struct iobus_registration **new_side,
                                        const struct iobus_registration **old_side);

/* Gives back a layout's share of what layouts have in common, and its memory. */
void iobus_layout_free(struct iobus *bus, struct iobus_layout *layout);

/* Points a table to a layout, with the layout's count of removals. */
void iobus_table_set(const struct iobus *bus, struct iobus_table *table,
                     struct iobus_layout *layout);

/* index.c: calls and the index of them, which tables share */

/* How many pieces the index has for so many segments. */
uint32_t iobus_index_pages(const struct iobus *bus, uint64_t segment_count);

/* Gives an empty bus its first calls. STATUS_NO_MEMORY. */
MUST_USE enum status iobus_index_init(struct iobus *bus);

/* Numbers the calls of the layout's segments and fills its index, both as in the layout before (or
 * null) wherever nothing has changed. False without memory; everything is then as before. */
MUST_USE bool iobus_index_build(struct iobus *bus, const struct iobus_layout *old,
                                struct iobus_layout *layout);

/* Gives back the layout's share, and the calls that it was the last to have. */
void iobus_index_drop(struct iobus *bus, struct iobus_layout *layout);

/* When the bus has no layout any more. */
void iobus_index_destroy(struct iobus *bus);

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
