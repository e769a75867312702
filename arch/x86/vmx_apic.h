// SPDX-License-Identifier: BSD-2-Clause
/* Sets the VM-execution controls with which the processor runs a guest's local APIC.
 *
 * Intel SDM vol. 3C (Sep 2023), "APIC Virtualization and Virtual Interrupts". Which controls may be
 * set together: "VM-Execution Control Fields" under "Checks on VMX Controls". */
#ifndef ARCH_X86_VMX_APIC_H
#define ARCH_X86_VMX_APIC_H

#include "arch/x86/vmx_vcpu.h"

#define VMX_EOI_EXIT_QUARTERS 4

enum vmx_apic_mode {
    VMX_APIC_NONE,          /* the processor virtualizes nothing; the mode after vmx_vcpu_init */
    VMX_APIC_ACCESSES_EXIT, /* every access to the APIC-access page exits */
    VMX_APIC_XAPIC,         /* registers in the page, and virtual interrupts */
    VMX_APIC_X2APIC, /* registers as MSRs that the MSR bitmap passes, and virtual interrupts */
};

/* Sets the addresses of the two pages, each 4 KiB and aligned to its size. Expects that the vCPU's
 * VMCS is current and that the processor virtualizes the APIC. The mode stays VMX_APIC_NONE, RVI
 * and SVI become 0, and no vector exits when it is ended.
 *   virtual_apic_page: the registers of this vCPU's APIC;
 *   apic_access_page: the page that the guest's EPT has where guests find their APICs. */
void vmx_apic_init(void *virtual_apic_page, hpa_t apic_access_page);

/* Sets the controls of a mode, whatever they were before, and drops what the TLB holds of the
 * APIC-access page ("Guidelines for Use of the INVEPT Instruction"). The vCPU's VMCS is current. In
 * the modes VMX_APIC_XAPIC and VMX_APIC_X2APIC, CR8 is the class of TPR and does not exit. */
void vmx_apic_set_mode(struct vmx_vcpu *vcpu, enum vmx_apic_mode mode);

/* Sets RVI (bits 7:0) and SVI (bits 15:8) for the next entry ("Guest Non-Register State"), in the
 * modes VMX_APIC_XAPIC and VMX_APIC_X2APIC. */
void vmx_apic_set_interrupt_status(uint16_t status);

/* Sets which of the 64 vectors from 64 * quarter on cause an exit when they are ended: bit n stands
 * for vector 64 * quarter + n. quarter: 0 to 3. */
void vmx_apic_set_eoi_exits(unsigned quarter, uint64_t vectors);

#endif
