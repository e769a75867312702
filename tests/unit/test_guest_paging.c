// SPDX-License-Identifier: BSD-2-Clause
#include "tests/unit/unit.h"

#include "arch/x86/memory/guest_paging.h"
#include "vmm/base/bits.h"

#include <string.h>

#define P   BIT(0)
#define RW  BIT(1)
#define US  BIT(2)
#define A   BIT(5)
#define D   BIT(6)
#define PS  BIT(7)
#define XD  BIT(63)
#define ALL (P | RW | US)

#define PE_PG   (BIT(0) | BIT(31))
#define WP      BIT(16)
#define PSE     BIT(4)
#define PAE     BIT(5)
#define LA57    BIT(12)
#define SMEP    BIT(20)
#define SMAP    BIT(21)
#define PKE     BIT(22)
#define PKS     BIT(24)
#define LME_LMA (BIT(8) | BIT(10))
#define NXE     BIT(11)
#define AC      BIT(18)

/* Tables at these pages; the mapped page is at PAGE, far from them. */
enum { ROOT = 0x1000, LEVEL_4 = 0x2000, LEVEL_3 = 0x3000, LEVEL_2 = 0x4000, LEVEL_1 = 0x5000 };
#define PAGE   UINT64_C(0x123456000)
#define PAGE32 UINT64_C(0x23456000)

static uint8_t tables[0x6000];
static unsigned swaps, interferences;
static gpa_t interfere_at;
static uint64_t interfere_with;

static bool read_table(void *context, gpa_t address, size_t size_bytes, uint64_t *value)
{
    (void)context;
    assert_true(is_aligned(address.value, size_bytes));
    if (address.value >= sizeof(tables))
        return false;
    *value = 0;
    memcpy(value, tables + address.value, size_bytes);
    return true;
}

static void put(uint64_t address, size_t size_bytes, uint64_t value)
{
    memcpy(tables + address, &value, size_bytes);
}

static uint64_t get(uint64_t address, size_t size_bytes)
{
    uint64_t value = 0;

    memcpy(&value, tables + address, size_bytes);
    return value;
}

static bool swap_table(void *context, gpa_t address, size_t size_bytes, uint64_t expected,
                       uint64_t desired)
{
    (void)context;
    swaps++;
    if (interferences > 0) {
        interferences--;
        put(interfere_at.value, size_bytes, get(interfere_at.value, size_bytes) ^ interfere_with);
    }
    if (get(address.value, size_bytes) != expected)
        return false;
    put(address.value, size_bytes, desired);
    return true;
}

static const struct guest_paging_memory memory = {NULL, read_table, swap_table};

static struct guest_paging base;
static struct guest_translation t;

static enum guest_paging_result translate(uint64_t linear, enum guest_access_kind kind, uint8_t cpl)
{
    const struct guest_access access = {kind, cpl, false};

    return guest_paging_translate(&base, &memory, GVA(linear), &access, &t);
}

static void expect_page(uint64_t linear, enum guest_access_kind kind, uint8_t cpl, uint64_t address)
{
    assert_int_equal(translate(linear, kind, cpl), GUEST_PAGING_OK);
    assert_int_equal(t.address.value, address);
    for (unsigned i = 0; i < t.entry_count; i++) {
        uint64_t value = get(t.entries[i].address.value, t.entry_bytes);

        assert_true(value & A); /* as the translation leaves them */
        assert_int_equal(t.entries[i].value, value);
    }
}

/* The entries gone through are these, the leaf last. */
static void expect_entries(unsigned entry_bytes, unsigned count, const uint64_t *addresses)
{
    assert_int_equal(t.entry_bytes, entry_bytes);
    assert_int_equal(t.entry_count, count);
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(t.entries[i].address.value, addresses[i]);
}

