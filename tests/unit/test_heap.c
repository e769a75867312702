// SPDX-License-Identifier: BSD-2-Clause
#include "tests/unit/random.h"
#include "tests/unit/rounds.h"
#include "tests/unit/unit.h"

#include "vmm/memory/heap.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define REGION_BYTES (8 * MIB)

struct fixture {
    struct heap heap;
    uint8_t *region;
};

static int set_up(void **state)
{
    struct fixture *fixture = malloc(sizeof(*fixture));

    /* Off the page's start, and full of what was there before. */
    fixture->region = malloc(REGION_BYTES);
    memset(fixture->region, 0xc3, REGION_BYTES);
    assert_int_equal(heap_init(&fixture->heap, fixture->region + 3, REGION_BYTES - 3), STATUS_OK);
    *state = fixture;
    return 0;
}

static _Noreturn void on_damage(const char *message)
{
    fputs(message, stderr);
    abort();
}

static int set_up_poisoning(void **state)
{
    struct fixture *fixture;

    (void)!set_up(state);
    fixture = *state;
    heap_poison(&fixture->heap, on_damage);
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    free(fixture->region);
    free(fixture);
    return 0;
}

static bool inside(const struct fixture *fixture, const uint8_t *memory, size_t size_bytes)
{
    return memory >= fixture->region && memory + size_bytes <= fixture->region + REGION_BYTES;
}

static void test_init_sizes(void **state)
{
    static uint8_t region[4 * 4096];
    struct heap heap;
    uint64_t pages_seen = 0;

    (void)state;
    assert_int_equal(heap_init(&heap, region, 0), STATUS_OUT_OF_RANGE);
    assert_int_equal(heap_init(&heap, region, 4096), STATUS_OUT_OF_RANGE);
    for (uint64_t size = 0; size <= sizeof(region); size++) {
        if (heap_init(&heap, region, size) != STATUS_OK)
            continue;
        pages_seen = heap_measure(&heap).total_bytes / PAGE_SIZE;
        for (uint64_t i = 0; i < pages_seen; i++) {
            uint8_t *page = heap_allocate(&heap, PAGE_SIZE, PAGE_SIZE);

            assert_non_null(page);
            assert_true(page + PAGE_SIZE <= region + size);
        }
        assert_null(heap_allocate(&heap, 1, 1));
        size += 100;
    }
    assert_in_range(pages_seen, 2, 3);
}

static void test_alignment_and_zero(void **state)
{
    struct fixture *fixture = *state;

    for (size_t alignment = 1; alignment <= HEAP_ALIGNMENT_MAX; alignment *= 2) {
        static const size_t sizes[] = {1, 56, 57, 64, 2040, 2041, 4096, 5000, 65536};

        for (unsigned i = 0; i < ARRAY_COUNT(sizes); i++) {
            uint8_t *memory = heap_allocate_zeroed(&fixture->heap, sizes[i], alignment);

            assert_non_null(memory);
            assert_true(inside(fixture, memory, sizes[i]));
            assert_int_equal((uintptr_t)memory % alignment, 0);
            for (size_t byte = 0; byte < sizes[i]; byte++)
                assert_int_equal(memory[byte], 0);
            memset(memory, 0x77, sizes[i]);
            heap_release(&fixture->heap, memory);
        }
    }
    assert_null(heap_allocate(&fixture->heap, 0, 1));
    assert_null(heap_allocate(&fixture->heap, SIZE_MAX, 1));
    assert_null(heap_allocate(&fixture->heap, SIZE_MAX - 4096, 4096));
    heap_release(&fixture->heap, NULL);
    assert_int_equal(heap_measure(&fixture->heap).used_bytes, 0);
}

