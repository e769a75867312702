// SPDX-License-Identifier: BSD-2-Clause
/* The I/O bus: which handler answers a port or MMIO access.
 *
 * A bus holds one atomic pointer to an immutable table. vCPUs read it without lock, wait or fence;
 * a writer builds a new table, publishes it with one release store and goes on. What was replaced
 * is freed once every vCPU has passed a quiescent point (iobus_reader_quiesce).
 *
 * How an access is answered (iobus_access):
 * 1. A write is offered to the doorbells at exactly its address whose width and data fit, those
 *    with data first, then exact width before any width. The first that handles it ends it.
 * 2. Otherwise it is cut where the innermost range changes. Each part is offered to the ranges
 *    around it, innermost first: in naturally aligned pieces of the largest size the range takes,
 *    low address first, as the processor and an ISA bridge cut a misaligned or too wide transfer
 *    (Intel SDM vol. 1, "I/O Address Space"). A range that takes no fitting piece, or declines,
 *    leaves those bytes to the next one outwards, which sees them joined again.
 * 3. Bytes nobody answered read as ones; written, they vanish. Both are counted. */
#ifndef VMM_IOBUS_IOBUS_H
#define VMM_IOBUS_IOBUS_H

#include "vmm/base/spinlock.h"
#include "vmm/base/status.h"
#include "vmm/base/types.h"
#include "vmm/iobus/io_access.h"
#include "vmm/iobus/unclaimed.h"

#include <stdatomic.h>

/* Names are copied; longer ones are cut. */
#define IOBUS_NAME_BYTES 32

#define IOBUS_PORT_LAST UINT64_C(0xffff)
#define IOBUS_MMIO_LAST UINT64_MAX

/* Unclaimed accesses are counted per port; on a bus with a larger address space, per this many
 * bytes, so that somebody who scans memory does not fill the table. */
#define IOBUS_UNCLAIMED_GRANULE UINT64_C(0x1000)

/* For struct iobus_range.access_sizes: sizes in bytes, joined with |. */
#define IOBUS_SIZES_1   1
#define IOBUS_SIZES_ALL (1 | 2 | 4 | 8)

/* Narrows a registration to single writes: a doorbell. */
struct iobus_match {
    uint8_t width_bytes; /* 1, 2, 4, 8, or 0 for any */
    bool has_data;
    uint64_t data; /* the value written, zero-extended; 0 without has_data */
};

/* A registration. Only read during the call that registers it.
 *
 * An overlay stands before a range: it may also cover exactly the same addresses as one range that
 * is none, is then the inner one of the two, and what it declines goes on to the range under it. */
struct iobus_range {
    uint64_t first;
    uint64_t length_bytes; /* 1..2^63; of a doorbell its width, 1 for any width */
    const char *name;
    uint8_t access_sizes; /* 1|2|4|8: what the handler takes; 0 for a doorbell */
    io_handler *handler;
    void *context;
    const struct iobus_match *match; /* null: not a doorbell but a range of a device */
    bool is_overlay;                 /* false for a doorbell */
};

/* Names one registration of one bus, never two. All zero is none. */
struct iobus_handle {
    uint64_t serial;
    uint32_t slot;
};

/* The two registrations that do not go together. */
struct iobus_conflict {
    char new_name[IOBUS_NAME_BYTES];
    char old_name[IOBUS_NAME_BYTES]; /* may be of the same batch */
    uint64_t new_first, new_last;
    uint64_t old_first, old_last;
};

/* Says when what an update removed can no longer be in use. The caller keeps it alive until then.
 * done is set first (release), then callback, if any, is called with context, on whichever CPU
 * reclaims and without the bus's lock; the bus does not touch the completion after setting done. */
struct iobus_completion {
    _Atomic bool done;
    void (*callback)(void *context);
    void *context;
    struct iobus_completion *next; /* the bus's */
};

