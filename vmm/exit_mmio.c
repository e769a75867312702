/* EPT violations: everything that is not RAM is on the MMIO bus. */
#include "arch/x86/exits/exit_qualification.h"
#include "vmm/events.h"
#include "vmm/exits.h"
#include "vmm/guest.h"
#include "vmm/guest_cpu.h"

enum exit_action exit_ept_violation(struct vcpu *vcpu)
{
    struct exit_ept violation = exit_qualification_ept(vmcs_read_natural(VMCS_EXIT_QUALIFICATION));
    gpa_t address = GPA(vmcs_read64(VMCS_GUEST_PHYSICAL_ADDRESS));

    events_requeue_interrupted(vcpu);
    /* IRET had unblocked NMIs before it touched the device: it will be executed again. */
    if (violation.nmi_unblocked && vcpu->event.info == 0)
        vmcs_write32(VMCS_GUEST_INTERRUPTIBILITY,
                     vmcs_read32(VMCS_GUEST_INTERRUPTIBILITY) | INTERRUPTIBILITY_NMI);
    if (vcpu->event.info != 0) {
        guest_stop(vcpu->guest, "delivery of event 0x%x went to 0x%lx, where there is no RAM",
                   vcpu->event.info, address.value);
        return EXIT_RESUME;
    }
    if (violation.fetch) {
        guest_stop(vcpu->guest, "instruction fetch from 0x%lx, where there is no RAM",
                   address.value);
        return EXIT_RESUME;
    }
    if (violation.linear_address_valid && !violation.is_translation) {
        guest_stop(vcpu->guest, "page tables at 0x%lx, where there is no RAM", address.value);
        return EXIT_RESUME;
    }
    return guest_cpu_execute(vcpu, address);
}
