// SPDX-License-Identifier: BSD-2-Clause
/* ENTER, LEAVE, near CALL, JMP and RET. */
#ifndef ARCH_X86_INSN_INSN_STACK_H
#define ARCH_X86_INSN_INSN_STACK_H

#include "arch/x86/insn/insn_state.h"

/* Executes insn, one of INSN_ENTER to INSN_RET, as insn_execute does. A branch sets state->rip so
 * that RIP is at its target when insn->length is added to it. A target beyond the limit of CS or,
 * in 64-bit mode, one that is not canonical is #GP(0), with nothing changed. ENTER does not try
 * whether the frame's lowest byte could be written. Intel SDM vol. 2, Sep 2023, the instructions'
 * pages. */
MUST_USE enum insn_outcome insn_stack_execute(const struct insn *insn, struct insn_state *state,
                                              const struct insn_env *env, struct insn_fault *fault);

/* May execution go on at offset target of the code segment whose limit is limit, in code of mode?
 * If not, *fault is #GP(0) and the answer INSN_FAULT; else INSN_DONE. */
MUST_USE enum insn_outcome insn_check_target(const struct insn_state *state, enum insn_mode mode,
                                             uint32_t limit, uint64_t target,
                                             struct insn_fault *fault);

#endif
