// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/vcpu/events.h"

#include "arch/x86/cpu.h"
#include "arch/x86/exits/breakpoints.h"
#include "arch/x86/msr.h"
#include "vmm/guest/guest.h"
#include "vmm/vcpu/apic.h"
#include "vmm/vcpu/apicv.h"

/* The classes that decide on double faults: SDM vol. 3A (Sep 2023), table "Interrupt and Exception
 * Classes". */
enum exception_class { CLASS_BENIGN, CLASS_CONTRIBUTORY, CLASS_PAGE_FAULT };

static enum exception_class class_of(uint8_t vector)
{
    switch (vector) {
    case VECTOR_DE:
    case VECTOR_TS:
    case VECTOR_NP:
    case VECTOR_SS:
    case VECTOR_GP:
    case VECTOR_CP: return CLASS_CONTRIBUTORY;
    case VECTOR_PF:
    case VECTOR_VE: return CLASS_PAGE_FAULT;
    default: return CLASS_BENIGN;
    }
}

static bool pushes_error_code(enum trap_vector vector)
{
    switch (vector) {
    case VECTOR_DF:
    case VECTOR_TS:
    case VECTOR_NP:
    case VECTOR_SS:
    case VECTOR_GP:
    case VECTOR_PF:
    case VECTOR_AC:
    case VECTOR_CP: return true;
    default: return false;
    }
}

static bool makes_double_fault(uint32_t first_info, enum trap_vector second)
{
    enum exception_class first_class;

    if (INTERRUPTION_TYPE(first_info) != INTERRUPTION_HARDWARE_EXCEPTION)
        return false;
    first_class = class_of(INTERRUPTION_VECTOR(first_info));
    if (first_class == CLASS_CONTRIBUTORY)
        return class_of((uint8_t)second) == CLASS_CONTRIBUTORY;
    return first_class == CLASS_PAGE_FAULT && class_of((uint8_t)second) != CLASS_BENIGN;
}

/* Sets RFLAGS.RF if the exception is a fault, as the processor does in the flags that it pushes for
 * one: so the instruction, executed again, does not meet its instruction breakpoint again (SDM vol.
 * 3B, "Instruction-Breakpoint Exception Condition"). An injected exception pushes the flags as they
 * are. */
static void set_resume_flag(enum trap_vector vector)
{
    uint64_t rflags = vmcs_read_natural(VMCS_GUEST_RFLAGS);

    if (vector != VECTOR_DB && vector != VECTOR_DF && vector != VECTOR_MC)
        vmcs_write_natural(VMCS_GUEST_RFLAGS, rflags | RFLAGS_RF);
}

void events_inject_exception(struct vcpu *vcpu, enum trap_vector vector, uint32_t error_code)
{
    if (vcpu->event.info != 0 && makes_double_fault(vcpu->event.info, vector)) {
        vector = VECTOR_DF;
        error_code = 0;
    }
    set_resume_flag(vector);
    vcpu_note(vcpu, ATTENTION_EVENT);
    vcpu->event = (struct vcpu_event){
        .info = (uint32_t)INTERRUPTION_INFO(INTERRUPTION_HARDWARE_EXCEPTION, vector),
    };
    /* In real mode no exception pushes an error code ("VM-Entry Controls for Event Injection"). */
    if (pushes_error_code(vector) && (vmcs_read_natural(VMCS_GUEST_CR0) & CR0_PE) != 0) {
        vcpu->event.info |= INTERRUPTION_ERROR_CODE_VALID;
        vcpu->event.error_code = error_code;
    }
}

void events_inject_page_fault(struct vcpu *vcpu, gva_t address, uint32_t error_code)
{
    write_cr2(address.value); /* VT-x does not switch CR2, and the monitor never faults */
    events_inject_exception(vcpu, VECTOR_PF, error_code);
}

