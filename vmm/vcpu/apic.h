// SPDX-License-Identifier: BSD-2-Clause
/* A vCPU and its local APIC: the registers as instructions reach them, and what arrives besides
 * interrupts: NMI, INIT, start-up. The chip itself is vmm/devices/apic/local_apic.h. */
#ifndef VMM_VCPU_APIC_H
#define VMM_VCPU_APIC_H

#include "vmm/vcpu/vcpu.h"

#include <stddef.h>

/* The vCPU whose local APIC that is. */
static inline struct vcpu *vcpu_of_apic(struct local_apic *apic)
{
    return (struct vcpu *)(void *)((uint8_t *)apic - offsetof(struct vcpu, apic));
}

/* An access in the page of a local APIC, by the vCPU whose exit is being handled on this processor:
 * an io_handler for the guest's MMIO bus. IO_DECLINED: the page is not this vCPU's. */
enum io_outcome vcpu_on_local_apic(void *context, struct io_access *access);

/* Makes sure that the run loop looks at an interrupt that may have become deliverable. */
static inline void vcpu_look_at_interrupts(struct vcpu *vcpu)
{
    if (local_apic_needs_attention(&vcpu->apic))
        vcpu_note(vcpu, ATTENTION_INTERRUPT);
}

/* After anything that the guest did to its APIC: makes sure that the run loop looks at what has
 * come of it, an interrupt or an earlier deadline. */
void vcpu_look_at_apic(struct vcpu *vcpu);

/* The guest has written the register at offset, 0..0xfff, of its APIC's page, which the processor
 * put there: carries the write out. */
void vcpu_apic_written(struct vcpu *vcpu, uint32_t offset);

/* WRMSR of 0x800..0x8ff, the APIC's registers in x2APIC mode. False: #GP(0). */
MUST_USE bool vcpu_write_apic_msr(struct vcpu *vcpu, uint32_t index, uint64_t value);

/* WRMSR of IA32_APIC_BASE. False: #GP(0). */
MUST_USE bool vcpu_write_apic_base(struct vcpu *vcpu, uint64_t value);

/* The guest's TSC now. */
uint64_t vcpu_guest_tsc(const struct vcpu *vcpu);

/* Sets the guest's TSC; its APIC timer goes on as if nothing had happened. */
void vcpu_set_guest_tsc(struct vcpu *vcpu, uint64_t value);

/* Takes what has arrived at the APIC. A vCPU that gets an INIT is then waiting for a start-up
 * message, or has been reset if it is the one that boots; one that gets that message has started.
 */
void vcpu_accept_interrupts(struct vcpu *vcpu);

/* Halts the processor until somebody leaves a note: for a vCPU that waits for its start-up message.
 */
void vcpu_wait_for_startup(struct vcpu *vcpu);

/* When the APIC's timer is due, on the processor's TSC. */
uint64_t vcpu_apic_deadline_tsc(const struct vcpu *vcpu);

#endif
