// SPDX-License-Identifier: BSD-2-Clause
/* Random steps on a bus and its oracle: updates, accesses, searches, readers that park. Each call of
 * a handler is compared: which, in what order, with what access. */
#ifndef TESTS_UNIT_IOBUS_STEPS_H
#define TESTS_UNIT_IOBUS_STEPS_H

#include "tests/unit/iobus_oracle.h"
#include "vmm/iobus/fast.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Random questions. */

static inline struct live *any_live(struct world *world)
{
    for (unsigned try = 0; try < 8; try++) {
        struct live *live = &world->live[below(LIVE_MAX)];

        if (live->is_used)
            return live;
    }
    return NULL;
}

/* Addresses that meet: near the ends of the space, near the middle, near what is there. */
static inline uint64_t random_address(struct world *world)
{
    struct live *live = any_live(world);
    uint64_t address;

    switch (below(6)) {
    case 0: address = below(64); break;
    case 1: address = world->address_last - below(64); break;
    case 2: address = world->address_last / 2 - 32 + below(64); break;
    case 3: address = random_u64(); break;
    default:
        if (live == NULL)
            address = below(32);
        else
            address = (below(2) ? live->first : live->last) - 9 + below(19);
        break;
    }
    return address & world->address_last;
}

static inline void random_range(struct world *world, struct live *live)
{
    static const uint8_t widths[] = {0, 1, 2, 4, 8};
    struct live *other = any_live(world);

    memset(live, 0, sizeof(*live));
    live->is_used = true;
    live->id = world->next_id++;
    live->first = random_address(world);
    if (below(3) == 0) {
        live->is_doorbell = true;
        if (other != NULL && below(2))
            live->first = other->first;
        live->match.width_bytes = widths[below(5)];
        live->match.has_data = below(3) != 0;
        live->match.data = live->match.has_data ? below(4) : 0;
        live->last = live->first + (live->match.width_bytes ? live->match.width_bytes - 1u : 0);
        return;
    }
    live->access_sizes = (uint8_t)(1 + below(15));
    live->is_overlay = below(3) == 0;
    switch (below(6)) {
    case 0: live->last = live->first + (random_u64() >> (1 + below(63))); break;
    case 1: live->last = live->first + (UINT64_C(1) << 63) - 1; break;
    case 2: live->last = live->first + below(64); break;
    case 3: /* inside another */
        if (other != NULL && !other->is_doorbell) {
            uint64_t length_minus_1 = other->last - other->first;

            live->first = other->first + (below(2) ? 0 : random_u64() % 8);
            live->last = other->last - (below(2) ? 0 : random_u64() % 8);
            if (live->first > live->last || live->last - live->first > length_minus_1) {
                live->first = other->first;
                live->last = other->first;
            }
        } else {
            live->last = live->first;
        }
        break;
    case 4: /* beside another */
        if (other != NULL && other->last < world->address_last)
            live->first = other->last + 1;
        live->last = live->first + below(16);
        break;
    default: /* the same as another */
        if (other != NULL && !other->is_doorbell) {
            live->first = other->first;
            live->last = other->last;
        } else {
            live->last = live->first + below(8);
        }
        break;
    }
}

/* One step. */

struct waiting {
    struct iobus_completion completion;
    struct world *world;
    unsigned count;
    struct device *devices[BATCH_MAX];
};

/* The contexts of what was removed go away the moment the bus says so. */
static inline void removal_complete(void *context)
{
    struct waiting *waiting = context;

    waiting->world->updates_pending--;
    for (unsigned i = 0; i < waiting->count; i++)
        free(waiting->devices[i]);
    free(waiting);
}

static inline void check_conflict(struct world *world, const struct live *added,
                                  unsigned added_count, const struct iobus_conflict *conflict)
{
    unsigned new_id, old_id;
    const struct live *new_side = NULL, *old_side = NULL;

    assert_int_equal(sscanf(conflict->new_name, "d%u", &new_id), 1);
    assert_int_equal(sscanf(conflict->old_name, "d%u", &old_id), 1);
    for (unsigned i = 0; i < added_count; i++) {
        if (added[i].id == new_id)
            new_side = &added[i];
        if (added[i].id == old_id)
            old_side = &added[i];
    }
    for (unsigned i = 0; i < LIVE_MAX; i++) {
        if (world->live[i].is_used && world->live[i].id == old_id)
            old_side = &world->live[i];
    }
    assert_non_null(new_side);
    assert_non_null(old_side);
    assert_true(clash(new_side, old_side));
    assert_int_equal(conflict->new_first, new_side->first);
    assert_int_equal(conflict->old_last, old_side->last);
}

