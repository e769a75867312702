// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/iobus/flatten.h"

/*@ // t is the last of n extents that was open before address: those behind it have ended.
  @ predicate iobus_last_open(struct iobus_extent *e, integer n, integer t, integer address) =
  @   (t == IOBUS_NONE || 0 <= t < n) &&
  @   (\forall integer j; (t == IOBUS_NONE ? 0 : t + 1) <= j < n ==> e[j].last < address);
  @*/

/* Of top and the ranges around it, which all begin at or before address, the innermost that reaches
 * address. */
/*@ requires n < IOBUS_NONE;
  @ requires \valid_read(extents + (0 .. n - 1));
  @ requires \valid_read(depth + (0 .. n - 1));
  @ requires iobus_parents(extents, n);
  @ requires iobus_depths(extents, n, depth);
  @ requires \forall integer j; 0 <= j < n ==> extents[j].first <= address;
  @ requires iobus_last_open(extents, n, top, address);
  @ assigns \nothing;
  @ exits \false;
  @ ensures iobus_reaches(extents, n, \result, address);
  @ ensures \result != top ==> iobus_open(depth, \result) < iobus_open(depth, top);
  @ ensures top != IOBUS_NONE && extents[top].last < address ==> \result != top; */
static uint32_t still_open(const struct iobus_extent *extents, uint32_t top, uint64_t address)
/*@ ghost (const uint32_t \ghost *depth, uint32_t n) */
{
    /*@ loop invariant iobus_last_open(extents, n, top, address);
      @ loop invariant top != \at(top, Pre) ==>
      @   iobus_open(depth, top) < iobus_open(depth, \at(top, Pre));
      @ loop assigns top;
      @ loop variant iobus_open(depth, top); */
    while (top != IOBUS_NONE && extents[top].last < address)
        top = extents[top].parent;
    return top;
}

/* Notes that top is around extent i. */
/*@ requires i < IOBUS_NONE;
  @ requires \valid(extents + (0 .. i));
  @ requires \valid(depth + (0 .. i));
  @ requires \separated(extents + (0 .. i), depth + (0 .. i));
  @ requires iobus_sorted(extents, i + 1);
  @ requires iobus_nested(extents, i);
  @ requires iobus_parents(extents, i);
  @ requires iobus_depths(extents, i, depth);
  @ requires \forall integer j; 0 <= j < i ==> depth[j] <= j;
  @ requires iobus_reaches(extents, i, top, extents[i].first);
  @ requires top != IOBUS_NONE ==> extents[i].last <= extents[top].last;
  @ assigns extents[i].parent, depth[i];
  @ exits \false;
  @ ensures iobus_nested(extents, i + 1);
  @ ensures iobus_parents(extents, i + 1);
  @ ensures \forall integer j; 0 <= j <= i ==> depth[j] <= j;
  @ ensures iobus_depths(extents, i + 1, depth); */
static void open_extent(struct iobus_extent *extents, uint32_t i, uint32_t top)
/*@ ghost (uint32_t \ghost *depth) */
{
    /*@ assert top != IOBUS_NONE ==> \forall integer j; 0 <= j < top ==>
      @   extents[j].last < extents[i].first || extents[top].last <= extents[j].last; */
    /*@ assert \forall integer j; 0 <= j < i ==>
      @   extents[j].last < extents[i].first || extents[i].last <= extents[j].last; */
    extents[i].parent = top;
    //@ assert iobus_depths(extents, i, depth);
    //@ ghost depth[i] = top == IOBUS_NONE ? 0 : depth[top] + 1;
    //@ assert \forall integer j; 0 <= j < i ==> depth[j] == \at(depth[j], Pre);
    //@ assert \forall integer j; 0 <= j < i ==> extents[j].parent == \at(extents[j].parent, Pre);
    //@ assert depth[i] <= i;
}

