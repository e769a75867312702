// SPDX-License-Identifier: BSD-2-Clause
/* One virtual processor as VT-x knows it: its VMCS, its general registers, and the way in and out.
 *
 * Intel SDM vol. 3C (Sep 2023), "Virtual Machine Control Structures", "VM Entries", "VM Exits". */
#ifndef ARCH_X86_VMX_VCPU_H
#define ARCH_X86_VMX_VCPU_H

#include "arch/x86/registers.h"
#include "arch/x86/vmcs.h"
#include "arch/x86/vmx_capabilities.h"
#include "arch/x86/world_switch.h"
#include "vmm/base/types.h"

/* Index into an array of general registers, as instructions encode it. */
enum gpr {
    GPR_RAX,
    GPR_RCX,
    GPR_RDX,
    GPR_RBX,
    GPR_RSP, /* in the VMCS, and 0 in the array, while the guest runs: see vmx_vcpu_gpr */
    GPR_RBP,
    GPR_RSI,
    GPR_RDI,
    GPR_R8,
    GPR_R15 = 15,
    GPR_COUNT,
};

/* In the order of the VMCS and of instruction encodings. */
enum segment {
    SEGMENT_ES,
    SEGMENT_CS,
    SEGMENT_SS,
    SEGMENT_DS,
    SEGMENT_FS,
    SEGMENT_GS,
    SEGMENT_LDTR,
    SEGMENT_TR,
    SEGMENT_COUNT,
};

struct vmx_segment {
    uint64_t base;
    uint32_t limit;
    uint32_t access_rights; /* as the VMCS has them */
    uint16_t selector;
};

struct vmx_table {
    uint64_t base;
    uint32_t limit;
};

/* The architectural state in which a guest starts. */
struct vmx_start_state {
    uint64_t gpr[GPR_COUNT];
    uint64_t rip;
    uint64_t rflags;
    uint64_t cr0;
    uint64_t cr3;
    uint64_t cr4;
    uint64_t efer;
    struct vmx_segment segments[SEGMENT_COUNT];
    struct vmx_table gdtr;
    struct vmx_table idtr;
};

/* What the world switch reads and writes. world_switch.asm uses these offsets. */
struct vmx_switch {
    uint64_t gpr[GPR_COUNT];
    uint64_t stack, frame; /* RSP and RBP in world_switch, set by vmx_vcpu_begin */
    uint32_t is_launched;  /* 1 if VMRESUME enters, 0 if VMLAUNCH does */
    uint32_t unused;
};

/* What stays the same for all guests of a vCPU. */
struct vmx_vcpu_setup {
    void *vmcs;       /* a zeroed page */
    void *msr_bitmap; /* a page that the caller has filled */
    uint64_t ept_pointer;
    uint16_t vpid; /* not 0 */
    uint64_t cr0_guest_host_mask;
    uint64_t cr4_guest_host_mask;
};

struct vmx_vcpu {
    struct vmx_switch registers; /* first, as world_switch.asm gets its address */
    const struct vmx_capabilities *capabilities;
    void *vmcs;
    uint16_t vpid;
    bool saves_timer;          /* a VM exit stores the rest of the preemption timer */
    uint32_t primary_controls; /* the value in the VMCS */
    uint64_t cr0_guest_host_mask, cr4_guest_host_mask; /* the values in the VMCS */
    uint64_t efer;      /* IA32_EFER as the guest wrote it, without LMA: see vmx_vcpu_efer */
    uint64_t ia32e_cr0; /* the bits of CR0 that make IA-32e mode: CR0.PG with EFER.LME, else 0 */
};

/* Initialises vcpu. Makes its VMCS current on this processor, and fills in the controls, and the
 * host state from the processor's registers as they are now. vmx_vcpu_start sets the guest state.
 * Stops the monitor if the processor lacks a field of VMCS_EXIT_FIELDS. */
void vmx_vcpu_init(struct vmx_vcpu *vcpu, const struct vmx_capabilities *capabilities,
                   const struct vmx_vcpu_setup *setup);

/* Sets the guest's whole state. Sets what VMX does not switch to its value after RESET: debug
 * registers, CR2, XCR0, FPU and vector state. The caller sets MSRs that have no VMCS field. The
 * read shadows show CR0 and CR4 as given. The vCPU's VMCS is current. */
void vmx_vcpu_start(struct vmx_vcpu *vcpu, const struct vmx_start_state *state);

/* Sets the guest's state as vmx_vcpu_start does, but as INIT leaves it: FPU and vector state, PAT
 * and the SYSENTER registers do not change (SDM vol. 3A, table "IA-32 and Intel 64 Processor States
 * Following Power-up, Reset, or INIT"). */
void vmx_vcpu_restart(struct vmx_vcpu *vcpu, const struct vmx_start_state *state);

