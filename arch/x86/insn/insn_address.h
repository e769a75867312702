// SPDX-License-Identifier: BSD-2-Clause
/* Which linear addresses an instruction accesses, and segmentation's say in it. */
#ifndef ARCH_X86_INSN_INSN_ADDRESS_H
#define ARCH_X86_INSN_INSN_ADDRESS_H

#include "arch/x86/insn/insn_state.h"

#define INSN_ACCESSES_MAX 2

struct insn_access {
    gva_t address; /* of the first byte */
    uint8_t size_bytes;
    bool is_read, is_write; /* both: read, then written */
};

/* Works out the data accesses of insn, in the order in which they happen, with the checks that
 * come before paging: limit and type of the segment, canonical form, alignment. Fills accesses[]
 * and *count (0 to 2): one for an operand in memory, none where all are registers, two for PUSH,
 * POP and CALL of memory (with the stack's), MOVS and CMPS. A string's are those of its next
 * iteration, whatever rCX holds. Changes nothing else.
 *
 * Returns INSN_DONE, or INSN_FAULT with *fault: #GP(0), #SS(0) or #AC(0), without error code in
 * real-address mode. Intel SDM vol. 1, Sep 2023, 3.7.5 "Specifying an Offset"; vol. 3A, 5.3 "Limit
 * Checking", 5.4 "Type Checking", 6.15 "Alignment Check Exception (#AC)". */
MUST_USE enum insn_outcome insn_effective_address(const struct insn *insn,
                                                  const struct insn_state *state,
                                                  struct insn_access accesses[INSN_ACCESSES_MAX],
                                                  unsigned *count, struct insn_fault *fault);

/* Sets of segment registers: bit n is enum insn_segment_register n. */
#define INSN_SEGMENTS_ALL ((1u << INSN_SEGMENT_COUNT) - 1)

/* Of these segments, those whose registers decide about an access: in 64-bit mode FS and GS alone,
 * with their bases (SDM vol. 1, Sep 2023, 3.4.2.1 "Segment Registers in 64-Bit Mode"). */
static inline unsigned insn_segments_that_count(unsigned segments, enum insn_mode mode)
{
    return mode == INSN_MODE_64 ? segments & (1u << INSN_FS | 1u << INSN_GS) : segments;
}

/* The segments whose registers insn_execute looks at for insn; it need not be given the others. */
unsigned insn_segments(const struct insn *insn, enum insn_mode mode);

/* rSP after delta bytes were pushed (negative) or popped: 16, 32 or 64 bits of it move, as SS.B and
 * the mode have it. */
uint64_t insn_stack_pointer(const struct insn_state *state, int delta_bytes);

/* The bits of rSP, and of rBP as a stack pointer, that count: 16, 32 or 64. */
uint64_t insn_stack_mask(const struct insn_state *state);

/* The general-purpose register file as instructions see it. size_bytes 1, 2, 4 or 8; writing 4
 * clears the upper half, 1 and 2 leave the rest alone. */
uint64_t insn_register_read(const struct insn_state *state, const struct insn_operand *operand);
void insn_register_write(struct insn_state *state, const struct insn_operand *operand,
                         uint64_t value);

/* Data going to and coming from memory: the low size_bytes of little-endian bytes. */
union insn_data {
    uint8_t bytes[16];
    uint64_t value[2];
};

/* Performs one access of insn_effective_address through env, in two calls where it wraps around
 * 4 GiB outside of 64-bit mode. Bytes not read are 0. INSN_DONE, INSN_FAULT or INSN_FAILED. */
MUST_USE enum insn_outcome insn_access_read(const struct insn_state *state,
                                            const struct insn_env *env,
                                            const struct insn_access *access, union insn_data *data,
                                            struct insn_fault *fault);
MUST_USE enum insn_outcome insn_access_write(const struct insn_state *state,
                                             const struct insn_env *env,
                                             const struct insn_access *access,
                                             const union insn_data *data, struct insn_fault *fault);

/* Asks env about all of them, in order; is_write wins where both are set. */
MUST_USE enum insn_outcome insn_access_probe(const struct insn_state *state,
                                             const struct insn_env *env,
                                             const struct insn_access *accesses, unsigned count,
                                             struct insn_fault *fault);

#endif