uint32_t iobus_nest(struct iobus_extent *extents, uint32_t count, uint32_t *other)
/*@ ghost (uint32_t \ghost *depth) */
{
    uint32_t top = IOBUS_NONE; /* innermost range that is still open; its parents are the stack */

    /*@ loop invariant 0 <= i <= count;
      @ loop invariant top == (i == 0 ? IOBUS_NONE : i - 1);
      @ loop invariant iobus_nested(extents, i);
      @ loop invariant iobus_parents(extents, i);
      @ loop invariant \forall integer j; 0 <= j < i ==> depth[j] <= j;
      @ loop invariant iobus_depths(extents, i, depth);
      @ loop assigns i, top, *other, extents[0 .. count - 1].parent, depth[0 .. count - 1];
      @ loop variant count - i; */
    for (uint32_t i = 0; i < count; i++) {
        top = still_open(extents, top, extents[i].first) /*@ ghost (depth, i) */;
        if (top != IOBUS_NONE &&
            (extents[i].last > extents[top].last ||
             (extents[i].first == extents[top].first && extents[i].last == extents[top].last))) {
            *other = top;
            return i;
        }
        open_extent(extents, i, top) /*@ ghost (depth) */;
        top = i;
    }
    return IOBUS_NONE;
}

/*@ assigns \nothing;
  @ exits \false;
  @ ensures \result == (a < b ? a : b); */
