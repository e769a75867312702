// SPDX-License-Identifier: BSD-2-Clause
/* The cache of instructions over a guest's memory that changes behind its back: whatever is
 * changed, what is found is what a walk and a decoding done at that moment would yield. */
#include "tests/unit/unit.h"

#include "arch/x86/insn/insn_cache.h"
#include "arch/x86/registers.h"
#include "tests/unit/random.h"
#include "vmm/base/bits.h"

#include <stdlib.h>
#include <string.h>

#define RW_P   UINT64_C(3)
#define XD     BIT(63)
#define A      BIT(5)
#define RIGHTS 0xa09bu

/* Tables and code in the guest's first pages; PAGES and on is nothing. */
enum { PML4 = 0x1000, PDPT = 0x2000, PD = 0x3000, PT = 0x4000, OTHER_PT = 0x5000, CODE = 0x6000 };
#define OTHER_CODE 0x7000
#define RAM_BYTES  0x8000
#define LINEAR     UINT64_C(0x7f8040201000) /* index 1 of PT, and others elsewhere */

static _Alignas(4096) uint8_t ram[RAM_BYTES];
static struct insn_cache cache;
static struct guest_paging paging;
static unsigned swaps;

static const void *memory_of(void *context, gpa_t address, size_t size_bytes)
{
    (void)context;
    assert_true(size_bytes == 8 || size_bytes == PAGE_SIZE);
    assert_true(is_aligned(address.value, size_bytes));
    return address.value < RAM_BYTES ? ram + address.value : NULL;
}

static bool read_table(void *context, gpa_t address, size_t size_bytes, uint64_t *value)
{
    (void)context;
    if (address.value >= RAM_BYTES)
        return false;
    *value = 0;
    memcpy(value, ram + address.value, size_bytes);
    return true;
}

static bool swap_table(void *context, gpa_t address, size_t size_bytes, uint64_t expected,
                       uint64_t desired)
{
    (void)context;
    (void)expected;
    swaps++;
    memcpy(ram + address.value, &desired, size_bytes);
    return true;
}

static void put(uint64_t address, uint64_t value)
{
    memcpy(ram + address, &value, sizeof(value));
}

static uint64_t get(uint64_t address)
{
    uint64_t value;

    memcpy(&value, ram + address, sizeof(value));
    return value;
}

static void put_code(uint64_t address, const char *bytes, size_t count)
{
    memcpy(ram + address, bytes, count);
}

#define PUT_CODE(address, bytes) put_code(address, bytes, sizeof(bytes) - 1)

static struct insn_cache_key key_of(uint64_t linear)
{
    return (struct insn_cache_key){.linear = linear, .root = paging.cr3, .code = RIGHTS};
}

/* Fetches and decodes as if nothing were known. False if that cannot be done or it is not plain. */
static bool walk_and_decode(uint64_t linear, struct guest_translation *translation,
                            uint8_t bytes[INSN_LENGTH_MAX], struct insn_plain *plain)
{
    const struct guest_paging_memory tables = {NULL, read_table, swap_table};
    const struct guest_access access = {.kind = GUEST_ACCESS_EXECUTE};
    size_t in_page = PAGE_SIZE - linear % PAGE_SIZE;
    size_t count = in_page < INSN_LENGTH_MAX ? in_page : INSN_LENGTH_MAX;
    struct guest_translation second;
    struct insn insn;

    if (guest_paging_translate(&paging, &tables, GVA(linear), &access, translation) !=
            GUEST_PAGING_OK ||
        translation->address.value >= RAM_BYTES)
        return false;
    memset(bytes, 0, INSN_LENGTH_MAX);
    memcpy(bytes, ram + translation->address.value, count);
    if (insn_decode(bytes, count, INSN_MODE_64, &insn) == INSN_INCOMPLETE && count == in_page) {
        if (guest_paging_translate(&paging, &tables, GVA(linear + count), &access, &second) !=
                GUEST_PAGING_OK ||
            second.address.value >= RAM_BYTES)
            return false;
        memcpy(bytes + count, ram + second.address.value, INSN_LENGTH_MAX - count);
        count = INSN_LENGTH_MAX;
    }
    return insn_decode(bytes, count, INSN_MODE_64, &insn) == INSN_DECODED &&
           insn_make_plain(&insn, INSN_MODE_64, linear, plain);
}

