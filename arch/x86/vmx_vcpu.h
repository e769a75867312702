// SPDX-License-Identifier: BSD-2-Clause
/* One virtual processor as VT-x sees it: its VMCS, its general registers, and the way in and out.
 *
 * Intel SDM vol. 3C (Sep 2023), "Virtual Machine Control Structures", "VM Entries", "VM Exits". */
#ifndef ARCH_X86_VMX_VCPU_H
#define ARCH_X86_VMX_VCPU_H

#include "arch/x86/registers.h"
#include "arch/x86/vmcs.h"
#include "arch/x86/vmx_capabilities.h"
#include "vmm/base/types.h"

/* Index into a general-register array, as instructions encode them. */
enum gpr {
    GPR_RAX,
    GPR_RCX,
    GPR_RDX,
    GPR_RBX,
    GPR_RSP, /* lives in the VMCS while the guest runs; see vmx_vcpu_rsp */
    GPR_RBP,
    GPR_RSI,
    GPR_RDI,
    GPR_R8,
    GPR_R15 = 15,
    GPR_COUNT,
};

/* In the order in which the VMCS and instruction encodings have them. */
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

/* What the world switch reads and writes; offsets known to world_switch.asm. */
struct vmx_switch {
    uint64_t gpr[GPR_COUNT];
    uint64_t stack, frame; /* RSP and RBP in world_switch, from vmx_vcpu_begin on */
    uint32_t is_launched;  /* as VMCLEAR, VMLAUNCH and VMRESUME have it */
    uint32_t unused;
};

/* What stays the same for all guests of a vCPU. All pages zeroed or filled by the caller. */
struct vmx_vcpu_setup {
    void *vmcs;       /* a zeroed page */
    void *msr_bitmap; /* a page */
    uint64_t ept_pointer;
    uint16_t vpid; /* not 0 */
    uint64_t cr0_guest_host_mask;
    uint64_t cr4_guest_host_mask;
};

struct vmx_vcpu {
    struct vmx_switch registers; /* first: world_switch.asm gets its address */
    const struct vmx_capabilities *capabilities;
    void *vmcs;
    uint16_t vpid;
    bool saves_timer;          /* a VM exit stores what is left of the preemption timer */
    uint32_t primary_controls; /* as the VMCS holds them */
    uint64_t cr0_guest_host_mask, cr4_guest_host_mask; /* likewise */
    uint64_t efer;      /* IA32_EFER as the guest wrote it; LMA is not kept: see vmx_vcpu_efer */
    uint64_t ia32e_cr0; /* CR0.PG with EFER.LME, else 0: what of CR0 makes IA-32e mode */
};

/* Makes vcpu's VMCS current on this processor and fills in the controls and the host state from the
 * processor's registers as they are now. Guest state comes with vmx_vcpu_start. */
void vmx_vcpu_init(struct vmx_vcpu *vcpu, const struct vmx_capabilities *capabilities,
                   const struct vmx_vcpu_setup *setup);

/* Sets all of the guest's state. What VMX does not switch goes to its value after RESET as well:
 * debug registers, CR2, XCR0, FPU and vector state; MSRs without a VMCS field are left to the
 * caller. Read shadows show CR0 and CR4 as given. */
void vmx_vcpu_start(struct vmx_vcpu *vcpu, const struct vmx_start_state *state);

/* The same for INIT, which leaves FPU and vector state, PAT and the SYSENTER registers as they are
 * (SDM vol. 3A, table "IA-32 and Intel 64 Processor States Following Power-up, Reset, or INIT"). */
void vmx_vcpu_restart(struct vmx_vcpu *vcpu, const struct vmx_start_state *state);

/* What vmx_vcpu_enter returns where the guest was not entered: beyond the 32 bits of the VMCS's
 * exit reason field. VMCS_INSTRUCTION_ERROR has the number. Known to world_switch.asm. */
#define VMX_NOT_ENTERED (UINT64_C(1) << 32)

/* To be called before the first of a series of vmx_vcpu_enter, all of which are made by one
 * function at one place, with no more on its stack then than now: the processor comes back on the
 * same stack. */
