// SPDX-License-Identifier: BSD-2-Clause
#include "tests/unit/unit.h"

#include "arch/x86/memory/page_table.h"
#include "tests/unit/page_source.h"

struct fixture {
    struct test_pages pages;
    struct page_table table;
};

static void build(struct fixture *f, unsigned levels, bool huge)
{
    f->pages = (struct test_pages){.allowed = 1000};
    struct page_source source = test_pages_source(&f->pages);
    assert_int_equal(page_table_init(&f->table, levels, huge, &source), STATUS_OK);
}

static void drop(struct fixture *f)
{
    table_tree_destroy(&f->table.tree);
    assert_int_equal(f->pages.in_use, 0);
}

/* The leaf as the processor would find it: an independent walk over raw entries. */
static uint64_t raw_entry(const struct page_table *table, uint64_t address, unsigned *shift)
{
    const uint64_t *level = (const uint64_t *)(page_table_cr3(table) & ~UINT64_C(0xfff));
    for (*shift = table->tree.levels * 9 + 3; *shift >= 12; *shift -= 9) {
        uint64_t entry = level[address >> *shift & 511];
        if ((entry & 1) == 0 || *shift == 12 || (entry & 0x80) != 0)
            return entry;
        assert_int_equal(entry & 2, 2); /* tables never forbid */
        assert_int_equal(entry >> 63, 0);
        level = (const uint64_t *)(entry & UINT64_C(0x000ffffffffff000));
    }
    return 0;
}

static void assert_mapped(const struct fixture *f, uint64_t address, unsigned flags, uint64_t size)
{
    struct page_mapping mapping;
    assert_true(page_table_lookup(&f->table, address, &mapping));
    assert_int_equal(mapping.address, address);
    assert_int_equal(mapping.flags, flags);
    assert_int_equal(mapping.page_size_bytes, size);
}

static void assert_unmapped(const struct fixture *f, uint64_t address)
{
    struct page_mapping mapping;
    assert_false(page_table_lookup(&f->table, address, &mapping));
}

static void test_largest_pages(void **state)
{
    struct fixture f;
    (void)state;
    build(&f, 4, true);
    assert_int_equal(page_table_map(&f.table, 0x1ff000, 3 * GIB, PAGE_WRITE), STATUS_OK);
    assert_unmapped(&f, 0x1fefff);
    assert_mapped(&f, 0x1ff000, PAGE_WRITE, PAGE_SIZE);
    assert_mapped(&f, 0x200123, PAGE_WRITE, PAGE_SIZE_LARGE);
    assert_mapped(&f, GIB + 5, PAGE_WRITE, PAGE_SIZE_HUGE);
    assert_mapped(&f, 3 * GIB - 1, PAGE_WRITE, PAGE_SIZE_HUGE);
    assert_mapped(&f, 3 * GIB, PAGE_WRITE, PAGE_SIZE);
    assert_mapped(&f, 3 * GIB + 0x1fefff, PAGE_WRITE, PAGE_SIZE);
    assert_unmapped(&f, 3 * GIB + 0x1ff000);
    drop(&f);

    build(&f, 4, false);
    assert_int_equal(page_table_map(&f.table, 0, GIB, PAGE_WRITE), STATUS_OK);
    assert_mapped(&f, 5, PAGE_WRITE, PAGE_SIZE_LARGE);
    drop(&f);
}

