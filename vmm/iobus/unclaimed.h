// SPDX-License-Identifier: BSD-2-Clause
/* The accesses that no handler answered: addresses with counts, in a table of fixed size. Each
 * reader has its own table, so counting shares no cache line and allocates nothing. */
#ifndef VMM_IOBUS_UNCLAIMED_H
#define VMM_IOBUS_UNCLAIMED_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define IOBUS_UNCLAIMED_MAX 64

/* An address has its entry among this many places, so a full table does not make counting slower.
 * An address that finds no place is counted without its address. */
#define IOBUS_UNCLAIMED_PROBES 8

struct iobus_unclaimed_count {
    uint64_t address;
    uint64_t read_count;
    uint64_t write_count;
};

/* An entry is empty if both counts are 0. Its address is written once, before the first count. */
struct iobus_unclaimed_entry {
    _Alignas(32) _Atomic uint64_t address;
    _Atomic uint64_t read_count;
    _Atomic uint64_t write_count;
};

/* A table of all zeros is empty. It has one writer and any number of readers. */
struct iobus_unclaimed {
    struct iobus_unclaimed_entry entries[IOBUS_UNCLAIMED_MAX]; /* open addressing */
    struct iobus_unclaimed_entry others;                       /* accesses that found no place
                                                                  above */
};

/* Adds to a counter that only the caller writes, so no locked instruction is needed. It takes one
 * instruction, because it is done for every access. */
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

/* Returns the first place for an address. Fibonacci hashing uses the product's top bits, so the
 * index is in bounds by construction, also in speculation. */
static inline unsigned iobus_unclaimed_home(uint64_t address)
{
    _Static_assert(IOBUS_UNCLAIMED_MAX == 1 << 6, "as many as six bits can tell apart");
    return (unsigned)(address * UINT64_C(0x9e3779b97f4a7c15) >> 58);
}

/* Adds to the counts of an address. Only the table's owner calls it. */
void iobus_unclaimed_add(struct iobus_unclaimed *unclaimed, struct iobus_unclaimed_count count);

/* Counts one access. Only the table's owner calls it. */
static inline void iobus_unclaimed_note(struct iobus_unclaimed *unclaimed, uint64_t address,
                                        bool is_write)
{
    struct iobus_unclaimed_entry *entry = &unclaimed->entries[iobus_unclaimed_home(address)];

    /* An empty entry has address 0 as well; for address 0 it is taken in the same way. */
    if (__builtin_expect(atomic_load_explicit(&entry->address, memory_order_relaxed) == address, 1))
        iobus_count(is_write ? &entry->write_count : &entry->read_count, 1);
    else
        iobus_unclaimed_add(unclaimed, (struct iobus_unclaimed_count){.address = address,
                                                                      .read_count = !is_write,
                                                                      .write_count = is_write});
}

/* Adds to the counts of accesses that found no place, whatever the address is. Only the table's
 * owner calls it. */
void iobus_unclaimed_add_others(struct iobus_unclaimed *unclaimed,
                                struct iobus_unclaimed_count count);

/* Returns the counts of an entry. Anybody may call it at any time. */
struct iobus_unclaimed_count iobus_unclaimed_read(const struct iobus_unclaimed_entry *entry);

/* Returns the counts of an address; zeros if it has no entry. */
struct iobus_unclaimed_count iobus_unclaimed_find(const struct iobus_unclaimed *unclaimed,
                                                  uint64_t address);

#endif
