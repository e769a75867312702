// SPDX-License-Identifier: BSD-2-Clause
/* Handles RDMSR and WRMSR: carries out what vmm/policy/msr_policy.h decides. */
#include "vmm/run/msr.h"

#include "arch/x86/cpu.h"
#include "arch/x86/vmcs.h"
#include "vmm/base/log.h"
#include "vmm/guest/guest.h"
#include "vmm/run/exits.h"
#include "vmm/run/timer.h"
#include "vmm/vcpu/apic.h"
#include "vmm/vcpu/control.h"
#include "vmm/vcpu/events.h"

/* Reads an MSR that the bitmap passes through; a VMCS field or the processor holds its value. An
 * exit for such an MSR happens only where the bitmap has no effect, for example under another
 * monitor. */
static enum msr_outcome read_passed(uint32_t index, uint64_t *value)
{
    switch (index) {
    case IA32_FS_BASE: *value = vmcs_read_natural(VMCS_GUEST_FS_BASE); break;
    case IA32_GS_BASE: *value = vmcs_read_natural(VMCS_GUEST_GS_BASE); break;
    case IA32_SYSENTER_CS: *value = vmcs_read32(VMCS_GUEST_IA32_SYSENTER_CS); break;
    case IA32_SYSENTER_ESP: *value = vmcs_read_natural(VMCS_GUEST_IA32_SYSENTER_ESP); break;
    case IA32_SYSENTER_EIP: *value = vmcs_read_natural(VMCS_GUEST_IA32_SYSENTER_EIP); break;
    default: *value = rdmsr(index); break;
    }
    return MSR_DONE;
}

static bool is_canonical(uint64_t address)
{
    return (uint64_t)((int64_t)(address << 16) >> 16) == address;
}

static enum msr_outcome write_passed(uint32_t index, uint64_t value)
{
    if (index != IA32_SYSENTER_CS && index != IA32_STAR && index != IA32_FMASK &&
        index != IA32_TSC_AUX && !is_canonical(value))
        return MSR_GP;
    switch (index) {
    case IA32_FS_BASE: vmcs_write_natural(VMCS_GUEST_FS_BASE, value); break;
    case IA32_GS_BASE: vmcs_write_natural(VMCS_GUEST_GS_BASE, value); break;
    case IA32_SYSENTER_CS: vmcs_write32(VMCS_GUEST_IA32_SYSENTER_CS, (uint32_t)value); break;
    case IA32_SYSENTER_ESP: vmcs_write_natural(VMCS_GUEST_IA32_SYSENTER_ESP, value); break;
    case IA32_SYSENTER_EIP: vmcs_write_natural(VMCS_GUEST_IA32_SYSENTER_EIP, value); break;
    case IA32_FMASK:
    case IA32_TSC_AUX:
        if (value > UINT32_MAX)
            return MSR_GP;
        wrmsr(index, value);
        break;
    default: wrmsr(index, value); break;
    }
    return MSR_DONE;
}

static enum msr_outcome done_if(bool is_done)
{
    return is_done ? MSR_DONE : MSR_GP;
}

static enum msr_outcome read_msr(struct vcpu *vcpu, uint32_t index, uint64_t *value)
{
    enum msr_outcome outcome = msr_policy_read(&vcpu->msrs, index, value);

    switch (outcome) {
    case MSR_IS_EFER: *value = vmx_vcpu_efer(&vcpu->vmx); return MSR_DONE;
    case MSR_IS_TSC: *value = vcpu_guest_tsc(vcpu); return MSR_DONE;
    case MSR_IS_DEBUGCTL: *value = vmcs_read64(VMCS_GUEST_IA32_DEBUGCTL); return MSR_DONE;
    case MSR_IS_PAT: *value = vmcs_read64(VMCS_GUEST_IA32_PAT); return MSR_DONE;
    case MSR_IS_PASSED: return read_passed(index, value);
    case MSR_IS_APIC_BASE: *value = local_apic_base(&vcpu->apic); return MSR_DONE;
    case MSR_IS_X2APIC:
        return done_if(local_apic_read_msr(&vcpu->apic, index, vcpu_guest_tsc(vcpu), value));
    case MSR_IS_TSC_DEADLINE:
        *value = local_apic_tsc_deadline(&vcpu->apic, vcpu_guest_tsc(vcpu));
        return MSR_DONE;
    case MSR_IS_MISC_ENABLE: /* a result of writes only */
    case MSR_DONE:
    case MSR_GP: break;
    }
    return outcome;
}

