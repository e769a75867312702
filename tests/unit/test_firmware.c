// SPDX-License-Identifier: BSD-2-Clause
#include "tests/unit/unit.h"

#include "boot/firmware/checksums.h"
#include "boot/firmware/memory_ranges.h"
#include "boot/firmware/pci_bars.h"
#include "boot/firmware/unix_time.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RANGE(from, to, its_kind)                                                                  \
    {                                                                                              \
        .base = {from}, .size_bytes = (to) - (from), .kind = its_kind                              \
    }

/* EFI_MEMORY_TYPE for each kind, any of them. */
static const uint32_t types[] = {
    [MEMORY_RAM] = 7,  [MEMORY_RUNTIME_CODE] = 5, [MEMORY_RUNTIME_DATA] = 6,
    [MEMORY_ACPI] = 9, [MEMORY_MMIO] = 11,        [MEMORY_RESERVED] = 0,
};

#define TYPED(from, to, its_type)                                                                  \
    {                                                                                              \
        .base = {from}, .size_bytes = (to) - (from), .type = its_type                              \
    }

static struct memory_range result[32];
static size_t count;

static void expect(const struct memory_range *expected, size_t expected_count)
{
    assert_int_equal(count, expected_count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(result[i].base.value, expected[i].base.value);
        assert_int_equal(result[i].size_bytes, expected[i].size_bytes);
        assert_int_equal(result[i].kind, expected[i].kind);
    }
}

static void test_sorted_and_joined(void **state)
{
    static const struct efi_range input[] = {
        TYPED(0x9000, 0xa000, 0), TYPED(0x0, 0x1000, 7),    TYPED(0x1000, 0x3000, 7),
        TYPED(0x4000, 0x5000, 7), TYPED(0x5000, 0x6000, 9), TYPED(0x7000, 0x7000, 7),
    };
    static const struct memory_range expected[] = {
        RANGE(0x0, 0x3000, MEMORY_RAM),
        RANGE(0x4000, 0x5000, MEMORY_RAM),
        RANGE(0x5000, 0x6000, MEMORY_ACPI),
        RANGE(0x9000, 0xa000, MEMORY_RESERVED),
    };

    (void)state;
    assert_int_equal(memory_ranges_normalise(input, ARRAY_COUNT(input), result, 4, &count),
                     STATUS_OK);
    expect(expected, ARRAY_COUNT(expected));
    assert_int_equal(memory_ranges_normalise(input, ARRAY_COUNT(input), result, 3, &count),
                     STATUS_OUT_OF_RANGE);
    assert_int_equal(count, 4);
    assert_int_equal(memory_ranges_normalise(NULL, 0, result, 3, &count), STATUS_OK);
    assert_int_equal(count, 0);
}

static void test_overlap(void **state)
{
    static const struct efi_range input[] = {
        TYPED(0x0, 0x9000, 7),
        TYPED(0x2000, 0x3000, 5),
        TYPED(0x8000, 0xa000, 11),
        {.base = {UINT64_MAX - 0xfff}, .size_bytes = 0x2000, .type = 0},
    };
    static const struct memory_range expected[] = {
        RANGE(0x0, 0x2000, MEMORY_RAM),
        RANGE(0x2000, 0x3000, MEMORY_RUNTIME_CODE),
        RANGE(0x3000, 0x8000, MEMORY_RAM),
        RANGE(0x8000, 0xa000, MEMORY_MMIO),
    };

    (void)state;
    assert_int_equal(memory_ranges_normalise(input, ARRAY_COUNT(input), result, 32, &count),
                     STATUS_OK);
    expect(expected, ARRAY_COUNT(expected));
}

