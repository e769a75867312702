// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/memory/heap.h"

#include "vmm/base/bits.h"
#include "vmm/base/check.h"
#include "vmm/base/format.h"
#include "vmm/memory/poison.h"

#include <string.h>

#define NONE           UINT32_MAX
#define BLOCK_MIN      UINT64_C(64)
#define BLOCK_MAX      (BLOCK_MIN << (HEAP_CLASS_COUNT - 1))
#define CANARY_BYTES   sizeof(uint64_t)
#define CANARY_PATTERN UINT64_C(0x5ca1ab1e0ddba11d)
#define FREE_PATTERN   UINT64_C(0xf4f4f4f4f4f4f4f4) /* FREE_BYTE eight times */

/* What a poisoning heap fills memory with. As a pointer, neither is canonical: its use faults. */
#define FREE_BYTE    0xf4 /* released memory */
#define REDZONE_BYTE 0xed /* between the requested size and the trailer */

/* The end of all that a poisoning heap gives out. */
struct trailer {
    uint64_t scrambled_size; /* the size that was asked for, XOR canary_of */
    uint64_t canary;
};

#define REDZONE_BYTES_MIN 16

enum page_state {
    PAGE_INSIDE,  /* not the first page of any run, nor the last of a free one */
    PAGE_FREE,    /* the first or the last page of a free run */
    PAGE_RUN,     /* the first page of an allocated run */
    PAGE_DIVIDED, /* divided into blocks */
};

struct heap_page {
    uint64_t blocks_used; /* in a divided page: one bit for each block */
    uint32_t run_pages;   /* in the first page of a run, and in the last page of a free run */
    uint32_t next, previous;
    uint8_t state;
    uint8_t class;
    bool has_canary; /* the last bytes of the allocated run hold a canary */
};

/* Lists of pages, linked by number. */

static void list_add(struct heap *heap, uint32_t *list, uint32_t page)
{
    heap->pages[page].next = *list;
    heap->pages[page].previous = NONE;
    if (*list != NONE)
        heap->pages[*list].previous = page;
    *list = page;
}

static void list_remove(struct heap *heap, uint32_t *list, uint32_t page)
{
    uint32_t next = heap->pages[page].next, previous = heap->pages[page].previous;

    if (next != NONE)
        heap->pages[next].previous = previous;
    if (previous != NONE)
        heap->pages[previous].next = next;
    else
        *list = next;
}

/* Runs of pages. */

static uint8_t *page_address(const struct heap *heap, uint32_t page)
{
    return heap->first_page + page * PAGE_SIZE;
}

static void run_set_free(struct heap *heap, uint32_t first, uint32_t run_pages)
{
    uint32_t last = first + run_pages - 1;

    heap->pages[first].state = heap->pages[last].state = PAGE_FREE;
    heap->pages[first].run_pages = heap->pages[last].run_pages = run_pages;
    list_add(heap, &heap->free_runs, first);
}

/* Removes a free run from the list. Its first and last page no longer mark the ends of a free
 * run. */
static void run_unlink(struct heap *heap, uint32_t first)
{
    uint32_t last = first + heap->pages[first].run_pages - 1;

    list_remove(heap, &heap->free_runs, first);
    heap->pages[first].state = heap->pages[last].state = PAGE_INSIDE;
}

/* Returns the first page in a free run at which an aligned run of run_pages pages can begin; NONE
 * if there is none. */
static uint32_t run_place(const struct heap *heap, uint32_t first, uint32_t run_pages,
                          uint64_t alignment_bytes)
{
    uint64_t address = (uint64_t)(uintptr_t)page_address(heap, first);
    uint64_t skipped = (align_up(address, alignment_bytes) - address) / PAGE_SIZE;

    if (skipped + run_pages > heap->pages[first].run_pages)
        return NONE;
    return first + (uint32_t)skipped;
}

/* Allocates from the shortest free run that has room. What remains of that run on both sides stays
 * free. Returns NONE if no run has room. */