/* Page tables stand side by side: all the pages there are can be given out. */
static void test_pages_without_waste(void **state)
{
    struct fixture *fixture = *state;
    struct heap_statistics statistics = heap_measure(&fixture->heap);
    uint64_t page_count = statistics.total_bytes / PAGE_SIZE;
    uint8_t **pages = calloc(page_count, sizeof(*pages));

    assert_true(statistics.total_bytes >= REGION_BYTES - REGION_BYTES / 100);
    assert_int_equal(statistics.largest_free_bytes, statistics.total_bytes);
    for (uint64_t i = 0; i < page_count; i++) {
        pages[i] = heap_allocate(&fixture->heap, PAGE_SIZE, PAGE_SIZE);
        assert_non_null(pages[i]);
    }
    assert_null(heap_allocate(&fixture->heap, 1, 1));
    assert_int_equal(heap_measure(&fixture->heap).used_bytes, statistics.total_bytes);
    for (uint64_t i = 0; i < page_count; i += 2)
        heap_release(&fixture->heap, pages[i]);
    assert_null(heap_allocate(&fixture->heap, 2 * PAGE_SIZE, PAGE_SIZE));
    assert_int_equal(heap_measure(&fixture->heap).largest_free_bytes, PAGE_SIZE);
    for (uint64_t i = 1; i < page_count; i += 2)
        heap_release(&fixture->heap, pages[i]);
    statistics = heap_measure(&fixture->heap);
    assert_int_equal(statistics.used_bytes, 0);
    assert_int_equal(statistics.peak_used_bytes, statistics.total_bytes);
    assert_int_equal(statistics.largest_free_bytes, statistics.total_bytes);
    free(pages);
}

/* Random, against a list of what is held. */

struct held {
    uint8_t *memory;
    size_t size_bytes;
    uint8_t fill;
};

static void check_and_release(struct fixture *fixture, struct held *held)
{
    for (size_t i = 0; i < held->size_bytes; i++) {
        if (held->memory[i] != held->fill)
            fail_msg("%zu bytes at %p: somebody else wrote to byte %zu", held->size_bytes,
                     (void *)held->memory, i);
    }
    heap_release(&fixture->heap, held->memory);
    held->memory = NULL;
}

static void test_random(void **state)
{
    enum { HELD_MAX = 200 };
    const unsigned steps = rounds(40000);
    struct fixture *fixture = *state;
    struct held held[HELD_MAX] = {{0}};
    unsigned refused = 0;

    random_begin("HEAP_SEED");
    for (unsigned step = 0; step < steps; step++) {
        struct held *one = &held[random_below(HELD_MAX)];

        if (one->memory != NULL) {
            check_and_release(fixture, one);
            continue;
        }

        unsigned bits = (unsigned)random_below(100);
        size_t alignment = (size_t)1 << random_below(bits < 5 ? 22 : 13);

        one->size_bytes = 1 + random_below(UINT64_C(1) << (bits < 2 ? 21 : 6 + bits % 9));
        one->memory = heap_allocate(&fixture->heap, one->size_bytes, alignment);
        if (one->memory == NULL) {
            refused++;
            continue;
        }
        assert_true(inside(fixture, one->memory, one->size_bytes));
        assert_int_equal((uintptr_t)one->memory % alignment, 0);
        one->fill = (uint8_t)random_u64();
        memset(one->memory, one->fill, one->size_bytes);
    }
    heap_check(&fixture->heap);
    for (unsigned i = 0; i < HELD_MAX; i++) {
        if (held[i].memory != NULL)
            check_and_release(fixture, &held[i]);
    }
    heap_check(&fixture->heap);
    assert_true(refused < steps / 10);

    struct heap_statistics statistics = heap_measure(&fixture->heap);

    assert_int_equal(statistics.used_bytes, 0);
    assert_int_equal(statistics.largest_free_bytes, statistics.total_bytes);
}

/* Bugs of ours are noticed. */

static void overrun_block(struct heap *heap)
{
    uint8_t *memory = heap_allocate(heap, 56, 1);

    memory[56] ^= 1;
    heap_release(heap, memory);
}

static void overrun_pages(struct heap *heap)
{
    uint8_t *memory = heap_allocate(heap, 2 * PAGE_SIZE - 8, PAGE_SIZE);

    memory[2 * PAGE_SIZE - 8] ^= 1;
    heap_release(heap, memory);
}

static void release_block_twice(struct heap *heap)
{
    uint8_t *memory = heap_allocate(heap, 10, 1);

    (void)heap_allocate(heap, 10, 1); /* the page stays */
    heap_release(heap, memory);
    heap_release(heap, memory);
}

static void release_pages_twice(struct heap *heap)
{
    uint8_t *memory = heap_allocate(heap, 3 * PAGE_SIZE, PAGE_SIZE);

    heap_release(heap, memory);
    heap_release(heap, memory);
}

static void release_from_within(struct heap *heap)
{
    uint8_t *memory = heap_allocate(heap, 3 * PAGE_SIZE, PAGE_SIZE);

    heap_release(heap, memory + PAGE_SIZE);
}

