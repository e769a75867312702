// SPDX-License-Identifier: BSD-2-Clause
/* WRMSR, where it is so frequent that the run loop does it itself; all else is exit_rdmsr's and
 * exit_wrmsr's. */
#ifndef VMM_RUN_MSR_H
#define VMM_RUN_MSR_H

#include "arch/x86/msr.h"
#include "vmm/vcpu/apic.h"

/* WRMSR that ends an interrupt, in x2APIC mode: what a guest does once for each. False: another
 * write, and nothing has happened. */
static inline __attribute__((always_inline)) bool exit_x2apic_eoi(struct vcpu *vcpu)
{
    const uint64_t *gpr = vcpu->vmx.registers.gpr;

    if ((uint32_t)gpr[GPR_RCX] != IA32_X2APIC_EOI || (uint32_t)(gpr[GPR_RAX] | gpr[GPR_RDX]) != 0 ||
        !local_apic_eoi(&vcpu->apic, LOCAL_APIC_X2APIC))
        return false;
    vcpu_look_at_interrupts(vcpu);
    return true;
}

/* WRMSR that sets the APIC timer's TSC deadline, which many kernels do once or twice for each tick:
 * nothing but the preemption timer has to be set anew. False: another write, and nothing has
 * happened. */
bool exit_move_tsc_deadline(struct vcpu *vcpu, uint64_t exited_tsc);

#endif
