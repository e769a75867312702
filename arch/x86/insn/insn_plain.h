// SPDX-License-Identifier: BSD-2-Clause
/* Describes plain loads, stores and comparisons: instructions that only move one value between
 * memory and a register, or move an immediate to memory, or compare a value in memory with a
 * register or an immediate. Nearly all accesses to device memory are of this kind. */
#ifndef ARCH_X86_INSN_INSN_PLAIN_H
#define ARCH_X86_INSN_INSN_PLAIN_H

#include "arch/x86/insn/insn_decode.h"

/* What a caller needs to complete such an instruction when it has the address of the access from
 * elsewhere. Numbers replace the cases of the decoder, so that there is one way to store and one to
 * load. */
struct insn_plain {
    uint8_t length;     /* of the instruction, 1 to 15; 0: no instruction */
    uint8_t size_bytes; /* of the access: 1, 2, 4 or 8 */
    bool is_store;
    bool is_comparison;
    bool has_memory_last; /* of a comparison: the second operand is the one in memory */
    uint8_t comparison;   /* of a comparison: INSN_CMP or INSN_TEST */
    uint8_t reg;          /* enum insn_register, never RSP */
    uint8_t reg_shift;    /* 8 for AH, CH, DH and BH, else 0 */

    /* The operand's offset in its segment is displacement + (base & base_mask) + ((index &
     * index_mask) << index_shift). index is never RSP; base is RSP only if there is no base. */
    uint8_t base, index, index_shift;
    uint8_t segment;       /* enum insn_segment_register */
    bool has_segment_base; /* the segment's base is added: false for most segments in 64-bit mode */
    uint64_t displacement, base_mask, index_mask;

    uint64_t mask;      /* the bits that the register takes part with; 0 for an immediate */
    uint64_t immediate; /* the value stored or compared; 0 if there is no immediate */
    uint64_t keep;      /* of a load: the bits of the register that do not change */
    uint64_t sign;      /* the sign bit of a load that extends the sign; else 0 */

    uint64_t misaligned; /* of an address: the bits that are not 0 if it is not aligned */
    /* The same, but all ones unless the operand's linear address is displacement + base alone. */
    uint64_t not_simple;
    uint64_t cause; /* the caller's: what a VM exit tells of such an access */
};

/* Fills in *plain and returns true if insn, decoded in this mode, is MOV, MOVNTI, MOVZX, MOVSX,
 * MOVSXD, CMP or TEST with one operand in memory and does not use RSP. Else returns false and
 * leaves *plain alone. rip is the address of the instruction. */
MUST_USE bool insn_make_plain(const struct insn *insn, enum insn_mode mode, uint64_t rip,
                              struct insn_plain *plain);

/* Returns a value whose bits 11:0 are those of the operand's linear address if the address is
 * simple (not_simple). gpr is as for insn_plain_page_offset, except that RSP is read and has to be
 * 0. */
static inline uint64_t insn_plain_simple_address(const struct insn_plain *plain,
                                                 const uint64_t *gpr)
{
    return plain->displacement + gpr[plain->base];
}

/* Returns bits 11:0 of the operand's offset in its segment, whatever the address size. If the
 * segment's base is 0 or not added, they are also bits 11:0 of its linear address. gpr is in the
 * order of enum insn_register; RSP is not read. */
static inline uint32_t insn_plain_page_offset(const struct insn_plain *plain, const uint64_t *gpr)
{
    uint64_t base = gpr[plain->base] & plain->base_mask;
    uint64_t index = gpr[plain->index] & plain->index_mask;

    return (plain->displacement + base + (index << plain->index_shift)) & (PAGE_SIZE - 1);
}

/* Returns the operand that is not in memory, zero above its size: what a store writes, or what is
 * compared with memory. */
static inline uint64_t insn_plain_stored(const struct insn_plain *plain, const uint64_t *gpr)
{
    return (gpr[plain->reg] >> plain->reg_shift & plain->mask) | plain->immediate;
}

/* Completes a comparison that has read value, as insn_execute would. Changes CF, PF, AF, ZF, SF and
 * OF of *rflags. */
void insn_plain_compared(const struct insn_plain *plain, const uint64_t *gpr, uint64_t value,
                         uint64_t *rflags);

/* Completes a load that has read value, which is zero above its size. Changes the register in
 * gpr. */
static inline void insn_plain_loaded(const struct insn_plain *plain, uint64_t *gpr, uint64_t value)
{
    uint64_t *reg = &gpr[plain->reg];

    value = ((value ^ plain->sign) - plain->sign) & plain->mask;
    *reg = (*reg & plain->keep) | value << plain->reg_shift;
}

#endif