static void release_a_strangers(struct heap *heap)
{
    heap_release(heap, heap);
}

static void write_after_release(struct heap *heap)
{
    uint8_t *memory = heap_allocate(heap, 10, 1);

    (void)heap_allocate(heap, 10, 1);
    heap_release(heap, memory);
    memory[0] = 1;
    (void)heap_allocate(heap, 10, 1);
}

/* Runs a function that has a bug in a process of its own, which has to abort. said (size bytes) gets
 * the beginning of what it wrote to standard error. */
static void run_bug(void (*bug)(struct heap *), struct heap *heap, char *said, size_t size)
{
    int status = 0, ends[2];
    size_t used = 0;
    ssize_t count;
    pid_t child;

    assert_int_equal(pipe(ends), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGABRT, SIG_DFL);
        dup2(ends[1], STDERR_FILENO);
        bug(heap);
        _exit(0);
    }
    close(ends[1]);
    while ((count = read(ends[0], said + used, size - 1 - used)) > 0)
        used += (size_t)count;
    said[used] = '\0';
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT)
        fail_msg("a bug went unnoticed; it said: %s", said);
}

static void test_bugs_fail_a_check(void **state)
{
    static void (*const bugs[])(struct heap *) = {
        overrun_block,       overrun_pages,       release_block_twice, release_pages_twice,
        release_from_within, release_a_strangers, write_after_release,
    };
    struct fixture *fixture = *state;
    char said[400];

    for (unsigned i = 0; i < ARRAY_COUNT(bugs); i++)
        run_bug(bugs[i], &fixture->heap, said, sizeof(said));
}

/* Poisoning */

/* The last byte of what an aligned block of pages has: without poisoning nothing is there. */
static void overrun_whole_page(struct heap *heap)
{
    uint8_t *memory = heap_allocate(heap, PAGE_SIZE, PAGE_SIZE);

    memory[PAGE_SIZE] = 0;
    heap_release(heap, memory);
}

/* Far from the canary at the block's end. */
static void overrun_by_one(struct heap *heap)
{
    uint8_t *memory = heap_allocate(heap, 3, 1);

    memory[3] = 0;
    heap_release(heap, memory);
}

static void overrun_of_what_stays(struct heap *heap)
{
    uint8_t *memory = heap_allocate(heap, 300, 1);

    memory[305] = 1;
    heap_check(heap);
}

static void overrun_of_all(struct heap *heap)
{
    uint8_t *memory = heap_allocate(heap, 100, 1);

    memset(memory + 100, 0, 156);
    heap_release(heap, memory);
}

static void late_write_behind_the_start(struct heap *heap)
{
    uint8_t *memory = heap_allocate(heap, 200, 1);

    (void)heap_allocate(heap, 200, 1);
    heap_release(heap, memory);
    memory[199] = 1;
    (void)heap_allocate(heap, 200, 1);
}

static void late_write_to_pages(struct heap *heap)
{
    uint8_t *memory = heap_allocate(heap, 3 * PAGE_SIZE, PAGE_SIZE);

    heap_release(heap, memory);
    memory[2 * PAGE_SIZE + 5] = 1;
    (void)heap_allocate(heap, 3 * PAGE_SIZE, PAGE_SIZE);
}

static void late_write_to_a_block_that_nobody_takes(struct heap *heap)
{
    uint8_t *memory = heap_allocate(heap, 1000, 1);

    (void)heap_allocate(heap, 1000, 1);
    heap_release(heap, memory);
    memory[7] = 0xf5;
    heap_check(heap);
}

static void late_write_to_pages_that_nobody_takes(struct heap *heap)
{
    uint8_t *memory = heap_allocate(heap, 100 * PAGE_SIZE, PAGE_SIZE);

    heap_release(heap, memory);
    memory[99 * PAGE_SIZE] = 1;
    heap_check(heap);
}

