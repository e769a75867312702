// SPDX-License-Identifier: BSD-2-Clause
/* CPUID. Inline, as it is what the run loop does itself. */
#ifndef VMM_RUN_CPUID_H
#define VMM_RUN_CPUID_H

#include "vmm/vcpu/vcpu.h"

/* CPUID with a leaf and subleaf that the vCPU does not have an answer for: asks the policy, and
 * keeps the answer if it stays the same. */
void exit_cpuid_slow(struct vcpu *vcpu, uint32_t leaf, uint32_t subleaf);

static inline void exit_cpuid_set(struct vcpu *vcpu, const struct cpuid_result *result)
{
    uint64_t *gpr = vcpu->vmx.registers.gpr;

    gpr[GPR_RAX] = result->eax;
    gpr[GPR_RBX] = result->ebx;
    gpr[GPR_RCX] = result->ecx;
    gpr[GPR_RDX] = result->edx;
}

/* CPUID: an instruction that does nothing but exit, and is often executed because of that. */
static inline __attribute__((always_inline)) void exit_cpuid(struct vcpu *vcpu)
{
    const uint64_t *gpr = vcpu->vmx.registers.gpr;
    uint32_t leaf = (uint32_t)gpr[GPR_RAX], subleaf = (uint32_t)gpr[GPR_RCX];
    const struct vcpu_cpuid *seen = &vcpu->cpuid_seen[leaf % VCPU_CPUID_COUNT];

    if (__builtin_expect(seen->key == vcpu_cpuid_key(leaf, subleaf), 1))
        exit_cpuid_set(vcpu, &seen->result);
    else
        exit_cpuid_slow(vcpu, leaf, subleaf);
}

#endif
