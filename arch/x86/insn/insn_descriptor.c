// SPDX-License-Identifier: BSD-2-Clause
#include "arch/x86/insn/insn_descriptor.h"

enum insn_outcome insn_loading_fault(struct insn_loading *l, uint8_t vector, uint16_t error_code)
{
    *l->fault = (struct insn_fault){
        .vector = vector,
        .has_error_code = l->state->protected_mode && vector != VECTOR_UD,
        .error_code = (uint32_t)((error_code & ~SELECTOR_RPL) | (l->is_external ? 1 : 0)),
    };
    return INSN_FAULT;
}

enum insn_outcome insn_outcome_of(enum insn_access_result result)
{
    switch (result) {
    case INSN_ACCESS_OK: return INSN_DONE;
    case INSN_ACCESS_FAULT: return INSN_FAULT;
    case INSN_ACCESS_RETRY: return INSN_RETRY;
    default: return INSN_FAILED;
    }
}

bool insn_loading_in_ia32e_mode(const struct insn_loading *l)
{
    return l->env->system->in_ia32e_mode(l->env->context);
}

enum insn_outcome insn_loading_read(struct insn_loading *l, bool is_wide, uint8_t vector)
{
    const struct insn_system *system = l->env->system;
    struct insn_table table = l->selector & SELECTOR_LOCAL ? system->read_ldt(l->env->context)
                                                           : system->read_gdt(l->env->context);
    uint32_t offset = l->selector & ~UINT32_C(7);
    uint64_t raw[2] = {0, 0}, limit;
    enum insn_outcome outcome;

    if (offset + (is_wide ? 15 : 7) > table.limit)
        return insn_loading_fault(l, vector, l->selector);
    l->address = GVA(table.base + offset);
    if (!insn_loading_in_ia32e_mode(l))
        l->address.value &= UINT32_MAX;
    if (l->address.value + 15 < l->address.value ||
        (!insn_loading_in_ia32e_mode(l) && l->address.value + 7 > UINT32_MAX))
        return INSN_FAILED; /* the descriptor wraps around the end of the address space */
    outcome = insn_outcome_of(
        system->table_read(l->env->context, l->address, raw, is_wide ? 16 : 8, l->fault));
    if (outcome != INSN_DONE)
        return outcome;
    if (is_wide && BITS(raw[1], 44, 40) != 0)
        return insn_loading_fault(l, vector, l->selector);

    limit = BITS(raw[0], 15, 0) | BITS(raw[0], 51, 48) << 16;
    l->segment.access_rights = (uint32_t)(raw[0] >> 40 & 0xf0ff);
    l->segment.limit =
        (uint32_t)(l->segment.access_rights & RIGHTS_GRANULAR ? limit << 12 | 0xfff : limit);
    l->segment.base =
        BITS(raw[0], 39, 16) | BITS(raw[0], 63, 56) << 24 | (is_wide ? raw[1] << 32 : 0);
    return INSN_DONE;
}

static enum insn_outcome write_type(struct insn_loading *l)
{
    uint8_t type_byte = (uint8_t)l->segment.access_rights;

    return insn_outcome_of(l->env->system->table_write(l->env->context, GVA(l->address.value + 5),
                                                       &type_byte, 1, l->fault));
}

enum insn_outcome insn_loading_set_type(struct insn_loading *l, uint8_t bits)
{
    if ((l->segment.access_rights & bits) == bits)
        return INSN_DONE;
    l->segment.access_rights |= bits;
    return write_type(l);
}

enum insn_outcome insn_loading_clear_type(struct insn_loading *l, uint8_t bits)
{
    l->segment.access_rights &= ~(uint32_t)bits;
    return write_type(l);
}

void insn_loading_finish(const struct insn_loading *l, unsigned number)
{
    l->env->system->load_segment(l->env->context, number, l->selector, &l->segment);
}
