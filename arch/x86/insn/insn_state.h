// SPDX-License-Identifier: BSD-2-Clause
/* What executing an instruction works on: the registers, and the memory and ports around it. */
#ifndef ARCH_X86_INSN_INSN_STATE_H
#define ARCH_X86_INSN_INSN_STATE_H

#include "arch/x86/insn/insn_decode.h"
#include "arch/x86/registers.h"
#include "arch/x86/vectors.h"

/* As in the VMCS: the limit in bytes, the access rights with the "unusable" bit. */
struct insn_segment {
    uint64_t base;
    uint32_t limit;
    uint32_t access_rights;
};

struct insn_state {
    uint64_t gpr[INSN_GPR_COUNT]; /* in the order of enum insn_register */
    uint64_t rip;                 /* of the instruction itself; changed by branches only */
    uint64_t rflags;
    struct insn_segment segments[INSN_SEGMENT_COUNT];
    enum insn_mode mode;
    bool protected_mode;         /* CR0.PE: faults have error codes */
    bool alignment_mask;         /* CR0.AM */
    uint8_t cpl;                 /* 0 to 3 */
    uint8_t linear_address_bits; /* 48, or 57 with CR4.LA57 */
};

struct insn_system;

/* What has to be injected. */
struct insn_fault {
    uint64_t cr2; /* for page faults only */
    uint32_t error_code;
    uint8_t vector;
    bool has_error_code;
};

enum insn_access_result {
    INSN_ACCESS_OK,
    INSN_ACCESS_FAULT,  /* *fault says which */
    INSN_ACCESS_FAILED, /* no fault of the guest's, but it cannot be done */
};

/* The memory and the ports, as the caller provides them. An access has 1 to 16 bytes at a linear
 * address that passed the segment's checks and does not wrap around the end of the address space;
 * it may cross a page. Translating it, faulting, and telling RAM from MMIO is the callbacks'
 * affair. A read or write is all or nothing: when its second page faults, the first one's bytes are
 * left alone. */
struct insn_env {
    void *context;
    enum insn_access_result (*read)(void *context, gva_t address, void *data, size_t size_bytes,
                                    struct insn_fault *fault);
    enum insn_access_result (*write)(void *context, gva_t address, const void *data,
                                     size_t size_bytes, struct insn_fault *fault);
    /* Would it go through? Translates every byte as the access would, accessed and dirty bits
     * included, and touches nothing else. */
    enum insn_access_result (*probe)(void *context, gva_t address, size_t size_bytes, bool is_write,
                                     struct insn_fault *fault);
    /* Ports, for INS and OUTS; size_bytes is 1, 2 or 4. Whether the guest may use the port has been
     * checked before. Null: there are none. */
    enum insn_access_result (*port_read)(void *context, uint16_t port, size_t size_bytes,
                                         uint32_t *value);
    enum insn_access_result (*port_write)(void *context, uint16_t port, size_t size_bytes,
                                          uint32_t value);
    /* The 16 bytes of an XMM register, or an MMX register and 8 that do not matter. A fault: what
     * the processor has against using it, #UD, #NM or #MF. Null: there are none. */
    enum insn_access_result (*vector_read)(void *context, const struct insn_operand *operand,
                                           uint8_t bytes[16], struct insn_fault *fault);
    enum insn_access_result (*vector_write)(void *context, const struct insn_operand *operand,
                                            const uint8_t bytes[16], struct insn_fault *fault);
    const struct insn_system *system; /* null: none of insn_system.h's instructions */
};

enum insn_outcome {
    INSN_DONE,   /* complete: RIP may move to the next instruction */
    INSN_AGAIN,  /* a repeated string instruction with iterations left: enter with RIP as it is, or
                    execute once more */
    INSN_FAULT,  /* *fault is to be injected with RIP as it is */
    INSN_FAILED, /* a callback could not do it, or there is none: as if a fault, but none of the
                    guest's */
};

#endif
