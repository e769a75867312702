/* Builds a layout: merges what stays with what comes, checks it, flattens it. O(n) for n
 * registrations, and one allocation. */
#include "vmm/iobus/lookup.h"
#include "vmm/iobus/table.h"

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
    if (!a->is_doorbell)
        return compare(b->last, a->last);
    order = compare(b->match.has_data, a->match.has_data);
    if (order == 0)
        order = compare(a->match.width_bytes, b->match.width_bytes);
    return order != 0 ? order : compare(a->match.data, b->match.data);
}

/* Heapsort's "sift down" in the heap of count elements. */
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

/* Only while building. */
struct scratch {
    struct iobus_extent *extents;
    uint64_t *point_addresses;
};

/* Takes bytes from a piece of memory that starts at a line; each array at a line of its own. */
static void *carve(uint8_t *memory, size_t *used_bytes, size_t size_bytes)
{
    void *array = memory == NULL ? NULL : memory + *used_bytes;

    *used_bytes += (size_bytes + 63) & ~(size_t)63;
    return array;
}

/* The levels of a tree with at least count nodes or one less. */
static uint32_t levels_for(uint64_t count)
{
    return count <= 1 ? 0 : 64 - (uint32_t)__builtin_clzll(count - 1);
}

/* Lays the arrays out in memory; with null memory only measures. Returns the bytes it takes: with n
 * registrations, about 500 times n; a bus of ports, the 128 KiB of its index more. */
static size_t arrange(uint8_t *memory, uint64_t address_last, uint32_t extent_count,
                      uint32_t doorbell_count, struct iobus_layout *layout, struct scratch *scratch)
{
    size_t used = 0, count = (size_t)extent_count + doorbell_count;
    size_t segments = iobus_segments_max(extent_count, doorbell_count);
    size_t tree_nodes = (size_t)1 << levels_for(segments), page_slots = 4 * tree_nodes;
    size_t data_slots = (size_t)4 << levels_for(doorbell_count);

    (void)carve(memory, &used, sizeof(*layout));
    layout->starts = carve(memory, &used, segments * sizeof(*layout->starts));
    if (address_last == IOBUS_PORT_LAST) {
        layout->port_index =
            carve(memory, &used, (IOBUS_PORT_LAST + 1) * sizeof(*layout->port_index));
    } else {
        layout->tree = carve(memory, &used, tree_nodes * sizeof(*layout->tree));
        layout->page_index = carve(memory, &used, page_slots * sizeof(*layout->page_index));
        layout->page_mask = (uint32_t)(page_slots - 1);
    }
    layout->entries = carve(memory, &used, segments * sizeof(*layout->entries));
    layout->segments = carve(memory, &used, segments * sizeof(*layout->segments));
    layout->targets = carve(memory, &used, count * sizeof(*layout->targets));
    layout->data = carve(memory, &used, count * sizeof(*layout->data));
    layout->data_index = carve(memory, &used, data_slots * sizeof(*layout->data_index));
    layout->data_mask = (uint32_t)(data_slots - 1);
    layout->points = carve(memory, &used, doorbell_count * sizeof(*layout->points));
    layout->registrations = carve(memory, &used, count * sizeof(*layout->registrations));
    scratch->extents = carve(memory, &used, extent_count * sizeof(*scratch->extents));
    scratch->point_addresses =
        carve(memory, &used, doorbell_count * sizeof(*scratch->point_addresses));
    return used;
}

/* The old ones that stay and the additions, both sorted, into one sorted array. */
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

/* One point for the doorbells from target begin on; returns where the next address begins. */
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
    for (group = 0; group < IOBUS_WIDTH_COUNT; group++) {
        uint32_t first = point->data_first[group];

        for (uint32_t i = first; i < point->data_first[group + 1]; i++)
            layout->data_index[iobus_data_slot(layout->data[i], first, layout->data_mask)] = i;
    }

    for (unsigned i = 0; i < IOBUS_WIDTH_COUNT; i++)
        point->without_data[i] = IOBUS_NONE;
    for (; at < layout->registration_count && layout->registrations[at]->first == address; at++)
        point->without_data[width_group(layout->registrations[at]->match.width_bytes)] = at;
    return at;
}

static void fill_target(struct iobus_target *target, const struct iobus_registration *registration)
{
    target->handler = registration->handler;
    target->context = registration->context;
    target->counter_chunk = (uint8_t)iobus_slot_chunk(registration->slot);
    target->counter_offset = iobus_slot_offset(registration->slot);
    target->access_sizes = registration->access_sizes;
    target->parent = IOBUS_NONE;
    atomic_init(&target->dead_from, UINT32_MAX);
}

/* Level by level: node i of a level that has n nodes is the middle of the i-th of n equal parts of
 * the segments. Where no segment is left, the key is one that nothing is above. */
