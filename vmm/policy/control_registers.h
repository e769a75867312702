// SPDX-License-Identifier: BSD-2-Clause
/* What a guest may write to CR0, CR4 and IA32_EFER, and which writes are #GP(0). The rules follow
 * from the features that CPUID shows. Intel SDM vol. 3A (Sep 2023), "Control Registers", vol. 2B
 * "MOV - Move to/from Control Registers". */
#ifndef VMM_POLICY_CONTROL_REGISTERS_H
#define VMM_POLICY_CONTROL_REGISTERS_H

#include "vmm/base/bits.h"
#include "vmm/base/types.h"
#include "vmm/policy/cpuid_policy.h"

/* The guest's registers that a write to another of them is checked against. All as the guest sees
 * them. */
struct control_registers {
    uint64_t cr0;
    uint64_t cr3;
    uint64_t cr4;
    uint64_t efer;
    bool disables_execute_disable; /* IA32_MISC_ENABLE, "XD Bit Disable"; looked at for EFER only */
    bool cs_l;                     /* CS.L of the code that runs */
};

/* A write of value to CR0. False: #GP(0). True: *result is what CR0 reads from now on, with ET set
 * and the reserved bits among 31:0 clear, as the processor keeps them. The caller sees to EFER.LMA:
 * it is now EFER.LME and CR0.PG. *result is set only on true. */
MUST_USE bool cr0_write(const struct control_registers *now, uint64_t value, uint64_t *result);

/* The CR4 bits a guest may set: those whose feature CPUID shows. VMXE and SMXE are never among
 * them, nor MCE, as CPUID shows no machine-check exception (the monitor keeps its own MCE set
 * beneath the guest's view). */
uint64_t cr4_allowed_mask(const struct cpuid_board *board);

/* A write of value to CR4. False: #GP(0). */
MUST_USE bool cr4_write(const struct cpuid_board *board, const struct control_registers *now,
                        uint64_t value);

/* The IA32_EFER bits a guest may set: SCE and LME with 64-bit support, NXE with execute-disable;
 * LMA is not among them. */
uint64_t efer_allowed_mask(const struct cpuid_board *board);

/* A WRMSR of value to IA32_EFER. False: #GP(0). True: *result is what the register reads from now
 * on: LMA is read-only, a write leaves it as it is. *result is set only on true. */
MUST_USE bool efer_write(const struct cpuid_board *board, const struct control_registers *now,
                         uint64_t value, uint64_t *result);

#endif
