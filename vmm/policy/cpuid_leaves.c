// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/policy/cpuid_leaves.h"

#include "vmm/base/types.h"

#define LEAF_CACHES     0x4u
#define LEAF_FEATURES   0x7u
#define LEAF_COMPONENTS 0xdu
#define LEAF_EXTENDED   0x80000000u

/* Reads the first count subleaves of a leaf. */
static void take_subleaves(struct cpuid_result *results, uint32_t count, uint32_t leaf,
                           struct cpuid_result (*read)(uint32_t leaf, uint32_t subleaf))
{
    for (uint32_t i = 0; i < count; i++)
        results[i] = read(leaf, i);
}

static uint32_t smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

void cpuid_leaves_take(struct cpuid_leaves *leaves,
                       struct cpuid_result (*read)(uint32_t leaf, uint32_t subleaf))
{
    uint32_t max_basic = read(0, 0).eax, max_extended = read(LEAF_EXTENDED, 0).eax;

    *leaves = (struct cpuid_leaves){0};
    for (uint32_t leaf = 0; leaf <= smaller(max_basic, CPUID_MAX_BASIC); leaf++)
        leaves->basic[leaf] = read(leaf, 0);
    for (uint32_t leaf = LEAF_EXTENDED; leaf <= smaller(max_extended, CPUID_MAX_EXTENDED); leaf++)
        leaves->extended[leaf - LEAF_EXTENDED] = read(leaf, 0);
    if (max_basic >= LEAF_CACHES)
        take_subleaves(leaves->caches, CPUID_LEAVES_CACHES, LEAF_CACHES, read);
    if (max_basic >= LEAF_FEATURES)
        take_subleaves(leaves->features,
                       smaller(read(LEAF_FEATURES, 0).eax, CPUID_LEAVES_FEATURES - 1) + 1,
                       LEAF_FEATURES, read);
    if (max_basic >= LEAF_COMPONENTS)
        take_subleaves(leaves->components, CPUID_LEAVES_COMPONENTS, LEAF_COMPONENTS, read);
}

static struct cpuid_result element(const struct cpuid_result *results, size_t count, uint32_t index)
{
    return index < count ? results[index] : (struct cpuid_result){0};
}

struct cpuid_result cpuid_leaves_find(const struct cpuid_leaves *leaves, uint32_t leaf,
                                      uint32_t subleaf)
{
    switch (leaf) {
    case LEAF_CACHES: return element(leaves->caches, CPUID_LEAVES_CACHES, subleaf);
    case LEAF_FEATURES: return element(leaves->features, CPUID_LEAVES_FEATURES, subleaf);
    case LEAF_COMPONENTS: return element(leaves->components, CPUID_LEAVES_COMPONENTS, subleaf);
    default: break;
    }
    return leaf >= LEAF_EXTENDED
               ? element(leaves->extended, ARRAY_COUNT(leaves->extended), leaf - LEAF_EXTENDED)
               : element(leaves->basic, ARRAY_COUNT(leaves->basic), leaf);
}
