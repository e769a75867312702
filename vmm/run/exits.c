// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/run/exits.h"

#include "arch/x86/cpu.h"
#include "arch/x86/exits/exit_qualification.h"
#include "arch/x86/msr.h"
#include "arch/x86/traps.h"
#include "arch/x86/vmcs.h"
#include "vmm/console/console.h"
#include "vmm/guest/guest.h"
#include "vmm/host/cpus.h"
#include "vmm/vcpu/debug.h"
#include "vmm/vcpu/events.h"
#include "vmm/vcpu/stop.h"

/* The DR6 bits that the qualification of a #DB exit holds ("Exit Qualification for Debug
 * Exceptions"). */
#define DR6_BD         BIT(13)
#define DR6_CONDITIONS (BIT(0) | BIT(1) | BIT(2) | BIT(3) | DR6_BD | DEBUG_SINGLE_STEP)
#define DR7_GD         BIT(13)

static enum exit_action exit_undefined_opcode(struct vcpu *vcpu)
{
    events_inject_exception(vcpu, VECTOR_UD, 0);
    return EXIT_RESUME;
}

/* Clears DEBUGCTL.BTF, as a debug exception does (SDM vol. 3B, "Single-Stepping on Branches"). */
static void stop_stepping_on_branches(void)
{
    uint64_t debugctl = vmcs_read64(VMCS_GUEST_IA32_DEBUGCTL);

    if ((debugctl & DEBUGCTL_BTF) != 0)
        vmcs_write64(VMCS_GUEST_IA32_DEBUGCTL, debugctl & ~DEBUGCTL_BTF);
}

/* Injects the guest's own #DB. A VM exit does not update DR6, DR7.GD and DEBUGCTL, so the monitor
 * does it, as delivery in the guest would have done ("Architectural State Before a VM Exit"). An
 * access to a guarded debug register is a fault, which pushes RF as 1. The #DB of INT1 exits with
 * RIP on the instruction and does not change DR6. In a shadow of STI or MOV SS an entry with
 * RFLAGS.TF needs a pending single-step trap ("Checks on Guest Non-Register State"). As the entry
 * injects an exception, the processor drops this trap ("Delivery of Pending Debug Exceptions after
 * VM Entry"). */
static enum exit_action reinject_debug_exception(struct vcpu *vcpu, uint32_t info)
{
    bool is_int1 = INTERRUPTION_TYPE(info) == INTERRUPTION_PRIVILEGED_SOFTWARE_EXCEPTION;
    uint64_t conditions = vmcs_read_natural(VMCS_EXIT_QUALIFICATION) & DR6_CONDITIONS;

    vmcs_write_natural(VMCS_GUEST_DR7, vmcs_read_natural(VMCS_GUEST_DR7) & ~DR7_GD);
    events_inject_exception(vcpu, VECTOR_DB, 0);
    if (is_int1)
        return EXIT_NEXT_INSTRUCTION;
    write_dr6((read_dr6() & ~UINT64_C(0xf)) | conditions);
    if ((conditions & DR6_BD) != 0)
        vmcs_write_natural(VMCS_GUEST_RFLAGS, vmcs_read_natural(VMCS_GUEST_RFLAGS) | RFLAGS_RF);
    if (events_in_shadow())
        events_pend_single_step(vmcs_read_natural(VMCS_GUEST_RFLAGS));
    stop_stepping_on_branches();
    return EXIT_RESUME;
}

static enum exit_action exit_exception_or_nmi(struct vcpu *vcpu)
{
    uint32_t info = vmcs_read32(VMCS_EXIT_INTERRUPTION_INFO);

