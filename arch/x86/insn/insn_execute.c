// SPDX-License-Identifier: BSD-2-Clause
#include "arch/x86/insn/insn_execute.h"

#include "arch/x86/insn/insn_address.h"
#include "arch/x86/insn/insn_arithmetic.h"
#include "arch/x86/insn/insn_multiply.h"
#include "arch/x86/insn/insn_stack.h"
#include "arch/x86/insn/insn_string.h"
#include "arch/x86/insn/insn_system.h"
#include "arch/x86/insn/insn_vector.h"

/* What an instruction changes besides memory. Registers change only after memory has changed. */
struct effect {
    uint64_t result; /* for the destination */
    bool has_result;
    uint64_t source; /* for the source operand: XCHG, XADD */
    bool has_source;
    uint64_t accumulator; /* for rAX: CMPXCHG whose comparison failed */
    bool has_accumulator;
    uint64_t rflags;
};

static uint64_t sign_extend(uint64_t value, unsigned size_bytes)
{
    uint64_t sign = UINT64_C(1) << (8 * size_bytes - 1);

    return (value ^ sign) - sign;
}

static uint64_t swap_bytes(uint64_t value, unsigned size_bytes)
{
    return __builtin_bswap64(value) >> (64 - 8 * size_bytes);
}

static struct effect compute(const struct insn *insn, const struct insn_state *state,
                             uint64_t destination, uint64_t source)
{
    uint8_t size = insn->operand_size_bytes;
    struct effect e = {.has_result = true, .rflags = state->rflags};

    switch (insn->op) {
    case INSN_MOV:
    case INSN_MOVNTI:
    case INSN_MOVZX:
    case INSN_PUSH:
    case INSN_POP: e.result = source; break;
    case INSN_MOVSX: e.result = sign_extend(source, insn->source.size_bytes); break;
    case INSN_MOVBE: e.result = swap_bytes(source, size); break;
    case INSN_XCHG:
        e.result = source;
        e.source = destination;
        e.has_source = true;
        break;
    case INSN_XADD:
        e.result = insn_arithmetic(INSN_ADD, size, destination, source, &e.rflags);
        e.source = destination;
        e.has_source = true;
        break;
    case INSN_CMPXCHG: {
        const struct insn_operand rax = {INSN_OPERAND_REGISTER, INSN_RAX, false, size};

        insn_arithmetic(INSN_CMP, size, insn_register_read(state, &rax), destination, &e.rflags);
        e.has_accumulator = !(e.rflags & RFLAGS_ZF);
        e.accumulator = destination;
        e.result = e.has_accumulator ? destination : source;
        break;
    }
    case INSN_CMOV:
        /* A 32-bit register loses its upper half also if the condition is false. */
        e.result = insn_condition_holds(insn->condition, state->rflags) ? source : destination;
        break;
    case INSN_SET: e.result = insn_condition_holds(insn->condition, state->rflags); break;
    case INSN_IMUL: {
        bool is_three = insn->third.kind != INSN_OPERAND_NONE;

        e.result =
            insn_signed_product(size, source, is_three ? insn->immediate : destination, &e.rflags);
        break;
    }
    case INSN_SHLD:
    case INSN_SHRD: {
        uint64_t count = insn->third.kind == INSN_OPERAND_REGISTER
                             ? insn_register_read(state, &insn->third)
                             : insn->immediate;

        e.result = insn_double_shift(insn->op, size, destination, source, (unsigned)count & 0xff,
                                     &e.rflags);
        break;
    }
    case INSN_BSF:
    /* The manual leaves the destination of BSF and BSR of 0 undefined; processors do not change
     * it. */
    case INSN_BSR:
        e.has_result = source != 0;
        e.result = insn_bit_scan(insn->op, size, source);
        e.rflags = e.has_result ? e.rflags & ~RFLAGS_ZF : e.rflags | RFLAGS_ZF;
        break;
    case INSN_CMP:
    case INSN_TEST:
    case INSN_BT:
        insn_arithmetic(insn->op, size, destination, source, &e.rflags);
        e.has_result = false;
        break;
    default: e.result = insn_arithmetic(insn->op, size, destination, source, &e.rflags); break;
    }
    return e;
}

/* Compares EDX:EAX or RDX:RAX with memory and stores ECX:EBX or RCX:RBX if they are equal. Of the
 * flags only ZF changes. */
static enum insn_outcome compare_exchange_double(const struct insn *insn, struct insn_state *state,
                                                 const struct insn_env *env,
                                                 const struct insn_access *access,
                                                 union insn_data *data, struct insn_fault *fault)
{
    uint8_t half_bytes = insn->operand_size_bytes / 2;
    const struct insn_operand rax = {INSN_OPERAND_REGISTER, INSN_RAX, false, half_bytes};
    const struct insn_operand rbx = {INSN_OPERAND_REGISTER, INSN_RBX, false, half_bytes};
    const struct insn_operand rcx = {INSN_OPERAND_REGISTER, INSN_RCX, false, half_bytes};
    const struct insn_operand rdx = {INSN_OPERAND_REGISTER, INSN_RDX, false, half_bytes};
    bool is_8b = half_bytes == 4;
    uint64_t low = is_8b ? BITS(data->value[0], 31, 0) : data->value[0];
    uint64_t high = is_8b ? BITS(data->value[0], 63, 32) : data->value[1];
    bool equal = low == insn_register_read(state, &rax) && high == insn_register_read(state, &rdx);
    enum insn_outcome outcome;

