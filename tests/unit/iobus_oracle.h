// SPDX-License-Identifier: BSD-2-Clause
/* An oracle for the bus: a plain list, looked through entry by entry for every byte of an access,
 * and devices whose answers follow from who they are and what they are asked. */
#ifndef TESTS_UNIT_IOBUS_ORACLE_H
#define TESTS_UNIT_IOBUS_ORACLE_H

#include "tests/unit/unit.h"

#include "vmm/iobus/iobus.h"

#include <stdlib.h>
#include <string.h>

#define LIVE_MAX  48
#define BATCH_MAX 4
#define LOG_MAX   512
#define READERS   2

/* The source of all choices, which the program defines. below returns a number below limit. */
static uint64_t random_u64(void);
static unsigned below(unsigned limit);

/* Memory that fails on demand. */

struct memory {
    size_t used_bytes;
    unsigned failures;
    unsigned fail_percent;
};

static inline void *memory_allocate(void *context, size_t size_bytes, size_t alignment_bytes)
{
    struct memory *memory = context;
    void *block;

    if (memory->fail_percent != 0 && below(100) < memory->fail_percent) {
        memory->failures++;
        return NULL;
    }
    block = aligned_alloc(alignment_bytes, (size_bytes + 63) & ~(size_t)63);
    memset(block, 0xa5, size_bytes);
    memory->used_bytes += size_bytes;
    return block;
}

static inline void memory_release(void *context, void *block, size_t size_bytes)
{
    ((struct memory *)context)->used_bytes -= size_bytes;
    free(block);
}

/* The devices: what they do follows from who they are and what they are asked. */

struct call {
    unsigned id;
    struct io_access access; /* as it came */
};

static struct call calls[LOG_MAX];
static unsigned call_count;

static inline uint64_t mix(unsigned id, const struct io_access *access)
{
    uint64_t z = id * UINT64_C(0x9e3779b97f4a7c15) ^ access->address << 8 ^ access->size ^
                 (uint64_t)access->is_write << 4;

    if (access->is_write)
        z ^= access->value << 20;
    z = (z ^ z >> 29) * UINT64_C(0xbf58476d1ce4e5b9);
    return z ^ z >> 32;
}

static inline bool declines(unsigned id, const struct io_access *access)
{
    return mix(id, access) % 4 == 0;
}

/* One context per registration; a handler that runs after its completion finds freed memory. */
struct device {
    unsigned id;
};

static inline enum io_outcome device_access(void *context, struct io_access *access)
{
    unsigned id = ((struct device *)context)->id;
    bool is_declined = declines(id, access);

    assert_true(call_count < LOG_MAX);
    calls[call_count++] = (struct call){id, *access};
    if (is_declined) {
        memset(access, 0x5a, sizeof(*access)); /* no harm shall come of it */
        access->is_write = true;
        return IO_DECLINED;
    }
    if (access->is_write)
        access->value = ~access->value;
    else
        access->value = mix(id, access) * 3;
    return IO_HANDLED;
}

/* The oracle. */

struct live {
    bool is_used;
    unsigned id;
    uint64_t first, last;
    uint8_t access_sizes;
    bool is_doorbell;
    bool is_overlay;
    struct iobus_match match;
    uint64_t hits;
    struct iobus_handle handle;
    struct device *device;
};

struct world {
    struct iobus bus;
    struct iobus_reader readers[READERS];
    bool is_parked[READERS];
    uint64_t address_last;
    struct memory memory;
    struct live live[LIVE_MAX];
    unsigned next_id;
    uint64_t unclaimed_reads, unclaimed_writes;
    struct call expected[LOG_MAX];
    unsigned expected_count;
    unsigned updates_pending; /* completions not yet done */
    unsigned ring_count;
};

/* Returns whether of two ranges around one address the first is the outer one. */
static inline bool is_outer(const struct live *a, const struct live *b)
{
    if (a->last - a->first != b->last - b->first)
        return a->last - a->first > b->last - b->first;
    return !a->is_overlay && b->is_overlay;
}

static inline struct live *innermost_around(struct world *world, uint64_t address,
                                            const struct live *in)
{
    struct live *best = NULL;

    for (unsigned i = 0; i < LIVE_MAX; i++) {
        struct live *live = &world->live[i];

        if (!live->is_used || live->is_doorbell || address < live->first || address > live->last)
            continue;
        if (in != NULL && !is_outer(live, in))
            continue;
        if (best == NULL || is_outer(best, live))
            best = live;
    }
    return best;
}

/* Has the device asked; true if it answers. */
static inline bool oracle_call(struct world *world, struct live *live,
                               const struct io_access *access)
{
    assert_true(world->expected_count < LOG_MAX);
    world->expected[world->expected_count++] = (struct call){live->id, *access};
    if (declines(live->id, access))
        return false;
    live->hits++;
    return true;
}

