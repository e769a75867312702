// SPDX-License-Identifier: BSD-2-Clause
/* The layout: what writers build a bus's tables from. Nobody outside vmm/iobus includes this file.
 *
 * The bus points to a struct iobus_table, which is immutable. Its arrays lie in one layout, which
 * is one piece of memory; usually the table itself lies there too. But if a removal finds no memory
 * for a new layout, it publishes a table with the old layout and a higher removal_count. Then the
 * removed targets are dead for this table and not dead for the earlier ones. The memory for that
 * table was allocated at the registration, so a removal cannot fail.
 *
 * Layouts share the calls and the pieces of the index that are the same in them; see index.c. A
 * registration takes about one kilobyte, a doorbell a little more, and the index of a bus of ports
 * takes up to 260 KiB. A publication writes 200 to 400 bytes of it anew for each registration, and
 * 4 KiB for each piece of the index that it changes. */
#ifndef VMM_IOBUS_LAYOUT_H
#define VMM_IOBUS_LAYOUT_H

#include "vmm/iobus/table.h"

struct iobus_target {
    _Alignas(64) struct iobus_call call; /* only its handler, context and counter are used */
    uint8_t access_sizes;
    uint32_t parent; /* the target of the range around this one; or IOBUS_NONE */
    /* The target is dead for tables whose removal_count is at least this; UINT32_MAX: not dead. */
    _Atomic uint32_t dead_from;
};

/* The table of bells has the calls of doorbells with data, by iobus_bell_slot: all that an access
 * needs to know about a doorbell. point is the doorbell's key; IOBUS_NONE: the slot is empty. If
 * two doorbells want one slot, one of them is not in the table; a search finds it. */

/* The doorbells of one address. Those with data are neighbours among the targets, grouped by width,
 * and ascend by data in each group: [data_first[w], data_first[w + 1]). */
struct iobus_point {
    uint32_t data_first[IOBUS_WIDTH_COUNT + 1];
    uint32_t without_data[IOBUS_WIDTH_COUNT]; /* a target; or IOBUS_NONE */
    uint32_t only_one; /* the doorbell, if it is the only one and has no data; or IOBUS_NONE */
};

/* Marks a dead target without a slot: another registration may get the slot while a dead target of
 * its last owner still exists. */
#define IOBUS_SLOT_DEAD (IOBUS_NONE - 1)

struct iobus_layout {
    size_t size_bytes;
    struct iobus_table *table; /* the layout's first table, in the same piece of memory */
    uint32_t table_count;      /* tables that use it, including retired ones */
    uint32_t removal_count;
    uint32_t segment_count;
    uint32_t tree_levels;
    uint64_t *starts;
    uint64_t *tree;
    uint32_t *numbers; /* the numbers of the segments' calls */
    uint32_t *slots;   /* the slots of the targets' registrations, or IOBUS_SLOT_DEAD; for
                          writers */
    uint32_t bell_mask;
    struct iobus_call *bells;
    struct iobus_segment *segments;
    struct iobus_target *targets;
    uint64_t *data; /* for targets that are doorbells with data */
    struct iobus_point *points;
    /* For writers only. The registrations that are not removed, in the order of layout.c. */
    struct iobus_registration **registrations;
    uint32_t registration_count;
    /* See index.c. */
    struct iobus_index_page **pages; /* those of the table */
    uint32_t page_count;
    bool is_crowded;           /* two pages wanted the same slot */
    struct iobus_store *store; /* the store with its calls */
    uint32_t replaced;         /* first of the list of the calls that only the layout before had */
    uint32_t added;            /* first of the list of the calls that only this layout has */
    uint32_t dropped; /* calls that become free with this layout: those that the next layout
                          replaced */
};

/* The calls by number, on a bus that is not of ports the entries. Numbers below IOBUS_NOBODY_CALLS
 * always exist. On a bus of ports they are calls without a handler: aligned accesses of the sizes
 * joined in the number end before a handler's addresses begin. On other buses number 0 is no guess.
 * The two calls of a port have one number. */
#define IOBUS_NOBODY_CALLS 16
struct iobus_store {
    uint32_t use_count; /* the number of layouts that use it, plus the bus if it is the newest */
    uint32_t capacity;
    size_t size_bytes;
    struct iobus_port_entry *calls; /* null, except on a bus of ports */
    struct iobus_entry *entries;    /* null on a bus of ports */
    uint32_t *next;                 /* for each number: the next number in its list */
    uint32_t first_free;
};

/* The lasting part of a registration, for writers only. */
struct iobus_registration {
    uint64_t first, last;
    io_handler *handler;
    void *context;
    uint8_t access_sizes;
    bool is_doorbell;
    bool is_overlay;
    bool is_by_initiator;
    bool is_leaving; /* is among the removals of the update in progress */
    bool is_new;     /* is among its additions */
    struct iobus_match match;
    uint32_t slot;
    uint32_t target;                   /* in the current layout */
    struct iobus_table *removal_table; /* the table that its removal publishes if there is no
                                          memory */
    uint64_t departed_hits, departed_cycles;
    struct iobus_registration *next_removed;
    size_t addition_index; /* its index in the update that added it */
    char name[IOBUS_NAME_BYTES];
};

/* A slot: a handle refers to it, and counters are numbered by it. A slot becomes free only when
 * nobody can count in it any more. */
