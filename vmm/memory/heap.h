// SPDX-License-Identifier: BSD-2-Clause
/* The monitor's memory: one region, handed out in pages and in fractions of a page.
 *
 * What is larger than half a page, or aligned to a page and more, gets a run of whole pages; free
 * runs join with their neighbours. The rest gets a block of 64, 128, ... 2048 bytes out of a page
 * that is divided into such blocks. All bookkeeping lies apart from the blocks, in one descriptor
 * per page at the beginning of the region: page tables and VMCS regions sit side by side, and a
 * write past a block's end does not reach the books. It is noticed at the block's release, where
 * there is room for a canary; that and a release of what was not allocated are bugs of ours and
 * fail a CHECK. */
#ifndef VMM_MEMORY_HEAP_H
#define VMM_MEMORY_HEAP_H

#include "vmm/base/spinlock.h"
#include "vmm/base/status.h"
#include "vmm/base/types.h"

#define HEAP_ALIGNMENT_MAX PAGE_SIZE_LARGE
#define HEAP_CLASS_COUNT   6 /* blocks of 64 << class bytes */

struct heap_page;

/* All fields are the heap's own. */
struct heap {
    struct spinlock lock;
    struct heap_page *pages; /* descriptors, one for each page from first_page on */
    uint8_t *first_page;
    uint32_t page_count;
    uint32_t free_runs;                   /* list of runs of free pages */
    uint32_t divided[HEAP_CLASS_COUNT];   /* lists of divided pages with a free block */
    uint64_t used_bytes, peak_used_bytes; /* blocks and pages given out, with what rounding adds */
};

struct heap_statistics {
    uint64_t total_bytes; /* that can be given out: the region without the descriptors */
    uint64_t used_bytes;
    uint64_t peak_used_bytes;
    uint64_t largest_free_bytes; /* longest run of free pages */
};

/* Makes a heap of the region_bytes from region on, which belong to it from then on.
 * STATUS_OUT_OF_RANGE: too small for one page, or larger than 2^32 - 2 pages. */
MUST_USE enum status heap_init(struct heap *heap, void *region, uint64_t region_bytes);

/* size_bytes of memory, its content undefined. alignment_bytes is a power of two up to
 * HEAP_ALIGNMENT_MAX; the least is 64 anyway. Null if there is none, or size_bytes is 0. May be
 * called on any CPU; waits for others in the heap only. */
void *heap_allocate(struct heap *heap, size_t size_bytes, size_t alignment_bytes);

/* The same, all bytes zero. */
void *heap_allocate_zeroed(struct heap *heap, size_t size_bytes, size_t alignment_bytes);

/* Gives back what heap_allocate returned; null is nothing. */
void heap_release(struct heap *heap, void *memory);

struct heap_statistics heap_statistics(struct heap *heap);

#endif