static void test_poison_finds_damage(void **state)
{
    static const struct {
        void (*bug)(struct heap *);
        const char *words;
    } bugs[] = {
        {overrun_block, ": byte 56 is 0xec"},
        {overrun_pages, "heap: 8184 bytes at 0x"},
        {overrun_whole_page, "were written past their end: byte 4096 is 0x00"},
        {overrun_by_one, "heap: 3 bytes at 0x"},
        {overrun_of_what_stays, "heap: 300 bytes at 0x"},
        {overrun_of_all, "heap: the block of 256 bytes at 0x"},
        {release_block_twice, "CHECK failed"},
        {release_pages_twice, "CHECK failed"},
        {release_from_within, "CHECK failed"},
        {release_a_strangers, "CHECK failed"},
        {write_after_release, "heap: the released block of 64 bytes at 0x"},
        {late_write_behind_the_start, "was written: byte 199 is 0x01"},
        {late_write_to_pages, "heap: the released run of pages of 16384 bytes at 0x"},
        {late_write_to_a_block_that_nobody_takes, "was written: byte 7 is 0xf5"},
        {late_write_to_pages_that_nobody_takes, "heap: the released run of pages of "},
    };
    struct fixture *fixture = *state;
    char said[400];

    for (unsigned i = 0; i < ARRAY_COUNT(bugs); i++) {
        run_bug(bugs[i].bug, &fixture->heap, said, sizeof(said));
        if (strstr(said, bugs[i].words) == NULL)
            fail_msg("bug %u: %s", i, said);
    }
}

/* Released memory is of no use to whoever reads it, and what lies behind memory neither. */
static void test_poison_fills(void **state)
{
    struct fixture *fixture = *state;
    uint8_t *block = heap_allocate(&fixture->heap, 40, 1);
    uint8_t *pages = heap_allocate(&fixture->heap, 2 * PAGE_SIZE, 1);

    memset(block, 0, 40);
    memset(pages, 0, 2 * PAGE_SIZE);
    assert_int_equal(block[40], 0xed);
    assert_int_equal(pages[2 * PAGE_SIZE], 0xed);
    heap_check(&fixture->heap);
    heap_release(&fixture->heap, block);
    heap_release(&fixture->heap, pages);
    for (unsigned i = 0; i < 128; i++)
        assert_int_equal(block[i], 0xf4);
    for (unsigned i = 0; i < 3 * PAGE_SIZE; i++)
        assert_int_equal(pages[i], 0xf4);
    heap_check(&fixture->heap);
}

/* A heap in a heap: when one is used up, another beside it has all that it was given, and the outer
 * one is as before. */
static void test_inside(void **state)
{
    const uint64_t inner_bytes = 64 * PAGE_SIZE;
    struct fixture *fixture = *state;
    uint64_t used_bytes, total_bytes, count;
    struct heap greedy, other;
    void *last = NULL;

    assert_int_equal(heap_init_inside(&greedy, &fixture->heap, REGION_BYTES), STATUS_NO_MEMORY);
    assert_int_equal(heap_init_inside(&greedy, &fixture->heap, 1), STATUS_OUT_OF_RANGE);
    assert_int_equal(heap_measure(&fixture->heap).used_bytes, 0);

    assert_int_equal(heap_init_inside(&greedy, &fixture->heap, inner_bytes), STATUS_OK);
    assert_int_equal(heap_init_inside(&other, &fixture->heap, inner_bytes), STATUS_OK);
    used_bytes = heap_measure(&fixture->heap).used_bytes;
    total_bytes = heap_measure(&other).total_bytes;
    assert_in_range(total_bytes, inner_bytes - 2 * PAGE_SIZE, inner_bytes);
    for (count = 0;; count++) {
        void **memory = heap_allocate(&greedy, 1000, 1);

        if (memory == NULL)
            break;
        *memory = last;
        last = memory;
    }
    assert_true(count * 1024 >= total_bytes / 2);
    assert_int_equal(heap_measure(&fixture->heap).used_bytes, used_bytes);
    assert_int_equal(heap_measure(&other).largest_free_bytes, total_bytes);
    assert_non_null(heap_allocate(&fixture->heap, 1000, 1));
    while (last != NULL) {
        void *before = *(void **)last;

        heap_release(&greedy, last);
        last = before;
    }
    heap_give_back(&greedy, &fixture->heap);
    heap_give_back(&other, &fixture->heap);
    heap_check(&fixture->heap);
}

int main(void)
{
#define TEST(name)     cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define POISONED(name) cmocka_unit_test_setup_teardown(name, set_up_poisoning, tear_down)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_init_sizes),
        TEST(test_alignment_and_zero),
        TEST(test_pages_without_waste),
        TEST(test_random),
        TEST(test_bugs_fail_a_check),
        TEST(test_inside),
        POISONED(test_inside),
        POISONED(test_alignment_and_zero),
        POISONED(test_random),
        POISONED(test_poison_finds_damage),
        POISONED(test_poison_fills),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
