// SPDX-License-Identifier: BSD-2-Clause
/* Performs hardware task switches: from the task in TR to another one, through their task-state
 * segments. Intel SDM vol. 3A, Sep 2023, 8.3 "Task Switching". */
#ifndef ARCH_X86_INSN_INSN_TASK_H
#define ARCH_X86_INSN_INSN_TASK_H

#include "arch/x86/insn/insn_system.h"

enum insn_task_source {
    INSN_TASK_CALL,
    INSN_TASK_IRET,
    INSN_TASK_JMP,
    INSN_TASK_EVENT, /* an interrupt or exception, through a task gate in the IDT */
};

struct insn_task_switch {
    enum insn_task_source source;
    uint16_t selector; /* of the new TSS, in the GDT */
    uint64_t next_rip; /* where the old task will continue */
    bool sets_rf;      /* the event is a fault, for which RFLAGS.RF is set in the old task */
    bool is_external;  /* the program did not ask for the event: EXT is set in error codes */

    /* Set by insn_task_switch. */
    /* The state is the new task's. A fault after this belongs to the new task. */
    bool is_entered;
    bool has_trap;         /* the switch is complete, and the T flag of the new TSS asks for #DB */
    uint8_t operand_bytes; /* of the new TSS: 2 or 4, the size of a pushed error code */
};

/* Switches *state, and through env->system the rest of the processor, to the new task. Saves the
 * old task, sets links and busy flags, then loads all registers of the new task and checks its
 * segments. state->rip is then where the new task begins.
 *
 * The processor has made its checks before the VM exit for a task switch ("Treatment of Task
 * Switches", vol. 3C), but the descriptors may have changed since: then the fault is #GP, #NP or
 * #TS. insn_task_switch does not push an error code: the caller uses insn_task_push once env works
 * on the new task's memory at its CPL.
 *
 * Where the manual leaves it open: upper halves that a 16-bit TSS does not have are 0, and so are
 * FS and GS. A segment register whose new selector is bad has the new selector but keeps its old
 * hidden part. Needs system->read_segment and system->enter_task. */
MUST_USE enum insn_outcome insn_switch_task(struct insn_task_switch *task, struct insn_state *state,
                                            const struct insn_env *env, struct insn_fault *fault);

/* Pushes the error code of the event on the new task's stack. Outcomes are those of
 * insn_execute. */
MUST_USE enum insn_outcome insn_task_push(const struct insn_task_switch *task, uint32_t error_code,
                                          struct insn_state *state, const struct insn_env *env,
                                          struct insn_fault *fault);

#endif
