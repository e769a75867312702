// SPDX-License-Identifier: BSD-2-Clause
#include "tests/unit/random.h"
#include "tests/unit/rounds.h"
#include "tests/unit/unit.h"

#include "arch/x86/memory/ept.h"
#include "tests/unit/page_source.h"

struct fixture {
    struct test_pages pages;
    struct ept ept;
};

static void build(struct fixture *f, uint64_t largest_page_bytes)
{
    const struct ept_capabilities capabilities = {
        .largest_page_bytes = largest_page_bytes,
        .physical_address_bits = 39,
    };
    f->pages = (struct test_pages){.allowed = 10000};
    struct page_source source = test_pages_source(&f->pages);
    assert_int_equal(ept_init(&f->ept, &capabilities, &source), STATUS_OK);
}

static void drop(struct fixture *f)
{
    ept_destroy(&f->ept);
    assert_int_equal(f->pages.in_use, 0);
}

static enum status map(struct fixture *f, uint64_t gpa, uint64_t hpa, uint64_t size)
{
    return ept_map(&f->ept, GPA(gpa), HPA(hpa), size, EPT_ALL, EPT_WRITE_BACK);
}

static void assert_mapped(const struct fixture *f, uint64_t gpa, uint64_t hpa, uint64_t size)
{
    struct ept_mapping mapping;
    assert_true(ept_lookup(&f->ept, GPA(gpa), &mapping));
    assert_int_equal(mapping.hpa.value, hpa);
    assert_int_equal(mapping.page_size_bytes, size);
}

static void assert_unmapped(const struct fixture *f, uint64_t gpa)
{
    struct ept_mapping mapping;
    assert_false(ept_lookup(&f->ept, GPA(gpa), &mapping));
}

static void test_page_sizes(void **state)
{
    struct fixture f;
    (void)state;

    build(&f, PAGE_SIZE_HUGE);
    assert_int_equal(map(&f, 0, 4 * GIB, 2 * GIB), STATUS_OK);
    assert_mapped(&f, GIB + 9, 5 * GIB + 9, PAGE_SIZE_HUGE);
    /* Both addresses have to be aligned. */
    assert_int_equal(map(&f, 8 * GIB, 4 * GIB + PAGE_SIZE_LARGE, GIB), STATUS_OK);
    assert_mapped(&f, 8 * GIB, 4 * GIB + PAGE_SIZE_LARGE, PAGE_SIZE_LARGE);
    assert_int_equal(map(&f, 16 * GIB, 4 * GIB + PAGE_SIZE, PAGE_SIZE_LARGE), STATUS_OK);
    assert_mapped(&f, 16 * GIB, 4 * GIB + PAGE_SIZE, PAGE_SIZE);
    drop(&f);

    build(&f, PAGE_SIZE_LARGE);
    assert_int_equal(map(&f, 0, 4 * GIB, GIB), STATUS_OK);
    assert_mapped(&f, GIB - 1, 5 * GIB - 1, PAGE_SIZE_LARGE);
    drop(&f);

    build(&f, PAGE_SIZE);
    assert_int_equal(map(&f, 0, 4 * GIB, 2 * PAGE_SIZE_LARGE), STATUS_OK);
    assert_mapped(&f, PAGE_SIZE_LARGE, 4 * GIB + PAGE_SIZE_LARGE, PAGE_SIZE);
    drop(&f);
}

static void test_splitting(void **state)
{
    struct fixture f;
    (void)state;
    build(&f, PAGE_SIZE_HUGE);
    assert_int_equal(map(&f, 0, 8 * GIB, GIB), STATUS_OK);
    assert_int_equal(ept_unmap(&f.ept, GPA(0x3fe000), 0x3000), STATUS_OK);
    assert_mapped(&f, 0x3fdfff, 8 * GIB + 0x3fdfff, PAGE_SIZE);
    assert_unmapped(&f, 0x3fe000);
    assert_unmapped(&f, 0x400fff);
    assert_mapped(&f, 0x401000, 8 * GIB + 0x401000, PAGE_SIZE);
    assert_mapped(&f, 0x600000, 8 * GIB + 0x600000, PAGE_SIZE_LARGE);
    assert_mapped(&f, 0x1fffff, 8 * GIB + 0x1fffff, PAGE_SIZE_LARGE);
    /* What is unmapped may be unmapped again, over holes of any size. */
    assert_int_equal(ept_unmap(&f.ept, GPA(0), UINT64_C(1) << 48), STATUS_OK);
    assert_unmapped(&f, 0x401000);
    assert_unmapped(&f, 0x600000);
    drop(&f);
}

