#include "arch/x86/insn/insn_system.h"

#include "arch/x86/insn/insn_address.h"
#include "arch/x86/insn/insn_stack.h"

#include <string.h>

#define SELECTOR_RPL   UINT16_C(3)
#define SELECTOR_LOCAL UINT16_C(4)

/* Access rights: bits 55:40 of a descriptor without its limit, as the VMCS has them. Intel SDM vol.
 * 3A, 3.4.5 "Segment Descriptors". */
#define RIGHTS_TYPE(rights) ((rights)&15u)
#define RIGHTS_ACCESSED     BIT(0)
#define RIGHTS_WRITABLE     BIT(1) /* of code: readable */
#define RIGHTS_CONFORMING   BIT(2)
#define RIGHTS_CODE         BIT(3)
#define RIGHTS_SEGMENT      BIT(4) /* clear: a system descriptor */
#define RIGHTS_DPL(rights)  ((rights) >> 5 & 3)
#define RIGHTS_PRESENT      BIT(7)
#define RIGHTS_L            BIT(13)
#define RIGHTS_D            BIT(14)
#define RIGHTS_GRANULAR     BIT(15)
#define RIGHTS_UNUSABLE     BIT(16)

#define TYPE_TSS_16_AVAILABLE 1
#define TYPE_LDT              2
#define TYPE_TSS_AVAILABLE    9
#define TYPE_BUSY             2 /* or-ed to a TSS */

struct loading {
    struct insn_state *state;
    const struct insn_env *env;
    struct insn_fault *fault;
    uint16_t selector;
    gva_t address; /* of the descriptor */
    struct insn_segment segment;
};

static enum insn_outcome raise(struct loading *l, uint8_t vector, uint16_t error_code)
{
    *l->fault =
        (struct insn_fault){.vector = vector,
                            .has_error_code = l->state->protected_mode && vector != VECTOR_UD,
                            .error_code = error_code & ~SELECTOR_RPL};
    return INSN_FAULT;
}

static enum insn_outcome outcome_of(enum insn_access_result result)
{
    switch (result) {
    case INSN_ACCESS_OK: return INSN_DONE;
    case INSN_ACCESS_FAULT: return INSN_FAULT;
    default: return INSN_FAILED;
    }
}

static bool has_descriptors(const struct insn_state *state)
{
    return state->protected_mode && !(state->rflags & RFLAGS_VM);
}

static bool in_ia32e_mode(const struct loading *l)
{
    return l->env->system->in_ia32e_mode(l->env->context);
}

/* Reads the descriptor that the selector names, of 8 bytes, or 16 for those of the system in IA-32e
 * mode. */
static enum insn_outcome read_descriptor(struct loading *l, bool is_wide)
{
    const struct insn_system *system = l->env->system;
    struct insn_table table = l->selector & SELECTOR_LOCAL ? system->read_ldt(l->env->context)
                                                           : system->read_gdt(l->env->context);
    uint32_t offset = l->selector & ~UINT32_C(7);
    uint64_t raw[2] = {0, 0}, limit;
    enum insn_outcome outcome;

    if (offset + (is_wide ? 15 : 7) > table.limit)
        return raise(l, VECTOR_GP, l->selector);
    l->address = GVA(table.base + offset);
    if (!in_ia32e_mode(l))
        l->address.value &= UINT32_MAX;
    if (l->address.value + 15 < l->address.value ||
        (!in_ia32e_mode(l) && l->address.value + 7 > UINT32_MAX))
        return INSN_FAILED; /* a descriptor around the end of the address space */
    outcome = outcome_of(
        system->table_read(l->env->context, l->address, raw, is_wide ? 16 : 8, l->fault));
    if (outcome != INSN_DONE)
        return outcome;
    if (is_wide && BITS(raw[1], 44, 40) != 0)
        return raise(l, VECTOR_GP, l->selector);

    limit = BITS(raw[0], 15, 0) | BITS(raw[0], 51, 48) << 16;
    l->segment.access_rights = (uint32_t)(raw[0] >> 40 & 0xf0ff);
    l->segment.limit =
        (uint32_t)(l->segment.access_rights & RIGHTS_GRANULAR ? limit << 12 | 0xfff : limit);
    l->segment.base =
        BITS(raw[0], 39, 16) | BITS(raw[0], 63, 56) << 24 | (is_wide ? raw[1] << 32 : 0);
    return INSN_DONE;
}

/* Sets bits of the descriptor's type in memory and in what will be loaded. */
static enum insn_outcome set_type(struct loading *l, uint8_t bits)
{
    uint8_t type_byte;

    if ((l->segment.access_rights & bits) == bits)
        return INSN_DONE;
    l->segment.access_rights |= bits;
    type_byte = (uint8_t)l->segment.access_rights;
    return outcome_of(l->env->system->table_write(l->env->context, GVA(l->address.value + 5),
                                                  &type_byte, 1, l->fault));
}

static void load(const struct loading *l, unsigned number)
{
    l->env->system->load_segment(l->env->context, number, l->selector, &l->segment);
}

/* Real-address and virtual-8086 mode: the base follows from the selector, the rest stays. */
static void load_without_descriptor(struct loading *l, unsigned number)
{
    l->segment = l->state->segments[number];
    l->segment.base = (uint64_t)l->selector << 4;
    load(l, number);
}

/* --- MOV to a segment register --- */

static enum insn_outcome load_null(struct loading *l, unsigned number)
{
    uint8_t cpl = l->state->cpl;

