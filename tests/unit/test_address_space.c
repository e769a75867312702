// SPDX-License-Identifier: BSD-2-Clause
/* What the tables of a processor map: the monitor, and the RAM of the guest that it runs; and that
 * nothing else is mapped. */
#include "tests/unit/page_source.h"
#include "tests/unit/unit.h"

#include "vmm/host/address_space.c"

#define IMAGE     UINT64_C(0x7e000000)
#define TEXT      (IMAGE + 0x1000)
#define DATA      (IMAGE + 0x40000)
#define IMAGE_END (IMAGE + 0xe0000)
#define HEAP      UINT64_C(0x40000000)
#define HEAP_END  (HEAP + 20 * MIB)
#define APIC      UINT64_C(0xfee00000)
#define IOAPIC    UINT64_C(0xfec00000)
#define KERNEL    UINT64_C(0x12345000)
#define INITRD    UINT64_C(0x23456000)

static struct boot_info boot;
static struct test_pages pages;
static struct page_source source;
static struct address_space_machine machine;

static int set_up(void **state)
{
    (void)state;
    boot = (struct boot_info){
        .image = HPA(IMAGE),
        .image_bytes = IMAGE_END - IMAGE,
        .text = HPA(TEXT),
        .text_bytes = DATA - 0x2000 - TEXT,
        .data = HPA(DATA),
        .data_bytes = 0x80000,
        .heap = HPA(HEAP),
        .heap_bytes = HEAP_END - HEAP,
        .guest_count = 3,
    };
    boot.acpi.ioapic_count = 1;
    boot.acpi.ioapics[0].base = HPA(IOAPIC);
    boot.guests[0] = (struct guest_config){
        .memory_bytes = 3 * GIB + 2 * MIB,
        .ram = {.piece = {{HPA(4 * GIB), 2 * GIB}, {HPA(64 * MIB), 2 * MIB}, {HPA(7 * GIB), GIB}},
                .count = 3},
        .kernel = {.data = (const uint8_t *)KERNEL, .size_bytes = 3 * MIB + 5},
        .initrd = {.data = (const uint8_t *)INITRD, .size_bytes = 100},
    };
    boot.guests[1] = (struct guest_config){
        .number = 1,
        .memory_bytes = 512 * MIB,
        .ram = {.piece = {{HPA(0x80000000), 512 * MIB}}, .count = 1},
        .kernel = {.data = (const uint8_t *)KERNEL, .size_bytes = 3 * MIB + 5},
    };
    boot.guests[2] =
        (struct guest_config){.number = 2,
                              .memory_bytes = 512 * GIB,
                              .ram = {.piece = {{HPA(1024 * GIB), 512 * GIB}}, .count = 1},
                              .kernel = {.data = (const uint8_t *)(KERNEL + 5), .size_bytes = 1}};
    machine = (struct address_space_machine){.levels = 4, .local_apic = HPA(APIC)};
    pages = (struct test_pages){.allowed = 2000};
    source = test_pages_source(&pages);
    return 0;
}

static void create(struct page_table *table)
{
    assert_int_equal(address_space_create(table, &boot, &machine, &source), STATUS_OK);
}

static void create_window(struct page_table *window, size_t guest)
{
    assert_int_equal(window_create(window, &boot.guests[guest], &machine, &source), STATUS_OK);
}

static bool is_mapped(const struct page_table *table, uint64_t address, unsigned flags)
{
    struct page_mapping mapping;

    if (!page_table_lookup(table, address, &mapping))
        return false;
    assert_int_equal(mapping.flags, flags);
    return true;
}

/* Counts the mapped bytes below `end` by a walk of the raw tables. */
static uint64_t mapped_bytes(const uint64_t *table, unsigned level)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < 512; i++) {
        if ((table[i] & 1) == 0)
            continue;
        if (level == 1 || (table[i] & TABLE_LEAF) != 0)
            sum += PAGE_SIZE << 9 * (level - 1);
        else
            sum += mapped_bytes((const uint64_t *)(table[i] & TABLE_ADDRESS_MASK), level - 1);
    }
    return sum;
}

static uint64_t all_mapped(const struct page_table *table)
{
    return mapped_bytes(table->tree.root, table->tree.levels);
}

#define MONITOR_BYTES (IMAGE_END - IMAGE + HEAP_END - HEAP + 2 * PAGE_SIZE)

