// SPDX-License-Identifier: BSD-2-Clause
/* Handles CPUID. The functions are inline because the run loop handles this exit by itself. */
#ifndef VMM_RUN_CPUID_H
#define VMM_RUN_CPUID_H

#include "vmm/vcpu/vcpu.h"

/* Executes CPUID with a leaf and subleaf for which the vCPU has no answer: asks the policy, and
 * keeps the answer if nothing that the guest does can change it. */
void exit_cpuid_slow(struct vcpu *vcpu, uint32_t leaf, uint32_t subleaf);

static inline void exit_cpuid_set(struct vcpu *vcpu, const struct cpuid_result *result)
{
    uint64_t *gpr = vcpu->vmx.registers.gpr;

    gpr[GPR_RAX] = result->eax;
    gpr[GPR_RBX] = result->ebx;
    gpr[GPR_RCX] = result->ecx;
    gpr[GPR_RDX] = result->edx;
}

/* Executes CPUID. The instruction does nothing except exit, so guests often execute it for the
 * exit. */
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
