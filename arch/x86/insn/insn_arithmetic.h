// SPDX-License-Identifier: BSD-2-Clause
/* Results and flags of integer arithmetic. */
#ifndef ARCH_X86_INSN_INSN_ARITHMETIC_H
#define ARCH_X86_INSN_INSN_ARITHMETIC_H

#include "arch/x86/insn/insn_state.h"

/* The result of `op a, b` on operands of size_bytes (1, 2, 4, 8), with CF, PF, AF, ZF, SF and OF of
 * *rflags (read for the carry) brought up to date and the rest of it left alone. Bits of a beyond
 * the size are ignored and those of the result are 0. b: the second operand; for shifts and
 * rotates, the count; for BT and its kin, the number of the bit, modulo the operand's bits; ignored
 * for NOT, NEG, INC, DEC. CMP, TEST and BT return a.
 *
 * op is INSN_ADD to INSN_BTC, INSN_TEST, NOT, NEG, INC or DEC; others return a. Where the manual
 * leaves a flag undefined it is: AF clear after logic and shifts; OF as if the count were 1; CF
 * clear when everything was shifted out; all but CF unchanged by the bit tests.
 * Intel SDM vol. 2, Sep 2023, the instructions' "Flags Affected". */
uint64_t insn_arithmetic(enum insn_op op, unsigned size_bytes, uint64_t a, uint64_t b,
                         uint64_t *rflags);

/* SHLD (op INSN_SHLD) and SHRD: a shifted by count, filled up with bits of b. As above for sizes 2,
 * 4 and 8; count is cut to 5 or 6 bits. With a count beyond the operand's bits, where the manual
 * leaves everything undefined, the filling bits go round once more. */
uint64_t insn_double_shift(enum insn_op op, unsigned size_bytes, uint64_t a, uint64_t b,
                           unsigned count, uint64_t *rflags);

/* BSF and BSR of a, which is not 0 in its size_bytes: the number of the lowest or highest bit. */
uint64_t insn_bit_scan(enum insn_op op, unsigned size_bytes, uint64_t a);

/* Does the condition hold that bits 3:0 of the opcodes of CMOVcc and SETcc name? Intel SDM vol. 1,
 * Sep 2023, appendix B "EFLAGS Condition Codes". */
bool insn_condition_holds(uint8_t condition, uint64_t rflags);

#endif
