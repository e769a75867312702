// SPDX-License-Identifier: BSD-2-Clause
/* CPUID: a table, at first that of a server of 2021 (family 6, model 0x6a). */
#include "tests/fake/processor.h"

#include "arch/x86/instructions.h"
#include "arch/x86/msr.h"

#include <string.h>

#define ROWS_MAX 96

#define LEAF_1_EDX_APIC    BIT(9)
#define LEAF_1_ECX_OSXSAVE BIT(27)

struct row {
    uint32_t leaf, subleaf;
    struct cpuid_result result;
};

static const struct row initial[] = {
    {0, 0, {0x16, 0x756e6547, 0x6c65746e, 0x49656e69}}, /* GenuineIntel */
    {1, 0, {0x000606a6, 0x00100800, 0x77fafbff, 0xbfebfbff}},
    {2, 0, {0x00feff01, 0xf0, 0, 0}},
    {4, 0, {0x04004121, 0x02c0003f, 0x3f, 0}},
    {4, 1, {0x04004122, 0x01c0003f, 0x3f, 0}},
    {4, 2, {0x04004143, 0x04c0003f, 0x3ff, 0}},
    {4, 3, {0x04004163, 0x02c0003f, 0xbfff, 4}},
    {5, 0, {0x40, 0x40, 3, 0x2020}},
    {6, 0, {4, 0, 0, 0}}, /* the APIC timer always runs */
    {7, 0, {0, 0xd19f07ab, 0x0040000c, 0xac000400}},
    {0xa, 0, {0x08300805, 0, 0xf, 0x8604}},
    {0xb, 0, {0, 1, 0x100, 0}},
    {0xb, 1, {4, 16, 0x201, 0}},
    {0xd, 0, {0x2e7, 0xa88, 0xa88, 0}},
    {0xd, 1, {0xf, 0xa08, 0x100, 0}},
    {0xd, 2, {0x100, 0x240, 0, 0}},
    {0xd, 5, {0x40, 0x440, 0, 0}},
    {0xd, 6, {0x200, 0x480, 0, 0}},
    {0xd, 7, {0x400, 0x680, 0, 0}},
    {0xd, 9, {8, 0xa80, 0, 0}},
    {0x15, 0, {2, 160, 25000000, 0}}, /* 2 GHz */
    {0x16, 0, {2000, 3000, 100, 0}},
    {0x80000000, 0, {0x80000008, 0, 0, 0}},
    {0x80000001, 0, {0, 0, 0x121, 0x2c100800}},
    {0x80000002, 0, {0x656b6146, 0x6f727020, 0x73736563, 0x726f}},
    {0x80000006, 0, {0, 0, 0x05007040, 0}},
    {0x80000007, 0, {0, 0, 0, 0x100}}, /* the TSC is invariant */
    {0x80000008, 0, {0x3034, 0, 0, 0}},
};

static struct row rows[ROWS_MAX];
static unsigned row_count;

void fake_cpuid_reset(void)
{
    memcpy(rows, initial, sizeof(initial));
    row_count = ARRAY_COUNT(initial);
}

static struct row *find(uint32_t leaf, uint32_t subleaf)
{
    for (unsigned i = 0; i < row_count; i++) {
        if (rows[i].leaf == leaf && rows[i].subleaf == subleaf)
            return &rows[i];
    }
    return NULL;
}

void fake_set_cpuid(uint32_t leaf, uint32_t subleaf, struct cpuid_result result)
{
    struct row *row = find(leaf, subleaf);

    if (row == NULL) {
        if (row_count == ROWS_MAX)
            fake_misuse("more than %u leaves of CPUID", ROWS_MAX);
        row = &rows[row_count++];
        *row = (struct row){.leaf = leaf, .subleaf = subleaf};
    }
    row->result = result;
}

struct cpuid_result fake_get_cpuid(uint32_t leaf, uint32_t subleaf)
{
    const struct row *row = find(leaf, subleaf);

    return row == NULL ? (struct cpuid_result){0} : row->result;
}

static bool has_subleaves(uint32_t leaf)
{
    return leaf == 4 || leaf == 7 || leaf == 0xb || leaf == 0xd;
}

struct cpuid_result cpuid(uint32_t leaf, uint32_t subleaf)
{
    struct fake_processor *self = fake_this();
    struct cpuid_result result = fake_get_cpuid(leaf, has_subleaves(leaf) ? subleaf : 0);

    switch (leaf) {
    case 1:
        result.ebx |= self->apic_id << 24;
        if ((self->cr4 & CR4_OSXSAVE) != 0)
            result.ecx |= LEAF_1_ECX_OSXSAVE;
        if ((fake_get_msr(self->index, IA32_APIC_BASE) & APIC_BASE_ENABLE) == 0)
            result.edx &= ~(uint32_t)LEAF_1_EDX_APIC;
        break;
    case 0xb: result.edx = self->apic_id; break;
    default: break;
    }
    return result;
}