/* The monitor's parts have their rights, and together they are all that is mapped. */
static void check_monitor(const struct page_table *table)
{
    struct page_mapping mapping;

    assert_false(page_table_lookup(table, 0, &mapping));
    assert_false(page_table_lookup(table, 8, &mapping));
    assert_false(page_table_lookup(table, 0x7c00, &mapping));
    assert_false(page_table_lookup(table, IMAGE - 1, &mapping));
    assert_false(page_table_lookup(table, IMAGE_END, &mapping));
    assert_false(page_table_lookup(table, HEAP - 1, &mapping));
    assert_false(page_table_lookup(table, HEAP_END, &mapping));
    assert_true(is_mapped(table, IMAGE, 0));
    assert_true(is_mapped(table, TEXT, PAGE_EXECUTE));
    assert_true(is_mapped(table, DATA - 0x2001, PAGE_EXECUTE));
    assert_true(is_mapped(table, DATA - 1, 0));
    assert_true(is_mapped(table, DATA, PAGE_WRITE));
    assert_true(is_mapped(table, IMAGE_END - 1, 0));
    assert_true(is_mapped(table, HEAP, PAGE_WRITE));
    assert_true(is_mapped(table, HEAP_END - 1, PAGE_WRITE));
    assert_true(is_mapped(table, APIC, PAGE_WRITE | PAGE_UNCACHED));
    assert_true(is_mapped(table, IOAPIC, PAGE_WRITE | PAGE_UNCACHED));
}

/* What the window of each guest maps: RAM, and the pages of its files. */
static uint64_t window_bytes(size_t number)
{
    static const uint64_t file_bytes[] = {3 * MIB + 2 * PAGE_SIZE, 3 * MIB + PAGE_SIZE, PAGE_SIZE};

    return boot.guests[number].memory_bytes + file_bytes[number];
}

/* The window has the guest's RAM, all of it in its order, and behind it the files, read-only. */
static void check_window(const struct page_table *table, size_t number)
{
    const struct guest_config *guest = &boot.guests[number];
    uint64_t window = WINDOW_FIRST + number * WINDOW_BYTES;
    struct page_mapping mapping;

    for (uint64_t at = 0; at < guest->memory_bytes; at += guest->memory_bytes / 64) {
        assert_true(page_table_lookup(table, window + at, &mapping));
        assert_int_equal(mapping.address, ram_pieces_part(&guest->ram, at, 1).base.value);
        assert_int_equal(mapping.flags, PAGE_WRITE);
    }
    assert_true(page_table_lookup(table, window + guest->memory_bytes - 1, &mapping));
    assert_false(page_table_lookup(table, window - 1, &mapping));
    if (guest->memory_bytes < WINDOW_RAM_BYTES)
        assert_false(page_table_lookup(table, window + guest->memory_bytes, &mapping));
    assert_true(page_table_lookup(table, window_kernel_address(guest), &mapping));
    assert_int_equal(mapping.address, (uint64_t)guest->kernel.data);
    assert_int_equal(mapping.flags, 0);
    assert_true(page_table_lookup(
        table, window_kernel_address(guest) + guest->kernel.size_bytes - 1, &mapping));
    assert_int_equal(mapping.address, (uint64_t)guest->kernel.data + guest->kernel.size_bytes - 1);
    if (guest->initrd.data == NULL)
        return;
    assert_true(page_table_lookup(table, window_initrd_address(guest), &mapping));
    assert_int_equal(mapping.address, (uint64_t)guest->initrd.data);
    assert_int_equal(mapping.flags, 0);
    assert_false(page_table_lookup(table, window_initrd_address(guest) + PAGE_SIZE, &mapping));
}

static void test_monitor_alone(void **state)
{
    struct page_table table;

    (void)state;
    for (machine.levels = 4; machine.levels <= 5; machine.levels++) {
        create(&table);
        check_monitor(&table);
        assert_int_equal(all_mapped(&table), MONITOR_BYTES);
        assert_true(pages.in_use <= 32);
        table_tree_destroy(&table.tree);
        assert_int_equal(pages.in_use, 0);
    }
}

/* Two processors, each with a guest: neither reaches the other's, and the physical addresses of RAM
 * are not mapped anywhere. */
