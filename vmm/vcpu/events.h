// SPDX-License-Identifier: BSD-2-Clause
/* Decides what enters a guest at its next VM entry: exceptions that handlers queue, events whose
 * delivery an exit interrupted, NMIs, and interrupts of the local APIC and the 8259s.
 *
 * Intel SDM vol. 3C (Sep 2023), "Event Injection", "Information for VM Exits That Occur During
 * Event Delivery", "Interrupt-Window Exiting". */
#ifndef VMM_VCPU_EVENTS_H
#define VMM_VCPU_EVENTS_H

#include "arch/x86/registers.h"
#include "vmm/vcpu/vcpu.h"

/* Queues a hardware exception for the next entry. error_code is ignored for vectors that have none,
 * and in real mode. An exception that meets another one still queued becomes a double fault where
 * SDM vol. 3A, "Interrupt 8 - Double Fault Exception (#DF)" says so. */
void events_inject_exception(struct vcpu *vcpu, enum trap_vector vector, uint32_t error_code);

/* Queues #GP(0), the answer to most of what a guest does wrong. Returns EXIT_RESUME, for the
 * handler of an exit. */
enum exit_action events_general_protection(struct vcpu *vcpu);

/* Queues #PF as events_inject_exception does, and writes address to CR2. */
void events_inject_page_fault(struct vcpu *vcpu, gva_t address, uint32_t error_code);

/* Returns whether a guest with these flags single-steps: rflags.TF is set, and DEBUGCTL.BTF does
 * not make it step from branch to branch. */
bool events_single_steps(uint64_t rflags);

/* Makes the single-step trap pending if the guest single-steps. Called after an instruction, or one
 * iteration of a repeated one, was executed in the guest's stead. What was pending before, held back
 * by the shadow of MOV SS, stays so. SDM vol. 3C, "Pending Debug Exceptions" under "Guest
 * Non-Register State". */
void events_pend_single_step(uint64_t rflags);

/* Makes the single-step trap of a branch pending, with which a guest steps from branch to branch as
 * well. Called after a taken branch was executed in the guest's stead. */
void events_pend_branch_step(uint64_t rflags);

/* Makes the trap of these breakpoints pending, B0 to B3 as in DR6; does nothing if there are none. */
void events_pend_breakpoints(uint64_t met);

/* Ends the shadow of STI and MOV SS, as an instruction does that is executed in the guest's
 * stead. */
void events_leave_shadow(void);

/* Begins the shadow of MOV SS. */
void events_begin_shadow(void);

/* Queues the event again whose delivery the exit interrupted, with its error code and instruction
 * length; does nothing if there was none. Called after an exit that may come during the delivery of
 * an event. */
void events_requeue_interrupted(struct vcpu *vcpu);

/* Returns whether nothing has been queued or held back since the last entry was prepared. */
static inline bool events_are_quiet(const struct vcpu *vcpu)
{
    return vcpu->event.info == 0 && vcpu->nmis_pending == 0 &&
           (vcpu->vmx.primary_controls &
            (PRIMARY_INTERRUPT_WINDOW_EXITING | PRIMARY_NMI_WINDOW_EXITING)) == 0;
}

/* Returns whether the guest is in the shadow of STI or MOV SS. */
static inline __attribute__((always_inline)) bool events_in_shadow(void)
{
    return (vmcs_read32(VMCS_GUEST_INTERRUPTIBILITY) &
            (INTERRUPTIBILITY_STI | INTERRUPTIBILITY_MOV_SS)) != 0;
}

/* Injects the local APIC's pending interrupt in a short way. Called where events are quiet. It
 * injects only if the guest takes the interrupt now, no debug trap can be pending, and no interrupt
 * of the 8259s is, so that no other interrupt pends after it. It does not inject the timer's
 * interrupt, as taking that moves a deadline. The injection ends HLT; the caller does what follows
 * from it. Returns false if nothing has happened and events_prepare_entry has to decide. */
static inline __attribute__((always_inline)) bool events_inject_pending_interrupt(struct vcpu *vcpu)
{
    struct local_apic *apic = &vcpu->apic;
    int vector;

    if (apic->is_virtual || local_apic_extint_pending(apic) ||
        (vmcs_read_natural(VMCS_GUEST_RFLAGS) & vcpu->takes_flags) != RFLAGS_IF ||
        events_in_shadow())
        return false;
    vector = local_apic_pending_vector(apic);
    if (vector == LOCAL_APIC_NO_VECTOR || local_apic_is_timer_vector(apic, vector))
        return false;
    vmcs_write32(VMCS_ENTRY_INTERRUPTION_INFO,
                 (uint32_t)INTERRUPTION_INFO(INTERRUPTION_EXTERNAL, local_apic_acknowledge(apic)));
    return true;
}

/* Decides what the next entry injects: a queued event, else an NMI, else an interrupt if the guest
 * takes it now. For what has to wait, asks the processor to exit as soon as the guest would take
 * it. Returns true if an interrupt or an NMI still waits. */
bool events_prepare_entry(struct vcpu *vcpu);

#endif
