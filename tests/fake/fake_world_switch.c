// SPDX-License-Identifier: BSD-2-Clause
/* VM entries and VM exits. Intel SDM vol. 3C (Sep 2023), "VM Entries", "VM Exits". */
#include "tests/fake/vmcs.h"

#include "arch/x86/msr.h"
#include "arch/x86/vectors.h"
#include "arch/x86/world_switch.h"

#define ENTRY_FAILURE BIT(31)
#define SHADOW        (INTERRUPTIBILITY_STI | INTERRUPTIBILITY_MOV_SS)

#define GET(name)        fake_vmcs_get(vmcs, VMCS_##name)
#define SET(name, value) fake_vmcs_set(vmcs, VMCS_##name, value)

enum vm_instruction_error {
    ERROR_RESUME_NOT_LAUNCHED = 5,
    ERROR_CONTROLS = 7,
    ERROR_HOST_STATE = 8,
};

/* What the next entries of each processor fail with: fake_fail_entries. */
static struct {
    uint32_t instruction_error;
    uint32_t exit_reason;
} failures[FAKE_PROCESSORS_MAX];

void fake_fail_entries(unsigned processor, uint32_t instruction_error, uint32_t exit_reason)
{
    failures[fake_processor_at(processor)->index].instruction_error = instruction_error;
    failures[processor].exit_reason = exit_reason;
}

void world_switch_begin(uint64_t *frame, uint64_t *stack)
{
    *frame = *stack = (uint64_t)__builtin_frame_address(0);
}

void world_switch_exit(void)
{
    fake_misuse("VM exits arrive in world_switch_enter");
}

/* --- Exits --- */

static void load_host_state(struct fake_processor *self, const struct fake_vmcs *vmcs)
{
    self->interrupts_on = false;
    self->dr[7] = 0x400;
    self->gdtr.limit = self->idtr.limit = 0xffff;
    *fake_msr_find(self, IA32_GS_BASE) = GET(HOST_GS_BASE);
    *fake_msr_find(self, IA32_FS_BASE) = GET(HOST_FS_BASE);
    *fake_msr_find(self, IA32_PAT) = GET(HOST_IA32_PAT);
    *fake_msr_find(self, IA32_EFER) = GET(HOST_IA32_EFER);
}

static void save_timer(struct fake_processor *self, struct fake_vmcs *vmcs, uint64_t deadline)
{
    unsigned shift = (unsigned)VMX_MISC_PREEMPTION_TIMER_SHIFT(*fake_msr_find(self, IA32_VMX_MISC));

    if ((GET(EXIT_CONTROLS) & EXIT_SAVE_PREEMPTION_TIMER) != 0)
        SET(PREEMPTION_TIMER, deadline > fake_now() ? (deadline - fake_now()) >> shift : 0);
}

static uint64_t leave(struct fake_vmcs *vmcs, const struct fake_exit *exit, uint64_t *exited_tsc)
{
    struct fake_processor *self = fake_this();

    self->guest.exit_count++;
    SET(EXIT_REASON, exit->reason);
    SET(EXIT_QUALIFICATION, exit->qualification);
    SET(EXIT_INSTRUCTION_LENGTH, exit->instruction_length);
    SET(EXIT_INSTRUCTION_INFO, exit->instruction_info);
    SET(EXIT_INTERRUPTION_INFO, exit->interruption_info);
    SET(EXIT_INTERRUPTION_ERROR_CODE, exit->interruption_error);
    SET(IDT_VECTORING_INFO, exit->idt_vectoring_info);
    SET(IDT_VECTORING_ERROR_CODE, exit->idt_vectoring_error);
    SET(GUEST_LINEAR_ADDRESS, exit->linear_address);
    SET(GUEST_PHYSICAL_ADDRESS, exit->physical_address);
    load_host_state(self, vmcs);
    fake_advance(1);
    *exited_tsc = fake_now() + self->tsc_offset;
    return exit->reason;
}

static uint64_t fail(struct fake_vmcs *vmcs, struct vmx_switch *registers, uint32_t error,
                     uint64_t *exited_tsc)
{
    SET(INSTRUCTION_ERROR, error);
    if (!vmcs->is_launched)
        registers->is_launched = 0;
    *exited_tsc = 0;
    return VMX_NOT_ENTERED;
}

/* --- Entries --- */

/* Makes the checks, and what a test wants to fail. Returns whether the guest is entered; else
 * *result is that of world_switch_enter. */
