// SPDX-License-Identifier: BSD-2-Clause
/* From nested ranges to disjoint segments. Pure functions over arrays. `make prove` shows for all
 * arrays that they do what the comments here say; in the proof's words, the same code is in
 * tests/proof/annotated, which `make check` compares with this. */
#ifndef VMM_IOBUS_FLATTEN_H
#define VMM_IOBUS_FLATTEN_H

#include <stdbool.h>
#include <stdint.h>

#define IOBUS_NONE UINT32_MAX

/* A range, in an array ascending by first and, where that is equal, descending by last. */
struct iobus_extent {
    uint64_t first, last;
    uint32_t target; /* handed through to the segments; not IOBUS_NONE */
    uint8_t access_sizes;
    uint32_t parent; /* the innermost range around this one, an index here; or IOBUS_NONE */
};

/* Addresses first..last that have the same innermost range. All segments together cover the space
 * without gap or overlap, ascending. 32 bytes, two to a cache line. */
struct iobus_segment {
    uint64_t first, last;
    uint32_t target;         /* of the innermost range, or IOBUS_NONE */
    uint32_t point;          /* the doorbells at the address first == last; or IOBUS_NONE */
    uint8_t direct_sizes[2]; /* for reads, for writes: the sizes that go straight to target */
    uint8_t beyond_bytes;    /* how far, up to 7, the segments that follow have the same target */
};

/* Sets every extent's parent. Returns the index of the first extent that overlaps another partly or
 * repeats it, with that other in *other; IOBUS_NONE if all nest. */
uint32_t iobus_nest(struct iobus_extent *extents, uint32_t count, uint32_t *other);

/* The most segments that so many ranges and points can give: each range adds two borders at most,
 * each point as well. */
static inline uint64_t iobus_segments_max(uint32_t extent_count, uint32_t point_count)
{
    return 1 + 2 * ((uint64_t)extent_count + point_count);
}

/* Writes the segments of the space 0..address_last, and their first addresses once more to starts.
 * extents are nested and within the space; point_addresses ascend strictly within it. Returns the
 * number of segments, at least 1, at most iobus_segments_max, which has to be below IOBUS_NONE. */
uint32_t iobus_flatten(const struct iobus_extent *extents, uint32_t extent_count,
                       const uint64_t *point_addresses, uint32_t point_count, uint64_t address_last,
                       uint64_t *starts, struct iobus_segment *segments);

#endif