    if (number == INSN_SS &&
        (l->state->mode != INSN_MODE_64 || cpl == 3 || (l->selector & SELECTOR_RPL) != cpl))
        return raise(l, VECTOR_GP, 0);
    /* SS goes on telling the privilege level. */
    l->segment = (struct insn_segment){.access_rights = (uint32_t)RIGHTS_UNUSABLE |
                                                        (number == INSN_SS ? cpl << 5 : 0)};
    load(l, number);
    return INSN_DONE;
}

static bool is_allowed_as_data(const struct loading *l, unsigned number)
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

static enum insn_outcome load_data_segment(struct loading *l, unsigned number)
{
    enum insn_outcome outcome;

    if (!has_descriptors(l->state)) {
        load_without_descriptor(l, number);
        return INSN_DONE;
    }
    if ((l->selector & ~SELECTOR_RPL) == 0)
        return load_null(l, number);
    outcome = read_descriptor(l, false);
    if (outcome != INSN_DONE)
        return outcome;
    if (!is_allowed_as_data(l, number))
        return raise(l, VECTOR_GP, l->selector);
    if (!(l->segment.access_rights & RIGHTS_PRESENT))
        return raise(l, number == INSN_SS ? VECTOR_SS : VECTOR_NP, l->selector);
    outcome = set_type(l, RIGHTS_ACCESSED);
    if (outcome == INSN_DONE)
        load(l, number);
    return outcome;
}

/* --- LLDT and LTR --- */

static enum insn_outcome load_system_segment(struct loading *l, unsigned number)
{
    bool is_ia32e, is_task = number == INSN_TR;
    enum insn_outcome outcome;
    unsigned type;

    if (!has_descriptors(l->state))
        return raise(l, VECTOR_UD, 0);
    if (l->state->cpl != 0)
        return raise(l, VECTOR_GP, 0);
    if ((l->selector & ~SELECTOR_RPL) == 0) {
        if (is_task)
            return raise(l, VECTOR_GP, 0);
        l->segment = (struct insn_segment){.access_rights = RIGHTS_UNUSABLE};
        load(l, number);
        return INSN_DONE;
    }
    if (l->selector & SELECTOR_LOCAL)
        return raise(l, VECTOR_GP, l->selector);
    is_ia32e = in_ia32e_mode(l);
    outcome = read_descriptor(l, is_ia32e);
    if (outcome != INSN_DONE)
        return outcome;
    type = RIGHTS_TYPE(l->segment.access_rights);
    if ((l->segment.access_rights & RIGHTS_SEGMENT) ||
        (is_task ? type != TYPE_TSS_AVAILABLE && (is_ia32e || type != TYPE_TSS_16_AVAILABLE)
                 : type != TYPE_LDT))
        return raise(l, VECTOR_GP, l->selector);
    if (!(l->segment.access_rights & RIGHTS_PRESENT))
        return raise(l, VECTOR_NP, l->selector);
    if (insn_check_target(l->state, INSN_MODE_64, 0, l->segment.base, l->fault) != INSN_DONE)
        return raise(l, VECTOR_GP, l->selector);
    outcome = is_task ? set_type(l, TYPE_BUSY) : INSN_DONE;
    if (outcome == INSN_DONE)
        load(l, number);
    return outcome;
}

/* --- JMP m16:16, m16:32, m16:64 --- */

static enum insn_outcome jump(const struct insn *insn, struct loading *l, uint64_t target)
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
        return raise(l, VECTOR_GP, 0);
    outcome = read_descriptor(l, false);
    if (outcome != INSN_DONE)
        return outcome;
    rights = l->segment.access_rights;
    if (!(rights & RIGHTS_SEGMENT))
        return INSN_FAILED;
    dpl = RIGHTS_DPL(rights);
    if (!(rights & RIGHTS_CODE) ||
        (rights & RIGHTS_CONFORMING ? dpl > cpl : rpl > cpl || dpl != cpl) ||
        (in_ia32e_mode(l) && (rights & RIGHTS_L) && (rights & RIGHTS_D)))
        return raise(l, VECTOR_GP, l->selector);
    if (!(rights & RIGHTS_PRESENT))
        return raise(l, VECTOR_NP, l->selector);
    if (in_ia32e_mode(l) && (rights & RIGHTS_L))
        mode = INSN_MODE_64;
    outcome = insn_check_target(l->state, mode, l->segment.limit, target, l->fault);
    if (outcome == INSN_DONE)
        outcome = set_type(l, RIGHTS_ACCESSED);
    if (outcome != INSN_DONE)
        return outcome;
    l->selector = (uint16_t)((l->selector & ~SELECTOR_RPL) | cpl);
    load(l, INSN_CS);
    l->state->rip = target - insn->length;
    return INSN_DONE;
}

/* --- Stores --- */

static bool is_store(enum insn_op op)
{
    return op == INSN_MOV_FROM_SEGMENT || op == INSN_SLDT || op == INSN_STR || op == INSN_SMSW;
}

static enum insn_outcome store(const struct insn *insn, struct loading *l,
                               const struct insn_access *access)
{
    const struct insn_system *system = l->env->system;
    void *context = l->env->context;
    union insn_data data = {.value = {0, 0}};

    if (insn->op != INSN_MOV_FROM_SEGMENT && l->state->cpl != 0 &&
        (system->read_cr4(context) & CR4_UMIP))
        return raise(l, VECTOR_GP, 0);
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
    struct loading l = {.state = state, .env = env, .fault = fault};
    struct insn_access accesses[INSN_ACCESSES_MAX];
    union insn_data data;
    uint64_t target;
    unsigned count;
    enum insn_outcome outcome;

    if (env->system == NULL)
        return INSN_FAILED;
    if ((insn->op == INSN_LLDT || insn->op == INSN_LTR) && has_descriptors(state) &&
        state->cpl != 0)
        return raise(&l, VECTOR_GP, 0); /* before the operand is read */
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
