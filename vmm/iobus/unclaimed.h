// SPDX-License-Identifier: BSD-2-Clause
/* What nobody answered: addresses with counts, in a table of fixed size, kept per reader so that
 * noting one shares no cache line and allocates nothing. */
#ifndef VMM_IOBUS_UNCLAIMED_H
#define VMM_IOBUS_UNCLAIMED_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define IOBUS_UNCLAIMED_MAX 64

/* An address has its entry among this many, so that noting one takes no longer when all are taken:
 * what finds no room there is counted without its address. */
#define IOBUS_UNCLAIMED_PROBES 8

struct iobus_unclaimed_count {
    uint64_t address;
    uint64_t read_count;
    uint64_t write_count;
};

/* Empty when both counts are 0. The address is written once, before the first count. */
struct iobus_unclaimed_entry {
    _Alignas(32) _Atomic uint64_t address;
    _Atomic uint64_t read_count;
    _Atomic uint64_t write_count;
};

/* All zero is empty. One writer, any number of readers. */
struct iobus_unclaimed {
    struct iobus_unclaimed_entry entries[IOBUS_UNCLAIMED_MAX]; /* open addressing */
    struct iobus_unclaimed_entry others;                       /* found no room above */
};

/* Adds to a counter that only the caller writes, so that no locked instruction is needed; in one
 * instruction, since this is done for every access. */
static inline void iobus_count(_Atomic uint64_t *counter, uint64_t amount)
{
#if defined(__x86_64__)
    __asm__ volatile("addq %[amount], %[counter]"
                     : [counter] "+m"(*counter)
                     : [amount] "er"(amount)
                     : "cc");
#else
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + amount,
                          memory_order_relaxed);
#endif
}

/* Where an address is counted if there is room. Fibonacci hashing; the product's top bits, so the
 * index is in bounds by construction, speculatively too. */
static inline unsigned iobus_unclaimed_home(uint64_t address)
{
    _Static_assert(IOBUS_UNCLAIMED_MAX == 1 << 6, "as many as six bits can tell apart");
    return (unsigned)(address * UINT64_C(0x9e3779b97f4a7c15) >> 58);
}

/* Adds to the counts of an address. Called by the owner of the table only. */
void iobus_unclaimed_add(struct iobus_unclaimed *unclaimed, struct iobus_unclaimed_count count);

/* The same for one access. */
static inline void iobus_unclaimed_note(struct iobus_unclaimed *unclaimed, uint64_t address,
                                        bool is_write)
{
    struct iobus_unclaimed_entry *entry = &unclaimed->entries[iobus_unclaimed_home(address)];

    /* 0 is also what an empty entry has; but then it is taken in the same way. */
    if (__builtin_expect(atomic_load_explicit(&entry->address, memory_order_relaxed) == address, 1))
        iobus_count(is_write ? &entry->write_count : &entry->read_count, 1);
    else
        iobus_unclaimed_add(unclaimed, (struct iobus_unclaimed_count){.address = address,
                                                                      .read_count = !is_write,
                                                                      .write_count = is_write});
}

/* Adds to what found no room, whatever the address. Called by the owner only. */
void iobus_unclaimed_add_others(struct iobus_unclaimed *unclaimed,
                                struct iobus_unclaimed_count count);

/* The counts kept in an entry, at any time, by anybody. */
struct iobus_unclaimed_count iobus_unclaimed_read(const struct iobus_unclaimed_entry *entry);

/* The counts for an address; zeros if it has no entry. */
struct iobus_unclaimed_count iobus_unclaimed_find(const struct iobus_unclaimed *unclaimed,
                                                  uint64_t address);

#endif
