// SPDX-License-Identifier: BSD-2-Clause
/* INS and OUTS from what an I/O-instruction exit tells, without decoding the instruction's bytes.
 */
#ifndef ARCH_X86_INSN_INSN_STRING_IO_H
#define ARCH_X86_INSN_INSN_STRING_IO_H

#include "arch/x86/insn/insn_state.h"

struct insn_string_io {
    uint16_t port;
    uint8_t size_bytes; /* 1, 2, 4 */
    bool is_in;         /* INS: from the port to ES:rDI */
    bool repeat;
    uint8_t address_size_bytes;         /* 2, 4, 8 */
    enum insn_segment_register segment; /* of OUTS; INS has ES always */
};

/* Executes it on *state through env's memory and ports: rSI or rDI moves by DF, and with repeat rCX
 * counts down, each as wide as the address size; a count of 0 does nothing. At most iterations_max
 * (1 or more) iterations are made, then the outcome is INSN_AGAIN. A fault on the memory's side
 * comes before the port is touched and leaves that iteration undone; rip is not moved. Outcomes and
 * *fault as for insn_execute; INSN_FAILED where env has no ports.
 * Intel SDM vol. 2A, Sep 2023, "INS/INSB/INSW/INSD"; vol. 2B, "OUTS/OUTSB/OUTSW/OUTSD"; vol. 3C,
 * table 28-5 "Exit Qualification for I/O Instructions". */
MUST_USE enum insn_outcome insn_string_io(const struct insn_string_io *io, struct insn_state *state,
                                          const struct insn_env *env, unsigned iterations_max,
                                          struct insn_fault *fault);

#endif