    if (equal) {
        uint64_t new_low = insn_register_read(state, &rbx);
        uint64_t new_high = insn_register_read(state, &rcx);

        data->value[0] = is_8b ? new_low | new_high << 32 : new_low;
        data->value[1] = is_8b ? 0 : new_high;
    }
    outcome = insn_access_write(state, env, access, data, fault);
    if (outcome != INSN_DONE)
        return outcome;
    if (!equal) {
        insn_register_write(state, &rax, low);
        insn_register_write(state, &rdx, high);
    }
    state->rflags = (state->rflags & ~RFLAGS_ZF) | (equal ? RFLAGS_ZF : 0);
    return INSN_DONE;
}

static uint64_t operand_value(const struct insn *insn, const struct insn_state *state,
                              const struct insn_operand *operand, uint64_t loaded)
{
    switch (operand->kind) {
    case INSN_OPERAND_REGISTER: return insn_register_read(state, operand);
    case INSN_OPERAND_MEMORY: return loaded;
    case INSN_OPERAND_IMMEDIATE: return insn->immediate;
    default: return 0;
    }
}

static void commit(const struct insn *insn, struct insn_state *state, const struct effect *e)
{
    /* The order matters: the stack pointer first, so that POP RSP ends with what was popped; the
     * source before the destination, so that XADD of a register with itself ends with the sum; the
     * accumulator before the destination, which CMPXCHG writes in any case. */
    if (insn->op == INSN_PUSH)
        state->gpr[INSN_RSP] = insn_stack_pointer(state, -insn->operand_size_bytes);
    if (insn->op == INSN_POP)
        state->gpr[INSN_RSP] = insn_stack_pointer(state, insn->operand_size_bytes);
    if (e->has_source)
        insn_register_write(state, &insn->source, e->source);
    if (e->has_accumulator) {
        const struct insn_operand rax = {INSN_OPERAND_REGISTER, INSN_RAX, false,
                                         insn->operand_size_bytes};
        insn_register_write(state, &rax, e->accumulator);
    }
    if (e->has_result && insn->op != INSN_PUSH && insn->destination.kind == INSN_OPERAND_REGISTER)
        insn_register_write(state, &insn->destination, e->result);
    state->rflags = e->rflags;
}

/* Executes the instructions that have a file of their own. */
static enum insn_outcome execute_elsewhere(const struct insn *insn, struct insn_state *state,
                                           const struct insn_env *env, unsigned iterations_max,
                                           struct insn_fault *fault)
{
    if (insn->op >= INSN_MOVS)
        return insn_string_execute(insn, (uint16_t)state->gpr[INSN_RDX], state, env, iterations_max,
                                   fault);
    if (insn->op >= INSN_VECTOR_LOAD)
        return insn_vector_execute(insn, state, env, fault);
    if (insn->op >= INSN_JMP_FAR)
        return insn_system_execute(insn, state, env, fault);
    return insn_stack_execute(insn, state, env, fault);
}

static bool is_of_accumulator(const struct insn *insn)
{
    return insn->op >= INSN_MUL && insn->op <= INSN_IDIV && insn->source.kind == INSN_OPERAND_NONE;
}

enum insn_outcome insn_execute(const struct insn *insn, struct insn_state *state,
                               const struct insn_env *env, unsigned iterations_max,
                               struct insn_fault *fault)
{
    struct insn_access accesses[INSN_ACCESSES_MAX];
    const struct insn_access *read = NULL, *write = NULL;
    union insn_data data = {.value = {0, 0}};
    uint64_t destination, source;
    struct effect e;
    enum insn_outcome outcome;
    unsigned count;

    if (insn->op >= INSN_ENTER)
        return execute_elsewhere(insn, state, env, iterations_max, fault);

    outcome = insn_effective_address(insn, state, accesses, &count, fault);
    if (outcome != INSN_DONE)
        return outcome;
    for (unsigned i = 0; i < count; i++) {
        if (accesses[i].is_read)
            read = &accesses[i];
        if (accesses[i].is_write)
            write = &accesses[i];
    }
    if (read != NULL && write != NULL) {
        outcome = insn_access_probe(state, env, accesses, count, fault);
        if (outcome != INSN_DONE)
            return outcome;
    }
    if (read != NULL) {
        outcome = insn_access_read(state, env, read, &data, fault);
        if (outcome != INSN_DONE)
            return outcome;
    }
    if (insn->op == INSN_CMPXCHG8B)
        return compare_exchange_double(insn, state, env, write, &data, fault);

    destination = operand_value(insn, state, &insn->destination, data.value[0]);
    source = operand_value(insn, state, &insn->source, data.value[0]);
    if (is_of_accumulator(insn))
        return insn_multiply_divide(insn, destination, state, fault);
    if (insn->op == INSN_PUSH)
        source = destination;
    if (insn->op == INSN_POP)
        source = data.value[0];
    e = compute(insn, state, destination, source);
    if (write != NULL) {
        data = (union insn_data){.value = {e.result, 0}};
        outcome = insn_access_write(state, env, write, &data, fault);
        if (outcome != INSN_DONE)
            return outcome;
    }
    commit(insn, state, &e);
    return INSN_DONE;
}
