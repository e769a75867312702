// SPDX-License-Identifier: BSD-2-Clause
/* Executes one decoded instruction in place of the guest's processor. */
#ifndef ARCH_X86_INSN_INSN_EXECUTE_H
#define ARCH_X86_INSN_INSN_EXECUTE_H

#include "arch/x86/insn/insn_state.h"

/* Executes insn (from insn_decode, in state->mode) on *state and through env. Registers, flags and
 * memory change as the instruction's page in the Intel SDM vol. 2 says, except rip: the caller adds
 * insn->length to it once the outcome is INSN_DONE. A branch sets rip so that this addition gives
 * its target.
 *
 * If an instruction both reads and writes, or accesses two places, env->probe is called for all of
 * the accesses first, so that no read with side effects is made for nothing. A fault leaves *state
 * and memory as they were, except for the iterations that a repeated string instruction has
 * completed. LOCK has no effect: an access to a device is a read, then a write. CMPXCHG, CMPXCHG8B
 * and CMPXCHG16B write back what they read if the comparison fails, as the processor does.
 *   iterations_max: the most iterations of a repeated string instruction, 1 or more; if some are
 *     left the outcome is INSN_AGAIN. A guest that single-steps (RFLAGS.TF) traps after each
 *     iteration: pass 1 then, and inject the trap after INSN_AGAIN as after INSN_DONE.
 *   fault: set with INSN_FAULT only.
 *
 * The processor has already checked what it checks before it accesses the operand: features of CR0,
 * CR4 and CPUID that make an instruction undefined. Privilege is checked again here.
 *
 * INS and OUTS use env's ports, vector moves its vector registers, and the instructions of
 * insn_system.h its system registers. */
MUST_USE enum insn_outcome insn_execute(const struct insn *insn, struct insn_state *state,
                                        const struct insn_env *env, unsigned iterations_max,
                                        struct insn_fault *fault);

#endif