static inline void step_update(struct world *world)
{
    struct live added[BATCH_MAX];
    struct iobus_range ranges[BATCH_MAX];
    char names[BATCH_MAX][16];
    struct iobus_handle handles[BATCH_MAX], removals[BATCH_MAX];
    struct live *removed[BATCH_MAX];
    unsigned added_count = below(2) ? 1 : below(BATCH_MAX + 1), removed_count = 0;
    unsigned live_count = 0, fail_before = world->memory.failures;
    enum status expected = STATUS_OK, status;
    struct waiting *waiting = NULL;
    struct iobus_conflict conflict;

    for (unsigned i = 0; i < LIVE_MAX; i++)
        live_count += world->live[i].is_used;
    unsigned wanted = live_count + BATCH_MAX > LIVE_MAX ? BATCH_MAX : below(3);

    for (unsigned i = 0; i < wanted; i++) {
        struct live *live = any_live(world);
        bool is_twice = false;

        for (unsigned j = 0; j < removed_count; j++)
            is_twice |= removed[j] == live;
        if (live != NULL && !is_twice) {
            removed[removed_count] = live;
            removals[removed_count++] = live->handle;
        }
    }
    if (live_count - removed_count + added_count > LIVE_MAX)
        added_count = 0;

    for (unsigned i = 0; i < removed_count; i++)
        removed[i]->is_used = false; /* as the additions shall see it */
    for (unsigned i = 0; i < added_count; i++) {
        random_range(world, &added[i]);
        added[i].device = malloc(sizeof(struct device));
        added[i].device->id = added[i].id;
        snprintf(names[i], sizeof(names[i]), "d%u", added[i].id);
        ranges[i] = (struct iobus_range){
            .first = added[i].first,
            .length_bytes = added[i].last - added[i].first + 1,
            .name = names[i],
            .access_sizes = added[i].access_sizes,
            .handler = device_access,
            .context = added[i].device,
            .match = added[i].is_doorbell ? &added[i].match : NULL,
            .is_overlay = added[i].is_overlay,
        };
        if (expected == STATUS_OK &&
            (ranges[i].length_bytes == 0 || ranges[i].length_bytes > UINT64_C(1) << 63))
            expected = STATUS_INVALID;
        else if (expected == STATUS_OK &&
                 (added[i].first > added[i].last || added[i].last > world->address_last))
            expected = STATUS_OUT_OF_RANGE;
    }
    if (expected == STATUS_OK) {
        for (unsigned i = 0; i < added_count; i++) {
            for (unsigned j = 0; j < LIVE_MAX; j++) {
                if (world->live[j].is_used && clash(&added[i], &world->live[j]))
                    expected = STATUS_CONFLICT;
            }
            for (unsigned j = 0; j < i; j++) {
                if (clash(&added[i], &added[j]))
                    expected = STATUS_CONFLICT;
            }
        }
    }

    if (removed_count > 0) {
        waiting = calloc(1, sizeof(*waiting));
        waiting->completion.callback = removal_complete;
        waiting->completion.context = waiting;
        waiting->world = world;
        waiting->count = removed_count;
        for (unsigned i = 0; i < removed_count; i++)
            waiting->devices[i] = removed[i]->device;
        world->updates_pending++;
    }
    world->memory.fail_percent = below(4) == 0 ? 30 : 0;

    const struct iobus_change update = {
        .additions = ranges,
        .addition_count = added_count,
        .handles = handles,
        .removals = removals,
        .removal_count = removed_count,
        .completion = waiting == NULL ? NULL : &waiting->completion,
    };

    status = iobus_update(&world->bus, &update, &conflict);
    world->memory.fail_percent = 0;
    if ((expected == STATUS_OK || expected == STATUS_CONFLICT) && added_count > 0 &&
        world->memory.failures != fail_before)
        expected = STATUS_NO_MEMORY;
    assert_int_equal(status, expected);
    if (status == STATUS_CONFLICT)
        check_conflict(world, added, added_count, &conflict);

    if (status != STATUS_OK) {
        for (unsigned i = 0; i < removed_count; i++)
            removed[i]->is_used = true;
        for (unsigned i = 0; i < added_count; i++)
            free(added[i].device);
        if (waiting != NULL) {
            free(waiting);
            world->updates_pending--;
        }
        return;
    }
    for (unsigned i = 0, j = 0; i < added_count; i++) {
        while (world->live[j].is_used)
            j++;
        world->live[j] = added[i];
        world->live[j].handle = handles[i];
    }
    if (removed_count > 0) /* stale now */
        assert_int_equal(iobus_remove(&world->bus, removals[0], NULL), STATUS_NOT_FOUND);
}