/* SDM vol. 3C, tables "Format of an EPT Page-Table Entry ..." and the EPTP's. */
static void test_raw_entries(void **state)
{
    struct fixture f;
    (void)state;
    build(&f, PAGE_SIZE_LARGE);
    assert_int_equal(ept_map(&f.ept, GPA(0x200000), HPA(0x600000), PAGE_SIZE_LARGE,
                             EPT_READ | EPT_EXECUTE, EPT_WRITE_BACK),
                     STATUS_OK);
    assert_int_equal(
        ept_map(&f.ept, GPA(0x1000), HPA(0x9000), PAGE_SIZE, EPT_READ | EPT_WRITE, EPT_UNCACHED),
        STATUS_OK);

    uint64_t pointer = ept_pointer(&f.ept, false);
    assert_int_equal(pointer & 0xfff, 0x1e);
    assert_int_equal(ept_pointer(&f.ept, true) & 0xfff, 0x5e);
    const uint64_t *pml4 = (const uint64_t *)(pointer & ~UINT64_C(0xfff));
    assert_int_equal(pml4[0] & 0xfff, 7);
    const uint64_t *pdpt = (const uint64_t *)(pml4[0] & ~UINT64_C(0xfff));
    assert_int_equal(pdpt[0] & 0xfff, 7);
    const uint64_t *directory = (const uint64_t *)(pdpt[0] & ~UINT64_C(0xfff));
    assert_int_equal(directory[1], 0x600000 | 1 << 7 | 6 << 3 | 5);
    assert_int_equal(directory[0] & 0xfff, 7);
    const uint64_t *table = (const uint64_t *)(directory[0] & ~UINT64_C(0xfff));
    assert_int_equal(table[1], 0x9000 | 3);
    assert_int_equal(table[0], 0);
    /* A split leaf loses bit 7, which says nothing in the lowest level, and keeps the rest. */
    assert_int_equal(ept_unmap(&f.ept, GPA(0x200000), PAGE_SIZE), STATUS_OK);
    table = (const uint64_t *)(directory[1] & ~UINT64_C(0xfff));
    assert_int_equal(table[0], 0);
    assert_int_equal(table[511], 0x7ff000 | 6 << 3 | 5);
    drop(&f);
}

static void test_refusals(void **state)
{
    const uint64_t gpa_end = UINT64_C(1) << 48, hpa_end = UINT64_C(1) << 39;
    struct fixture f;

    (void)state;
    build(&f, PAGE_SIZE_HUGE);
    assert_int_equal(map(&f, 0x800, 0, PAGE_SIZE), STATUS_INVALID);
    assert_int_equal(map(&f, 0, 0x800, PAGE_SIZE), STATUS_INVALID);
    assert_int_equal(map(&f, 0, 0, 0x800), STATUS_INVALID);
    assert_int_equal(map(&f, 0, 0, 0), STATUS_INVALID);
    assert_int_equal(map(&f, gpa_end, 0, PAGE_SIZE), STATUS_OUT_OF_RANGE);
    assert_int_equal(map(&f, gpa_end - PAGE_SIZE, 0, 2 * PAGE_SIZE), STATUS_OUT_OF_RANGE);
    assert_int_equal(map(&f, 0, hpa_end, PAGE_SIZE), STATUS_OUT_OF_RANGE);
    assert_int_equal(map(&f, 0, hpa_end - PAGE_SIZE, 2 * PAGE_SIZE), STATUS_OUT_OF_RANGE);
    assert_int_equal(map(&f, PAGE_SIZE, 0, UINT64_MAX - 0xfff), STATUS_OUT_OF_RANGE);
    assert_int_equal(ept_unmap(&f.ept, GPA(gpa_end), PAGE_SIZE), STATUS_OUT_OF_RANGE);

    const struct {
        unsigned permissions;
        unsigned type;
        enum status status;
    } cases[] = {
        {0, EPT_WRITE_BACK, STATUS_INVALID},
        {8 | EPT_READ, EPT_WRITE_BACK, STATUS_INVALID},
        {EPT_WRITE, EPT_WRITE_BACK, STATUS_INVALID},
        {EPT_WRITE | EPT_EXECUTE, EPT_WRITE_BACK, STATUS_INVALID},
        {EPT_EXECUTE, EPT_WRITE_BACK, STATUS_UNSUPPORTED},
        {EPT_READ, 2, STATUS_INVALID},
        {EPT_READ, 7, STATUS_INVALID},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        assert_int_equal(ept_map(&f.ept, GPA(0), HPA(0), PAGE_SIZE, cases[i].permissions,
                                 (enum ept_memory_type)cases[i].type),
                         cases[i].status);
    }
    assert_unmapped(&f, 0);
    f.ept.has_execute_only = true;
    assert_int_equal(ept_map(&f.ept, GPA(0), HPA(0), PAGE_SIZE, EPT_EXECUTE, EPT_WRITE_COMBINING),
                     STATUS_OK);
    assert_mapped(&f, 0, 0, PAGE_SIZE);
    assert_int_equal(map(&f, gpa_end - PAGE_SIZE, hpa_end - PAGE_SIZE, PAGE_SIZE), STATUS_OK);
    assert_mapped(&f, gpa_end - 1, hpa_end - 1, PAGE_SIZE);
    drop(&f);

    const struct page_source source = test_pages_source(&f.pages);
    assert_int_equal(
        ept_init(&f.ept, &(struct ept_capabilities){PAGE_SIZE_HUGE, false, 53}, &source),
        STATUS_INVALID);
    assert_int_equal(ept_init(&f.ept, &(struct ept_capabilities){8192, false, 40}, &source),
                     STATUS_INVALID);
}