struct iobus_slot {
    struct iobus_registration *registration; /* null: free or just being removed */
    uint64_t serial;
    uint32_t next_free;
};

static inline bool iobus_target_is_dead(const struct iobus_table *table, uint32_t target)
{
    return atomic_load_explicit(&table->targets[target].dead_from, memory_order_relaxed) <=
           table->removal_count;
}

/* Returns how many slots the counter array `array` has room for. */
static inline uint32_t iobus_array_slots(uint32_t array)
{
    return (UINT32_C(128) << array) - 64;
}

/* Returns the index of a slot's hits in each array that has room for it; the next counter has its
 * cycles. */
static inline uint32_t iobus_slot_counter(uint32_t slot)
{
    return 2 * slot;
}

/* layout.c */

/* Compares registrations: by address, ranges before doorbells, outer ranges before inner ones, a
 * range before its overlay, doorbells with data first, then by width and data. Returns less than,
 * equal to or greater than 0; equal registrations may not both exist. */
int iobus_registration_order(const struct iobus_registration *a,
                             const struct iobus_registration *b);

/* Sorts by iobus_registration_order, in place, in n log n steps. */
void iobus_registrations_sort(struct iobus_registration **registrations, size_t count);

/* Builds the layout of the registrations in old, except those that are leaving, and of the sorted
 * additions. old may be null. On success *layout is ready for the caller to publish, and every
 * registration's target is its target in the new layout.
 * STATUS_NO_MEMORY: there is no memory for it.
 * STATUS_CONFLICT: *new_side and *old_side are the two registrations that exclude each other. */
MUST_USE enum status iobus_layout_build(struct iobus *bus, const struct iobus_layout *old,
                                        struct iobus_registration *const *additions,
                                        size_t addition_count, struct iobus_layout **layout,
                                        const struct iobus_registration **new_side,
                                        const struct iobus_registration **old_side);

/* Gives back a layout's share of the common calls and pieces, and frees its memory. */
void iobus_layout_free(struct iobus *bus, struct iobus_layout *layout);

/* Sets a table to a layout, with the layout's removal_count. */
void iobus_table_set(const struct iobus *bus, struct iobus_table *table,
                     struct iobus_layout *layout);

/* index.c: the calls and their index, which tables share */

/* Returns how many pieces the index has for this many segments. */
uint32_t iobus_index_pages(const struct iobus *bus, uint64_t segment_count);

/* Gives an empty bus its first calls.
 * STATUS_NO_MEMORY: there is no memory for them. */
MUST_USE enum status iobus_index_init(struct iobus *bus);

/* Numbers the calls of the layout's segments and fills its index, both as in the layout before (or
 * null) if nothing has changed there. Returns false if there is no memory; then nothing has
 * changed. */
MUST_USE bool iobus_index_build(struct iobus *bus, const struct iobus_layout *old,
                                struct iobus_layout *layout);

/* Gives back the layout's share of the index, and frees the calls that only it still had. */
void iobus_index_drop(struct iobus *bus, struct iobus_layout *layout);

/* Frees the store and the empty piece, after the last layout of the bus. */
void iobus_index_destroy(struct iobus *bus);

/* reclaim.c */

/* Frees the retired tables that nobody can still use, and what was removed with them. Appends their
 * completions, oldest first, to the given list (null: empty) and returns it. The caller holds the
 * lock. */
struct iobus_completion *iobus_collect(struct iobus *bus, struct iobus_completion *completions);

/* Ends the completions. The caller does not hold the lock. */
void iobus_finish(struct iobus_completion *completions);

/* Frees a registration, its slot and its memory. */
void iobus_registration_free(struct iobus *bus, struct iobus_registration *registration);

/* Makes table the bus's table and retires the one before, with what the update removed. The caller
 * holds the lock. */
void iobus_publish(struct iobus *bus, struct iobus_table *table, struct iobus_registration *removed,
                   struct iobus_completion *completion);

/* Returns the current table; the caller holds the lock. */
static inline struct iobus_table *iobus_current(struct iobus *bus)
{
    /* The table is constant only for vCPUs. */
    return (struct iobus_table *)atomic_load_explicit(&bus->table, memory_order_relaxed);
}

/* slots.c: slots, and the counters that readers keep by slot number */

/* Takes a free slot and clears its counters; if there is none, more slots and counters are
 * allocated.
 * STATUS_NO_MEMORY: there is no memory for them. */
MUST_USE enum status iobus_slot_take(struct iobus *bus, uint32_t *slot);
void iobus_slot_give_back(struct iobus *bus, uint32_t slot);

/* Sets *hits and *cycles to what all readers, including detached ones, counted for a registration.
 * The caller holds the lock. */
void iobus_slot_sum(const struct iobus *bus, const struct iobus_registration *registration,
                    uint64_t *hits, uint64_t *cycles);

/* Allocate and release memory from the bus's allocator, aligned to 64 bytes. */
static inline void *iobus_allocate(struct iobus *bus, size_t size_bytes)
{
    return bus->allocator.allocate(bus->allocator.context, size_bytes, 64);
}

static inline void iobus_release(struct iobus *bus, void *memory, size_t size_bytes)
{
    bus->allocator.release(bus->allocator.context, memory, size_bytes);
}

#endif
