// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/run/run.h"

#include "arch/x86/cpu.h"
#include "arch/x86/msr.h"
#include "arch/x86/vmcs.h"
#include "arch/x86/vmx.h"
#include "vmm/console/console.h"
#include "vmm/guest/guest.h"
#include "vmm/host/cpus.h"
#include "vmm/run/cpuid.h"
#include "vmm/run/exits.h"
#include "vmm/run/io.h"
#include "vmm/run/mmio.h"
#include "vmm/run/msr.h"
#include "vmm/run/timer.h"
#include "vmm/vcpu/apic.h"
#include "vmm/vcpu/debug.h"
#include "vmm/vcpu/events.h"
#include "vmm/vcpu/stop.h"

_Static_assert(offsetof(struct vcpu, vmx) == 0, "vcpu_run goes from one to the other");

/* The vCPU in the run loop of the first processor, which does the console's work between its exits;
 * null: none is. Only that processor uses it. */
static struct vcpu *on_first_processor;

void run_note_console_work(void)
{
    if (on_first_processor != NULL)
        vcpu_note(on_first_processor, ATTENTION_CONSOLE);
}

static void begin_reading(struct vcpu *vcpu)
{
    iobus_reader_begin(&vcpu->ports_reader);
    iobus_reader_begin(&vcpu->mmio_reader);
}

static void park_readers(struct vcpu *vcpu)
{
    iobus_reader_park(&vcpu->ports_reader);
    iobus_reader_park(&vcpu->mmio_reader);
}

/* Writes the activity state for the next entry. A VM exit stores the activity state in the VMCS,
 * but some emulators store "active" at every exit: so HLT is written again for a vCPU that stays
 * halted. "Active" is written only if the entry injects nothing that ends HLT. A halted vCPU may
 * stay so for long, so its readers are parked: nobody waits for its quiescent point. */
static void set_activity(struct vcpu *vcpu)
{
    if (vcpu->halted) {
        vmcs_write32(VMCS_GUEST_ACTIVITY_STATE, ACTIVITY_HLT);
        park_readers(vcpu);
        vcpu_note(vcpu, ATTENTION_EVENT);
    } else if (vcpu->vmcs_halts)
        vmcs_write32(VMCS_GUEST_ACTIVITY_STATE, ACTIVITY_ACTIVE);
    vcpu->vmcs_halts = vcpu->halted;
}

/* Marks a quiescent point of both buses: the vCPU uses no table here. */
static void quiesce(struct vcpu *vcpu)
{
    iobus_reader_quiesce(&vcpu->ports_reader);
    iobus_reader_quiesce(&vcpu->mmio_reader);
}

/* Does what an instruction executed in the guest's stead changes besides RIP, which is rare: it
 * ends a shadow of STI or MOV SS and clears RF; a debug trap may be pending behind it, which the
 * shadow would hold back.
 *
 * If nothing is queued, pending or single-stepped, a shadow only holds back an interrupt for one
 * more instruction, and a look at it costs a VMREAD: so only this and service end it. */
static __attribute__((noinline)) void finish_instruction(struct vcpu *vcpu, uint64_t rflags)
{
    if ((rflags & RFLAGS_RF) != 0)
        vmcs_set_guest_rflags(rflags & ~RFLAGS_RF);
    if ((rflags & vcpu->finish_flags) == RFLAGS_RF)
        return;
    events_leave_shadow();
    events_pend_single_step(rflags);
    if (vcpu->is_watched)
        vcpu_debug_finish(vcpu);
}

/* Cuts RIP to 32 bits outside of 64-bit code. This is so rare that a VMREAD of EFER is cheap
 * enough; to ask the vCPU would cost the frequent way a register. */
static __attribute__((noinline)) void wrap_rip(uint64_t rip)
{
    if ((vmcs_read64(VMCS_GUEST_IA32_EFER) & EFER_LMA) == 0 ||
        (vmcs_guest_cs_access_rights() & ACCESS_RIGHTS_L) == 0)
        vmcs_write_natural(VMCS_GUEST_RIP, (uint32_t)rip);
}

/* Returns whether flags and *mask have a bit in common. The compiler would load the mask first, an
 * instruction more on the shortest ways. */
static inline __attribute__((always_inline)) bool have_common_bit(uint64_t flags,
                                                                  const uint64_t *mask)
{
    bool result;

    __asm__("testq %[flags], %[mask]" : "=@ccnz"(result) : [flags] "r"(flags), [mask] "m"(*mask));
    return result;
}

/* Moves RIP past the instruction that caused the exit; no other place does this. RF alone is
 * cleared here: processors set it at each exit for an EPT violation (SDM vol. 3C, "Saving RIP, RSP,
 * RFLAGS, and SSP"). */
