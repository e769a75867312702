// SPDX-License-Identifier: BSD-2-Clause
/* When a vCPU has to look at more than its exits: deadlines, and the preemption timer that brings
 * the processor back for them. What the run loop calls between exits is inline. */
#ifndef VMM_RUN_TIMER_H
#define VMM_RUN_TIMER_H

#include "arch/x86/vmcs.h"
#include "vmm/guest/guest.h"
#include "vmm/vcpu/apic.h"

/* Before the first entry: how far the preemption timer of this vCPU may lag behind. */
void timer_begin(struct vcpu *vcpu);

/* Works out when the next timer of the vCPU's is due, for timer_arm. */
void timer_set_deadline(struct vcpu *vcpu, uint64_t now_tsc);

/* True: look again after the next exit. */
static inline bool timer_run(struct vcpu *vcpu, uint64_t now_tsc)
{
    if (now_tsc >= vcpu_apic_deadline_tsc(vcpu))
        local_apic_run(&vcpu->apic, now_tsc + vcpu->tsc_offset);
    return vcpu->index == 0 && guest_work(vcpu->guest, now_tsc);
}

/* The preemption timer brings the processor back when the next deadline is due, from a running and
 * from a halted guest alike. Without a deadline it is set as far away as it goes. It counts in the
 * guest only, and where exits save it goes on at the next entry: so after a short exit it is left
 * to itself, as long as what the exits took does not add up to more than the slack. */
static inline void timer_arm(struct vcpu *vcpu, uint64_t now_tsc)
{
    unsigned shift = vcpu->vmx.capabilities->preemption_timer_shift;
    uint64_t ticks = vcpu->deadline_tsc > now_tsc ? vcpu->deadline_tsc - now_tsc : 0;

    ticks = (ticks >> shift) + 1; /* the timer counts when bit `shift` of the TSC changes */
    vmcs_write32(VMCS_PREEMPTION_TIMER, ticks > UINT32_MAX ? UINT32_MAX : (uint32_t)ticks);
    vcpu->slack_cycles = vcpu->slack_full_cycles;
}

/* Nothing is to be done before deadline_tsc but for a note. Whoever leaves one writes attention
 * before look_tsc, and here it is the other way round: either the note is seen, or its 0 comes
 * after the deadline. */
static inline void timer_look_at_deadline(struct vcpu *vcpu)
{
    atomic_store_explicit(&vcpu->notes.look_tsc, vcpu->deadline_tsc, memory_order_seq_cst);
    if (atomic_load_explicit(&vcpu->notes.attention, memory_order_seq_cst) != 0)
        atomic_store_explicit(&vcpu->notes.look_tsc, 0, memory_order_relaxed);
}

#endif
