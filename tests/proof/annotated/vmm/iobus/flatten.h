// SPDX-License-Identifier: BSD-2-Clause
/* From nested ranges to disjoint segments. Pure functions over arrays; `make prove` shows that they
 * do what the annotations say, for all arrays. */
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
    uint32_t target; /* of the innermost range, or IOBUS_NONE */
    uint32_t point;  /* the doorbells at the address first == last; or IOBUS_NONE */
    uint8_t
        direct_sizes[2];  /* for reads, for writes: sizes of accesses that go to target at once */
    uint8_t beyond_bytes; /* how far, up to 7, the segments that follow have the same target */
};

/*@ // The order that the array has to have.
  @ predicate iobus_sorted(struct iobus_extent *e, integer n) =
  @   (\forall integer i; 0 <= i < n ==> e[i].first <= e[i].last) &&
  @   (\forall integer i, j; 0 <= i <= j < n ==> e[i].first <= e[j].first) &&
  @   (\forall integer i, j; 0 <= i <= j < n && e[i].first == e[j].first ==>
  @     e[j].last <= e[i].last);
  @
  @ // Of two, the later is outside the earlier or inside it.
  @ predicate iobus_nested(struct iobus_extent *e, integer n) =
  @   \forall integer i, j; 0 <= i < j < n ==>
  @     e[i].last < e[j].first || e[j].last <= e[i].last;
  @
  @ // t is the last of n extents, all of which begin at or before address, that reaches it.
  @ predicate iobus_reaches(struct iobus_extent *e, integer n, integer t, integer address) =
  @   t == IOBUS_NONE ?
  @     (\forall integer j; 0 <= j < n ==> e[j].last < address) :
  @     0 <= t < n && address <= e[t].last &&
  @     (\forall integer j; t < j < n ==> e[j].last < address);
  @
  @ predicate iobus_parents(struct iobus_extent *e, integer n) =
  @   \forall integer i; 0 <= i < n ==> iobus_reaches(e, i, e[i].parent, e[i].first);
  @
  @ // How many extents are open if t is the innermost of them.
  @ logic integer iobus_open(uint32_t *depth, integer t) = t == IOBUS_NONE ? 0 : depth[t] + 1;
  @
  @ predicate iobus_depths(struct iobus_extent *e, integer n, uint32_t *depth) =
  @   \forall integer i; 0 <= i < n ==> depth[i] == iobus_open(depth, e[i].parent);
  @*/

/* Sets every extent's parent. Returns the index of the first extent that overlaps another partly or
 * repeats it, with that other in *other; IOBUS_NONE if all nest. */
/*@ requires count < IOBUS_NONE;
  @ requires \valid(extents + (0 .. count - 1));
  @ requires \valid(depth + (0 .. count - 1));
  @ requires \valid(other);
  @ requires \separated(extents + (0 .. count - 1), depth + (0 .. count - 1), other);
  @ requires iobus_sorted(extents, count);
  @ assigns extents[0 .. count - 1].parent, depth[0 .. count - 1], *other;
  @ ensures \result == IOBUS_NONE || 0 <= *other < \result < count;
  @ ensures \result == IOBUS_NONE ==> iobus_nested(extents, count);
  @ ensures \result == IOBUS_NONE ==> iobus_parents(extents, count);
  @ ensures \result == IOBUS_NONE ==> iobus_depths(extents, count, depth);
  @ ensures \result != IOBUS_NONE ==>
  @   extents[*other].first <= extents[\result].first <= extents[*other].last;
  @ ensures \result != IOBUS_NONE && extents[*other].first == extents[\result].first ==>
  @   extents[\result].last == extents[*other].last;
  @ ensures \result != IOBUS_NONE && extents[*other].first != extents[\result].first ==>
  @   extents[\result].last > extents[*other].last; */
uint32_t iobus_nest(struct iobus_extent *extents, uint32_t count, uint32_t *other)
    /*@ ghost (uint32_t \ghost *depth) */;

/* The most segments that so many ranges and points can give: each range adds two borders at most,
 * each point as well. */
/*@ assigns \nothing;
  @ ensures \result == 1 + 2 * (extent_count + point_count); */
static inline uint64_t iobus_segments_max(uint32_t extent_count, uint32_t point_count)
{
    return 1 + 2 * ((uint64_t)extent_count + point_count);
}

