// SPDX-License-Identifier: BSD-2-Clause
/* The VM-execution controls by which a processor runs a guest's local APIC.
 *
 * Intel SDM vol. 3C (Sep 2023), "APIC Virtualization and Virtual Interrupts"; which controls may be
 * set together: "VM-Execution Control Fields" under "Checks on VMX Controls". */
#ifndef ARCH_X86_VMX_APIC_H
#define ARCH_X86_VMX_APIC_H

#include "arch/x86/vmx_vcpu.h"

#define VMX_EOI_EXIT_QUARTERS 4

enum vmx_apic_mode {
    VMX_APIC_NONE,          /* the processor has no part in it; what comes of vmx_vcpu_init */
    VMX_APIC_ACCESSES_EXIT, /* every access to the APIC-access page exits */
    VMX_APIC_XAPIC,         /* registers in the page, virtual interrupts */
    VMX_APIC_X2APIC,        /* registers as MSRs, where the MSR bitmap passes them; likewise */
};

/* Names the pages, 4 KiB each and aligned so: the registers of this vCPU's APIC, and what the
 * guest's EPT has where guests find their APICs. The vCPU's VMCS is current, the processor
 * virtualizes the APIC. The mode stays VMX_APIC_NONE. */
void vmx_apic_init(void *virtual_apic_page, hpa_t apic_access_page);

/* Sets the controls of a mode, whatever they were before, and drops what the TLB knows of the
 * APIC-access page ("Guidelines for Use of the INVEPT Instruction"). The vCPU's VMCS is current. In
 * the last two modes CR8 is TPR's class without exits. */
void vmx_apic_set_mode(struct vmx_vcpu *vcpu, enum vmx_apic_mode mode);

/* In the last two modes, before an entry: RVI and SVI ("Guest Non-Register State"). */
void vmx_apic_set_interrupt_status(uint16_t status);

/* And which of the vectors 64 * quarter and up exit when they are ended; quarter: 0..3. */
void vmx_apic_set_eoi_exits(unsigned quarter, uint64_t vectors);

#endif
