// SPDX-License-Identifier: BSD-2-Clause
/* What happens at each VM exit: one table, complete, with a default that stops the guest. */
#ifndef VMM_RUN_EXITS_H
#define VMM_RUN_EXITS_H

#include "arch/x86/cpu.h"
#include "arch/x86/msr.h"
#include "vmm/vcpu/apic.h"

/* By basic exit reason, all of them but those that the run loop handles at once, CPUID, IN and OUT
 * without a string (io.h), known instructions on what is not RAM (mmio.h), and the end of
 * an interrupt in x2APIC mode: handles the exit whose information the current VMCS holds. */
typedef enum exit_action exit_handler(struct vcpu *vcpu);
extern exit_handler *const exit_handlers[EXIT_REASON_COUNT];

/* The handlers that have a file of their own. */
enum exit_action exit_io_string(struct vcpu *vcpu);        /* io.c: INS, OUTS */
enum exit_action exit_ept_violation(struct vcpu *vcpu);    /* mmio.c */
enum exit_action exit_control_register(struct vcpu *vcpu); /* control_registers.c */
enum exit_action exit_xsetbv(struct vcpu *vcpu);           /* control_registers.c */
enum exit_action exit_task_switch(struct vcpu *vcpu);      /* task_switch.c */
enum exit_action exit_rdmsr(struct vcpu *vcpu);            /* msr.c */
enum exit_action exit_wrmsr(struct vcpu *vcpu);            /* msr.c */
enum exit_action exit_apic_access(struct vcpu *vcpu);      /* apic.c */
enum exit_action exit_apic_write(struct vcpu *vcpu);       /* apic.c */
enum exit_action exit_virtualized_eoi(struct vcpu *vcpu);  /* apic.c */

/* CPUID with a leaf and subleaf that the vCPU does not have an answer for: asks the policy, and
 * keeps the answer if it stays the same. */
void exit_cpuid_ask_policy(struct vcpu *vcpu, uint32_t leaf, uint32_t subleaf);

static inline void exit_cpuid_set(struct vcpu *vcpu, const struct cpuid_result *result)
{
    uint64_t *gpr = vcpu->vmx.registers.gpr;

    gpr[GPR_RAX] = result->eax;
    gpr[GPR_RBX] = result->ebx;
    gpr[GPR_RCX] = result->ecx;
    gpr[GPR_RDX] = result->edx;
}

/* CPUID: an instruction that does nothing but exit, and is often executed because of that. */
static inline __attribute__((always_inline)) void exit_cpuid(struct vcpu *vcpu)
{
    const uint64_t *gpr = vcpu->vmx.registers.gpr;
    uint32_t leaf = (uint32_t)gpr[GPR_RAX], subleaf = (uint32_t)gpr[GPR_RCX];
    const struct vcpu_cpuid *seen = &vcpu->cpuid_seen[leaf % VCPU_CPUID_COUNT];

    if (__builtin_expect(seen->key == vcpu_cpuid_key(leaf, subleaf), 1))
        exit_cpuid_set(vcpu, &seen->result);
    else
        exit_cpuid_ask_policy(vcpu, leaf, subleaf);
}

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

#endif