#define EXPECT_ENTRIES(bytes, ...)                                                                 \
    expect_entries(bytes, sizeof((uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t),                    \
                   (const uint64_t[]){__VA_ARGS__})

static void expect_fault(uint64_t linear, enum guest_access_kind kind, uint8_t cpl, uint32_t error)
{
    uint8_t before[sizeof(tables)];

    memcpy(before, tables, sizeof(before));
    assert_int_equal(translate(linear, kind, cpl), GUEST_PAGING_FAULT);
    assert_int_equal(t.error_code, error);
    assert_memory_equal(before, tables, sizeof(before));
}

#define READ    GUEST_ACCESS_READ
#define WRITE   GUEST_ACCESS_WRITE
#define EXECUTE GUEST_ACCESS_EXECUTE

/* Linear 0x401678 through one page directory and one page table. */
static void setup_32_bit(void)
{
    memset(tables, 0, sizeof(tables));
    base = (struct guest_paging){.cr0 = PE_PG | WP,
                                 .cr3 = ROOT | 0x18,
                                 .cr4 = PSE,
                                 .physical_address_bits = 40,
                                 .has_1g_pages = true};
    put(ROOT + 1 * 4, 4, LEVEL_1 | ALL);
    put(LEVEL_1 + 1 * 4, 4, PAGE32 | ALL);
}

/* Linear 0x40401678: index 1 at each level but the top one. */
static void setup_pae(void)
{
    memset(tables, 0, sizeof(tables));
    base = (struct guest_paging){.cr0 = PE_PG | WP,
                                 .cr4 = PAE,
                                 .efer = NXE,
                                 .physical_address_bits = 40,
                                 .has_1g_pages = true};
    base.pdpte[1] = LEVEL_2 | P;
    put(LEVEL_2 + 2 * 8, 8, LEVEL_1 | ALL);
    put(LEVEL_1 + 1 * 8, 8, PAGE | ALL);
}

#define LINEAR_PAE UINT64_C(0x40401678)
#define LINEAR_32  UINT64_C(0x401678)
#define LINEAR_4   (BIT(39) + LINEAR_PAE)
#define LINEAR_5   (BIT(48) + LINEAR_4)

static void setup_long(bool is_57)
{
    memset(tables, 0, sizeof(tables));
    base = (struct guest_paging){.cr0 = PE_PG | WP,
                                 .cr3 = (is_57 ? ROOT : LEVEL_4) | 0xfff,
                                 .cr4 = PAE | (is_57 ? LA57 : 0),
                                 .efer = NXE | LME_LMA,
                                 .physical_address_bits = 40,
                                 .has_1g_pages = true};
    put(ROOT + 1 * 8, 8, LEVEL_4 | ALL);
    put(LEVEL_4 + 1 * 8, 8, LEVEL_3 | ALL);
    put(LEVEL_3 + 1 * 8, 8, LEVEL_2 | ALL);
    put(LEVEL_2 + 2 * 8, 8, LEVEL_1 | ALL);
    put(LEVEL_1 + 1 * 8, 8, PAGE | ALL);
}

static void test_off(void **state)
{
    (void)state;
    setup_long(false);
    base.cr0 = BIT(0);
    assert_int_equal(guest_paging_mode_of(&base), GUEST_PAGING_OFF);
    expect_page(0x12345678, WRITE, 3, 0x12345678);
    expect_page(0x112345678, EXECUTE, 3, 0x12345678);
    assert_int_equal(t.page_size_bytes, 4096);
}

static void test_32_bit(void **state)
{
    (void)state;
    setup_32_bit();
    assert_int_equal(guest_paging_mode_of(&base), GUEST_PAGING_32_BIT);
    expect_page(LINEAR_32, READ, 3, PAGE32 | 0x678);
    assert_int_equal(t.page_size_bytes, 4096);
    assert_int_equal(get(ROOT + 4, 4), LEVEL_1 | ALL | A);
    assert_int_equal(get(LEVEL_1 + 4, 4), PAGE32 | ALL | A);
    expect_page(LINEAR_32, WRITE, 3, PAGE32 | 0x678);
    assert_int_equal(get(LEVEL_1 + 4, 4), PAGE32 | ALL | A | D);
    expect_page(BIT(32) | LINEAR_32, READ, 3, PAGE32 | 0x678);
    expect_fault(0x801678, WRITE, 3, PF_WRITE | PF_USER);
    expect_fault(0x402678, READ, 0, 0);
    /* PS means nothing without CR4.PSE, XD does not exist. */
    base.cr4 = 0;
    base.efer = NXE;
    put(ROOT + 4, 4, LEVEL_1 | ALL | PS);
    expect_page(LINEAR_32, EXECUTE, 3, PAGE32 | 0x678);
    expect_fault(0x402678, EXECUTE, 0, 0); /* and no I/D either, without PAE */
    base.cr4 = SMEP;
    expect_fault(0x402678, EXECUTE, 0, PF_INSTRUCTION_FETCH);
}

static void test_4_mbyte_pages(void **state)
{
    (void)state;
    setup_32_bit();
    put(ROOT + 4, 4, 0xc0000000 | UINT64_C(0xab) << 13 | ALL | PS | BIT(12));
    expect_page(0x7fffff, WRITE, 3, UINT64_C(0xabc03fffff));
    assert_int_equal(t.page_size_bytes, 4 * MIB);
    assert_int_equal(get(ROOT + 4, 4) & 0xff, ALL | PS | A | D);
    /* Bit 21 is reserved always, bits 20:13 as far as MAXPHYADDR does not reach. */
    put(ROOT + 4, 4, 0xc0000000 | BIT(21) | ALL | PS);
    expect_fault(LINEAR_32, READ, 0, PF_PRESENT | PF_RESERVED);
    base.physical_address_bits = 36;
    put(ROOT + 4, 4, 0xc0000000 | BIT(17) | ALL | PS);
    expect_fault(LINEAR_32, WRITE, 3, PF_PRESENT | PF_RESERVED | PF_WRITE | PF_USER);
    put(ROOT + 4, 4, 0xc0000000 | BIT(16) | ALL | PS);
    expect_page(LINEAR_32, READ, 0, UINT64_C(0x8c0001678));
}

static void test_pae(void **state)
{
    (void)state;
    setup_pae();
    assert_int_equal(guest_paging_mode_of(&base), GUEST_PAGING_PAE);
    expect_page(LINEAR_PAE, WRITE, 3, PAGE | 0x678);
    assert_int_equal(get(LEVEL_2 + 16, 8), LEVEL_1 | ALL | A);
    assert_int_equal(get(LEVEL_1 + 8, 8), PAGE | ALL | A | D);
    assert_int_equal(base.pdpte[1], LEVEL_2 | P);
    expect_fault(LINEAR_PAE + GIB, READ, 0, 0);
    put(LEVEL_2 + 16, 8, UINT64_C(0x7fffe00000) | BIT(12) | ALL | PS);
    expect_page(LINEAR_PAE, READ, 3, UINT64_C(0x7fffe01678));
    assert_int_equal(t.page_size_bytes, 2 * MIB);
    put(LEVEL_2 + 16, 8, BIT(13) | ALL | PS);
    expect_fault(LINEAR_PAE, READ, 0, PF_PRESENT | PF_RESERVED);
    put(LEVEL_2 + 16, 8, LEVEL_1 | ALL | BIT(62)); /* ignored in 4-level paging, not here */
    expect_fault(LINEAR_PAE, READ, 0, PF_PRESENT | PF_RESERVED);
    setup_pae();
    base.pdpte[1] |= RW;
    expect_fault(LINEAR_PAE, READ, 0, PF_PRESENT | PF_RESERVED);
    setup_pae();
    base.cr4 |= PKE; /* no protection keys here */
    base.pkru = UINT32_MAX;
    expect_page(LINEAR_PAE, READ, 3, PAGE | 0x678);
}

static void test_long_modes(void **state)
{
    (void)state;
    for (int is_57 = 0; is_57 < 2; is_57++) {
        uint64_t linear = is_57 ? LINEAR_5 : LINEAR_4;

        setup_long(is_57);
        assert_int_equal(guest_paging_mode_of(&base),
                         is_57 ? GUEST_PAGING_5_LEVEL : GUEST_PAGING_4_LEVEL);
        expect_page(linear, READ, 3, PAGE | 0x678);
        assert_int_equal(get(ROOT + 8, 8), LEVEL_4 | ALL | (is_57 ? A : 0));
        assert_int_equal(get(LEVEL_4 + 8, 8), LEVEL_3 | ALL | A);
        assert_int_equal(get(LEVEL_3 + 8, 8), LEVEL_2 | ALL | A);
        assert_int_equal(get(LEVEL_2 + 16, 8), LEVEL_1 | ALL | A);
        assert_int_equal(get(LEVEL_1 + 8, 8), PAGE | ALL | A);
        swaps = 0;
        expect_page(linear, READ, 3, PAGE | 0x678);
        assert_int_equal(swaps, 0);
        expect_page(linear, WRITE, 3, PAGE | 0x678);
        assert_int_equal(swaps, 1);
        assert_int_equal(get(LEVEL_1 + 8, 8), PAGE | ALL | A | D);
        expect_fault(linear + BIT(39), READ, 0, 0);
        if (is_57)
            expect_fault(linear + BIT(48), READ, 0, 0);
    }
    /* The upper half, and a software bit, which means nothing. */
    setup_long(false);
    put(LEVEL_4 + 511 * 8, 8, LEVEL_3 | ALL | BIT(58));
    expect_page(UINT64_C(0xffffff8040401678), READ, 3, PAGE | 0x678);
}

static void test_large_pages(void **state)
{
    (void)state;
    setup_long(false);
    put(LEVEL_2 + 16, 8, UINT64_C(0x8000200000) | BIT(12) | ALL | PS);
    expect_page(LINEAR_4, WRITE, 3, UINT64_C(0x8000201678));
    assert_int_equal(t.page_size_bytes, 2 * MIB);
    assert_int_equal(get(LEVEL_2 + 16, 8) & (A | D), A | D);
    put(LEVEL_2 + 16, 8, BIT(20) | ALL | PS);
    expect_fault(LINEAR_4, READ, 0, PF_PRESENT | PF_RESERVED);
    put(LEVEL_3 + 8, 8, UINT64_C(0x8040000000) | BIT(12) | ALL | PS);
    expect_page(LINEAR_4, WRITE, 3, UINT64_C(0x8040401678));
    assert_int_equal(t.page_size_bytes, GIB);
    put(LEVEL_3 + 8, 8, UINT64_C(0x8060000000) | ALL | PS);
    expect_fault(LINEAR_4, READ, 0, PF_PRESENT | PF_RESERVED);
    put(LEVEL_3 + 8, 8, UINT64_C(0x8040000000) | ALL | PS);
    base.has_1g_pages = false;
    expect_fault(LINEAR_4, READ, 0, PF_PRESENT | PF_RESERVED);
}

static void test_reserved_bits(void **state)
{
    static const uint64_t entries[] = {ROOT + 8, LEVEL_4 + 8, LEVEL_3 + 8, LEVEL_2 + 16,
                                       LEVEL_1 + 8};

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(entries); i++) {
        for (unsigned bit = 40; bit < 52; bit++) {
            setup_long(true);
            put(entries[i], 8, get(entries[i], 8) | BIT(bit));
            expect_fault(LINEAR_5, READ, 3, PF_PRESENT | PF_RESERVED | PF_USER);
            base.physical_address_bits = (uint8_t)(bit + 1);
            if (i == 4)
                expect_page(LINEAR_5, READ, 3, PAGE | BIT(bit) | 0x678);
            else /* only that there is no table */
                assert_int_equal(translate(LINEAR_5, READ, 3), GUEST_PAGING_NO_TABLE);
        }
        setup_long(true);
        base.efer = LME_LMA;
        put(entries[i], 8, get(entries[i], 8) | XD);
        expect_fault(LINEAR_5, EXECUTE, 0, PF_PRESENT | PF_RESERVED);
        if (i < 2) {
            setup_long(true);
            put(entries[i], 8, get(entries[i], 8) | PS);
            expect_fault(LINEAR_5, WRITE, 0, PF_PRESENT | PF_RESERVED | PF_WRITE);
        }
    }
    setup_long(true);
    put(LEVEL_1 + 8, 8, (PAGE | ALL | BIT(45)) & ~P); /* nothing counts in an absent entry */
    expect_fault(LINEAR_5, READ, 0, 0);
}