/*@ predicate iobus_misses(struct iobus_extent *e, integer first, integer last) =
  @   e->last < first || last < e->first;
  @
  @ // t is the innermost extent of all addresses first..last: the one behind which, in the order of
  @ // the array, no other touches them, and which is inside all others that do. IOBUS_NONE: none
  @ // touches them.
  @ predicate iobus_innermost(struct iobus_extent *e, integer n, integer t, integer first,
  @                           integer last) =
  @   t == IOBUS_NONE ? (\forall integer j; 0 <= j < n ==> iobus_misses(e + j, first, last)) :
  @     0 <= t < n && e[t].first <= first && last <= e[t].last &&
  @     (\forall integer j; t < j < n ==> iobus_misses(e + j, first, last)) &&
  @     (\forall integer j; 0 <= j < t ==> iobus_misses(e + j, first, last) ||
  @       (e[j].first <= e[t].first && e[t].last <= e[j].last));
  @
  @ predicate iobus_target_right(struct iobus_extent *e, integer n, struct iobus_segment *s) =
  @   \exists integer t; iobus_innermost(e, n, t, s->first, s->last) &&
  @     s->target == (t == IOBUS_NONE ? IOBUS_NONE : e[t].target) &&
  @     (s->target == IOBUS_NONE <==> t == IOBUS_NONE);
  @
  @ // There is at most one innermost extent.
  @ predicate iobus_sizes_right(struct iobus_extent *e, integer n, struct iobus_segment *s) =
  @   (iobus_innermost(e, n, IOBUS_NONE, s->first, s->last) ==> s->direct_sizes[0] == 0) &&
  @   (\forall integer t; 0 <= t < n && iobus_innermost(e, n, t, s->first, s->last) ==>
  @     s->direct_sizes[0] == e[t].access_sizes) &&
  @   s->direct_sizes[1] == (s->point == IOBUS_NONE ? s->direct_sizes[0] : 0);
  @
  @ predicate iobus_point_in(uint64_t *points, integer n, integer point, integer first,
  @                          integer last) =
  @   point == IOBUS_NONE ?
  @     (\forall integer p; 0 <= p < n ==> points[p] < first || last < points[p]) :
  @     0 <= point < n && points[point] == first == last;
  @
  @ predicate iobus_point_right(uint64_t *points, integer n, struct iobus_segment *s) =
  @   iobus_point_in(points, n, s->point, s->first, s->last);
  @
  @ // Sorted, disjoint, without a gap from 0 on.
  @ predicate iobus_gapless(struct iobus_segment *s, integer n) =
  @   (n > 0 ==> s[0].first == 0) &&
  @   (\forall integer k; 0 <= k < n ==> s[k].first <= s[k].last) &&
  @   (\forall integer i, j; 0 <= i < j < n ==> s[i].last < s[j].first) &&
  @   (\forall integer i, j; 0 <= i < j < n && j <= i + 1 ==> s[j].first == s[i].last + 1);
  @
  @ predicate iobus_starts(uint64_t *starts, struct iobus_segment *s, integer n) =
  @   \forall integer k; 0 <= k < n ==> starts[k] == s[k].first;
  @
  @ predicate iobus_points(uint64_t *points, integer n) =
  @   \forall integer p, q; 0 <= p < q < n ==> points[p] < points[q];
  @
  @ // What a segment says of those that follow holds.
  @ predicate iobus_beyond(struct iobus_segment *s, integer i, integer n, integer bytes) =
  @   bytes <= 7 && s[i].last + bytes <= s[n - 1].last &&
  @   (\forall integer j; i < j < n && s[j].first <= s[i].last + bytes ==>
  @     s[j].target == s[i].target);
  @*/

/* Writes the segments of the space 0..address_last, and their first addresses once more to starts.
 * extents are nested and within the space; point_addresses ascend strictly within it. Returns the
 * number of segments, at least 1, at most iobus_segments_max, which has to be below IOBUS_NONE. */
/*@ requires 1 + 2 * (extent_count + point_count) < IOBUS_NONE;
  @ requires \valid_read(extents + (0 .. extent_count - 1));
  @ requires \valid_read(depth + (0 .. extent_count - 1));
  @ requires \valid_read(point_addresses + (0 .. point_count - 1));
  @ requires \valid(starts + (0 .. 2 * (extent_count + point_count)));
  @ requires \valid(segments + (0 .. 2 * (extent_count + point_count)));
  @ requires \separated(starts + (0 .. 2 * (extent_count + point_count)),
  @                     segments + (0 .. 2 * (extent_count + point_count)));
  @ requires \separated(starts + (0 .. 2 * (extent_count + point_count)),
  @                     extents + (0 .. extent_count - 1), depth + (0 .. extent_count - 1),
  @                     point_addresses + (0 .. point_count - 1));
  @ requires \separated(segments + (0 .. 2 * (extent_count + point_count)),
  @                     extents + (0 .. extent_count - 1), depth + (0 .. extent_count - 1),
  @                     point_addresses + (0 .. point_count - 1));
  @ requires iobus_sorted(extents, extent_count);
  @ requires iobus_nested(extents, extent_count);
  @ requires iobus_parents(extents, extent_count);
  @ requires iobus_depths(extents, extent_count, depth);
  @ requires \forall integer j; 0 <= j < extent_count ==>
  @   extents[j].last <= address_last && extents[j].target != IOBUS_NONE;
  @ requires \forall integer p; 0 <= p < point_count ==> point_addresses[p] <= address_last;
  @ requires iobus_points(point_addresses, point_count);
  @ assigns starts[0 .. 2 * (extent_count + point_count)],
  @         segments[0 .. 2 * (extent_count + point_count)],
  @         segments[0 .. 2 * (extent_count + point_count)].beyond_bytes;
  @ ensures 1 <= \result <= 1 + 2 * (extent_count + point_count);
  @ ensures iobus_gapless(segments, \result);
  @ ensures segments[\result - 1].last == address_last;
  @ ensures iobus_starts(starts, segments, \result);
  @ ensures \forall integer k; 0 <= k < \result ==>
  @   iobus_target_right(extents, extent_count, segments + k);
  @ ensures \forall integer k; 0 <= k < \result ==>
  @   iobus_sizes_right(extents, extent_count, segments + k);
  @ ensures \forall integer k; 0 <= k < \result ==>
  @   iobus_point_right(point_addresses, point_count, segments + k);
  @ ensures \forall integer k; 0 <= k < \result ==>
  @   iobus_beyond(segments, k, \result, segments[k].beyond_bytes); */
uint32_t iobus_flatten(const struct iobus_extent *extents, uint32_t extent_count,
                       const uint64_t *point_addresses, uint32_t point_count, uint64_t address_last,
                       uint64_t *starts, struct iobus_segment *segments)
    /*@ ghost (const uint32_t \ghost *depth) */;

#endif