static bool enter(struct fake_processor *self, struct fake_vmcs *vmcs, struct vmx_switch *registers,
                  uint64_t *result, uint64_t *exited_tsc)
{
    const char *wrong;
    uint32_t error = failures[self->index].instruction_error;
    uint32_t reason = failures[self->index].exit_reason;

    if (!vmcs->is_launched && registers->is_launched != 0)
        error = ERROR_RESUME_NOT_LAUNCHED;
    if (!vmcs->is_launched)
        registers->is_launched = 1;
    if ((wrong = fake_entry_controls(self, vmcs)) != NULL)
        fake_misuse("VM entry with invalid control fields: not %s", wrong);
    if ((wrong = fake_entry_host(self, vmcs)) != NULL)
        fake_misuse("VM entry with invalid host state: not %s", wrong);
    if ((wrong = fake_entry_guest(self, vmcs)) != NULL)
        fake_misuse("VM entry with invalid guest state: not %s", wrong);
    if (error != 0) {
        *result = fail(vmcs, registers, error, exited_tsc);
        return false;
    }
    if (reason != 0) {
        *result = leave(vmcs, &(struct fake_exit){.reason = reason}, exited_tsc);
        return false;
    }
    vmcs->is_launched = true;
    return true;
}

/* Delivers an event: the guest's gates are interrupt gates. */
static void deliver(struct fake_guest *guest, struct fake_vmcs *vmcs, uint32_t info, uint32_t error)
{
    uint64_t rflags = GET(GUEST_RFLAGS);

    if (guest->delivery_count == FAKE_DELIVERIES_MAX)
        fake_misuse("more than %u events before the guest's next instruction", FAKE_DELIVERIES_MAX);
    guest->deliveries[guest->delivery_count++] =
        (struct fake_delivery){.info = info, .error = error, .rflags = rflags};
    guest->event_count++;
    SET(GUEST_RFLAGS, rflags & ~(RFLAGS_IF | RFLAGS_TF | RFLAGS_RF | RFLAGS_NT));
    SET(GUEST_ACTIVITY_STATE, ACTIVITY_ACTIVE);
    SET(GUEST_INTERRUPTIBILITY, GET(GUEST_INTERRUPTIBILITY) & ~SHADOW);
    if (INTERRUPTION_TYPE(info) == INTERRUPTION_NMI)
        SET(GUEST_INTERRUPTIBILITY, GET(GUEST_INTERRUPTIBILITY) | INTERRUPTIBILITY_NMI);
}

/* Delivers the event that the entry injects. Returns whether there was one. */
static bool take_event(struct fake_guest *guest, struct fake_vmcs *vmcs)
{
    uint32_t info = (uint32_t)GET(ENTRY_INTERRUPTION_INFO);

    if ((info & INTERRUPTION_VALID) == 0)
        return false;
    SET(ENTRY_INTERRUPTION_INFO, info & ~(uint32_t)INTERRUPTION_VALID);
    deliver(guest, vmcs, info, (uint32_t)GET(ENTRY_EXCEPTION_ERROR_CODE));
    return true;
}

/* "Delivery of Pending Debug Exceptions after VM Entry". Returns whether the entry ends in #DB. */
static bool takes_debug_exception(struct fake_vmcs *vmcs, bool has_event, struct fake_exit *exit)
{
    const uint64_t enabled = BIT(12), single_step = BIT(14);
    uint64_t pending = GET(GUEST_PENDING_DEBUG_EXCEPTIONS);

    if (has_event) {
        SET(GUEST_PENDING_DEBUG_EXCEPTIONS, 0);
        return false;
    }
    if ((pending & (enabled | single_step)) == 0 ||
        (GET(GUEST_INTERRUPTIBILITY) & INTERRUPTIBILITY_MOV_SS) != 0)
        return false;
    SET(GUEST_PENDING_DEBUG_EXCEPTIONS, 0);
    *exit = (struct fake_exit){
        .reason = EXIT_REASON_EXCEPTION_OR_NMI,
        .qualification = pending & (single_step | 0xf),
        .interruption_info =
            (uint32_t)INTERRUPTION_INFO(INTERRUPTION_HARDWARE_EXCEPTION, VECTOR_DB),
    };
    return true;
}

static bool is_due(struct fake_processor *processor)
{
    return (atomic_load(&processor->nmi_pending) && !processor->nmi_blocked) ||
           fake_apic_pending(processor) >= 0;
}

/* Fills in the exit that is due before the guest's next instruction, by priority. */
static bool takes_exit(struct fake_processor *self, struct fake_vmcs *vmcs, uint64_t timer,
                       struct fake_exit *exit)
{
    uint64_t blocking = GET(GUEST_INTERRUPTIBILITY), primary = GET(PRIMARY_CONTROLS);
    int vector;