/* Page by page against the rule itself. */
static void test_random_maps(void **state)
{
    (void)state;
    srand(1);
    for (int round = 0; round < 3000; round++) {
        struct efi_range input[8];
        int pages[40];

        for (int i = 0; i < 40; i++)
            pages[i] = -1;
        for (int i = 0; i < 8; i++) {
            int base = rand() % 30, size = rand() % 10, kind = rand() % (MEMORY_RESERVED + 1);

            input[i] = (struct efi_range){HPA(base * PAGE_SIZE), size * PAGE_SIZE, types[kind]};
            for (int p = base; p < base + size; p++)
                if (kind > pages[p])
                    pages[p] = kind;
        }
        assert_int_equal(memory_ranges_normalise(input, 8, result, 32, &count), STATUS_OK);
        for (size_t i = 0; i < count; i++) {
            if (i > 0) {
                uint64_t end = result[i - 1].base.value + result[i - 1].size_bytes;

                assert_true(end <= result[i].base.value);
                assert_true(end < result[i].base.value || result[i - 1].kind != result[i].kind);
            }
            for (uint64_t p = result[i].base.value / PAGE_SIZE;
                 p < (result[i].base.value + result[i].size_bytes) / PAGE_SIZE; p++) {
                assert_int_equal(pages[p], result[i].kind);
                pages[p] = -1;
            }
        }
        for (int i = 0; i < 40; i++)
            assert_int_equal(pages[i], -1);
    }
}

static void test_place(void **state)
{
    const struct efi_range range = TYPED(0x201000, 0x600000, 7);
    const struct efi_range zero = TYPED(0x0, 0x3000, 7);
    const struct efi_range wraps = {.base = {UINT64_MAX - 0xfff}, .size_bytes = 0x4000, .type = 7};

    (void)state;
    assert_int_equal(memory_highest_place(&range, 0x1000, 0x1000, UINT64_MAX), 0x5ff000);
    assert_int_equal(memory_highest_place(&range, 0x1000, 0x200000, UINT64_MAX), 0x400000);
    assert_int_equal(memory_highest_place(&range, 0x1000, 0x1000, 0x300800), 0x2ff000);
    assert_int_equal(memory_highest_place(&range, 0x3ff000, 0x1000, UINT64_MAX), 0x201000);
    assert_int_equal(memory_highest_place(&range, 0x3ff000, 0x200000, UINT64_MAX), 0);
    assert_int_equal(memory_highest_place(&range, 0x400000, 0x1000, UINT64_MAX), 0);
    assert_int_equal(memory_highest_place(&range, 0x1000, 0x1000, 0x201000), 0);
    assert_int_equal(memory_highest_place(&zero, 0x1000, 0x1000, UINT64_MAX), 0x2000);
    assert_int_equal(memory_highest_place(&zero, 0x3000, 0x1000, UINT64_MAX), 0);
    assert_int_equal(memory_highest_place(&wraps, 0x1000, 0x1000, UINT64_MAX), 0);
}

/* A firmware that keeps all below 1 MiB for itself: where the other processors are started then. */
static void test_place_after_boot(void **state)
{
    const struct efi_range map[] = {
        TYPED(0x0, 0x1000, 3),        TYPED(0x1000, 0x8000, 4),   TYPED(0x8000, 0xa000, 3),
        TYPED(0xa000, 0x58000, 6),    TYPED(0x58000, 0x5b000, 0), TYPED(0x5b000, 0x87000, 2),
        TYPED(0x87000, 0x90000, 10),  TYPED(0x90000, 0x92000, 7), TYPED(0x92000, 0xa0000, 1),
        TYPED(0x100000, 0x200000, 4),
    };
    const size_t all = ARRAY_COUNT(map);

    (void)state;
    assert_int_equal(memory_place_after_boot(map, all, 0x3000, MIB).value, 0x5000);
    assert_int_equal(memory_place_after_boot(map, all, 0x2000, MIB).value, 0x90000);
    assert_int_equal(memory_place_after_boot(map + 2, 1, 0x2000, MIB).value, 0x8000);
    assert_int_equal(memory_place_after_boot(map, all, 0x8000, MIB).value, 0);
    assert_int_equal(memory_place_after_boot(map, all, 0x8000, GIB).value, 0x1f8000);
    assert_int_equal(memory_place_after_boot(map, 1, 0x1000, MIB).value, 0);
    assert_int_equal(memory_place_after_boot(map + 3, 4, 0x1000, MIB).value, 0);
    assert_int_equal(memory_place_after_boot(map, 0, 0x1000, MIB).value, 0);
}

