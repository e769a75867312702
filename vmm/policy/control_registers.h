// SPDX-License-Identifier: BSD-2-Clause
/* What a guest may write to CR0, CR4 and IA32_EFER, and which writes cause #GP(0). The rules follow
 * from the features that CPUID shows. Intel SDM vol. 3A (Sep 2023), "Control Registers", vol. 2B
 * "MOV - Move to/from Control Registers". */
#ifndef VMM_POLICY_CONTROL_REGISTERS_H
#define VMM_POLICY_CONTROL_REGISTERS_H

#include "vmm/base/bits.h"
#include "vmm/base/types.h"
#include "vmm/policy/cpuid_policy.h"

/* The guest's registers, as the guest sees them. A write to one of them is checked against the
 * others. */
struct control_registers {
    uint64_t cr0;
    uint64_t cr3;
    uint64_t cr4;
    uint64_t efer;
    bool disables_execute_disable; /* IA32_MISC_ENABLE, "XD Bit Disable"; only efer_write uses it */
    bool cs_l;                     /* CS.L of the code that the guest executes */
};

/* Checks a write of value to CR0. The caller updates EFER.LMA, which is EFER.LME and CR0.PG after
 * the write.
 * True: *result is the value that CR0 holds now, with ET set and the reserved bits among 31:0
 * clear, as the processor keeps them.
 * False: the write causes #GP(0); *result is unchanged. */
MUST_USE bool cr0_write(const struct control_registers *now, uint64_t value, uint64_t *result);

/* Returns the CR4 bits that a guest may set: those whose feature CPUID shows. VMXE and SMXE are
 * never among them. MCE is not either, because CPUID shows no machine-check exception; the monitor
 * keeps its own MCE set, and the guest does not see it. */
uint64_t cr4_allowed_mask(const struct cpuid_board *board);

/* Checks a write of value to CR4. False: the write causes #GP(0). */
MUST_USE bool cr4_write(const struct cpuid_board *board, const struct control_registers *now,
                        uint64_t value);

/* Returns the IA32_EFER bits that a guest may set: SCE and LME with 64-bit support, NXE with
 * execute-disable. LMA is not among them. */
uint64_t efer_allowed_mask(const struct cpuid_board *board);

/* Checks a WRMSR of value to IA32_EFER.
 * True: *result is the value that the register holds now. LMA is read-only: a write leaves it as it
 * is.
 * False: the write causes #GP(0); *result is unchanged. */
MUST_USE bool efer_write(const struct cpuid_board *board, const struct control_registers *now,
                         uint64_t value, uint64_t *result);

#endif
