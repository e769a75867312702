// SPDX-License-Identifier: BSD-2-Clause
#include "tests/unit/unit.h"

#include "tests/unit/table_bytes.h"
#include "vmm/acpi/acpi_tables.h"
#include "vmm/acpi/aml.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BASE 0xe0000u

static uint8_t tables[ACPI_TABLES_BYTES_MAX];
static size_t tables_bytes;

static void build(const struct acpi_board *board)
{
    memset(tables, 0xa5, sizeof(tables));
    assert_int_equal(acpi_tables_build(board, GPA(BASE), tables, sizeof(tables), &tables_bytes),
                     STATUS_OK);
}

static const uint8_t *at_address(uint64_t address, size_t size_bytes)
{
    assert_in_range(address, BASE, BASE + tables_bytes - size_bytes);
    return tables + (address - BASE);
}

/* A table as software finds it: signature, length inside the buffer, checksum. */
static const uint8_t *table_at(uint64_t address, const char *signature)
{
    const uint8_t *table = at_address(address, 36);
    assert_memory_equal(table, signature, 4);
    at_address(address, get(table + 4, 4));
    assert_int_equal(sum(table, get(table + 4, 4)), 0);
    assert_memory_equal(table + 10, "PORTCLPORTCULL", 14);
    return table;
}

static void test_tables_lead_to_each_other(void **state)
{
    (void)state;
    build(&acpi_board_pc);
    assert_memory_equal(tables, "RSD PTR ", 8);
    assert_int_equal(sum(tables, 20), 0);
    assert_int_equal(sum(tables, 36), 0);
    assert_memory_equal(tables + 9, "PORTCL", 6);
    assert_int_equal(tables[15], 2);

    const uint8_t *rsdt = table_at(get(tables + 16, 4), "RSDT");
    const uint8_t *xsdt = table_at(get(tables + 24, 8), "XSDT");
    assert_int_equal(get(rsdt + 4, 4), 40);
    assert_int_equal(get(xsdt + 4, 4), 44);
    assert_int_equal(get(rsdt + 36, 4), get(xsdt + 36, 8));

    const uint8_t *fadt = table_at(get(xsdt + 36, 8), "FACP");
    assert_int_equal(get(fadt + 4, 4), 276);
    const uint8_t *dsdt = table_at(get(fadt + 40, 4), "DSDT");
    assert_int_equal(get(fadt + 140, 8), get(fadt + 40, 4));
    assert_int_equal(dsdt[8], 2);
    assert_ptr_equal(dsdt + get(dsdt + 4, 4), tables + tables_bytes);

    uint64_t facs_address = get(fadt + 36, 4);
    assert_int_equal(facs_address % 64, 0);
    const uint8_t *facs = at_address(facs_address, 64);
    assert_memory_equal(facs, "FACS", 4);
    assert_int_equal(get(facs + 4, 4), 64);
    assert_int_equal(get(fadt + 132, 8), facs_address);
}

/* Each address that the FADT has twice, with 32 bits and with 64 or as a generic address structure,
 * is the same both times, or absent both times (5.2.9). */
static void check_fadt_pairs(const uint8_t *fadt)
{
    static const struct {
        unsigned old, length; /* offsets of the 32-bit address and of the block's length */
        unsigned extended;    /* of the generic address structure */
    } blocks[] = {
        {56, 88, 148}, {60, 88, 160}, /* PM1a, PM1b event */
        {64, 89, 172}, {68, 89, 184}, /* PM1a, PM1b control */
        {72, 90, 196}, {76, 91, 208}, /* PM2 control, PM timer */
        {80, 92, 220}, {84, 93, 232}, /* GPE0, GPE1 */
    };

    assert_int_equal(get(fadt + 132, 8), get(fadt + 36, 4)); /* FACS */
    assert_int_equal(get(fadt + 140, 8), get(fadt + 40, 4)); /* DSDT */
    for (size_t i = 0; i < ARRAY_COUNT(blocks); i++) {
        const uint8_t *extended = fadt + blocks[i].extended;

        assert_int_equal(get(extended + 4, 8), get(fadt + blocks[i].old, 4));
        if (get(extended + 4, 8) == 0) {
            assert_int_equal(get(extended, 4), 0);
            continue;
        }
        assert_int_equal(extended[0], 1); /* I/O ports */
        assert_int_equal(extended[1], 8 * fadt[blocks[i].length]);
    }
}

