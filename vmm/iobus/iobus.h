// SPDX-License-Identifier: BSD-2-Clause
/* The I/O bus: finds the handler that answers a port or MMIO access.
 *
 * A bus holds one atomic pointer to an immutable table. vCPUs read the table without a lock, a
 * wait or a fence. A writer builds a new table, publishes it with one release store and
 * continues. The old table is freed after every vCPU has passed a quiescent point
 * (iobus_reader_quiesce).
 *
 * How an access is answered (iobus_access):
 * 1. A write is offered to the doorbells at exactly its address whose width and data fit: those
 *    with data first, then exact width before any width. The first doorbell that handles the
 *    write ends it.
 * 2. Otherwise the access is cut where the innermost range changes. Each part is offered to the
 *    ranges around it, innermost first: in naturally aligned pieces of the largest size that the
 *    range takes, low address first, as the processor and an ISA bridge cut a misaligned or too
 *    wide transfer (Intel SDM vol. 1, "I/O Address Space"). If a range takes no fitting piece,
 *    or declines, these bytes go to the next range outwards, which sees them joined again.
 * 3. Bytes that no handler answers read as ones; writes to them have no effect. Both are
 *    counted. */
#ifndef VMM_IOBUS_IOBUS_H
#define VMM_IOBUS_IOBUS_H

#include "vmm/base/spinlock.h"
#include "vmm/base/status.h"
#include "vmm/base/types.h"
#include "vmm/iobus/io_access.h"
#include "vmm/iobus/unclaimed.h"

#include <stdatomic.h>

/* The bus copies names and cuts longer ones. */
#define IOBUS_NAME_BYTES 32

#define IOBUS_PORT_LAST UINT64_C(0xffff)
#define IOBUS_MMIO_LAST UINT64_MAX

/* On a bus of ports unclaimed accesses are counted for each port. On a bus with a larger address
 * space they are counted for each block of this many bytes, so that a guest that scans memory does
 * not fill the table. */
#define IOBUS_UNCLAIMED_GRANULE UINT64_C(0x1000)

/* Values for struct iobus_range.access_sizes: sizes in bytes, joined with |. */
#define IOBUS_SIZES_1   1
#define IOBUS_SIZES_ALL (1 | 2 | 4 | 8)

/* Limits a registration to certain writes: a doorbell. */
struct iobus_match {
    uint8_t width_bytes; /* 1, 2, 4, 8; 0: any */
    bool has_data;
    uint64_t data; /* the value written, zero-extended; 0 without has_data */
};

/* A registration. The bus reads it only during the call that registers it.
 *
 * An overlay lies before a range. It may cover exactly the same addresses as one range that is not
 * an overlay. Then the overlay is the inner one of the two, and an access that it declines goes to
 * the range under it. */
struct iobus_range {
    uint64_t first;
    uint64_t length_bytes; /* 1..2^63; for a doorbell: its width, 1 for any width */
    const char *name;
    uint8_t access_sizes; /* 1|2|4|8: sizes that the handler takes; 0 for a doorbell */
    io_handler *handler;
    void *context;
    const struct iobus_match *match; /* null: a range of a device; else a doorbell */
    bool is_overlay;                 /* false for a doorbell */
    bool is_by_initiator; /* the handler answers each initiator with something of its own,
                                        and takes no access that is nobody's; the bus only keeps this */
};

/* Identifies one registration of one bus; a handle is never used again for another one. All zero
 * means none. */
struct iobus_handle {
    uint64_t serial;
    uint32_t slot;
};

/* Two registrations that exclude each other. */
struct iobus_conflict {
    char new_name[IOBUS_NAME_BYTES];
    char old_name[IOBUS_NAME_BYTES]; /* may be in the same update */
    uint64_t new_first, new_last;
    uint64_t old_first, old_last;
};

/* Reports that what an update removed can no longer be in use. The caller keeps the struct until
 * then. The bus first sets done (release), then calls callback, if there is one, with context, on
 * the CPU that reclaims and without the bus's lock. The bus does not use the completion after it
 * has set done. */
struct iobus_completion {
    _Atomic bool done;
    void (*callback)(void *context);
    void *context;
    struct iobus_completion *next; /* only the bus uses it */
};

/* A change of a bus. All of it becomes visible at once, or none of it. */
struct iobus_change {
    const struct iobus_range *additions;
    size_t addition_count;
    struct iobus_handle *handles; /* out: addition_count handles; null: the caller will not remove
                                     them */
    const struct iobus_handle *removals;
    size_t removal_count;
    struct iobus_completion *completion; /* null: no report */
};