static uint32_t run_allocate(struct heap *heap, uint32_t run_pages, uint64_t alignment_bytes)
{
    uint32_t best = NONE;

    for (uint32_t run = heap->free_runs; run != NONE; run = heap->pages[run].next) {
        if (run_place(heap, run, run_pages, alignment_bytes) != NONE &&
            (best == NONE || heap->pages[run].run_pages < heap->pages[best].run_pages))
            best = run;
    }
    if (best == NONE)
        return NONE;

    uint32_t page = run_place(heap, best, run_pages, alignment_bytes);
    uint32_t before = page - best, after = heap->pages[best].run_pages - before - run_pages;

    run_unlink(heap, best);
    if (before != 0)
        run_set_free(heap, best, before);
    if (after != 0)
        run_set_free(heap, page + run_pages, after);
    heap->pages[page].state = PAGE_RUN;
    heap->pages[page].run_pages = run_pages;
    return page;
}

static void run_release(struct heap *heap, uint32_t page)
{
    uint32_t run_pages = heap->pages[page].run_pages, end = page + run_pages;

    heap->pages[page].state = PAGE_INSIDE;
    if (end < heap->page_count && heap->pages[end].state == PAGE_FREE) {
        run_pages += heap->pages[end].run_pages;
        run_unlink(heap, end);
    }
    if (page > 0 && heap->pages[page - 1].state == PAGE_FREE) {
        uint32_t before = heap->pages[page - 1].run_pages;

        page -= before;
        run_pages += before;
        run_unlink(heap, page);
    }
    run_set_free(heap, page, run_pages);
}

/* Divided pages. */

static uint64_t all_blocks(unsigned class)
{
    return UINT64_MAX >> (64 - PAGE_SIZE / (BLOCK_MIN << class));
}

static void word_set(uint8_t *address, uint64_t value)
{
    memcpy(address, &value, sizeof(value));
}

static uint64_t word_get(const uint8_t *address)
{
    uint64_t value;

    memcpy(&value, address, sizeof(value));
    return value;
}

/* Returns a different canary for every block, so that a copy of one block over another is
 * noticed. */
static uint64_t canary_of(const uint8_t *block)
{
    return CANARY_PATTERN ^ (uint64_t)(uintptr_t)block;
}

/* Poisoning: what is released, and what lies behind the requested bytes, is filled, and checked
 * later. */

#define DAMAGE_BYTES 192

static bool is_poisoning(const struct heap *heap)
{
    return heap->damaged != NULL;
}

/* Returns how many bytes the heap needs behind the requested ones. */
static uint64_t trailing_bytes(const struct heap *heap)
{
    return is_poisoning(heap) ? REDZONE_BYTES_MIN + sizeof(struct trailer) : CANARY_BYTES;
}

/* Fills the redzone of memory of taken_bytes that begins at memory, and writes its trailer. */
static void redzone_set(uint8_t *memory, uint64_t taken_bytes, uint64_t size_bytes)
{
    uint64_t room_bytes = taken_bytes - sizeof(struct trailer);
    struct trailer trailer = {.scrambled_size = size_bytes ^ canary_of(memory),
                              .canary = canary_of(memory)};

    memset(memory + size_bytes, REDZONE_BYTE, room_bytes - size_bytes);
    memcpy(memory + room_bytes, &trailer, sizeof(trailer));
}

/* Checks what redzone_set has written. */
static void redzone_check(const struct heap *heap, const uint8_t *memory, uint64_t taken_bytes)
{
    uint64_t room_bytes = taken_bytes - sizeof(struct trailer), size_bytes, at;
    char text[DAMAGE_BYTES];
    struct trailer trailer;

    memcpy(&trailer, memory + room_bytes, sizeof(trailer));
    size_bytes = trailer.scrambled_size ^ canary_of(memory);
    if (trailer.canary != canary_of(memory) || size_bytes > room_bytes) {
        format_text(text, sizeof(text),
                    "heap: the block of %lu bytes at 0x%lx was written at its very end, or from "
                    "the memory behind it",
                    taken_bytes, (uint64_t)(uintptr_t)memory);
        heap->damaged(text);
        return;
    }
    at = poison_find(memory + size_bytes, room_bytes - size_bytes, REDZONE_BYTE);
    if (at == POISON_INTACT)
        return;
    format_text(text, sizeof(text),
                "heap: %lu bytes at 0x%lx were written past their end: byte %lu is 0x%02x",
                size_bytes, (uint64_t)(uintptr_t)memory, size_bytes + at, memory[size_bytes + at]);
    heap->damaged(text);
}

