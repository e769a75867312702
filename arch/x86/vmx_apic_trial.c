// SPDX-License-Identifier: BSD-2-Clause
#include "arch/x86/vmx_apic_trial.h"

#include "arch/x86/cpu.h"
#include "arch/x86/exits/exit_reason.h"
#include "arch/x86/lapic.h"
#include "arch/x86/msr.h"
#include "arch/x86/traps.h"
#include "arch/x86/vmcs.h"
#include "arch/x86/vmx.h"
#include "arch/x86/vmx_apic.h"
#include "arch/x86/vmx_vcpu.h"

/* The virtual interrupt. Its delivery ends the guest, as there is no IDT with a handler. */
#define VIRTUAL_VECTOR 0x51
#define IRR_OFFSET     0x200 /* SDM vol. 3C, "Virtual APIC Register Fields" */

/* The longest time that the guest runs, in ticks of the TSC: many times what an interrupt to the
 * own processor takes. */
#define TIMER_TICKS (1 << 20)

/* The most times that the guest is started; an NMI or a machine check costs one of them. */
#define TRIES 8

#define VPID 1 /* any value; the VMCS does not use VPIDs */

/* Access rights in the VMCS's layout (SDM vol. 3C, "Format of Access Rights"). */
#define RIGHTS_CODE64   0xa09b
#define RIGHTS_TSS_BUSY 0x008b

/* The guest's code: CLI, then an endless loop (apic_trial_guest.asm). */
void apic_trial_guest(void);

/* Sets up the guest: the monitor's own address space and processor mode, without an IDT. The guest
 * begins in the shadow of STI, so that nothing is delivered before its first instruction, CLI. */
static void start(struct vmx_vcpu *vcpu)
{
    struct vmx_start_state state = {
        .rip = (uint64_t)apic_trial_guest,
        .rflags = RFLAGS_IF,
        .cr0 = read_cr0(),
        .cr3 = read_cr3(),
        .cr4 = read_cr4(),
        .efer = rdmsr(IA32_EFER),
    };

    for (unsigned i = 0; i < SEGMENT_COUNT; i++)
        state.segments[i].access_rights = ACCESS_RIGHTS_UNUSABLE;
    state.segments[SEGMENT_CS] =
        (struct vmx_segment){.limit = UINT32_MAX, .access_rights = RIGHTS_CODE64};
    state.segments[SEGMENT_TR] =
        (struct vmx_segment){.limit = 0xffff, .access_rights = RIGHTS_TSS_BUSY};
    vmx_vcpu_start(vcpu, &state);
    vmcs_write64(VMCS_GUEST_IA32_PAT, rdmsr(IA32_PAT));
    vmcs_write32(VMCS_GUEST_INTERRUPTIBILITY, INTERRUPTIBILITY_STI);
    vmcs_write32(VMCS_PREEMPTION_TIMER,
                 (uint32_t)TIMER_TICKS >> vcpu->capabilities->preemption_timer_shift);
    vmx_apic_set_interrupt_status(VIRTUAL_VECTOR);
}

/* Handles the event that caused the exit. Returns true if it was an external interrupt. */
static bool take_event(uint64_t reason)
{
    uint32_t info = vmcs_read32(VMCS_EXIT_INTERRUPTION_INFO);

    if (reason == EXIT_REASON_EXTERNAL_INTERRUPT) {
        trap_handle_interrupt(INTERRUPTION_VECTOR(info));
        return true;
    }
    if (reason == EXIT_REASON_EXCEPTION_OR_NMI && INTERRUPTION_TYPE(info) == INTERRUPTION_NMI)
        trap_raise_nmi();
    else if (reason == EXIT_REASON_EXCEPTION_OR_NMI && INTERRUPTION_VECTOR(info) == VECTOR_MC)
        trap_raise_machine_check();
    return false;
}

const char *vmx_apic_find_fault(const struct vmx_capabilities *capabilities, void *pages,
                                uint8_t vector)
{
    uint8_t *page = pages;
    uint32_t *virtual_apic = (uint32_t *)(void *)(page + PAGE_SIZE);
    struct vmx_vcpu vcpu, *vmx = &vcpu;
    const char *fault = "does not leave a guest for an interrupt";

    vmx_vcpu_init(
        &vcpu, capabilities,
        &(struct vmx_vcpu_setup){.vmcs = page, .msr_bitmap = page + 2 * PAGE_SIZE, .vpid = VPID});
    vmx_apic_init(virtual_apic, HPA(0));
    vmx_apic_set_mode(&vcpu, VMX_APIC_X2APIC); /* the mode that needs no APIC-access page */
    vmcs_write32(VMCS_SECONDARY_CONTROLS,
                 vmcs_read32(VMCS_SECONDARY_CONTROLS) &
                     ~(uint32_t)(SECONDARY_EPT | SECONDARY_VPID | SECONDARY_UNRESTRICTED_GUEST));
    virtual_apic[(IRR_OFFSET + VIRTUAL_VECTOR / 32 * 16) / 4] = UINT32_C(1) << VIRTUAL_VECTOR % 32;

    vmx_vcpu_begin(&vcpu);
    for (unsigned i = 0; i < TRIES; i++) {
        uint64_t exited_tsc;

        start(&vcpu);
        if (lapic_send_interrupt(lapic_id(), vector) != STATUS_OK)
            break;
        bool was_interrupt = take_event(vmx_vcpu_enter(&vmx, &exited_tsc));

        if (vmcs_read16(VMCS_GUEST_INTERRUPT_STATUS) != VIRTUAL_VECTOR) {
            fault = "delivers what a guest holds back, as in Bochs 2.7";
            break;
        }
        if (was_interrupt) {
            fault = NULL;
            break;
        }
    }
    vmcs_clear(page);
    return fault;
}