/* SDM vol. 3A, tables 4-15 to 4-20: bit positions, checked on the raw entries. */
static void test_entry_bits(void **state)
{
    const struct {
        unsigned flags;
        uint64_t bits; /* without the address, accessed (5) and dirty (6) */
    } cases[] = {
        {0, UINT64_C(1) << 63 | 1},
        {PAGE_WRITE, UINT64_C(1) << 63 | 3},
        {PAGE_EXECUTE, 1},
        {PAGE_WRITE | PAGE_UNCACHED, UINT64_C(1) << 63 | 0x1b},
        {PAGE_WRITE | PAGE_WRITE_COMBINING, UINT64_C(1) << 63 | 0x0b},
        {PAGE_WRITE | PAGE_EXECUTE | PAGE_FIRMWARE, 3},
    };
    struct fixture f;
    unsigned shift;

    (void)state;
    build(&f, 4, true);
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        uint64_t small = 0x7000 + 0x1000 * i, large = (i + 1) * PAGE_SIZE_LARGE,
                 huge = (i + 1) * GIB;
        assert_int_equal(page_table_map(&f.table, small, PAGE_SIZE, cases[i].flags), STATUS_OK);
        assert_int_equal(page_table_map(&f.table, large, PAGE_SIZE_LARGE, cases[i].flags),
                         STATUS_OK);
        assert_int_equal(page_table_map(&f.table, huge, PAGE_SIZE_HUGE, cases[i].flags), STATUS_OK);
        assert_int_equal(raw_entry(&f.table, small, &shift), small | cases[i].bits | 0x60);
        assert_int_equal(shift, 12);
        assert_int_equal(raw_entry(&f.table, large, &shift), large | cases[i].bits | 0xe0);
        assert_int_equal(shift, 21);
        assert_int_equal(raw_entry(&f.table, huge, &shift), huge | cases[i].bits | 0xe0);
        assert_int_equal(shift, 30);
        assert_mapped(&f, small, cases[i].flags, PAGE_SIZE);
        assert_mapped(&f, huge, cases[i].flags, PAGE_SIZE_HUGE);
    }
    drop(&f);
}

/* What the monitor does: RAM, then its image inside, then guard pages. */
static void test_image_and_guard_pages(void **state)
{
    const uint64_t text = GIB + 5 * PAGE_SIZE_LARGE + 0x3000, guard = GIB + 0x10000;
    struct fixture f;

    (void)state;
    build(&f, 4, true);
    assert_int_equal(page_table_map(&f.table, 0, 4 * GIB, PAGE_WRITE), STATUS_OK);
    assert_int_equal(page_table_map(&f.table, text, 0x2000, PAGE_EXECUTE), STATUS_OK);
    assert_int_equal(page_table_map(&f.table, text + 0x2000, 0x1000, 0), STATUS_OK);
    assert_int_equal(page_table_unmap(&f.table, guard, PAGE_SIZE), STATUS_OK);

    assert_mapped(&f, text - 1, PAGE_WRITE, PAGE_SIZE);
    assert_mapped(&f, text, PAGE_EXECUTE, PAGE_SIZE);
    assert_mapped(&f, text + 0x1fff, PAGE_EXECUTE, PAGE_SIZE);
    assert_mapped(&f, text + 0x2000, 0, PAGE_SIZE);
    assert_mapped(&f, text + 0x3000, PAGE_WRITE, PAGE_SIZE);
    assert_mapped(&f, guard - 1, PAGE_WRITE, PAGE_SIZE);
    assert_unmapped(&f, guard);
    assert_unmapped(&f, guard + 0xfff);
    assert_mapped(&f, guard + 0x1000, PAGE_WRITE, PAGE_SIZE);
    assert_mapped(&f, GIB + PAGE_SIZE_LARGE, PAGE_WRITE, PAGE_SIZE_LARGE);
    assert_mapped(&f, GIB - 1, PAGE_WRITE, PAGE_SIZE_HUGE);
    assert_mapped(&f, 2 * GIB, PAGE_WRITE, PAGE_SIZE_HUGE);
    drop(&f);
}

