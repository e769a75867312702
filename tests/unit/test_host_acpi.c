// SPDX-License-Identifier: BSD-2-Clause
#include "tests/unit/unit.h"

#include "tests/unit/random.h"

/* Not in the portable library: the file as it is, with its inner functions. */
#include "arch/x86/host_acpi.c"

#include <stdlib.h>

/* Physical memory: one block on the heap, its ends watched by the sanitiser. */
#define MEMORY_BASE  UINT64_C(0xe0000)
#define MEMORY_BYTES 0x8000

#define AT_RSDP (MEMORY_BASE + 0x10)
#define AT_RSDT (MEMORY_BASE + 0x100)
#define AT_XSDT (MEMORY_BASE + 0x204) /* tables need not be aligned */
#define AT_MADT (MEMORY_BASE + 0x401)
#define AT_FADT (MEMORY_BASE + 0x5003)
#define AT_HPET (MEMORY_BASE + 0x6005)

static uint8_t *memory_block;
static struct host_acpi acpi;

static const void *memory_at(void *context, uint64_t address, uint64_t size_bytes)
{
    assert_ptr_equal(context, &memory_block);
    assert_true(size_bytes > 0);
    if (address < MEMORY_BASE || size_bytes > MEMORY_BYTES ||
        address - MEMORY_BASE > MEMORY_BYTES - size_bytes)
        return NULL;
    return memory_block + (address - MEMORY_BASE);
}

static uint8_t *at(uint64_t address)
{
    return memory_block + (address - MEMORY_BASE);
}

static void put(uint64_t address, uint64_t value, unsigned size_bytes)
{
    memcpy(at(address), &value, size_bytes);
}

static void fix_checksum(uint64_t address, uint64_t size_bytes, unsigned checksum_offset)
{
    uint8_t sum = 0;
    *at(address + checksum_offset) = 0;
    for (uint64_t i = 0; i < size_bytes; i++)
        sum = (uint8_t)(sum + *at(address + i));
    *at(address + checksum_offset) = (uint8_t)-sum;
}

static void seal(uint64_t table)
{
    uint32_t size_bytes;
    memcpy(&size_bytes, at(table + 4), 4);
    fix_checksum(table, size_bytes, 9);
}

static void table(uint64_t address, const char *signature, uint32_t size_bytes)
{
    memcpy(at(address), signature, 4);
    put(address + 4, size_bytes, 4);
}

static void seal_rsdp(void)
{
    fix_checksum(AT_RSDP, 20, 8);
    fix_checksum(AT_RSDP, 36, 32);
}

/* Appends to the MADT. */
static void madt_entry(const uint8_t *entry, size_t size_bytes)
{
    uint32_t length;
    memcpy(&length, at(AT_MADT + 4), 4);
    memcpy(at(AT_MADT + length), entry, size_bytes);
    put(AT_MADT + 4, length + size_bytes, 4);
    seal(AT_MADT);
}
#define MADT_ENTRY(...)                                                                            \
    do {                                                                                           \
        const uint8_t bytes[] = {__VA_ARGS__};                                                     \
        madt_entry(bytes, sizeof(bytes));                                                          \
    } while (0)

/* A plain machine: two processors, one I/O APIC, the usual overrides, a 24-bit timer at 0x608, an
 * HPET; power-off at 0x604, reset at 0xcf9. */
