// SPDX-License-Identifier: BSD-2-Clause
/* Executes the string instructions: MOVS, CMPS, STOS, LODS, SCAS, INS, OUTS, with or without a
 * repeat prefix. */
#ifndef ARCH_X86_INSN_INSN_STRING_H
#define ARCH_X86_INSN_INSN_STRING_H

#include "arch/x86/insn/insn_state.h"

/* Executes insn, a string instruction, for at most iterations_max (1 or more) iterations. port is
 * for INS and OUTS. Each iteration is done as a whole or not at all. Registers, flags and memory
 * show how many were done, so the instruction can start once more after INSN_AGAIN, INSN_FAULT or
 * an interrupt. INS checks that the memory can be written before it reads the port. Outcomes and
 * *fault are those of insn_execute. Intel SDM vol. 2B, Sep 2023, "REP/REPE/REPZ/REPNE/REPNZ", and
 * vol. 1, 7.3.9.1 "String Instructions". */
MUST_USE enum insn_outcome insn_string_execute(const struct insn *insn, uint16_t port,
                                               struct insn_state *state, const struct insn_env *env,
                                               unsigned iterations_max, struct insn_fault *fault);

#endif
