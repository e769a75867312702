// SPDX-License-Identifier: BSD-2-Clause
/* Accesses the guest's linear memory as its processor would now: through its page tables to RAM or
 * to the MMIO bus. */
#ifndef VMM_VCPU_LINEAR_H
#define VMM_VCPU_LINEAR_H

#include "arch/x86/insn/insn_state.h"
#include "arch/x86/memory/guest_paging.h"
#include "vmm/vcpu/vcpu.h"

/* The state that translations depend on, read from the VMCS once for an exit. */
struct vcpu_linear {
    struct vcpu *vcpu;
    struct guest_paging paging;
    uint8_t cpl;
};

/* Reads the state from the VMCS. vcpu's VMCS is current. */
void vcpu_linear_init(struct vcpu_linear *linear, struct vcpu *vcpu);

/* Translates one address for an access of this kind at the guest's CPL, and sets accessed and dirty
 * flags.
 * INSN_ACCESS_OK: *translation says where the address leads.
 * INSN_ACCESS_FAULT: *fault is the page fault.
 *   A paging structure that is not in RAM reads as all ones, so that in user mode the page fault is
 *   one for a reserved bit.
 * INSN_ACCESS_RETRY: other processors kept changing the paging structures.
 * INSN_ACCESS_FAILED: at CPL 0, a paging structure is not in RAM. */
MUST_USE enum insn_access_result vcpu_linear_translate(struct vcpu_linear *linear, gva_t address,
                                                       enum guest_access_kind kind,
                                                       struct guest_translation *translation,
                                                       struct insn_fault *fault);

/* Read or write 1 to 16 bytes, which may cross a page: all of them or none. Bytes that are not in
 * RAM go to the MMIO bus in pieces of 8, 4, 2 and 1 bytes. The results are those of
 * vcpu_linear_translate. */
MUST_USE enum insn_access_result vcpu_linear_read(struct vcpu_linear *linear, gva_t address,
                                                  void *data, size_t size_bytes,
                                                  struct insn_fault *fault);
MUST_USE enum insn_access_result vcpu_linear_write(struct vcpu_linear *linear, gva_t address,
                                                   const void *data, size_t size_bytes,
                                                   struct insn_fault *fault);

/* Checks whether such an access would succeed, with the same results. Changes nothing except
 * accessed and dirty flags. */
MUST_USE enum insn_access_result vcpu_linear_probe(struct vcpu_linear *linear, gva_t address,
                                                   size_t size_bytes, bool is_write,
                                                   struct insn_fault *fault);

/* Copies up to size_bytes as the guest's supervisor sees them, for dumps. Causes no fault, changes
 * nothing in the guest, and does not touch MMIO. Returns the number of bytes that could be read. */
size_t vcpu_linear_peek(struct vcpu *vcpu, gva_t address, void *data, size_t size_bytes);

#endif
