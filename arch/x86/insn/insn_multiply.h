// SPDX-License-Identifier: BSD-2-Clause
/* Multiplies and divides integers. */
#ifndef ARCH_X86_INSN_INSN_MULTIPLY_H
#define ARCH_X86_INSN_INSN_MULTIPLY_H

#include "arch/x86/insn/insn_state.h"

/* Returns the low half of the signed product a * b, as IMUL with two or three operands does.
 * size_bytes is 2, 4 or 8. CF and OF of *rflags are set if the product does not fit, else cleared.
 * The other flags, which the manual leaves undefined, do not change. */
uint64_t insn_signed_product(unsigned size_bytes, uint64_t a, uint64_t b, uint64_t *rflags);

/* Executes MUL, DIV, IDIV or IMUL with one operand (insn->op) on AX or rDX:rAX of *state; operand
 * is the operand's value. MUL and IMUL change CF and OF. DIV and IDIV change no flag: the manual
 * leaves them undefined.
 *   INSN_DONE;
 *   INSN_FAULT: #DE, as the divisor is 0 or the quotient does not fit; *state is as it was.
 * Intel SDM vol. 2, Sep 2023, "MUL", "IMUL", "DIV", "IDIV". */
MUST_USE enum insn_outcome insn_multiply_divide(const struct insn *insn, uint64_t operand,
                                                struct insn_state *state, struct insn_fault *fault);

#endif
