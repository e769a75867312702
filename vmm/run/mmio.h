// SPDX-License-Identifier: BSD-2-Clause
/* Handles the frequent EPT violations: every address without RAM is on the MMIO bus.
 *
 * Nearly all of them come from plain loads, stores and comparisons that were executed before. Then
 * the instruction is known and the exit gives the address, so the monitor walks no page table and
 * decodes no instruction. The functions are inline, as those of io.h. */
#ifndef VMM_RUN_MMIO_H
#define VMM_RUN_MMIO_H

#include "arch/x86/exits/exit_qualification.h"
#include "arch/x86/insn/insn_cache.h"
#include "vmm/guest/guest.h"
#include "vmm/iobus/fast.h"
#include "vmm/vcpu/execute.h"

/* Returns whether the instruction makes its access at gpa, as a whole: the address is aligned, and
 * its offset in the page is that of the operand. For the instructions whose operand's address is
 * not simple (insn_plain.h). */
bool exit_mmio_is_at(const struct vcpu *vcpu, const struct insn_plain *plain, uint64_t gpa);

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

/* Makes an access that the fast half did not make, and sets the register after a load. table and
 * call are those of iobus_access_slow: call is the one that declined the access, or null. Reads the
 * guest-physical address from the VMCS again. */
void exit_mmio_slow(struct vcpu *vcpu, const struct insn_plain *plain,
                    const struct iobus_table *table, const struct iobus_call *call);

/* Executes a known comparison with the value at gpa. *tsc becomes a time-stamp taken at the end. */
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

/* What the qualification of an exit shows that is due to a data access of an instruction itself, and
 * the bits of it that tell such an exit, and its direction, from others. */
#define EXIT_MMIO_USUAL (EXIT_EPT_LINEAR_ADDRESS_VALID | EXIT_EPT_IS_TRANSLATION)
#define EXIT_MMIO_CAUSE                                                                            \
    (EXIT_MMIO_USUAL | EXIT_EPT_FETCH | EXIT_EPT_NMI_UNBLOCKED | EXIT_EPT_READ | EXIT_EPT_WRITE)

/* Returns whether the instruction makes its access at gpa, as exit_mmio_is_at does. */
static inline __attribute__((always_inline)) bool
exit_mmio_fits(const struct vcpu *vcpu, const struct insn_plain *plain, uint64_t gpa)
{
    const uint64_t *gpr = vcpu->vmx.registers.gpr;

    if (__builtin_expect((gpa & plain->not_simple) == 0, 1) &&
        __builtin_expect(((insn_plain_simple_address(plain, gpr) ^ gpa) & (PAGE_SIZE - 1)) == 0, 1))
        return true;
    return exit_mmio_is_at(vcpu, plain, gpa);
}

/* Executes a known plain instruction at the guest-physical address that the exit gives. The
 * processor has translated the address and has allowed the access, or the exit would be another
 * one. This has set the accessed flags (SDM vol. 3A, "Accessed and Dirty Flags": "whenever the
 * processor uses" an entry). A dirty flag that the processor leaves to the write itself stays
 * clear; nobody looks for the dirty flag of a page of registers.
 * *rip and *length become those of the instruction. *tsc is the time-stamp of the exit, and becomes
 * one taken at the end.
 * Returns false, and nothing has happened, if this exit cannot have come from one access of a known
 * instruction at that address: the instruction that the processor executed is no longer there (the
 * direction or the operand's address differ), the processor splits the access, or it may need an
 * alignment check, or it is no access to a device, or an event was being delivered. */
static inline __attribute__((always_inline)) bool exit_mmio(struct vcpu *vcpu, uint64_t *tsc,
                                                            uint64_t *rip, uint32_t *length)
{
    const struct insn_plain *plain;
    struct insn_cache_key key;
    uint64_t cause = vmcs_exit_qualification() & EXIT_MMIO_CAUSE, gpa;

    *rip = vmcs_guest_rip();
    key = vcpu_code_key(vcpu, *rip);
    plain = insn_cache_find(&vcpu->insn_cache, &key);
    if (__builtin_expect(plain == NULL || plain->cause != cause, 0) ||
        __builtin_expect((vmcs_idt_vectoring_info() & INTERRUPTION_VALID) != 0, 0))
        return false;
    gpa = vmcs_guest_physical_address();
    if (!exit_mmio_fits(vcpu, plain, gpa))
        return false;
    *length = plain->length;
    /* The compiler makes two copies, each for one direction. */
    if (plain->is_store)
        exit_mmio_plain(vcpu, plain, gpa, true, tsc);
    else if (__builtin_expect(plain->is_comparison, 0))
        exit_mmio_compare(vcpu, plain, gpa, tsc);
    else
        exit_mmio_plain(vcpu, plain, gpa, false, tsc);
    return true;
}

#endif
