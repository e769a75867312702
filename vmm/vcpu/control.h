// SPDX-License-Identifier: BSD-2-Clause
/* A vCPU's control registers as a whole, and what follows from them. All functions run on the
 * vCPU's own processor, with its VMCS current. Intel SDM vol. 3A (Sep 2023), "Control
 * Registers". */
#ifndef VMM_VCPU_CONTROL_H
#define VMM_VCPU_CONTROL_H

#include "vmm/vcpu/vcpu.h"

/* The CR0 bits that the guest sees only through the read shadow: NE, which VMX needs set, and the
 * cache controls. For CR4 these are the bits that no guest may set. */
#define CR0_HOST_OWNED (CR0_NE | CR0_NW | CR0_CD)

/* Returns CR0, CR3, CR4, EFER and CS.L as the guest sees them. */
struct control_registers vcpu_control_registers(const struct vcpu *vcpu);

/* Returns whether with these values the processor keeps the PDPTEs in registers (PAE paging). */
bool vcpu_uses_pae_paging(uint64_t cr0, uint64_t cr4, uint64_t efer);

/* Loads the four PDPTEs that CR3 points to. Returns false, and changes nothing, if a present one
 * has a reserved bit set or they are not in RAM (SDM vol. 3A, "PDPTE Registers": #GP). */
MUST_USE bool vcpu_load_pdptes(const struct vcpu *vcpu);

/* Loads the guest's CR3 as MOV does, with the PDPTEs, and invalidates the TLB entries of the vCPU's
 * VPID. Returns false, and changes nothing, if vcpu_load_pdptes fails. */
MUST_USE bool vcpu_load_cr3(struct vcpu *vcpu, uint64_t value);

#endif
