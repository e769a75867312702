// SPDX-License-Identifier: BSD-2-Clause
/* One virtual processor: its state, and the account of what its exits cost. vmm/run/run.h runs it.
 * A vCPU belongs to one processor of the machine; whoever else wants something from it leaves a
 * note (vcpu_notify). */
#ifndef VMM_VCPU_VCPU_H
#define VMM_VCPU_VCPU_H

#include "arch/x86/exits/exit_reason.h"
#include "arch/x86/insn/insn_cache.h"
#include "arch/x86/traps.h"
#include "arch/x86/vmcs.h"
#include "arch/x86/vmx_apic.h"
#include "arch/x86/vmx_vcpu.h"
#include "vmm/devices/apic/local_apic.h"
#include "vmm/guest/notes.h"
#include "vmm/iobus/iobus.h"
#include "vmm/policy/control_registers.h"
#include "vmm/policy/msr_policy.h"

struct guest;
struct heap;

/* The processor's part in the local APIC (apicv.h). */
struct vcpu_apicv {
    uint8_t *msr_bitmap; /* null: the processor has no part in it */
    enum vmx_apic_mode mode;
    uint64_t eoi_exits[VMX_EOI_EXIT_QUARTERS]; /* as the VMCS has them */
};

/* An event for the next VM entry, in the layout of the VM-entry interruption fields. */
struct vcpu_event {
    uint32_t info; /* 0: none */
    uint32_t error_code;
    uint32_t instruction_length; /* of software interrupts and exceptions */
};

/* The exits of one reason: their number, and the TSC ticks that their handlers took, counted from
 * the exit on. */
struct exit_account {
    uint64_t count;
    uint64_t cycles;
};

/* The policy's answer for a leaf of CPUID that does not depend on what the guest does. */
struct vcpu_cpuid {
    _Alignas(32) uint64_t key; /* vcpu_cpuid_key */
    struct cpuid_result result;
};

/* The last instruction that touched MMIO, as it was read again, and is not one that is emulated. */
struct vcpu_unknown {
    uint64_t rip;
    uint64_t exit_count; /* of all reasons, at the exit */
    uint8_t bytes[INSN_LENGTH_MAX];
};

#define VCPU_CPUID_COUNT 16 /* the leaf's low bits choose the place */

static inline uint64_t vcpu_cpuid_key(uint32_t leaf, uint32_t subleaf)
{
    return (uint64_t)subleaf << 32 | leaf;
}

struct vcpu {
    struct vmx_vcpu vmx;
    struct guest *guest;
    uint32_t index; /* in the guest; vCPU 0 boots it */
    struct vcpu_notes notes;
    struct iobus_reader ports_reader;
    struct iobus_reader mmio_reader;
    struct cpuid_board cpuid;
    struct vcpu_cpuid cpuid_seen[VCPU_CPUID_COUNT];
    uint8_t physical_address_bits; /* what CPUID tells the guest; every page walk needs it */
    bool has_1g_pages;

    struct local_apic apic;
    struct vcpu_apicv apicv;
    uint64_t apic_page;     /* what guest_move_apic_page returned last for this vCPU */
    uint64_t tsc_offset;    /* as the VMCS has it */
    bool waits_for_startup; /* after INIT: it does not run before the start-up message */
    bool is_dead;           /* counted as a vCPU that only NMI, INIT or start-up can wake */
    uint8_t nmis_pending;
    struct vcpu_event event; /* injected at the next entry, before any interrupt */
    bool halted;             /* it has executed HLT, and nothing has woken it since */
    bool vmcs_halts;         /* the VMCS has the HLT activity state, and an entry would halt */
    uint32_t decoded_length; /* of the instruction, with EXIT_NEXT_DECODED */
    uint64_t deadline_tsc;   /* when the next timer is due, as last worked out */
    int64_t slack_cycles;    /* how much longer the preemption timer may lag behind */
    int64_t slack_full_cycles;
    uint64_t limit_tsc; /* deadline_tsc is not later than this (timer_set_limit) */
    struct msr_state msrs;
    /* RFLAGS bits: an instruction that the monitor has carried out needs more than a new RIP if one
     * of these is 1. */
    uint64_t finish_flags;
    /* RFLAGS bits: the guest may take an interrupt if of these IF alone is 1; otherwise it has to be
     * looked at more closely. */
    uint64_t takes_flags;
    bool is_watched;              /* the guest may have breakpoints enabled: debug.h */
    bool begins_shadow;           /* with EXIT_NEXT_DECODED: the instruction loads SS */
    struct insn_cache insn_cache; /* instructions that touched MMIO */
    struct vcpu_unknown unknown;

    struct exit_account exits[EXIT_REASON_COUNT];
    uint64_t unknown_exit_count; /* of exits whose reason is not in the table */
};

/* The pages that a vCPU takes besides its struct: the VMCS and the MSR bitmap. */
#define VCPU_PAGES 2

/* What the handler of an exit asks the run loop to do. */
enum exit_action {
    EXIT_RESUME,           /* enter with RIP as it is: no instruction, or a fault is injected */
    EXIT_NEXT_INSTRUCTION, /* the instruction is done: move RIP past it */
    EXIT_NEXT_DECODED,     /* the same, but the exit gives no length: it is vcpu->decoded_length */
};

/* Makes the vCPU with number index of the guest. The vCPU belongs to the processor that calls this.
 * Both buses and the board's APIC bus must exist. heap gives the memory for the VMCS and the MSR
 * bitmap. ept_pointer is in the VMCS's format. vpid is not 0, and unique among the vCPUs of this
 * processor.
 * STATUS_NO_MEMORY: there is no memory for it; nothing is left behind. */
MUST_USE enum status vcpu_create(struct vcpu *vcpu, struct guest *guest, uint32_t index,
                                 struct heap *heap, uint64_t ept_pointer, uint16_t vpid);

/* Undoes vcpu_create, on the same processor. heap is that of vcpu_create. */
void vcpu_destroy(struct vcpu *vcpu, struct heap *heap);

/* Puts the vCPU into its state after RESET, on its own processor. state is for the vCPU that boots
 * the guest; null for the others, which wait for their start-up message. The guest's TSC reads 0 at
 * start_tsc, a time-stamp of this processor. The counts of exits go on. */
void vcpu_start(struct vcpu *vcpu, const struct vmx_start_state *state, uint64_t start_tsc);

/* Do notes_add and notes_leave of vmm/guest/notes.h. */
static inline void vcpu_note(struct vcpu *vcpu, uint32_t attention)
{
    notes_add(&vcpu->notes, attention);
}

static inline void vcpu_notify(struct vcpu *vcpu, uint32_t attention)
{
    notes_leave(&vcpu->notes, attention);
}

/* Forgets all answers of CPUID, so that the policy is asked again. Called when earlier answers need
 * not hold any more, and before the first question. */
void vcpu_forget_cpuid(struct vcpu *vcpu);

#endif