/* Checks memory that is not given out. kind says what it is, for the message. */
static void free_check(const struct heap *heap, const char *kind, const uint8_t *memory,
                       uint64_t size_bytes)
{
    uint64_t at = poison_find(memory, size_bytes, FREE_BYTE);
    char text[DAMAGE_BYTES];

    if (at == POISON_INTACT)
        return;
    format_text(text, sizeof(text),
                "heap: the released %s of %lu bytes at 0x%lx was written: byte %lu is 0x%02x", kind,
                size_bytes, (uint64_t)(uintptr_t)memory, at, memory[at]);
    heap->damaged(text);
}

static uint8_t *block_allocate(struct heap *heap, unsigned class, uint64_t size_bytes)
{
    uint32_t page = heap->divided[class];
    uint64_t block_bytes = BLOCK_MIN << class;

    if (page == NONE) {
        page = run_allocate(heap, 1, PAGE_SIZE);
        if (page == NONE)
            return NULL;
        heap->pages[page].state = PAGE_DIVIDED;
        heap->pages[page].class = (uint8_t) class;
        heap->pages[page].blocks_used = 0;
        for (uint64_t at = 0; at < PAGE_SIZE; at += block_bytes)
            word_set(page_address(heap, page) + at, FREE_PATTERN);
        list_add(heap, &heap->divided[class], page);
    }

    unsigned number = (unsigned)__builtin_ctzll(~heap->pages[page].blocks_used);
    uint8_t *block = page_address(heap, page) + number * block_bytes;

    /* A different value means that somebody wrote to the block after its release. */
    if (is_poisoning(heap))
        free_check(heap, "block", block, block_bytes);
    CHECK(word_get(block) == FREE_PATTERN);
    heap->pages[page].blocks_used |= BIT(number);
    if (heap->pages[page].blocks_used == all_blocks(class))
        list_remove(heap, &heap->divided[class], page);
    if (is_poisoning(heap))
        redzone_set(block, block_bytes, size_bytes);
    else
        word_set(block + block_bytes - CANARY_BYTES, canary_of(block));
    return block;
}

static void block_release(struct heap *heap, uint32_t page, uint8_t *block)
{
    struct heap_page *divided = &heap->pages[page];
    unsigned class = divided->class;
    uint64_t block_bytes = BLOCK_MIN << class;
    uint64_t offset = (uint64_t)(block - page_address(heap, page));
    uint64_t bit = BIT(offset / block_bytes);

    CHECK(is_aligned(offset, block_bytes));
    CHECK((divided->blocks_used & bit) != 0);
    if (is_poisoning(heap)) {
        redzone_check(heap, block, block_bytes);
        memset(block, FREE_BYTE, block_bytes);
    }
    CHECK(is_poisoning(heap) || word_get(block + block_bytes - CANARY_BYTES) == canary_of(block));
    word_set(block, FREE_PATTERN);
    if (divided->blocks_used == all_blocks(class))
        list_add(heap, &heap->divided[class], page);
    divided->blocks_used &= ~bit;
    heap->used_bytes -= block_bytes;
    if (divided->blocks_used == 0) {
        list_remove(heap, &heap->divided[class], page);
        divided->run_pages = 1;
        run_release(heap, page);
    }
}

/* The heap. */

enum status heap_init(struct heap *heap, void *region, uint64_t region_bytes)
{
    uint64_t address = (uint64_t)(uintptr_t)region;
    uint64_t begin = align_up(address, sizeof(uint64_t));
    uint64_t end = align_down(address + region_bytes, PAGE_SIZE);
    uint64_t room = end > begin ? end - begin : 0;
    uint64_t page_count = room / (PAGE_SIZE + sizeof(struct heap_page));
    uint64_t first_page;

