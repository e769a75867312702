// SPDX-License-Identifier: BSD-2-Clause
/* The walker of the guest's page tables, on any tables and registers, while another processor
 * changes them. */
#include "arch/x86/memory/guest_paging.h"
#include "tests/fuzz/input.h"
#include "vmm/base/bits.h"

enum {
    TABLE_BYTES = 0x4000,
    READS_MAX = 100, /* of one translation, which retries when entries change */
};

static uint8_t tables[TABLE_BYTES];
static unsigned reads, swaps;
static struct input interference; /* what the other processor does */

static bool read_table(void *context, gpa_t address, size_t size_bytes, uint64_t *value)
{
    (void)context;
    EXPECT(size_bytes == 4 || size_bytes == 8);
    EXPECT(is_aligned(address.value, size_bytes));
    EXPECT(++reads <= READS_MAX);
    if (address.value >= TABLE_BYTES)
        return false;
    *value = 0;
    memcpy(value, tables + address.value, size_bytes);
    return true;
}

static bool swap_entry(void *context, gpa_t address, size_t size_bytes, uint64_t expected,
                       uint64_t desired)
{
    uint64_t value = 0;

    (void)context;
    EXPECT(address.value + size_bytes <= TABLE_BYTES);
    EXPECT((expected & desired) == expected); /* flags are only set */
    EXPECT(((expected ^ desired) & ~UINT64_C(0x60)) == 0);
    swaps++;
    if (input_left(&interference) && (input_u8(&interference) & 1))
        tables[input_u16(&interference) % TABLE_BYTES] ^= input_u8(&interference);
    memcpy(&value, tables + address.value, size_bytes);
    if (value != expected)
        return false;
    memcpy(tables + address.value, &desired, size_bytes);
    return true;
}

static const struct guest_paging_memory memory = {NULL, read_table, swap_entry};

static enum guest_paging_result translate(const struct guest_paging *paging, uint64_t linear,
                                          const struct guest_access *access,
                                          struct guest_translation *translation)
{
    reads = 0;
    return guest_paging_translate(paging, &memory, GVA(linear), access, translation);
}

static void check_ok(const struct guest_paging *paging, uint64_t linear,
                     const struct guest_access *access, const struct guest_translation *first)
{
    struct guest_access less = *access;
    struct guest_translation again;
    uint64_t offset = linear & (first->page_size_bytes - 1);

    EXPECT(first->page_size_bytes >= 4096 && first->page_size_bytes <= GIB);
    EXPECT((first->address.value & (first->page_size_bytes - 1)) == offset);
    EXPECT(first->entry_count <= GUEST_PAGING_LEVELS_MAX);
    EXPECT((first->entry_count == 0) == (guest_paging_mode_of(paging) == GUEST_PAGING_OFF));
    for (unsigned i = 0; i < first->entry_count; i++) {
        uint64_t value = 0;

        EXPECT(first->entry_bytes == 4 || first->entry_bytes == 8);
        EXPECT((first->entries[i].value & 0x21) == 0x21); /* present and accessed */
        memcpy(&value, tables + first->entries[i].address.value, first->entry_bytes);
        EXPECT(value == first->entries[i].value || input_left(&interference) || swaps > 0);
    }
    if (access->kind == GUEST_ACCESS_WRITE && first->entry_count > 0)
        EXPECT(first->entries[first->entry_count - 1].value & 0x40); /* dirty */
    if (input_left(&interference) || access->kind == GUEST_ACCESS_EXECUTE)
        return;
    /* What may be written may be read. */
    less.kind = GUEST_ACCESS_READ;
    swaps = 0;
    EXPECT(translate(paging, linear, &less, &again) == GUEST_PAGING_OK);
    EXPECT(again.address.value == first->address.value);
    EXPECT(swaps == 0); /* all flags are set */
}

static void check_fault(const struct guest_translation *translation,
                        const struct guest_access *access)
{
    uint32_t error = translation->error_code;

    EXPECT((error & ~(PF_PRESENT | PF_WRITE | PF_USER | PF_RESERVED | PF_INSTRUCTION_FETCH |
                      PF_PROTECTION_KEY)) == 0);
    EXPECT(!(error & PF_WRITE) == (access->kind != GUEST_ACCESS_WRITE));
    EXPECT(!(error & PF_USER) == (access->cpl != 3 || access->implicit_supervisor));
    EXPECT((error & PF_PRESENT) || !(error & (PF_RESERVED | PF_PROTECTION_KEY)));
}

/* Tables of 16 KiB from a few entries each; the rest is absent. */
static void fill_tables(struct input *input)
{
    unsigned count = input_below(input, 24);

    memset(tables, 0, sizeof(tables));
    for (unsigned i = 0; i < count; i++) {
        unsigned at = input_u16(input) % TABLE_BYTES & ~7u;
        uint64_t value = input_u16(input); /* mostly tables that are there */
        uint8_t high = input_u8(input);

        value = (value & 0xfff) | (value >> 12 & 3) << 12;
        if (high & 0x80)
            value |= (uint64_t)input_u32(input) << 12 | (uint64_t)(high & 0x7f) << 57;
        memcpy(tables + at, &value, sizeof(value));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    struct input input = {data, data + size_bytes};
    uint8_t mode = input_u8(&input), how = input_u8(&input);
    struct guest_paging paging = {
        .cr0 = BIT(0) | (mode & 1 ? 0 : BIT(31)) | (mode & 2 ? BIT(16) : 0),
        .cr3 = input_u16(&input) & 0x3fff,
        .cr4 = (uint64_t)input_u32(&input) & 0x1ffffff,
        .efer = (mode & 4 ? BIT(11) : 0) | (mode & 8 ? BIT(8) | BIT(10) : 0),
        .rflags = mode & 16 ? BIT(18) : 0,
        .pkru = input_u32(&input),
        .physical_address_bits = (uint8_t)(32 + mode % 21),
        .has_1g_pages = mode & 32,
    };
    const struct guest_access access = {(enum guest_access_kind)(how % 3), how >> 2 & 3,
                                        how >> 4 & 1};
    struct guest_translation translation;
    uint8_t before[TABLE_BYTES];
    uint64_t linear = input_bytes(&input, 6);
    enum guest_paging_result result;

    if (paging.efer != 0 && mode & 8)
        paging.cr4 |= BIT(5); /* PAE */
    for (unsigned i = 0; i < 4; i++)
        paging.pdpte[i] = input_u16(&input);
    fill_tables(&input);
    interference = how & 0x80 ? input : (struct input){NULL, NULL};
    memcpy(before, tables, sizeof(before));
    swaps = 0;
    result = translate(&paging, linear, &access, &translation);
    switch (result) {
    case GUEST_PAGING_OK: check_ok(&paging, linear, &access, &translation); break;
    case GUEST_PAGING_FAULT:
        check_fault(&translation, &access);
        EXPECT(swaps > 0 || memcmp(before, tables, sizeof(before)) == 0);
        break;
    case GUEST_PAGING_NO_TABLE: break;
    case GUEST_PAGING_RETRY: EXPECT(how & 0x80); break;
    }
    return 0;
}
