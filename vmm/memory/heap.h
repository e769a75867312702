// SPDX-License-Identifier: BSD-2-Clause
/* The monitor's memory: one region that is given out in pages and in parts of a page.
 *
 * A request that is larger than half a page, or aligned to a page or more, gets a run of whole
 * pages. Free runs join with their free neighbours. Any other request gets a block of 64, 128, ...
 * 2048 bytes from a page that is divided into such blocks.
 *
 * All bookkeeping is kept apart from the blocks, in one descriptor per page at the beginning of the
 * region. So page tables and VMCS regions can lie side by side, and a write past a block's end does
 * not damage the bookkeeping. The heap puts a canary behind the memory where there is room for one,
 * and checks the canary when the memory is released. A damaged canary, and a release of memory that
 * was not allocated, are bugs of the monitor and fail a CHECK.
 *
 * For tests a heap can be made to poison (heap_poison). Then it fills released memory, and a redzone
 * behind all memory that it gives out, and finds any write to them: to a redzone when the memory is
 * released, to released memory when it is given out again, and to both in heap_check. */
#ifndef VMM_MEMORY_HEAP_H
#define VMM_MEMORY_HEAP_H

#include "vmm/base/spinlock.h"
#include "vmm/base/status.h"
#include "vmm/base/types.h"

#define HEAP_ALIGNMENT_MAX PAGE_SIZE_LARGE
#define HEAP_CLASS_COUNT   6 /* blocks of 64 << class bytes */

struct heap_page;

/* All fields belong to the heap; nobody else reads or writes them. */
struct heap {
    struct spinlock lock;
    struct heap_page *pages; /* descriptors, one for each page, starting with first_page */
    uint8_t *first_page;
    uint32_t page_count;
    uint32_t free_runs;                   /* list of the runs of free pages */
    uint32_t divided[HEAP_CLASS_COUNT];   /* lists of divided pages that have a free block */
    uint64_t used_bytes, peak_used_bytes; /* given out, including what rounding adds */
    void *region; /* of another heap; null: heap_init was given the region */
    void (*damaged)(const char *message); /* null: the heap does not poison */
};

struct heap_statistics {
    uint64_t total_bytes; /* all memory that can be given out: the region without the descriptors */
    uint64_t used_bytes;
    uint64_t peak_used_bytes;
    uint64_t largest_free_bytes; /* the longest run of free pages */
};

/* Makes a heap out of the region_bytes bytes at region. From then on the region belongs to the
 * heap.
 * STATUS_OUT_OF_RANGE: the region is too small for one page, or has more than 2^32 - 2 pages. */
MUST_USE enum status heap_init(struct heap *heap, void *region, uint64_t region_bytes);

/* Makes a heap out of region_bytes of another heap, in one piece; it poisons if that one does. What
 * is allocated from it takes nothing else from the other heap, neither memory nor time at its lock.
 * STATUS_NO_MEMORY: the other heap has no such piece.
 * STATUS_OUT_OF_RANGE: that of heap_init. */
MUST_USE enum status heap_init_inside(struct heap *heap, struct heap *outer, uint64_t region_bytes);

/* Undoes heap_init_inside. Nothing is allocated from the heap any more (CHECK). */
void heap_give_back(struct heap *heap, struct heap *outer);

/* Makes the heap poison from now on. Nothing is allocated yet (CHECK). damaged is called with a text
 * that names the damaged block; it runs with the heap locked and does not come back. Whole pages
 * then take one page more, and blocks 24 bytes more. */
void heap_poison(struct heap *heap, void (*damaged)(const char *message));

/* Checks all memory of a heap that poisons; does nothing on another heap. Any CPU may call it; it
 * reads all free memory with the lock held. */
void heap_check(struct heap *heap);

/* Allocates size_bytes of memory with undefined content. alignment_bytes: a power of two up to
 * HEAP_ALIGNMENT_MAX; less than 64 counts as 64. Returns null if there is no such memory or if
 * size_bytes is 0. Any CPU may call this function; it waits only for other CPUs that use the
 * heap. */
void *heap_allocate(struct heap *heap, size_t size_bytes, size_t alignment_bytes);

/* Does what heap_allocate does and sets all bytes to zero. */
void *heap_allocate_zeroed(struct heap *heap, size_t size_bytes, size_t alignment_bytes);

/* Releases memory that heap_allocate or heap_allocate_zeroed returned. Null is allowed and does
 * nothing. */
void heap_release(struct heap *heap, void *memory);

/* Returns the heap's figures. Any CPU may call it; it walks the free runs with the lock held. */
struct heap_statistics heap_measure(struct heap *heap);

#endif