void events_requeue_interrupted(struct vcpu *vcpu)
{
    uint32_t info = vmcs_read32(VMCS_IDT_VECTORING_INFO);

    if ((info & INTERRUPTION_VALID) == 0)
        return;
    vcpu_note(vcpu, ATTENTION_EVENT);
    vcpu->event = (struct vcpu_event){.info = info & ~(uint32_t)INTERRUPTION_NMI_UNBLOCKING};
    if ((info & INTERRUPTION_ERROR_CODE_VALID) != 0)
        vcpu->event.error_code = vmcs_read32(VMCS_IDT_VECTORING_ERROR_CODE);
    switch (INTERRUPTION_TYPE(info)) {
    case INTERRUPTION_SOFTWARE_INTERRUPT:
    case INTERRUPTION_PRIVILEGED_SOFTWARE_EXCEPTION:
    case INTERRUPTION_SOFTWARE_EXCEPTION:
        vcpu->event.instruction_length = vmcs_read32(VMCS_EXIT_INSTRUCTION_LENGTH);
        break;
    case INTERRUPTION_NMI:
        /* NMIs must be unblocked for the injection; the entry blocks them again. */
        vmcs_write32(VMCS_GUEST_INTERRUPTIBILITY,
                     vmcs_read32(VMCS_GUEST_INTERRUPTIBILITY) & ~(uint32_t)INTERRUPTIBILITY_NMI);
        break;
    case INTERRUPTION_EXTERNAL:
    case INTERRUPTION_HARDWARE_EXCEPTION: break;
    }
}

/* Returns whether the guest takes an NMI now. "Checks on Guest Non-Register State" allows an NMI
 * after STI, but some processors do not take it. */
static bool takes_nmi(void)
{
    return (vmcs_read32(VMCS_GUEST_INTERRUPTIBILITY) &
            (INTERRUPTIBILITY_STI | INTERRUPTIBILITY_MOV_SS | INTERRUPTIBILITY_NMI)) == 0;
}

static void wake(struct vcpu *vcpu)
{
    vcpu->halted = false;
    if (vcpu->is_dead) {
        vcpu->is_dead = false;
        guest_remove_dead(vcpu->guest);
    }
}

/* Writes an event into the VMCS for the next entry. An entry that injects an interrupt or an NMI
 * ends HLT, whatever the activity state says: "If the VM entry is vectoring, the logical processor
 * is in the active state after VM entry" (SDM vol. 3C, "Activity State"). Other events cannot be
 * injected into a halted guest ("Checks on Guest Non-Register State"). */
static void inject(struct vcpu *vcpu, const struct vcpu_event *event)
{
    enum interruption_type type = INTERRUPTION_TYPE(event->info);

    if (type == INTERRUPTION_EXTERNAL || type == INTERRUPTION_NMI)
        vcpu->vmcs_halts = false;
    vmcs_write32(VMCS_ENTRY_INTERRUPTION_INFO, event->info);
    if ((event->info & INTERRUPTION_ERROR_CODE_VALID) != 0)
        vmcs_write32(VMCS_ENTRY_EXCEPTION_ERROR_CODE, event->error_code);
    if (event->instruction_length != 0)
        vmcs_write32(VMCS_ENTRY_INSTRUCTION_LENGTH, event->instruction_length);
    wake(vcpu);
}

/* Returns whether an interrupt waits for the monitor to inject it. */
static bool interrupt_is_pending(const struct vcpu *vcpu)
{
    return (local_apic_pending_vector(&vcpu->apic) != LOCAL_APIC_NO_VECTOR &&
            !vcpu->apic.is_virtual) ||
           local_apic_extint_pending(&vcpu->apic);
}

/* Takes the interrupt to inject and returns its vector. No rule orders the APIC's own interrupts
 * and those of the 8259s; the latter go first, as old software waits for them. */
static uint8_t take_interrupt(struct vcpu *vcpu)
{
    if (!local_apic_extint_pending(&vcpu->apic)) {
        /* Periods that passed while the timer's vector waited count as the same interrupt, and not
         * as another one after it. */
        local_apic_run(&vcpu->apic, vcpu_guest_tsc(vcpu));
        return local_apic_acknowledge(&vcpu->apic);
    }
    local_apic_extint_taken(&vcpu->apic);
    return board_acknowledge_interrupt(&vcpu->guest->board);
}

/* Returns whether a debug trap is pending. */
static bool has_debug_trap(void)
{
    return (vmcs_read_natural(VMCS_GUEST_PENDING_DEBUG_EXCEPTIONS) &
            (DEBUG_SINGLE_STEP | DEBUG_ENABLED_BREAKPOINT)) != 0;
}