    /* The first page's address is rounded up, which can leave no room for the last page. */
    for (;; page_count--) {
        if (page_count == 0 || page_count >= NONE)
            return STATUS_OUT_OF_RANGE;
        first_page = align_up(begin + page_count * sizeof(struct heap_page), PAGE_SIZE);
        if (first_page + page_count * PAGE_SIZE <= end)
            break;
    }

    memset(heap, 0, sizeof(*heap));
    heap->pages = (struct heap_page *)(uintptr_t)begin;
    heap->first_page = (uint8_t *)(uintptr_t)first_page;
    heap->page_count = (uint32_t)page_count;
    heap->free_runs = NONE;
    for (unsigned class = 0; class < HEAP_CLASS_COUNT; class ++)
        heap->divided[class] = NONE;
    memset(heap->pages, 0, page_count * sizeof(struct heap_page)); /* all PAGE_INSIDE */
    run_set_free(heap, 0, heap->page_count);
    return STATUS_OK;
}

enum status heap_init_inside(struct heap *heap, struct heap *outer, uint64_t region_bytes)
{
    void *region = heap_allocate(outer, region_bytes, PAGE_SIZE);
    enum status status = STATUS_NO_MEMORY;

    if (region != NULL)
        status = heap_init(heap, region, region_bytes);
    if (status != STATUS_OK) {
        heap_release(outer, region);
        return status;
    }
    heap->region = region;
    if (is_poisoning(outer))
        heap_poison(heap, outer->damaged);
    return STATUS_OK;
}

void heap_give_back(struct heap *heap, struct heap *outer)
{
    heap_check(heap);
    CHECK(heap->used_bytes == 0);
    heap_release(outer, heap->region);
}

void heap_poison(struct heap *heap, void (*damaged)(const char *message))
{
    CHECK(heap->used_bytes == 0 && damaged != NULL);
    heap->damaged = damaged;
    memset(heap->first_page, FREE_BYTE, heap->page_count * PAGE_SIZE);
}

/* Allocates pages. *taken_bytes becomes what they take from the heap. */
static uint8_t *pages_allocate(struct heap *heap, uint64_t size_bytes, uint64_t alignment_bytes,
                               uint64_t *taken_bytes)
{
    uint64_t wanted_bytes = size_bytes + (is_poisoning(heap) ? trailing_bytes(heap) : 0);
    uint8_t *memory;
    uint32_t page;

    if (alignment_bytes < PAGE_SIZE)
        alignment_bytes = PAGE_SIZE;
    *taken_bytes = align_up(wanted_bytes, PAGE_SIZE);
    page = run_allocate(heap, (uint32_t)(*taken_bytes / PAGE_SIZE), alignment_bytes);
    if (page == NONE)
        return NULL;
    memory = page_address(heap, page);
    heap->pages[page].has_canary = *taken_bytes - size_bytes >= CANARY_BYTES;
    if (is_poisoning(heap)) {
        free_check(heap, "run of pages", memory, *taken_bytes);
        redzone_set(memory, *taken_bytes, size_bytes);
    } else if (heap->pages[page].has_canary)
        word_set(memory + *taken_bytes - CANARY_BYTES, canary_of(memory));
    return memory;
}

static void pages_release(struct heap *heap, uint32_t page, uint8_t *memory)
{
    uint64_t taken_bytes = heap->pages[page].run_pages * PAGE_SIZE;

    if (is_poisoning(heap)) {
        redzone_check(heap, memory, taken_bytes);
        memset(memory, FREE_BYTE, taken_bytes);
    } else
        CHECK(!heap->pages[page].has_canary ||
              word_get(memory + taken_bytes - CANARY_BYTES) == canary_of(memory));
    heap->used_bytes -= taken_bytes;
    run_release(heap, page);
}

