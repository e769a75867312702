// SPDX-License-Identifier: BSD-2-Clause
/* Computes the results and flags of integer arithmetic. */
#ifndef ARCH_X86_INSN_INSN_ARITHMETIC_H
#define ARCH_X86_INSN_INSN_ARITHMETIC_H

#include "arch/x86/insn/insn_state.h"

/* Returns the result of `op a, b` on operands of size_bytes (1, 2, 4 or 8) and updates CF, PF, AF,
 * ZF, SF and OF of *rflags as op does. The carry is read from *rflags; the other bits of *rflags do
 * not change.
 *   op: INSN_ADD to INSN_BTC, INSN_TEST, NOT, NEG, INC or DEC. Any other op returns a.
 *   a: bits beyond the size are ignored; those bits of the result are 0.
 *   b: the second operand. For shifts and rotates it is the count; for BT, BTS, BTR and BTC the
 *     number of the bit, modulo the operand's bits; NOT, NEG, INC and DEC ignore it.
 * CMP, TEST and BT return a.
 *
 * Where the manual leaves a flag undefined: AF is clear after logic and shifts; OF is as if the
 * count were 1; CF is clear when everything was shifted out; the bit tests change no flag except
 * CF. Intel SDM vol. 2, Sep 2023, the instructions' "Flags Affected". */
uint64_t insn_arithmetic(enum insn_op op, unsigned size_bytes, uint64_t a, uint64_t b,
                         uint64_t *rflags);

/* Returns a shifted by count as SHLD (op INSN_SHLD) or SHRD does, filled up with bits of b, and
 * updates the flags as insn_arithmetic does.
 *   size_bytes: 2, 4 or 8;
 *   count: cut to 5 bits, or to 6 with 8 bytes. A count beyond the operand's bits, where the manual
 *     leaves everything undefined, shifts the bits of b in a second time. */
uint64_t insn_double_shift(enum insn_op op, unsigned size_bytes, uint64_t a, uint64_t b,
                           unsigned count, uint64_t *rflags);

/* Returns the number of the lowest (INSN_BSF) or highest (INSN_BSR) bit set in the low size_bytes
 * of a; 0 if none is set. */
uint64_t insn_bit_scan(enum insn_op op, unsigned size_bytes, uint64_t a);

/* Returns whether the condition holds that bits 3:0 of the opcodes of CMOVcc and SETcc name. Intel
 * SDM vol. 1, Sep 2023, appendix B "EFLAGS Condition Codes". */
bool insn_condition_holds(uint8_t condition, uint64_t rflags);

#endif
