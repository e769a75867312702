// SPDX-License-Identifier: BSD-2-Clause
/* Handles hardware task switches, which always exit because VT-x leaves them to the monitor. Intel
 * SDM vol. 3C, Sep 2023, "Treatment of Task Switches". arch/x86/insn/insn_task.h says what a task
 * switch does. */
#include "arch/x86/cpu.h"
#include "arch/x86/exits/exit_qualification.h"
#include "arch/x86/vmcs.h"
#include "vmm/run/exits.h"
#include "vmm/vcpu/events.h"
#include "vmm/vcpu/execute.h"

_Static_assert((int)INSN_TASK_CALL == (int)TASK_SWITCH_CALL &&
                   (int)INSN_TASK_IRET == (int)TASK_SWITCH_IRET &&
                   (int)INSN_TASK_JMP == (int)TASK_SWITCH_JMP &&
                   (int)INSN_TASK_EVENT == (int)TASK_SWITCH_GATE,
               "as the exit qualification numbers them");

#define DR6_TASK_SWITCH BIT(15)

/* Returns whether an instruction caused the event. An exit during such an event has RIP on that
 * instruction. */
static bool is_software_event(uint32_t info)
{
    switch (INTERRUPTION_TYPE(info)) {
    case INTERRUPTION_SOFTWARE_INTERRUPT:
    case INTERRUPTION_PRIVILEGED_SOFTWARE_EXCEPTION:
    case INTERRUPTION_SOFTWARE_EXCEPTION: return true;
    default: return false;
    }
}

/* Returns whether the event is a fault. SDM vol. 3A, table "Protected-Mode Exceptions and
 * Interrupts": debug exceptions may be traps, for example those of single-stepping; double faults
 * and machine checks are aborts. */
static bool is_fault(uint32_t info)
{
    unsigned vector = INTERRUPTION_VECTOR(info);

    return INTERRUPTION_TYPE(info) == INTERRUPTION_HARDWARE_EXCEPTION && vector != VECTOR_DB &&
           vector != VECTOR_DF && vector != VECTOR_MC;
}

/* Updates the interruptibility state: the task switch ends a shadow of STI or MOV SS; IRET unblocks
 * NMIs; the task of an NMI blocks them. */
static void update_interruptibility(enum insn_task_source source, uint32_t info)
{
    uint32_t interruptibility = vmcs_read32(VMCS_GUEST_INTERRUPTIBILITY);

    interruptibility &= ~(uint32_t)(INTERRUPTIBILITY_STI | INTERRUPTIBILITY_MOV_SS);
    if (source == INSN_TASK_IRET)
        interruptibility &= ~(uint32_t)INTERRUPTIBILITY_NMI;
    if (info != 0 && INTERRUPTION_TYPE(info) == INTERRUPTION_NMI)
        interruptibility |= INTERRUPTIBILITY_NMI;
    vmcs_write32(VMCS_GUEST_INTERRUPTIBILITY, interruptibility);
}

enum exit_action exit_task_switch(struct vcpu *vcpu)
{
    struct exit_task exit =
        exit_qualification_task_switch(vmcs_read_natural(VMCS_EXIT_QUALIFICATION));
    struct insn_task_switch task = {.source = (enum insn_task_source)exit.source,
                                    .selector = exit.tss_selector,
                                    .next_rip = vmcs_read_natural(VMCS_GUEST_RIP)};
    uint32_t info, error_code, length = vmcs_read32(VMCS_EXIT_INSTRUCTION_LENGTH);

    events_requeue_interrupted(vcpu);
    info = task.source == INSN_TASK_EVENT ? vcpu->event.info : 0;
    error_code = vcpu->event.error_code;
    if (info == 0 || is_software_event(info))
        task.next_rip += length;
    if (info != 0) {
        task.sets_rf = is_fault(info);
        task.is_external = INTERRUPTION_TYPE(info) != INTERRUPTION_SOFTWARE_INTERRUPT &&
                           INTERRUPTION_TYPE(info) != INTERRUPTION_SOFTWARE_EXCEPTION;
    }

    enum exit_action action = vcpu_switch_task(
        vcpu, &task, (info & INTERRUPTION_ERROR_CODE_VALID) != 0 ? &error_code : NULL);

    if (task.is_entered)
        update_interruptibility(task.source, info);
    if (task.has_trap && vcpu->event.info == 0) {
        write_dr6(read_dr6() | DR6_TASK_SWITCH);
        events_inject_exception(vcpu, VECTOR_DB, 0);
    }
    return action;
}