static void test_fadt_pairs_agree(void **state)
{
    struct acpi_board board = acpi_board_pc;

    (void)state;
    for (board.cpu_count = 0; board.cpu_count <= ACPI_CPUS_MAX; board.cpu_count += 48) {
        build(&board);
        check_fadt_pairs(tables + (get(tables + 128 + 36, 8) - BASE));
    }
    board = acpi_board_pc;
    board.pm1_event_port = 0x1000;
    board.pm1_control_port = 0x2000;
    board.pm_timer_port = 0xb008;
    build(&board);
    check_fadt_pairs(tables + (get(tables + 128 + 36, 8) - BASE));
}

static void test_fadt_says_the_board(void **state)
{
    struct acpi_board board = acpi_board_pc;

    (void)state;
    build(&board);
    const uint8_t *fadt = tables + (get(tables + 128 + 36, 8) - BASE);
    assert_int_equal(get(fadt + 46, 2), 9);
    assert_int_equal(get(fadt + 48, 4), 0xb2);
    assert_int_equal(fadt[52], 0xa0);
    assert_int_equal(fadt[53], 0xa1);
    assert_int_equal(get(fadt + 56, 4), 0x600);
    assert_int_equal(get(fadt + 64, 4), 0x604);
    assert_int_equal(get(fadt + 76, 4), 0x608);
    assert_int_equal(fadt[88], 4);
    assert_int_equal(fadt[89], 2);
    assert_int_equal(fadt[91], 4);
    assert_int_equal(fadt[108], 0x32);
    assert_int_equal(get(fadt + 109, 2), 0x0f); /* legacy, 8042, no VGA, no MSI */
    assert_int_equal(get(fadt + 112, 4), 0x525);
    static const uint8_t reset[] = {1, 8, 0, 1, 0xf9, 0x0c, 0, 0, 0, 0, 0, 0, 6};
    assert_memory_equal(fadt + 116, reset, sizeof(reset));
    static const uint8_t event[] = {1, 32, 0, 2, 0, 6, 0, 0, 0, 0, 0, 0};
    assert_memory_equal(fadt + 148, event, sizeof(event));
    static const uint8_t control[] = {1, 16, 0, 2, 4, 6, 0, 0, 0, 0, 0, 0};
    assert_memory_equal(fadt + 172, control, sizeof(control));
    static const uint8_t timer[] = {1, 32, 0, 3, 8, 6, 0, 0, 0, 0, 0, 0};
    assert_memory_equal(fadt + 208, timer, sizeof(timer));

    size_t full_bytes = tables_bytes;
    board.i8042 = board.rtc = board.com1 = false;
    board.sci_irq = 10;
    build(&board);
    assert_int_equal(get(fadt + 46, 2), 10);
    assert_int_equal(get(fadt + 109, 2), 0x2d);
    assert_true(tables_bytes < full_bytes);
}

static struct acpi_board board_with_cpus(uint32_t cpu_count)
{
    struct acpi_board board = acpi_board_pc;

    board.cpu_count = cpu_count;
    return board;
}

/* The MADT, through the XSDT. */
static const uint8_t *find_madt(void)
{
    const uint8_t *xsdt = table_at(get(tables + 24, 8), "XSDT");
    const uint8_t *rsdt = table_at(get(tables + 16, 4), "RSDT");

    assert_int_equal(get(xsdt + 4, 4), 36 + 2 * 8);
    assert_int_equal(get(rsdt + 4, 4), 36 + 2 * 4);
    assert_int_equal(get(rsdt + 40, 4), get(xsdt + 44, 8));
    return table_at(get(xsdt + 44, 8), "APIC");
}

