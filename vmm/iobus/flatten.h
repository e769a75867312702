// SPDX-License-Identifier: BSD-2-Clause
/* Turns nested ranges into disjoint segments: pure functions over arrays. `make prove` proves for
 * all arrays that the functions do what the comments here say. The same code with the proof's
 * annotations is in tests/proof/annotated; `make check` compares it with this. */
#ifndef VMM_IOBUS_FLATTEN_H
#define VMM_IOBUS_FLATTEN_H

#include <stdbool.h>
#include <stdint.h>

#define IOBUS_NONE UINT32_MAX

/* A range, in an array that ascends by first; where first is equal, it descends by last. */
struct iobus_extent {
    uint64_t first, last;
    uint32_t target; /* copied to the segments; not IOBUS_NONE */
    uint8_t access_sizes;
    uint32_t parent; /* the innermost range around this one, an index of the array; or IOBUS_NONE */
};

/* Addresses first..last that have the same innermost range. All segments together cover the space
 * without gap or overlap, in ascending order. 32 bytes: two fit into a cache line. */
struct iobus_segment {
    uint64_t first, last;
    uint32_t target;         /* the innermost range's target, or IOBUS_NONE */
    uint32_t point;          /* the doorbells at the address first == last; or IOBUS_NONE */
    uint8_t direct_sizes[2]; /* for reads, for writes: the sizes that go directly to target */
    uint8_t beyond_bytes;    /* up to 7 bytes, for which the next segments have this target */
};

/* Sets the parent of every extent. Returns IOBUS_NONE if all extents nest. Otherwise returns the
 * index of the first extent that partly overlaps another one or repeats it, and sets *other to the
 * index of that other one. */
uint32_t iobus_nest(struct iobus_extent *extents, uint32_t count, uint32_t *other);

/* Returns the largest number of segments that this many ranges and points can give: each range and
 * each point adds at most two borders. */
static inline uint64_t iobus_segments_max(uint32_t extent_count, uint32_t point_count)
{
    return 1 + 2 * ((uint64_t)extent_count + point_count);
}

/* Writes the segments of the space 0..address_last to segments, and their first addresses to
 * starts. extents are nested and within the space; point_addresses ascend strictly within it.
 * Returns the number of segments, at least 1 and at most iobus_segments_max, which has to be below
 * IOBUS_NONE. */
uint32_t iobus_flatten(const struct iobus_extent *extents, uint32_t extent_count,
                       const uint64_t *point_addresses, uint32_t point_count, uint64_t address_last,
                       uint64_t *starts, struct iobus_segment *segments);

#endif
