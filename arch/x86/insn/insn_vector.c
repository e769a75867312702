// SPDX-License-Identifier: BSD-2-Clause
#include "arch/x86/insn/insn_vector.h"

#include "arch/x86/insn/insn_address.h"

static enum insn_outcome outcome_of(enum insn_access_result result)
{
    switch (result) {
    case INSN_ACCESS_OK: return INSN_DONE;
    case INSN_ACCESS_FAULT: return INSN_FAULT;
    case INSN_ACCESS_RETRY: return INSN_RETRY;
    default: return INSN_FAILED;
    }
}

enum insn_outcome insn_vector_execute(const struct insn *insn, struct insn_state *state,
                                      const struct insn_env *env, struct insn_fault *fault)
{
    bool is_load = insn->op == INSN_VECTOR_LOAD;
    const struct insn_operand *vector = is_load ? &insn->destination : &insn->source;
    struct insn_access accesses[INSN_ACCESSES_MAX];
    union insn_data data;
    unsigned count;
    enum insn_outcome outcome;

    if (env->vector_read == NULL || env->vector_write == NULL)
        return INSN_FAILED;
    /* For a load as well, and before memory is read: the result says whether the register can be
     * used. */
    outcome = outcome_of(env->vector_read(env->context, vector, data.bytes, fault));
    if (outcome == INSN_DONE)
        outcome = insn_effective_address(insn, state, accesses, &count, fault);
    if (outcome != INSN_DONE)
        return outcome;
    if (!is_load)
        return insn_access_write(state, env, &accesses[0], &data, fault);
    outcome = insn_access_read(state, env, &accesses[0], &data, fault);
    if (outcome != INSN_DONE)
        return outcome;
    return outcome_of(env->vector_write(env->context, vector, data.bytes, fault));
}
