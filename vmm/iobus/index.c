// SPDX-License-Identifier: BSD-2-Clause
/* The calls of the common access, and the index that finds them. Both outlive tables. Tables share
 * the parts that are the same in them. So a publication costs little, and the data in the vCPUs'
 * caches stays valid: a call keeps its number and its place as long as its segment does not change,
 * and the index consists of pieces that are copied only when something in them changes.
 *
 * A number that is in no layout any more becomes free when the last layout that had it is freed.
 * Only then is the call behind it written again, so nobody reads a call that is being written. */
#include "vmm/base/bits.h"
#include "vmm/iobus/layout.h"
#include "vmm/iobus/lookup.h"

#include <string.h>

/* At most this many pages of a range are in the index; the tree finds the others. */
#define INDEXED_PAGES_MAX 16

static bool is_ports(const struct iobus *bus)
{
    return bus->address_last == IOBUS_PORT_LAST;
}

static size_t one_bytes(const struct iobus *bus)
{
    return is_ports(bus) ? sizeof(struct iobus_port_entry) : sizeof(struct iobus_entry);
}

/* Returns the offset as the index holds it. */
static uint32_t offset_bytes(const struct iobus *bus, uint32_t number)
{
    return number * (uint32_t)one_bytes(bus);
}

/* Numbers. */

static struct iobus_store *make_store(struct iobus *bus, uint32_t capacity)
{
    size_t one = one_bytes(bus);
    size_t header = (sizeof(struct iobus_store) + 63) & ~(size_t)63;
    size_t size_bytes = header + capacity * (one + sizeof(uint32_t));
    struct iobus_store *store = iobus_allocate(bus, size_bytes);
    uint8_t *calls;

    if (store == NULL)
        return NULL;
    calls = (uint8_t *)store + header;
    *store = (struct iobus_store){
        .use_count = 1,
        .capacity = capacity,
        .size_bytes = size_bytes,
        .calls = is_ports(bus) ? (struct iobus_port_entry *)calls : NULL,
        .entries = is_ports(bus) ? NULL : (struct iobus_entry *)calls,
        .next = (uint32_t *)(calls + capacity * one),
        .first_free = IOBUS_NONE,
    };
    return store;
}

static void drop_store(struct iobus *bus, struct iobus_store *store)
{
    if (--store->use_count == 0)
        iobus_release(bus, store, store->size_bytes);
}

static void add_free(struct iobus_store *store, uint32_t from)
{
    for (uint32_t number = store->capacity; number-- > from;) {
        store->next[number] = store->first_free;
        store->first_free = number;
    }
}

/* Doubles the store. Layouts keep the store that they know; a number means the same in the larger
 * one. */
static bool grow(struct iobus *bus)
{
    struct iobus_store *old = bus->store, *store;

    if (old->capacity > UINT32_MAX / 128) /* an offset has 32 bits */
        return false;
    store = make_store(bus, 2 * old->capacity);
    if (store == NULL)
        return false;
    if (store->calls != NULL)
        memcpy(store->calls, old->calls, old->capacity * sizeof(*old->calls));
    else
        memcpy(store->entries, old->entries, old->capacity * sizeof(*old->entries));
    memcpy(store->next, old->next, old->capacity * sizeof(*old->next));
    store->first_free = old->first_free;
    add_free(store, old->capacity);
    bus->store = store;
    drop_store(bus, old);
    return true;
}

static void push(struct iobus *bus, uint32_t *list, uint32_t number)
{
    bus->store->next[number] = *list;
    *list = number;
}

static void free_list(struct iobus *bus, uint32_t list)
{
    while (list != IOBUS_NONE) {
        uint32_t number = list;

        list = bus->store->next[number];
        push(bus, &bus->store->first_free, number);
    }
}

static bool is_nobodys(const struct iobus_segment *segment)
{
    return segment->target == IOBUS_NONE && segment->point == IOBUS_NONE;
}

/* Returns those of sizes whose aligned accesses end in the segment, or in the segments behind it
 * that have the same target. */
static uint32_t fitting_sizes(const struct iobus_segment *segment, uint32_t sizes)
{
    for (uint32_t size = 1; size <= 8; size *= 2) {
        if (align_down(segment->last, size) + (size - 1) > segment->last + segment->beyond_bytes)
            sizes &= ~size;
    }
    return sizes;
}