static void build(void)
{
    memset(memory_block, 0, MEMORY_BYTES);
    memcpy(at(AT_RSDP), "RSD PTR ", 8);
    *at(AT_RSDP + 15) = 2;
    put(AT_RSDP + 16, AT_RSDT, 4);
    put(AT_RSDP + 20, 36, 4);
    put(AT_RSDP + 24, AT_XSDT, 8);
    seal_rsdp();

    table(AT_RSDT, "RSDT", 36 + 12);
    put(AT_RSDT + 36, AT_FADT, 4);
    put(AT_RSDT + 40, AT_MADT, 4);
    put(AT_RSDT + 44, AT_HPET, 4);
    seal(AT_RSDT);
    table(AT_XSDT, "XSDT", 36 + 24);
    put(AT_XSDT + 36, AT_FADT, 8);
    put(AT_XSDT + 44, AT_MADT, 8);
    put(AT_XSDT + 52, AT_HPET, 8);
    seal(AT_XSDT);

    table(AT_FADT, "FACP", 244);
    put(AT_FADT + 64, 0x604, 4);
    put(AT_FADT + 89, 2, 1);
    put(AT_FADT + 76, 0x608, 4);
    put(AT_FADT + 91, 4, 1);
    put(AT_FADT + 112, 1 << 10, 4);
    put(AT_FADT + 116, 1, 1);
    put(AT_FADT + 120, 0xcf9, 8);
    put(AT_FADT + 128, 6, 1);
    seal(AT_FADT);

    table(AT_HPET, "HPET", 56);
    put(AT_HPET + 44, 0xfed00000, 8);
    seal(AT_HPET);

    table(AT_MADT, "APIC", 44);
    put(AT_MADT + 36, 0xfee00000, 4);
    put(AT_MADT + 40, 1, 4);
    MADT_ENTRY(0, 8, 0, 0, 1, 0, 0, 0);
    MADT_ENTRY(0, 8, 1, 2, 1, 0, 0, 0);
    MADT_ENTRY(1, 12, 0, 0, 0x00, 0x10, 0xc0, 0xfe, 24, 0, 0, 0);
    MADT_ENTRY(2, 10, 0, 0, 2, 0, 0, 0, 0, 0);
    MADT_ENTRY(2, 10, 0, 9, 9, 0, 0, 0, 0x0d, 0);
    MADT_ENTRY(2, 10, 0, 4, 20, 0, 0, 0, 0x0f, 0);
}

static enum status read_all(void)
{
    return host_acpi_read(&acpi, HPA(AT_RSDP), memory_at, &memory_block);
}

static void assert_defaults(void)
{
    assert_false(acpi.has_madt);
    assert_true(acpi.has_8259);
    assert_int_equal(acpi.lapic_base.value, 0xfee00000);
    assert_int_equal(acpi.ioapic_count, 1);
    assert_int_equal(acpi.ioapics[0].base.value, 0xfec00000);
    assert_int_equal(acpi.ioapics[0].gsi_base, 0);
    for (unsigned i = 0; i < 16; i++) {
        assert_int_equal(acpi.isa_irqs[i].gsi, i);
        assert_false(acpi.isa_irqs[i].is_active_low);
        assert_false(acpi.isa_irqs[i].is_level);
    }
    assert_int_equal(acpi.cpu_count, 0);
}

static void assert_plain_machine(void)
{
    assert_true(acpi.has_madt);
    assert_true(acpi.has_8259);
    assert_int_equal(acpi.cpu_count, 2);
    assert_int_equal(acpi.cpus[1].apic_id, 2);
    assert_true(acpi.cpus[1].is_enabled);
    assert_int_equal(acpi.ioapic_count, 1);
    assert_int_equal(acpi.ioapics[0].base.value, 0xfec01000);
    assert_int_equal(acpi.ioapics[0].gsi_base, 24);
    assert_int_equal(acpi.isa_irqs[0].gsi, 2);
    assert_int_equal(acpi.isa_irqs[3].gsi, 3);
    assert_int_equal(acpi.isa_irqs[4].gsi, 20);
    assert_true(acpi.isa_irqs[4].is_active_low);
    assert_true(acpi.isa_irqs[4].is_level);
    assert_false(acpi.isa_irqs[9].is_active_low);
    assert_true(acpi.isa_irqs[9].is_level);
    assert_int_equal(acpi.pm_timer.kind, PM_TIMER_PORT);
    assert_int_equal(acpi.pm_timer.address, 0x608);
    assert_false(acpi.pm_timer.is_32bit);
    assert_int_equal(acpi.hpet_address.value, 0xfed00000);
    assert_int_equal(acpi.pm1a_control_port, 0x604);
    assert_int_equal(acpi.pm1b_control_port, 0);
    assert_int_equal(acpi.reset.kind, RESET_PORT);
    assert_int_equal(acpi.reset.address, 0xcf9);
    assert_int_equal(acpi.reset.value, 6);
}

