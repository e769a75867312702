// SPDX-License-Identifier: BSD-2-Clause
/* Instructions that the monitor executes in the guest's stead: those that touch MMIO, INS and OUTS.
 */
#ifndef VMM_VCPU_EXECUTE_H
#define VMM_VCPU_EXECUTE_H

#include "arch/x86/exits/exit_qualification.h"
#include "arch/x86/insn/insn_task.h"
#include "arch/x86/msr.h"
#include "vmm/vcpu/vcpu.h"

/* Executes the instruction at RIP in the guest's stead: one that touched MMIO at address. What
 * cannot be executed stops the guest with the reason. A plain instruction (insn_plain.h) is put
 * into the vCPU's insn_cache by its vcpu_code_key. */
enum exit_action vcpu_execute(struct vcpu *vcpu, gpa_t address);

/* Executes INS or OUTS, REP or not, as an I/O exit describes it. */
enum exit_action vcpu_string_io(struct vcpu *vcpu, const struct exit_io *io);

/* Carries out a task switch, and pushes the error code, if it is not null, on the new task's stack.
 * RIP and all else are then the new task's, and so is a fault that it begins with; the event in
 * vcpu->event that has led there is gone. A fault of the old task's is injected on top of it. */
enum exit_action vcpu_switch_task(struct vcpu *vcpu, struct insn_task_switch *task,
                                  const uint32_t *error_code);

/* vcpu_code_key outside of IA-32e mode. */
struct insn_cache_key vcpu_legacy_code_key(const struct vcpu *vcpu, uint64_t rip,
                                           uint32_t cs_access_rights);

/* By what the instruction at rip, the guest's RIP, is known. In IA-32e mode paging is as CR3 and
 * the tables say: 5-level paging is not offered to guests, SMEP and EFER.NXE decide who may fetch,
 * not from where, and the processor that has just fetched it did ask. */
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