/* Returns whether the guest takes a maskable interrupt now. A pending debug trap comes first (SDM
 * vol. 3A, "Priority Among Concurrent Events"), and an entry that injected an interrupt would drop
 * it ("Delivery of Pending Debug Exceptions after VM Entry"): the processor delivers the trap after
 * an entry that injects nothing. */
static bool takes_interrupt(const struct vcpu *vcpu)
{
    uint64_t rflags = vmcs_read_natural(VMCS_GUEST_RFLAGS);

    if ((rflags & vcpu->takes_flags) != RFLAGS_IF &&
        ((rflags & RFLAGS_IF) == 0 || has_debug_trap()))
        return false;
    return !events_in_shadow();
}

static void inject_interrupt(struct vcpu *vcpu)
{
    uint8_t vector = take_interrupt(vcpu);

    inject(vcpu, &(struct vcpu_event){
                     .info = (uint32_t)INTERRUPTION_INFO(INTERRUPTION_EXTERNAL, vector)});
}

bool events_prepare_entry(struct vcpu *vcpu)
{
    bool interrupt_pending = interrupt_is_pending(vcpu);

    if (vcpu->event.info != 0) {
        inject(vcpu, &vcpu->event);
        vcpu->event.info = 0;
    } else if (vcpu->nmis_pending != 0 && takes_nmi() && !has_debug_trap()) {
        vcpu->nmis_pending--;
        inject(vcpu, &(struct vcpu_event){
                         .info = (uint32_t)INTERRUPTION_INFO(INTERRUPTION_NMI, VECTOR_NMI)});
    } else if (interrupt_pending && takes_interrupt(vcpu)) {
        inject_interrupt(vcpu);
        interrupt_pending = interrupt_is_pending(vcpu);
    }
    /* The processor delivers an interrupt of its own after the event that this entry injects, and
     * not before an interrupt window that is asked for. Such a delivery would end HLT, so HLT is
     * not entered. */
    if (vcpu_apicv_prepare_entry(vcpu) && takes_interrupt(vcpu))
        wake(vcpu);
    vmx_vcpu_set_primary(&vcpu->vmx, PRIMARY_INTERRUPT_WINDOW_EXITING, interrupt_pending);
    vmx_vcpu_set_primary(&vcpu->vmx, PRIMARY_NMI_WINDOW_EXITING, vcpu->nmis_pending != 0);
    return interrupt_pending || vcpu->nmis_pending != 0;
}

bool events_single_steps(uint64_t rflags)
{
    return (rflags & RFLAGS_TF) != 0 && (vmcs_read64(VMCS_GUEST_IA32_DEBUGCTL) & DEBUGCTL_BTF) == 0;
}

static void pend(uint64_t conditions)
{
    vmcs_write_natural(VMCS_GUEST_PENDING_DEBUG_EXCEPTIONS,
                       vmcs_read_natural(VMCS_GUEST_PENDING_DEBUG_EXCEPTIONS) | conditions);
}

void events_pend_single_step(uint64_t rflags)
{
    if (events_single_steps(rflags))
        pend(DEBUG_SINGLE_STEP);
}

void events_pend_branch_step(uint64_t rflags)
{
    if ((rflags & RFLAGS_TF) != 0)
        pend(DEBUG_SINGLE_STEP);
}

void events_pend_breakpoints(uint64_t met)
{
    if (met != 0)
        pend(DEBUG_ENABLED_BREAKPOINT | met);
}

static uint32_t out_of_shadow(uint32_t interruptibility)
{
    return interruptibility & ~(uint32_t)(INTERRUPTIBILITY_STI | INTERRUPTIBILITY_MOV_SS);
}

void events_leave_shadow(void)
{
    if (events_in_shadow())
        vmcs_write32(VMCS_GUEST_INTERRUPTIBILITY,
                     out_of_shadow(vmcs_read32(VMCS_GUEST_INTERRUPTIBILITY)));
}

void events_begin_shadow(void)
{
    vmcs_write32(VMCS_GUEST_INTERRUPTIBILITY,
                 out_of_shadow(vmcs_read32(VMCS_GUEST_INTERRUPTIBILITY)) |
                     (uint32_t)INTERRUPTIBILITY_MOV_SS);
}

enum exit_action events_general_protection(struct vcpu *vcpu)
{
    events_inject_exception(vcpu, VECTOR_GP, 0);
    return EXIT_RESUME;
}