static inline __attribute__((always_inline)) void advance_rip(struct vcpu *vcpu, uint64_t rip,
                                                              uint64_t length)
{
    uint64_t rflags = vmcs_guest_rflags();

    rip += length;
    vmcs_set_guest_rip(rip);
    if (__builtin_expect((uint32_t)rip < (uint32_t)length, 0))
        wrap_rip(rip);
    if (__builtin_expect(have_common_bit(rflags, &vcpu->finish_flags), 0))
        finish_instruction(vcpu, rflags);
}

static void stop_after_failed_entry(struct vcpu *vcpu)
{
    uint32_t error = vmcs_read32(VMCS_INSTRUCTION_ERROR);
    vcpu_stop(vcpu, "VM entry failed: %s (VM-instruction error %u)",
              vmx_instruction_error_name(error), error);
}

/* Stops the guest at an exit reason that is not in the table, for example a failed entry. In user
 * mode an exit is taken for one of an instruction that the monitor does not know. */
static __attribute__((noinline)) void stop_after_strange_exit(struct vcpu *vcpu, uint64_t result)
{
    uint32_t reason_field = (uint32_t)result;
    uint16_t reason = EXIT_REASON_BASIC(reason_field);

    if (result == VMX_NOT_ENTERED) {
        stop_after_failed_entry(vcpu);
        return;
    }
    vcpu->unknown_exit_count++;
    if (EXIT_REASON_ENTRY_FAILURE(reason_field))
        vcpu_stop(vcpu, "VM %s, exit qualification 0x%lx", exit_reason_name(reason),
                  vmcs_read_natural(VMCS_EXIT_QUALIFICATION));
    else
        (void)vcpu_refuse(vcpu, VECTOR_UD, "VM exit for a reason without a policy: %u, %s", reason,
                          exit_reason_name(reason));
}

/* Takes the notes, once: others may leave new ones without end. Whoever leaves a note from now on
 * finds ATTENTION_KICKED cleared and kicks, so that the next entry exits at once. Only a dump has to
 * be done here; the run loop looks at the subjects of the other notes before each entry anyway. */
static void attend(struct vcpu *vcpu)
{
    uint32_t attention =
        atomic_fetch_and_explicit(&vcpu->notes.attention, ATTENTION_DUMP, memory_order_seq_cst);

    if (__builtin_expect((attention & ATTENTION_DUMP) != 0, 0)) {
        vcpu_dump(vcpu);
        /* This bit is cleared last because somebody waits for it to go. */
        (void)atomic_fetch_and_explicit(&vcpu->notes.attention, ~(uint32_t)ATTENTION_DUMP,
                                        memory_order_seq_cst);
    }
}

/* Delivers an interrupt in the short way, to a vCPU that runs or has halted. attention says only
 * that there may be an interrupt, and perhaps that an event is queued or the vCPU has halted.
 * Returns false if everything has to be looked at; the notes may be taken even then. Does not
 * change the preemption timer and the bus tables: whoever wants these looked at leaves another
 * note. */
static inline bool deliver_interrupt(struct vcpu *vcpu, uint32_t attention)
{
    if (((attention & ATTENTION_EVENT) != 0 && !events_are_quiet(vcpu)) ||
        !atomic_compare_exchange_strong(&vcpu->notes.attention, &attention, 0) ||
        !local_apic_accept_requests(&vcpu->apic) || !events_inject_pending_interrupt(vcpu))
        return false;
    if (__builtin_expect(vcpu->halted, 0)) {
        vcpu->halted = false;     /* it takes interrupts, so it is not dead either */
        vcpu->vmcs_halts = false; /* the injection ends HLT */
        begin_reading(vcpu);
        if (vcpu->deadline_tsc > console_look_tsc && vcpu->notes.cpu->index == 0) {
            timer_set_limit(vcpu);
            timer_set_deadline(vcpu, console_look_tsc);
            vcpu->slack_cycles = -1; /* the caller arms the preemption timer */
        }
    }
    timer_look_at_deadline(vcpu);
    return true;
}

/* Does the rare work between two exits: takes notes, runs timers, and prepares interrupts.
 * has_advanced: the instruction of the last exit is done. Returns false if the guest is no longer
 * running. */
