// SPDX-License-Identifier: BSD-2-Clause
/* Reads descriptors in the GDT and LDT and loads segment registers from them, for the instructions
 * of insn_system.h and for task switches. Intel SDM vol. 3A, Sep 2023, 3.4 "Logical and Linear
 * Addresses". */
#ifndef ARCH_X86_INSN_INSN_DESCRIPTOR_H
#define ARCH_X86_INSN_INSN_DESCRIPTOR_H

#include "arch/x86/insn/insn_system.h"

#include "vmm/base/bits.h"

#define SELECTOR_RPL   UINT16_C(3)
#define SELECTOR_LOCAL UINT16_C(4)

/* Access rights: bits 55:40 of a descriptor without the limit's bits, as the VMCS has them. Intel
 * SDM vol. 3A, 3.4.5 "Segment Descriptors". */
#define RIGHTS_TYPE(rights) ((rights)&15u)
#define RIGHTS_ACCESSED     BIT(0)
#define RIGHTS_WRITABLE     BIT(1) /* of data; of code: readable */
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
#define TYPE_BUSY             2 /* the bit that a busy TSS has in addition */
#define TYPE_TSS_32_BIT       8 /* the bit that a 32-bit TSS has in addition */

/* The state of loading one segment register. */
struct insn_loading {
    struct insn_state *state;
    const struct insn_env *env;
    struct insn_fault *fault;
    uint16_t selector;
    bool is_external; /* an event outside the program is the cause: EXT in error codes */
    gva_t address;    /* of the descriptor; it and segment are set by insn_loading_read */
    struct insn_segment segment;
};

/* Sets *l->fault to this vector, with an error code if the mode and the vector have one. error_code
 * is a selector, whose RPL bits are dropped. Returns INSN_FAULT. */
enum insn_outcome insn_loading_fault(struct insn_loading *l, uint8_t vector, uint16_t error_code);

/* Reads the descriptor that l->selector names into l->address and l->segment: 16 bytes with is_wide
 * (system descriptors in IA-32e mode), else 8.
 *   INSN_FAULT: `vector`, if the selector is beyond its table or bits 44:40 of a wide descriptor's
 *     upper half are not 0; else what reading raised.
 *   INSN_FAILED: the descriptor wraps around the end of the address space, or a callback failed. */
MUST_USE enum insn_outcome insn_loading_read(struct insn_loading *l, bool is_wide, uint8_t vector);

/* Set or clear bits of the descriptor's type, in memory and in l->segment. Setting bits that are
 * all set already writes nothing. */
MUST_USE enum insn_outcome insn_loading_set_type(struct insn_loading *l, uint8_t bits);
MUST_USE enum insn_outcome insn_loading_clear_type(struct insn_loading *l, uint8_t bits);

/* Loads l->selector and l->segment into the register of this number. */
void insn_loading_finish(const struct insn_loading *l, unsigned number);

bool insn_loading_in_ia32e_mode(const struct insn_loading *l);

enum insn_outcome insn_outcome_of(enum insn_access_result result);

#endif