/* All of it becomes visible at once, or none of it. */
struct iobus_update {
    const struct iobus_range *additions;
    size_t addition_count;
    struct iobus_handle *handles; /* out, addition_count of them; null if nobody will remove them */
    const struct iobus_handle *removals;
    size_t removal_count;
    struct iobus_completion *completion; /* null if nobody asks */
};

/* Where the bus gets memory. Called with the bus's lock held: must not call the bus. allocate
 * returns null when there is none; alignment is a power of two up to 64. */
struct iobus_allocator {
    void *(*allocate)(void *context, size_t size_bytes, size_t alignment_bytes);
    void (*release)(void *context, void *memory, size_t size_bytes);
    void *context;
};

/* Counters are written by one vCPU only, so that counting costs no shared cache line. Per slot:
 * hits, which are the accesses, or pieces of them, that the handler answered; and the cycles spent
 * in the handler for these, if the bus has a clock. They never move: when more
 * slots are needed, a larger array is put in use and the earlier ones stay part of the sums. */
#define IOBUS_COUNTER_ARRAYS 24

/* One vCPU's view of one bus. All fields are the bus's own. */
struct iobus_reader {
    _Alignas(64) _Atomic uint64_t seen_epoch; /* see reclaim.c */
    _Atomic bool is_parked;
    uint32_t last_segment; /* where the last access fell; a hint only */
    struct iobus *bus;
    _Atomic(_Atomic uint64_t *) counters; /* the newest of the arrays */
    _Atomic uint64_t *counter_arrays[IOBUS_COUNTER_ARRAYS];
    struct iobus_unclaimed unclaimed;
    struct iobus_reader *next;
};

struct iobus {
    /* Read by every vCPU, written at publication only. */
    _Alignas(64) _Atomic(const struct iobus_table *) table;
    _Atomic uint64_t epoch; /* counts publications */
    uint64_t address_last;
    uint64_t (*clock)(void);

    /* The writers', under the lock. */
    _Alignas(64) struct spinlock lock;
    struct iobus_allocator allocator;
    struct iobus_reader *readers;
    struct iobus_table *retired_first, *retired_last;
    struct iobus_slot *slots;
    uint32_t slot_count;  /* as many as the newest counter arrays hold */
    uint32_t slot_free;   /* first of the free list */
    uint32_t array_count; /* of counters, per reader */
    uint64_t next_serial;
    struct iobus_store *store;           /* the calls */
    struct iobus_index_page *empty_page; /* of an index that knows nothing */
    struct iobus_unclaimed departed;     /* what detached readers had counted */
};

/* A clock for iobus_init, the processor's time-stamp counter, which is read without a call; on
 * other processors it stands still. */
uint64_t iobus_tsc(void);

/* Makes an empty bus for the addresses 0..address_last. clock, if not null, gives a cycle count and
 * is read around every handler. STATUS_NO_MEMORY. */
MUST_USE enum status iobus_init(struct iobus *bus, uint64_t address_last,
                                const struct iobus_allocator *allocator, uint64_t (*clock)(void));

/* Gives all memory back and ends all completions. Every reader has to be detached. */
void iobus_destroy(struct iobus *bus);

/* Registers and removes as one step; ranges may nest, one inside another, but neither overlap
 * partly nor be the same, but for an overlay and a range that is none; of doorbells, the same
 * address, width and data twice is refused. What is added is checked against what stays after the
 * removals. May be called from a handler; waits for other writers only, never for a vCPU. On any
 * failure nothing changes: STATUS_INVALID       a length, size, width or data that breaks the rules
 * above, or a doorbell that is an overlay STATUS_OUT_OF_RANGE  it does not end within the address
 * space STATUS_CONFLICT      *conflict, if not null, tells which two STATUS_NOT_FOUND     a removal
 * that names nothing, something removed before, or one thing twice STATUS_NO_MEMORY     only with
 * additions: an update that only removes needs no memory */
MUST_USE enum status iobus_update(struct iobus *bus, const struct iobus_update *update,
                                  struct iobus_conflict *conflict);

