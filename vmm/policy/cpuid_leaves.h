// SPDX-License-Identifier: BSD-2-Clause
/* A copy of what the CPUID instruction returns on one processor, for the leaves that cpuid_policy
 * uses. It is taken once, because inside another virtual machine each CPUID exits to the hypervisor
 * below. Intel SDM vol. 2A (Sep 2023), "CPUID - CPU Identification". */
#ifndef VMM_POLICY_CPUID_LEAVES_H
#define VMM_POLICY_CPUID_LEAVES_H

#include "arch/x86/cpu.h"
#include "vmm/policy/cpuid_policy.h"

#define CPUID_LEAVES_CACHES     8  /* subleaves of leaf 4 */
#define CPUID_LEAVES_FEATURES   2  /* subleaves of leaf 7 */
#define CPUID_LEAVES_COMPONENTS 63 /* subleaves of leaf 0xd */

/* Leaves and subleaves that the processor does not have are zero. */
struct cpuid_leaves {
    struct cpuid_result basic[CPUID_MAX_BASIC + 1]; /* subleaf 0 */
    struct cpuid_result extended[CPUID_MAX_EXTENDED - 0x80000000 + 1];
    struct cpuid_result caches[CPUID_LEAVES_CACHES];
    struct cpuid_result features[CPUID_LEAVES_FEATURES];
    struct cpuid_result components[CPUID_LEAVES_COMPONENTS];
};

/* Fills in leaves by calls of read, which is the CPUID instruction as a function. Reads only leaves
 * and subleaves that exist according to leaves 0, 7 and 0x80000000. */
void cpuid_leaves_take(struct cpuid_leaves *leaves,
                       struct cpuid_result (*read)(uint32_t leaf, uint32_t subleaf));

/* Returns the copy of the leaf and subleaf; zeros if there is no copy. All subleaves of a leaf that
 * has none are the same. */
struct cpuid_result cpuid_leaves_find(const struct cpuid_leaves *leaves, uint32_t leaf,
                                      uint32_t subleaf);

#endif
