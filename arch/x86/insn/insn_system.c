// SPDX-License-Identifier: BSD-2-Clause
#include "arch/x86/insn/insn_system.h"

#include "arch/x86/insn/insn_address.h"
#include "arch/x86/insn/insn_descriptor.h"
#include "arch/x86/insn/insn_stack.h"

#include <string.h>

static bool has_descriptors(const struct insn_state *state)
{
    return state->protected_mode && !(state->rflags & RFLAGS_VM);
}

/* Loads a segment in real-address or virtual-8086 mode: the base follows from the selector, the
 * rest does not change. */
static void load_without_descriptor(struct insn_loading *l, unsigned number)
{
    l->segment = l->state->segments[number];
    l->segment.base = (uint64_t)l->selector << 4;
    insn_loading_finish(l, number);
}

/* --- MOV to a segment register --- */

static enum insn_outcome load_null(struct insn_loading *l, unsigned number)
{
    uint8_t cpl = l->state->cpl;

    if (number == INSN_SS &&
        (l->state->mode != INSN_MODE_64 || cpl == 3 || (l->selector & SELECTOR_RPL) != cpl))
        return insn_loading_fault(l, VECTOR_GP, 0);
    /* The DPL of SS stays the privilege level. */
    l->segment = (struct insn_segment){.access_rights = (uint32_t)RIGHTS_UNUSABLE |
                                                        (number == INSN_SS ? cpl << 5 : 0)};
    insn_loading_finish(l, number);
    return INSN_DONE;
}

static bool is_allowed_as_data(const struct insn_loading *l, unsigned number)
{
    uint64_t rights = l->segment.access_rights;
    unsigned rpl = l->selector & SELECTOR_RPL, dpl = RIGHTS_DPL(rights), cpl = l->state->cpl;
    bool is_code = rights & RIGHTS_CODE;

    if (!(rights & RIGHTS_SEGMENT))
        return false;
    if (number == INSN_SS)
        return !is_code && (rights & RIGHTS_WRITABLE) && rpl == cpl && dpl == cpl;
    if (is_code && !(rights & RIGHTS_WRITABLE))
        return false;
    return (is_code && (rights & RIGHTS_CONFORMING)) || (rpl <= dpl && cpl <= dpl);
}

static enum insn_outcome load_data_segment(struct insn_loading *l, unsigned number)
{
    enum insn_outcome outcome;

    if (!has_descriptors(l->state)) {
        load_without_descriptor(l, number);
        return INSN_DONE;
    }
    if ((l->selector & ~SELECTOR_RPL) == 0)
        return load_null(l, number);
    outcome = insn_loading_read(l, false, VECTOR_GP);
    if (outcome != INSN_DONE)
        return outcome;
    if (!is_allowed_as_data(l, number))
        return insn_loading_fault(l, VECTOR_GP, l->selector);
    if (!(l->segment.access_rights & RIGHTS_PRESENT))
        return insn_loading_fault(l, number == INSN_SS ? VECTOR_SS : VECTOR_NP, l->selector);
    outcome = insn_loading_set_type(l, RIGHTS_ACCESSED);
    if (outcome == INSN_DONE)
        insn_loading_finish(l, number);
    return outcome;
}

/* --- LLDT and LTR --- */

static enum insn_outcome load_system_segment(struct insn_loading *l, unsigned number)
{
    bool is_ia32e, is_task = number == INSN_TR;
    enum insn_outcome outcome;
    unsigned type;

    if (!has_descriptors(l->state))
        return insn_loading_fault(l, VECTOR_UD, 0);
    if (l->state->cpl != 0)
        return insn_loading_fault(l, VECTOR_GP, 0);
    if ((l->selector & ~SELECTOR_RPL) == 0) {
        if (is_task)
            return insn_loading_fault(l, VECTOR_GP, 0);
        l->segment = (struct insn_segment){.access_rights = RIGHTS_UNUSABLE};
        insn_loading_finish(l, number);
        return INSN_DONE;
    }
    if (l->selector & SELECTOR_LOCAL)
        return insn_loading_fault(l, VECTOR_GP, l->selector);
    is_ia32e = insn_loading_in_ia32e_mode(l);
    outcome = insn_loading_read(l, is_ia32e, VECTOR_GP);
    if (outcome != INSN_DONE)
        return outcome;
    type = RIGHTS_TYPE(l->segment.access_rights);
    if ((l->segment.access_rights & RIGHTS_SEGMENT) ||
        (is_task ? type != TYPE_TSS_AVAILABLE && (is_ia32e || type != TYPE_TSS_16_AVAILABLE)
                 : type != TYPE_LDT))
        return insn_loading_fault(l, VECTOR_GP, l->selector);
    if (!(l->segment.access_rights & RIGHTS_PRESENT))
        return insn_loading_fault(l, VECTOR_NP, l->selector);
    if (insn_check_target(l->state, INSN_MODE_64, 0, l->segment.base, l->fault) != INSN_DONE)
        return insn_loading_fault(l, VECTOR_GP, l->selector);
    outcome = is_task ? insn_loading_set_type(l, TYPE_BUSY) : INSN_DONE;
    if (outcome == INSN_DONE)
        insn_loading_finish(l, number);
    return outcome;
}