static struct iobus_call call_of(const struct iobus_layout *layout,
                                 const struct iobus_segment *segment)
{
    uint16_t unclaimed = (uint16_t)fitting_sizes(segment, IOBUS_SIZES_ALL);
    struct iobus_call call = {
        .unclaimed_sizes = {unclaimed, segment->point == IOBUS_NONE ? unclaimed : 0},
        .point = IOBUS_NONE,
        .refused_sizes = {UINT16_MAX, UINT16_MAX},
    };

    if (segment->target != IOBUS_NONE) {
        call = layout->targets[segment->target].call;
        for (unsigned is_write = 0; is_write < 2; is_write++)
            call.refused_sizes[is_write] =
                (uint16_t)~fitting_sizes(segment, segment->direct_sizes[is_write]);
    }
    return call;
}

static uint32_t slot_at(const struct iobus_layout *layout, const struct iobus_segment *segment)
{
    return segment->target == IOBUS_NONE ? IOBUS_NONE : layout->slots[segment->target];
}

/* Returns the doorbell to which writes go at once, or IOBUS_NONE. */
static uint32_t direct_bell(const struct iobus_layout *layout, const struct iobus_segment *segment)
{
    return segment->point == IOBUS_NONE ? IOBUS_NONE : layout->points[segment->point].only_one;
}

static uint32_t bell_slot_at(const struct iobus_layout *layout, const struct iobus_segment *segment)
{
    uint32_t bell = direct_bell(layout, segment);

    return bell == IOBUS_NONE ? IOBUS_NONE : layout->slots[bell];
}

/* Returns whether segment j of the old layout is the same as the new segment and has the same
 * calls. Calls are the same if they belong to the same registrations, because a slot belongs to one
 * registration as long as any layout has it. */
static bool is_same(const struct iobus_layout *old, uint32_t j, const struct iobus_layout *layout,
                    const struct iobus_segment *segment)
{
    const struct iobus_segment *before = &old->segments[j];

    return before->first == segment->first && before->last == segment->last &&
           before->beyond_bytes == segment->beyond_bytes &&
           before->direct_sizes[0] == segment->direct_sizes[0] &&
           before->direct_sizes[1] == segment->direct_sizes[1] &&
           (before->point == IOBUS_NONE) == (segment->point == IOBUS_NONE) &&
           slot_at(old, before) == slot_at(layout, segment) &&
           bell_slot_at(old, before) == bell_slot_at(layout, segment);
}

/* Returns the call for writes. */
static struct iobus_call write_call_of(const struct iobus_layout *layout,
                                       const struct iobus_segment *segment,
                                       const struct iobus_call *read_call)
{
    uint32_t bell = direct_bell(layout, segment);
    struct iobus_call call = *read_call;
    uint8_t width;

    if (bell == IOBUS_NONE)
        return call;
    width = layout->registrations[bell]->match.width_bytes;
    call.handler = layout->targets[bell].call.handler;
    call.context = layout->targets[bell].call.context;
    call.counter = layout->targets[bell].call.counter;
    call.refused_sizes[1] = (uint16_t) ~(width == 0 ? IOBUS_SIZES_ALL : width);
    call.unclaimed_sizes[1] = 0;
    return call;
}

static bool take_number(struct iobus *bus, struct iobus_layout *layout, uint32_t *number)
{
    if (bus->store->first_free == IOBUS_NONE && !grow(bus))
        return false;
    *number = bus->store->first_free;
    bus->store->first_free = bus->store->next[*number];
    push(bus, &layout->added, *number);
    return true;
}

/* Returns the number of the entry for writes. Numbers keep their distance in every store. */
static uint32_t writes_number(const struct iobus_entry *entry, uint32_t number)
{
    return (uint32_t)(number + entry->write_call_at / (int64_t)sizeof(*entry));
}