static void test_plain_machine(void **state)
{
    (void)state;
    build();
    assert_int_equal(read_all(), STATUS_OK);
    assert_plain_machine();
    assert_int_equal(acpi.rejected_count, 0);

    *at(AT_RSDP + 15) = 0; /* ACPI 1.0: through the RSDT */
    fix_checksum(AT_RSDP, 20, 8);
    assert_int_equal(read_all(), STATUS_OK);
    assert_plain_machine();
}

/* Once it is read the tables may go: firmware keeps them where nothing is left of them later. */
static void test_tables_go(void **state)
{
    (void)state;
    build();
    assert_int_equal(read_all(), STATUS_OK);
    free(memory_block);
    memory_block = NULL;
    assert_plain_machine();
    memory_block = malloc(MEMORY_BYTES);
    assert_non_null(memory_block);
}

static void test_no_acpi(void **state)
{
    (void)state;
    assert_int_equal(host_acpi_read(&acpi, HPA(0), memory_at, &memory_block), STATUS_NOT_FOUND);
    assert_defaults();
    assert_int_equal(acpi.pm_timer.kind, PM_TIMER_NONE);
    assert_int_equal(acpi.hpet_address.value, 0);
    assert_int_equal(acpi.pm1a_control_port, 0);
    assert_int_equal(acpi.reset.kind, RESET_NONE);
    assert_int_equal(
        host_acpi_read(&acpi, HPA(MEMORY_BASE + MEMORY_BYTES - 19), memory_at, &memory_block),
        STATUS_INVALID);
    assert_int_equal(host_acpi_read(&acpi, HPA(UINT64_MAX - 3), memory_at, &memory_block),
                     STATUS_INVALID);
    assert_defaults();
}

static void test_fadt(void **state)
{
    (void)state;
    build();
    put(AT_FADT + 112, 1 << 8, 4);
    put(AT_FADT + 208, 1, 1);
    put(AT_FADT + 212, 0x1808, 8);
    seal(AT_FADT);
    assert_int_equal(read_all(), STATUS_OK);
    assert_int_equal(acpi.pm_timer.kind, PM_TIMER_PORT);
    assert_int_equal(acpi.pm_timer.address, 0x1808);
    assert_true(acpi.pm_timer.is_32bit);

    put(AT_FADT + 208, 0, 1);
    put(AT_FADT + 212, 0xfed80808, 8);
    seal(AT_FADT);
    assert_int_equal(read_all(), STATUS_OK);
    assert_int_equal(acpi.pm_timer.kind, PM_TIMER_MEMORY);
    assert_int_equal(acpi.pm_timer.address, 0xfed80808);

    put(AT_FADT + 208, 1, 1); /* a port that is none: back to the older field */
    seal(AT_FADT);
    assert_int_equal(read_all(), STATUS_OK);
    assert_int_equal(acpi.pm_timer.kind, PM_TIMER_PORT);
    assert_int_equal(acpi.pm_timer.address, 0x608);

    put(AT_FADT + 91, 3, 1);
    seal(AT_FADT);
    assert_int_equal(read_all(), STATUS_OK);
    assert_int_equal(acpi.pm_timer.kind, PM_TIMER_NONE);

    build();
    put(AT_FADT + 112, 1 << 20, 4); /* hardware-reduced */
    seal(AT_FADT);
    assert_int_equal(read_all(), STATUS_OK);
    assert_int_equal(acpi.pm_timer.kind, PM_TIMER_NONE);

    build();
    put(AT_FADT + 4, 115, 4); /* too short to be one */
    seal(AT_FADT);
    assert_int_equal(read_all(), STATUS_OK);
    assert_int_equal(acpi.pm_timer.kind, PM_TIMER_NONE);
    assert_int_equal(acpi.rejected_count, 1);

    build();
    put(AT_FADT + 4, 116, 4); /* version 1 */
    seal(AT_FADT);
    assert_int_equal(read_all(), STATUS_OK);
    assert_int_equal(acpi.pm_timer.address, 0x608);
    assert_int_equal(acpi.pm1a_control_port, 0x604);
    assert_int_equal(acpi.reset.kind, RESET_NONE);
}

