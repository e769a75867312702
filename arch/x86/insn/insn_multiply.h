// SPDX-License-Identifier: BSD-2-Clause
/* Integer multiplication and division. */
#ifndef ARCH_X86_INSN_INSN_MULTIPLY_H
#define ARCH_X86_INSN_INSN_MULTIPLY_H

#include "arch/x86/insn/insn_state.h"

/* The low half of a * b, signed, of size_bytes 2, 4 or 8, as IMUL with two or three operands has
 * it; CF and OF of *rflags say whether the product did not fit. The other flags, undefined by the
 * manual, stay. */
uint64_t insn_signed_product(unsigned size_bytes, uint64_t a, uint64_t b, uint64_t *rflags);

/* MUL, DIV, IDIV and IMUL with one operand (insn->op), whose value is operand: AX, or rDX:rAX, and
 * for the products CF and OF change in *state. After a division the flags, undefined by the manual,
 * are as before. INSN_DONE; INSN_FAULT with #DE where the divisor is 0 or the quotient does not
 * fit, with *state as it was. Intel SDM vol. 2, Sep 2023, "MUL", "IMUL", "DIV", "IDIV". */
MUST_USE enum insn_outcome insn_multiply_divide(const struct insn *insn, uint64_t operand,
                                                struct insn_state *state, struct insn_fault *fault);

#endif
