// SPDX-License-Identifier: BSD-2-Clause
/* The times at which a vCPU has to do more than handle its exits: deadlines, and the preemption
 * timer, which causes an exit for them. The functions that the run loop calls between exits are
 * inline. */
#ifndef VMM_RUN_TIMER_H
#define VMM_RUN_TIMER_H

#include "arch/x86/vmcs.h"
#include "vmm/guest/guest.h"
#include "vmm/vcpu/apic.h"

/* Sets by how much the preemption timer of this vCPU may lag behind. Called before the first
 * entry. */
void timer_begin(struct vcpu *vcpu);

/* Works out by when the vCPU has to look at what is not its own timers: the first vCPU at the guest's
 * time-out, the first processor at the console. Called when one of these may have moved, or the vCPU
 * was halted and is not any more; timer_set_deadline follows. */
void timer_set_limit(struct vcpu *vcpu);

/* Works out when the vCPU's next timer is due, and stores it for timer_arm and the run loop.
 * now_tsc is a time-stamp of this processor. */
void timer_set_deadline(struct vcpu *vcpu, uint64_t now_tsc);

/* Brings the deadline forward, so that the vCPU looks again soon, even if its guest causes no
 * exit. */
void timer_return_soon(struct vcpu *vcpu, uint64_t now_tsc);

/* Stops the guest, whose time is out, with a dump of this vCPU. */
void timer_end_guest(struct vcpu *vcpu);

/* Runs the timers that are due: those of the local APIC, and on the first vCPU those of the guest,
 * with a share of its other work. Returns true if there is more work, for which the caller looks
 * again after the next exit, or when timer_return_soon has it. */
static inline bool timer_run(struct vcpu *vcpu, uint64_t now_tsc)
{
    if (now_tsc >= vcpu_apic_deadline_tsc(vcpu))
        local_apic_run(&vcpu->apic, now_tsc + vcpu->tsc_offset);
    if (vcpu->index != 0)
        return false;
    if (__builtin_expect(now_tsc >= vcpu->guest->timeout_tsc, 0))
        timer_end_guest(vcpu);
    return guest_work(vcpu->guest, now_tsc);
}

/* Sets the preemption timer to exit when the next deadline is due, from a running and from a halted
 * guest alike; without a deadline, as late as possible. The timer counts only in the guest. If
 * exits save it, it goes on at the next entry: so after a short exit it is not set anew, as long as
 * the time that the exits took does not add up to more than the slack. */
static inline void timer_arm(struct vcpu *vcpu, uint64_t now_tsc)
{
    unsigned shift = vcpu->vmx.capabilities->preemption_timer_shift;
    uint64_t ticks = vcpu->deadline_tsc > now_tsc ? vcpu->deadline_tsc - now_tsc : 0;

    ticks = (ticks >> shift) + 1; /* the timer counts when bit `shift` of the TSC changes */
    vmcs_write32(VMCS_PREEMPTION_TIMER, ticks > UINT32_MAX ? UINT32_MAX : (uint32_t)ticks);
    vcpu->slack_cycles = vcpu->slack_full_cycles;
}

/* Stores deadline_tsc as the time before which only a note needs a look. Whoever leaves a note
 * writes attention before look_tsc, and this function goes the other way round: so either it sees
 * the note, or the 0 that comes with the note overwrites the deadline in look_tsc. */
static inline void timer_look_at_deadline(struct vcpu *vcpu)
{
    atomic_store_explicit(&vcpu->notes.look_tsc, vcpu->deadline_tsc, memory_order_seq_cst);
    if (atomic_load_explicit(&vcpu->notes.attention, memory_order_seq_cst) != 0)
        atomic_store_explicit(&vcpu->notes.look_tsc, 0, memory_order_relaxed);
}

#endif