/* Each right, refused by each level in turn. */
static void test_rights(void **state)
{
    static const uint64_t entries[] = {ROOT + 8, LEVEL_4 + 8, LEVEL_3 + 8, LEVEL_2 + 16,
                                       LEVEL_1 + 8};

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(entries); i++) {
        setup_long(true);
        put(entries[i], 8, get(entries[i], 8) & ~US);
        expect_fault(LINEAR_5, READ, 3, PF_PRESENT | PF_USER);
        expect_fault(LINEAR_5, WRITE, 3, PF_PRESENT | PF_USER | PF_WRITE);
        expect_fault(LINEAR_5, EXECUTE, 3, PF_PRESENT | PF_USER | PF_INSTRUCTION_FETCH);
        expect_page(LINEAR_5, WRITE, 2, PAGE | 0x678);

        setup_long(true);
        put(entries[i], 8, get(entries[i], 8) & ~RW);
        expect_page(LINEAR_5, READ, 3, PAGE | 0x678);
        expect_fault(LINEAR_5, WRITE, 3, PF_PRESENT | PF_USER | PF_WRITE);
        expect_fault(LINEAR_5, WRITE, 0, PF_PRESENT | PF_WRITE);
        base.cr0 &= ~WP;
        expect_fault(LINEAR_5, WRITE, 3, PF_PRESENT | PF_USER | PF_WRITE);
        expect_page(LINEAR_5, WRITE, 0, PAGE | 0x678);

        setup_long(true);
        put(entries[i], 8, get(entries[i], 8) | XD);
        expect_fault(LINEAR_5, EXECUTE, 3, PF_PRESENT | PF_USER | PF_INSTRUCTION_FETCH);
        expect_fault(LINEAR_5, EXECUTE, 0, PF_PRESENT | PF_INSTRUCTION_FETCH);
        expect_page(LINEAR_5, WRITE, 3, PAGE | 0x678);
    }
    setup_long(true);
    base.efer = LME_LMA;
    put(LEVEL_1 + 8, 8, PAGE | P | RW);
    expect_fault(LINEAR_5, EXECUTE, 3, PF_PRESENT | PF_USER); /* no XD, no SMEP: no I/D */
}