static inline bool oracle_rings(struct world *world, const struct io_access *access)
{
    for (unsigned rank = 0; rank < 4; rank++) {
        bool wants_data = rank < 2, wants_any = rank % 2 == 1;

        for (unsigned i = 0; i < LIVE_MAX; i++) {
            struct live *live = &world->live[i];

            if (!live->is_used || !live->is_doorbell || live->first != access->address)
                continue;
            if (live->match.has_data != wants_data ||
                (wants_data && live->match.data != access->value))
                continue;
            if (live->match.width_bytes != (wants_any ? 0 : access->size))
                continue;
            if (oracle_call(world, live, access))
                return true;
        }
    }
    return false;
}

/* The range that iobus_find_range ought to find. */
static inline struct live *oracle_finds(struct world *world, uint64_t address)
{
    struct live *live = innermost_around(world, address, NULL);

    while (live != NULL && live->is_overlay)
        live = innermost_around(world, address, live);
    return live;
}

/* The doorbell of any width and data that hangs alone at the address. */
static inline struct live *oracle_bell(struct world *world, uint64_t address)
{
    struct live *bell = NULL;
    unsigned count = 0;

    for (unsigned i = 0; i < LIVE_MAX; i++) {
        struct live *live = &world->live[i];

        if (!live->is_used || !live->is_doorbell || live->first != address)
            continue;
        count++;
        if (live->match.width_bytes == 0 && !live->match.has_data)
            bell = live;
    }
    return count == 1 ? bell : NULL;
}

/* What the access ought to read, the calls going to world->expected. */
static inline uint64_t oracle_access(struct world *world, const struct io_access *access)
{
    uint64_t result = 0;
    bool answered[8] = {false};
    unsigned in_space = 0;

    world->expected_count = 0;
    if (access->is_write && oracle_rings(world, access))
        return 0;
    while (in_space < access->size && access->address <= world->address_last &&
           in_space <= world->address_last - access->address)
        in_space++;

    for (unsigned from = 0, end; from < in_space; from = end) {
        struct live *in = innermost_around(world, access->address + from, NULL);

        end = from + 1;
        while (end < in_space && innermost_around(world, access->address + end, NULL) == in)
            end++;
        for (; in != NULL; in = innermost_around(world, access->address + from, in)) {
            for (unsigned at = from; at < end;) {
                unsigned size;

                for (size = 8; size > 0; size /= 2) {
                    bool fits = (in->access_sizes & size) && (access->address + at) % size == 0 &&
                                at + size <= end;

                    for (unsigned byte = at; fits && byte < at + size; byte++)
                        fits = !answered[byte];
                    if (fits)
                        break;
                }
                if (size == 0) {
                    at++;
                    continue;
                }

                uint64_t mask = size == 8 ? UINT64_MAX : (UINT64_C(1) << 8 * size) - 1;
                struct io_access piece = {
                    .address = access->address + at,
                    .size = (uint8_t)size,
                    .is_write = access->is_write,
                    .value = access->is_write ? access->value >> 8 * at & mask : UINT64_MAX,
                };

                if (oracle_call(world, in, &piece)) {
                    uint64_t value = mix(in->id, &piece) * 3;

                    for (unsigned byte = 0; byte < size; byte++) {
                        answered[at + byte] = true;
                        result |= (value >> 8 * byte & 0xff) << 8 * (at + byte);
                    }
                }
                at += size;
            }
        }
        for (unsigned byte = from; byte < end; byte++) {
            bool begins_run = !answered[byte] && (byte == from || answered[byte - 1]);

            world->unclaimed_reads += begins_run && !access->is_write;
            world->unclaimed_writes += begins_run && access->is_write;
        }
    }
    world->unclaimed_reads += in_space < access->size && !access->is_write;
    world->unclaimed_writes += in_space < access->size && access->is_write;
    for (unsigned byte = 0; byte < access->size; byte++) {
        if (!answered[byte])
            result |= UINT64_C(0xff) << 8 * byte;
    }
    return result;
}

static inline bool clash(const struct live *a, const struct live *b)
{
    if (a->is_doorbell != b->is_doorbell)
        return false;
    if (a->is_doorbell)
        return a->first == b->first && memcmp(&a->match, &b->match, sizeof(a->match)) == 0;
    if (a->last < b->first || b->last < a->first)
        return false; /* apart */
    if (a->first == b->first && a->last == b->last)
        return a->is_overlay == b->is_overlay;
    return !(a->first <= b->first && b->last <= a->last) &&
           !(b->first <= a->first && a->last <= b->last);
}

#endif