/* iobus_update with one addition. handle and conflict may be null. */
MUST_USE enum status iobus_register(struct iobus *bus, const struct iobus_range *range,
                                    struct iobus_handle *handle, struct iobus_conflict *conflict);

/* iobus_update with one removal. STATUS_NOT_FOUND is the only failure. */
MUST_USE enum status iobus_remove(struct iobus *bus, struct iobus_handle handle,
                                  struct iobus_completion *completion);

/* Frees what no vCPU can be using any more and ends the completions that waited for it. Returns how
 * many replaced tables still wait. Every update does this too; call it off the hot path. */
size_t iobus_reclaim(struct iobus *bus);

/* Makes *reader a reader of the bus, parked. It stays where it is until detached.
 * STATUS_NO_MEMORY. */
MUST_USE enum status iobus_reader_attach(struct iobus *bus, struct iobus_reader *reader);

/* The reader has to be parked. What it counted stays in the sums. */
void iobus_reader_detach(struct iobus_reader *reader);

/* The vCPU halts or stops, and uses no table until iobus_reader_begin: nothing waits for it. */
void iobus_reader_park(struct iobus_reader *reader);

/* The rare half of iobus_reader_begin. */
void iobus_reader_unpark(struct iobus_reader *reader);

/* On VM exit, before any access: a test of the reader's own flag, unless it was parked. */
static inline void iobus_reader_begin(struct iobus_reader *reader)
{
    if (__builtin_expect(atomic_load_explicit(&reader->is_parked, memory_order_relaxed), 0))
        iobus_reader_unpark(reader);
}

/* Just before VM entry, outside any iobus_access: this vCPU holds no table now. Loads, and stores
 * only after a publication; why this order is enough is told in reclaim.c. */
static inline void iobus_reader_quiesce(struct iobus_reader *reader)
{
    uint64_t epoch = atomic_load_explicit(&reader->bus->epoch, memory_order_acquire);

    if (atomic_load_explicit(&reader->seen_epoch, memory_order_relaxed) != epoch)
        atomic_store_explicit(&reader->seen_epoch, epoch, memory_order_release);
}

/* Answers the access by the rules above, from one table, whatever the guest asks for: any address,
 * size 1, 2, 4 or 8. A read's value is set, with zeros above its size; of a write nothing changes.
 * The handler gets a naturally aligned access of a size that it takes, all inside its range (a
 * doorbell: the guest's own); what a read's handler leaves unset is ones. It may use the access's
 * value as it likes; one that declines, all of the access. The caller runs on the reader's vCPU,
 * begun and not parked; a handler may call this again. The run loop's exits make the same access by
 * fast.h. */
void iobus_access(struct iobus *bus, struct iobus_reader *reader, struct io_access *access);

/* A registered range, as it was registered, its name perhaps cut. */
struct iobus_registered {
    char name[IOBUS_NAME_BYTES];
    uint64_t first, last;
    uint8_t access_sizes;
    io_handler *handler;
    void *context;
};

/* The innermost range around an address that is neither doorbell nor overlay. False if there is
 * none, *found then untouched. It may be removed as soon as this returns: whoever uses what it
 * found knows why it stays. Waits for writers; not for the hot path. */
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

/* Calls visit for every registration in address order, outer before inner, a range before the
 * overlay of the same addresses, ranges before doorbells. No lock is held meanwhile: visit may take
 * its time and change the bus; what is registered and removed during the walk may or may not be
 * seen. */
void iobus_for_each_range(struct iobus *bus,
                          void (*visit)(void *context, const struct iobus_range_info *info),
                          void *context);

/* Calls visit for every address (of MMIO: every granule) with unclaimed accesses that the readers
 * keep, in no order, summed over the readers. Returns the counts of those that found no room,
 * address 0. No lock is held while visit runs. */
struct iobus_unclaimed_count
iobus_for_each_unclaimed(struct iobus *bus,
                         void (*visit)(void *context, const struct iobus_unclaimed_count *count),
                         void *context);

#endif