static void test_refusals(void **state)
{
    const uint64_t top = UINT64_C(1) << 47;
    struct fixture f;
    struct page_source source;

    (void)state;
    build(&f, 4, true);
    assert_int_equal(page_table_map(&f.table, 0, GIB, PAGE_WRITE | PAGE_EXECUTE), STATUS_INVALID);
    assert_int_equal(page_table_map(&f.table, 0, GIB, 1 << 5), STATUS_INVALID);
    assert_int_equal(page_table_map(&f.table, 0, GIB, PAGE_UNCACHED | PAGE_WRITE_COMBINING),
                     STATUS_INVALID);
    assert_int_equal(page_table_map(&f.table, 1, PAGE_SIZE, 0), STATUS_INVALID);
    assert_int_equal(page_table_map(&f.table, 0, 0, 0), STATUS_INVALID);
    assert_int_equal(page_table_map(&f.table, 0, 0x1800, 0), STATUS_INVALID);
    assert_int_equal(page_table_unmap(&f.table, 0x800, PAGE_SIZE), STATUS_INVALID);
    assert_int_equal(page_table_map(&f.table, top, PAGE_SIZE, 0), STATUS_OUT_OF_RANGE);
    assert_int_equal(page_table_map(&f.table, top - PAGE_SIZE, 2 * PAGE_SIZE, 0),
                     STATUS_OUT_OF_RANGE);
    assert_int_equal(page_table_map(&f.table, PAGE_SIZE, UINT64_MAX - 0xfff, 0),
                     STATUS_OUT_OF_RANGE);
    assert_int_equal(page_table_unmap(&f.table, top, PAGE_SIZE), STATUS_OUT_OF_RANGE);
    assert_int_equal(page_table_map(&f.table, top - PAGE_SIZE, PAGE_SIZE, 0), STATUS_OK);
    assert_mapped(&f, top - 1, 0, PAGE_SIZE);
    assert_unmapped(&f, top);
    assert_unmapped(&f, UINT64_MAX);
    source = test_pages_source(&f.pages);
    drop(&f);
    assert_int_equal(page_table_init(&f.table, 3, true, &source), STATUS_INVALID);
    assert_int_equal(page_table_init(&f.table, 6, true, &source), STATUS_INVALID);
    f.pages.allowed = 0;
    assert_int_equal(page_table_init(&f.table, 4, true, &source), STATUS_NO_MEMORY);
}

static void test_five_levels(void **state)
{
    const uint64_t high = UINT64_C(1) << 51;
    struct fixture f;
    unsigned shift;

    (void)state;
    build(&f, 5, true);
    assert_int_equal(page_table_map(&f.table, high, GIB, PAGE_WRITE), STATUS_OK);
    assert_mapped(&f, high + 7, PAGE_WRITE, PAGE_SIZE_HUGE);
    raw_entry(&f.table, high, &shift);
    assert_int_equal(shift, 30);
    assert_unmapped(&f, 7);
    assert_int_equal(page_table_map(&f.table, UINT64_C(1) << 52, PAGE_SIZE, 0),
                     STATUS_OUT_OF_RANGE);
    drop(&f);
}

/* Out of memory at every possible point: an error, and everything either as before or as asked. */
static void test_out_of_memory(void **state)
{
    (void)state;
    for (unsigned spare = 0;; spare++) {
        struct fixture f;
        build(&f, 4, true);
        assert_int_equal(page_table_map(&f.table, 0, 2 * GIB, PAGE_WRITE), STATUS_OK);
        f.pages.allowed = f.pages.in_use + spare;
        enum status status = page_table_map(&f.table, GIB - 0x5000, 0xa000, PAGE_EXECUTE);
        bool is_new = true;
        for (uint64_t at = GIB - 0x7000; at < GIB + 0x8000; at += 0x1000) {
            struct page_mapping mapping;
            bool is_inside = at >= GIB - 0x5000 && at < GIB + 0x5000;
            assert_true(page_table_lookup(&f.table, at, &mapping));
            if (!is_inside) {
                assert_int_equal(mapping.flags, PAGE_WRITE);
                continue;
            }
            if (mapping.flags != PAGE_EXECUTE)
                is_new = false;
            assert_int_equal(mapping.flags, is_new ? PAGE_EXECUTE : PAGE_WRITE);
        }
        assert_int_equal(status, is_new ? STATUS_OK : STATUS_NO_MEMORY);
        drop(&f);
        if (status == STATUS_OK) {
            assert_int_equal(spare, 4); /* two tables on either side of the boundary */
            break;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_largest_pages),         cmocka_unit_test(test_entry_bits),
        cmocka_unit_test(test_image_and_guard_pages), cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_five_levels),           cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests_name("page_table", tests, NULL, NULL);
}
