// SPDX-License-Identifier: BSD-2-Clause
#include "arch/x86/insn/insn_address.h"

#include <string.h>

/* Access rights, Intel SDM vol. 3C, table 25-2 "Format of Access Rights". */
#define RIGHTS_WRITABLE    BIT(1) /* of data; of code: readable */
#define RIGHTS_EXPAND_DOWN BIT(2)
#define RIGHTS_CODE        BIT(3)
#define RIGHTS_DB          BIT(14)
#define RIGHTS_UNUSABLE    BIT(16)

static enum insn_outcome raise(const struct insn_state *state, uint8_t vector,
                               struct insn_fault *fault)
{
    *fault = (struct insn_fault){.vector = vector, .has_error_code = state->protected_mode};
    return INSN_FAULT;
}

static bool is_canonical(const struct insn_state *state, uint64_t address)
{
    unsigned unused_bits = 64 - state->linear_address_bits;

    return (uint64_t)((int64_t)(address << unused_bits) >> unused_bits) == address;
}

/* Checks the type of a segment. Real-address and virtual-8086 mode have no types. A segment that
 * was loaded with a null selector is unusable in every mode except 64-bit mode, where this function
 * is not called. */
static bool type_allows(const struct insn_state *state, uint64_t rights, bool is_write)
{
    if (rights & RIGHTS_UNUSABLE)
        return false;
    if (!state->protected_mode || (state->rflags & RFLAGS_VM))
        return true;
    if (is_write)
        return !(rights & RIGHTS_CODE) && (rights & RIGHTS_WRITABLE);
    return !(rights & RIGHTS_CODE) || (rights & RIGHTS_WRITABLE);
}

static bool limit_allows(const struct insn_segment *segment, uint64_t first, uint64_t last)
{
    if ((segment->access_rights & (RIGHTS_CODE | RIGHTS_EXPAND_DOWN)) == RIGHTS_EXPAND_DOWN)
        return first > segment->limit &&
               last <= (segment->access_rights & RIGHTS_DB ? UINT32_MAX : UINT16_MAX);
    return last <= segment->limit;
}

/* Returns whether RFLAGS.AC and CR0.AM ask for #AC here. Operands of 16 bytes that need not be
 * aligned and far pointers never cause it: the processor has checked these before. */
static bool is_misaligned(const struct insn *insn, const struct insn_state *state,
                          const struct insn_access *access)
{
    return state->alignment_mask && (state->rflags & RFLAGS_AC) && state->cpl == 3 &&
           access->size_bytes <= 8 && insn->op != INSN_JMP_FAR &&
           !is_aligned(access->address.value, access->size_bytes);
}

static enum insn_outcome to_linear(const struct insn *insn, const struct insn_state *state,
                                   enum insn_segment_register number, uint64_t offset,
                                   struct insn_access *access, struct insn_fault *fault)
{
    const struct insn_segment *segment = &state->segments[number];
    uint8_t vector = number == INSN_SS ? VECTOR_SS : VECTOR_GP;
    uint64_t last = offset + access->size_bytes - 1, address;

    if (state->mode == INSN_MODE_64) {
        address = offset + (number >= INSN_FS ? segment->base : 0);
        /* The access does not wrap, and its first and last byte are canonical. */
        if (!is_canonical(state, address) ||
            !is_canonical(state, address + access->size_bytes - 1) ||
            address + access->size_bytes - 1 < address)
            return raise(state, vector, fault);
    } else {
        if (!type_allows(state, segment->access_rights, access->is_write) ||
            !limit_allows(segment, offset, last))
            return raise(state, vector, fault);
        address = (segment->base + offset) & UINT32_MAX;
    }
    access->address = GVA(address);

    if (insn->is_aligned && !is_aligned(address, access->size_bytes))
        return raise(state, VECTOR_GP, fault);
    return is_misaligned(insn, state, access) ? raise(state, VECTOR_AC, fault) : INSN_DONE;
}