static bool add_entry(struct iobus *bus, struct iobus_layout *layout,
                      const struct iobus_segment *segment, const struct iobus_call *call,
                      uint32_t number)
{
    struct iobus_entry entry = {
        .first = segment->first,
        .length_minus_1 = segment->last - segment->first,
        .call = *call,
    };

    if (direct_bell(layout, segment) != IOBUS_NONE) {
        struct iobus_entry for_writes = entry;
        uint32_t other;

        if (!take_number(bus, layout, &other))
            return false;
        for_writes.call = write_call_of(layout, segment, call);
        for_writes.is_for_writes = true;
        bus->store->entries[other] = for_writes;
        entry.write_call_at = ((int64_t)other - number) * (int64_t)sizeof(entry);
    }
    bus->store->entries[number] = entry;
    return true;
}

static bool add_call(struct iobus *bus, struct iobus_layout *layout,
                     const struct iobus_segment *segment, const struct iobus_call *call,
                     uint32_t *number)
{
    struct iobus_call numbered = *call;

    if (!take_number(bus, layout, number))
        return false;
    numbered.point = segment->point == IOBUS_NONE ? IOBUS_NONE : *number;
    if (!is_ports(bus))
        return add_entry(bus, layout, segment, &numbered, *number);
    bus->store->calls[*number] = (struct iobus_port_entry){
        .by_direction = {numbered, write_call_of(layout, segment, &numbered)}};
    return true;
}

static void replace(struct iobus *bus, const struct iobus_layout *old, uint32_t j,
                    struct iobus_layout *layout)
{
    uint32_t number = old->numbers[j];
    const struct iobus_entry *entry;

    if (number < IOBUS_NOBODY_CALLS)
        return;
    push(bus, &layout->replaced, number);
    if (is_ports(bus))
        return;
    entry = &bus->store->entries[number];
    if (entry->write_call_at != 0)
        push(bus, &layout->replaced, writes_number(entry, number));
}

/* Numbers the layout's calls. The segments of both layouts ascend, so one walk along both is
 * enough. */
static bool number_calls(struct iobus *bus, const struct iobus_layout *old,
                         struct iobus_layout *layout)
{
    uint32_t j = 0, old_count = old == NULL ? 0 : old->segment_count;

    for (uint32_t i = 0; i < layout->segment_count; i++) {
        const struct iobus_segment *segment = &layout->segments[i];
        struct iobus_call call;

        while (j < old_count && old->segments[j].first < segment->first)
            replace(bus, old, j++, layout);
        if (j < old_count && is_same(old, j, layout, segment)) {
            layout->numbers[i] = old->numbers[j++];
            continue;
        }
        call = call_of(layout, segment);
        if (is_ports(bus) && is_nobodys(segment))
            layout->numbers[i] = call.unclaimed_sizes[0];
        else if (!add_call(bus, layout, segment, &call, &layout->numbers[i]))
            return false;
    }
    while (j < old_count)
        replace(bus, old, j++, layout);
    return true;
}

/* The index. */

static void drop_page(struct iobus *bus, struct iobus_index_page *page)
{
    if (--page->use_count == 0)
        iobus_release(bus, page, sizeof(*page));
}

static struct iobus_index_page *make_page(struct iobus *bus)
{
    struct iobus_index_page *page = iobus_allocate(bus, sizeof(*page));

    if (page != NULL)
        page->use_count = 1;
    return page;
}

/* Returns the piece that has the slot, for writing: a copy if other layouts use the piece. Null: no
 * memory. */
static struct iobus_index_page *own_page(struct iobus *bus, struct iobus_layout *layout,
                                         uint32_t slot)
{
    struct iobus_index_page **place = &layout->pages[slot / IOBUS_INDEX_PAGE], *page = *place;

    if (page->use_count == 1)
        return page;
    page = make_page(bus);
    if (page == NULL)
        return NULL;
    memcpy(page->offsets_bytes, (*place)->offsets_bytes, sizeof(page->offsets_bytes));
    (*place)->use_count--;
    *place = page;
    return page;
}

static bool set_slot(struct iobus *bus, struct iobus_layout *layout, uint32_t slot, uint32_t number)
{
    struct iobus_index_page *page = own_page(bus, layout, slot);

    if (page != NULL)
        page->offsets_bytes[slot % IOBUS_INDEX_PAGE] = offset_bytes(bus, number);
    return page != NULL;
}