static bool keep(uint64_t linear)
{
    uint8_t bytes[INSN_LENGTH_MAX];
    struct guest_translation translation;
    struct insn_cache_source source = {
        .bytes = bytes, .translation = &translation, .memory = memory_of};
    struct insn_cache_key key = key_of(linear);
    struct insn_plain plain;

    if (!walk_and_decode(linear, &translation, bytes, &plain))
        return false;
    insn_cache_keep(&cache, &key, &plain, &source);
    return true;
}

static const struct insn_plain *find(uint64_t linear)
{
    struct insn_cache_key key = key_of(linear);

    return insn_cache_find(&cache, &key);
}

static int setup(void **state)
{
    (void)state;
    memset(ram, 0, sizeof(ram));
    memset(&cache, 0, sizeof(cache));
    paging = (struct guest_paging){.cr0 = CR0_PE | CR0_PG,
                                   .cr3 = PML4,
                                   .cr4 = CR4_PAE,
                                   .efer = EFER_LME | EFER_LMA | EFER_NXE,
                                   .physical_address_bits = 46,
                                   .has_1g_pages = true};
    put(PML4 + BITS(LINEAR, 47, 39) * 8, PDPT | RW_P);
    put(PDPT + BITS(LINEAR, 38, 30) * 8, PD | RW_P);
    put(PD + BITS(LINEAR, 29, 21) * 8, PT | RW_P);
    put(PT + BITS(LINEAR, 20, 12) * 8, CODE | RW_P);
    put(OTHER_PT + BITS(LINEAR, 20, 12) * 8, OTHER_CODE | RW_P);
    PUT_CODE(CODE, "\x8b\x03");       /* mov eax, [rbx] */
    PUT_CODE(OTHER_CODE, "\x88\x03"); /* mov [rbx], al */
    return 0;
}

static void test_known_and_unknown(void **state)
{
    const struct insn_plain *plain;

    (void)state;
    assert_null(find(LINEAR));
    assert_true(keep(LINEAR));
    plain = find(LINEAR);
    assert_non_null(plain);
    assert_int_equal(plain->length, 2);
    assert_int_equal(plain->size_bytes, 4);
    assert_false(plain->is_store);
    assert_null(find(LINEAR + 2));
    assert_null(find(LINEAR + PAGE_SIZE));

    struct insn_cache_key key = key_of(LINEAR);

    key.code ^= BIT(13); /* CS.L: other code */
    assert_null(insn_cache_find(&cache, &key));
    paging.cr3 = 0x5000; /* another address space */
    assert_null(find(LINEAR));
}

static void test_code_that_is_rewritten(void **state)
{
    (void)state;
    keep(LINEAR);
    ram[CODE] = 0x89; /* mov [rbx], eax */
    assert_null(find(LINEAR));
    assert_true(keep(LINEAR));
    assert_true(find(LINEAR)->is_store);
    ram[CODE + 1] = 0x01; /* its last byte */
    assert_null(find(LINEAR));
    ram[CODE + 1] = 0x03;
    assert_non_null(find(LINEAR));
    ram[CODE + 2] = 0xff; /* the next instruction's */
    assert_non_null(find(LINEAR));
}

/* Of a comparison every byte counts: opcode, operands, immediate. */
static void test_comparison_that_is_rewritten(void **state)
{
    (void)state;
    PUT_CODE(CODE, "\x81\x3b\x69\x42\x46\x54"); /* cmp dword [rbx], "iBFT" */
    assert_true(keep(LINEAR));
    assert_true(find(LINEAR)->is_comparison);
    assert_int_equal(find(LINEAR)->immediate, 0x54464269);
    for (unsigned i = 0; i < 6; i++) {
        ram[CODE + i] ^= 0x04;
        assert_null(find(LINEAR));
        ram[CODE + i] ^= 0x04;
        assert_non_null(find(LINEAR));
    }
    ram[CODE + 6] ^= 0x04; /* the next instruction's */
    assert_non_null(find(LINEAR));
    ram[CODE + 5] = 0x55;
    assert_true(keep(LINEAR));
    assert_int_equal(find(LINEAR)->immediate, 0x55464269);
    ram[CODE] = 0xc7;
    ram[CODE + 1] = 0x03; /* mov dword [rbx], ... */
    assert_true(keep(LINEAR));
    assert_true(find(LINEAR)->is_store);
    assert_false(find(LINEAR)->is_comparison);
}