static __attribute__((noinline)) bool service(struct vcpu *vcpu, bool has_advanced)
{
    uint64_t now_tsc;
    bool has_more;

    if (has_advanced)
        events_leave_shadow();
    begin_reading(vcpu);
    for (;;) {
        now_tsc = rdtsc();
        has_more = timer_run(vcpu, now_tsc);
        if (vcpu->notes.cpu->index == 0) {
            cpu_let_interrupts_in(); /* an emulated guest may not exit for them while its IF is 0 */
            console_service(now_tsc);
        }
        attend(vcpu);
        if (!guest_is_running(vcpu->guest))
            return false;
        if (local_apic_needs_attention(&vcpu->apic))
            vcpu_accept_interrupts(vcpu);
        /* A vCPU that only another one can wake waits here, and not halted in its guest. The first
         * vCPU does not wait here, as it runs the board's timers. */
        if (!vcpu->waits_for_startup && (!vcpu->is_dead || vcpu->index == 0))
            break;
        park_readers(vcpu);
        vcpu_wait_for_startup(vcpu);
        begin_reading(vcpu);
    }
    if (has_more)
        vcpu_note(vcpu, ATTENTION_TIMER);
    if (console_has_work && vcpu->notes.cpu->index == 0)
        vcpu_note(vcpu, ATTENTION_CONSOLE);
    if (events_prepare_entry(vcpu))
        vcpu_note(vcpu, ATTENTION_EVENT);
    timer_set_limit(vcpu);
    timer_set_deadline(vcpu, now_tsc);
    if (has_more)
        timer_return_soon(vcpu, now_tsc);
    timer_arm(vcpu, now_tsc);
    quiesce(vcpu);
    set_activity(vcpu);
    return true;
}

/* Sets the preemption timer anew after an interrupt went the short way and the slack is used up. If
 * the deadline has come, leaves a note, with which the next interrupt does not go this way: otherwise
 * vCPUs that send one after another would keep this one from its timers. On the first processor the
 * note is for the console, too. */
static __attribute__((noinline)) void look_after_interrupt(struct vcpu *vcpu)
{
    uint64_t now_tsc = rdtsc();

    timer_arm(vcpu, now_tsc);
    if (now_tsc >= vcpu->deadline_tsc || vcpu->notes.cpu->index == 0)
        vcpu_note(vcpu, ATTENTION_TIMER);
}

/* Does what is due because of a note, a deadline, or used-up slack. If only the slack is used up,
 * sets the preemption timer anew for the same deadline: nobody left a note that the deadline has
 * moved. Returns false if the guest is no longer running. */
static __attribute__((noinline)) bool run_due(struct vcpu *vcpu, bool has_advanced)
{
    uint32_t attention = atomic_load_explicit(&vcpu->notes.attention, memory_order_relaxed);
    uint64_t now_tsc;

    if ((attention & ~(uint32_t)(ATTENTION_EVENT | ATTENTION_KICKED)) == ATTENTION_INTERRUPT &&
        deliver_interrupt(vcpu, attention)) {
        if (__builtin_expect(vcpu->slack_cycles < 0, 0))
            look_after_interrupt(vcpu);
        return true;
    }
    now_tsc = rdtsc();
    if (attention != 0 || now_tsc >= vcpu->deadline_tsc || !vcpu->vmx.saves_timer)
        return service(vcpu, has_advanced);
    timer_arm(vcpu, now_tsc);
    timer_look_at_deadline(vcpu);
    quiesce(vcpu);
    return true;
}

/* Finishes an exit that took this many cycles, after RIP is set: counts it, and calls run_due if
 * there may be a note, a deadline has come, or the slack is used up. Returns false if the guest is
 * no longer running. */
static inline __attribute__((always_inline)) bool finish_exit(struct vcpu *vcpu, uint64_t reason,
                                                              bool has_advanced,
                                                              uint64_t exited_tsc, uint64_t cycles)
{
    vcpu->exits[reason].count++;
    vcpu->exits[reason].cycles += cycles;
    vcpu->slack_cycles -= (int64_t)cycles;
    if (__builtin_expect(vcpu->slack_cycles >= 0 &&
                             exited_tsc <
                                 atomic_load_explicit(&vcpu->notes.look_tsc, memory_order_relaxed),
                         1))
        return true;
    return run_due(vcpu, has_advanced);
}

/* Does finish_exit after an instruction whose length the VMCS gives, and moves RIP past it. */
static inline __attribute__((always_inline)) bool
finish_instruction_exit(struct vcpu *vcpu, uint64_t reason, uint64_t exited_tsc, uint64_t cycles)
{
    advance_rip(vcpu, vmcs_guest_rip(), vmcs_exit_instruction_length());
    return finish_exit(vcpu, reason, true, exited_tsc, cycles);
}

/* Handles an exit by the table; the run loop handles the most frequent exits without it. */
static __attribute__((noinline)) bool handle_exit(struct vcpu *vcpu, uint64_t reason,
                                                  uint64_t exited_tsc)
{
    if (__builtin_expect(reason >= EXIT_REASON_COUNT, 0)) {
        stop_after_strange_exit(vcpu, reason);
        return service(vcpu, false);
    }

    enum exit_action action = exit_handlers[reason](vcpu);
    uint64_t cycles = rdtsc() - exited_tsc;

    if (action == EXIT_NEXT_INSTRUCTION)
        advance_rip(vcpu, vmcs_guest_rip(), vmcs_exit_instruction_length());
    else if (action == EXIT_NEXT_DECODED) {
        advance_rip(vcpu, vmcs_guest_rip(), vcpu->decoded_length);
        if (vcpu->begins_shadow) {
            events_begin_shadow();
            return finish_exit(vcpu, reason, false, exited_tsc, cycles);
        }
    }
    return finish_exit(vcpu, reason, action != EXIT_RESUME, exited_tsc, cycles);
}

