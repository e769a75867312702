// SPDX-License-Identifier: BSD-2-Clause
#include "arch/x86/insn/insn_plain.h"

#include "arch/x86/insn/insn_arithmetic.h"
#include "vmm/base/bits.h"

static bool uses_rsp(const struct insn *insn, const struct insn_operand *operand)
{
    if (operand->kind == INSN_OPERAND_REGISTER)
        return operand->reg == INSN_RSP;
    return operand->kind == INSN_OPERAND_MEMORY && insn->memory.base == INSN_RSP;
}

static bool moves(enum insn_op op)
{
    return op == INSN_MOV || op == INSN_MOVNTI || op == INSN_MOVZX || op == INSN_MOVSX;
}

static bool compares(enum insn_op op)
{
    return op == INSN_CMP || op == INSN_TEST;
}

/* Describes the register operand. A write of 4 bytes clears the upper half, a write of 1 or 2 bytes
 * leaves the rest alone (Intel SDM vol. 1, 3.4.1.1 "General-Purpose Registers in 64-Bit Mode"). */
static void describe_register(struct insn_plain *plain, const struct insn_operand *reg)
{
    plain->reg = reg->reg;
    plain->reg_shift = reg->high_byte ? 8 : 0;
    plain->mask = bytes_mask(reg->size_bytes);
    plain->keep = reg->size_bytes >= 4 ? 0 : ~(plain->mask << plain->reg_shift);
}

static void describe_offset(struct insn_plain *plain, const struct insn *insn, uint64_t rip)
{
    const struct insn_memory *memory = &insn->memory;

    plain->displacement = memory->displacement;
    plain->base = INSN_RSP;
    if (memory->base == INSN_RIP)
        plain->displacement += rip + insn->length;
    else if (memory->base != INSN_NO_REGISTER) {
        plain->base = memory->base;
        plain->base_mask = UINT64_MAX;
    }
    if (memory->index != INSN_NO_REGISTER) {
        plain->index = memory->index;
        plain->index_mask = UINT64_MAX;
        plain->index_shift = (uint8_t)__builtin_ctz(memory->scale);
    }
    plain->misaligned = plain->size_bytes - 1u;
    plain->not_simple =
        plain->has_segment_base || plain->index_mask != 0 ? UINT64_MAX : plain->misaligned;
}

bool insn_make_plain(const struct insn *insn, enum insn_mode mode, uint64_t rip,
                     struct insn_plain *plain)
{
    enum insn_segment_register segment = insn->memory.segment;
    const struct insn_operand *destination = &insn->destination, *source = &insn->source;
    bool has_memory_first = destination->kind == INSN_OPERAND_MEMORY;
    bool is_comparison = compares(insn->op);

    if ((!moves(insn->op) && !is_comparison) ||
        has_memory_first == (source->kind == INSN_OPERAND_MEMORY) || uses_rsp(insn, destination) ||
        uses_rsp(insn, source))
        return false;
    *plain = (struct insn_plain){
        .length = insn->length,
        .size_bytes = has_memory_first ? destination->size_bytes : source->size_bytes,
        .is_store = has_memory_first && !is_comparison,
        .is_comparison = is_comparison,
        .has_memory_last = !has_memory_first,
        .comparison = (uint8_t)insn->op,
        .segment = (uint8_t)segment,
        .has_segment_base = mode != INSN_MODE_64 || segment >= INSN_FS,
    };
    describe_offset(plain, insn, rip);
    if (!has_memory_first) {
        describe_register(plain, destination);
        if (insn->op == INSN_MOVSX)
            plain->sign = BIT(8 * source->size_bytes - 1);
    } else if (source->kind == INSN_OPERAND_REGISTER)
        describe_register(plain, source);
    else
        plain->immediate = insn->immediate & bytes_mask(plain->size_bytes);
    return true;
}

void insn_plain_compared(const struct insn_plain *plain, const uint64_t *gpr, uint64_t value,
                         uint64_t *rflags)
{
    uint64_t other = insn_plain_stored(plain, gpr);
    uint64_t first = plain->has_memory_last ? other : value;
    uint64_t second = plain->has_memory_last ? value : other;

    insn_arithmetic((enum insn_op)plain->comparison, plain->size_bytes, first, second, rflags);
}