/* Each of four entries: pointed elsewhere, cleared, made not executable, its accessed flag cleared.
 */
static void test_tables_that_are_rewritten(void **state)
{
    const uint64_t entries[] = {PML4 + BITS(LINEAR, 47, 39) * 8, PDPT + BITS(LINEAR, 38, 30) * 8,
                                PD + BITS(LINEAR, 29, 21) * 8, PT + BITS(LINEAR, 20, 12) * 8};

    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(entries); i++) {
        uint64_t value;

        assert_true(keep(LINEAR));
        assert_non_null(find(LINEAR));
        value = get(entries[i]);
        assert_true(value & A);
        for (unsigned bit = 0; bit < 64; bit++) {
            put(entries[i], value ^ BIT(bit));
            assert_null(find(LINEAR));
        }
        put(entries[i], 0);
        assert_null(find(LINEAR));
        assert_false(keep(LINEAR));
        put(entries[i], value);
    }
    put(PD + BITS(LINEAR, 29, 21) * 8, OTHER_PT | RW_P);
    assert_null(find(LINEAR));
    assert_true(keep(LINEAR));
    assert_int_equal(find(LINEAR)->size_bytes, 1);
}

/* Every instruction that fits into the page is kept, at its end as well; one that does not is not.
 */
static void test_end_of_the_page(void **state)
{
    (void)state;
    put(PT + (BITS(LINEAR, 20, 12) + 1) * 8, OTHER_CODE | RW_P);
    for (unsigned offset = PAGE_SIZE - 20; offset < PAGE_SIZE - 1; offset++) {
        PUT_CODE(CODE + offset, "\x8b\x03");
        assert_true(keep(LINEAR + offset));
        assert_non_null(find(LINEAR + offset));
        ram[CODE + offset - 1] ^= 0xff;
        assert_non_null(find(LINEAR + offset));
        ram[CODE + offset + 1] ^= 1;
        assert_null(find(LINEAR + offset));
    }
    ram[CODE + PAGE_SIZE - 1] = 0x8b;
    ram[OTHER_CODE] = 0x03;
    assert_true(keep(LINEAR + PAGE_SIZE - 1));
    assert_null(find(LINEAR + PAGE_SIZE - 1));
}

static void test_large_pages_and_none(void **state)
{
    (void)state;
    put(PD + BITS(LINEAR, 29, 21) * 8, 0 | RW_P | BIT(7)); /* 2 MiB from 0: ram is its beginning */
    assert_true(keep(LINEAR - (LINEAR & (PAGE_SIZE_LARGE - 1)) + CODE));
    assert_non_null(find(LINEAR - (LINEAR & (PAGE_SIZE_LARGE - 1)) + CODE));
    put(PD + BITS(LINEAR, 29, 21) * 8, 0 | RW_P);
    assert_null(find(LINEAR - (LINEAR & (PAGE_SIZE_LARGE - 1)) + CODE));

    paging = (struct guest_paging){.cr0 = CR0_PE, .physical_address_bits = 46};
    assert_true(keep(CODE));
    assert_non_null(find(CODE));
    ram[CODE] ^= 1;
    assert_null(find(CODE));
}

/* Entries of 4 bytes, at both halves of 8. */
static void test_32_bit_paging(void **state)
{
    (void)state;
    for (unsigned half = 0; half < 2; half++) {
        uint32_t linear = 0x400000 + 0x1000 * (2 + half);
        uint64_t directory = PML4 + 4, entry = PT + (2 + half) * 4;

        memset(ram, 0, CODE);
        paging =
            (struct guest_paging){.cr0 = CR0_PE | CR0_PG, .cr3 = PML4, .physical_address_bits = 46};
        memcpy(ram + directory, &(uint32_t){PT | 3}, 4);
        memcpy(ram + entry, &(uint32_t){CODE | 3}, 4);
        assert_true(keep(linear));
        assert_non_null(find(linear));
        memcpy(ram + entry, &(uint32_t){OTHER_CODE | 3}, 4);
        assert_null(find(linear));
        assert_true(keep(linear));
        assert_non_null(find(linear));
        memcpy(ram + directory, &(uint32_t){0}, 4);
        assert_null(find(linear));
    }
}