static void test_crc32(void **state)
{
    const uint8_t *digits = (const uint8_t *)"123456789"; /* the check value of CRC catalogues */

    (void)state;
    assert_int_equal(crc32_add(0, digits, 9), 0xcbf43926);
    assert_int_equal(crc32_add(crc32_add(0, digits, 4), digits + 4, 5), 0xcbf43926);
    assert_int_equal(crc32_add(0, digits, 0), 0);
}

static void test_checksums(void **state)
{
    static const char text[] = "00000001 \\a\n"
                               "DeadBeef \\A b\\c\r\n"
                               "\n0000000g \\x\n00000002  \\y\n00000003 \n1 \\a\n"
                               "00000004 \\z\n00000005 \\a\n00000006 \\end";
    uint32_t crc;

    (void)state;
    assert_true(checksums_find(text, sizeof(text) - 1, "\\a", &crc));
    assert_int_equal(crc, 1);
    assert_true(checksums_find(text, sizeof(text) - 1, "\\a B\\c", &crc));
    assert_int_equal(crc, 0xdeadbeef);
    assert_true(checksums_find(text, sizeof(text) - 1, "\\z", &crc));
    assert_int_equal(crc, 4);
    assert_true(checksums_find(text, sizeof(text) - 1, "\\end", &crc));
    assert_int_equal(crc, 6);
    assert_false(checksums_find(text, sizeof(text) - 2, "\\end", &crc));
    assert_false(checksums_find(text, sizeof(text) - 1, "\\x", &crc));
    assert_false(checksums_find(text, sizeof(text) - 1, "\\y", &crc));
    assert_false(checksums_find(text, sizeof(text) - 1, "", &crc));
    assert_false(checksums_find(text, sizeof(text) - 1, "\\a b", &crc));
    assert_false(checksums_find(NULL, 0, "\\a", &crc));
}

static void test_pci_bars(void **state)
{
    const uint32_t memory_only[] = {0xfebf0000, 0xfebf1008, 0, 0, 0, 0};
    const uint32_t one[] = {0x6001, 0xfebf1000, 0, 0, 0, 0};
    const uint32_t several[] = {0x6001, 0xfebf1000, 0, 0x6021, 0, 0x6041};
    /* A 64-bit one whose upper half looks like an I/O range. */
    const uint32_t wide[] = {0x0000000c, 0x6001, 0, 0, 0x6101, 0};

    (void)state;
    assert_int_equal(pci_bars_find_port(memory_only, 0x1000), 0);
    assert_int_equal(pci_bars_find_port(one, 0x6000), 0x6000);
    assert_int_equal(pci_bars_find_port(one, 0x60f8), 0x6000);
    assert_int_equal(pci_bars_find_port(one, 0x6100), 0);
    assert_int_equal(pci_bars_find_port(one, 0x5ff8), 0);
    assert_int_equal(pci_bars_find_port(several, 0x6038), 0x6020);
    assert_int_equal(pci_bars_find_port(several, 0x6040), 0x6040);
    assert_int_equal(pci_bars_find_port(wide, 0x6000), 0);
    assert_int_equal(pci_bars_find_port(wide, 0x6108), 0x6100);
}

