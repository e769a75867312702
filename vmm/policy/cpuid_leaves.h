// SPDX-License-Identifier: BSD-2-Clause
/* What the CPUID instruction says on one processor, as far as cpuid_policy asks: taken once, since
 * inside another virtual machine each CPUID exits to the monitor below. Intel SDM vol. 2A (Sep
 * 2023), "CPUID - CPU Identification". */
#ifndef VMM_POLICY_CPUID_LEAVES_H
#define VMM_POLICY_CPUID_LEAVES_H

#include "arch/x86/cpu.h"
#include "vmm/policy/cpuid_policy.h"

#define CPUID_LEAVES_CACHES     8  /* subleaves of leaf 4 */
#define CPUID_LEAVES_FEATURES   2  /* of leaf 7 */
#define CPUID_LEAVES_COMPONENTS 63 /* of leaf 0xd */

/* Leaves and subleaves that the processor does not have are zero. */
struct cpuid_leaves {
    struct cpuid_result basic[CPUID_MAX_BASIC + 1]; /* subleaf 0 */
    struct cpuid_result extended[CPUID_MAX_EXTENDED - 0x80000000 + 1];
    struct cpuid_result caches[CPUID_LEAVES_CACHES];
    struct cpuid_result features[CPUID_LEAVES_FEATURES];
    struct cpuid_result components[CPUID_LEAVES_COMPONENTS];
};

/* Fills in leaves from read, the CPUID instruction as a function. Asks only for leaves that read's
 * leaves 0, 7 and 0x80000000 say there are. */
void cpuid_leaves_take(struct cpuid_leaves *leaves,
                       struct cpuid_result (*read)(uint32_t leaf, uint32_t subleaf));

/* What was taken for the leaf and subleaf; zeros for what was not. Subleaves of a leaf that has
 * none are all the same. */
struct cpuid_result cpuid_leaves_find(const struct cpuid_leaves *leaves, uint32_t leaf,
                                      uint32_t subleaf);

#endif