uint64_t insn_register_read(const struct insn_state *state, const struct insn_operand *operand)
{
    uint64_t value = state->gpr[operand->reg] >> (operand->high_byte ? 8 : 0);

    return value & bytes_mask(operand->size_bytes);
}

void insn_register_write(struct insn_state *state, const struct insn_operand *operand,
                         uint64_t value)
{
    unsigned shift = operand->high_byte ? 8 : 0;
    uint64_t mask = bytes_mask(operand->size_bytes) << shift;
    uint64_t kept = operand->size_bytes == 4 ? 0 : state->gpr[operand->reg] & ~mask;

    state->gpr[operand->reg] = kept | (value << shift & mask);
}

static uint8_t stack_address_size(const struct insn_state *state)
{
    if (state->mode == INSN_MODE_64)
        return 8;
    return state->segments[INSN_SS].access_rights & RIGHTS_DB ? 4 : 2;
}

uint64_t insn_stack_mask(const struct insn_state *state)
{
    return bytes_mask(stack_address_size(state));
}

uint64_t insn_stack_pointer(const struct insn_state *state, int delta_bytes)
{
    uint64_t old = state->gpr[INSN_RSP], moved = old + (uint64_t)(int64_t)delta_bytes;

    switch (stack_address_size(state)) {
    case 2: return (old & ~bytes_mask(2)) | (moved & bytes_mask(2));
    case 4: return moved & bytes_mask(4);
    default: return moved;
    }
}

/* Returns how far the operand's memory lies from its address. With a bit number in a register, BT,
 * BTS, BTR and BTC reach beyond the operand: "the bit offset ... Effective Address + (4 *
 * (BitOffset DIV 32))", with a signed offset rounded downwards (Intel SDM vol. 2A, "BT"). */
static uint64_t bit_displacement(const struct insn *insn, const struct insn_state *state)
{
    unsigned unused_bits = 64 - 8 * insn->operand_size_bytes;
    unsigned index_bits = insn->operand_size_bytes == 2 ? 4 : insn->operand_size_bytes == 4 ? 5 : 6;
    int64_t bit;

    if (insn->op < INSN_BT || insn->op > INSN_BTC || insn->source.kind != INSN_OPERAND_REGISTER)
        return 0;
    bit = (int64_t)(state->gpr[insn->source.reg] << unused_bits) >> unused_bits;
    return (uint64_t)((bit >> index_bits) * insn->operand_size_bytes);
}

static uint64_t operand_offset(const struct insn *insn, const struct insn_state *state)
{
    const struct insn_memory *m = &insn->memory;
    uint64_t offset = m->displacement + bit_displacement(insn, state);

    if (m->base == INSN_RIP)
        offset += state->rip + insn->length;
    else if (m->base == INSN_RSP && insn->op == INSN_POP)
        offset += insn_stack_pointer(state, insn->operand_size_bytes); /* "after it increments" */
    else if (m->base != INSN_NO_REGISTER)
        offset += state->gpr[m->base];
    if (m->index != INSN_NO_REGISTER)
        offset += state->gpr[m->index] * m->scale;
    return offset & bytes_mask(insn->address_size_bytes);
}

unsigned insn_segments(const struct insn *insn, enum insn_mode mode)
{
    unsigned segments = 0;

    if (insn->op >= INSN_JMP_FAR && insn->op <= INSN_LTR)
        return INSN_SEGMENTS_ALL; /* the instructions of insn_system.h also load segments */
    if (insn->destination.kind == INSN_OPERAND_MEMORY || insn->source.kind == INSN_OPERAND_MEMORY)
        segments |= 1u << insn->memory.segment;
    if (insn->op >= INSN_MOVS)
        segments |= 1u << insn->memory.segment | 1u << INSN_ES;
    if (insn->op == INSN_PUSH || insn->op == INSN_POP ||
        (insn->op >= INSN_ENTER && insn->op <= INSN_RET))
        segments |= 1u << INSN_SS | 1u << INSN_CS;
    return insn_segments_that_count(segments, mode);
}

