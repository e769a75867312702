// SPDX-License-Identifier: BSD-2-Clause
/* The string instructions: MOVS, CMPS, STOS, LODS, SCAS, INS, OUTS, with or without a repeat
 * prefix.
 */
#ifndef ARCH_X86_INSN_INSN_STRING_H
#define ARCH_X86_INSN_INSN_STRING_H

#include "arch/x86/insn/insn_state.h"

/* Executes insn, which is a string instruction, for at most iterations_max (1 or more) iterations.
 * port is for INS and OUTS. Each iteration is whole or has not happened: registers, flags and
 * memory tell how many were made, so that after INSN_AGAIN, INSN_FAULT or an interrupt the
 * instruction can start once more. INS makes sure that the memory can be written before it reads
 * the port. Outcomes and *fault as for insn_execute. Intel SDM vol. 2B, Sep 2023,
 * "REP/REPE/REPZ/REPNE/REPNZ", and vol. 1, 7.3.9.1 "String Instructions". */
MUST_USE enum insn_outcome insn_string_execute(const struct insn *insn, uint16_t port,
                                               struct insn_state *state, const struct insn_env *env,
                                               unsigned iterations_max, struct insn_fault *fault);

#endif
