// SPDX-License-Identifier: BSD-2-Clause
/* Moves between memory and the vector registers, which stay in the processor. */
#ifndef ARCH_X86_INSN_INSN_VECTOR_H
#define ARCH_X86_INSN_INSN_VECTOR_H

#include "arch/x86/insn/insn_state.h"

/* Executes insn, INSN_VECTOR_LOAD or _STORE, as insn_execute does, through env->vector_read and
 * vector_write. A load of fewer than 16 bytes clears what is left of an XMM register. What lies
 * above an XMM register in a wider one stays. */
MUST_USE enum insn_outcome insn_vector_execute(const struct insn *insn, struct insn_state *state,
                                               const struct insn_env *env,
                                               struct insn_fault *fault);

#endif