struct resolution {
    const struct insn *insn;
    const struct insn_state *state;
    struct insn_access *accesses;
    unsigned count;
    struct insn_fault *fault;
};

static enum insn_outcome add(struct resolution *r, enum insn_segment_register segment,
                             uint64_t offset, uint8_t size_bytes, bool is_read, bool is_write)
{
    struct insn_access *access = &r->accesses[r->count++];

    *access =
        (struct insn_access){.size_bytes = size_bytes, .is_read = is_read, .is_write = is_write};
    return to_linear(r->insn, r->state, segment, offset, access, r->fault);
}

static enum insn_outcome add_operand(struct resolution *r)
{
    const struct insn *insn = r->insn;
    bool is_read = true, is_write = true;
    uint8_t size_bytes = insn->destination.size_bytes;

    if (insn->source.kind == INSN_OPERAND_MEMORY) {
        is_write = false;
        size_bytes = insn->source.size_bytes;
    } else if (insn->destination.kind == INSN_OPERAND_MEMORY) {
        switch (insn->op) {
        case INSN_CMP:
        case INSN_TEST:
        case INSN_BT:
        case INSN_PUSH:
        case INSN_MUL:
        case INSN_IMUL:
        case INSN_DIV:
        case INSN_IDIV:
        case INSN_CALL:
        case INSN_JMP:
        case INSN_JMP_FAR:
        case INSN_LLDT:
        case INSN_LTR: is_write = false; break;
        case INSN_MOV:
        case INSN_MOVNTI:
        case INSN_MOVBE:
        case INSN_POP:
        case INSN_SET:
        case INSN_MOV_FROM_SEGMENT:
        case INSN_SLDT:
        case INSN_STR:
        case INSN_SMSW:
        case INSN_VECTOR_STORE: is_read = false; break;
        default: break;
        }
    } else {
        return INSN_DONE;
    }
    return add(r, insn->memory.segment, operand_offset(insn, r->state), size_bytes, is_read,
               is_write);
}

static enum insn_outcome add_stack(struct resolution *r)
{
    uint8_t size_bytes = r->insn->operand_size_bytes;
    bool is_push =
        r->insn->op == INSN_PUSH || r->insn->op == INSN_CALL || r->insn->op == INSN_ENTER;
    uint64_t offset = is_push                     ? insn_stack_pointer(r->state, -size_bytes)
                      : r->insn->op == INSN_LEAVE ? r->state->gpr[INSN_RBP]
                                                  : r->state->gpr[INSN_RSP];

    return add(r, INSN_SS, offset & bytes_mask(stack_address_size(r->state)), size_bytes, !is_push,
               is_push);
}

/* Adds the access of a string instruction at segment:[rSI] or ES:[rDI]. */
static enum insn_outcome add_string(struct resolution *r, enum insn_register index, bool is_write)
{
    uint64_t offset = r->state->gpr[index] & bytes_mask(r->insn->address_size_bytes);

    return add(r, index == INSN_RSI ? r->insn->memory.segment : INSN_ES, offset,
               r->insn->operand_size_bytes, !is_write, is_write);
}

static enum insn_outcome resolve(struct resolution *r)
{
    enum insn_outcome outcome;

    switch (r->insn->op) {
    case INSN_MOVS:
    case INSN_CMPS:
        outcome = add_string(r, INSN_RSI, false);
        return outcome == INSN_DONE ? add_string(r, INSN_RDI, r->insn->op == INSN_MOVS) : outcome;
    case INSN_LODS:
    case INSN_OUTS: return add_string(r, INSN_RSI, false);
    case INSN_SCAS: return add_string(r, INSN_RDI, false);
    case INSN_STOS:
    case INSN_INS: return add_string(r, INSN_RDI, true);
    case INSN_ENTER:
    case INSN_LEAVE:
    case INSN_RET: return add_stack(r);
    case INSN_CALL:
    case INSN_PUSH: outcome = add_operand(r); return outcome == INSN_DONE ? add_stack(r) : outcome;
    case INSN_POP: outcome = add_stack(r); return outcome == INSN_DONE ? add_operand(r) : outcome;
    default: return add_operand(r);
    }
}

