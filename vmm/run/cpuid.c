// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/run/cpuid.h"

#include "arch/x86/cpu.h"
#include "arch/x86/msr.h"

/* Returns whether a leaf shows what the guest has set in CR4, XCR0 or IA32_APIC_BASE, or the size
 * of its code. */
static bool cpuid_depends_on_guest(uint32_t leaf)
{
    return leaf == 0x1 || leaf == 0x7 || leaf == 0xd || leaf == 0x80000001;
}

void exit_cpuid_slow(struct vcpu *vcpu, uint32_t leaf, uint32_t subleaf)
{
    struct cpuid_guest guest = {
        .cr4 = vmx_vcpu_cr4(&vcpu->vmx),
        .xcr0 = 0,
        .code64 = vmx_vcpu_in_64bit_code(&vcpu->vmx),
        .limits_leaves = (vcpu->msrs.misc_enable & MISC_ENABLE_LIMIT_CPUID_MAXVAL) != 0,
        .disables_execute_disable = (vcpu->msrs.misc_enable & MISC_ENABLE_XD_DISABLE) != 0,
        .apic_enabled = (local_apic_base(&vcpu->apic) & APIC_BASE_ENABLE) != 0,
    };
    /* The processor's XCR0 is the guest's. Without CR4.OSXSAVE, XGETBV causes #UD. */
    if ((read_cr4() & CR4_OSXSAVE) != 0)
        guest.xcr0 = xgetbv(0);

    struct cpuid_result result = cpuid_policy(&vcpu->cpuid, &guest, leaf, subleaf);

    if (!cpuid_depends_on_guest(leaf))
        vcpu->cpuid_seen[leaf % VCPU_CPUID_COUNT] =
            (struct vcpu_cpuid){.key = vcpu_cpuid_key(leaf, subleaf), .result = result};
    exit_cpuid_set(vcpu, &result);
}
