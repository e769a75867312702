/* One virtual processor: the run loop `exit -> handle -> decide -> enter`, and the account of what
 * its exits cost. */
#ifndef VMM_VCPU_H
#define VMM_VCPU_H

#include "arch/x86/exits/exit_reason.h"
#include "arch/x86/traps.h"
#include "arch/x86/vmcs.h"
#include "arch/x86/vmx_vcpu.h"
#include "vmm/iobus/iobus.h"
#include "vmm/policy/control_registers.h"
#include "vmm/policy/msr_policy.h"

struct guest;
struct heap;

/* An event for the next VM entry, in the layout of the VM-entry interruption fields. */
struct vcpu_event {
    uint32_t info; /* 0: none */
    uint32_t error_code;
    uint32_t instruction_length; /* of software interrupts and exceptions */
};

/* Exits of one reason: how many, and the TSC ticks that their handlers took, from the exit on. */
struct exit_account {
    uint64_t count;
    uint64_t cycles;
};

struct vcpu {
    struct vmx_vcpu vmx;
    struct guest *guest;
    struct iobus_reader ports_reader;
    struct iobus_reader mmio_reader;
    struct cpuid_board cpuid;
    uint8_t physical_address_bits; /* what CPUID tells the guest, kept as every page walk asks */
    bool has_1g_pages;

    struct vcpu_event event; /* goes in at the next entry, before any interrupt */
    bool halted;             /* executed HLT and nothing woke it since */
    bool was_halted;         /* at the last entry */
    uint32_t decoded_length; /* of an instruction that an exit gives no length for; else 0 */
    uint64_t cr8;            /* without a local APIC a register and nothing more */
    struct msr_state msrs;

    struct exit_account exits[EXIT_REASON_COUNT];
    uint64_t unknown_exit_count; /* reasons beyond the table */
};

/* What the handler of an exit asks of the run loop. */
enum exit_action {
    EXIT_RESUME,           /* enter with RIP as it is: no instruction, or a fault goes in */
    EXIT_NEXT_INSTRUCTION, /* the instruction is done: RIP goes past it, in the one place */
};

/* The vCPU's part of creating a guest: pages from heap, VMCS, controls, host state. Both buses of
 * the guest must exist. ept_pointer: as the VMCS wants it. vpid: not 0, unique among vCPUs of this
 * processor. STATUS_NO_MEMORY. */
enum status vcpu_create(struct vcpu *vcpu, struct guest *guest,
                        const struct vmx_capabilities *capabilities, struct heap *heap,
                        uint64_t ept_pointer, uint16_t vpid) MUST_USE;

/* Undoes vcpu_create. */
void vcpu_destroy(struct vcpu *vcpu, struct heap *heap);

/* Puts the vCPU into the given state, and as after RESET where state says nothing; the guest's TSC
 * reads 0 now. Counters go on. */
void vcpu_start(struct vcpu *vcpu, const struct vmx_start_state *state);

/* Runs the guest until it ends, wants a reset, or the console asks for the processor
 * (console_wants_cpu). May be called again when the guest has not ended. */
void vcpu_run(struct vcpu *vcpu);

/* CR0, CR3, CR4, EFER and CS.L as the guest sees them. */
struct control_registers vcpu_control_registers(void);

#endif
