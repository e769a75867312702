// SPDX-License-Identifier: BSD-2-Clause
/* A vCPU and its local APIC: instructions that reach the APIC's registers, and what arrives besides
 * interrupts: NMI, INIT, start-up. vmm/devices/apic/local_apic.h is the chip itself. */
#ifndef VMM_VCPU_APIC_H
#define VMM_VCPU_APIC_H

#include "vmm/vcpu/vcpu.h"

#include <stddef.h>

/* Returns the vCPU that a local APIC belongs to. */
static inline struct vcpu *vcpu_of_apic(struct local_apic *apic)
{
    return (struct vcpu *)(void *)((uint8_t *)apic - offsetof(struct vcpu, apic));
}

/* Makes an access in the page of the local APIC of access->initiator, the vCPU whose exit this
 * processor handles; an io_handler for the guest's MMIO bus. context is not used. Returns IO_DECLINED
 * if the page is not that of this vCPU's APIC, if the APIC does not take the access, or if the access
 * is nobody's. */
enum io_outcome vcpu_on_local_apic(void *context, struct io_access *access);

/* Makes sure that the run loop looks at an interrupt that may have become deliverable. */
static inline void vcpu_look_at_interrupts(struct vcpu *vcpu)
{
    if (local_apic_needs_attention(&vcpu->apic))
        vcpu_note(vcpu, ATTENTION_INTERRUPT);
}

/* Makes sure that the run loop looks at what a change of the APIC has caused: an interrupt, or an
 * earlier deadline. Called after everything that the guest did to its APIC. */
void vcpu_look_at_apic(struct vcpu *vcpu);

/* Carries out a write that the processor has put into the APIC's page. offset, 0..0xfff, is that of
 * the register in the page. */
void vcpu_apic_written(struct vcpu *vcpu, uint32_t offset);

/* Writes the APIC's register with MSR number index, 0x800..0x8ff, in x2APIC mode. Returns false if
 * WRMSR has to cause #GP(0). */
MUST_USE bool vcpu_write_apic_msr(struct vcpu *vcpu, uint32_t index, uint64_t value);

/* Writes IA32_APIC_BASE. If that moves the APIC's page, the guest's MMIO bus answers at the new
 * place. Returns false if WRMSR has to cause #GP(0). */
MUST_USE bool vcpu_write_apic_base(struct vcpu *vcpu, uint64_t value);

/* Returns the guest's TSC now. */
uint64_t vcpu_guest_tsc(const struct vcpu *vcpu);

/* Sets the guest's TSC. A countdown of the APIC's timer continues unchanged; a TSC deadline keeps
 * its value. */
void vcpu_set_guest_tsc(struct vcpu *vcpu, uint64_t value);

/* Takes what has arrived at the APIC. INIT resets the vCPU, which then waits for a start-up
 * message, except the vCPU that boots the guest: it begins at the reset vector. A start-up message
 * starts a vCPU that waits for it. NMIs wait for the next entry. A vCPU that then sleeps until
 * something arrives counts as dead (vcpu_die). */
void vcpu_accept_interrupts(struct vcpu *vcpu);

/* Halts the processor until somebody leaves a note. Returns at once if there is a note, or if
 * something has arrived at the APIC. For a vCPU that waits for its start-up message. */
void vcpu_wait_for_startup(struct vcpu *vcpu);

/* Returns when the APIC's timer is due, on the processor's TSC; UINT64_MAX if it is not set. */
uint64_t vcpu_apic_deadline_tsc(const struct vcpu *vcpu);

#endif
