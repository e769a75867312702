// SPDX-License-Identifier: BSD-2-Clause
/* The WRMSR exits that are so frequent that the run loop handles them itself. exit_rdmsr and
 * exit_wrmsr handle all others. */
#ifndef VMM_RUN_MSR_H
#define VMM_RUN_MSR_H

#include "arch/x86/msr.h"
#include "vmm/vcpu/apic.h"

/* Executes a WRMSR that ends an interrupt in x2APIC mode; a guest makes one for each interrupt.
 * Returns false for another write; then nothing has happened. */
static inline __attribute__((always_inline)) bool exit_x2apic_eoi(struct vcpu *vcpu)
{
    const uint64_t *gpr = vcpu->vmx.registers.gpr;

    if ((uint32_t)gpr[GPR_RCX] != IA32_X2APIC_EOI || (uint32_t)(gpr[GPR_RAX] | gpr[GPR_RDX]) != 0 ||
        !local_apic_eoi(&vcpu->apic, LOCAL_APIC_X2APIC))
        return false;
    vcpu_look_at_interrupts(vcpu);
    return true;
}

/* Executes a WRMSR that sets the TSC deadline of the APIC's timer; many kernels make one or two for
 * each tick. Only the deadline and the preemption timer change. exited_tsc is the time-stamp of the
 * exit. Returns false for another write; then nothing has happened. */
bool exit_move_tsc_deadline(struct vcpu *vcpu, uint64_t exited_tsc);

#endif