static inline void step_access_at(struct world *world, uint64_t address, bool is_write)
{
    unsigned number = below(READERS);
    struct io_access access =
                         {
                             .address = address,
                             .size = (uint8_t)(1u << below(4)),
                             .is_write = is_write,
                         },
                     asked;
    uint64_t expected;

    if (access.is_write) {
        uint64_t mask = access.size == 8 ? UINT64_MAX : (UINT64_C(1) << 8 * access.size) - 1;

        access.value = (below(2) ? below(4) : random_u64()) & mask;
    } else {
        access.value = random_u64();
    }
    if (world->is_parked[number]) {
        iobus_reader_begin(&world->readers[number]);
        world->is_parked[number] = false;
    }
    asked = access;
    expected = oracle_access(world, &access);
    call_count = 0;
    iobus_access_fast(&world->bus, &world->readers[number], &access);

    if (access.address != asked.address || access.size != asked.size ||
        access.is_write != asked.is_write ||
        access.value != (asked.is_write ? asked.value : expected))
        fail_msg("access %#llx/%u write %d: value %#llx, expected %#llx",
                 (unsigned long long)asked.address, asked.size, asked.is_write,
                 (unsigned long long)access.value, (unsigned long long)expected);
    if (call_count != world->expected_count)
        fail_msg("access %#llx/%u write %d: %u calls, expected %u",
                 (unsigned long long)asked.address, asked.size, asked.is_write, call_count,
                 world->expected_count);
    for (unsigned i = 0; i < call_count; i++) {
        const struct call *is = &calls[i], *should = &world->expected[i];

        if (is->id != should->id || is->access.address != should->access.address ||
            is->access.size != should->access.size ||
            is->access.is_write != should->access.is_write ||
            is->access.value != should->access.value)
            fail_msg("access %#llx/%u: call %u went to d%u, expected d%u",
                     (unsigned long long)asked.address, asked.size, i, is->id, should->id);
    }
}

static inline void step_access(struct world *world)
{
    uint64_t address = below(64) == 0 ? random_u64() /* past the end of the ports too */
                                      : random_address(world);

    step_access_at(world, address, below(2));
}

static inline void step_find(struct world *world)
{
    uint64_t address = random_address(world);
    const struct live *live = oracle_finds(world, address);
    struct iobus_registered found;
    unsigned id;

    assert_int_equal(iobus_find_range(&world->bus, address, &found), live != NULL);
    if (live == NULL)
        return;
    assert_int_equal(sscanf(found.name, "d%u", &id), 1);
    assert_int_equal(id, live->id);
    assert_int_equal(found.first, live->first);
    assert_int_equal(found.last, live->last);
    assert_int_equal(found.access_sizes, live->access_sizes);
    assert_ptr_equal(found.handler, device_access);
    assert_ptr_equal(found.context, live->device);
}

/* A write to a doorbell that hangs alone and takes anything, where there is one. */
static inline void step_ring(struct world *world)
{
    struct live *live = NULL;

    for (unsigned try = 0; try < LIVE_MAX && live == NULL; try++)
        live = oracle_bell(world, world->live[try].first);
    world->ring_count += live != NULL;
    step_access_at(world, live != NULL ? live->first : random_address(world), live != NULL);
}

