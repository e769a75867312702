/* What goes into a guest at its next VM entry: exceptions that handlers queue, events whose
 * delivery an exit interrupted, NMIs, and interrupts of the local APIC and the 8259s.
 *
 * Intel SDM vol. 3C (Sep 2023), "Event Injection", "Information for VM Exits That Occur During
 * Event Delivery", "Interrupt-Window Exiting". */
#ifndef VMM_EVENTS_H
#define VMM_EVENTS_H

#include "vmm/vcpu.h"

/* Queues a hardware exception for the next entry. error_code is ignored for vectors that have none.
 * One that meets another still queued becomes a double fault where SDM vol. 3A, "Interrupt 8 -
 * Double Fault Exception (#DF)" says so. */
void events_inject_exception(struct vcpu *vcpu, enum trap_vector vector, uint32_t error_code);

/* As events_inject_exception with #PF; address goes to CR2. */
void events_inject_page_fault(struct vcpu *vcpu, gva_t address, uint32_t error_code);

/* Whether the guest, with these flags, single-steps: rflags.TF, and not from branch to branch by
 * DEBUGCTL.BTF. */
bool events_single_steps(uint64_t rflags);

/* An instruction was executed in the guest's stead, or one iteration of a repeated one: if the
 * guest single-steps, the trap is pending now. SDM vol. 3C, "Pending Debug Exceptions" under "Guest
 * Non-Register State". */
void events_pend_single_step(uint64_t rflags);

/* After an exit that may have come while the processor delivered an event to the guest: that event
 * is queued again, with its error code and instruction length. */
void events_requeue_interrupted(struct vcpu *vcpu);

/* Before an entry: decides what it injects. A queued event, else an NMI, else an interrupt, if the
 * guest takes it now; for what waits, the processor is asked to exit as soon as the guest would.
 * Whether anything does. */
bool events_prepare_entry(struct vcpu *vcpu);

#endif
