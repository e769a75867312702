// SPDX-License-Identifier: BSD-2-Clause
/* Executes instructions that move segment registers or other registers of the processor to and from
 * memory: far JMP, MOV, SLDT, STR, SMSW, LLDT, LTR. */
#ifndef ARCH_X86_INSN_INSN_SYSTEM_H
#define ARCH_X86_INSN_INSN_SYSTEM_H

#include "arch/x86/insn/insn_state.h"

/* Segment registers after those of enum insn_segment_register, numbered as in the VMCS. */
#define INSN_LDTR INSN_SEGMENT_COUNT
#define INSN_TR   (INSN_SEGMENT_COUNT + 1)

struct insn_table {
    uint64_t base;
    uint32_t limit; /* the offset of the last byte */
};

/* The rest of the processor, which the caller provides. */
struct insn_system {
    uint64_t (*read_cr0)(void *context);
    uint64_t (*read_cr4)(void *context);
    bool (*in_ia32e_mode)(void *context); /* IA32_EFER.LMA */
    /* number: enum insn_segment_register, INSN_LDTR or INSN_TR. */
    uint16_t (*read_selector)(void *context, unsigned number);
    /* Returns the hidden part of a register. */
    struct insn_segment (*read_segment)(void *context, unsigned number);
    /* Loads the whole register; *segment is what the processor would put in the hidden part. */
    void (*load_segment)(void *context, unsigned number, uint16_t selector,
                         const struct insn_segment *segment);
    struct insn_table (*read_gdt)(void *context);
    struct insn_table (*read_ldt)(void *context); /* the limit is 0 if LDTR is unusable */
    /* Begins to load the new task's state in a task switch: sets CR0.TS, clears the local
     * breakpoints of DR7, and, with paging on and if cr3 is not null, loads CR3. Returns false if
     * the PDPTEs at the new CR3 are not valid. */
    bool (*enter_task)(void *context, const uint32_t *cr3);
    /* Access memory as the processor itself does for descriptors: with supervisor rights. */
    enum insn_access_result (*table_read)(void *context, gva_t address, void *data,
                                          size_t size_bytes, struct insn_fault *fault);
    enum insn_access_result (*table_write)(void *context, gva_t address, const void *data,
                                           size_t size_bytes, struct insn_fault *fault);
};

/* Executes insn, one of INSN_JMP_FAR to INSN_LTR, as insn_execute does, through env->system, with
 * the checks of segment loads and their faults. JMP goes to code segments only: a jump through a
 * gate or to a task is INSN_FAILED. The caller holds interrupts back after a load of SS. Intel SDM
 * vol. 2, Sep 2023, "JMP", "MOV", "SLDT", "STR", "SMSW", "LLDT", "LTR"; vol. 3A, 3.4 "Logical and
 * Linear Addresses". */
MUST_USE enum insn_outcome insn_system_execute(const struct insn *insn, struct insn_state *state,
                                               const struct insn_env *env,
                                               struct insn_fault *fault);

#endif
