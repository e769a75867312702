// SPDX-License-Identifier: BSD-2-Clause
/* The MP table, by a reader of its own that shares no struct with the code, and against the MADT. */
#include "tests/unit/unit.h"

#include "tests/unit/table_bytes.h"
#include "vmm/acpi/acpi_tables.h"
#include "vmm/acpi/mp_table.h"

#include <string.h>

#define BASE      0xf0000u
#define ACPI_BASE 0xe0000u

enum { PROCESSOR, BUS, IO_APIC, IO_INTERRUPT, LOCAL_INTERRUPT, TYPES };

/* What a reader finds: an interrupt as the six numbers of its entry. */
struct interrupt {
    unsigned type, flags, bus, irq, apic, pin;
};

struct seen {
    unsigned counts[TYPES];
    unsigned processor_ids[256], processor_flags[256];
    unsigned io_apic_id, io_apic_version;
    uint64_t io_apic_address, local_apic_address;
    struct interrupt io[64], local[8];
};

static uint8_t area[0x10000]; /* 0xf0000 up */
static uint8_t acpi[ACPI_TABLES_BYTES_MAX];
static const struct mp_processor processor = {
    .local_apic_version = 0x14, .signature = 0x806f8, .features = 0x0f8bfbff};

static struct interrupt interrupt_at(const uint8_t *at)
{
    return (struct interrupt){at[1], (unsigned)get(at + 2, 2), at[4], at[5], at[6], at[7]};
}

/* Looks for the floating pointer as operating systems do: every 16 bytes, signature, checksum. */
static const uint8_t *find_pointer(void)
{
    for (size_t i = 0; i < sizeof(area); i += 16)
        if (memcmp(area + i, "_MP_", 4) == 0 && area[i + 8] == 1 && sum(area + i, 16) == 0)
            return area + i;
    fail_msg("there is no floating pointer");
    return NULL;
}

static void read_entry(struct seen *seen, const uint8_t *entry)
{
    unsigned *counts = seen->counts;

    switch (entry[0]) {
    case PROCESSOR:
        seen->processor_ids[counts[PROCESSOR]] = entry[1];
        seen->processor_flags[counts[PROCESSOR]] = entry[3];
        assert_int_equal(entry[2], 0x14);
        assert_int_equal(get(entry + 4, 4), 0x6f8);
        assert_int_equal(get(entry + 8, 4), 0x0f8bfbff);
        assert_int_equal(get(entry + 12, 8), 0);
        break;
    case BUS:
        assert_int_equal(entry[1], 0);
        assert_memory_equal(entry + 2, "ISA   ", 6);
        break;
    case IO_APIC:
        seen->io_apic_id = entry[1];
        seen->io_apic_version = entry[2];
        assert_int_equal(entry[3], 1);
        seen->io_apic_address = get(entry + 4, 4);
        break;
    case IO_INTERRUPT: seen->io[counts[IO_INTERRUPT]] = interrupt_at(entry); break;
    case LOCAL_INTERRUPT: seen->local[counts[LOCAL_INTERRUPT]] = interrupt_at(entry); break;
    default: fail_msg("unknown entry");
    }
    counts[entry[0]]++;
}

/* Reads the whole table. Entries are in the order of their types (4.3). */
static struct seen read_tables(void)
{
    const uint8_t *pointer = find_pointer(), *table, *entry;
    struct seen seen = {.io_apic_address = 0};
    unsigned last_type = 0;

    assert_int_equal(pointer[9], 4);
    assert_int_equal(get(pointer + 11, 5), 0);
    assert_in_range(get(pointer + 4, 4), BASE, BASE + sizeof(area) - 44);
    table = area + (get(pointer + 4, 4) - BASE);
    assert_memory_equal(table, "PCMP", 4);
    assert_int_equal(sum(table, get(table + 4, 2)), 0);
    assert_int_equal(table[6], 4);
    assert_memory_equal(table + 8, "PORTCL  PORTCULL    ", 20);
    assert_int_equal(get(table + 28, 6), 0); /* no OEM table */
    assert_int_equal(get(table + 40, 4), 0); /* no extended table */
    seen.local_apic_address = get(table + 36, 4);
    entry = table + 44;
    for (unsigned i = 0; i < get(table + 34, 2); i++) {
        assert_true(entry[0] >= last_type);
        last_type = entry[0];
        read_entry(&seen, entry);
        entry += entry[0] == PROCESSOR ? 20 : 8;
    }
    assert_ptr_equal(entry, table + get(table + 4, 2));
    return seen;
}

