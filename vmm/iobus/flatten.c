#include "vmm/iobus/flatten.h"

uint32_t iobus_nest(struct iobus_extent *extents, uint32_t count, uint32_t *other)
{
    uint32_t top = IOBUS_NONE; /* innermost range that is still open; its parents are the stack */

    for (uint32_t i = 0; i < count; i++) {
        while (top != IOBUS_NONE && extents[top].last < extents[i].first)
            top = extents[top].parent;
        if (top != IOBUS_NONE &&
            (extents[i].last > extents[top].last ||
             (extents[i].first == extents[top].first && extents[i].last == extents[top].last))) {
            *other = top;
            return i;
        }
        extents[i].parent = top;
        top = i;
    }
    return IOBUS_NONE;
}

static uint64_t lower(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* beyond_bytes, from the end backwards. Neighbours have the same target only around a point. */
static void measure_runs(struct iobus_segment *segments, uint32_t count)
{
    segments[count - 1].beyond_bytes = 0;
    for (uint32_t i = count - 1; i-- > 0;) {
        const struct iobus_segment *next = &segments[i + 1];
        uint64_t beyond = 0;

        if (next->target == segments[i].target)
            beyond = lower(lower(next->last - next->first, 7) + 1 + next->beyond_bytes, 7);
        segments[i].beyond_bytes = (uint8_t)beyond;
    }
}

uint32_t iobus_flatten(const struct iobus_extent *extents, uint32_t extent_count,
                       const uint64_t *point_addresses, uint32_t point_count, uint64_t address_last,
                       uint64_t *starts, struct iobus_segment *segments)
{
    uint32_t top = IOBUS_NONE, extent = 0, point = 0, count = 0;
    uint64_t first = 0, last;

    for (;; first = last + 1) {
        struct iobus_segment *segment = &segments[count];

        /* What is innermost at first: close what has ended, open what begins here. */
        while (top != IOBUS_NONE && extents[top].last < first)
            top = extents[top].parent;
        while (extent < extent_count && extents[extent].first == first)
            top = extent++;

        /* It stays so until it ends, or something begins. */
        last = address_last;
        if (top != IOBUS_NONE)
            last = lower(last, extents[top].last);
        if (extent < extent_count)
            last = lower(last, extents[extent].first - 1);

        segment->point = IOBUS_NONE;
        if (point < point_count && point_addresses[point] == first) {
            segment->point = point++;
            last = first;
        } else if (point < point_count) {
            last = lower(last, point_addresses[point] - 1);
        }

        segment->first = first;
        segment->last = last;
        segment->target = top == IOBUS_NONE ? IOBUS_NONE : extents[top].target;
        segment->direct_sizes[0] = top == IOBUS_NONE ? 0 : extents[top].access_sizes;
        segment->direct_sizes[1] = segment->point == IOBUS_NONE ? segment->direct_sizes[0] : 0;
        starts[count++] = first;
        if (last == address_last)
            break;
    }
    measure_runs(segments, count);
    return count;
}
