// SPDX-License-Identifier: BSD-2-Clause
#include "arch/x86/insn/insn_stack.h"

#include "arch/x86/insn/insn_address.h"

enum insn_outcome insn_check_target(const struct insn_state *state, enum insn_mode mode,
                                    uint32_t limit, uint64_t target, struct insn_fault *fault)
{
    unsigned unused_bits = 64 - state->linear_address_bits;
    bool is_canonical = (uint64_t)((int64_t)(target << unused_bits) >> unused_bits) == target;

    if (mode == INSN_MODE_64 ? is_canonical : target <= limit)
        return INSN_DONE;
    *fault = (struct insn_fault){.vector = VECTOR_GP, .has_error_code = state->protected_mode};
    return INSN_FAULT;
}

/* Sets as many bits of rSP as the stack's width has. A 16-bit stack leaves the bits above alone. */
static void set_stack_pointer(struct insn_state *state, uint64_t value)
{
    uint64_t mask = insn_stack_mask(state);
    uint64_t kept = mask == UINT16_MAX ? state->gpr[INSN_RSP] & ~mask : 0;

    state->gpr[INSN_RSP] = kept | (value & mask);
}

static void set_frame_pointer(const struct insn *insn, struct insn_state *state, uint64_t value)
{
    const struct insn_operand rbp = {INSN_OPERAND_REGISTER, INSN_RBP, false,
                                     insn->operand_size_bytes};

    insn_register_write(state, &rbp, value);
}

static uint64_t target_of(const struct insn *insn, const struct insn_state *state,
                          const union insn_data *loaded)
{
    uint64_t mask = bytes_mask(insn->operand_size_bytes);

    if (insn->op == INSN_RET || insn->destination.kind == INSN_OPERAND_MEMORY)
        return loaded->value[0];
    if (insn->destination.kind == INSN_OPERAND_IMMEDIATE)
        return (state->rip + insn->length + insn->immediate) & mask;
    return insn_register_read(state, &insn->destination);
}

enum insn_outcome insn_stack_execute(const struct insn *insn, struct insn_state *state,
                                     const struct insn_env *env, struct insn_fault *fault)
{
    struct insn_access accesses[INSN_ACCESSES_MAX];
    union insn_data loaded = {.value = {0, 0}}, pushed = {.value = {0, 0}};
    uint64_t target = 0, stack_pointer;
    unsigned count;
    enum insn_outcome outcome = insn_effective_address(insn, state, accesses, &count, fault);

    if (outcome == INSN_DONE && count == 2)
        outcome = insn_access_probe(state, env, accesses, count, fault);
    if (outcome == INSN_DONE && count != 0 && accesses[0].is_read)
        outcome = insn_access_read(state, env, &accesses[0], &loaded, fault);
    if (outcome != INSN_DONE)
        return outcome;

    if (insn->op != INSN_ENTER && insn->op != INSN_LEAVE) {
        target = target_of(insn, state, &loaded);
        outcome =
            insn_check_target(state, state->mode, state->segments[INSN_CS].limit, target, fault);
        if (outcome != INSN_DONE)
            return outcome;
    }
    if (insn->op == INSN_ENTER || insn->op == INSN_CALL) {
        pushed.value[0] = insn->op == INSN_ENTER ? state->gpr[INSN_RBP] : state->rip + insn->length;
        outcome = insn_access_write(state, env, &accesses[count - 1], &pushed, fault);
        if (outcome != INSN_DONE)
            return outcome;
    }

    switch (insn->op) {
    case INSN_ENTER:
        stack_pointer = insn_stack_pointer(state, -insn->operand_size_bytes);
        set_stack_pointer(state, stack_pointer - insn->immediate);
        set_frame_pointer(insn, state, stack_pointer);
        return INSN_DONE;
    case INSN_LEAVE:
        set_stack_pointer(state, state->gpr[INSN_RBP] + insn->operand_size_bytes);
        set_frame_pointer(insn, state, loaded.value[0]);
        return INSN_DONE;
    case INSN_CALL:
        set_stack_pointer(state, insn_stack_pointer(state, -insn->operand_size_bytes));
        break;
    case INSN_RET:
        set_stack_pointer(state,
                          insn_stack_pointer(state, insn->operand_size_bytes) + insn->immediate);
        break;
    default: break;
    }
    state->rip = target - insn->length;
    return INSN_DONE;
}
