// SPDX-License-Identifier: BSD-2-Clause
/* What the lookup means for a table. The functions called here are the ones that the monitor is
 * built from; these say in a contract what follows from theirs. */
#include "vmm/iobus/lookup.h"
#include "vmm/iobus/flatten.h"

/* In every table without a gap, the search finds the one segment that covers the address. */
/*@ requires count >= 1;
  @ requires \valid_read(starts + (0 .. count - 1));
  @ requires \valid_read(segments + (0 .. count - 1));
  @ requires iobus_gapless(segments, count);
  @ requires iobus_starts(starts, segments, count);
  @ requires address <= segments[count - 1].last;
  @ assigns \nothing;
  @ ensures \result < count;
  @ ensures segments[\result].first <= address <= segments[\result].last;
  @ ensures \forall integer k; 0 <= k < count && k != \result ==>
  @   address < segments[k].first || segments[k].last < address; */
uint32_t covering(const uint64_t *starts, const struct iobus_segment *segments, uint32_t count,
                  uint64_t address)
{
    //@ assert \forall integer i, j; 0 <= i <= j < count ==> starts[i] <= starts[j];
    uint32_t found = iobus_search(starts, count, address);

    //@ assert segments[found].first <= address;
    //@ assert found + 1 < count ==> segments[found + 1].first == segments[found].last + 1;
    //@ assert found + 1 < count ==> address < starts[found + 1];
    //@ assert address <= segments[found].last;
    return found;
}

/* In every table of disjoint segments, a guess that passes the check is the one segment that covers
 * the address, whatever the guess was; and the check refuses no guess that is right. */
/*@ requires guess < count;
  @ requires \valid_read(segments + (0 .. count - 1));
  @ requires \forall integer k; 0 <= k < count ==> segments[k].first <= segments[k].last;
  @ requires \forall integer i, j; 0 <= i < j < count ==> segments[i].last < segments[j].first;
  @ assigns \nothing;
  @ ensures \result != 0 <==> segments[guess].first <= address <= segments[guess].last;
  @ ensures \result != 0 ==> \forall integer k; 0 <= k < count && k != guess ==>
  @   address < segments[k].first || segments[k].last < address; */
int guessed(const struct iobus_segment *segments, uint32_t count, uint32_t guess, uint64_t address)
{
    return iobus_covers(segments[guess].first, segments[guess].last - segments[guess].first,
                        address);
}