static void test_madt(void **state)
{
    static const uint8_t expected[] = {
        0, 0,  0xe0, 0xfe, 1, 0, 0,    0,                   /* local APICs' address, 8259As */
        0, 8,  0,    0,    1, 0, 0,    0,                   /* processors */
        0, 8,  1,    1,    1, 0, 0,    0,                   /* */
        0, 8,  2,    2,    1, 0, 0,    0,                   /* */
        0, 8,  3,    3,    1, 0, 0,    0,                   /* */
        1, 12, 0,    0,    0, 0, 0xc0, 0xfe, 0,    0, 0, 0, /* I/O APIC, from GSI 0 */
        2, 10, 0,    0,    2, 0, 0,    0,    0x05, 0,       /* timer: high, edge */
        2, 10, 0,    9,    9, 0, 0,    0,    0x0d, 0,       /* SCI: high, level */
        4, 6,  0xff, 0x05, 0, 1,                            /* NMI: LINT1 of all */
    };
    struct acpi_board board = board_with_cpus(4);

    (void)state;
    build(&board);
    const uint8_t *madt = find_madt();
    assert_int_equal(get(madt + 4, 4), 36 + sizeof(expected));
    assert_memory_equal(madt + 36, expected, sizeof(expected));
    /* The DSDT comes behind it, and the FADT says where. */
    const uint8_t *fadt = table_at(get(tables + 128 + 36, 8), "FACP");
    const uint8_t *dsdt = table_at(get(fadt + 40, 4), "DSDT");
    assert_int_equal(get(fadt + 140, 8), get(fadt + 40, 4));
    assert_true(dsdt >= madt + get(madt + 4, 4));
    assert_ptr_equal(dsdt + get(dsdt + 4, 4), tables + tables_bytes);
    assert_true(tables_bytes < 4096);

    board.io_apic_id = 7;
    board.override_count = 0;
    build(&board);
    madt = find_madt();
    assert_int_equal(get(madt + 4, 4), 44 + 4 * 8 + 12 + 6);
    assert_int_equal(madt[44 + 4 * 8 + 2], 7);
}

/* IDs from 255 on are x2APIC's. */
static void test_madt_with_many_processors(void **state)
{
    static const uint8_t last_local[] = {0, 8, 254, 254, 1, 0, 0, 0};
    static const uint8_t first_x2[] = {9, 16, 0, 0, 255, 0, 0, 0, 1, 0, 0, 0, 255, 0, 0, 0};
    static const uint8_t last_x2[] = {9, 16, 0, 0, 0x1f, 1, 0, 0, 1, 0, 0, 0, 0x1f, 1, 0, 0};
    static const uint8_t nmi[] = {4, 6,    0xff, 5,    0,    1, 10, 12, 5,
                                  0, 0xff, 0xff, 0xff, 0xff, 1, 0,  0,  0};
    struct acpi_board board = board_with_cpus(255);

    (void)state;
    build(&board);
    assert_int_equal(get(find_madt() + 4, 4), 44 + 255 * 8 + 12 + 20 + 6);
    board.cpu_count = ACPI_CPUS_MAX;
    build(&board);
    const uint8_t *madt = find_madt();
    assert_int_equal(get(madt + 4, 4), 44 + 255 * 8 + 33 * 16 + 12 + 20 + 18);
    assert_memory_equal(madt + 44 + 254 * 8, last_local, sizeof(last_local));
    assert_memory_equal(madt + 44 + 255 * 8, first_x2, sizeof(first_x2));
    assert_memory_equal(madt + 44 + 255 * 8 + 32 * 16, last_x2, sizeof(last_x2));
    assert_memory_equal(madt + get(madt + 4, 4) - 18, nmi, sizeof(nmi));

    /* All of the largest board's tables have their place. */
    struct acpi_irq_override overrides[16];
    struct acpi_port_range reserved[8];
    for (unsigned i = 0; i < 16; i++)
        overrides[i] = acpi_board_pc.overrides[i & 1];
    for (unsigned i = 0; i < 8; i++)
        reserved[i] = (struct acpi_port_range){.first = 0x80, .count = 1};
    board.overrides = overrides;
    board.override_count = 16;
    board.reserved = reserved;
    board.reserved_count = 8;
    build(&board);
}