/* --- JMP m16:16, m16:32, m16:64 --- */

static enum insn_outcome jump(const struct insn *insn, struct insn_loading *l, uint64_t target)
{
    enum insn_mode mode = INSN_MODE_32;
    unsigned cpl = l->state->cpl, rpl = l->selector & SELECTOR_RPL, dpl;
    enum insn_outcome outcome;
    uint64_t rights;

    if (!has_descriptors(l->state)) {
        outcome =
            insn_check_target(l->state, mode, l->state->segments[INSN_CS].limit, target, l->fault);
        if (outcome != INSN_DONE)
            return outcome;
        load_without_descriptor(l, INSN_CS);
        l->state->rip = target - insn->length;
        return INSN_DONE;
    }
    if ((l->selector & ~SELECTOR_RPL) == 0)
        return insn_loading_fault(l, VECTOR_GP, 0);
    outcome = insn_loading_read(l, false, VECTOR_GP);
    if (outcome != INSN_DONE)
        return outcome;
    rights = l->segment.access_rights;
    if (!(rights & RIGHTS_SEGMENT))
        return INSN_FAILED;
    dpl = RIGHTS_DPL(rights);
    if (!(rights & RIGHTS_CODE) ||
        (rights & RIGHTS_CONFORMING ? dpl > cpl : rpl > cpl || dpl != cpl) ||
        (insn_loading_in_ia32e_mode(l) && (rights & RIGHTS_L) && (rights & RIGHTS_D)))
        return insn_loading_fault(l, VECTOR_GP, l->selector);
    if (!(rights & RIGHTS_PRESENT))
        return insn_loading_fault(l, VECTOR_NP, l->selector);
    if (insn_loading_in_ia32e_mode(l) && (rights & RIGHTS_L))
        mode = INSN_MODE_64;
    outcome = insn_check_target(l->state, mode, l->segment.limit, target, l->fault);
    if (outcome == INSN_DONE)
        outcome = insn_loading_set_type(l, RIGHTS_ACCESSED);
    if (outcome != INSN_DONE)
        return outcome;
    l->selector = (uint16_t)((l->selector & ~SELECTOR_RPL) | cpl);
    insn_loading_finish(l, INSN_CS);
    l->state->rip = target - insn->length;
    return INSN_DONE;
}

/* --- Stores --- */

static bool is_store(enum insn_op op)
{
    return op == INSN_MOV_FROM_SEGMENT || op == INSN_SLDT || op == INSN_STR || op == INSN_SMSW;
}

static enum insn_outcome store(const struct insn *insn, struct insn_loading *l,
                               const struct insn_access *access)
{
    const struct insn_system *system = l->env->system;
    void *context = l->env->context;
    union insn_data data = {.value = {0, 0}};

    if (insn->op != INSN_MOV_FROM_SEGMENT && l->state->cpl != 0 &&
        (system->read_cr4(context) & CR4_UMIP))
        return insn_loading_fault(l, VECTOR_GP, 0);
    switch (insn->op) {
    case INSN_SMSW: data.value[0] = system->read_cr0(context) & UINT16_MAX; break;
    case INSN_SLDT: data.value[0] = system->read_selector(context, INSN_LDTR); break;
    case INSN_STR: data.value[0] = system->read_selector(context, INSN_TR); break;
    default: data.value[0] = system->read_selector(context, insn->source.reg); break;
    }
    return insn_access_write(l->state, l->env, access, &data, l->fault);
}

enum insn_outcome insn_system_execute(const struct insn *insn, struct insn_state *state,
                                      const struct insn_env *env, struct insn_fault *fault)
{
    struct insn_loading l = {.state = state, .env = env, .fault = fault};
    struct insn_access accesses[INSN_ACCESSES_MAX];
    union insn_data data;
    uint64_t target;
    unsigned count;
    enum insn_outcome outcome;

    if (env->system == NULL)
        return INSN_FAILED;
    if ((insn->op == INSN_LLDT || insn->op == INSN_LTR) && has_descriptors(state) &&
        state->cpl != 0)
        return insn_loading_fault(&l, VECTOR_GP, 0); /* checked before the operand is read */
    outcome = insn_effective_address(insn, state, accesses, &count, fault);
    if (outcome != INSN_DONE)
        return outcome;
    if (is_store(insn->op))
        return store(insn, &l, &accesses[0]);
    outcome = insn_access_read(state, env, &accesses[0], &data, fault);
    if (outcome != INSN_DONE)
        return outcome;
    if (insn->op == INSN_JMP_FAR) {
        target = data.value[0] & bytes_mask(insn->operand_size_bytes);
        memcpy(&l.selector, &data.bytes[insn->operand_size_bytes], sizeof(l.selector));
        return jump(insn, &l, target);
    }
    l.selector = (uint16_t)data.value[0];
    switch (insn->op) {
    case INSN_LLDT: return load_system_segment(&l, INSN_LDTR);
    case INSN_LTR: return load_system_segment(&l, INSN_TR);
    default: return load_data_segment(&l, insn->destination.reg);
    }
}