static inline void step_reader(struct world *world)
{
    unsigned number = below(READERS);

    if (below(3) == 0) {
        iobus_reader_park(&world->readers[number]);
        world->is_parked[number] = true;
    } else {
        iobus_reader_begin(&world->readers[number]);
        world->is_parked[number] = false;
        iobus_reader_quiesce(&world->readers[number]);
    }
}

/* At the end: the counters, the order of the report, and nothing lost. */

struct walk {
    struct world *world;
    unsigned count;
    uint64_t last_first;
    uint64_t reads, writes;
};

static inline void visit_range(void *context, const struct iobus_range_info *info)
{
    struct walk *walk = context;
    unsigned id;

    assert_true(info->first >= walk->last_first);
    walk->last_first = info->first;
    walk->count++;
    assert_int_equal(sscanf(info->name, "d%u", &id), 1);
    for (unsigned i = 0; i < LIVE_MAX; i++) {
        const struct live *live = &walk->world->live[i];

        if (!live->is_used || live->id != id)
            continue;
        assert_int_equal(info->first, live->first);
        assert_int_equal(info->last, live->last);
        assert_int_equal(info->has_match, live->is_doorbell);
        assert_int_equal(info->is_overlay, live->is_overlay);
        assert_int_equal(info->access_sizes, live->access_sizes);
        assert_int_equal(info->hits, live->hits);
        return;
    }
    fail_msg("d%u is not there any more", id);
}

static inline void visit_unclaimed(void *context, const struct iobus_unclaimed_count *count)
{
    struct walk *walk = context;

    walk->reads += count->read_count;
    walk->writes += count->write_count;
}

static inline void check_reports(struct world *world)
{
    struct walk walk = {.world = world};
    struct iobus_unclaimed_count others;
    unsigned live_count = 0;

    for (unsigned i = 0; i < LIVE_MAX; i++)
        live_count += world->live[i].is_used;
    iobus_for_each_range(&world->bus, visit_range, &walk);
    assert_int_equal(walk.count, live_count);
    others = iobus_for_each_unclaimed(&world->bus, visit_unclaimed, &walk);
    assert_int_equal(walk.reads + others.read_count, world->unclaimed_reads);
    assert_int_equal(walk.writes + others.write_count, world->unclaimed_writes);
}

/* Returns an empty bus for 0..address_last with its readers. */
static inline struct world *world_new(uint64_t address_last, uint64_t (*clock)(void))
{
    struct world *world = aligned_alloc(64, (sizeof(*world) + 63) & ~(size_t)63);

    memset(world, 0, sizeof(*world));
    world->address_last = address_last;

    const struct iobus_allocator allocator = {memory_allocate, memory_release, &world->memory};

    assert_int_equal(iobus_init(&world->bus, address_last, &allocator, clock), STATUS_OK);
    for (unsigned i = 0; i < READERS; i++) {
        assert_int_equal(iobus_reader_attach(&world->bus, &world->readers[i], NULL), STATUS_OK);
        world->is_parked[i] = true;
    }
    return world;
}

static inline void world_step(struct world *world)
{
    switch (below(16)) {
    case 0: step_update(world); break;
    case 1: step_reader(world); break;
    case 2:
        if (below(4) == 0)
            iobus_reclaim(&world->bus);
        break;
    case 3: step_find(world); break;
    case 4: step_ring(world); break;
    default: step_access(world); break;
    }
}

/* Compares the counters, and that nothing is left of the bus. */
static inline void world_close(struct world *world)
{
    check_reports(world);
    for (unsigned i = 0; i < READERS; i++) {
        iobus_reader_park(&world->readers[i]);
        iobus_reader_detach(&world->readers[i]);
    }
    check_reports(world);
    assert_int_equal(iobus_reclaim(&world->bus), 0);
    assert_int_equal(world->updates_pending, 0);
    iobus_destroy(&world->bus);
    assert_int_equal(world->memory.used_bytes, 0);
    for (unsigned i = 0; i < LIVE_MAX; i++) {
        if (world->live[i].is_used)
            free(world->live[i].device);
    }
    free(world);
}

#endif
