// SPDX-License-Identifier: BSD-2-Clause
/* A vCPU's local APIC, run by the processor where that has APIC virtualization and the guest is
 * allowed it (guest->apic_access_page). It follows the APIC through its modes: where the processor
 * would do something else than vmm/devices/apic/local_apic.h, the APIC is emulated until that is
 * over, on the same registers. Intel SDM vol. 3C (Sep 2023), "APIC Virtualization and Virtual
 * Interrupts". */
#ifndef VMM_VCPU_APICV_H
#define VMM_VCPU_APICV_H

#include "vmm/devices/apic/local_apic_virtual.h"
#include "vmm/vcpu/vcpu.h"

/* After vmx_vcpu_init, with the vCPU's VMCS current: takes APIC virtualization into use, if the
 * guest has an APIC-access page. msr_bitmap: the vCPU's, as msr_policy_fill_bitmap leaves it. */
void vcpu_apicv_init(struct vcpu *vcpu, uint8_t *msr_bitmap);

/* Behind the function below. */
void vcpu_apicv_change(struct vcpu *vcpu);

/* After anything that may have changed the APIC's mode, or a register that the guest reads without
 * an exit. The vCPU's VMCS is current, on its own processor. */
static inline void vcpu_apicv_follow(struct vcpu *vcpu)
{
    if (vcpu->apicv.msr_bitmap != NULL && !vcpu->apic.is_shown)
        vcpu_apicv_change(vcpu);
}

/* Before an entry: what has arrived at the APIC is the processor's to deliver. True: there is an
 * interrupt that the guest takes if RFLAGS.IF and the shadows let it; so it does not stay halted.
 */
bool vcpu_apicv_prepare_entry(struct vcpu *vcpu);

#endif
