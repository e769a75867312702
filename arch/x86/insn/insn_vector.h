// SPDX-License-Identifier: BSD-2-Clause
/* Executes moves between memory and the vector registers, which stay in the processor. */
#ifndef ARCH_X86_INSN_INSN_VECTOR_H
#define ARCH_X86_INSN_INSN_VECTOR_H

#include "arch/x86/insn/insn_state.h"

/* Executes insn, INSN_VECTOR_LOAD or _STORE, as insn_execute does, through env->vector_read and
 * vector_write. A load of fewer than 16 bytes clears the other bytes of an XMM register. The bits
 * of a wider register above the XMM register do not change. */
MUST_USE enum insn_outcome insn_vector_execute(const struct insn *insn, struct insn_state *state,
                                               const struct insn_env *env,
                                               struct insn_fault *fault);

#endif
