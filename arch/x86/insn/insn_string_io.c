// SPDX-License-Identifier: BSD-2-Clause
#include "arch/x86/insn/insn_string_io.h"

#include "arch/x86/insn/insn_string.h"

enum insn_outcome insn_execute_string_io(const struct insn_string_io *io, struct insn_state *state,
                                         const struct insn_env *env, unsigned iterations_max,
                                         struct insn_fault *fault)
{
    const struct insn insn = {
        .op = io->is_in ? INSN_INS : INSN_OUTS,
        .operand_size_bytes = io->size_bytes,
        .address_size_bytes = io->address_size_bytes,
        .repeat = io->repeat ? INSN_REPEAT_E : INSN_REPEAT_NONE,
        .memory = {.segment = io->segment,
                   .base = INSN_NO_REGISTER,
                   .index = INSN_NO_REGISTER,
                   .scale = 1},
    };

    return insn_string_execute(&insn, io->port, state, env, iterations_max, fault);
}
