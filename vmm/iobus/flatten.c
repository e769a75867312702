#include "vmm/iobus/flatten.h"

/* Of top and the ranges around it, which all begin at or before address, the innermost that reaches
 * address. */
/*@ requires top != IOBUS_NONE ==> \valid_read(extents + (0 .. top));
  @ requires top != IOBUS_NONE ==> \valid_read(depth + (0 .. top));
  @ requires top != IOBUS_NONE ==> iobus_parents(extents, top + 1);
  @ requires top != IOBUS_NONE ==> iobus_depths(extents, top + 1, depth);
  @ requires top != IOBUS_NONE ==> \forall integer j; 0 <= j <= top ==> extents[j].first <= address;
  @ assigns \nothing;
  @ ensures top == IOBUS_NONE ==> \result == IOBUS_NONE;
  @ ensures top != IOBUS_NONE ==> iobus_reaches(extents, top + 1, \result, address);
  @ ensures \result != top ==> iobus_open(depth, \result) < iobus_open(depth, top); */
static uint32_t still_open(const struct iobus_extent *extents, uint32_t top, uint64_t address)
/*@ ghost (const uint32_t \ghost *depth) */
{
    /*@ loop invariant top == IOBUS_NONE || top <= \at(top, Pre);
      @ loop invariant \at(top, Pre) != IOBUS_NONE ==> \forall integer j;
      @   (top == IOBUS_NONE ? 0 : top + 1) <= j <= \at(top, Pre) ==> extents[j].last < address;
      @ loop invariant \at(top, Pre) == IOBUS_NONE ==> top == IOBUS_NONE;
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
        top = still_open(extents, top, extents[i].first) /*@ ghost (depth) */;
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
  @ ensures \forall integer k; 0 <= k < count ==>
  @   iobus_beyond(segments, k, count, segments[k].beyond_bytes); */
static void measure_runs(struct iobus_segment *segments, uint32_t count)
{
    segments[count - 1].beyond_bytes = 0;
    /*@ loop invariant 0 <= i < count;
      @ loop invariant \forall integer k; i <= k < count ==>
      @   iobus_beyond(segments, k, count, segments[k].beyond_bytes);
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

/* The last address up to which top stays the innermost: until it ends, or the next extent begins.
 */
/*@ requires top != IOBUS_NONE ==> \valid_read(extents + top);
  @ requires extent < extent_count ==> \valid_read(extents + extent);
  @ requires extent < extent_count ==> extents[extent].first > 0;
  @ assigns \nothing;
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

/* The loop here is not among what `make prove` proves; all that it calls is. */
uint32_t iobus_flatten(const struct iobus_extent *extents, uint32_t extent_count,
                       const uint64_t *point_addresses, uint32_t point_count, uint64_t address_last,
                       uint64_t *starts, struct iobus_segment *segments)
/*@ ghost (const uint32_t \ghost *depth) */
{
    uint32_t top = IOBUS_NONE, extent = 0, point = 0, count = 0;
    uint64_t first = 0, last;

    for (;; first = last + 1) {
        struct iobus_segment *segment = &segments[count];
        uint32_t begun;

        /* What is innermost at first: close what has ended, open what begins here. */
        top = still_open(extents, top, first) /*@ ghost (depth) */;
        begun = begun_at(extents, extent_count, extent, first) /*@ ghost (top, depth) */;
        if (begun != extent)
            top = begun - 1;
        extent = begun;
        last = same_until(extents, extent_count, extent, top, address_last);

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