static void test_smep_smap(void **state)
{
    struct guest_access implicit = {READ, 3, true};

    (void)state;
    setup_long(false);
    expect_page(LINEAR_4, EXECUTE, 0, PAGE | 0x678);
    base.cr4 |= SMEP;
    expect_fault(LINEAR_4, EXECUTE, 0, PF_PRESENT | PF_INSTRUCTION_FETCH);
    expect_page(LINEAR_4, EXECUTE, 3, PAGE | 0x678);
    expect_page(LINEAR_4, READ, 0, PAGE | 0x678);

    base.cr4 |= SMAP;
    expect_fault(LINEAR_4, READ, 0, PF_PRESENT);
    expect_fault(LINEAR_4, WRITE, 0, PF_PRESENT | PF_WRITE);
    expect_page(LINEAR_4, WRITE, 3, PAGE | 0x678);
    base.rflags = AC;
    expect_page(LINEAR_4, WRITE, 0, PAGE | 0x678);
    assert_int_equal(guest_paging_translate(&base, &memory, GVA(LINEAR_4), &implicit, &t),
                     GUEST_PAGING_FAULT);
    assert_int_equal(t.error_code, PF_PRESENT); /* a supervisor's access, for all that CPL is 3 */
    put(LEVEL_1 + 8, 8, PAGE | P | US);         /* AC does not lift write protection */
    expect_fault(LINEAR_4, WRITE, 0, PF_PRESENT | PF_WRITE);
    put(LEVEL_1 + 8, 8, PAGE | P | RW); /* a supervisor's page is none of theirs */
    base.rflags = 0;
    expect_page(LINEAR_4, WRITE, 0, PAGE | 0x678);
    expect_page(LINEAR_4, EXECUTE, 0, PAGE | 0x678);
    base.cr4 &= ~SMAP;
    assert_int_equal(guest_paging_translate(&base, &memory, GVA(LINEAR_4), &implicit, &t),
                     GUEST_PAGING_OK);
}

