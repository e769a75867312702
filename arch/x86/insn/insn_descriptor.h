// SPDX-License-Identifier: BSD-2-Clause
/* Descriptors in the GDT and LDT, and loading segment registers from them: what the instructions of
 * insn_system.h and task switches share. Intel SDM vol. 3A, Sep 2023, 3.4 "Logical and Linear
 * Addresses". */
#ifndef ARCH_X86_INSN_INSN_DESCRIPTOR_H
#define ARCH_X86_INSN_INSN_DESCRIPTOR_H

#include "arch/x86/insn/insn_system.h"

#include "vmm/base/bits.h"

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
#define TYPE_TSS_32_BIT       8 /* likewise */

/* The loading of a segment register. */
struct insn_loading {
    struct insn_state *state;
    const struct insn_env *env;
    struct insn_fault *fault;
    uint16_t selector;
    bool is_external; /* for an event that the program did not ask for: EXT in error codes */
    gva_t address;    /* of the descriptor, once it is read; and what it says */
    struct insn_segment segment;
};

/* *l->fault is this one, with an error code where there are some. INSN_FAULT. */
enum insn_outcome insn_loading_fault(struct insn_loading *l, uint8_t vector, uint16_t error_code);

/* Reads the descriptor that the selector names, of 8 bytes, or 16 for those of the system in IA-32e
 * mode. INSN_DONE; INSN_FAULT: the vector given for a selector beyond its table, or what reading
 * raises; INSN_FAILED. */
MUST_USE enum insn_outcome insn_loading_read(struct insn_loading *l, bool is_wide, uint8_t vector);

/* Sets or clears bits of the descriptor's type in memory and in what will be loaded. */
MUST_USE enum insn_outcome insn_loading_set_type(struct insn_loading *l, uint8_t bits);
MUST_USE enum insn_outcome insn_loading_clear_type(struct insn_loading *l, uint8_t bits);

/* What was read goes into the register of this number. */
void insn_loading_finish(const struct insn_loading *l, unsigned number);

bool insn_loading_in_ia32e_mode(const struct insn_loading *l);

enum insn_outcome insn_outcome_of(enum insn_access_result result);

#endif