static enum msr_outcome write_msr(struct vcpu *vcpu, uint32_t index, uint64_t value)
{
    enum msr_outcome outcome = msr_policy_write(&vcpu->msrs, index, value);

    switch (outcome) {
    case MSR_IS_EFER: {
        struct control_registers now = vcpu_control_registers(vcpu);
        now.disables_execute_disable = (vcpu->msrs.misc_enable & MISC_ENABLE_XD_DISABLE) != 0;
        if (!efer_write(&vcpu->cpuid, &now, value, &value))
            return MSR_GP;
        vmx_vcpu_set_efer(&vcpu->vmx, value);
        return MSR_DONE;
    }
    case MSR_IS_TSC: vcpu_set_guest_tsc(vcpu, value); return MSR_DONE;
    case MSR_IS_PAT: vmcs_write64(VMCS_GUEST_IA32_PAT, value); return MSR_DONE;
    case MSR_IS_MISC_ENABLE: vcpu_forget_cpuid(vcpu); return MSR_DONE;
    case MSR_IS_DEBUGCTL: vmcs_write64(VMCS_GUEST_IA32_DEBUGCTL, value); return MSR_DONE;
    case MSR_IS_PASSED: return write_passed(index, value);
    case MSR_IS_APIC_BASE: return done_if(vcpu_write_apic_base(vcpu, value));
    case MSR_IS_X2APIC: return done_if(vcpu_write_apic_msr(vcpu, index, value));
    case MSR_IS_TSC_DEADLINE:
        local_apic_write_tsc_deadline(&vcpu->apic, value, vcpu_guest_tsc(vcpu));
        vcpu_look_at_apic(vcpu);
        return MSR_DONE;
    case MSR_DONE:
    case MSR_GP: break;
    }
    return outcome;
}

enum exit_action exit_rdmsr(struct vcpu *vcpu)
{
    uint64_t *gpr = vcpu->vmx.registers.gpr;
    uint64_t value = 0;

    if (read_msr(vcpu, (uint32_t)gpr[GPR_RCX], &value) != MSR_DONE)
        return events_general_protection(vcpu);
    gpr[GPR_RAX] = (uint32_t)value;
    gpr[GPR_RDX] = value >> 32;
    return EXIT_NEXT_INSTRUCTION;
}

enum exit_action exit_wrmsr(struct vcpu *vcpu)
{
    const uint64_t *gpr = vcpu->vmx.registers.gpr;
    uint64_t value = gpr[GPR_RDX] << 32 | (uint32_t)gpr[GPR_RAX];

    if (write_msr(vcpu, (uint32_t)gpr[GPR_RCX], value) != MSR_DONE)
        return events_general_protection(vcpu);
    return EXIT_NEXT_INSTRUCTION;
}

bool exit_move_tsc_deadline(struct vcpu *vcpu, uint64_t exited_tsc)
{
    const uint64_t *gpr = vcpu->vmx.registers.gpr;
    uint64_t value = gpr[GPR_RDX] << 32 | (uint32_t)gpr[GPR_RAX];

    if ((uint32_t)gpr[GPR_RCX] != IA32_TSC_DEADLINE ||
        !local_apic_move_tsc_deadline(&vcpu->apic, value, exited_tsc + vcpu->tsc_offset))
        return false;
    timer_set_deadline(vcpu, exited_tsc);
    timer_arm(vcpu, exited_tsc);
    return true;
}