static bool set_ports(struct iobus *bus, struct iobus_layout *layout, uint32_t first, uint32_t last,
                      uint32_t number)
{
    struct iobus_index_page *page = NULL;

    for (uint32_t port = first; port <= last; port++) {
        if (page == NULL || port % IOBUS_INDEX_PAGE == 0)
            page = own_page(bus, layout, port);
        if (page == NULL)
            return false;
        page->offsets_bytes[port % IOBUS_INDEX_PAGE] = offset_bytes(bus, number);
    }
    return true;
}

/* Sets the ports whose number has changed, segment by segment. If there is no layout before, all
 * ports have had nobody's number. */
static bool index_ports(struct iobus *bus, const struct iobus_layout *old,
                        struct iobus_layout *layout)
{
    static const struct iobus_segment all = {.last = IOBUS_PORT_LAST};
    static const uint32_t nobody = IOBUS_SIZES_ALL;
    const struct iobus_segment *before = old == NULL ? &all : old->segments;
    const uint32_t *number_before = old == NULL ? &nobody : old->numbers;
    uint32_t j = 0;

    for (uint32_t i = 0; i < layout->segment_count; i++) {
        const struct iobus_segment *segment = &layout->segments[i];

        for (;; j++) {
            uint64_t first = segment->first > before[j].first ? segment->first : before[j].first;
            uint64_t last = segment->last < before[j].last ? segment->last : before[j].last;

            if (number_before[j] != layout->numbers[i] &&
                !set_ports(bus, layout, (uint32_t)first, (uint32_t)last, layout->numbers[i]))
                return false;
            if (before[j].last >= segment->last) {
                j += before[j].last == segment->last;
                break;
            }
        }
    }
    return true;
}

static uint32_t slot_of(const struct iobus_layout *layout, uint64_t page)
{
    return iobus_page_slot(page << 12, layout->page_count * IOBUS_INDEX_PAGE - 1);
}

static uint64_t indexed_pages(uint64_t first, uint64_t last)
{
    uint64_t pages = (last >> 12) - (first >> 12) + 1;

    return pages < INDEXED_PAGES_MAX ? pages : INDEXED_PAGES_MAX;
}

/* Enters a guess for the first pages of an entry. If two entries want one slot, one gets it and the
 * tree finds the other. */
static bool enter(struct iobus *bus, struct iobus_layout *layout, uint32_t number)
{
    const struct iobus_entry *entry = &bus->store->entries[number];
    uint64_t first = entry->first, last = first + entry->length_minus_1;

    if ((entry->call.handler == NULL && entry->call.point == IOBUS_NONE) || entry->is_for_writes)
        return true;
    for (uint64_t page = first >> 12, end = page + indexed_pages(first, last); page < end; page++) {
        uint32_t slot = slot_of(layout, page);
        uint32_t there =
            layout->pages[slot / IOBUS_INDEX_PAGE]->offsets_bytes[slot % IOBUS_INDEX_PAGE];

        if (there != 0 && there != offset_bytes(bus, number))
            layout->is_crowded = true;
        else if (there == 0 && !set_slot(bus, layout, slot, number))
            return false;
    }
    return true;
}

/* Removes an entry's guesses. Sets *has_made_room if it had a slot. */
static bool withdraw(struct iobus *bus, struct iobus_layout *layout, uint32_t number,
                     bool *has_made_room)
{
    const struct iobus_entry *entry = &bus->store->entries[number];
    uint64_t first = entry->first, last = first + entry->length_minus_1;

    for (uint64_t page = first >> 12, end = page + indexed_pages(first, last); page < end; page++) {
        uint32_t slot = slot_of(layout, page);

        if (layout->pages[slot / IOBUS_INDEX_PAGE]->offsets_bytes[slot % IOBUS_INDEX_PAGE] !=
            offset_bytes(bus, number))
            continue;
        if (!set_slot(bus, layout, slot, 0))
            return false;
        *has_made_room = true;
    }
    return true;
}

static bool enter_all(struct iobus *bus, struct iobus_layout *layout)
{
    layout->is_crowded = false;
    for (uint32_t i = 0; i < layout->segment_count; i++) {
        if (!enter(bus, layout, layout->numbers[i]))
            return false;
    }
    return true;
}

