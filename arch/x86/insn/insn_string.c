// SPDX-License-Identifier: BSD-2-Clause
#include "arch/x86/insn/insn_string.h"

#include "arch/x86/insn/insn_address.h"
#include "arch/x86/insn/insn_arithmetic.h"

static struct insn_operand of_size(enum insn_register number, uint8_t size_bytes)
{
    return (struct insn_operand){INSN_OPERAND_REGISTER, (uint8_t)number, false, size_bytes};
}

/* Returns whether the instruction moves rSI. */
static bool uses_source(enum insn_op op)
{
    return op == INSN_MOVS || op == INSN_CMPS || op == INSN_LODS || op == INSN_OUTS;
}

static bool uses_destination(enum insn_op op)
{
    return op != INSN_LODS && op != INSN_OUTS;
}

static void advance(const struct insn *insn, struct insn_state *state, enum insn_register index)
{
    struct insn_operand operand = of_size(index, insn->address_size_bytes);
    uint64_t step = insn->operand_size_bytes;

    if (state->rflags & RFLAGS_DF)
        step = -step;
    insn_register_write(state, &operand, insn_register_read(state, &operand) + step);
}

/* Makes the accesses of one iteration, in the order of accesses[]: reads go to data[], writes come
 * from it. */
static enum insn_outcome access_memory(const struct insn *insn, uint16_t port,
                                       const struct insn_state *state, const struct insn_env *env,
                                       union insn_data data[INSN_ACCESSES_MAX],
                                       struct insn_fault *fault)
{
    struct insn_operand accumulator = of_size(INSN_RAX, insn->operand_size_bytes);
    struct insn_access accesses[INSN_ACCESSES_MAX];
    enum insn_access_result result;
    unsigned count;
    uint32_t value = 0;
    enum insn_outcome outcome = insn_effective_address(insn, state, accesses, &count, fault);

    if (outcome != INSN_DONE)
        return outcome;
    if (count == 2 || insn->op == INSN_INS) {
        outcome = insn_access_probe(state, env, accesses, count, fault);
        if (outcome != INSN_DONE)
            return outcome;
    }
    for (unsigned i = 0; i < count && outcome == INSN_DONE; i++) {
        if (accesses[i].is_read)
            outcome = insn_access_read(state, env, &accesses[i], &data[i], fault);
    }
    if (outcome != INSN_DONE)
        return outcome;

    switch (insn->op) {
    case INSN_MOVS: return insn_access_write(state, env, &accesses[1], &data[0], fault);
    case INSN_STOS:
        data[0] = (union insn_data){.value = {insn_register_read(state, &accumulator), 0}};
        return insn_access_write(state, env, &accesses[0], &data[0], fault);
    case INSN_INS:
        result = env->port_read(env->context, port, insn->operand_size_bytes, &value);
        if (result != INSN_ACCESS_OK)
            return INSN_FAILED;
        data[0] = (union insn_data){.value = {value, 0}};
        return insn_access_write(state, env, &accesses[0], &data[0], fault);
    case INSN_OUTS:
        result = env->port_write(env->context, port, insn->operand_size_bytes,
                                 (uint32_t)data[0].value[0]);
        return result == INSN_ACCESS_OK ? INSN_DONE : INSN_FAILED;
    default: return INSN_DONE;
    }
}

static enum insn_outcome iterate(const struct insn *insn, uint16_t port, struct insn_state *state,
                                 const struct insn_env *env, struct insn_fault *fault)
{
    struct insn_operand accumulator = of_size(INSN_RAX, insn->operand_size_bytes);
    union insn_data data[INSN_ACCESSES_MAX];
    enum insn_outcome outcome = access_memory(insn, port, state, env, data, fault);

    if (outcome != INSN_DONE)
        return outcome;
    if (insn->op == INSN_LODS)
        insn_register_write(state, &accumulator, data[0].value[0]);
    else if (insn->op == INSN_CMPS)
        insn_arithmetic(INSN_CMP, insn->operand_size_bytes, data[0].value[0], data[1].value[0],
                        &state->rflags);
    else if (insn->op == INSN_SCAS)
        insn_arithmetic(INSN_CMP, insn->operand_size_bytes, insn_register_read(state, &accumulator),
                        data[0].value[0], &state->rflags);
    if (uses_source(insn->op))
        advance(insn, state, INSN_RSI);
    if (uses_destination(insn->op))
        advance(insn, state, INSN_RDI);
    return INSN_DONE;
}

/* Returns whether a repeat goes on: REPE while ZF is set, REPNE while ZF is clear. This concerns
 * only CMPS and SCAS. */
static bool goes_on(const struct insn *insn, const struct insn_state *state)
{
    bool zero = state->rflags & RFLAGS_ZF;

    if (insn->op != INSN_CMPS && insn->op != INSN_SCAS)
        return true;
    return insn->repeat == INSN_REPEAT_E ? zero : !zero;
}

enum insn_outcome insn_string_execute(const struct insn *insn, uint16_t port,
                                      struct insn_state *state, const struct insn_env *env,
                                      unsigned iterations_max, struct insn_fault *fault)
{
    struct insn_operand counter = of_size(INSN_RCX, insn->address_size_bytes);
    unsigned done = 0;

    if ((insn->op == INSN_INS && env->port_read == NULL) ||
        (insn->op == INSN_OUTS && env->port_write == NULL))
        return INSN_FAILED;
    if (insn->repeat == INSN_REPEAT_NONE)
        return iterate(insn, port, state, env, fault);

    while (insn_register_read(state, &counter) != 0) {
        enum insn_outcome outcome;

        if (done >= iterations_max && done != 0)
            return INSN_AGAIN;
        outcome = iterate(insn, port, state, env, fault);
        if (outcome != INSN_DONE)
            return outcome;
        done++;
        insn_register_write(state, &counter, insn_register_read(state, &counter) - 1);
        if (!goes_on(insn, state))
            break;
    }
    return INSN_DONE;
}
