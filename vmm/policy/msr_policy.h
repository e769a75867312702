// SPDX-License-Identifier: BSD-2-Clause
/* Every model-specific register that a guest knows, and what RDMSR and WRMSR of it do. A register
 * that is not in the table does not exist: #GP(0) on both. Intel SDM vol. 4 (Sep 2023),
 * "Architectural MSRs"; vol. 3A, "Memory Type Range Registers (MTRRs)". */
#ifndef VMM_POLICY_MSR_POLICY_H
#define VMM_POLICY_MSR_POLICY_H

#include "vmm/base/types.h"
#include "vmm/policy/cpuid_policy.h"

#define MTRR_VARIABLE_COUNT  8
#define MTRR_FIXED_COUNT     11
#define MSR_BITMAP_BYTES     4096
#define MSR_PASS_THROUGH_MAX 16

/* The registers that live in the monitor's memory, and what decides about the others. */
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
    MSR_DONE, /* read: *value is the answer; write: nothing more to do */
    MSR_GP,   /* inject #GP(0) */
    /* The register's value is elsewhere. Reads: fetch it; writes: what can be checked without it
     * has been. */
    MSR_IS_EFER,        /* VMCS guest IA32_EFER; a write goes through efer_write */
    MSR_IS_TSC,         /* the TSC plus the VMCS's TSC offset; a write sets the offset so that the
                           counter reads value now (SDM vol. 3B, "Time-Stamp Counter Adjustment") */
    MSR_IS_PAT,         /* write only: value is stored and valid; copy it to VMCS guest IA32_PAT */
    MSR_IS_MISC_ENABLE, /* write only: value is stored and valid; CPUID may show other things now */
    MSR_IS_DEBUGCTL,    /* VMCS guest IA32_DEBUGCTL */
    /* The vCPU's local APIC. Writes are not checked here: which bits are reserved, which registers
     * there are and whether the mode allows them is the APIC's to say. */
    MSR_IS_APIC_BASE,    /* IA32_APIC_BASE */
    MSR_IS_X2APIC,       /* register index - 0x800 of the x2APIC, 0..0xff */
    MSR_IS_TSC_DEADLINE, /* IA32_TSC_DEADLINE: every value is fine */
    MSR_IS_PASSED,       /* the bitmap lets it through, so only a nested or broken bitmap brings it
                            here: execute the access on the processor or on the VMCS field */
};

/* The state at RESET and so at the guest's start, the same for each of its vCPUs. Not for INIT,
 * which leaves MSRs and MTRRs as they are (SDM vol. 3A, "Initialization Overview"). The MTRRs hold
 * what the board's firmware would have programmed on all processors: everything write-back but for
 * 0xA0000-0xBFFFF and the hole for devices below 4 GiB. The types are the guest's own bookkeeping:
 * what memory really is, EPT says. */
void msr_policy_reset(struct msr_state *state, const struct cpuid_board *board);

/* RDMSR with ECX = index, any value. *value is set only on MSR_DONE. */
MUST_USE enum msr_outcome msr_policy_read(const struct msr_state *state, uint32_t index,
                                          uint64_t *value);

/* WRMSR with ECX = index, EDX:EAX = value, any values. On MSR_GP the state is unchanged. */
MUST_USE enum msr_outcome msr_policy_write(struct msr_state *state, uint32_t index, uint64_t value);

/* Fills the 4 KiB that the VMCS's MSR-bitmap address points at: clear bits for what passes through,
 * set for everything else. Passing reads of IA32_EFER and IA32_DEBUGCTL supposes that the VM-entry
 * controls load both; SDM vol. 3C, "MSR-Bitmap Address". */
void msr_policy_fill_bitmap(const struct msr_state *state, uint8_t bitmap[MSR_BITMAP_BYTES]);

/* Lets one register's reads or writes through, or has them exit. index: 0..0x1fff or 0xc0000000..
 * 0xc0001fff. */
void msr_bitmap_pass(uint8_t bitmap[MSR_BITMAP_BYTES], uint32_t index, bool is_write, bool passes);

/* The passed-through registers that no VMCS field holds: they keep their value from one guest to
 * the next on the same CPU, so whoever starts a guest clears them, and nobody else: INIT does not.
 * Writes the indices, at most MSR_PASS_THROUGH_MAX, and returns how many. */
size_t msr_policy_unsaved(const struct msr_state *state, uint32_t indices[MSR_PASS_THROUGH_MAX]);

/* The register's name in the SDM ("IA32_PAT"; of a range, its first; "x2APIC" for 0x800-0x8ff),
 * null for one that no guest has. */
const char *msr_name(uint32_t index);

#endif
