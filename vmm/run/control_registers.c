// SPDX-License-Identifier: BSD-2-Clause
/* Handles writes to CR0, CR4 and XCR0 that the guest may not make alone, and accesses to CR8.
 *
 * vmm/policy/control_registers.h says which values are legal. This file puts a new value into
 * force: it writes the VMCS, with the consequences that the instruction has on a processor (IA-32e
 * mode, PDPTEs, TLB). Intel SDM vol. 3A (Sep 2023), "Control Registers"; vol. 3C, "Instructions
 * That Cause VM Exits Conditionally". */
#include "arch/x86/cpu.h"
#include "arch/x86/exits/exit_qualification.h"
#include "arch/x86/msr.h"
#include "arch/x86/vmcs.h"
#include "arch/x86/vmx.h"
#include "vmm/guest/guest.h"
#include "vmm/policy/xcr0.h"
#include "vmm/run/exits.h"
#include "vmm/vcpu/apic.h"
#include "vmm/vcpu/control.h"
#include "vmm/vcpu/events.h"
#include "vmm/vcpu/stop.h"

/* CR4 bits whose change makes the processor read the PDPTEs again (SDM vol. 3A, "PDPTE Registers").
 */
#define CR4_PDPTE_BITS (CR4_PAE | CR4_PGE | CR4_PSE | CR4_SMEP)

static enum exit_action write_cr0_of_guest(struct vcpu *vcpu, uint64_t value)
{
    struct control_registers now = vcpu_control_registers(vcpu);

    if (!cr0_write(&now, value, &value))
        return events_general_protection(vcpu);
    if (vcpu_uses_pae_paging(value, now.cr4, now.efer) &&
        ((now.cr0 ^ value) & (CR0_PG | CR0_CD | CR0_NW)) != 0 && !vcpu_load_pdptes(vcpu))
        return events_general_protection(vcpu);
    vmx_vcpu_set_cr0(&vcpu->vmx, value);
    if (((now.cr0 ^ value) & CR0_PG) != 0)
        vmx_vcpu_set_efer(&vcpu->vmx, now.efer); /* LMA follows PG */
    if (((now.cr0 ^ value) & (CR0_PG | CR0_WP)) != 0)
        vmx_invalidate_vpid(vcpu->vmx.vpid);
    return EXIT_NEXT_INSTRUCTION;
}

static enum exit_action write_cr4_of_guest(struct vcpu *vcpu, uint64_t value)
{
    struct control_registers now = vcpu_control_registers(vcpu);

    if (!cr4_write(&vcpu->cpuid, &now, value))
        return events_general_protection(vcpu);
    if (vcpu_uses_pae_paging(now.cr0, value, now.efer) &&
        ((now.cr4 ^ value) & CR4_PDPTE_BITS) != 0 && !vcpu_load_pdptes(vcpu))
        return events_general_protection(vcpu);
    vmx_vcpu_set_cr4(&vcpu->vmx, value);
    vmx_invalidate_vpid(vcpu->vmx.vpid);
    return EXIT_NEXT_INSTRUCTION;
}

static enum exit_action access_cr8(struct vcpu *vcpu, const struct exit_cr *access)
{
    if (access->kind == EXIT_MOV_FROM_CR) {
        vmx_vcpu_set_gpr(&vcpu->vmx, access->gpr, local_apic_cr8(&vcpu->apic));
        return EXIT_NEXT_INSTRUCTION;
    }
    uint64_t value = vmx_vcpu_gpr(&vcpu->vmx, access->gpr);
    if (value > 15)
        return events_general_protection(vcpu);
    local_apic_write_cr8(&vcpu->apic, value);
    vcpu_look_at_apic(vcpu);
    return EXIT_NEXT_INSTRUCTION;
}

/* LMSW loads CR0's low four bits and cannot clear PE (SDM vol. 2A, "LMSW"). */
static uint64_t lmsw_result(const struct vcpu *vcpu, uint16_t source)
{
    uint64_t cr0 = vmx_vcpu_cr0(&vcpu->vmx);

    return (cr0 & ~(CR0_MP | CR0_EM | CR0_TS)) | (source & (CR0_PE | CR0_MP | CR0_EM | CR0_TS));
}

enum exit_action exit_control_register(struct vcpu *vcpu)
{
    struct exit_cr access = exit_qualification_cr(vmcs_read_natural(VMCS_EXIT_QUALIFICATION));

    if (access.control_register == 8)
        return access_cr8(vcpu, &access);
    switch (access.kind) {
    case EXIT_CLTS: return write_cr0_of_guest(vcpu, vmx_vcpu_cr0(&vcpu->vmx) & ~CR0_TS);
    case EXIT_LMSW: return write_cr0_of_guest(vcpu, lmsw_result(vcpu, access.lmsw_source));
    case EXIT_MOV_TO_CR:
        if (access.control_register == 0)
            return write_cr0_of_guest(vcpu, vmx_vcpu_gpr(&vcpu->vmx, access.gpr));
        if (access.control_register == 4)
            return write_cr4_of_guest(vcpu, vmx_vcpu_gpr(&vcpu->vmx, access.gpr));
        break;
    case EXIT_MOV_FROM_CR: break;
    }
    vcpu_stop(vcpu, "exit for an access to CR%u that no control asks for", access.control_register);
    return EXIT_RESUME;
}

/* The processor has checked CPL and CR4.OSXSAVE before the exit. */
enum exit_action exit_xsetbv(struct vcpu *vcpu)
{
    const uint64_t *gpr = vcpu->vmx.registers.gpr;
    uint64_t value = gpr[GPR_RDX] << 32 | (uint32_t)gpr[GPR_RAX];

    if ((uint32_t)gpr[GPR_RCX] != 0 || !xcr0_is_valid(value, xcr0_allowed_mask(&vcpu->cpuid)))
        return events_general_protection(vcpu);
    xsetbv(0, value); /* the monitor uses no extended state: the register is the guest's */
    return EXIT_NEXT_INSTRUCTION;
}
