// SPDX-License-Identifier: BSD-2-Clause
/* The whole way: ranges as they were registered, nested, flattened, searched. */
#include "tests/proof/lookup.c"
#include "vmm/iobus/flatten.c"

/* Every address of the space gets the answer of the innermost range that covers it, and none just
 * if no range does; all that the ranges and points have to be is sorted and inside the space.
 * IOBUS_NONE: two ranges overlap partly, or are the same. */
/*@ requires 1 + 2 * (extent_count + point_count) < IOBUS_NONE;
  @ requires \valid(extents + (0 .. extent_count - 1));
  @ requires \valid(depth + (0 .. extent_count - 1));
  @ requires \valid(other);
  @ requires \valid_read(point_addresses + (0 .. point_count - 1));
  @ requires \valid(starts + (0 .. 2 * (extent_count + point_count)));
  @ requires \valid(segments + (0 .. 2 * (extent_count + point_count)));
  @ requires \separated(extents + (0 .. extent_count - 1), depth + (0 .. extent_count - 1), other,
  @                     point_addresses + (0 .. point_count - 1),
  @                     starts + (0 .. 2 * (extent_count + point_count)),
  @                     segments + (0 .. 2 * (extent_count + point_count)));
  @ requires iobus_sorted(extents, extent_count);
  @ requires \forall integer j; 0 <= j < extent_count ==>
  @   extents[j].last <= address_last && extents[j].target != IOBUS_NONE;
  @ requires \forall integer p; 0 <= p < point_count ==> point_addresses[p] <= address_last;
  @ requires iobus_points(point_addresses, point_count);
  @ requires address <= address_last;
  @ assigns extents[0 .. extent_count - 1].parent, depth[0 .. extent_count - 1], *other,
  @         starts[0 .. 2 * (extent_count + point_count)],
  @         segments[0 .. 2 * (extent_count + point_count)],
  @         segments[0 .. 2 * (extent_count + point_count)].beyond_bytes;
  @ ensures \result == IOBUS_NONE || segments[\result].first <= address <= segments[\result].last;
  @ ensures \result != IOBUS_NONE ==> \exists integer t;
  @   iobus_innermost(extents, extent_count, t, address, address) &&
  @   segments[\result].target == (t == IOBUS_NONE ? IOBUS_NONE : extents[t].target);
  @ ensures \result != IOBUS_NONE ==> (segments[\result].target == IOBUS_NONE <==>
  @   \forall integer j; 0 <= j < extent_count ==>
  @     address < extents[j].first || extents[j].last < address);
  @ ensures \result != IOBUS_NONE && segments[\result].point != IOBUS_NONE ==>
  @   segments[\result].point < point_count &&
  @   point_addresses[segments[\result].point] == address;
  @ ensures \result != IOBUS_NONE && segments[\result].point == IOBUS_NONE ==>
  @   \forall integer p; 0 <= p < point_count ==> point_addresses[p] != address; */
uint32_t answered(struct iobus_extent *extents, uint32_t extent_count, uint32_t *other,
                  const uint64_t *point_addresses, uint32_t point_count, uint64_t address_last,
                  uint64_t *starts, struct iobus_segment *segments, uint64_t address)
/*@ ghost (uint32_t \ghost *depth) */
{
    uint32_t count, found;

    if (iobus_nest(extents, extent_count, other) /*@ ghost (depth) */ != IOBUS_NONE)
        return IOBUS_NONE;
    /*@ assert kept: \forall integer j; 0 <= j < extent_count ==>
      @   extents[j].target == \at(extents[j].target, Pre); */
    count = iobus_flatten(extents, extent_count, point_addresses, point_count, address_last, starts,
                          segments) /*@ ghost (depth) */;
    found = covering(starts, segments, count, address);
    //@ assert here: segments[found].first <= address <= segments[found].last;
    /*@ assert missed: \forall integer j; 0 <= j < extent_count &&
      @   iobus_misses(extents + j, segments[found].first, segments[found].last) ==>
      @   iobus_misses(extents + j, address, address); */
    /*@ assert within_none:
      @   iobus_innermost(extents, extent_count, IOBUS_NONE, segments[found].first,
      @                   segments[found].last) ==>
      @   iobus_innermost(extents, extent_count, IOBUS_NONE, address, address); */
    /*@ assert within: \forall integer t; 0 <= t < extent_count &&
      @   iobus_innermost(extents, extent_count, t, segments[found].first,
      @                   segments[found].last) ==>
      @   iobus_innermost(extents, extent_count, t, address, address); */
    //@ assert target: iobus_target_right(extents, extent_count, segments + found);
    /*@ assert answer: \exists integer t;
      @   iobus_innermost(extents, extent_count, t, address, address) &&
      @   segments[found].target == (t == IOBUS_NONE ? IOBUS_NONE : extents[t].target) &&
      @   (segments[found].target == IOBUS_NONE <==> t == IOBUS_NONE); */
    /*@ assert none: segments[found].target == IOBUS_NONE <==>
      @   iobus_innermost(extents, extent_count, IOBUS_NONE, address, address); */
    //@ assert point: iobus_point_right(point_addresses, point_count, segments + found);
    return found;
}