    events_requeue_interrupted(vcpu);
    /* IRET had unblocked NMIs before it faulted. The fault is injected, so NMIs are blocked
     * again. */
    if ((info & INTERRUPTION_NMI_UNBLOCKING) != 0 && vcpu->event.info == 0)
        vmcs_write32(VMCS_GUEST_INTERRUPTIBILITY,
                     vmcs_read32(VMCS_GUEST_INTERRUPTIBILITY) | INTERRUPTIBILITY_NMI);
    if (INTERRUPTION_TYPE(info) == INTERRUPTION_NMI) {
        trap_raise_nmi();
        return EXIT_RESUME;
    }
    switch (INTERRUPTION_VECTOR(info)) {
    case VECTOR_DB: return reinject_debug_exception(vcpu, info);
    case VECTOR_AC:
        events_inject_exception(vcpu, VECTOR_AC, vmcs_read32(VMCS_EXIT_INTERRUPTION_ERROR_CODE));
        return EXIT_RESUME;
    case VECTOR_MC: trap_raise_machine_check(); return EXIT_RESUME;
    default:
        vcpu_stop(vcpu, "exception %u left the guest though nobody asked for it",
                  INTERRUPTION_VECTOR(info));
        return EXIT_RESUME;
    }
}

/* Handles an interrupt for the monitor. The exit has acknowledged it ("acknowledge interrupt on
 * exit"). A CPU that kicks this one has left a note before. All other interrupts are the
 * console's. */
static enum exit_action exit_external_interrupt(struct vcpu *vcpu)
{
    uint8_t vector = INTERRUPTION_VECTOR(vmcs_read32(VMCS_EXIT_INTERRUPTION_INFO));

    if (vector == CPUS_KICK_VECTOR) {
        cpus_kicked();
        if (console_has_work)
            vcpu_note(vcpu, ATTENTION_CONSOLE);
        return EXIT_RESUME;
    }
    trap_handle_interrupt(vector);
    vcpu_note(vcpu, ATTENTION_CONSOLE);
    return EXIT_RESUME;
}

static enum exit_action exit_triple_fault(struct vcpu *vcpu)
{
    vcpu_stop(vcpu, "triple fault: a fault while the guest's double-fault handler was called");
    return EXIT_RESUME;
}

/* Handles an exit that only has to get the run loop to work: before the next entry the run loop
 * injects, or runs what is due. */
static enum exit_action exit_for_the_run_loop(struct vcpu *vcpu)
{
    vcpu_note(vcpu, ATTENTION_EVENT);
    return EXIT_RESUME;
}

/* The answer that KVM's interface for guests gives to an unknown hypercall: its ENOSYS. */
#define HYPERCALL_UNKNOWN ((uint64_t)-1000)

/* Answers VMCALL. There are no hypercalls. But test suites written for QEMU's PC make some, because
 * they take for granted that VMCALL does not fault. */
static enum exit_action exit_vmcall(struct vcpu *vcpu)
{
    if (!vcpu->guest->config->has_testdev)
        return exit_undefined_opcode(vcpu);
    vcpu->vmx.registers.gpr[GPR_RAX] =
        vmx_vcpu_in_64bit_code(&vcpu->vmx) ? HYPERCALL_UNKNOWN : (uint32_t)HYPERCALL_UNKNOWN;
    return EXIT_NEXT_INSTRUCTION;
}

static enum exit_action exit_hlt(struct vcpu *vcpu)
{
    uint64_t rflags = vmcs_read_natural(VMCS_GUEST_RFLAGS);

    if (events_single_steps(rflags)) /* the single-step trap would end HLT at once */
        return EXIT_NEXT_INSTRUCTION;
    vcpu->halted = true;
    vcpu_note(vcpu, ATTENTION_EVENT);
    /* With interrupts off only NMI and INIT end HLT. If no vCPU is left that could send one,
     * nothing can wake the guest. */
    if ((rflags & RFLAGS_IF) == 0 && vcpu->nmis_pending == 0)
        vcpu_die(vcpu);
    return EXIT_NEXT_INSTRUCTION;
}

/* Handles WBINVD and INVD by doing nothing. Guest memory is write-back, and no device reads it past
 * the processor's caches, so nobody could see that the caches were written back. INVD on the
 * processor would lose the data of others. */
static enum exit_action exit_cache_flush(struct vcpu *vcpu)
{
    (void)vcpu;
    return EXIT_NEXT_INSTRUCTION;
}

static enum exit_action exit_ept_misconfiguration(struct vcpu *vcpu)
{
    events_requeue_interrupted(vcpu);
    vcpu_stop(vcpu, "EPT misconfiguration at guest-physical 0x%lx",
              vmcs_read64(VMCS_GUEST_PHYSICAL_ADDRESS));
    return EXIT_RESUME;
}

