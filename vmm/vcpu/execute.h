// SPDX-License-Identifier: BSD-2-Clause
/* Executes instructions in the guest's stead: those that touch MMIO, INS and OUTS, and task
 * switches. */
#ifndef VMM_VCPU_EXECUTE_H
#define VMM_VCPU_EXECUTE_H

#include "arch/x86/exits/exit_qualification.h"
#include "arch/x86/insn/insn_task.h"
#include "arch/x86/msr.h"
#include "vmm/vcpu/vcpu.h"

/* The access for which the processor has left the guest, as the exit tells it. */
struct vcpu_violation {
    gpa_t address;
    uint64_t linear;      /* its linear address */
    uint64_t linear_mask; /* the bits of linear that are known, from bit 0 on */
    bool is_write;        /* also of an access that reads and then writes */
    uint64_t cause;       /* insn_plain.cause of a plain instruction that makes such an access */
};

/* Executes the instruction at RIP in the guest's stead, which touched MMIO.
 *
 * The instruction is read from the guest's memory again, and what is there now need not be what the
 * processor executed: another vCPU may have written it, or the guest may have changed a page table
 * whose old translation the processor still used. So it is carried out only if the violation can
 * have come from it: one of its accesses is at that address, in that direction, and it is neither
 * INS nor OUTS, which exit for their port. Otherwise the guest is entered again, without old
 * translations, and the processor executes what is there now. The same happens if other vCPUs kept
 * changing the page tables.
 *
 * An instruction that is not emulated, and is still there after the guest was entered again, raises
 * #UD in user mode, and stops the guest with the reason at CPL 0. A fault is queued. A plain
 * instruction (insn_plain.h) is kept in the vCPU's insn_cache by its vcpu_code_key. Sets
 * vcpu->decoded_length and vcpu->begins_shadow for EXIT_NEXT_DECODED. */
enum exit_action vcpu_execute(struct vcpu *vcpu, const struct vcpu_violation *violation);

/* Executes INS or OUTS, with or without REP, as an I/O exit describes it. */
enum exit_action vcpu_string_io(struct vcpu *vcpu, const struct exit_io *io);

/* Carries out a task switch. If error_code is not null, pushes it on the new task's stack. If the
 * new task is entered, RIP and all other state are then its own, a fault with which it begins is
 * queued for it, and the event in vcpu->event that led there is removed. A fault in the old task is
 * queued on top of that event. What cannot be carried out is #TS in user mode, and stops the guest
 * with the reason at CPL 0. */
enum exit_action vcpu_switch_task(struct vcpu *vcpu, struct insn_task_switch *task,
                                  const uint32_t *error_code);

/* Does vcpu_code_key outside of IA-32e mode. */
struct insn_cache_key vcpu_legacy_code_key(const struct vcpu *vcpu, uint64_t rip,
                                           uint32_t cs_access_rights);

/* Returns the key by which the instruction at rip, the guest's RIP, is kept in the insn_cache. In
 * IA-32e mode CR3 and the tables alone decide on the translation: guests get no 5-level paging, and
 * SMEP and EFER.NXE decide who may fetch, not from where. The processor has just fetched the
 * instruction, so it has checked these. */
static inline struct insn_cache_key vcpu_code_key(const struct vcpu *vcpu, uint64_t rip)
{
    uint32_t rights = vmcs_guest_cs_access_rights();

    if (__builtin_expect(!vmx_vcpu_in_ia32e_mode(&vcpu->vmx), 0))
        return vcpu_legacy_code_key(vcpu, rip, rights);
    if (__builtin_expect((rights & ACCESS_RIGHTS_L) == 0, 0))
        rip = (uint32_t)(rip + vmcs_read_natural(VMCS_GUEST_CS_BASE));
    return (struct insn_cache_key){.linear = rip, .root = vmcs_guest_cr3(), .code = rights};
}

#endif