/* Random maps and unmaps against one number for each 4 KiB page. */

#define WINDOW_PAGES (3 * 512 * 512) /* 3 GiB, around two 1 GiB boundaries */
#define WINDOW_BASE  (511 * GIB)     /* and a boundary of the top level */

/* A page count or number that is often a multiple of a larger page. */
static uint64_t random_pages(uint64_t below)
{
    const uint64_t unit = (const uint64_t[]){1, 1, 512, 512, 512 * 512}[random_below(5)];
    return random_below(below / unit + 1) * unit % below;
}

static void check_page(const struct fixture *f, const uint64_t *oracle, uint64_t page)
{
    uint64_t gpa = WINDOW_BASE + page * PAGE_SIZE + random_below(PAGE_SIZE);
    struct ept_mapping mapping;
    bool is_mapped = ept_lookup(&f->ept, GPA(gpa), &mapping);

    assert_int_equal(is_mapped, oracle[page] != 0);
    if (is_mapped) {
        assert_int_equal(mapping.hpa.value, (oracle[page] & ~UINT64_C(0xfff)) + gpa % PAGE_SIZE);
        assert_int_equal(mapping.permissions, oracle[page] & 7);
        assert_int_equal(mapping.type, oracle[page] >> 3 & 7);
    }
}

static void test_against_oracle(void **state)
{
    static const uint64_t sizes[] = {PAGE_SIZE, PAGE_SIZE_LARGE, PAGE_SIZE_HUGE};
    uint64_t *oracle = malloc(WINDOW_PAGES * sizeof(*oracle));

    (void)state;
    for (unsigned run = 0; run < rounds(12); run++) {
        struct fixture f;
        random_state = run + 1;
        memset(oracle, 0, WINDOW_PAGES * sizeof(*oracle));
        build(&f, sizes[run % 3]);
        for (unsigned step = 0; step < 40; step++) {
            uint64_t first = random_pages(WINDOW_PAGES);
            uint64_t left = WINDOW_PAGES - first;
            uint64_t count = random_pages(left) + 1;
            bool is_map = random_below(3) != 0;
            unsigned permissions =
                EPT_READ | (unsigned)random_below(2) << 1 | (unsigned)random_below(2) << 2;
            unsigned type = random_below(2) != 0 ? EPT_WRITE_BACK : EPT_UNCACHED;
            uint64_t hpa = (random_pages(1 << 20) + (1 << 20)) * PAGE_SIZE;

            if (count > 1 && count % 512 == 1) /* random_pages gave whole large pages */
                count--;
            gpa_t gpa = GPA(WINDOW_BASE + first * PAGE_SIZE);
            assert_int_equal(is_map ? ept_map(&f.ept, gpa, HPA(hpa), count * PAGE_SIZE, permissions,
                                              (enum ept_memory_type)type)
                                    : ept_unmap(&f.ept, gpa, count * PAGE_SIZE),
                             STATUS_OK);
            for (uint64_t i = 0; i < count; i++)
                oracle[first + i] =
                    is_map ? (hpa + i * PAGE_SIZE) | (uint64_t)type << 3 | permissions : 0;
            if (first > 0)
                check_page(&f, oracle, first - 1);
            check_page(&f, oracle, first);
            check_page(&f, oracle, first + count - 1);
            if (count < left)
                check_page(&f, oracle, first + count);
        }
        for (uint64_t page = 0; page < WINDOW_PAGES; page += 1 + random_below(13))
            check_page(&f, oracle, page);
        assert_unmapped(&f, WINDOW_BASE - 1);
        assert_unmapped(&f, WINDOW_BASE + WINDOW_PAGES * PAGE_SIZE);
        drop(&f);
    }
    free(oracle);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_page_sizes),     cmocka_unit_test(test_splitting),
        cmocka_unit_test(test_raw_entries),    cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_against_oracle),
    };
    return cmocka_run_group_tests_name("ept", tests, NULL, NULL);
}