/* The bus's source of memory. The functions are called with the bus's lock held, so they must not
 * call the bus. allocate returns null if there is no memory; alignment_bytes is a power of two up
 * to 64. */
struct iobus_allocator {
    void *(*allocate)(void *context, size_t size_bytes, size_t alignment_bytes);
    void (*release)(void *context, void *memory, size_t size_bytes);
    void *context;
};

/* The largest number of counter arrays for one reader. Only one vCPU writes a counter, so counting
 * uses no shared cache line. Each slot has two counters: hits, the number of accesses, or pieces of
 * them, that the handler answered; and the cycles spent in the handler for these, if the bus has a
 * clock. Counters never move: if more slots are needed, a larger array comes into use, and the
 * earlier arrays stay part of the sums. */
#define IOBUS_COUNTER_ARRAYS 24

/* One vCPU's view of one bus. All fields belong to the bus. */
struct iobus_reader {
    _Alignas(64) _Atomic uint64_t seen_epoch; /* see reclaim.c */
    _Atomic bool is_parked;
    uint32_t last_segment; /* the segment of the last access; only a hint */
    struct iobus *bus;
    void *initiator;
    _Atomic(_Atomic uint64_t *) counters; /* the newest array */
    struct io_access piece; /* the fast half's access in progress. It stands here, and not on the
                               stack, because its initiator is always the same */
    _Atomic uint64_t *counter_arrays[IOBUS_COUNTER_ARRAYS];
    struct iobus_unclaimed unclaimed;
    struct iobus_reader *next;
};

struct iobus {
    /* Read by every vCPU, written only at a publication. */
    _Alignas(64) _Atomic(const struct iobus_table *) table;
    _Atomic uint64_t epoch; /* counts publications */
    uint64_t address_last;
    uint64_t (*clock)(void);

    /* For writers, under the lock. */
    _Alignas(64) struct spinlock lock;
    struct iobus_allocator allocator;
    struct iobus_reader *readers;
    struct iobus_table *retired_first, *retired_last;
    _Atomic uint32_t retired_count; /* read without the lock as well */
    struct iobus_slot *slots;
    uint32_t slot_count;  /* as many as the newest counter arrays have */
    uint32_t slot_free;   /* first of the free list */
    uint32_t array_count; /* the number of counter arrays of each reader */
    uint64_t next_serial;
    struct iobus_store *store;           /* the calls */
    struct iobus_index_page *empty_page; /* for an index without content */
    struct iobus_unclaimed departed;     /* the counts of detached readers */
};

/* Returns the processor's time-stamp counter; a clock for iobus_init, which the bus reads without a
 * call. On other processors than x86-64 it is always 0. */
uint64_t iobus_tsc(void);

/* Makes an empty bus for the addresses 0..address_last. clock returns a cycle count and is read
 * around every handler; null: there is no clock.
 * STATUS_NO_MEMORY: there is no memory for it. */
MUST_USE enum status iobus_init(struct iobus *bus, uint64_t address_last,
                                const struct iobus_allocator *allocator, uint64_t (*clock)(void));

/* Frees all memory and ends all completions. All readers are detached (CHECK). */
void iobus_destroy(struct iobus *bus);

/* Registers and removes ranges in one step. The additions are checked against the ranges that stay
 * after the removals. Two ranges are either disjoint or one lies inside the other. They may cover
 * exactly the same addresses only if one is an overlay and the other is not. Two doorbells differ
 * in address, width or data. A handler may call this function; it waits only for other writers,
 * never for a vCPU. On an error nothing has changed.
 * STATUS_INVALID: a length, size, width or data breaks the rules above, or a doorbell is an
 *   overlay.
 * STATUS_OUT_OF_RANGE: a range does not end within the address space.
 * STATUS_CONFLICT: two registrations exclude each other; *conflict, if not null, names them.
 * STATUS_NOT_FOUND: a handle identifies nothing, or a registration removed before, or one twice.
 * STATUS_NO_MEMORY: only with additions; an update that only removes needs no memory. */
MUST_USE enum status iobus_update(struct iobus *bus, const struct iobus_change *update,
                                  struct iobus_conflict *conflict);

/* Does iobus_update with one addition. handle and conflict may be null. */
MUST_USE enum status iobus_register(struct iobus *bus, const struct iobus_range *range,
                                    struct iobus_handle *handle, struct iobus_conflict *conflict);

/* Does iobus_update with one removal. completion may be null.
 * STATUS_NOT_FOUND: the handle identifies nothing. There is no other error. */
MUST_USE enum status iobus_remove(struct iobus *bus, struct iobus_handle handle,
                                  struct iobus_completion *completion);