static void test_power_registers(void **state)
{
    (void)state;
    build();
    put(AT_FADT + 68, 0x704, 4);
    put(AT_FADT + 172, 1, 1);
    put(AT_FADT + 176, 0x1804, 8); /* the extended one is preferred */
    seal(AT_FADT);
    assert_int_equal(read_all(), STATUS_OK);
    assert_int_equal(acpi.pm1a_control_port, 0x1804);
    assert_int_equal(acpi.pm1b_control_port, 0x704);

    put(AT_FADT + 172, 0, 1); /* in memory: none of a PC's */
    put(AT_FADT + 68, 0xffff, 4);
    seal(AT_FADT);
    assert_int_equal(read_all(), STATUS_OK);
    assert_int_equal(acpi.pm1a_control_port, 0x604);
    assert_int_equal(acpi.pm1b_control_port, 0);

    build();
    put(AT_FADT + 116, 0, 1);
    put(AT_FADT + 120, 0xfed80cf9, 8);
    seal(AT_FADT);
    assert_int_equal(read_all(), STATUS_OK);
    assert_int_equal(acpi.reset.kind, RESET_MEMORY);
    assert_int_equal(acpi.reset.address, 0xfed80cf9);

    put(AT_FADT + 116, 2, 1); /* PCI configuration space */
    seal(AT_FADT);
    assert_int_equal(read_all(), STATUS_OK);
    assert_int_equal(acpi.reset.kind, RESET_NONE);

    build();
    put(AT_FADT + 112, 0, 4); /* not supported, says the flag */
    seal(AT_FADT);
    assert_int_equal(read_all(), STATUS_OK);
    assert_int_equal(acpi.reset.kind, RESET_NONE);

    build();
    put(AT_FADT + 112, 1 << 10 | 1 << 20, 4); /* hardware-reduced: has a reset register alone */
    seal(AT_FADT);
    assert_int_equal(read_all(), STATUS_OK);
    assert_int_equal(acpi.reset.kind, RESET_PORT);
    assert_int_equal(acpi.pm1a_control_port, 0);
}

static void test_hpet(void **state)
{
    static const struct {
        uint8_t space;
        uint64_t address;
    } unusable[] = {{1, 0x400}, {0, 0}, {0, 0xfed00100}};

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(unusable); i++) {
        build();
        put(AT_HPET + 40, unusable[i].space, 1);
        put(AT_HPET + 44, unusable[i].address, 8);
        seal(AT_HPET);
        assert_int_equal(read_all(), STATUS_OK);
        assert_int_equal(acpi.hpet_address.value, 0);
        assert_int_equal(acpi.rejected_count, 1);
    }
    build();
    put(AT_HPET + 4, 51, 4); /* too short for an address */
    seal(AT_HPET);
    assert_int_equal(read_all(), STATUS_OK);
    assert_int_equal(acpi.hpet_address.value, 0);
    assert_int_equal(acpi.rejected_count, 1);
}