    *exit = (struct fake_exit){0};
    if (fake_now() >= timer) {
        exit->reason = EXIT_REASON_PREEMPTION_TIMER;
        return true;
    }
    if (!self->nmi_blocked && fake_take_nmi(self)) {
        self->nmi_blocked = true;
        exit->reason = EXIT_REASON_EXCEPTION_OR_NMI;
        exit->interruption_info = (uint32_t)INTERRUPTION_INFO(INTERRUPTION_NMI, VECTOR_NMI);
        return true;
    }
    if ((primary & PRIMARY_NMI_WINDOW_EXITING) != 0 &&
        (blocking & (SHADOW | INTERRUPTIBILITY_NMI)) == 0) {
        exit->reason = EXIT_REASON_NMI_WINDOW;
        return true;
    }
    if ((vector = fake_apic_acknowledge(self)) >= 0) {
        exit->reason = EXIT_REASON_EXTERNAL_INTERRUPT;
        exit->interruption_info =
            (uint32_t)INTERRUPTION_INFO(INTERRUPTION_EXTERNAL, (unsigned)vector);
        return true;
    }
    if ((primary & PRIMARY_INTERRUPT_WINDOW_EXITING) != 0 && (blocking & SHADOW) == 0 &&
        (GET(GUEST_RFLAGS) & RFLAGS_IF) != 0) {
        exit->reason = EXIT_REASON_INTERRUPT_WINDOW;
        return true;
    }
    return false;
}

/* Lets the guest go on until it makes an exit or something else is to be looked at first. Returns
 * whether it has made one. */
static bool run(struct fake_guest *guest, struct fake_vmcs *vmcs, uint64_t timer)
{
    uint32_t interrupt = fake_virtual_interrupt(vmcs);

    if (interrupt != 0)
        deliver(guest, vmcs, interrupt, 0);
    if (GET(GUEST_ACTIVITY_STATE) == ACTIVITY_HLT) {
        fake_wait(is_due, timer);
        return false;
    }
    SET(GUEST_INTERRUPTIBILITY, GET(GUEST_INTERRUPTIBILITY) & ~SHADOW);
    if (guest->request == GUEST_WAITS && guest->delivery_count == 0 &&
        fake_now() < guest->wait_deadline) {
        fake_wait(is_due, timer < guest->wait_deadline ? timer : guest->wait_deadline);
        return false;
    }
    fake_guest_resume(guest);
    return guest->request == GUEST_EXITS;
}

static struct fake_vmcs *current_vmcs(struct fake_processor *self, const void *registers)
{
    struct fake_vmcs *vmcs = self->vmcs;

    if (vmcs == NULL)
        fake_misuse("a VM entry without a current VMCS");
    if (GET(HOST_RSP) != (uint64_t)registers || GET(HOST_RIP) != (uint64_t)world_switch_exit)
        fake_misuse("a VM entry whose exit would not arrive: HOST_RSP, HOST_RIP");
    if (self->interrupts_on)
        fake_misuse("a VM entry with interrupts on");
    return vmcs;
}

uint64_t world_switch_enter(void **registers, uint64_t *exited_tsc)
{
    struct fake_processor *self = fake_this();
    struct fake_guest *guest = &self->guest;
    struct fake_vmcs *vmcs = current_vmcs(self, *registers);
    struct vmx_switch *state = *registers;
    unsigned shift = (unsigned)VMX_MISC_PREEMPTION_TIMER_SHIFT(*fake_msr_find(self, IA32_VMX_MISC));
    uint64_t timer = FAKE_NEVER, result = 0;
    struct fake_exit exit;

    if (!enter(self, vmcs, state, &result, exited_tsc))
        return result;
    guest->gpr = state->gpr;
    if (vmcs->is_started) {
        vmcs->is_started = false;
        fake_guest_begin(guest);
    }
    if ((GET(PIN_BASED_CONTROLS) & PIN_PREEMPTION_TIMER) != 0)
        timer = fake_now() + (GET(PREEMPTION_TIMER) << shift);
    if (takes_debug_exception(vmcs, take_event(guest, vmcs), &exit))
        return leave(vmcs, &exit, exited_tsc);
    while (!takes_exit(self, vmcs, timer, &exit)) {
        if (run(guest, vmcs, timer)) {
            exit = guest->exit;
            break;
        }
    }
    save_timer(self, vmcs, timer);
    return leave(vmcs, &exit, exited_tsc);
}