/* A walk through five levels, or through a table that is gone by now, is not kept. */
static void test_not_kept(void **state)
{
    uint8_t bytes[INSN_LENGTH_MAX];
    struct guest_translation translation;
    struct insn_cache_source source = {
        .bytes = bytes, .translation = &translation, .memory = memory_of};
    struct insn_cache_key key = key_of(LINEAR);
    struct insn_plain plain;

    (void)state;
    assert_true(walk_and_decode(LINEAR, &translation, bytes, &plain));
    put(PT + BITS(LINEAR, 20, 12) * 8, OTHER_CODE | RW_P);
    insn_cache_keep(&cache, &key, &plain, &source);
    assert_null(find(LINEAR));

    assert_true(walk_and_decode(LINEAR, &translation, bytes, &plain));
    translation.entry_count = 5;
    insn_cache_keep(&cache, &key, &plain, &source);
    assert_null(find(LINEAR));
    translation.entry_count = 4;
    translation.entries[2].address = GPA(RAM_BYTES);
    insn_cache_keep(&cache, &key, &plain, &source);
    assert_null(find(LINEAR));

    assert_true(walk_and_decode(LINEAR, &translation, bytes, &plain));
    ram[OTHER_CODE] ^= 1; /* between fetch and keeping */
    insn_cache_keep(&cache, &key, &plain, &source);
    assert_null(find(LINEAR));
}

/* Random changes of code and tables; what is found, if anything is, is always what a walk yields.
 */
static void test_random_changes(void **state)
{
    static const uint64_t targets[] = {PML4, PDPT, PD, PT, OTHER_PT, CODE, OTHER_CODE};
    static const uint8_t opcodes[] = {0x88, 0x89, 0x8a, 0x8b, 0x90, 0xc6, 0x39, 0x3a, 0x85};
    unsigned hits = 0, misses = 0;

    (void)state;
    for (unsigned round = 0; round < 300000; round++) {
        uint64_t linear = LINEAR + PAGE_SIZE * random_below(2) + random_below(4) * 37;
        struct guest_translation translation;
        uint8_t bytes[INSN_LENGTH_MAX];
        struct insn_plain now = {0};
        const struct insn_plain *found;
        uint64_t entry;

        switch (random_below(4)) {
        case 0:
            ram[(random_below(2) ? CODE : OTHER_CODE) + random_below(4) * 37] =
                opcodes[random_below(ARRAY_COUNT(opcodes))];
            break;
        case 1:
            entry =
                (random_below(2) ? PT : OTHER_PT) + (BITS(LINEAR, 20, 12) + random_below(2)) * 8;
            put(entry, targets[random_below(ARRAY_COUNT(targets))] | (random_below(8) ? RW_P : 0) |
                           (random_below(16) ? 0 : XD));
            break;
        case 2:
            if (random_below(8) == 0)
                put(PD + BITS(LINEAR, 29, 21) * 8, (random_below(2) ? PT : OTHER_PT) | RW_P);
            break;
        default: break;
        }
        found = find(linear);
        if (found != NULL) {
            hits++;
            assert_true(walk_and_decode(linear, &translation, bytes, &now));
            assert_memory_equal(found, &now, sizeof(now));
        } else {
            misses++;
            keep(linear);
        }
    }
    assert_true(hits > 1000 && misses > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_known_and_unknown, setup),
        cmocka_unit_test_setup(test_code_that_is_rewritten, setup),
        cmocka_unit_test_setup(test_comparison_that_is_rewritten, setup),
        cmocka_unit_test_setup(test_tables_that_are_rewritten, setup),
        cmocka_unit_test_setup(test_end_of_the_page, setup),
        cmocka_unit_test_setup(test_large_pages_and_none, setup),
        cmocka_unit_test_setup(test_32_bit_paging, setup),
        cmocka_unit_test_setup(test_not_kept, setup),
        cmocka_unit_test_setup(test_random_changes, setup),
    };

    random_begin("SEED");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
