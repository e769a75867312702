// SPDX-License-Identifier: BSD-2-Clause
/* Processors for the policies: one with every feature, one with none. */
#ifndef TESTS_UNIT_CPUID_PROCESSORS_H
#define TESTS_UNIT_CPUID_PROCESSORS_H

#include "tests/unit/unit.h"

#include "vmm/policy/cpuid_policy.h"

/* A processor that claims every feature there is; only what structures the leaves is sensible. */
static uint32_t generous_max_basic = 0x20;
static uint32_t generous_xcr0 = 0x2e7;

static inline struct cpuid_result generous(uint32_t leaf, uint32_t subleaf)
{
    /* Size, offset, flags of each XSAVE component: Skylake-X's, except a short component 5 and
     * an aligned 6, so that alignment shows in the compacted size. */
    static const struct cpuid_result components[10] = {
        [2] = {256, 576, 0, 0}, [3] = {64, 960, 0, 0},   [4] = {64, 1024, 0, 0},
        [5] = {40, 1088, 0, 0}, [6] = {512, 1152, 2, 0}, [7] = {1024, 1664, 0, 0},
        [9] = {8, 2688, 0, 0},
    };

    /* Type and level: L1 data, L1 instructions, L2, L3. */
    static const uint32_t caches[4] = {0x21, 0x22, 0x43, 0x63};

    switch (leaf) {
    case 0: return (struct cpuid_result){generous_max_basic, 0x756e6547, 0x6c65746e, 0x49656e69};
    case 2: return (struct cpuid_result){0xfe035a01, 0x00f0fffe, 0, 0xfe000000};
    case 4:
        if (subleaf > 3)
            return (struct cpuid_result){0};
        return (struct cpuid_result){0xfc1fc100 | caches[subleaf], 0x01c0003f, 0x3f, 6};
    case 7:
        if (subleaf == 0)
            return (struct cpuid_result){2, ~0u, ~0u, ~0u};
        break;
    case 0xd:
        if (subleaf == 0)
            return (struct cpuid_result){generous_xcr0, 0xbad, 0xbad, ~0u << 3};
        if (subleaf > 1)
            return subleaf < 10 ? components[subleaf] : (struct cpuid_result){64, 4096, 1, 0};
        break;
    case 0x80000000: return (struct cpuid_result){0x8000001f, 0, 0, 0};
    case 0x80000008: return (struct cpuid_result){0x3934, ~0u, ~0u, ~0u};
    default: break;
    }
    /* The callback is asked only for what exists. */
    assert_true(leaf <= generous_max_basic || (leaf >= 0x80000000 && leaf <= 0x8000001f));
    return (struct cpuid_result){~0u, ~0u, ~0u, ~0u};
}

/* A processor with nothing: no XSAVE, no leaf 7, no extended features. */
static inline struct cpuid_result meagre(uint32_t leaf, uint32_t subleaf)
{
    (void)subleaf;
    switch (leaf) {
    case 0: return (struct cpuid_result){2, 1, 2, 3};
    case 1: return (struct cpuid_result){0x6f0, 0, 0, 0x0183fbff};
    case 2: return (struct cpuid_result){0x02b3b001, 0, 0, 0};
    case 0x80000000: return (struct cpuid_result){0x80000001, 0, 0, 0};
    case 0x80000001: return (struct cpuid_result){0, 0, 0, 0};
    default: fail_msg("asked for leaf 0x%x, which it does not have", leaf);
    }
    return (struct cpuid_result){0};
}

static const struct cpuid_board full_board = {
    .host = generous,
    .rdtscp = true,
    .invpcid = true,
    .xsavec = true,
    .xsaves = true,
    .physical_address_bits = 48,
};
static const struct cpuid_guest bare_guest = {.xcr0 = 1, .code64 = true};

static inline void assert_regs(struct cpuid_result got, uint32_t eax, uint32_t ebx, uint32_t ecx,
                               uint32_t edx)
{
    assert_int_equal(got.eax, eax);
    assert_int_equal(got.ebx, ebx);
    assert_int_equal(got.ecx, ecx);
    assert_int_equal(got.edx, edx);
}

#define ASSERT_LEAF(leaf, subleaf, eax, ebx, ecx, edx)                                             \
    assert_regs(cpuid_policy(&full_board, &bare_guest, leaf, subleaf), eax, ebx, ecx, edx)

#endif
