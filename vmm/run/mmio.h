// SPDX-License-Identifier: BSD-2-Clause
/* EPT violations, the usual ones: everything that is not RAM is on the MMIO bus.
 *
 * Nearly all are plain loads, stores and comparisons that were executed before: then the
 * instruction is known, the exit says where it went, and no page table is walked and no instruction
 * decoded. Inline, as io.h is. */
#ifndef VMM_RUN_MMIO_H
#define VMM_RUN_MMIO_H

#include "arch/x86/exits/exit_qualification.h"
#include "arch/x86/insn/insn_cache.h"
#include "vmm/guest/guest.h"
#include "vmm/iobus/fast.h"
#include "vmm/vcpu/execute.h"

/* Whether an access that reached the beginning of a page begins there, too, and not in the page
 * before. */
bool exit_mmio_begins_in_page(const struct vcpu *vcpu, const struct insn_plain *plain);

static inline struct io_access exit_mmio_access(const struct vcpu *vcpu,
                                                const struct insn_plain *plain, uint64_t gpa,
                                                bool is_write)
{
    return (struct io_access){
        .address = gpa,
        .value = is_write ? insn_plain_stored(plain, vcpu->vmx.registers.gpr) : 0,
        .size = plain->size_bytes,
        .is_write = is_write,
    };
}

/* The slow half: an access that call declined; with null, one that is made from the beginning.
 * Takes gpa from the VMCS once more. */
void exit_mmio_slow(struct vcpu *vcpu, const struct insn_plain *plain,
                    const struct iobus_table *table, const struct iobus_call *call);

/* A known comparison with what is at gpa; a known load or store. *tsc as for iobus_fast. */
void exit_mmio_compare(struct vcpu *vcpu, const struct insn_plain *plain, uint64_t gpa,
                       uint64_t *tsc);

static inline __attribute__((always_inline)) void exit_mmio_plain(struct vcpu *vcpu,
                                                                  const struct insn_plain *plain,
                                                                  uint64_t gpa, bool is_write,
                                                                  uint64_t *tsc)
{
    struct io_access access = exit_mmio_access(vcpu, plain, gpa, is_write);
    struct iobus_found found;
    uint64_t value;

    if (__builtin_expect(!iobus_fast(&vcpu->guest->mmio, false, &vcpu->mmio_reader, &access, &found,
                                     &value, tsc),
                         0)) {
        exit_mmio_slow(vcpu, plain, found.table, found.call);
        *tsc = iobus_read_tsc();
    } else if (!is_write)
        insn_plain_loaded(plain, vcpu->vmx.registers.gpr,
                          value & iobus_byte_masks[plain->size_bytes & 15]);
}

/* An access of an instruction's own, and no event's delivery was interrupted. */
static inline bool exit_mmio_is_usual(uint64_t qualification)
{
    const uint64_t usual = EXIT_EPT_LINEAR_ADDRESS_VALID | EXIT_EPT_IS_TRANSLATION;

    return (qualification & (usual | EXIT_EPT_FETCH | EXIT_EPT_NMI_UNBLOCKED)) == usual &&
           (vmcs_idt_vectoring_info() & INTERRUPTION_VALID) == 0;
}

/* Carries out a plain instruction whose address the exit has told. The processor has translated
 * it and found it allowed, or the exit would have been another one. The accessed flags are set by
 * that ("Accessed and Dirty Flags": "whenever the processor uses" an entry); a dirty flag that it
 * may have left to the write itself stays clear, which on a page of registers nobody looks for.
 * *rip and *length: the instruction's. *tsc: of the exit; then of the end of what was done. False,
 * and nothing has happened, for what is not one access at that address by a known instruction: the
 * processor splits it, or it wants an alignment check, or it is no access to a device. */
static inline __attribute__((always_inline)) bool exit_mmio(struct vcpu *vcpu, uint64_t *tsc,
                                                            uint64_t *rip, uint32_t *length)
{
    const struct insn_plain *plain;
    struct insn_cache_key key;
    uint64_t gpa;

    if (__builtin_expect(!exit_mmio_is_usual(vmcs_exit_qualification()), 0))
        return false;
    *rip = vmcs_guest_rip();
    key = vcpu_code_key(vcpu, *rip);
    plain = insn_cache_find(&vcpu->insn_cache, &key);
    if (__builtin_expect(plain == NULL, 0))
        return false;
    gpa = vmcs_guest_physical_address();
    if (__builtin_expect(!is_aligned(gpa, plain->size_bytes), 0))
        return false;
    if (__builtin_expect(is_aligned(gpa, PAGE_SIZE), 0) && !exit_mmio_begins_in_page(vcpu, plain))
        return false;
    *length = plain->length;
    /* Two copies, each of which knows its direction. */
    if (plain->is_store)
        exit_mmio_plain(vcpu, plain, gpa, true, tsc);
    else if (__builtin_expect(plain->is_comparison, 0))
        exit_mmio_compare(vcpu, plain, gpa, tsc);
    else
        exit_mmio_plain(vcpu, plain, gpa, false, tsc);
    return true;
}

#endif
