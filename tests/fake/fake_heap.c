// SPDX-License-Identifier: BSD-2-Clause
/* The monitor's heap by the host's malloc, so that AddressSanitizer sees each block. A heap gives out
 * no more than its size, in blocks as the host rounds them, and allocations fail when the test wants
 * them to. */
#include "tests/fake/heap.h"

#include "tests/fake/vmcs.h"
#include "vmm/memory/heap.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/lsan_interface.h>
#endif

#define LEAST_ALIGNMENT 64

static _Atomic uint64_t block_count, allocation_count;
static _Atomic uint64_t failing = UINT64_MAX;

void fake_heap_fail_at(uint64_t number)
{
    atomic_store(&allocation_count, 0);
    atomic_store(&failing, number);
}

uint64_t fake_heap_allocations(void)
{
    return atomic_load(&allocation_count);
}

uint64_t fake_heap_blocks(void)
{
    return atomic_load(&block_count);
}

enum status heap_init(struct heap *heap, void *region, uint64_t region_bytes)
{
    (void)region;
    memset(heap, 0, sizeof(*heap));
    heap->page_count = (uint32_t)(region_bytes / PAGE_SIZE);
    return STATUS_OK;
}

enum status heap_init_inside(struct heap *heap, struct heap *outer, uint64_t region_bytes)
{
    void *region = heap_allocate(outer, PAGE_SIZE, PAGE_SIZE);

    if (region == NULL)
        return STATUS_NO_MEMORY;
    (void)!heap_init(heap, region, region_bytes);
    heap->region = region;
    return STATUS_OK;
}

void heap_give_back(struct heap *heap, struct heap *outer)
{
    if (heap->used_bytes != 0)
        fake_misuse("a heap is given back of which %lu bytes are allocated",
                    (unsigned long)heap->used_bytes);
    heap_release(outer, heap->region);
}

/* Takes so many bytes of what the heap has, or gives them back. */
static bool take(struct heap *heap, uint64_t size_bytes)
{
    if (__atomic_add_fetch(&heap->used_bytes, size_bytes, __ATOMIC_SEQ_CST) <=
        heap->page_count * PAGE_SIZE)
        return true;
    __atomic_sub_fetch(&heap->used_bytes, size_bytes, __ATOMIC_SEQ_CST);
    return false;
}

static void give(struct heap *heap, uint64_t size_bytes)
{
    __atomic_sub_fetch(&heap->used_bytes, size_bytes, __ATOMIC_SEQ_CST);
}

void *heap_allocate(struct heap *heap, size_t size_bytes, size_t alignment_bytes)
{
    void *memory;

    if (size_bytes == 0 || atomic_fetch_add(&allocation_count, 1) == atomic_load(&failing))
        return NULL;
    if (alignment_bytes < LEAST_ALIGNMENT)
        alignment_bytes = LEAST_ALIGNMENT;
    if (alignment_bytes > HEAP_ALIGNMENT_MAX)
        fake_misuse("an alignment of 0x%lx bytes", (unsigned long)alignment_bytes);
    if (posix_memalign(&memory, alignment_bytes, size_bytes) != 0)
        return NULL;
    if (!take(heap, malloc_usable_size(memory))) {
        free(memory);
        return NULL;
    }
#if defined(__SANITIZE_ADDRESS__)
    __lsan_ignore_object(memory); /* the monitor keeps much to its end; tests look at the count */
#endif
    memset(memory, 0xa5, size_bytes);
    atomic_fetch_add(&block_count, 1);
    return memory;
}

void *heap_allocate_zeroed(struct heap *heap, size_t size_bytes, size_t alignment_bytes)
{
    void *memory = heap_allocate(heap, size_bytes, alignment_bytes);

    if (memory != NULL)
        memset(memory, 0, size_bytes);
    return memory;
}

void heap_release(struct heap *heap, void *memory)
{
    if (memory == NULL)
        return;
    if (fake_vmcs_is_active(memory))
        fake_misuse("a VMCS is released that is active on a processor");
    atomic_fetch_sub(&block_count, 1);
    give(heap, malloc_usable_size(memory));
    free(memory);
}

struct heap_statistics heap_measure(struct heap *heap)
{
    uint64_t total = (uint64_t)heap->page_count * PAGE_SIZE;

    uint64_t used = __atomic_load_n(&heap->used_bytes, __ATOMIC_SEQ_CST);

    return (struct heap_statistics){
        .total_bytes = total, .used_bytes = used, .largest_free_bytes = total - used};
}

/* AddressSanitizer poisons and checks instead. */
void heap_poison(struct heap *heap, void (*damaged)(const char *message))
{
    heap->damaged = damaged;
}

void heap_check(struct heap *heap)
{
    (void)heap;
}
