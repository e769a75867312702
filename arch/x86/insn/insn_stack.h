// SPDX-License-Identifier: BSD-2-Clause
/* Executes ENTER, LEAVE, near CALL, JMP and RET. */
#ifndef ARCH_X86_INSN_INSN_STACK_H
#define ARCH_X86_INSN_INSN_STACK_H

#include "arch/x86/insn/insn_state.h"

/* Executes insn, one of INSN_ENTER to INSN_RET, as insn_execute does. A branch sets state->rip so
 * that adding insn->length gives its target. A target beyond the limit of CS or, in 64-bit mode, a
 * target that is not canonical raises #GP(0) and changes nothing. ENTER does not check whether the
 * frame's lowest byte can be written. Intel SDM vol. 2, Sep 2023, the instructions' pages. */
MUST_USE enum insn_outcome insn_stack_execute(const struct insn *insn, struct insn_state *state,
                                              const struct insn_env *env, struct insn_fault *fault);

/* Checks whether execution may continue at offset target of a code segment with this limit (in
 * bytes), in code of this mode. Returns INSN_DONE, or INSN_FAULT with *fault #GP(0). */
MUST_USE enum insn_outcome insn_check_target(const struct insn_state *state, enum insn_mode mode,
                                             uint32_t limit, uint64_t target,
                                             struct insn_fault *fault);

#endif