/* The result of vmx_vcpu_enter if the guest was not entered, above the 32 bits of the exit reason
 * field. VMCS_INSTRUCTION_ERROR then has the error's number. world_switch.asm uses this value. */
#define VMX_NOT_ENTERED (UINT64_C(1) << 32)

/* Remembers the stack for a series of vmx_vcpu_enter. One function makes this call and then all
 * calls of the series, at one place, with no more on its stack than now: the processor comes back
 * on the same stack. */
static inline __attribute__((always_inline)) void vmx_vcpu_begin(struct vmx_vcpu *vcpu)
{
    world_switch_begin(&vcpu->registers.frame, &vcpu->registers.stack);
}

/* Enters the guest and returns the exit reason field after its next exit, or VMX_NOT_ENTERED.
 * Interrupts are off before and after. The vCPU's VMCS is current.
 *   *exited_tsc: the TSC at the exit, or 0 if the guest was not entered;
 *   *vcpu: unchanged, but returned in a register, so that the compiler need not keep it in
 *     memory. */
static inline __attribute__((always_inline)) uint64_t vmx_vcpu_enter(struct vmx_vcpu **vcpu,
                                                                     uint64_t *exited_tsc)
{
    void *registers = *vcpu; /* they come first */
    uint64_t result = world_switch_enter(&registers, exited_tsc);

    *vcpu = registers;
    return result;
}

/* Writes new controls; the rare part of vmx_vcpu_set_primary. */
void vmx_vcpu_write_primary(struct vmx_vcpu *vcpu, uint32_t controls);

/* Sets or clears bits of the primary processor-based controls. Writes the VMCS only if they
 * change. */
static inline void vmx_vcpu_set_primary(struct vmx_vcpu *vcpu, uint32_t bits, bool on)
{
    uint32_t controls = on ? vcpu->primary_controls | bits : vcpu->primary_controls & ~bits;

    if (__builtin_expect(controls != vcpu->primary_controls, 0))
        vmx_vcpu_write_primary(vcpu, controls);
}

/* Read and write a general register of the guest, also RSP. The vCPU's VMCS is current. */
uint64_t vmx_vcpu_gpr(const struct vmx_vcpu *vcpu, unsigned index);
void vmx_vcpu_set_gpr(struct vmx_vcpu *vcpu, unsigned index, uint64_t value);

/* Read a segment register of the guest, or only its selector, and write the whole register. A
 * written value has to pass the checks of VM entry. The vCPU's VMCS is current. */
struct vmx_segment vmx_vcpu_segment(enum segment segment);
uint16_t vmx_vcpu_selector(enum segment segment);
void vmx_vcpu_set_segment(enum segment segment, const struct vmx_segment *value);

/* Return CR0 and CR4 as the guest sees them: host-owned bits come from the read shadow. */
uint64_t vmx_vcpu_cr0(const struct vmx_vcpu *vcpu);
uint64_t vmx_vcpu_cr4(const struct vmx_vcpu *vcpu);

/* Set what the guest sees in CR0 and CR4, and set the real registers accordingly. Bits that VMX
 * requires are set. In the real CR0 the caches stay on whatever the guest wants: the guest cannot
 * notice this, as no device bypasses the caches. In the real CR4 machine checks stay enabled: they
 * exit to the monitor. */
void vmx_vcpu_set_cr0(const struct vmx_vcpu *vcpu, uint64_t value);
void vmx_vcpu_set_cr4(const struct vmx_vcpu *vcpu, uint64_t value);

/* Returns IA32_EFER as the guest sees it. Each guest write of IA32_EFER exits, so the value is kept
 * here, and no VMREAD is needed, which would exit to a KVM below the monitor. LMA follows LME and
 * CR0.PG, which the guest changes without an exit (SDM vol. 3A, "IA-32e Mode Operation"). */
uint64_t vmx_vcpu_efer(const struct vmx_vcpu *vcpu);

/* Sets IA32_EFER to value, with the LMA that belongs to it, and the VM-entry control "IA-32e mode
 * guest". The caller has set CR0 before. */
void vmx_vcpu_set_efer(struct vmx_vcpu *vcpu, uint64_t value);

/* Returns whether the guest is in IA-32e mode: IA32_EFER.LMA is 1. */
static inline bool vmx_vcpu_in_ia32e_mode(const struct vmx_vcpu *vcpu)
{
    return (vmcs_guest_cr0() & vcpu->ia32e_cr0) != 0;
}

/* Returns whether the guest executes 64-bit code: IA-32e mode and CS.L. */
static inline bool vmx_vcpu_in_64bit_code(const struct vmx_vcpu *vcpu)
{
    return (vmcs_guest_cs_access_rights() & ACCESS_RIGHTS_L) != 0 && vmx_vcpu_in_ia32e_mode(vcpu);
}

#endif