/* Returns the same value, but the compiler takes it for an unrelated one. So the use of the value
 * on one way through the run loop does not decide where the compiler keeps it on another way. */
static inline __attribute__((always_inline)) uint64_t detached(uint64_t value)
{
    __asm__("" : "+r"(value));
    return value;
}

static inline __attribute__((always_inline)) struct vcpu *detached_vcpu(struct vmx_vcpu *vmx)
{
    return (struct vcpu *)detached((uintptr_t)vmx);
}

/* Handles IN and OUT, and the string instructions, which have the same reason. */
static inline __attribute__((always_inline)) bool run_io(struct vcpu *vcpu, uint64_t exited_tsc)
{
    uint64_t now_tsc = exited_tsc;

    if (__builtin_expect(!exit_io_instruction(vcpu, &now_tsc), 0))
        return handle_exit(vcpu, EXIT_REASON_IO_INSTRUCTION, exited_tsc);
    return finish_instruction_exit(vcpu, EXIT_REASON_IO_INSTRUCTION, exited_tsc,
                                   now_tsc - exited_tsc);
}

/* Handles known instructions on addresses without RAM, and the other EPT violations. */
static inline __attribute__((always_inline)) bool run_mmio(struct vcpu *vcpu, uint64_t exited_tsc)
{
    uint64_t now_tsc = exited_tsc, rip;
    uint32_t length;

    if (__builtin_expect(!exit_mmio(vcpu, &now_tsc, &rip, &length), 0))
        return handle_exit(vcpu, EXIT_REASON_EPT_VIOLATION, exited_tsc);
    advance_rip(vcpu, rip, length);
    return finish_exit(vcpu, EXIT_REASON_EPT_VIOLATION, true, exited_tsc, now_tsc - exited_tsc);
}

static inline __attribute__((always_inline)) bool run_cpuid(struct vcpu *vcpu, uint64_t exited_tsc)
{
    exit_cpuid(vcpu);
    return finish_instruction_exit(vcpu, EXIT_REASON_CPUID, exited_tsc, rdtsc() - exited_tsc);
}

static inline __attribute__((always_inline)) bool run_wrmsr(struct vcpu *vcpu, uint64_t exited_tsc)
{
    if (!exit_x2apic_eoi(vcpu) && !exit_move_tsc_deadline(vcpu, exited_tsc))
        return handle_exit(vcpu, EXIT_REASON_WRMSR, exited_tsc);
    return finish_instruction_exit(vcpu, EXIT_REASON_WRMSR, exited_tsc, rdtsc() - exited_tsc);
}

/* An exit that changes only the guest's registers and a device goes the short way: exit, handler,
 * entry. Every other exit leaves a note, moves a deadline or uses up the slack, and then service
 * does the work. */
void vcpu_run(struct vcpu *vcpu)
{
    if (vcpu->notes.cpu->index == 0)
        on_first_processor = vcpu;
    vmcs_load(vcpu->vmx.vmcs);
    vmx_vcpu_begin(&vcpu->vmx);
    timer_begin(vcpu);
    for (bool goes_on = service(vcpu, false); goes_on;) {
        struct vmx_vcpu *vmx = &vcpu->vmx;
        uint64_t exited_tsc, reason = vmx_vcpu_enter(&vmx, &exited_tsc);

        if (__builtin_expect(reason == EXIT_REASON_IO_INSTRUCTION, 1)) {
            vcpu = detached_vcpu(vmx);
            goes_on = run_io(vcpu, detached(exited_tsc));
        } else if (reason == EXIT_REASON_EPT_VIOLATION) {
            vcpu = detached_vcpu(vmx);
            goes_on = run_mmio(vcpu, detached(exited_tsc));
        } else if (reason == EXIT_REASON_CPUID) {
            vcpu = detached_vcpu(vmx);
            goes_on = run_cpuid(vcpu, detached(exited_tsc));
        } else if (reason == EXIT_REASON_WRMSR) {
            vcpu = detached_vcpu(vmx);
            goes_on = run_wrmsr(vcpu, detached(exited_tsc));
        } else
            goes_on = handle_exit((struct vcpu *)vmx, reason, exited_tsc);
    }
    park_readers(vcpu);
    if (vcpu->notes.cpu->index == 0)
        on_first_processor = NULL;
}
