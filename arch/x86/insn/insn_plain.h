// SPDX-License-Identifier: BSD-2-Clause
/* Plain loads, stores and comparisons: the instructions that do no more than move one value between
 * memory and a register, or an immediate into memory, or compare a value in memory with one of
 * these. Nearly all accesses to what is not RAM are of this kind. */
#ifndef ARCH_X86_INSN_INSN_PLAIN_H
#define ARCH_X86_INSN_INSN_PLAIN_H

#include "arch/x86/insn/insn_decode.h"

/* What is left of such an instruction for whoever has its access's address from elsewhere. Numbers
 * instead of cases: there is one way to store, and one to load. */
struct insn_plain {
    uint8_t length;     /* of the instruction, 1 to 15; 0: none */
    uint8_t size_bytes; /* of the access: 1, 2, 4, 8 */
    bool is_store;
    bool is_comparison;
    bool has_memory_last; /* of a comparison: memory is what is compared with */
    uint8_t comparison;   /* of a comparison: INSN_CMP or INSN_TEST */
    uint8_t reg;          /* enum insn_register, never RSP */
    uint8_t reg_shift;    /* 8 for AH, CH, DH and BH, else 0 */

    /* The operand's offset in its segment is displacement + (base & base_mask) +
     * ((index & index_mask) << index_shift). Never RSP. */
    uint8_t base, index, index_shift;
    uint8_t segment;       /* enum insn_segment_register */
    bool has_segment_base; /* the segment's base counts: not so for most in 64-bit mode */
    uint64_t displacement, base_mask, index_mask;

    uint64_t mask;      /* of the bits that go to or come from the register; 0: an immediate */
    uint64_t immediate; /* as it is stored or compared; 0 without one */
    uint64_t keep;      /* of a load: the register's bits that stay */
    uint64_t sign;      /* of a load that extends the sign: the sign bit; else 0 */
};

/* True, and *plain filled in, if insn, decoded in this mode, is MOV, MOVNTI, MOVZX, MOVSX, MOVSXD,
 * CMP or TEST with one operand in memory, and RSP is no part of it. rip: where it is. */
MUST_USE bool insn_plain(const struct insn *insn, enum insn_mode mode, uint64_t rip,
                         struct insn_plain *plain);

/* Bits 11:0 of the operand's offset in its segment, whatever the address size; they are those of
 * its linear address, too, but for the segment's base where that counts. gpr: in the order of enum
 * insn_register, RSP's not read. */
static inline uint32_t insn_plain_page_offset(const struct insn_plain *plain, const uint64_t *gpr)
{
    uint64_t base = gpr[plain->base] & plain->base_mask;
    uint64_t index = gpr[plain->index] & plain->index_mask;

    return (plain->displacement + base + (index << plain->index_shift)) & (PAGE_SIZE - 1);
}

/* The operand that is not in memory, zero above its size: what a store writes, or what is compared
 * with memory. */
static inline uint64_t insn_plain_stored(const struct insn_plain *plain, const uint64_t *gpr)
{
    return (gpr[plain->reg] >> plain->reg_shift & plain->mask) | plain->immediate;
}

/* Completes a comparison that has read value, as insn_execute would: CF, PF, AF, ZF, SF and OF of
 * *rflags change. */
void insn_plain_compared(const struct insn_plain *plain, const uint64_t *gpr, uint64_t value,
                         uint64_t *rflags);

/* Completes a load that has read value, which is zero above its size. */
static inline void insn_plain_loaded(const struct insn_plain *plain, uint64_t *gpr, uint64_t value)
{
    uint64_t *reg = &gpr[plain->reg];

    value = ((value ^ plain->sign) - plain->sign) & plain->mask;
    *reg = (*reg & plain->keep) | value << plain->reg_shift;
}

#endif