static struct acpi_board board_with_cpus(uint32_t cpu_count)
{
    struct acpi_board board = acpi_board_pc;

    board.cpu_count = cpu_count;
    return board;
}

static size_t build(const struct acpi_board *board)
{
    size_t used_bytes = 0;

    memset(area, 0xa5, sizeof(area));
    assert_int_equal(mp_table_build(board, &processor, GPA(BASE), area, sizeof(area), &used_bytes),
                     STATUS_OK);
    assert_true(used_bytes <= MP_TABLE_BYTES_MAX);
    assert_int_equal(area[used_bytes], 0xa5);
    return used_bytes;
}

static void test_one_processor(void **state)
{
    struct acpi_board board = board_with_cpus(1);
    struct seen seen;

    (void)state;
    build(&board);
    seen = read_tables();
    assert_int_equal(seen.counts[PROCESSOR], 1);
    assert_int_equal(seen.counts[BUS], 1);
    assert_int_equal(seen.counts[IO_APIC], 1);
    assert_int_equal(seen.counts[IO_INTERRUPT], 16);
    assert_int_equal(seen.counts[LOCAL_INTERRUPT], 2);
    assert_int_equal(seen.io_apic_version, 0x20);
    /* ExtINT at pin 0; the timer at pin 2, edge, high; the SCI level, high; the rest as ISA */
    assert_memory_equal(&seen.io[0], (&(struct interrupt){3, 0, 0, 0, 0, 0}), sizeof(seen.io[0]));
    assert_memory_equal(&seen.io[1], (&(struct interrupt){0, 5, 0, 0, 0, 2}), sizeof(seen.io[0]));
    assert_memory_equal(&seen.io[2], (&(struct interrupt){0, 0, 0, 1, 0, 1}), sizeof(seen.io[0]));
    assert_memory_equal(&seen.io[3], (&(struct interrupt){0, 0, 0, 3, 0, 3}), sizeof(seen.io[0]));
    assert_memory_equal(&seen.io[9], (&(struct interrupt){0, 13, 0, 9, 0, 9}), sizeof(seen.io[0]));
    assert_memory_equal(&seen.local[0], (&(struct interrupt){3, 0, 0, 0, 255, 0}),
                        sizeof(seen.io[0]));
    assert_memory_equal(&seen.local[1], (&(struct interrupt){1, 5, 0, 0, 255, 1}),
                        sizeof(seen.io[0]));
}

/* Compares with the MADT's structure at `at`. */
static void compare(const struct seen *seen, const uint8_t *at, unsigned *cpu_count)
{
    bool is_found = false;

    switch (at[0]) {
    case 0:
        assert_int_equal(seen->processor_ids[*cpu_count], at[3]);
        assert_int_equal(seen->processor_flags[*cpu_count], *cpu_count == 0 ? 3 : 1);
        ++*cpu_count;
        break;
    case 1:
        assert_int_equal(seen->io_apic_id, at[2]);
        assert_int_equal(seen->io_apic_address, get(at + 4, 4));
        assert_int_equal(get(at + 8, 4), 0);
        break;
    case 2:
        for (unsigned i = 0; i < seen->counts[IO_INTERRUPT]; i++) {
            if (seen->io[i].type != 0 || seen->io[i].irq != at[3])
                continue;
            assert_int_equal(seen->io[i].pin, get(at + 4, 4));
            assert_int_equal(seen->io[i].flags, get(at + 8, 2));
            is_found = true;
        }
        assert_true(is_found);
        break;
    case 4:
        assert_int_equal(seen->local[1].type, 1);
        assert_int_equal(seen->local[1].apic, at[2]);
        assert_int_equal(seen->local[1].flags, get(at + 3, 2));
        assert_int_equal(seen->local[1].pin, at[5]);
        break;
    default: fail_msg("unknown structure");
    }
}