static void *allocate_locked(struct heap *heap, size_t size_bytes, size_t alignment_bytes)
{
    uint64_t block_bytes = size_bytes + trailing_bytes(heap), taken_bytes;
    uint8_t *memory;

    if (block_bytes <= BLOCK_MAX && alignment_bytes <= BLOCK_MAX) {
        unsigned class = 0;

        while (BLOCK_MIN << class < block_bytes || BLOCK_MIN << class < alignment_bytes)
            class ++;
        taken_bytes = BLOCK_MIN << class;
        memory = block_allocate(heap, class, size_bytes);
    } else
        memory = pages_allocate(heap, size_bytes, alignment_bytes, &taken_bytes);
    if (memory == NULL)
        return NULL;
    heap->used_bytes += taken_bytes;
    if (heap->used_bytes > heap->peak_used_bytes)
        heap->peak_used_bytes = heap->used_bytes;
    return memory;
}

void *heap_allocate(struct heap *heap, size_t size_bytes, size_t alignment_bytes)
{
    void *memory;

    CHECK(alignment_bytes != 0 && (alignment_bytes & (alignment_bytes - 1)) == 0);
    CHECK(alignment_bytes <= HEAP_ALIGNMENT_MAX);
    if (size_bytes == 0 || size_bytes > heap->page_count * PAGE_SIZE)
        return NULL;
    spinlock_acquire(&heap->lock);
    memory = allocate_locked(heap, size_bytes, alignment_bytes);
    spinlock_release(&heap->lock);
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
    uint8_t *address = memory;
    uint64_t offset;
    uint32_t page;

    if (memory == NULL)
        return;
    offset = (uint64_t)(uintptr_t)address - (uint64_t)(uintptr_t)heap->first_page;
    CHECK(offset / PAGE_SIZE < heap->page_count);
    page = (uint32_t)(offset / PAGE_SIZE);

    spinlock_acquire(&heap->lock);
    if (heap->pages[page].state == PAGE_DIVIDED) {
        block_release(heap, page, address);
    } else {
        CHECK(heap->pages[page].state == PAGE_RUN && is_aligned(offset, PAGE_SIZE));
        pages_release(heap, page, address);
    }
    spinlock_release(&heap->lock);
}

static void check_divided(const struct heap *heap, uint32_t page)
{
    uint64_t block_bytes = BLOCK_MIN << heap->pages[page].class;

    for (unsigned number = 0; number < PAGE_SIZE / block_bytes; number++) {
        const uint8_t *block = page_address(heap, page) + number * block_bytes;

        if ((heap->pages[page].blocks_used & BIT(number)) != 0)
            redzone_check(heap, block, block_bytes);
        else
            free_check(heap, "block", block, block_bytes);
    }
}

void heap_check(struct heap *heap)
{
    if (!is_poisoning(heap))
        return;
    spinlock_acquire(&heap->lock);
    for (uint32_t page = 0; page < heap->page_count;) {
        const struct heap_page *first = &heap->pages[page];
        uint64_t run_pages = first->state == PAGE_DIVIDED ? 1 : first->run_pages;

        CHECK(first->state != PAGE_INSIDE && run_pages != 0);
        if (first->state == PAGE_DIVIDED)
            check_divided(heap, page);
        else if (first->state == PAGE_RUN)
            redzone_check(heap, page_address(heap, page), run_pages * PAGE_SIZE);
        else
            free_check(heap, "run of pages", page_address(heap, page), run_pages * PAGE_SIZE);
        page += (uint32_t)run_pages;
    }
    spinlock_release(&heap->lock);
}

struct heap_statistics heap_measure(struct heap *heap)
{
    struct heap_statistics statistics;
    uint32_t largest = 0;

    spinlock_acquire(&heap->lock);
    for (uint32_t run = heap->free_runs; run != NONE; run = heap->pages[run].next) {
        if (heap->pages[run].run_pages > largest)
            largest = heap->pages[run].run_pages;
    }
    statistics = (struct heap_statistics){
        .total_bytes = heap->page_count * PAGE_SIZE,
        .used_bytes = heap->used_bytes,
        .peak_used_bytes = heap->peak_used_bytes,
        .largest_free_bytes = largest * PAGE_SIZE,
    };
    spinlock_release(&heap->lock);
    return statistics;
}
