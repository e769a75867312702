// SPDX-License-Identifier: BSD-2-Clause
/* Hardware task switches: from the task in TR to another one, by way of their task-state segments.
 * Intel SDM vol. 3A, Sep 2023, 8.3 "Task Switching". */
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
    uint64_t next_rip; /* where the old task will go on */
    bool sets_rf;      /* the event is a fault: RFLAGS.RF is set for that */
    bool is_external;  /* the event is none that the program asked for: EXT in error codes */

    /* Set by insn_task_switch. */
    bool is_entered;       /* the state is the new task's; what it ran into, is its fault */
    bool has_trap;         /* done, and the new TSS's T flag wants #DB */
    uint8_t operand_bytes; /* of the new TSS: 2 or 4, in which an error code is pushed */
};

/* Switches *state, and through env->system what belongs to it. What a processor checks before a VM
 * exit for a task switch tells of it ("Treatment of Task Switches", vol. 3C) has been in order, but
 * may have been changed since: then it is #GP, #NP or #TS. The old task is saved, links and busy
 * flags are set; then the new one's registers are loaded, all of them, and its segments checked.
 * state->rip is where the new task begins. An error code is not pushed: insn_task_push does that,
 * once env works on the new task's memory at its CPL.
 *
 * What the manual leaves open: upper halves that a 16-bit TSS does not have are 0, and so are FS
 * and GS then. A segment register whose selector turns out bad keeps what it had hidden, the
 * selector apart. Needs system->read_segment and system->enter_task. */
MUST_USE enum insn_outcome insn_task_switch(struct insn_task_switch *task, struct insn_state *state,
                                            const struct insn_env *env, struct insn_fault *fault);

/* Pushes the error code of the event on the new task's stack. */
MUST_USE enum insn_outcome insn_task_push(const struct insn_task_switch *task, uint32_t error_code,
                                          struct insn_state *state, const struct insn_env *env,
                                          struct insn_fault *fault);

#endif