static void test_apic_refusals(void **state)
{
    struct acpi_irq_override bad_override = acpi_board_pc.overrides[0];
    struct acpi_board board = board_with_cpus(1), changed;
    size_t used;

    (void)state;
#define INVALID(field, value)                                                                      \
    do {                                                                                           \
        changed = board;                                                                           \
        changed.field = value;                                                                     \
        assert_int_equal(acpi_tables_build(&changed, GPA(BASE), tables, sizeof(tables), &used),    \
                         STATUS_INVALID);                                                          \
        changed.cpu_count = 0; /* then it does not matter */                                       \
        assert_int_equal(acpi_tables_build(&changed, GPA(BASE), tables, sizeof(tables), &used),    \
                         STATUS_OK);                                                               \
    } while (0)
    INVALID(cpu_count, ACPI_CPUS_MAX + 1);
    INVALID(local_apic_address, 0xfee00010);
    INVALID(io_apic_address, 0xfec00800);
    INVALID(override_count, 17);
    bad_override.gsi = 24;
    board.override_count = 1;
    INVALID(overrides, &bad_override);
    bad_override.gsi = 23;
    bad_override.isa_irq = 16;
    INVALID(overrides, &bad_override);

    /* Too little memory, for each size: nothing is written beyond it. */
    board = board_with_cpus(3);
    build(&board);
    for (size_t size = 0; size <= tables_bytes; size += size < tables_bytes - 40 ? 37 : 1) {
        uint8_t *exact = malloc(size != 0 ? size : 1);
        assert_int_equal(acpi_tables_build(&board, GPA(BASE), exact, size, &used),
                         size < tables_bytes ? STATUS_NO_MEMORY : STATUS_OK);
        free(exact);
    }
}

static void test_refusals(void **state)
{
    struct acpi_board board = acpi_board_pc;
    size_t used = 77;
    uint8_t *exact;

    (void)state;
    build(&board);
    /* Any size below what is needed is refused, and nothing is written beyond it (the sanitiser
     * watches the heap). */
    for (size_t size = 0; size <= tables_bytes; size++) {
        exact = malloc(size != 0 ? size : 1);
        assert_int_equal(acpi_tables_build(&board, GPA(BASE), exact, size, &used),
                         size < tables_bytes ? STATUS_NO_MEMORY : STATUS_OK);
        if (size == tables_bytes)
            assert_memory_equal(exact, tables, size);
        free(exact);
    }
    assert_int_equal(used, tables_bytes);

#define REFUSED(base, size)                                                                        \
    assert_int_equal(acpi_tables_build(&board, GPA(base), tables, size, &used), STATUS_OUT_OF_RANGE)
    REFUSED(0xdffc0, 4096);
    REFUSED(0xe0010, 4096);
    REFUSED(0xff040, 4096);
    REFUSED(0x100000, 4096);
    REFUSED(~UINT64_C(63), 4096);
    REFUSED(0xe0000, SIZE_MAX);
    assert_int_equal(acpi_tables_build(&board, GPA(0xff000), tables, 4096, &used), STATUS_OK);
    board.sci_irq = 16;
    assert_int_equal(acpi_tables_build(&board, GPA(BASE), tables, 4096, &used), STATUS_INVALID);
    board.sci_irq = 9;
    board.s5_sleep_type = 8;
    assert_int_equal(acpi_tables_build(&board, GPA(BASE), tables, 4096, &used), STATUS_INVALID);
    board.s5_sleep_type = 7;
    board.reserved_count = 9;
    assert_int_equal(acpi_tables_build(&board, GPA(BASE), tables, 4096, &used), STATUS_INVALID);
}

/* Both sides of each step of the PkgLength encoding; values from the specification's formula. */
static void test_package_lengths(void **state)
{
    static const struct {
        size_t content_bytes;
        uint8_t length[4];
        unsigned length_bytes;
    } cases[] = {
        {1, {2}, 1},
        {62, {63}, 1},
        {63, {0x41, 0x04}, 2},
        {64, {0x42, 0x04}, 2},
        {4093, {0x4f, 0xff}, 2},
        {4094, {0x81, 0x00, 0x01}, 3},
        {0xffffc, {0x8f, 0xff, 0xff}, 3},
        {0xffffd, {0xc1, 0x00, 0x00, 0x01}, 4},
    };
    size_t capacity = 0x110000;
    uint8_t *buffer = malloc(capacity);

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct aml aml = {.buffer = buffer, .capacity_bytes = capacity};
        aml_package package = aml_package_begin(&aml, 0);
        for (size_t n = 1; n < cases[i].content_bytes; n++)
            aml_integer(&aml, 1);
        aml_end(&aml, package);
        assert_false(aml.is_full);
        assert_int_equal(aml.used_bytes, 1 + cases[i].length_bytes + cases[i].content_bytes);
        assert_int_equal(buffer[0], 0x12);
        assert_memory_equal(buffer + 1, cases[i].length, cases[i].length_bytes);
        assert_int_equal(buffer[1 + cases[i].length_bytes], 0);
        assert_int_equal(buffer[aml.used_bytes - 1], i != 0);
    }
    free(buffer);
}