static bool index_memory(struct iobus *bus, const struct iobus_layout *old,
                         struct iobus_layout *layout)
{
    bool has_made_room = false;

    if (old == NULL || old->page_count != layout->page_count)
        return enter_all(bus, layout);
    layout->is_crowded = old->is_crowded;
    for (uint32_t number = layout->replaced; number != IOBUS_NONE;
         number = bus->store->next[number]) {
        if (!withdraw(bus, layout, number, &has_made_room))
            return false;
    }
    if (layout->is_crowded && has_made_room)
        return enter_all(bus, layout);
    for (uint32_t number = layout->added; number != IOBUS_NONE; number = bus->store->next[number]) {
        if (!enter(bus, layout, number))
            return false;
    }
    return true;
}

uint32_t iobus_index_pages(const struct iobus *bus, uint64_t segment_count)
{
    uint64_t slots = IOBUS_INDEX_PAGE;

    if (is_ports(bus))
        return (IOBUS_PORT_LAST + 1) / IOBUS_INDEX_PAGE;
    /* Many slots, so that two pages seldom want the same one; fewer if they would push everything
     * else out of the caches. */
    while (slots < (segment_count <= 2048 ? 16 : 4) * segment_count)
        slots *= 2;
    return (uint32_t)(slots / IOBUS_INDEX_PAGE);
}

static void drop_pages(struct iobus *bus, struct iobus_layout *layout)
{
    for (uint32_t i = 0; i < layout->page_count; i++)
        drop_page(bus, layout->pages[i]);
}

bool iobus_index_build(struct iobus *bus, const struct iobus_layout *old,
                       struct iobus_layout *layout)
{
    bool is_alike = old != NULL && old->page_count == layout->page_count;

    layout->replaced = layout->added = layout->dropped = IOBUS_NONE;
    if (!number_calls(bus, old, layout)) {
        free_list(bus, layout->added);
        return false;
    }
    for (uint32_t i = 0; i < layout->page_count; i++) {
        layout->pages[i] = is_alike ? old->pages[i] : bus->empty_page;
        layout->pages[i]->use_count++;
    }
    if (!(is_ports(bus) ? index_ports(bus, old, layout) : index_memory(bus, old, layout))) {
        drop_pages(bus, layout);
        free_list(bus, layout->added);
        return false;
    }
    layout->store = bus->store;
    layout->store->use_count++;
    return true;
}

void iobus_index_drop(struct iobus *bus, struct iobus_layout *layout)
{
    drop_pages(bus, layout);
    drop_store(bus, layout->store);
    free_list(bus, layout->dropped);
}

enum status iobus_index_init(struct iobus *bus)
{
    uint32_t nobody = is_ports(bus) ? IOBUS_SIZES_ALL : 0;

    bus->store = make_store(bus, 4 * IOBUS_NOBODY_CALLS);
    bus->empty_page = make_page(bus);
    if (bus->store == NULL || bus->empty_page == NULL) {
        iobus_index_destroy(bus);
        return STATUS_NO_MEMORY;
    }
    for (uint32_t number = 0; number < IOBUS_NOBODY_CALLS; number++) {
        const uint16_t unclaimed = is_ports(bus) ? (uint16_t)number : 0;
        const struct iobus_call nobody_there = {
            .unclaimed_sizes = {unclaimed, unclaimed},
            .point = IOBUS_NONE,
            .refused_sizes = {UINT16_MAX, UINT16_MAX},
        };

        if (is_ports(bus))
            bus->store->calls[number] =
                (struct iobus_port_entry){.by_direction = {nobody_there, nobody_there}};
        else
            bus->store->entries[number] = (struct iobus_entry){.call = nobody_there};
    }
    add_free(bus->store, IOBUS_NOBODY_CALLS);
    for (uint32_t slot = 0; slot < IOBUS_INDEX_PAGE; slot++)
        bus->empty_page->offsets_bytes[slot] = offset_bytes(bus, nobody);
    return STATUS_OK;
}

void iobus_index_destroy(struct iobus *bus)
{
    if (bus->store != NULL)
        drop_store(bus, bus->store);
    if (bus->empty_page != NULL)
        drop_page(bus, bus->empty_page);
}
