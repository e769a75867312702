// SPDX-License-Identifier: BSD-2-Clause
/* Builds a layout: merges the registrations that stay with those that come, checks them, flattens
 * them. O(n) for n registrations, with one allocation. */
#include "vmm/iobus/layout.h"
#include "vmm/base/bits.h"
#include "vmm/iobus/lookup.h"

#include <string.h>

static int compare(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

int iobus_registration_order(const struct iobus_registration *a, const struct iobus_registration *b)
{
    int order = compare(a->first, b->first);

    if (order == 0)
        order = compare(a->is_doorbell, b->is_doorbell);
    if (order != 0)
        return order;
    if (!a->is_doorbell) {
        order = compare(b->last, a->last);
        return order != 0 ? order : compare(a->is_overlay, b->is_overlay);
    }
    order = compare(b->match.has_data, a->match.has_data);
    if (order == 0)
        order = compare(a->match.width_bytes, b->match.width_bytes);
    return order != 0 ? order : compare(a->match.data, b->match.data);
}

/* Does heapsort's "sift down" in the heap of count elements. */
static void sift(struct iobus_registration **heap, size_t root, size_t count)
{
    for (size_t child; (child = 2 * root + 1) < count; root = child) {
        struct iobus_registration *moved = heap[root];

        if (child + 1 < count && iobus_registration_order(heap[child], heap[child + 1]) < 0)
            child++;
        if (iobus_registration_order(moved, heap[child]) >= 0)
            return;
        heap[root] = heap[child];
        heap[child] = moved;
    }
}

void iobus_registrations_sort(struct iobus_registration **registrations, size_t count)
{
    for (size_t i = count / 2; i-- > 0;)
        sift(registrations, i, count);
    for (size_t i = count; i-- > 1;) {
        struct iobus_registration *largest = registrations[0];

        registrations[0] = registrations[i];
        registrations[i] = largest;
        sift(registrations, 0, i);
    }
}

/* Arrays that are needed only during the build. */
struct scratch {
    struct iobus_extent *extents;
    uint64_t *point_addresses;
};

/* Takes bytes from a piece of memory that starts at a cache line; each array gets lines of its
 * own. */
static void *carve(uint8_t *memory, size_t *used_bytes, size_t size_bytes)
{
    void *array = memory == NULL ? NULL : memory + *used_bytes;

    *used_bytes += (size_bytes + 63) & ~(size_t)63;
    return array;
}

/* Returns the levels of a tree that has at least count nodes, or one less. */
static uint32_t levels_for(uint64_t count)
{
    return count <= 1 ? 0 : 64 - (uint32_t)__builtin_clzll(count - 1);
}

/* Lays out the arrays in memory; with null memory only measures them. Returns the bytes that they
 * take: at most 600 times the number of registrations. */
static size_t arrange(const struct iobus *bus, uint8_t *memory, uint32_t extent_count,
                      uint32_t doorbell_count, struct iobus_layout *layout, struct scratch *scratch)
{
    size_t used = 0, count = (size_t)extent_count + doorbell_count;
    size_t segments = iobus_segments_max(extent_count, doorbell_count);
    size_t tree_nodes = (size_t)1 << levels_for(segments);
    size_t bells = (size_t)4 << levels_for(doorbell_count);

    (void)carve(memory, &used, sizeof(*layout));
    layout->page_count = iobus_index_pages(bus, segments);
    layout->table =
        carve(memory, &used, sizeof(*layout->table) + layout->page_count * sizeof(*layout->pages));
    layout->pages = memory == NULL ? NULL : layout->table->pages;
    layout->starts = carve(memory, &used, segments * sizeof(*layout->starts));
    layout->numbers = carve(memory, &used, segments * sizeof(*layout->numbers));
    if (bus->address_last != IOBUS_PORT_LAST)
        layout->tree = carve(memory, &used, tree_nodes * sizeof(*layout->tree));
    layout->segments = carve(memory, &used, segments * sizeof(*layout->segments));
    layout->targets = carve(memory, &used, count * sizeof(*layout->targets));
    layout->slots = carve(memory, &used, count * sizeof(*layout->slots));
    layout->data = carve(memory, &used, count * sizeof(*layout->data));
    layout->bells = carve(memory, &used, bells * sizeof(*layout->bells));
    layout->bell_mask = (uint32_t)(bells - 1);
    layout->points = carve(memory, &used, doorbell_count * sizeof(*layout->points));
    layout->registrations = carve(memory, &used, count * sizeof(*layout->registrations));
    scratch->extents = carve(memory, &used, extent_count * sizeof(*scratch->extents));
    scratch->point_addresses =
        carve(memory, &used, doorbell_count * sizeof(*scratch->point_addresses));
    return used;
}

/* Merges the old registrations that stay and the additions, both sorted, into one sorted array. */
static void merge(const struct iobus_layout *old, struct iobus_registration *const *additions,
                  size_t addition_count, struct iobus_registration **out)
{
    size_t i = 0, j = 0, old_count = old == NULL ? 0 : old->registration_count;

    while (i < old_count || j < addition_count) {
        if (i < old_count && old->registrations[i]->is_leaving)
            i++;
        else if (j == addition_count ||
                 (i < old_count &&
                  iobus_registration_order(old->registrations[i], additions[j]) <= 0))
            *out++ = old->registrations[i++];
        else
            *out++ = additions[j++];
    }
}

static enum status conflict(const struct iobus_registration *a, const struct iobus_registration *b,
                            const struct iobus_registration **new_side,
                            const struct iobus_registration **old_side)
{
    *new_side = a->is_new ? a : b;
    *old_side = a->is_new ? b : a;
    return STATUS_CONFLICT;
}

static unsigned width_group(uint8_t width_bytes)
{
    switch (width_bytes) {
    case 1: return IOBUS_WIDTH_1;
    case 2: return IOBUS_WIDTH_2;
    case 4: return IOBUS_WIDTH_4;
    case 8: return IOBUS_WIDTH_8;
    default: return IOBUS_WIDTH_ANY;
    }
}

static uint32_t only_one(const struct iobus_point *point)
{
    uint32_t found = IOBUS_NONE;

    if (point->data_first[0] != point->data_first[IOBUS_WIDTH_COUNT])
        return IOBUS_NONE;
    for (unsigned width = 0; width < IOBUS_WIDTH_COUNT; width++) {
        if (point->without_data[width] == IOBUS_NONE)
            continue;
        if (found != IOBUS_NONE)
            return IOBUS_NONE;
        found = point->without_data[width];
    }
    return found;
}

/* Fills one point with the doorbells from target begin on; returns the target at which the next
 * address begins. */
static uint32_t fill_point(struct iobus_layout *layout, struct iobus_point *point, uint32_t begin)
{
    uint64_t address = layout->registrations[begin]->first;
    uint32_t at = begin;
    unsigned group = 0;

    for (; at < layout->registration_count; at++) {
        const struct iobus_registration *doorbell = layout->registrations[at];

        if (doorbell->first != address || !doorbell->match.has_data)
            break;
        while (group <= width_group(doorbell->match.width_bytes))
            point->data_first[group++] = at;
        layout->data[at] = doorbell->match.data;
    }
    while (group <= IOBUS_WIDTH_COUNT)
        point->data_first[group++] = at;
    for (unsigned i = 0; i < IOBUS_WIDTH_COUNT; i++)
        point->without_data[i] = IOBUS_NONE;
    for (; at < layout->registration_count && layout->registrations[at]->first == address; at++)
        point->without_data[width_group(layout->registrations[at]->match.width_bytes)] = at;
    point->only_one = only_one(point);
    return at;
}

static void fill_target(struct iobus_target *target, const struct iobus_registration *registration)
{
    target->call = (struct iobus_call){
        .handler = registration->handler,
        .context = registration->context,
        .counter = iobus_slot_counter(registration->slot),
        .point = IOBUS_NONE,
        .refused_sizes = {UINT16_MAX, UINT16_MAX},
    };
    target->access_sizes = registration->access_sizes;
    target->parent = IOBUS_NONE;
    atomic_init(&target->dead_from, UINT32_MAX);
}

/* Fills the tree level by level: node i of a level with n nodes is the middle of the i-th of n
 * equal parts of the segments. If no segment is left, the key is one that no address is above. */
static void fill_tree(const struct iobus_layout *layout)
{
    uint64_t *tree = layout->tree;

    tree[0] = 0; /* not a node */
    for (uint32_t level = 0; level < layout->tree_levels; level++) {
        uint64_t span = UINT64_C(1) << (layout->tree_levels - level), on_level = UINT64_C(1)
                                                                                 << level;

        for (uint64_t i = 0; i < on_level; i++) {
            uint64_t segment = i * span + span / 2;

            tree[on_level + i] =
                segment < layout->segment_count ? layout->starts[segment] - 1 : UINT64_MAX;
        }
    }
}

static void hang_bell(struct iobus_layout *layout, uint32_t key, uint32_t target)
{
    const struct iobus_call *call = &layout->targets[target].call;
    uint64_t data = layout->registrations[target]->match.data;

    layout->bells[iobus_bell_slot(data, key, layout->bell_mask)] = (struct iobus_call){
        .handler = call->handler,
        .context = call->context,
        .counter = call->counter,
        .point = key,
        .data = data,
    };
}

/* Fills the table of bells. The keys come from the numbers of the points' calls. */
static void fill_bells(struct iobus_layout *layout)
{
    for (size_t i = 0; i <= layout->bell_mask; i++)
        layout->bells[i].point = IOBUS_NONE;
    for (uint32_t i = 0; i < layout->segment_count; i++) {
        uint32_t number = layout->numbers[i];
        const struct iobus_point *point;

        if (layout->segments[i].point == IOBUS_NONE)
            continue;
        point = &layout->points[layout->segments[i].point];
        for (unsigned width = 0; width < IOBUS_WIDTH_COUNT; width++) {
            for (uint32_t bell = point->data_first[width]; bell < point->data_first[width + 1];
                 bell++)
                hang_bell(layout, iobus_bell_key(number, width), bell);
        }
    }
}

/* Returns whether registration i is the overlay of exactly the range before it. */
static bool is_over_previous(const struct iobus_layout *layout, uint32_t i)
{
    const struct iobus_registration *overlay = layout->registrations[i];

    return overlay->is_overlay && i > 0 && !layout->registrations[i - 1]->is_doorbell &&
           layout->registrations[i - 1]->first == overlay->first &&
           layout->registrations[i - 1]->last == overlay->last;
}

/* Fills the arrays from the merged registrations. */
static enum status fill(struct iobus_layout *layout, const struct scratch *scratch,
                        uint64_t address_last, const struct iobus_registration **new_side,
                        const struct iobus_registration **old_side)
{
    uint32_t extent_count = 0, point_count = 0, count = layout->registration_count;

    for (uint32_t i = 0; i < count; i++) {
        const struct iobus_registration *registration = layout->registrations[i];

        if (i > 0 && iobus_registration_order(layout->registrations[i - 1], registration) == 0)
            return conflict(registration, layout->registrations[i - 1], new_side, old_side);
        fill_target(&layout->targets[i], registration);
        layout->slots[i] = registration->slot;
        if (is_over_previous(layout, i)) { /* one extent for both; its target is the inner one */
            layout->targets[i].parent = i - 1;
            scratch->extents[extent_count - 1].target = i;
            scratch->extents[extent_count - 1].access_sizes = registration->access_sizes;
        } else if (!registration->is_doorbell)
            scratch->extents[extent_count++] =
                (struct iobus_extent){.first = registration->first,
                                      .last = registration->last,
                                      .target = i,
                                      .access_sizes = registration->access_sizes};
    }
    for (uint32_t i = 0; i < count;) {
        if (!layout->registrations[i]->is_doorbell) {
            i++;
            continue;
        }
        scratch->point_addresses[point_count] = layout->registrations[i]->first;
        i = fill_point(layout, &layout->points[point_count++], i);
    }

    uint32_t other = IOBUS_NONE, offender = iobus_nest(scratch->extents, extent_count, &other);

    if (offender != IOBUS_NONE)
        return conflict(layout->registrations[scratch->extents[offender].target],
                        layout->registrations[scratch->extents[other].target], new_side, old_side);
    for (uint32_t i = 0; i < extent_count; i++) {
        const struct iobus_extent *extent = &scratch->extents[i];

        uint32_t target = extent->target;

        if (layout->targets[target].parent != IOBUS_NONE) /* the range under the overlay */
            target = layout->targets[target].parent;
        if (extent->parent != IOBUS_NONE)
            layout->targets[target].parent = scratch->extents[extent->parent].target;
    }
    layout->segment_count =
        iobus_flatten(scratch->extents, extent_count, scratch->point_addresses, point_count,
                      address_last, layout->starts, layout->segments);
    if (layout->tree != NULL) {
        layout->tree_levels = levels_for(layout->segment_count);
        fill_tree(layout);
    }
    return STATUS_OK;
}

static void count_kinds(struct iobus_registration *const *registrations, size_t count,
                        uint64_t *extent_count, uint64_t *doorbell_count)
{
    for (size_t i = 0; i < count; i++) {
        if (registrations[i]->is_leaving)
            continue;
        if (registrations[i]->is_doorbell)
            ++*doorbell_count;
        else
            ++*extent_count;
    }
}

enum status iobus_layout_build(struct iobus *bus, const struct iobus_layout *old,
                               struct iobus_registration *const *additions, size_t addition_count,
                               struct iobus_layout **result,
                               const struct iobus_registration **new_side,
                               const struct iobus_registration **old_side)
{
    struct iobus_layout layout = {0};
    struct scratch scratch;
    uint64_t extent_count = 0, doorbell_count = 0;

    if (old != NULL)
        count_kinds(old->registrations, old->registration_count, &extent_count, &doorbell_count);
    count_kinds(additions, addition_count, &extent_count, &doorbell_count);
    /* Segment numbers and doorbells' keys have 32 bits. */
    if (extent_count + doorbell_count >= UINT32_MAX / 32)
        return STATUS_NO_MEMORY;

    layout.size_bytes =
        arrange(bus, NULL, (uint32_t)extent_count, (uint32_t)doorbell_count, &layout, &scratch);
    uint8_t *memory = iobus_allocate(bus, layout.size_bytes);

    if (memory == NULL)
        return STATUS_NO_MEMORY;
    arrange(bus, memory, (uint32_t)extent_count, (uint32_t)doorbell_count, &layout, &scratch);
    layout.registration_count = (uint32_t)(extent_count + doorbell_count);
    merge(old, additions, addition_count, layout.registrations);

    enum status status = fill(&layout, &scratch, bus->address_last, new_side, old_side);

    if (status == STATUS_OK && !iobus_index_build(bus, old, &layout))
        status = STATUS_NO_MEMORY;
    if (status != STATUS_OK) {
        iobus_release(bus, memory, layout.size_bytes);
        return status;
    }
    fill_bells(&layout);
    for (uint32_t i = 0; i < layout.registration_count; i++)
        layout.registrations[i]->target = i;
    memcpy(memory, &layout, sizeof(layout));
    *result = (struct iobus_layout *)memory;
    return STATUS_OK;
}

void iobus_layout_free(struct iobus *bus, struct iobus_layout *layout)
{
    iobus_index_drop(bus, layout);
    iobus_release(bus, layout, layout->size_bytes);
}

void iobus_table_set(const struct iobus *bus, struct iobus_table *table,
                     struct iobus_layout *layout)
{
    bool is_ports = bus->address_last == IOBUS_PORT_LAST;
    bool has_tsc = bus->clock == iobus_tsc;

    *table = (struct iobus_table){
        .calls = layout->store->calls != NULL ? (const uint8_t *)layout->store->calls
                                              : (const uint8_t *)layout->store->entries,
        .way = !has_tsc   ? IOBUS_WAY_SLOW
               : is_ports ? IOBUS_WAY_PORT
                          : IOBUS_WAY_MEMORY,
        .slot_mask = layout->page_count * IOBUS_INDEX_PAGE - 1,
        .is_ports = is_ports,
        .removal_count = layout->removal_count,
        .clock = bus->clock,
        .address_last = bus->address_last,
        .segment_count = layout->segment_count,
        .bell_mask = layout->bell_mask,
        .tree_levels = layout->tree_levels,
        .starts = layout->starts,
        .segments = layout->segments,
        .numbers = layout->numbers,
        .tree = layout->tree,
        .targets = layout->targets,
        .data = layout->data,
        .bells = layout->bells,
        .points = layout->points,
        .layout = layout,
    };
    if (layout->removal_count != 0)
        table->way = IOBUS_WAY_SLOW;
}