static void test_aml_values(void **state)
{
    uint8_t buffer[64];
    struct aml aml = {.buffer = buffer, .capacity_bytes = sizeof(buffer)};
    static const uint8_t expected[] =
        {
            0x00, 0x01, 0x0a, 0x02, 0x0a, 0xff, 0x0b, 0x00, 0x01, 0x0c,
            0x00, 0x00, 0x01, 0x00, 0x0e, 0,    0,    0,    0,    1,
            0,    0,    0,    0x0c, 0x41, 0xd0, 0x05, 0x01, /* EISAID ("PNP0501") */
            0x08, '\\', '_',  'S',  '5',  '_',              /* Name (\_S5_, ... */
            0x08, 'P',  'I',  'C',  '_',                    /* Name (PIC_, ... */
        };
    struct aml_resources resources = {0};

    (void)state;
    aml_integer(&aml, 0);
    aml_integer(&aml, 1);
    aml_integer(&aml, 2);
    aml_integer(&aml, 255);
    aml_integer(&aml, 256);
    aml_integer(&aml, 65536);
    aml_integer(&aml, UINT64_C(1) << 32);
    aml_eisa_id(&aml, "PNP0501");
    aml_name(&aml, "\\_S5");
    aml_name(&aml, "PIC");
    assert_int_equal(aml.used_bytes, sizeof(expected));
    assert_memory_equal(buffer, expected, sizeof(expected));

    /* More descriptors than there is room for end in a full aml, not beyond the array. */
    for (int i = 0; i < 100; i++)
        aml_resource_ports(&resources, 0x80, 1);
    aml.used_bytes = 0;
    aml_resources_end(&aml, &resources);
    assert_true(aml.is_full);
}

/* --- The ACPI Component Architecture's own reading of it --- */

static char directory[] = "/tmp/portcullis-acpi-XXXXXX";

static void write_file(const char *name, const uint8_t *bytes, size_t size_bytes)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size_bytes, file), size_bytes);
    assert_int_equal(fclose(file), 0);
}

/* Runs a command in the directory; its output is shown only when it fails. */
static void run(const char *command)
{
    char line[512];
    snprintf(line, sizeof(line), "cd %s && { %s; } >out 2>&1 || { cat out; exit 1; }", directory,
             command);
    if (system(line) != 0)
        fail_msg("failed: %s", command);
}

static void disassemble_and_recompile(const char *table, uint64_t address)
{
    char command[256], name[16];
    const uint8_t *start = at_address(address, 36);

    snprintf(name, sizeof(name), "%s.dat", table);
    write_file(name, start, get(start + 4, 4));
    snprintf(command, sizeof(command), "iasl -d %s.dat", table);
    run(command);
    /* iasl says "0 Errors" and "0 Warnings" of what it compiled; -we makes warnings errors. Tables
     * other than AML end with "Table ... compilation" and no count of warnings. */
    snprintf(command, sizeof(command),
             "iasl -we -oa -p again-%s %s.dsl && ! grep -q '[1-9][0-9]* Warn' out", table, table);
    run(command);
}

static void test_iasl_agrees(void **state)
{
    (void)state;
    if (system("command -v iasl >/dev/null 2>&1") != 0)
        fail_msg("iasl is missing; it comes with the package acpica-tools");
    assert_non_null(mkdtemp(directory));
    build(&acpi_board_pc);

    uint64_t fadt = get(tables + 128 + 36, 8);
    uint64_t dsdt = get(tables + (fadt - BASE) + 40, 4);
    disassemble_and_recompile("dsdt", dsdt);
    disassemble_and_recompile("facp", fadt);
    disassemble_and_recompile("facs", get(tables + (fadt - BASE) + 36, 4));
    disassemble_and_recompile("rsdt", BASE + 64);
    disassemble_and_recompile("xsdt", BASE + 128);

    /* What it read is what was meant, and compiling gives the same AML, byte for byte. */
    run("grep -q 'Name (\\\\_S5, Package (0x04)' dsdt.dsl");
    run("grep -q 'EisaId (\"PNP0501\") /\\* 16550A-compatible COM Serial Port \\*/' dsdt.dsl");
    static const char devices[] =
        "MBRD 0600+04 0604+02 0608+04 00B2+01 0CF9+01 0092+01 00E9+01 00F4+04\n"
        "PIC 0020+02 00A0+02 04D0+02 {2}\n"
        "TIMR 0040+04 {0}\n"
        "SPKR 0061+01\n"
        "RTC 0070+02 {8}\n"
        "KBD 0060+01 0064+01 {1}\n"
        "MOU {12}\n"
        "COM1 03F8+08 {4}\n";
    write_file("expected", (const uint8_t *)devices, sizeof(devices) - 1);
    run("awk '/Device \\(/ { gsub(/[()]/, \"\"); line = line \"\\n\" $2 }"
        " /Range Minimum/ { line = line \" \" substr($1, 3, 4) }"
        " /\\/\\/ Length/ { line = line \"+\" substr($1, 3, 2) }"
        " /{[0-9]+}/ { line = line \" \" $1 }"
        " END { print substr(line, 2) }' dsdt.dsl > found; diff expected found");
    run("cmp -i 36 dsdt.dat again-dsdt.aml");
    run("cmp -i 36 facp.dat again-facp.aml");
    char command[64];
    snprintf(command, sizeof(command), "rm -rf %s", directory);
    assert_int_equal(system(command), 0);
}