static enum exit_action exit_without_policy(struct vcpu *vcpu)
{
    uint16_t reason = EXIT_REASON_BASIC(vmcs_read32(VMCS_EXIT_REASON));

    return vcpu_refuse(vcpu, VECTOR_UD, "VM exit for a reason without a policy: %u, %s", reason,
                       exit_reason_name(reason));
}

static enum exit_action exit_mov_dr(struct vcpu *vcpu)
{
    vcpu_debug_watch(vcpu);
    return EXIT_RESUME; /* the processor executes it now */
}

/* Covers every reason that the controls in use can produce, and those that no control gates. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init" /* the first line sets all elements */
exit_handler *const exit_handlers[EXIT_REASON_COUNT] = {
    [0 ... EXIT_REASON_COUNT - 1] = exit_without_policy,
    [EXIT_REASON_EXCEPTION_OR_NMI] = exit_exception_or_nmi,
    [EXIT_REASON_EXTERNAL_INTERRUPT] = exit_external_interrupt,
    [EXIT_REASON_TRIPLE_FAULT] = exit_triple_fault,
    [EXIT_REASON_INTERRUPT_WINDOW] = exit_for_the_run_loop,
    [EXIT_REASON_NMI_WINDOW] = exit_for_the_run_loop,
    [EXIT_REASON_PREEMPTION_TIMER] = exit_for_the_run_loop,
    [EXIT_REASON_TASK_SWITCH] = exit_task_switch,
    [EXIT_REASON_HLT] = exit_hlt,
    [EXIT_REASON_INVD] = exit_cache_flush,
    [EXIT_REASON_WBINVD] = exit_cache_flush,
    [EXIT_REASON_RDPMC] = events_general_protection, /* CPUID shows no counters */
    [EXIT_REASON_CR_ACCESS] = exit_control_register,
    [EXIT_REASON_MOV_DR] = exit_mov_dr,
    [EXIT_REASON_IO_INSTRUCTION] = exit_io_string,
    [EXIT_REASON_RDMSR] = exit_rdmsr,
    [EXIT_REASON_WRMSR] = exit_wrmsr,
    [EXIT_REASON_XSETBV] = exit_xsetbv,
    [EXIT_REASON_APIC_ACCESS] = exit_apic_access,
    [EXIT_REASON_APIC_WRITE] = exit_apic_write,
    [EXIT_REASON_VIRTUALIZED_EOI] = exit_virtualized_eoi,
    [EXIT_REASON_EPT_VIOLATION] = exit_ept_violation,
    [EXIT_REASON_EPT_MISCONFIGURATION] = exit_ept_misconfiguration,
    /* These instructions belong to features that CPUID denies. */
    [EXIT_REASON_GETSEC] = exit_undefined_opcode,
    [EXIT_REASON_MONITOR] = exit_undefined_opcode,
    [EXIT_REASON_MWAIT] = exit_undefined_opcode,
    [EXIT_REASON_VMCALL] = exit_vmcall,
    [EXIT_REASON_VMCLEAR] = exit_undefined_opcode,
    [EXIT_REASON_VMLAUNCH] = exit_undefined_opcode,
    [EXIT_REASON_VMPTRLD] = exit_undefined_opcode,
    [EXIT_REASON_VMPTRST] = exit_undefined_opcode,
    [EXIT_REASON_VMREAD] = exit_undefined_opcode,
    [EXIT_REASON_VMRESUME] = exit_undefined_opcode,
    [EXIT_REASON_VMWRITE] = exit_undefined_opcode,
    [EXIT_REASON_VMXOFF] = exit_undefined_opcode,
    [EXIT_REASON_VMXON] = exit_undefined_opcode,
    [EXIT_REASON_INVEPT] = exit_undefined_opcode,
    [EXIT_REASON_INVVPID] = exit_undefined_opcode,
    [EXIT_REASON_VMFUNC] = exit_undefined_opcode,
    /* These exit at any CPL on processors that have TDX, whatever the controls say. */
    [EXIT_REASON_SEAMCALL] = exit_undefined_opcode,
    [EXIT_REASON_TDCALL] = exit_undefined_opcode,
};
#pragma GCC diagnostic pop
