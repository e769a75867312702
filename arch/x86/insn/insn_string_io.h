// SPDX-License-Identifier: BSD-2-Clause
/* Executes INS and OUTS from the information of an I/O-instruction exit, without decoding the
 * instruction's bytes. */
#ifndef ARCH_X86_INSN_INSN_STRING_IO_H
#define ARCH_X86_INSN_INSN_STRING_IO_H

#include "arch/x86/insn/insn_state.h"

struct insn_string_io {
    uint16_t port;
    uint8_t size_bytes; /* 1, 2, 4 */
    bool is_in;         /* INS: from the port to ES:rDI */
    bool repeat;
    uint8_t address_size_bytes;         /* 2, 4, 8 */
    enum insn_segment_register segment; /* of OUTS; INS always uses ES */
};

/* Executes io on *state through env's memory and ports. rSI or rDI moves in the direction of DF.
 * With repeat, rCX counts down, and a count of 0 does nothing. All three are as wide as the address
 * size.
 *   iterations_max: 1 or more; after this many the outcome is INSN_AGAIN if some are left.
 * A fault of the memory access comes before the port is accessed and leaves that iteration undone.
 * rip does not change. Outcomes and *fault are those of insn_execute; INSN_FAILED also if env has
 * no ports. Intel SDM vol. 2A, Sep 2023, "INS/INSB/INSW/INSD"; vol. 2B, "OUTS/OUTSB/OUTSW/OUTSD";
 * vol. 3C, table 28-5 "Exit Qualification for I/O Instructions". */
MUST_USE enum insn_outcome insn_execute_string_io(const struct insn_string_io *io,
                                                  struct insn_state *state,
                                                  const struct insn_env *env,
                                                  unsigned iterations_max,
                                                  struct insn_fault *fault);

#endif
