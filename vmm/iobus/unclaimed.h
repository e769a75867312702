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
    _Atomic uint64_t address;
    _Atomic uint64_t read_count;
    _Atomic uint64_t write_count;
};

/* All zero is empty. One writer, any number of readers. */
struct iobus_unclaimed {
    struct iobus_unclaimed_entry entries[IOBUS_UNCLAIMED_MAX]; /* open addressing */
    struct iobus_unclaimed_entry others;                       /* found no room above */
};

/* Adds to the counts of an address. Called by the owner of the table only. */
void iobus_unclaimed_note(struct iobus_unclaimed *unclaimed, uint64_t address, uint64_t read_count,
                          uint64_t write_count);

/* Adds to what found no room, whatever the address. Called by the owner only. */
void iobus_unclaimed_add_others(struct iobus_unclaimed *unclaimed,
                                struct iobus_unclaimed_count count);

/* The counts kept in an entry, at any time, by anybody. */
struct iobus_unclaimed_count iobus_unclaimed_read(const struct iobus_unclaimed_entry *entry);

/* The counts for an address; zeros if it has no entry. */
struct iobus_unclaimed_count iobus_unclaimed_find(const struct iobus_unclaimed *unclaimed,
                                                  uint64_t address);

#endif