static inline __attribute__((always_inline)) void vmx_vcpu_begin(struct vmx_vcpu *vcpu)
{
    __asm__ volatile("movq %%rbp, %[frame]\n\tleaq -8(%%rsp), %%rax\n\tmovq %%rax, %[stack]"
                     : [frame] "=m"(vcpu->registers.frame), [stack] "=m"(vcpu->registers.stack)
                     :
                     : "rax");
}

/* Enters the guest and returns after its next exit, with the exit reason field. *exited_tsc: the
 * TSC then; 0 if the guest was not entered. Interrupts are off before and after. The vCPU's VMCS is
 * current. *vcpu comes back as it was, in a register: the compiler need not keep it in memory
 * meanwhile. */
static inline __attribute__((always_inline)) uint64_t vmx_vcpu_enter(struct vmx_vcpu **vcpu,
                                                                     uint64_t *exited_tsc)
{
    uint64_t result;

    __asm__ volatile("call world_switch"
                     : "=a"(result), "=d"(*exited_tsc), "+D"(*vcpu)
                     :
                     : "rbx", "rcx", "rsi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
                       "memory", "cc");
    return result;
}

/* The rare half of vmx_vcpu_set_primary. */
void vmx_vcpu_write_primary(struct vmx_vcpu *vcpu, uint32_t controls);

/* Sets or clears bits of the primary processor-based controls; a VMWRITE only if they change. */
static inline void vmx_vcpu_set_primary(struct vmx_vcpu *vcpu, uint32_t bits, bool on)
{
    uint32_t controls = on ? vcpu->primary_controls | bits : vcpu->primary_controls & ~bits;

    if (__builtin_expect(controls != vcpu->primary_controls, 0))
        vmx_vcpu_write_primary(vcpu, controls);
}

/* A general register of the guest, RSP included. */
uint64_t vmx_vcpu_gpr(const struct vmx_vcpu *vcpu, unsigned index);
void vmx_vcpu_set_gpr(struct vmx_vcpu *vcpu, unsigned index, uint64_t value);

/* A segment register of the guest, all of it; its selector alone. What is set has to pass the
 * checks of VM entry. */
struct vmx_segment vmx_vcpu_segment(enum segment segment);
uint16_t vmx_vcpu_selector(enum segment segment);
void vmx_vcpu_set_segment(enum segment segment, const struct vmx_segment *value);

/* CR0 and CR4 as the guest sees them: host-owned bits from the read shadow. */
uint64_t vmx_vcpu_cr0(const struct vmx_vcpu *vcpu);
uint64_t vmx_vcpu_cr4(const struct vmx_vcpu *vcpu);

/* Makes value what the guest sees in CR0 and CR4, and sets the real registers to go with it: what
 * VMX wants set is set. In CR0 the caches stay on whatever the guest asks for: without devices that
 * reach memory past them it cannot tell. In CR4 machine checks stay enabled: they exit to the
 * monitor. */
void vmx_vcpu_set_cr0(const struct vmx_vcpu *vcpu, uint64_t value);
void vmx_vcpu_set_cr4(const struct vmx_vcpu *vcpu, uint64_t value);

/* IA32_EFER. Each write of it exits, so it need not be asked of the VMCS, where VMREAD of it exits
 * to a KVM below. LMA follows LME and CR0.PG, which the guest changes alone (SDM vol. 3A,
 * "IA-32e Mode Operation"). */
uint64_t vmx_vcpu_efer(const struct vmx_vcpu *vcpu);

/* Sets IA32_EFER to value, with the LMA that belongs to it, and the VM-entry control that goes with
 * that. CR0 is set before. */
void vmx_vcpu_set_efer(struct vmx_vcpu *vcpu, uint64_t value);

/* True in IA-32e mode: IA32_EFER.LMA is 1. */
static inline bool vmx_vcpu_in_ia32e_mode(const struct vmx_vcpu *vcpu)
{
    return (vmcs_guest_cr0() & vcpu->ia32e_cr0) != 0;
}

/* True where the guest executes 64-bit code: IA-32e mode and CS.L. */
static inline bool vmx_vcpu_in_64bit_code(const struct vmx_vcpu *vcpu)
{
    return (vmcs_guest_cs_access_rights() & ACCESS_RIGHTS_L) != 0 && vmx_vcpu_in_ia32e_mode(vcpu);
}

#endif