static void check_against_madt(const struct acpi_board *board)
{
    size_t acpi_bytes;
    unsigned cpu_count = 0;
    struct seen seen;

    build(board);
    seen = read_tables();
    assert_int_equal(acpi_tables_build(board, GPA(ACPI_BASE), acpi, sizeof(acpi), &acpi_bytes),
                     STATUS_OK);
    const uint8_t *madt = acpi + (get(acpi + 128 + 44, 8) - ACPI_BASE);
    assert_memory_equal(madt, "APIC", 4);
    assert_int_equal(seen.local_apic_address, get(madt + 36, 4));
    for (size_t at = 44; at < get(madt + 4, 4); at += madt[at + 1])
        compare(&seen, madt + at, &cpu_count);
    assert_int_equal(seen.counts[PROCESSOR], cpu_count);
    assert_int_equal(cpu_count, board->cpu_count);
}

static void test_agrees_with_the_madt(void **state)
{
    static const struct acpi_irq_override overrides[] = {
        {.isa_irq = 5, .gsi = 20, .polarity = ACPI_ACTIVE_LOW, .trigger = ACPI_LEVEL}};
    struct acpi_board board;

    (void)state;
    for (uint32_t cpu_count = 1; cpu_count <= MP_CPUS_MAX; cpu_count++) {
        board = board_with_cpus(cpu_count);
        check_against_madt(&board);
    }
    board = board_with_cpus(3);
    board.overrides = overrides;
    board.override_count = 1;
    board.io_apic_id = 9;
    board.io_apic_address = 0xfec10000;
    board.local_apic_address = 0xfee10000;
    check_against_madt(&board);
}

/* The table needs all of its bytes, and no byte more. */
static void test_refusals(void **state)
{
    struct acpi_board board = board_with_cpus(64);
    struct acpi_irq_override bad = {.isa_irq = 16};
    size_t wanted_bytes = build(&board), used_bytes = 77;

    (void)state;
    assert_int_equal(mp_table_build(&board, &processor, GPA(BASE), area, wanted_bytes, &used_bytes),
                     STATUS_OK);
    assert_int_equal(used_bytes, wanted_bytes);
    used_bytes = 77;
    assert_int_equal(
        mp_table_build(&board, &processor, GPA(BASE), area, wanted_bytes - 1, &used_bytes),
        STATUS_NO_MEMORY);
    assert_int_equal(mp_table_build(&board, &processor, GPA(0xe0000), area, 4096, &used_bytes),
                     STATUS_OUT_OF_RANGE);
    assert_int_equal(mp_table_build(&board, &processor, GPA(BASE + 8), area, 4096, &used_bytes),
                     STATUS_OUT_OF_RANGE);
    assert_int_equal(mp_table_build(&board, &processor, GPA(0xff000), area, 4097, &used_bytes),
                     STATUS_OUT_OF_RANGE);
    assert_int_equal(mp_table_build(&board, &processor, GPA(0x100000), area, 0, &used_bytes),
                     STATUS_OUT_OF_RANGE);
    board.overrides = &bad;
    board.override_count = 1;
    assert_int_equal(mp_table_build(&board, &processor, GPA(BASE), area, 4096, &used_bytes),
                     STATUS_INVALID);
    bad = (struct acpi_irq_override){.gsi = 24};
    assert_int_equal(mp_table_build(&board, &processor, GPA(BASE), area, 4096, &used_bytes),
                     STATUS_INVALID);
    board.override_count = 0;
    board.cpu_count = 0;
    assert_int_equal(mp_table_build(&board, &processor, GPA(BASE), area, 4096, &used_bytes),
                     STATUS_INVALID);
    board.cpu_count = MP_CPUS_MAX + 1;
    assert_int_equal(mp_table_build(&board, &processor, GPA(BASE), area, sizeof(area), &used_bytes),
                     STATUS_INVALID);
    assert_int_equal(used_bytes, 77);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_processor),
        cmocka_unit_test(test_agrees_with_the_madt),
        cmocka_unit_test(test_refusals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
