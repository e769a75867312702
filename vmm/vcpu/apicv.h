// SPDX-License-Identifier: BSD-2-Clause
/* A vCPU's local APIC, run by the processor if it has APIC virtualization and the guest is allowed
 * to use it (guest->apic_access_page). This file follows the APIC through its modes: where the
 * processor would behave differently from vmm/devices/apic/local_apic.h, the monitor emulates the
 * APIC until that is over, on the same registers. Intel SDM vol. 3C (Sep 2023), "APIC
 * Virtualization and Virtual Interrupts". */
#ifndef VMM_VCPU_APICV_H
#define VMM_VCPU_APICV_H

#include "vmm/devices/apic/local_apic_virtual.h"
#include "vmm/vcpu/vcpu.h"

/* Begins to use APIC virtualization if the guest has an APIC-access page; otherwise does nothing.
 * Called after vmx_vcpu_init, with the vCPU's VMCS current. msr_bitmap is the vCPU's, as
 * msr_policy_fill_bitmap leaves it; it must live as long as the vCPU. */
void vcpu_apicv_init(struct vcpu *vcpu, uint8_t *msr_bitmap);

/* Does the work of vcpu_apicv_follow. */
void vcpu_apicv_change(struct vcpu *vcpu);

/* Follows a change of the APIC's mode, or of a register that the guest reads without an exit.
 * Called after everything that may have changed these, on the vCPU's own processor with its VMCS
 * current. */
static inline void vcpu_apicv_follow(struct vcpu *vcpu)
{
    if (vcpu->apicv.msr_bitmap != NULL && !vcpu->apic.is_shown)
        vcpu_apicv_change(vcpu);
}

/* Hands over what has arrived at the APIC to the processor, which delivers it. Called before an
 * entry. Returns true if there is an interrupt that the guest takes as soon as RFLAGS.IF and the
 * shadows allow it, so the vCPU does not stay halted. Returns false also if the APIC is
 * emulated. */
bool vcpu_apicv_prepare_entry(struct vcpu *vcpu);

#endif