static void test_protection_keys(void **state)
{
    (void)state;
    setup_long(false);
    put(LEVEL_1 + 8, 8, PAGE | ALL | UINT64_C(11) << 59);
    base.pkru = 1u << 22; /* key 11: no access */
    base.pkrs = UINT32_MAX;
    expect_page(LINEAR_4, WRITE, 3, PAGE | 0x678); /* CR4.PKE is clear */
    base.cr4 |= PKE;
    expect_fault(LINEAR_4, READ, 3, PF_PRESENT | PF_USER | PF_PROTECTION_KEY);
    expect_fault(LINEAR_4, WRITE, 0, PF_PRESENT | PF_WRITE | PF_PROTECTION_KEY);
    expect_page(LINEAR_4, EXECUTE, 3, PAGE | 0x678);
    base.pkru = 2u << 22; /* no writes */
    expect_page(LINEAR_4, READ, 3, PAGE | 0x678);
    expect_fault(LINEAR_4, WRITE, 3, PF_PRESENT | PF_WRITE | PF_USER | PF_PROTECTION_KEY);
    expect_fault(LINEAR_4, WRITE, 0, PF_PRESENT | PF_WRITE | PF_PROTECTION_KEY);
    base.cr0 &= ~WP;
    expect_page(LINEAR_4, WRITE, 0, PAGE | 0x678);
    expect_fault(LINEAR_4, WRITE, 3, PF_PRESENT | PF_WRITE | PF_USER | PF_PROTECTION_KEY);
    base.pkru = ~(3u << 22); /* all keys but this one */
    expect_page(LINEAR_4, WRITE, 3, PAGE | 0x678);
    /* A supervisor's page: IA32_PKRS, if CR4.PKS says so. */
    put(LEVEL_1 + 8, 8, PAGE | P | RW | UINT64_C(11) << 59);
    base.pkru = UINT32_MAX;
    expect_page(LINEAR_4, WRITE, 0, PAGE | 0x678);
    base.cr4 |= PKS;
    expect_fault(LINEAR_4, READ, 0, PF_PRESENT | PF_PROTECTION_KEY);
    base.pkrs = 0;
    expect_page(LINEAR_4, WRITE, 0, PAGE | 0x678);
}

