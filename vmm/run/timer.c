// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/run/timer.h"

#include "arch/x86/cpu.h"
#include "vmm/base/clock.h"
#include "vmm/console/console.h"
#include "vmm/host/cpus.h"
#include "vmm/vcpu/stop.h"

/* The time by which the preemption timer may lag behind before it is set anew. The time of the
 * handlers is counted against it. The time of the exits themselves is not: a fraction of a
 * microsecond on a processor, but ten and more in a virtual machine, so there the timer is set anew
 * after each exit. */
#define SLACK_NS 20000

/* How often a vCPU that only another one can wake looks for interrupts itself. A processor leaves
 * the HLT state for an interrupt whatever the guest's IF is; an emulator may not. */
#define DEAD_LOOK_NS 10000000

/* How long the guest runs before its first vCPU goes on with work that is left. */
#define PAUSE_NS 50000

void timer_begin(struct vcpu *vcpu)
{
    bool can_lag = vcpu->vmx.saves_timer && !cpu_is_virtual();

    vcpu->slack_full_cycles = can_lag ? (int64_t)clock_ticks_from_ns(SLACK_NS) : 0;
}

/* Returns when the vCPU's next timer is due. The first vCPU also looks after the board's timers. */
static uint64_t next_deadline_tsc(const struct vcpu *vcpu)
{
    uint64_t apic_tsc = vcpu_apic_deadline_tsc(vcpu);
    uint64_t guest_tsc = vcpu->index == 0 ? guest_deadline_tsc(vcpu->guest) : UINT64_MAX;

    return apic_tsc < guest_tsc ? apic_tsc : guest_tsc;
}

void timer_set_limit(struct vcpu *vcpu)
{
    uint64_t console_tsc = vcpu->halted ? console_deadline_tsc : console_look_tsc;

    vcpu->limit_tsc = vcpu->index == 0 ? vcpu->guest->timeout_tsc : UINT64_MAX;
    if (vcpu->notes.cpu->index == 0 && vcpu->limit_tsc > console_tsc)
        vcpu->limit_tsc = console_tsc;
}

void timer_set_deadline(struct vcpu *vcpu, uint64_t now_tsc)
{
    vcpu->deadline_tsc = next_deadline_tsc(vcpu);
    if (vcpu->is_dead && vcpu->deadline_tsc > now_tsc + clock_ticks_from_ns(DEAD_LOOK_NS))
        vcpu->deadline_tsc = now_tsc + clock_ticks_from_ns(DEAD_LOOK_NS);
    if (vcpu->deadline_tsc > vcpu->limit_tsc)
        vcpu->deadline_tsc = vcpu->limit_tsc;
    timer_look_at_deadline(vcpu);
}

void timer_return_soon(struct vcpu *vcpu, uint64_t now_tsc)
{
    uint64_t soon_tsc = now_tsc + clock_ticks_from_ns(PAUSE_NS);

    if (soon_tsc < vcpu->deadline_tsc)
        vcpu->deadline_tsc = soon_tsc;
    timer_look_at_deadline(vcpu);
}

void timer_end_guest(struct vcpu *vcpu)
{
    vcpu_stop(vcpu, "its time is out (timeout = %u)", vcpu->guest->config->timeout_seconds);
}
