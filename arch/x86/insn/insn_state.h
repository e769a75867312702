// SPDX-License-Identifier: BSD-2-Clause
/* What the execution of an instruction works on: the registers, and the memory and ports around
 * them. */
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
    uint64_t rip;                 /* address of the instruction itself; only branches change it */
    uint64_t rflags;
    struct insn_segment segments[INSN_SEGMENT_COUNT];
    enum insn_mode mode;
    bool protected_mode;         /* CR0.PE: faults have error codes */
    bool alignment_mask;         /* CR0.AM */
    uint8_t cpl;                 /* 0 to 3 */
    uint8_t linear_address_bits; /* 48, or 57 with CR4.LA57 */
};

struct insn_system;

/* The exception to inject. */
struct insn_fault {
    uint64_t cr2; /* for page faults only */
    uint32_t error_code;
    uint8_t vector;
    bool has_error_code;
};

enum insn_access_result {
    INSN_ACCESS_OK,
    INSN_ACCESS_FAULT,  /* *fault says which fault */
    INSN_ACCESS_RETRY,  /* not done; the guest has to be entered again as it is */
    INSN_ACCESS_FAILED, /* not a fault of the guest, but the access cannot be done */
};

/* The memory and the ports, which the caller provides. An access has 1 to 16 bytes at a linear
 * address. The address has passed the segment's checks and the access does not wrap around the end
 * of the address space; it may cross a page. The callbacks translate it, raise faults, and
 * distinguish RAM from MMIO. A read or write is done as a whole or not at all: if its second page
 * faults, the bytes of the first page stay as they were. */
struct insn_env {
    void *context;
    enum insn_access_result (*read)(void *context, gva_t address, void *data, size_t size_bytes,
                                    struct insn_fault *fault);
    enum insn_access_result (*write)(void *context, gva_t address, const void *data,
                                     size_t size_bytes, struct insn_fault *fault);
    /* Checks whether the access would succeed. Translates every byte as the access would, and sets
     * accessed and dirty bits; changes nothing else. */
    enum insn_access_result (*probe)(void *context, gva_t address, size_t size_bytes, bool is_write,
                                     struct insn_fault *fault);
    /* Ports, for INS and OUTS; size_bytes is 1, 2 or 4. The caller has checked before that the
     * guest may use the port. Null: there are no ports. */
    enum insn_access_result (*port_read)(void *context, uint16_t port, size_t size_bytes,
                                         uint32_t *value);
    enum insn_access_result (*port_write)(void *context, uint16_t port, size_t size_bytes,
                                          uint32_t value);
    /* Read and write the 16 bytes of an XMM register, or the 8 of an MMX register and 8 that have
     * no meaning. Raise #UD, #NM or #MF if the processor does not allow the register's use. Null:
     * there are no vector registers. */
    enum insn_access_result (*vector_read)(void *context, const struct insn_operand *operand,
                                           uint8_t bytes[16], struct insn_fault *fault);
    enum insn_access_result (*vector_write)(void *context, const struct insn_operand *operand,
                                            const uint8_t bytes[16], struct insn_fault *fault);
    const struct insn_system *system; /* null: the instructions of insn_system.h fail */
};

enum insn_outcome {
    INSN_DONE, /* complete: RIP may move to the next instruction */
    /* A repeated string instruction has iterations left: enter the guest with RIP as it is, or
     * execute the instruction once more. */
    INSN_AGAIN,
    INSN_FAULT, /* inject *fault with RIP as it is */
    /* A callback returned INSN_ACCESS_RETRY: enter the guest with RIP as it is. The state is as
     * after a fault. */
    INSN_RETRY,
    /* A callback failed or does not exist. The state is as after a fault, but the guest did not
     * cause it. */
    INSN_FAILED,
};

#endif