/* Frees what no vCPU can still use and ends the completions that waited for it. Returns the number
 * of replaced tables that still wait. Every update does this too. Not for the hot path. */
size_t iobus_reclaim(struct iobus *bus);

/* Returns the number of replaced tables that wait until no vCPU can still use them. Costs one
 * load. */
static inline uint32_t iobus_waiting(const struct iobus *bus)
{
    return atomic_load_explicit(&bus->retired_count, memory_order_relaxed);
}

/* Makes *reader a parked reader of the bus. The struct must not be moved until it is detached.
 * Handlers find initiator in each access that is made with this reader; the bus does not use it.
 * STATUS_NO_MEMORY: there is no memory for its counters. */
MUST_USE enum status iobus_reader_attach(struct iobus *bus, struct iobus_reader *reader,
                                         void *initiator);

/* Detaches a reader, which is parked. Its counts stay in the sums. */
void iobus_reader_detach(struct iobus_reader *reader);

/* Parks a reader: its vCPU halts or stops and uses no table until iobus_reader_begin, so nothing
 * waits for it. */
void iobus_reader_park(struct iobus_reader *reader);

/* Does iobus_reader_begin for a parked reader. */
void iobus_reader_unpark(struct iobus_reader *reader);

/* Begins to use the bus; called on VM exit, before any access. Tests only the reader's own flag,
 * unless the reader was parked. */
static inline void iobus_reader_begin(struct iobus_reader *reader)
{
    if (__builtin_expect(atomic_load_explicit(&reader->is_parked, memory_order_relaxed), 0))
        iobus_reader_unpark(reader);
}

/* Marks a quiescent point: this vCPU holds no table now. Called just before VM entry, outside any
 * iobus_access. Costs two loads, and a store only after a publication. reclaim.c explains why this
 * order is enough. */
static inline void iobus_reader_quiesce(struct iobus_reader *reader)
{
    uint64_t epoch = atomic_load_explicit(&reader->bus->epoch, memory_order_acquire);

    if (atomic_load_explicit(&reader->seen_epoch, memory_order_relaxed) != epoch)
        atomic_store_explicit(&reader->seen_epoch, epoch, memory_order_release);
}

/* Answers an access by the rules above, from one table. All accesses are allowed: any address, size
 * 1, 2, 4 or 8. The caller need not set access->initiator. Sets the value of a read, with zeros
 * above its size; a write is not changed. The handler gets a naturally aligned access of a size that
 * it takes, inside its range (a doorbell gets the guest's own access). If the handler of a read sets
 * no value, the value is all ones. A handler may change the access's value; a handler that declines
 * may change all of the access. The caller runs on the reader's vCPU, after iobus_reader_begin and
 * not parked. A handler may call this function again. The exits of the run loop make the same access
 * through fast.h. */
void iobus_access(struct iobus *bus, struct iobus_reader *reader, struct io_access *access);

/* A registered range; its name may be cut. */
struct iobus_registered {
    char name[IOBUS_NAME_BYTES];
    uint64_t first, last;
    uint8_t access_sizes;
    bool is_by_initiator;
    io_handler *handler;
    void *context;
};

/* Finds the innermost range around an address that is neither a doorbell nor an overlay. Returns
 * false and leaves *found unchanged if there is none. The range may be removed as soon as this
 * function returns, so the caller has to know why it stays. Waits for writers; not for the hot
 * path. */
bool iobus_find_range(struct iobus *bus, uint64_t address, struct iobus_registered *found);

struct iobus_range_info {
    char name[IOBUS_NAME_BYTES];
    uint64_t first, last;
    uint8_t access_sizes;
    bool is_overlay;
    bool has_match;
    struct iobus_match match;
    uint64_t hits, cycles; /* of all readers together */
};

/* Calls visit for every registration in address order: outer ranges before inner ones, a range
 * before the overlay of the same addresses, ranges before doorbells. No lock is held during the
 * calls, so visit may take long and may change the bus. A registration that is added or removed
 * during the walk may be seen or not. */
void iobus_for_each_range(struct iobus *bus,
                          void (*visit)(void *context, const struct iobus_range_info *info),
                          void *context);

/* Calls visit for every address (on a bus of MMIO: every granule) with unclaimed accesses in the
 * readers' tables, in no order, summed over the readers. Returns the counts of the accesses that
 * found no place, with address 0. No lock is held while visit runs. */
struct iobus_unclaimed_count
iobus_for_each_unclaimed(struct iobus *bus,
                         void (*visit)(void *context, const struct iobus_unclaimed_count *count),
                         void *context);

#endif