/* With processors: iasl reads MADT and DSDT as meant and makes the same of them again, and ACPICA
 * loads the whole set, as a guest does. */
static void check_with_processors(uint32_t cpu_count)
{
    struct acpi_board board = board_with_cpus(cpu_count);
    char command[256];

    strcpy(directory, "/tmp/portcullis-acpi-XXXXXX");
    assert_non_null(mkdtemp(directory));
    build(&board);
    uint64_t fadt = get(tables + 128 + 36, 8);
    uint64_t dsdt = get(tables + (fadt - BASE) + 40, 4);
    disassemble_and_recompile("dsdt", dsdt);
    disassemble_and_recompile("facp", fadt);
    disassemble_and_recompile("apic", get(tables + 128 + 44, 8));
    disassemble_and_recompile("rsdt", BASE + 64);
    disassemble_and_recompile("xsdt", BASE + 128);
    run("cmp -i 36 dsdt.dat again-dsdt.aml");
    run("cmp -i 36 apic.dat again-apic.aml");
    snprintf(command, sizeof(command), "test $(grep -c ACPI0007 dsdt.dsl) = %u", cpu_count);
    run(command);
    run("grep -q 'Memory32Fixed (ReadWrite,' dsdt.dsl && grep -q 0xFEC00000 dsdt.dsl");

    snprintf(
        command, sizeof(command),
        "acpiexec -b 'evaluate \\_S5;evaluate \\_SB.COM1._CRS;evaluate \\_SB.C%03X._UID' dsdt.dat"
        " >exec.out 2>&1; cat exec.out; ! grep -E 'ACPI (Error|Warning)|AE_' exec.out &&"
        " grep -q 'Integer. = 0*%X$' exec.out",
        cpu_count - 1, cpu_count - 1);
    run(command);
    /* With the FADT it also tries hardware that the board lacks (GPEs, PM2) and says "Unexpected";
     * that is its business. What it says of the tables is ours. */
    run("acpiexec -b namespace dsdt.dat facp.dat apic.dat >exec.out 2>&1; cat exec.out;"
        " grep -q 'COM1 *Device' exec.out && grep -q 'APIC 0x' exec.out &&"
        " ! grep -E 'ACPI (BIOS )?(Error|Warning|Exception)|Firmware (Bug|Error|Warning)' exec.out");
    snprintf(command, sizeof(command), "rm -rf %s", directory);
    assert_int_equal(system(command), 0);
}

static void test_acpica_agrees_on_processors(void **state)
{
    (void)state;
    check_with_processors(1);
    check_with_processors(4);
    check_with_processors(ACPI_CPUS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tables_lead_to_each_other),
        cmocka_unit_test(test_fadt_pairs_agree),
        cmocka_unit_test(test_fadt_says_the_board),
        cmocka_unit_test(test_madt),
        cmocka_unit_test(test_madt_with_many_processors),
        cmocka_unit_test(test_apic_refusals),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_package_lengths),
        cmocka_unit_test(test_aml_values),
        cmocka_unit_test(test_iasl_agrees),
        cmocka_unit_test(test_acpica_agrees_on_processors),
    };
    return cmocka_run_group_tests_name("acpi_tables", tests, NULL, NULL);
}