static void fill_tree(const struct iobus_layout *layout)
{
    uint64_t *tree = layout->tree;

    tree[0] = 0; /* no node */
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

static void fill_port_index(const struct iobus_layout *layout)
{
    for (uint32_t segment = 0; segment < layout->segment_count; segment++) {
        for (uint64_t port = layout->segments[segment].first;
             port <= layout->segments[segment].last; port++)
            layout->port_index[port] = (uint16_t)segment;
    }
}

/* A guess per page, for the first pages of everything that is there. Where two want one slot, the
 * later has it and the other is found by the tree. */
#define INDEXED_PAGES_MAX 16

static void fill_page_index(const struct iobus_layout *layout)
{
    memset(layout->page_index, 0, ((size_t)layout->page_mask + 1) * sizeof(*layout->page_index));
    for (uint32_t i = 0; i < layout->segment_count; i++) {
        const struct iobus_segment *segment = &layout->segments[i];
        uint64_t pages = (segment->last >> 12) - (segment->first >> 12) + 1;

        if (segment->target == IOBUS_NONE && segment->point == IOBUS_NONE)
            continue;
        for (uint64_t page = 0; page < pages && page < INDEXED_PAGES_MAX; page++)
            layout->page_index[iobus_page_slot(segment->first + (page << 12), layout->page_mask)] =
                i;
    }
}

/* What the common access needs, gathered. */
static void fill_entries(struct iobus_layout *layout)
{
    for (uint32_t i = 0; i < layout->segment_count; i++) {
        const struct iobus_segment *segment = &layout->segments[i];
        struct iobus_entry *entry = &layout->entries[i];

        *entry = (struct iobus_entry){
            .first = segment->first,
            .length_minus_1 = segment->last - segment->first,
            .whole_minus_1 = segment->last - segment->first + segment->beyond_bytes,
            .point = segment->point,
        };
        if (segment->target == IOBUS_NONE)
            continue;

        const struct iobus_target *target = &layout->targets[segment->target];

        entry->handler = target->handler;
        entry->context = target->context;
        entry->counter_offset_bytes =
            target->counter_offset * (uint32_t)sizeof(struct iobus_counter);
        entry->counter_chunk = target->counter_chunk;
        entry->direct_sizes[0] = segment->direct_sizes[0];
        entry->direct_sizes[1] = segment->direct_sizes[1];
    }
    if (layout->port_index != NULL) {
        fill_port_index(layout);
    } else {
        layout->tree_levels = levels_for(layout->segment_count);
        fill_tree(layout);
        fill_page_index(layout);
    }
}

/* Fills the arrays from the merged registrations. */
static enum status fill(struct iobus_layout *layout, const struct scratch *scratch,
                        uint64_t address_last, const struct iobus_registration **new_side,
                        const struct iobus_registration **old_side)
{
    uint32_t extent_count = 0, point_count = 0, count = layout->registration_count;

    for (uint32_t i = 0; i < count; i++) {
        const struct iobus_registration *registration = layout->registrations[i];

        if (registration->is_doorbell && i > 0 &&
            iobus_registration_order(layout->registrations[i - 1], registration) == 0)
            return conflict(registration, layout->registrations[i - 1], new_side, old_side);
        fill_target(&layout->targets[i], registration);
        if (!registration->is_doorbell)
            scratch->extents[extent_count++] =
                (struct iobus_extent){.first = registration->first,
                                      .last = registration->last,
                                      .target = i,
                                      .access_sizes = registration->access_sizes};
    }
    memset(layout->data_index, 0, ((size_t)layout->data_mask + 1) * sizeof(*layout->data_index));
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

        if (extent->parent != IOBUS_NONE)
            layout->targets[extent->target].parent = scratch->extents[extent->parent].target;
    }
    layout->segment_count =
        iobus_flatten(scratch->extents, extent_count, scratch->point_addresses, point_count,
                      address_last, layout->starts, layout->segments);
    fill_entries(layout);
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

enum status iobus_layout_build(const struct iobus_allocator *allocator, uint64_t address_last,
                               const struct iobus_layout *old,
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
    /* Segment numbers have 32 bits. */
    if (extent_count + doorbell_count >= UINT32_MAX / 4)
        return STATUS_NO_MEMORY;

    layout.size_bytes = arrange(NULL, address_last, (uint32_t)extent_count,
                                (uint32_t)doorbell_count, &layout, &scratch);
    uint8_t *memory = allocator->allocate(allocator->context, layout.size_bytes, 64);

    if (memory == NULL)
        return STATUS_NO_MEMORY;
    arrange(memory, address_last, (uint32_t)extent_count, (uint32_t)doorbell_count, &layout,
            &scratch);
    layout.registration_count = (uint32_t)(extent_count + doorbell_count);
    merge(old, additions, addition_count, layout.registrations);

    enum status status = fill(&layout, &scratch, address_last, new_side, old_side);

    if (status != STATUS_OK) {
        allocator->release(allocator->context, memory, layout.size_bytes);
        return status;
    }
    for (uint32_t i = 0; i < layout.registration_count; i++)
        layout.registrations[i]->target = i;
    memcpy(memory, &layout, sizeof(layout));
    *result = (struct iobus_layout *)memory;
    return STATUS_OK;
}

/* Takes no size, so that every access goes the long way. */
static const struct iobus_entry no_entry = {.point = IOBUS_NONE};
static const uint64_t no_tree[1];
static const uint32_t no_page_index[1];

void iobus_table_set(struct iobus_table *table, struct iobus_layout *layout)
{
    bool has_dead = layout->removal_count != 0;

    *table = (struct iobus_table){
        .entries = has_dead ? &no_entry : layout->entries,
        .port_index = has_dead ? NULL : layout->port_index,
        .page_index = has_dead ? no_page_index : layout->page_index,
        .page_mask = has_dead ? 0 : layout->page_mask,
        .tree = has_dead ? no_tree : layout->tree,
        .tree_levels = has_dead ? 0 : layout->tree_levels,
        .entry_last = has_dead ? 0 : layout->segment_count - 1,
        .starts = layout->starts,
        .segments = layout->segments,
        .targets = layout->targets,
        .data = layout->data,
        .data_index = layout->data_index,
        .data_mask = layout->data_mask,
        .points = layout->points,
        .segment_count = layout->segment_count,
        .removal_count = layout->removal_count,
        .layout = layout,
    };
}
