// SPDX-License-Identifier: BSD-2-Clause
/* The devices of the stress test: what lies where in a cell, who may be asked, and what they check
 * when they are. */
#ifndef TESTS_STRESS_DEVICES_H
#define TESTS_STRESS_DEVICES_H

#include "tests/unit/random.h"
#include "vmm/iobus/iobus.h"

enum { PORTS, MMIO, BUSES };

#define VCPUS     2
#define CELLS     16
#define BATCH_MAX 5

/* Offsets in a cell. */
enum {
    INNER = 0x00, /* permanent; ranges around it come and go */
    INNER_BYTES = 8,
    AROUND_BYTES = 0x40,
    PAIR = 0x40,     /* two ranges of 4 bytes that are replaced together, from state to state */
    DOORBELL = 0x80, /* permanent ones of 4 bytes with data 1, 2, ...; others come and go */
    NESTED = 0xc0,   /* ranges in ranges that come and go */
    NESTED_BYTES = 0x40,
    OWN = 0x100, /* one range per vCPU, registered by its trigger; removed by it or by itself */
    OWN_BYTES = 8,
    TRIGGER = 0x120, /* permanent, one per vCPU */
    QUIET = 0x180,   /* registered, never accessed */
    RING = 0x1a0,    /* a permanent doorbell of any width and data */
    NOTHING = 0x1c0, /* accessed, never registered */
    CELL_BYTES = 0x200,
};

#define DOORBELLS   4
#define TEMPORARIES 18
#define PAIR_CELLS  4 /* fewer, so that updates and accesses meet */
#define SILENT_NAME "silent"

enum {
    PERMANENT_INNER,
    PERMANENT_DOORBELL,
    PERMANENT_TRIGGER = PERMANENT_DOORBELL + DOORBELLS,
    PERMANENT_RING = PERMANENT_TRIGGER + VCPUS,
    PERMANENT_OUTER, /* not of open cells */
    PERMANENTS,
};

/* What is counted; a run in which one of them stays 0 has failed. */
enum {
    LOOKUPS,
    CALLS,
    ALONE,
    COVERED,
    WHOLE,
    RUNG,
    RUNG_ALONE,
    HANDLER_ADDED,
    HANDLER_REMOVED,
    SELF_REMOVED,
    PARKED,
    ATTACHED,
    SINGLES,
    BATCHES,
    BURIED,
    REFUSED,
    SILENT,
    RECLAIMS,
    COMPLETIONS,
    HITS,
    RELEASED,
    COUNTS,
};

enum kind {
    KIND_PERMANENT,
    KIND_TRIGGER,
    KIND_TEMPORARY, /* declines now and then */
    KIND_PAIR,
    KIND_OWN,
};

/* A handler's context. Plain memory: that nobody writes it while a handler reads it is what is
 * tested. Poisoned and freed by the completion of its removal. */
struct device {
    uint64_t alive; /* DEVICE_ALIVE */
    enum kind kind;
    unsigned bus, cell;
    uint64_t first, length_bytes;
    bool is_doorbell, is_overlay;
    struct iobus_match match;
    unsigned number;     /* of a permanent one; which half of a pair */
    uint64_t pair_state; /* of a pair */
    struct iobus_handle handle;
    char name[16];
};

/* What came of one access. */
struct log {
    unsigned calls, answered_bytes;
    const struct device *last; /* to be compared only */
    uint64_t pair_state[2];    /* 0: that half was not asked */
};

struct vcpu {
    struct iobus_reader readers[BUSES];
    unsigned number;
    uint64_t random;
    struct log *log; /* of the innermost access */
    struct device *own[BUSES][CELLS];
    uint64_t hits[BUSES][CELLS][PERMANENTS];
    uint64_t count[COUNTS];
};

extern struct iobus buses[BUSES];
extern _Thread_local struct vcpu *this_vcpu;
extern _Thread_local bool memory_fails; /* this thread's allocations for the bus */
extern uint64_t totals[COUNTS];         /* each row has one thread that writes it */

/* 0..limit - 1, from a thread's own sequence, splitmix64. */
static inline unsigned below(uint64_t *random, unsigned limit)
{
    return (unsigned)((random_next(random) >> 32) * limit >> 32);
}

/* Prints what is wrong and ends the run. */
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Cells with no device under everything. */
static inline bool is_open(unsigned cell)
{
    return cell % 4 == 3;
}

uint64_t cell_address(unsigned bus, unsigned cell);

/* What size bytes from the address on hold, whoever answers; no byte of it is 0xff. */
uint64_t byte_values(uint64_t address, unsigned size);

/* The permanent device by its PERMANENT_ number. To be compared only. */
const struct device *permanent(unsigned bus, unsigned cell, unsigned number);

/* New devices, not registered yet. */
struct device *temporary_make(unsigned bus, unsigned cell, unsigned number);
struct device *pair_make(unsigned bus, unsigned cell, unsigned half, uint64_t state);

/* One update of a bus. The added devices are freed if it fails, the removed ones by the completion
 * if it does not. */
enum status update(unsigned bus, struct device *const *added, unsigned added_count,
                   struct device *const *removed, unsigned removed_count);

/* Updates whose completions have not come yet. */
uint64_t updates_waiting(void);

/* iobus_access on the vCPU's thread, within a handler too. */
struct log vcpu_access(struct vcpu *vcpu, unsigned bus, struct io_access *access);

/* Makes the buses with everything permanent. */
void devices_start(void);

/* Destroys the buses, which have no reader any more, and checks that all memory is back. */
void devices_end(void);

#endif
