// SPDX-License-Identifier: BSD-2-Clause
/* Every model-specific register that a guest has, and what RDMSR and WRMSR of it do. A register
 * that is not in the table does not exist: both instructions cause #GP(0). Intel SDM vol. 4 (Sep
 * 2023), "Architectural MSRs"; vol. 3A, "Memory Type Range Registers (MTRRs)". */
#ifndef VMM_POLICY_MSR_POLICY_H
#define VMM_POLICY_MSR_POLICY_H

#include "vmm/base/types.h"
#include "vmm/policy/cpuid_policy.h"

#define MTRR_VARIABLE_COUNT  8
#define MTRR_FIXED_COUNT     11
#define MSR_BITMAP_BYTES     4096
#define MSR_PASS_THROUGH_MAX 16

/* The registers whose values the monitor keeps, and the facts that decide about the others. */
struct msr_state {
    uint64_t pat;
    uint64_t misc_enable;
    uint64_t mtrr_def_type;
    uint64_t mtrr_fixed[MTRR_FIXED_COUNT];           /* FIX64K_00000, FIX16K_80000, ... */
    uint64_t mtrr_variable[2 * MTRR_VARIABLE_COUNT]; /* PHYSBASE0, PHYSMASK0, PHYSBASE1, ... */

    uint8_t physical_address_bits;
    bool has_apic;
    bool has_execute_disable;
    bool has_tsc_aux;
    bool has_xss;
};

enum msr_outcome {
    MSR_DONE, /* read: *value is the result; write: the write is complete */
    MSR_GP,   /* inject #GP(0) */
    /* The register's value is elsewhere. For a read the caller fetches the value. For a write all
     * checks that do not need the value are done. */
    MSR_IS_EFER,        /* VMCS guest IA32_EFER; a write goes through efer_write */
    MSR_IS_TSC,         /* the TSC plus the VMCS's TSC offset; a write sets the offset so that the
                           counter now reads value (SDM vol. 3B, "Time-Stamp Counter Adjustment") */
    MSR_IS_PAT,         /* write only: value is valid and stored; copy it to VMCS guest IA32_PAT */
    MSR_IS_MISC_ENABLE, /* write only: value is valid and stored; the guest's CPUID may change */
    MSR_IS_DEBUGCTL,    /* VMCS guest IA32_DEBUGCTL */
    /* The register belongs to the vCPU's local APIC. Writes are not checked here: the APIC knows
     * which bits are reserved, which registers exist and which of them the mode allows. */
    MSR_IS_APIC_BASE,    /* IA32_APIC_BASE */
    MSR_IS_X2APIC,       /* register index - 0x800 of the x2APIC, 0..0xff */
    MSR_IS_TSC_DEADLINE, /* IA32_TSC_DEADLINE: every value is valid */
    MSR_IS_PASSED,       /* the bitmap lets the access through, so it arrives here only under
                            another hypervisor or with a broken bitmap: do the access on the
                            processor or on the VMCS field */
};

/* Sets the state at RESET, which is the state at the guest's start, the same for each of its vCPUs.
 * Do not call it for INIT, which leaves MSRs and MTRRs as they are (SDM vol. 3A, "Initialization
 * Overview"). The MTRRs hold what the board's firmware would have written on all processors:
 * everything is write-back except 0xA0000-0xBFFFF and the range for devices below 4 GiB. The guest
 * keeps the types for its own use; EPT decides the real memory types. */
void msr_policy_reset(struct msr_state *state, const struct cpuid_board *board);

/* Does RDMSR with ECX = index, which may have any value. Sets *value only if the result is
 * MSR_DONE. */
MUST_USE enum msr_outcome msr_policy_read(const struct msr_state *state, uint32_t index,
                                          uint64_t *value);

/* Does WRMSR with ECX = index and EDX:EAX = value, which may have any values. On MSR_GP the state
 * is unchanged. */
MUST_USE enum msr_outcome msr_policy_write(struct msr_state *state, uint32_t index, uint64_t value);

/* Fills the 4 KiB at the VMCS's MSR-bitmap address: a bit is clear if the access passes through,
 * else set. Reads of IA32_EFER and IA32_DEBUGCTL pass, which requires VM-entry controls that load
 * both. SDM vol. 3C, "MSR-Bitmap Address". */
void msr_policy_fill_bitmap(const struct msr_state *state, uint8_t bitmap[MSR_BITMAP_BYTES]);

/* Lets reads or writes of one register pass through, or makes them exit. index: 0..0x1fff or
 * 0xc0000000..0xc0001fff. */
void msr_bitmap_pass(uint8_t bitmap[MSR_BITMAP_BYTES], uint32_t index, bool is_write, bool passes);

/* Lists the pass-through registers that no VMCS field holds. They would keep their values from one
 * guest to the next on the same CPU, so the function that starts a guest clears them. Nothing else
 * clears them; INIT does not. Writes the indices, at most MSR_PASS_THROUGH_MAX, and returns their
 * number. */
size_t msr_policy_unsaved(const struct msr_state *state, uint32_t indices[MSR_PASS_THROUGH_MAX]);

/* Returns the register's name in the SDM ("IA32_PAT"). In a range this is the name of the first
 * register; for 0x800-0x8ff it is "x2APIC". Returns null for a register that no guest has. */
const char *msr_name(uint32_t index);

#endif
