// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/vcpu/debug.h"

#include "arch/x86/cpu.h"
#include "arch/x86/exits/exit_qualification.h"
#include "vmm/vcpu/events.h"

void vcpu_debug_choose_flags(struct vcpu *vcpu)
{
    uint64_t always = vcpu->is_watched ? RFLAGS_ONE : 0;

    /* Where the processor delivers interrupts itself, a shadow that has outlived its instruction
     * would hold one back that the monitor does not know of. */
    vcpu->finish_flags = RFLAGS_TF | RFLAGS_RF | always | (vcpu->apic.is_virtual ? RFLAGS_IF : 0);
    vcpu->takes_flags = RFLAGS_IF | RFLAGS_TF | always;
}

static void set_watched(struct vcpu *vcpu, bool is_watched)
{
    vcpu->is_watched = is_watched;
    vmx_vcpu_set_primary(&vcpu->vmx, PRIMARY_MOV_DR_EXITING, !is_watched);
    vcpu_debug_choose_flags(vcpu);
}

void vcpu_debug_reset(struct vcpu *vcpu)
{
    set_watched(vcpu, false);
}

void vcpu_debug_watch(struct vcpu *vcpu)
{
    set_watched(vcpu, true);
    insn_cache_forget(&vcpu->insn_cache);
}

uint64_t vcpu_debug_met(const struct vcpu *vcpu, enum breakpoint_access access, uint64_t address,
                        size_t size_bytes)
{
    const struct breakpoints breakpoints = {
        .address = {read_dr0(), read_dr1(), read_dr2(), read_dr3()},
        .dr7 = vmcs_read_natural(VMCS_GUEST_DR7),
    };

    if (access == BREAKPOINT_PORT && (vmx_vcpu_cr4(&vcpu->vmx) & CR4_DE) == 0)
        return 0;
    return breakpoints_met(&breakpoints, access, address, size_bytes);
}

void vcpu_debug_finish(struct vcpu *vcpu)
{
    uint64_t qualification;

    if ((vmcs_read_natural(VMCS_GUEST_DR7) & DR7_ENABLES) == 0) {
        set_watched(vcpu, false);
        return;
    }
    if (EXIT_REASON_BASIC(vmcs_read32(VMCS_EXIT_REASON)) != EXIT_REASON_IO_INSTRUCTION)
        return;
    qualification = vmcs_read_natural(VMCS_EXIT_QUALIFICATION);
    if ((qualification & EXIT_IO_STRING) == 0)
        events_pend_breakpoints(vcpu_debug_met(vcpu, BREAKPOINT_PORT, EXIT_IO_PORT(qualification),
                                               EXIT_IO_SIZE_BYTES(qualification)));
}