static void test_kinds(void **state)
{
    (void)state;
    assert_int_equal(memory_kind_of_efi(7), MEMORY_RAM);
    assert_int_equal(memory_kind_of_efi(2), MEMORY_RAM);
    assert_int_equal(memory_kind_of_efi(4), MEMORY_RAM);
    assert_int_equal(memory_kind_of_efi(5), MEMORY_RUNTIME_CODE);
    assert_int_equal(memory_kind_of_efi(6), MEMORY_RUNTIME_DATA);
    assert_int_equal(memory_kind_of_efi(9), MEMORY_ACPI);
    assert_int_equal(memory_kind_of_efi(10), MEMORY_RUNTIME_DATA);
    assert_int_equal(memory_kind_of_efi(11), MEMORY_MMIO);
    assert_int_equal(memory_kind_of_efi(0), MEMORY_RESERVED);
    assert_int_equal(memory_kind_of_efi(15), MEMORY_RESERVED);
    assert_int_equal(memory_kind_of_efi(0x80000000), MEMORY_RESERVED);
}

/* The C library is the oracle. */
static void test_unix_time(void **state)
{
    (void)state;
    for (time_t when = 0; when < 8000000000; when += 86400 * 9 + 3661) {
        struct tm tm;
        uint64_t seconds;

        gmtime_r(&when, &tm);
        assert_true(unix_time(&(struct calendar_time){.year = (uint16_t)(tm.tm_year + 1900),
                                                      .month = (uint8_t)(tm.tm_mon + 1),
                                                      .day = (uint8_t)tm.tm_mday,
                                                      .hour = (uint8_t)tm.tm_hour,
                                                      .minute = (uint8_t)tm.tm_min,
                                                      .second = (uint8_t)tm.tm_sec,
                                                      .time_zone_minutes = TIME_ZONE_UNSPECIFIED},
                              &seconds));
        assert_int_equal(seconds, when);
    }
}

static void test_time_zones(void **state)
{
    /* UEFI's own example: 12 PM in PST, zone 480, is 8 PM UTC. */
    struct calendar_time time = {
        .year = 1970, .month = 1, .day = 1, .hour = 12, .time_zone_minutes = 480};
    uint64_t seconds;

    (void)state;
    assert_true(unix_time(&time, &seconds));
    assert_int_equal(seconds, 20 * 3600);
    time.is_in_daylight = true;
    assert_true(unix_time(&time, &seconds));
    assert_int_equal(seconds, 19 * 3600);
    time.time_zone_minutes = -60;
    assert_true(unix_time(&time, &seconds));
    assert_int_equal(seconds, 10 * 3600);
    time.hour = 1;
    assert_false(unix_time(&time, &seconds));
}

static void test_bad_times(void **state)
{
    static const struct calendar_time bad[] = {
        {.year = 0, .month = 1, .day = 1},
        {.year = 2023, .month = 0, .day = 1},
        {.year = 2023, .month = 13, .day = 1},
        {.year = 2023, .month = 2, .day = 29},
        {.year = 2100, .month = 2, .day = 29},
        {.year = 2023, .month = 1, .day = 0},
        {.year = 2023, .month = 4, .day = 31},
        {.year = 2023, .month = 1, .day = 1, .hour = 24},
        {.year = 2023, .month = 1, .day = 1, .minute = 60},
        {.year = 2023, .month = 1, .day = 1, .second = 60},
        {.year = 2023, .month = 1, .day = 1, .time_zone_minutes = 1441},
        {.year = 1969, .month = 12, .day = 31, .hour = 23},
    };
    uint64_t seconds;

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++)
        assert_false(unix_time(&bad[i], &seconds));
    assert_true(unix_time(&(struct calendar_time){.year = 2000, .month = 2, .day = 29}, &seconds));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sorted_and_joined),
        cmocka_unit_test(test_overlap),
        cmocka_unit_test(test_random_maps),
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_place),
        cmocka_unit_test(test_place_after_boot),
        cmocka_unit_test(test_pci_bars),
        cmocka_unit_test(test_crc32),
        cmocka_unit_test(test_checksums),
        cmocka_unit_test(test_unix_time),
        cmocka_unit_test(test_time_zones),
        cmocka_unit_test(test_bad_times),
    };
    return cmocka_run_group_tests_name("firmware", tests, NULL, NULL);
}