static void test_one_guest_each(void **state)
{
    struct page_table tables[2], windows[2];

    (void)state;
    for (machine.levels = 4; machine.levels <= 5; machine.levels++) {
        for (size_t i = 0; i < 2; i++) {
            create(&tables[i]);
            create_window(&windows[i], i);
            assert_int_equal(all_mapped(&windows[i]), window_bytes(i));
            assert_int_equal(address_space_enter(&tables[i], &windows[i], &boot.guests[i]),
                             STATUS_OK);
        }
        for (size_t i = 0; i < 2; i++) {
            struct page_mapping mapping;

            check_monitor(&tables[i]);
            check_window(&tables[i], i);
            assert_int_equal(all_mapped(&tables[i]), MONITOR_BYTES + window_bytes(i));
            for (size_t other = 0; other < 2; other++)
                assert_false(page_table_lookup(
                    &tables[i], boot.guests[other].ram.piece[0].base.value, &mapping));
            assert_false(
                page_table_lookup(&tables[i], window_ram_address(&boot.guests[1 - i]), &mapping));
        }
        for (size_t i = 0; i < 2; i++) {
            address_space_leave(&tables[i], &boot.guests[i]);
            assert_int_equal(all_mapped(&tables[i]), MONITOR_BYTES);
            table_tree_destroy(&windows[i].tree);
            table_tree_destroy(&tables[i].tree);
        }
        assert_int_equal(pages.in_use, 0);
    }
}

/* The processors of one guest share its window's tables: a further one costs no page. */
static void test_processors_of_a_guest_share(void **state)
{
    struct page_table tables[3], window;
    unsigned before;

    (void)state;
    create_window(&window, 2);
    assert_in_range(pages.in_use, 512 + 2, 512 + 6); /* 512 GiB in pages of 2 MiB */
    for (size_t i = 0; i < ARRAY_COUNT(tables); i++) {
        create(&tables[i]);
        before = pages.in_use;
        assert_int_equal(address_space_enter(&tables[i], &window, &boot.guests[2]), STATUS_OK);
        assert_int_equal(pages.in_use, before);
        check_window(&tables[i], 2);
        /* A second time is refused, as are other places. */
        assert_int_equal(address_space_enter(&tables[i], &window, &boot.guests[2]), STATUS_INVALID);
        assert_int_equal(page_table_share(&tables[i], &window, window_ram_address(&boot.guests[1])),
                         STATUS_INVALID);
        assert_int_equal(page_table_share(&tables[i], &window, WINDOW_FIRST + PAGE_SIZE),
                         STATUS_INVALID);
        assert_int_equal(page_table_share(&tables[i], &window, UINT64_C(1) << 60),
                         STATUS_OUT_OF_RANGE);
    }
    for (size_t i = 0; i < ARRAY_COUNT(tables); i++) {
        address_space_leave(&tables[i], &boot.guests[2]);
        address_space_leave(&tables[i], &boot.guests[2]); /* nothing */
        table_tree_destroy(&tables[i].tree);
    }
    table_tree_destroy(&window.tree);
    assert_int_equal(pages.in_use, 0);
}

/* Wherever pages run out, nothing is left behind. */
static void test_no_memory(void **state)
{
    struct page_table table, window;

    (void)state;
    machine.levels = 5;
    for (pages.allowed = 0; window_create(&window, &boot.guests[0], &machine, &source) != STATUS_OK;
         pages.allowed++)
        assert_int_equal(pages.in_use, 0);
    assert_int_equal(page_table_init(&table, 5, false, &source), STATUS_NO_MEMORY);
    pages.allowed++;
    assert_int_equal(page_table_init(&table, 5, false, &source), STATUS_OK);
    assert_int_equal(address_space_enter(&table, &window, &boot.guests[0]), STATUS_NO_MEMORY);
    assert_int_equal(all_mapped(&table), 0);
    pages.allowed++;
    assert_int_equal(address_space_enter(&table, &window, &boot.guests[0]), STATUS_OK);
    check_window(&table, 0);
    address_space_leave(&table, &boot.guests[0]);
    table_tree_destroy(&table.tree);
    window_destroy(&window);
    assert_int_equal(pages.in_use, 0);
    for (pages.allowed = 0; address_space_create(&table, &boot, &machine, &source) != STATUS_OK;
         pages.allowed++)
        assert_int_equal(pages.in_use, 0);
    check_monitor(&table);
    table_tree_destroy(&table.tree);
}

/* A window with only one of its two parts is not entered by half. */
static void test_all_or_nothing(void **state)
{
    struct page_table table, window;

    (void)state;
    boot.guests[1].kernel.size_bytes = 0;
    create(&table);
    create_window(&window, 1);
    assert_int_equal(address_space_enter(&table, &window, &boot.guests[1]), STATUS_INVALID);
    assert_int_equal(all_mapped(&table), MONITOR_BYTES);
    table_tree_destroy(&table.tree);
    window_destroy(&window);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_monitor_alone, set_up),
        cmocka_unit_test_setup(test_one_guest_each, set_up),
        cmocka_unit_test_setup(test_processors_of_a_guest_share, set_up),
        cmocka_unit_test_setup(test_no_memory, set_up),
        cmocka_unit_test_setup(test_all_or_nothing, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
