// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/iobus/flatten.h"

/* Returns the innermost range that reaches address: top or one of those around it, which all begin
 * at or before address. IOBUS_NONE if none reaches it. */
static uint32_t still_open(const struct iobus_extent *extents, uint32_t top, uint64_t address)
{
    while (top != IOBUS_NONE && extents[top].last < address)
        top = extents[top].parent;
    return top;
}

/* Notes that top is around extent i. */
static void open_extent(struct iobus_extent *extents, uint32_t i, uint32_t top)
{
    extents[i].parent = top;
}

uint32_t iobus_nest(struct iobus_extent *extents, uint32_t count, uint32_t *other)
{
    /* The innermost range that is still open; its parents, up to the outermost, are the stack. */
    uint32_t top = IOBUS_NONE;

    for (uint32_t i = 0; i < count; i++) {
        top = still_open(extents, top, extents[i].first);
        if (top != IOBUS_NONE &&
            (extents[i].last > extents[top].last ||
             (extents[i].first == extents[top].first && extents[i].last == extents[top].last))) {
            *other = top;
            return i;
        }
        open_extent(extents, i, top);
        top = i;
    }
    return IOBUS_NONE;
}

static uint64_t lower(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Returns beyond_bytes of a segment, given the one that follows. Neighbours have the same target
 * only around a point. */
static uint8_t same_beyond(const struct iobus_segment *segment, const struct iobus_segment *next)
{
    if (next->target != segment->target)
        return 0;
    return (uint8_t)lower(lower(next->last - next->first, 7) + 1 + next->beyond_bytes, 7);
}

/* Sets beyond_bytes of all segments, from the end backwards. */
static void measure_runs(struct iobus_segment *segments, uint32_t count)
{
    segments[count - 1].beyond_bytes = 0;
    for (uint32_t i = count - 1; i > 0; i--) {
        uint8_t beyond = same_beyond(&segments[i - 1], &segments[i]);
        segments[i - 1].beyond_bytes = beyond;
    }
}

/* Returns how many extents begin at or before address; `extent` of them begin before it. */
static uint32_t begun_at(const struct iobus_extent *extents, uint32_t extent_count, uint32_t extent,
                         uint64_t address)
{
    while (extent < extent_count && extents[extent].first == address)
        extent++;
    return extent;
}

/* Returns the last address up to which top stays the innermost: it ends there, or the extent that
 * comes next begins behind it. */
static uint64_t same_until(const struct iobus_extent *extents, uint32_t extent_count,
                           uint32_t extent, uint32_t top, uint64_t address_last)
{
    uint64_t last = address_last;

    if (top != IOBUS_NONE)
        last = lower(last, extents[top].last);
    if (extent < extent_count)
        last = lower(last, extents[extent].first - 1);
    return last;
}

/* Writes the segment that follows the first count, except its beyond_bytes. */
static void append(uint64_t *starts, struct iobus_segment *segments, uint32_t count, uint64_t first,
                   uint64_t last, uint32_t target, uint8_t sizes, uint32_t point)
{
    segments[count].first = first;
    segments[count].last = last;
    segments[count].target = target;
    segments[count].point = point;
    segments[count].direct_sizes[0] = sizes;
    segments[count].direct_sizes[1] = point == IOBUS_NONE ? sizes : 0;
    starts[count] = first;
}

/* Returns what is innermost once the extents from `extent` up to begun have begun, inside top. */
static uint32_t innermost(uint32_t top, uint32_t extent, uint32_t begun)
{
    return begun != extent ? begun - 1 : top;
}

/* Returns the point at first, of those from `point` on, which are not below first; or IOBUS_NONE.
 */
static uint32_t point_at(const uint64_t *point_addresses, uint32_t point_count, uint32_t point,
                         uint64_t first)
{
    return point < point_count && point_addresses[point] == first ? point : IOBUS_NONE;
}

/* Returns the last address, at most last, before which no point comes; first if a point is there.
 */
static uint64_t until_point(const uint64_t *point_addresses, uint32_t point_count, uint32_t point,
                            uint64_t first, uint64_t last)
{
    if (point == point_count)
        return last;
    return point_addresses[point] == first ? first : lower(last, point_addresses[point] - 1);
}

static uint32_t target_of(const struct iobus_extent *extents, uint32_t top)
{
    return top == IOBUS_NONE ? IOBUS_NONE : extents[top].target;
}

static uint8_t sizes_of(const struct iobus_extent *extents, uint32_t top)
{
    return top == IOBUS_NONE ? 0 : extents[top].access_sizes;
}

/* Each step of the loop writes the segment that begins at first, up to where the innermost extent
 * changes or a point is. */
uint32_t iobus_flatten(const struct iobus_extent *extents, uint32_t extent_count,
                       const uint64_t *point_addresses, uint32_t point_count, uint64_t address_last,
                       uint64_t *starts, struct iobus_segment *segments)
{
    uint32_t top = IOBUS_NONE, extent = 0, point = 0, count = 0;
    uint64_t first = 0, last;

    for (;; first = last + 1) {
        uint32_t begun, here;

        /* What is innermost at first: close what has ended, open what begins here. */
        top = still_open(extents, top, first);
        begun = begun_at(extents, extent_count, extent, first);
        top = innermost(top, extent, begun);
        extent = begun;
        last = same_until(extents, extent_count, extent, top, address_last);
        here = point_at(point_addresses, point_count, point, first);
        last = until_point(point_addresses, point_count, point, first, last);
        if (here != IOBUS_NONE)
            point++;
        append(starts, segments, count, first, last, target_of(extents, top),
               sizes_of(extents, top), here);
        count++;
        if (last == address_last)
            break;
    }
    measure_runs(segments, count);
    return count;
}