enum insn_outcome insn_effective_address(const struct insn *insn, const struct insn_state *state,
                                         struct insn_access accesses[INSN_ACCESSES_MAX],
                                         unsigned *count, struct insn_fault *fault)
{
    struct resolution r = {insn, state, accesses, 0, fault};
    enum insn_outcome outcome = resolve(&r);

    *count = outcome == INSN_DONE ? r.count : 0;
    return outcome;
}

static enum insn_outcome outcome_of(enum insn_access_result result)
{
    switch (result) {
    case INSN_ACCESS_OK: return INSN_DONE;
    case INSN_ACCESS_FAULT: return INSN_FAULT;
    case INSN_ACCESS_RETRY: return INSN_RETRY;
    default: return INSN_FAILED;
    }
}

/* Returns how many bytes of the access come before 4 GiB; all of them in 64-bit mode. */
static size_t before_wrap(const struct insn_state *state, const struct insn_access *access)
{
    uint64_t room = (UINT64_C(1) << 32) - access->address.value;

    return state->mode != INSN_MODE_64 && room < access->size_bytes ? room : access->size_bytes;
}

static enum insn_access_result probe_one(const struct insn_state *state, const struct insn_env *env,
                                         const struct insn_access *access, struct insn_fault *fault)
{
    size_t first = before_wrap(state, access), rest = access->size_bytes - first;
    enum insn_access_result result;

    result = env->probe(env->context, access->address, first, access->is_write, fault);
    if (result == INSN_ACCESS_OK && rest != 0)
        result = env->probe(env->context, GVA(0), rest, access->is_write, fault);
    return result;
}

enum insn_outcome insn_access_read(const struct insn_state *state, const struct insn_env *env,
                                   const struct insn_access *access, union insn_data *data,
                                   struct insn_fault *fault)
{
    size_t first = before_wrap(state, access), rest = access->size_bytes - first;
    enum insn_access_result result;

    memset(data, 0, sizeof(*data));
    result = rest != 0 ? probe_one(state, env, access, fault) : INSN_ACCESS_OK;
    if (result == INSN_ACCESS_OK)
        result = env->read(env->context, access->address, data->bytes, first, fault);
    if (result == INSN_ACCESS_OK && rest != 0)
        result = env->read(env->context, GVA(0), data->bytes + first, rest, fault);
    return outcome_of(result);
}

enum insn_outcome insn_access_write(const struct insn_state *state, const struct insn_env *env,
                                    const struct insn_access *access, const union insn_data *data,
                                    struct insn_fault *fault)
{
    size_t first = before_wrap(state, access), rest = access->size_bytes - first;
    enum insn_access_result result = INSN_ACCESS_OK;

    if (rest != 0)
        result = probe_one(state, env, access, fault);
    if (result == INSN_ACCESS_OK)
        result = env->write(env->context, access->address, data->bytes, first, fault);
    if (result == INSN_ACCESS_OK && rest != 0)
        result = env->write(env->context, GVA(0), data->bytes + first, rest, fault);
    return outcome_of(result);
}

enum insn_outcome insn_access_probe(const struct insn_state *state, const struct insn_env *env,
                                    const struct insn_access *accesses, unsigned count,
                                    struct insn_fault *fault)
{
    enum insn_access_result result = INSN_ACCESS_OK;

    for (unsigned i = 0; i < count && result == INSN_ACCESS_OK; i++)
        result = probe_one(state, env, &accesses[i], fault);
    return outcome_of(result);
}