/* Another processor changes an entry between its being read and its flag being set. */
static void test_entries(void **state)
{
    (void)state;
    setup_32_bit();
    expect_page(LINEAR_32, WRITE, 3, PAGE32 | 0x678);
    EXPECT_ENTRIES(4, ROOT + 4, LEVEL_1 + 4);
    setup_pae();
    expect_page(LINEAR_PAE, WRITE, 3, PAGE | 0x678);
    EXPECT_ENTRIES(8, LEVEL_2 + 16, LEVEL_1 + 8);
    setup_long(false);
    expect_page(LINEAR_4, EXECUTE, 3, PAGE | 0x678);
    EXPECT_ENTRIES(8, LEVEL_4 + 8, LEVEL_3 + 8, LEVEL_2 + 16, LEVEL_1 + 8);
    put(LEVEL_3 + 8, 8, ALL | PS);
    expect_page(LINEAR_4, READ, 3, LINEAR_4 & (GIB - 1));
    EXPECT_ENTRIES(8, LEVEL_4 + 8, LEVEL_3 + 8);
    base.cr0 = BIT(0);
    expect_page(0x1000, READ, 3, 0x1000);
    assert_int_equal(t.entry_count, 0);
}

static void test_interference(void **state)
{
    (void)state;
    setup_long(false);
    interfere_at = GPA(LEVEL_1 + 8);
    interfere_with = BIT(20);
    interferences = 1;
    expect_page(LINEAR_4, WRITE, 3, (PAGE ^ BIT(20)) | 0x678);
    assert_int_equal(get(LEVEL_1 + 8, 8), (PAGE ^ BIT(20)) | ALL | A | D);

    setup_long(false);
    interfere_with = P;
    interferences = 1;
    assert_int_equal(translate(LINEAR_4, READ, 3), GUEST_PAGING_FAULT);
    assert_int_equal(t.error_code, PF_USER);

    setup_long(false);
    interfere_with = BIT(9); /* a software bit, without end */
    interferences = 1000;
    put(LEVEL_4 + 8, 8, LEVEL_3 | ALL | A);
    put(LEVEL_3 + 8, 8, LEVEL_2 | ALL | A);
    put(LEVEL_2 + 16, 8, LEVEL_1 | ALL | A);
    assert_int_equal(translate(LINEAR_4, READ, 3), GUEST_PAGING_RETRY);
    assert_true(interferences > 900);
    interferences = 0;
}

static void test_no_table(void **state)
{
    (void)state;
    setup_long(false);
    base.cr3 = 0x100000;
    assert_int_equal(translate(LINEAR_4, READ, 0), GUEST_PAGING_NO_TABLE);
    setup_32_bit();
    put(ROOT + 4, 4, 0x100000 | ALL);
    assert_int_equal(translate(LINEAR_32, READ, 0), GUEST_PAGING_NO_TABLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_off),           cmocka_unit_test(test_32_bit),
        cmocka_unit_test(test_4_mbyte_pages), cmocka_unit_test(test_pae),
        cmocka_unit_test(test_long_modes),    cmocka_unit_test(test_large_pages),
        cmocka_unit_test(test_reserved_bits), cmocka_unit_test(test_rights),
        cmocka_unit_test(test_smep_smap),     cmocka_unit_test(test_protection_keys),
        cmocka_unit_test(test_interference),  cmocka_unit_test(test_no_table),
        cmocka_unit_test(test_entries),
    };
    return cmocka_run_group_tests_name("guest_paging", tests, NULL, NULL);
}
