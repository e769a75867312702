// SPDX-License-Identifier: BSD-2-Clause
/* Executes one decoded instruction in the guest's stead, exactly. */
#ifndef ARCH_X86_INSN_INSN_EXECUTE_H
#define ARCH_X86_INSN_INSN_EXECUTE_H

#include "arch/x86/insn/insn_state.h"

/* Executes insn (from insn_decode, in state->mode) on *state and through env: registers, flags and
 * memory change as the instruction's page in the Intel SDM vol. 2 says, but for rip, to which the
 * caller adds insn->length once the outcome is INSN_DONE; a branch has set it so that this is its
 * target. Where an instruction both reads and writes, or
 * accesses two places, env->probe is asked about all of them first, so that no read with side
 * effects is made in vain; a fault leaves *state and memory as they were, but for the iterations a
 * repeated string instruction has completed. LOCK is taken for granted: an access to a device is a
 * read, then a write. CMPXCHG, CMPXCHG8B and CMPXCHG16B write back what they read when it does not
 * compare, as the processor does.
 *
 * At most iterations_max (1 or more) iterations of a repeated string instruction are made; when
 * some are left the outcome is INSN_AGAIN. A guest that single-steps (RFLAGS.TF) traps after each
 * one: give 1 then, and inject the trap after INSN_AGAIN as after INSN_DONE.
 *
 * What the processor checks before it accesses the operand, it has checked: features of CR0, CR4
 * and CPUID that make an instruction undefined. Privilege is checked again.
 *
 * INS and OUTS use env's ports, vector moves its vector registers, and those of insn_system.h its
 * system registers. *fault is set with INSN_FAULT only. */
MUST_USE enum insn_outcome insn_execute(const struct insn *insn, struct insn_state *state,
                                        const struct insn_env *env, unsigned iterations_max,
                                        struct insn_fault *fault);

#endif
