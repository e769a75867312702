// SPDX-License-Identifier: BSD-2-Clause
/* Works out which linear addresses an instruction accesses, with the checks of segmentation. */
#ifndef ARCH_X86_INSN_INSN_ADDRESS_H
#define ARCH_X86_INSN_INSN_ADDRESS_H

#include "arch/x86/insn/insn_state.h"

#define INSN_ACCESSES_MAX 2

struct insn_access {
    gva_t address; /* of the first byte */
    uint8_t size_bytes;
    bool is_read, is_write; /* both are set: the access reads, then writes */
};

/* Works out the data accesses of insn, in the order in which they happen, and makes the checks that
 * come before paging: limit and type of the segment, canonical form, alignment. Changes nothing
 * except accesses[], *count and *fault.
 *   accesses[], *count: filled with 0 to 2 accesses: one for an operand in memory or on the stack,
 *     none if all operands are registers, two (the operand and the stack) for PUSH, POP and CALL of
 *     memory, two for MOVS and CMPS. For a string instruction they are those of the next iteration,
 *     whatever rCX holds.
 * Returns
 *   INSN_DONE;
 *   INSN_FAULT: *fault is #GP(0), #SS(0) or #AC(0), without an error code in real-address mode;
 *     *count is 0.
 * Intel SDM vol. 1, Sep 2023, 3.7.5 "Specifying an Offset"; vol. 3A, 5.3 "Limit Checking", 5.4
 * "Type Checking", 6.15 "Alignment Check Exception (#AC)". */
MUST_USE enum insn_outcome insn_effective_address(const struct insn *insn,
                                                  const struct insn_state *state,
                                                  struct insn_access accesses[INSN_ACCESSES_MAX],
                                                  unsigned *count, struct insn_fault *fault);

/* Bit n of a set of segment registers stands for number n of enum insn_segment_register. */
#define INSN_SEGMENTS_ALL ((1u << INSN_SEGMENT_COUNT) - 1)

/* Returns those of the given segments whose registers affect an access in this mode: in 64-bit mode
 * only FS and GS, by their bases (SDM vol. 1, Sep 2023, 3.4.2.1 "Segment Registers in 64-Bit
 * Mode"). */
static inline unsigned insn_segments_that_count(unsigned segments, enum insn_mode mode)
{
    return mode == INSN_MODE_64 ? segments & (1u << INSN_FS | 1u << INSN_GS) : segments;
}

/* Returns the set of segments whose registers insn_execute reads for insn. The caller may leave the
 * other segments of the state empty. */
unsigned insn_segments(const struct insn *insn, enum insn_mode mode);

/* Returns rSP after delta_bytes were pushed (negative) or popped (positive). Only its low 16, 32 or
 * 64 bits move, as SS.B and the mode select. */
uint64_t insn_stack_pointer(const struct insn_state *state, int delta_bytes);

/* Returns the mask of the bits of rSP, and of rBP as a stack pointer, that address the stack: the
 * low 16, 32 or 64. */
uint64_t insn_stack_mask(const struct insn_state *state);

/* Read and write a general-purpose register as instructions do. operand->size_bytes is 1, 2, 4 or
 * 8. A write of 4 bytes clears the upper half of the register; a write of 1 or 2 bytes leaves the
 * other bits as they were. */
uint64_t insn_register_read(const struct insn_state *state, const struct insn_operand *operand);
void insn_register_write(struct insn_state *state, const struct insn_operand *operand,
                         uint64_t value);

/* Data that go to memory or come from it: the first size_bytes bytes, in little-endian order. */
union insn_data {
    uint8_t bytes[16];
    uint64_t value[2];
};

/* Perform one access of insn_effective_address through env. An access that wraps around 4 GiB
 * outside of 64-bit mode takes two calls, and probes both parts first. Bytes of *data that are not
 * read become 0. Return INSN_DONE, INSN_FAULT, INSN_RETRY or INSN_FAILED. */
MUST_USE enum insn_outcome insn_access_read(const struct insn_state *state,
                                            const struct insn_env *env,
                                            const struct insn_access *access, union insn_data *data,
                                            struct insn_fault *fault);
MUST_USE enum insn_outcome insn_access_write(const struct insn_state *state,
                                             const struct insn_env *env,
                                             const struct insn_access *access,
                                             const union insn_data *data, struct insn_fault *fault);

/* Calls env->probe for each of the accesses, in order. An access that reads and writes is probed as
 * a write. Returns the outcome of the first access that would not succeed, else INSN_DONE. */
MUST_USE enum insn_outcome insn_access_probe(const struct insn_state *state,
                                             const struct insn_env *env,
                                             const struct insn_access *accesses, unsigned count,
                                             struct insn_fault *fault);

#endif