static void test_madt_entries(void **state)
{
    (void)state;
    build();
    MADT_ENTRY(5, 12, 0, 0, 0x00, 0x00, 0xe0, 0xfe, 1, 0, 0, 0);
    MADT_ENTRY(9, 16, 0, 0, 0x00, 0x01, 0, 0, 1, 0, 0, 0, 7, 0, 0, 0);   /* id 256 */
    MADT_ENTRY(9, 16, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 7, 0, 0, 0);         /* listed already */
    MADT_ENTRY(9, 16, 0, 0, 255, 255, 255, 255, 1, 0, 0, 0, 7, 0, 0, 0); /* broadcast */
    MADT_ENTRY(0, 8, 0, 5, 0, 0, 0, 0);                                  /* empty socket */
    MADT_ENTRY(0, 8, 0, 6, 2, 0, 0, 0);                                  /* online capable */
    MADT_ENTRY(0, 8, 0, 255, 1, 0, 0, 0);
    MADT_ENTRY(4, 6, 255, 5, 0, 1); /* local APIC NMI: known, of no interest */
    MADT_ENTRY(0x80, 4, 1, 2);      /* unknown */
    assert_int_equal(read_all(), STATUS_OK);
    assert_int_equal(acpi.lapic_base.value, UINT64_C(0x1fee00000));
    assert_int_equal(acpi.cpu_count, 4);
    assert_int_equal(acpi.cpus[2].apic_id, 256);
    assert_int_equal(acpi.cpus[3].apic_id, 6);
    assert_false(acpi.cpus[3].is_enabled);
    assert_int_equal(acpi.rejected_count, 0);

    /* Each breaks one rule and is passed over alone. */
    build();
    MADT_ENTRY(0, 7, 0, 9, 1, 0, 0);
    MADT_ENTRY(1, 11, 0, 0, 0, 0x20, 0xc0, 0xfe, 0, 0, 0);
    MADT_ENTRY(1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    MADT_ENTRY(1, 12, 0, 0, 4, 0, 0xc0, 0xfe, 0, 0, 0, 0);
    MADT_ENTRY(2, 10, 1, 4, 5, 0, 0, 0, 0, 0);
    MADT_ENTRY(2, 10, 0, 16, 5, 0, 0, 0, 0, 0);
    MADT_ENTRY(9, 12, 0, 0, 9, 0, 0, 0, 1, 0, 0, 0);
    assert_int_equal(read_all(), STATUS_OK);
    assert_plain_machine();
    assert_int_equal(acpi.rejected_count, 7);

    /* Without a usable length the rest is lost, what came before is not. */
    const uint8_t bad_lengths[] = {0, 1, 200};
    for (size_t i = 0; i < sizeof(bad_lengths); i++) {
        build();
        MADT_ENTRY(2, bad_lengths[i], 0, 4, 5, 0, 0, 0, 0, 0);
        assert_int_equal(read_all(), STATUS_OK);
        assert_plain_machine();
        assert_int_equal(acpi.rejected_count, 1);
    }
    build();
    MADT_ENTRY(2); /* half an entry */
    assert_int_equal(read_all(), STATUS_OK);
    assert_plain_machine();
    assert_int_equal(acpi.rejected_count, 1);
}

static void test_too_many(void **state)
{
    (void)state;
    build();
    for (unsigned i = 0; i < 300; i++)
        MADT_ENTRY(9, 16, 0, 0, (uint8_t)i, (uint8_t)(0x10 + i / 256), 0, 0, 1, 0, 0, 0, 0, 0, 0,
                   0);
    for (unsigned i = 0; i < 20; i++)
        MADT_ENTRY(1, 12, 0, 0, 0, (uint8_t)(i << 4), 0xc1, 0xfe, 0, 0, 0, 0);
    assert_int_equal(read_all(), STATUS_OK);
    assert_int_equal(acpi.cpu_count, HOST_ACPI_CPUS_MAX);
    assert_int_equal(acpi.ioapic_count, HOST_ACPI_IOAPICS_MAX);
    assert_int_equal(acpi.rejected_count, 300 + 2 - 256 + 20 + 1 - 16);
}

static void test_broken_root(void **state)
{
    (void)state;
    build();
    (*at(AT_RSDP + 8))++;
    assert_int_equal(read_all(), STATUS_INVALID);
    assert_defaults();

    build();
    (*at(AT_RSDP + 32))++; /* the extended checksum: the RSDT still counts */
    assert_int_equal(read_all(), STATUS_OK);
    assert_plain_machine();
    assert_int_equal(acpi.rejected_count, 1);

    build();
    (*at(AT_XSDT + 9))++;
    assert_int_equal(read_all(), STATUS_OK);
    assert_plain_machine();
    (*at(AT_RSDT + 9))++;
    assert_int_equal(read_all(), STATUS_INVALID);
    assert_defaults();

    build();
    memcpy(at(AT_XSDT), "XSDS", 4);
    memcpy(at(AT_RSDT), "RSDS", 4);
    seal(AT_XSDT);
    seal(AT_RSDT);
    assert_int_equal(read_all(), STATUS_INVALID);

    build();
    (*at(AT_MADT + 9))++;
    assert_int_equal(read_all(), STATUS_NOT_FOUND);
    assert_defaults();
    assert_int_equal(acpi.pm_timer.address, 0x608); /* the other table is sound */

    const uint32_t bad_lengths[] = {0, 35, 0xffffffff, MEMORY_BYTES, 17 * 1024 * 1024};
    for (size_t i = 0; i < ARRAY_COUNT(bad_lengths); i++) {
        build();
        put(AT_MADT + 4, bad_lengths[i], 4);
        assert_int_equal(read_all(), STATUS_NOT_FOUND);
        assert_defaults();
    }
    build();
    put(AT_XSDT + 44, UINT64_MAX - 10, 8);
    seal(AT_XSDT);
    assert_int_equal(read_all(), STATUS_NOT_FOUND);
    put(AT_XSDT + 44, 0, 8);
    seal(AT_XSDT);
    assert_int_equal(read_all(), STATUS_NOT_FOUND);
    assert_int_equal(acpi.rejected_count, 1);

    /* A root whose last pointer is cut off, at the very end of memory. */
    const uint64_t end_xsdt = MEMORY_BASE + MEMORY_BYTES - 36 - 12;
    build();
    table(end_xsdt, "XSDT", 36 + 12);
    put(end_xsdt + 36, AT_MADT, 8);
    seal(end_xsdt);
    put(AT_RSDP + 24, end_xsdt, 8);
    seal_rsdp();
    assert_int_equal(read_all(), STATUS_OK);
    assert_int_equal(acpi.cpu_count, 2);
    assert_int_equal(acpi.rejected_count, 0);

    build();
    put(AT_XSDT + 36, AT_MADT, 8); /* listed twice */
    seal(AT_XSDT);
    assert_int_equal(read_all(), STATUS_OK);
    assert_int_equal(acpi.cpu_count, 2);
    assert_int_equal(acpi.rejected_count, 1);
}

/* Any byte of any table changed, with and without the checksums put right again: nothing outside
 * the tables is read (the sanitiser watches), and the result keeps its own rules. */
static void test_mutations(void **state)
{
    (void)state;
    for (unsigned run = 0; run < 20000; run++) {
        const uint64_t tables[] = {AT_RSDP, AT_RSDT, AT_XSDT, AT_MADT, AT_FADT, AT_HPET};
        build();
        for (unsigned i = 0; i < 3; i++) {
            uint64_t random = random_u64();
            uint64_t where = tables[(random >> 33) % ARRAY_COUNT(tables)] + (random >> 40) % 200;
            *at(where) = (uint8_t)(random >> 56);
        }
        if (run % 2 == 0) {
            for (unsigned i = 1; i < ARRAY_COUNT(tables); i++) {
                uint32_t size_bytes;
                memcpy(&size_bytes, at(tables[i] + 4), 4);
                if (size_bytes >= 36 && memory_at(&memory_block, tables[i], size_bytes) != NULL)
                    seal(tables[i]);
            }
            seal_rsdp();
        }
        (void)!read_all();
        assert_in_range(acpi.cpu_count, 0, HOST_ACPI_CPUS_MAX);
        assert_in_range(acpi.ioapic_count, 0, HOST_ACPI_IOAPICS_MAX);
        assert_in_range(acpi.pm_timer.kind, PM_TIMER_NONE, PM_TIMER_MEMORY);
        if (!acpi.has_madt)
            assert_defaults();
    }
}

static int set_up(void **state)
{
    (void)state;
    memory_block = malloc(MEMORY_BYTES);
    return memory_block == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    free(memory_block);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain_machine),   cmocka_unit_test(test_tables_go),
        cmocka_unit_test(test_power_registers), cmocka_unit_test(test_hpet),
        cmocka_unit_test(test_no_acpi),         cmocka_unit_test(test_fadt),
        cmocka_unit_test(test_madt_entries),    cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_broken_root),     cmocka_unit_test(test_mutations),
    };
    return cmocka_run_group_tests_name("host_acpi", tests, set_up, tear_down);
}
