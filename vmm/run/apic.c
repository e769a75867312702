// SPDX-License-Identifier: BSD-2-Clause
/* Handles the exits that APIC virtualization leaves to the monitor: accesses that the processor
 * does not carry out, writes that it has only put into the page, and the ends of level-triggered
 * interrupts.
 *
 * Intel SDM vol. 3C (Sep 2023), "Virtualizing Memory-Mapped APIC Accesses", "APIC-Write VM Exits",
 * "EOI Virtualization". */
#include "vmm/vcpu/apic.h"
#include "arch/x86/exits/exit_qualification.h"
#include "arch/x86/vmcs.h"
#include "vmm/guest/guest.h"
#include "vmm/run/exits.h"
#include "vmm/vcpu/apicv.h"
#include "vmm/vcpu/events.h"
#include "vmm/vcpu/execute.h"
#include "vmm/vcpu/stop.h"

/* Handles an access in the APIC-access page as an EPT violation at that address: executes the
 * instruction in the guest's stead, with its operand on the MMIO bus. This is also right if the
 * vCPU's own APIC is at another address, or disabled. */
enum exit_action exit_apic_access(struct vcpu *vcpu)
{
    struct exit_apic access =
        exit_qualification_apic_access(vmcs_read_natural(VMCS_EXIT_QUALIFICATION));

    events_requeue_interrupted(vcpu);
    if (vcpu->event.info != 0)
        return vcpu_refuse(vcpu, VECTOR_GP, "delivery of event 0x%x went to the local APIC's page",
                           vcpu->event.info);
    switch (access.kind) {
    case EXIT_APIC_LINEAR_READ:
    case EXIT_APIC_LINEAR_WRITE:
        return vcpu_execute(vcpu, &(struct vcpu_violation){
                                      .address = GPA(LOCAL_APIC_DEFAULT_BASE + access.offset),
                                      .linear = access.offset,
                                      .linear_mask = PAGE_SIZE - 1,
                                      .is_write = access.kind == EXIT_APIC_LINEAR_WRITE,
                                      .cause = 0, /* it is no EPT violation */
                                  });
    case EXIT_APIC_LINEAR_FETCH:
        return vcpu_refuse(vcpu, VECTOR_UD, "instruction fetch from the local APIC's page");
    default:
        return vcpu_refuse(vcpu, VECTOR_GP,
                           "page tables, or another access of kind %u, in the local APIC's page",
                           access.kind);
    }
}

/* The exit is trap-like: RIP is already behind the instruction. */
enum exit_action exit_apic_write(struct vcpu *vcpu)
{
    vcpu_apic_written(vcpu, EXIT_APIC_WRITE_OFFSET(vmcs_read_natural(VMCS_EXIT_QUALIFICATION)));
    return EXIT_RESUME;
}

/* This exit is trap-like, too. */
enum exit_action exit_virtualized_eoi(struct vcpu *vcpu)
{
    local_apic_ended(&vcpu->apic, EXIT_EOI_VECTOR(vmcs_read_natural(VMCS_EXIT_QUALIFICATION)));
    vcpu_look_at_apic(vcpu);
    return EXIT_RESUME;
}