static uint64_t lower(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* beyond_bytes of a segment, from the one that follows. Neighbours have the same target only around
 * a point. */
/*@ requires \valid_read(segment) && \valid_read(next);
  @ requires next->first == segment->last + 1 && next->first <= next->last;
  @ requires next->beyond_bytes <= 7;
  @ assigns \nothing;
  @ exits \false;
  @ ensures \result <= 7;
  @ ensures \result == 0 || segment->target == next->target;
  @ ensures segment->last + \result <= next->last + next->beyond_bytes; */
static uint8_t same_beyond(const struct iobus_segment *segment, const struct iobus_segment *next)
{
    if (next->target != segment->target)
        return 0;
    return (uint8_t)lower(lower(next->last - next->first, 7) + 1 + next->beyond_bytes, 7);
}

/* All beyond_bytes, from the end backwards. */
/*@ requires count >= 1;
  @ requires \valid(segments + (0 .. count - 1));
  @ requires iobus_gapless(segments, count);
  @ assigns segments[0 .. count - 1].beyond_bytes;
  @ exits \false;
  @ ensures \forall integer k; 0 <= k < count ==>
  @   iobus_beyond(segments, k, count, segments[k].beyond_bytes);
  @ behavior sizes:
  @   assumes \valid_read(extents + (0 .. n - 1));
  @   assumes \separated(segments + (0 .. count - 1), extents + (0 .. n - 1));
  @   assumes \forall integer k; 0 <= k < count ==>
  @     iobus_sizes_right(extents, n, segments + k);
  @   ensures \forall integer k; 0 <= k < count ==>
  @     iobus_sizes_right(extents, n, segments + k); */
static void measure_runs(struct iobus_segment *segments, uint32_t count)
/*@ ghost (const struct iobus_extent *extents, uint32_t n) */
{
    segments[count - 1].beyond_bytes = 0;
    /*@ loop invariant 0 <= i < count;
      @ loop invariant \forall integer k; i <= k < count ==>
      @   iobus_beyond(segments, k, count, segments[k].beyond_bytes);
      @ for sizes: loop invariant \forall integer k; 0 <= k < count ==>
      @   segments[k].direct_sizes[0] == \at(segments[k].direct_sizes[0], Pre) &&
      @   segments[k].direct_sizes[1] == \at(segments[k].direct_sizes[1], Pre);
      @ for sizes: loop invariant \forall integer j; 0 <= j < n ==>
      @   extents[j].access_sizes == \at(extents[j].access_sizes, Pre);
      @ loop assigns i, segments[0 .. count - 1].beyond_bytes;
      @ loop variant i; */
    for (uint32_t i = count - 1; i > 0; i--) {
        //@ assert segments[(i - 1) + 1].first == segments[i - 1].last + 1;
        //@ ghost uint8_t next_beyond = segments[i].beyond_bytes;
        //@ assert iobus_beyond(segments, i, count, next_beyond);
        uint8_t beyond = same_beyond(&segments[i - 1], &segments[i]);
        /*@ assert beyond > 0 ==> \forall integer j;
          @   i < j < count && segments[j].first <= segments[i - 1].last + beyond ==>
          @   segments[j].target == segments[i].target; */
        //@ assert \forall integer j; i <= j < count ==> segments[i - 1].last < segments[j].first;
        //@ assert segments[i - 1].last + beyond <= segments[count - 1].last;
        /*@ assert \forall integer j;
          @   i <= j < count && segments[j].first <= segments[i - 1].last + beyond ==>
          @   segments[j].target == segments[i - 1].target; */
        //@ assert iobus_beyond(segments, i - 1, count, beyond);
        segments[i - 1].beyond_bytes = beyond;
        /*@ assert \forall integer k; i <= k < count ==>
          @   segments[k].beyond_bytes == \at(segments[k].beyond_bytes, LoopCurrent); */
        //@ assert segments[i - 1].beyond_bytes == beyond;
    }
    /*@ for sizes: assert reads: \forall integer k, t; 0 <= k < count && 0 <= t < n &&
      @   iobus_innermost(extents, n, t, segments[k].first, segments[k].last) ==>
      @   segments[k].direct_sizes[0] == extents[t].access_sizes; */
    /*@ for sizes: assert reads_none: \forall integer k; 0 <= k < count &&
      @   iobus_innermost(extents, n, IOBUS_NONE, segments[k].first, segments[k].last) ==>
      @   segments[k].direct_sizes[0] == 0; */
    /*@ for sizes: assert writes: \forall integer k; 0 <= k < count ==>
      @   segments[k].direct_sizes[1] ==
      @   (segments[k].point == IOBUS_NONE ? segments[k].direct_sizes[0] : 0); */
}

/* How many extents begin at or before address, when `extent` of them begin before it. top is the
 * innermost of those that reaches it. */
/*@ requires extent <= extent_count;
  @ requires \valid_read(extents + (0 .. extent_count - 1));
  @ requires \valid_read(depth + (0 .. extent_count - 1));
  @ requires iobus_sorted(extents, extent_count);
  @ requires iobus_parents(extents, extent_count);
  @ requires iobus_depths(extents, extent_count, depth);
  @ requires \forall integer j; extent <= j < extent_count ==> address <= extents[j].first;
  @ requires iobus_reaches(extents, extent, top, address);
  @ assigns \nothing;
  @ exits \false;
  @ ensures extent <= \result <= extent_count;
  @ ensures \forall integer j; extent <= j < \result ==> extents[j].first == address;
  @ ensures \forall integer j; \result <= j < extent_count ==> address < extents[j].first;
  @ ensures \result != extent ==>
  @   iobus_open(depth, \result - 1) == iobus_open(depth, top) + \result - extent; */
static uint32_t begun_at(const struct iobus_extent *extents, uint32_t extent_count, uint32_t extent,
                         uint64_t address)
/*@ ghost (uint32_t top, const uint32_t \ghost *depth) */
{
    /*@ loop invariant \at(extent, Pre) <= extent <= extent_count;
      @ loop invariant \forall integer j; \at(extent, Pre) <= j < extent ==>
      @   extents[j].first == address;
      @ loop invariant extent != \at(extent, Pre) ==> iobus_open(depth, extent - 1) ==
      @   iobus_open(depth, top) + extent - \at(extent, Pre);
      @ loop assigns extent;
      @ loop variant extent_count - extent; */
    while (extent < extent_count && extents[extent].first == address)
        extent++;
    return extent;
}

/* The last address up to which top stays the innermost: until it ends, or another begins. */
/*@ requires top != IOBUS_NONE ==> \valid_read(extents + top);
  @ requires extent < extent_count ==> \valid_read(extents + extent);
  @ requires extent < extent_count ==> extents[extent].first > 0;
  @ assigns \nothing;
  @ exits \false;
  @ ensures \result <= address_last;
  @ ensures top != IOBUS_NONE ==> \result <= extents[top].last;
  @ ensures extent < extent_count ==> \result < extents[extent].first;
  @ ensures \result == address_last || (top != IOBUS_NONE && \result == extents[top].last) ||
  @   (extent < extent_count && \result == extents[extent].first - 1); */
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

/*@ // Where the sweep is before it looks at first: what began before first, and what of it is open.
  @ predicate iobus_passed(struct iobus_extent *e, integer n, uint64_t *points, integer m,
  @                        integer extent, integer point, integer first) =
  @   0 <= extent <= n && 0 <= point <= m &&
  @   (\forall integer j; 0 <= j < extent ==> e[j].first <= first) &&
  @   (\forall integer j; extent <= j < n ==> first <= e[j].first) &&
  @   (\forall integer p; 0 <= p < point ==> points[p] < first) &&
  @   (\forall integer p; point <= p < m ==> first <= points[p]);
  @
  @ // A border of the segments: at first, something begins or has just ended.
  @ predicate iobus_border(struct iobus_extent *e, integer n, uint64_t *points, integer m,
  @                        integer extent, integer top, integer point, integer first) =
  @   (top != IOBUS_NONE && e[top].last < first) ||
  @   (extent < n && e[extent].first == first) || (point < m && points[point] == first) ||
  @   (point > 0 && points[point - 1] == first - 1);
  @
  @ // The bound of count, by the borders passed. A range has two, one of which is passed while it
  @ // is open; a point has two, one of which is passed while first is the address behind it.
  @ predicate iobus_few(uint64_t *points, uint32_t *depth, integer extent, integer top,
  @                     integer point, integer first, integer count) =
  @   count <= 2 * (extent + point) - iobus_open(depth, top) +
  @     (count == 0 || (point > 0 && points[point - 1] == first - 1) ? 0 : 1);
  @
  @ predicate iobus_within(struct iobus_extent *e, integer n, integer address_last) =
  @   \forall integer j; 0 <= j < n ==> e[j].last <= address_last && e[j].target != IOBUS_NONE;
  @
  @ predicate iobus_points_within(uint64_t *points, integer m, integer address_last) =
  @   \forall integer p; 0 <= p < m ==> points[p] <= address_last;
  @*/

/* Writes the segment that follows the first count, except its beyond_bytes. Each behavior is a
 * fact of its own that outlives the writing: so a prover has only what matters to it. */
/*@ requires count < IOBUS_NONE;
  @ requires \valid(starts + (0 .. count)) && \valid(segments + (0 .. count));
  @ requires \separated(starts + (0 .. count), segments + (0 .. count));
  @ requires \valid_read(extents + (0 .. n - 1)) && \valid_read(depth + (0 .. n - 1));
  @ requires \separated(starts + (0 .. count), extents + (0 .. n - 1));
  @ requires \separated(starts + (0 .. count), points + (0 .. m - 1));
  @ requires \separated(segments + (0 .. count), extents + (0 .. n - 1));
  @ requires \separated(segments + (0 .. count), points + (0 .. m - 1));
  @ requires \separated(segments + (0 .. count), depth + (0 .. n - 1));
  @ requires first <= last;
  @ assigns segments[count], starts[count];
  @ exits \false;
  @ ensures written: segments[count].first == first && segments[count].last == last;
  @ ensures written: segments[count].target == target && segments[count].point == point;
  @ ensures written: segments[count].direct_sizes[0] == sizes;
  @ ensures written: segments[count].direct_sizes[1] == (point == IOBUS_NONE ? sizes : 0);
  @ behavior gapless:
  @   assumes iobus_gapless(segments, count);
  @   assumes count == 0 ? first == 0 : first == segments[count - 1].last + 1;
  @   ensures iobus_gapless(segments, count + 1);
  @ behavior starts:
  @   assumes iobus_starts(starts, segments, count);
  @   ensures listed: iobus_starts(starts, segments, count + 1);
  @ behavior sorted:
  @   assumes iobus_sorted(extents, n);
  @   ensures iobus_sorted(extents, n);
  @ behavior nested:
  @   assumes iobus_nested(extents, n);
  @   ensures iobus_nested(extents, n);
  @ behavior parents:
  @   assumes iobus_parents(extents, n);
  @   ensures iobus_parents(extents, n);
  @ behavior depths:
  @   assumes n < IOBUS_NONE && iobus_parents(extents, n) && iobus_depths(extents, n, depth);
  @   ensures iobus_depths(extents, n, depth);
  @ behavior within:
  @   assumes iobus_within(extents, n, address_last);
  @   ensures iobus_within(extents, n, address_last);
  @ behavior ascend:
  @   assumes iobus_points(points, m);
  @   ensures iobus_points(points, m);
  @ behavior points_within:
  @   assumes iobus_points_within(points, m, address_last);
  @   ensures iobus_points_within(points, m, address_last);
  @ behavior passed:
  @   assumes iobus_passed(extents, n, points, m, extent, point_next, last + 1);
  @   ensures iobus_passed(extents, n, points, m, extent, point_next, last + 1);
  @ behavior last_open:
  @   assumes extent <= n && iobus_last_open(extents, extent, top, last + 1);
  @   ensures iobus_last_open(extents, extent, top, last + 1);
  @ behavior border:
  @   assumes extent <= n && point_next <= m && (top == IOBUS_NONE || top < n) &&
  @     iobus_border(extents, n, points, m, extent, top, point_next, last + 1);
  @   ensures iobus_border(extents, n, points, m, extent, top, point_next, last + 1);
  @ behavior few:
  @   assumes point_next <= m && (top == IOBUS_NONE || top < n) &&
  @     iobus_few(points, depth, extent, top, point_next, last + 1, count + 1);
  @   ensures iobus_few(points, depth, extent, top, point_next, last + 1, count + 1);
  @ behavior targets:
  @   assumes \forall integer k; 0 <= k < count ==>
  @     iobus_target_right(extents, n, segments + k);
  @   ensures \forall integer k; 0 <= k < count ==>
  @     iobus_target_right(extents, n, segments + k);
  @ behavior points:
  @   assumes \forall integer k; 0 <= k < count ==>
  @     iobus_point_right(points, m, segments + k);
  @   ensures \forall integer k; 0 <= k < count ==>
  @     iobus_point_right(points, m, segments + k);
  @ behavior sizes:
  @   assumes n < IOBUS_NONE && \forall integer k; 0 <= k < count ==>
  @     iobus_sizes_right(extents, n, segments + k);
  @   ensures \forall integer k; 0 <= k < count ==>
  @     iobus_sizes_right(extents, n, segments + k);
  @ behavior new_target:
  @   assumes iobus_innermost(extents, n, top, first, last) &&
  @     target == (top == IOBUS_NONE ? IOBUS_NONE : extents[top].target) &&
  @     (target == IOBUS_NONE <==> top == IOBUS_NONE);
  @   ensures iobus_target_right(extents, n, segments + count);
  @ behavior new_point:
  @   assumes iobus_point_in(points, m, point, first, last);
  @   ensures iobus_point_right(points, m, segments + count);
  @ behavior new_sizes:
  @   assumes iobus_innermost(extents, n, top, first, last) && n < IOBUS_NONE &&
  @     sizes == (top == IOBUS_NONE ? 0 : extents[top].access_sizes);
  @   ensures iobus_sizes_right(extents, n, segments + count); */
static void append(uint64_t *starts, struct iobus_segment *segments, uint32_t count, uint64_t first,
                   uint64_t last, uint32_t target, uint8_t sizes, uint32_t point)
/*@ ghost (const struct iobus_extent *extents, uint32_t n, const uint64_t *points, uint32_t m,
           const uint32_t \ghost *depth, uint32_t extent, uint32_t top, uint32_t point_next,
           uint64_t address_last) */
{
    //@ for gapless: assert order: \forall integer i; 0 <= i < count ==> segments[i].last < first;
    segments[count].first = first;
    segments[count].last = last;
    segments[count].target = target;
    segments[count].point = point;
    segments[count].direct_sizes[0] = sizes;
    segments[count].direct_sizes[1] = point == IOBUS_NONE ? sizes : 0;
    starts[count] = first;
    /*@ for gapless, starts, targets, points, sizes: assert kept_first:
      @   \forall integer k; 0 <= k < count ==>
      @   segments[k].first == \at(segments[k].first, Pre); */
    /*@ for gapless, targets, points, sizes: assert kept_last: \forall integer k; 0 <= k < count ==>
      @   segments[k].last == \at(segments[k].last, Pre); */
    /*@ for starts: assert kept_starts: \forall integer k; 0 <= k < count ==>
      @   starts[k] == \at(starts[k], Pre); */
    /*@ for targets: assert kept_target: \forall integer k; 0 <= k < count ==>
      @   segments[k].target == \at(segments[k].target, Pre); */
    /*@ for points, sizes: assert kept_point: \forall integer k; 0 <= k < count ==>
      @   segments[k].point == \at(segments[k].point, Pre); */
    /*@ for sorted, nested, parents, passed, border, targets, sizes, new_target, new_sizes:
      @   assert others_first: \forall integer j; 0 <= j < n ==>
      @   extents[j].first == \at(extents[j].first, Pre); */
    /*@ for sorted, nested, parents, within, last_open, border, targets, sizes, new_target,
      @   new_sizes: assert others_last: \forall integer j; 0 <= j < n ==>
      @   extents[j].last == \at(extents[j].last, Pre); */
    /*@ for within, targets, new_target: assert others_target: \forall integer j; 0 <= j < n ==>
      @   extents[j].target == \at(extents[j].target, Pre); */
    /*@ for parents, depths: assert others_parent: \forall integer j; 0 <= j < n ==>
      @   extents[j].parent == \at(extents[j].parent, Pre); */
    /*@ for gapless: assert ascend: \forall integer i, j; 0 <= i < j < count ==>
      @   segments[i].last < segments[j].first; */
    /*@ for sizes, new_sizes: assert others_sizes: \forall integer j; 0 <= j < n ==>
      @   extents[j].access_sizes == \at(extents[j].access_sizes, Pre); */
    /*@ for depths, few: assert others_depth: \forall integer j; 0 <= j < n ==>
      @   depth[j] == \at(depth[j], Pre); */
    /*@ for ascend, points_within, passed, border, few, points, new_point:
      @   assert others_points: \forall integer p; 0 <= p < m ==>
      @   points[p] == \at(points[p], Pre); */
    /*@ for sizes: assert kept_sizes: \forall integer k; 0 <= k < count ==>
      @   segments[k].direct_sizes[0] == \at(segments[k].direct_sizes[0], Pre) &&
      @   segments[k].direct_sizes[1] == \at(segments[k].direct_sizes[1], Pre); */
    /*@ for sizes: assert same_extents: \forall integer k, t; 0 <= k < count && 0 <= t < n &&
      @   iobus_innermost(extents, n, t, \at(segments[k].first, Pre),
      @                   \at(segments[k].last, Pre)) ==>
      @   \at(iobus_innermost(extents, n, t, segments[k].first, segments[k].last), Pre); */
    /*@ for sizes: assert same: \forall integer k, t; 0 <= k < count && 0 <= t < n &&
      @   iobus_innermost(extents, n, t, segments[k].first, segments[k].last) ==>
      @   \at(iobus_innermost(extents, n, t, segments[k].first, segments[k].last), Pre); */
    /*@ for sizes: assert same_none: \forall integer k; 0 <= k < count &&
      @   iobus_innermost(extents, n, IOBUS_NONE, segments[k].first, segments[k].last) ==>
      @   \at(iobus_innermost(extents, n, IOBUS_NONE, segments[k].first, segments[k].last), Pre); */
    /*@ for gapless, starts: assert new:
      @   segments[count].first == first && segments[count].last == last; */
    /*@ for gapless: assert follows: \forall integer i, j; 0 <= i < j <= count && j <= i + 1 ==>
      @   segments[j].first == segments[i].last + 1; */
}

/* What is innermost once the extents from extent up to begun begin, inside top. */
/*@ requires extent <= begun;
  @ assigns \nothing;
  @ exits \false;
  @ ensures \result == (begun != extent ? begun - 1 : top); */
static uint32_t innermost(uint32_t top, uint32_t extent, uint32_t begun)
{
    return begun != extent ? begun - 1 : top;
}

/* The point at first, of those from `point` on, which are not below first; or IOBUS_NONE. */
/*@ requires point < point_count ==> \valid_read(point_addresses + point);
  @ assigns \nothing;
  @ exits \false;
  @ ensures \result == (point < point_count && point_addresses[point] == first ?
  @   point : IOBUS_NONE); */
static uint32_t point_at(const uint64_t *point_addresses, uint32_t point_count, uint32_t point,
                         uint64_t first)
{
    return point < point_count && point_addresses[point] == first ? point : IOBUS_NONE;
}

/* The last address up to last before which no point comes; first, if there is one at first. */
/*@ requires point <= point_count;
  @ requires point < point_count ==> \valid_read(point_addresses + point);
  @ requires point < point_count ==> first <= point_addresses[point];
  @ requires first <= last;
  @ assigns \nothing;
  @ exits \false;
  @ ensures first <= \result <= last;
  @ ensures point < point_count && point_addresses[point] == first ==> \result == first;
  @ ensures point < point_count && point_addresses[point] != first ==>
  @   \result < point_addresses[point];
  @ ensures \result == last || (point < point_count &&
  @   (point_addresses[point] == first == \result || point_addresses[point] == \result + 1)); */
static uint64_t until_point(const uint64_t *point_addresses, uint32_t point_count, uint32_t point,
                            uint64_t first, uint64_t last)
{
    if (point == point_count)
        return last;
    return point_addresses[point] == first ? first : lower(last, point_addresses[point] - 1);
}

/*@ requires top != IOBUS_NONE ==> \valid_read(extents + top);
  @ assigns \nothing;
  @ exits \false;
  @ ensures \result == (top == IOBUS_NONE ? IOBUS_NONE : extents[top].target); */
static uint32_t target_of(const struct iobus_extent *extents, uint32_t top)
{
    return top == IOBUS_NONE ? IOBUS_NONE : extents[top].target;
}

/*@ requires top != IOBUS_NONE ==> \valid_read(extents + top);
  @ assigns \nothing;
  @ exits \false;
  @ ensures \result == (top == IOBUS_NONE ? 0 : extents[top].access_sizes); */
static uint8_t sizes_of(const struct iobus_extent *extents, uint32_t top)
{
    return top == IOBUS_NONE ? 0 : extents[top].access_sizes;
}

/* How the loop goes on: each step writes the segment that begins at first, up to where the
 * innermost extent changes or a point is. */
uint32_t iobus_flatten(const struct iobus_extent *extents, uint32_t extent_count,
                       const uint64_t *point_addresses, uint32_t point_count, uint64_t address_last,
                       uint64_t *starts, struct iobus_segment *segments)
/*@ ghost (const uint32_t \ghost *depth) */
{
    uint32_t top = IOBUS_NONE, extent = 0, point = 0, count = 0;
    uint64_t first = 0, last;

    /*@ loop invariant first <= address_last;
      @ loop invariant sorted: iobus_sorted(extents, extent_count);
      @ loop invariant nested: iobus_nested(extents, extent_count);
      @ loop invariant parents: iobus_parents(extents, extent_count);
      @ loop invariant depths: iobus_depths(extents, extent_count, depth);
      @ loop invariant within: iobus_within(extents, extent_count, address_last);
      @ loop invariant ascend: iobus_points(point_addresses, point_count);
      @ loop invariant points_within:
      @   iobus_points_within(point_addresses, point_count, address_last);
      @ loop invariant passed: iobus_passed(extents, extent_count, point_addresses, point_count,
      @                                     extent, point, first);
      @ loop invariant last_open: iobus_last_open(extents, extent, top, first);
      @ loop invariant border: count == 0 || iobus_border(extents, extent_count, point_addresses,
      @   point_count, extent, top, point, first);
      @ loop invariant few: iobus_few(point_addresses, depth, extent, top, point, first, count);
      @ loop invariant next: count == 0 ? first == 0 : first == segments[count - 1].last + 1;
      @ loop invariant gapless: iobus_gapless(segments, count);
      @ loop invariant starts: iobus_starts(starts, segments, count);
      @ loop invariant targets: \forall integer k; 0 <= k < count ==>
      @   iobus_target_right(extents, extent_count, segments + k);
      @ loop invariant points: \forall integer k; 0 <= k < count ==>
      @   iobus_point_right(point_addresses, point_count, segments + k);
      @ loop invariant sizes: \forall integer k; 0 <= k < count ==>
      @   iobus_sizes_right(extents, extent_count, segments + k);
      @ loop assigns top, extent, point, count, first, last,
      @   starts[0 .. 2 * (extent_count + point_count)],
      @   segments[0 .. 2 * (extent_count + point_count)];
      @ loop variant address_last - first; */
    for (;; first = last + 1) {
        uint32_t begun, here;
        //@ ghost uint32_t extent_before = extent, top_before = top, point_before = point;

        /* What is innermost at first: close what has ended, open what begins here. */
        top = still_open(extents, top, first) /*@ ghost (depth, extent) */;
        //@ assert closed: iobus_reaches(extents, extent, top, first);
        begun = begun_at(extents, extent_count, extent, first) /*@ ghost (top, depth) */;
        top = innermost(top, extent, begun);
        extent = begun;
        //@ assert opened: iobus_reaches(extents, extent, top, first);
        //@ assert begun: \forall integer j; 0 <= j < extent ==> extents[j].first <= first;
        //@ assert natural: iobus_open(depth, top_before) >= 0 && iobus_open(depth, top) >= 0;
        /*@ assert fewer: iobus_open(depth, top) - extent <=
          @   iobus_open(depth, top_before) - extent_before; */
        /*@ assert one_fewer: top_before != IOBUS_NONE && extents[top_before].last < first ==>
          @   iobus_open(depth, top) - extent < iobus_open(depth, top_before) - extent_before; */
        last = same_until(extents, extent_count, extent, top, address_last);
        here = point_at(point_addresses, point_count, point, first);
        last = until_point(point_addresses, point_count, point, first, last);
        if (here != IOBUS_NONE)
            point++;
        //@ assert last_right: first <= last <= address_last;
        //@ assert before: extent < extent_count ==> last < extents[extent].first;
        /*@ assert after: \forall integer j; extent <= j < extent_count ==>
          @   extents[extent].first <= extents[j].first; */
        /*@ assert all_after: \forall integer j; extent <= j < extent_count ==>
          @   last + 1 <= extents[j].first; */
        /*@ assert point_moves: here == IOBUS_NONE ? point == point_before :
          @   here == point_before && point == here + 1 &&
          @   point_addresses[here] == first == last; */
        //@ assert point_range: point <= point_count;
        /*@ assert point_follows: here != IOBUS_NONE && point < point_count ==>
          @   point_addresses[here] < point_addresses[point]; */
        //@ assert point_after: point < point_count ==> last < point_addresses[point];
        /*@ assert points_ascend: \forall integer p; point <= p < point_count ==>
          @   point_addresses[point] <= point_addresses[p]; */
        /*@ assert points_before: \forall integer p; 0 <= p < point ==>
          @   point_addresses[p] < last + 1; */
        /*@ assert points_after: \forall integer p; point <= p < point_count ==>
          @   last + 1 <= point_addresses[p]; */
        /*@ assert passed: iobus_passed(extents, extent_count, point_addresses, point_count, extent,
          @   point, last + 1); */
        //@ assert last_open: iobus_last_open(extents, extent, top, last + 1);
        /*@ assert border: last == address_last || iobus_border(extents, extent_count,
          @   point_addresses, point_count, extent, top, point, last + 1); */
        /*@ assert few:
          @   iobus_few(point_addresses, depth, extent, top, point, last + 1, count + 1); */
        //@ assert room: count <= 2 * (extent_count + point_count);
        /*@ assert covers: top != IOBUS_NONE ==>
          @   extents[top].first <= first && last <= extents[top].last; */
        /*@ assert later: \forall integer j;
          @   (top == IOBUS_NONE ? 0 : top + 1) <= j < extent_count ==>
          @   iobus_misses(extents + j, first, last); */
        /*@ assert around: top != IOBUS_NONE ==> \forall integer j; 0 <= j < top ==>
          @   iobus_misses(extents + j, first, last) ||
          @   (extents[j].first <= extents[top].first && extents[top].last <= extents[j].last); */
        //@ assert innermost: iobus_innermost(extents, extent_count, top, first, last);
        //@ assert point_in: iobus_point_in(point_addresses, point_count, here, first, last);
        append(starts, segments, count, first, last, target_of(extents, top),
               sizes_of(extents, top), here)
            /*@ ghost (extents, extent_count, point_addresses, point_count, depth, extent, top,
                       point, address_last) */
            ;
        //@ ghost uint32_t count_before = count;
        count++;
        //@ assert counted: count == count_before + 1;
        //@ assert new_last: segments[count - 1].last == last;
        /*@ assert targets: \forall integer k; 0 <= k < count ==>
          @   iobus_target_right(extents, extent_count, segments + k); */
        /*@ assert points: \forall integer k; 0 <= k < count ==>
          @   iobus_point_right(point_addresses, point_count, segments + k); */
        /*@ assert sizes: \forall integer k; 0 <= k < count ==>
          @   iobus_sizes_right(extents, extent_count, segments + k); */
        if (last == address_last)
            break;
    }
    measure_runs(segments, count) /*@ ghost (extents, extent_count) */;
    return count;
}
