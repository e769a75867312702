// SPDX-License-Identifier: BSD-2-Clause
/* The rarer half of the EPT violations; mmio.h has the frequent half. */
#include "vmm/run/mmio.h"

#include "vmm/run/exits.h"
#include "vmm/vcpu/events.h"
#include "vmm/vcpu/stop.h"

/* Returns whether the exit is due to a data access of an instruction itself, while no event was
 * being delivered. */
static bool is_usual(uint64_t qualification)
{
    return (qualification & EXIT_MMIO_CAUSE & ~(EXIT_EPT_READ | EXIT_EPT_WRITE)) ==
               EXIT_MMIO_USUAL &&
           (vmcs_idt_vectoring_info() & INTERRUPTION_VALID) == 0;
}

static uint64_t segment_base(unsigned segment)
{
    return vmcs_read_natural((enum vmcs_field_natural)(VMCS_GUEST_ES_BASE + 2 * segment));
}

bool exit_mmio_is_at(const struct vcpu *vcpu, const struct insn_plain *plain, uint64_t gpa)
{
    uint64_t offset = insn_plain_page_offset(plain, vcpu->vmx.registers.gpr);

    if (plain->has_segment_base)
        offset += segment_base(plain->segment);
    return (gpa & plain->misaligned) == 0 && ((offset ^ gpa) & (PAGE_SIZE - 1)) == 0;
}

void exit_mmio_slow(struct vcpu *vcpu, const struct insn_plain *plain,
                    const struct iobus_table *table, const struct iobus_call *call)
{
    uint64_t gpa = vmcs_read64(VMCS_GUEST_PHYSICAL_ADDRESS);
    struct io_access access = exit_mmio_access(vcpu, plain, gpa, plain->is_store);

    iobus_access_slow(&vcpu->guest->mmio, &vcpu->mmio_reader, &access, table, call);
    if (!plain->is_store)
        insn_plain_loaded(plain, vcpu->vmx.registers.gpr, access.value);
}

void exit_mmio_compare(struct vcpu *vcpu, const struct insn_plain *plain, uint64_t gpa,
                       uint64_t *tsc)
{
    struct io_access access = exit_mmio_access(vcpu, plain, gpa, false);
    uint64_t rflags = vmcs_read_natural(VMCS_GUEST_RFLAGS);

    iobus_access_timed(&vcpu->guest->mmio, &vcpu->mmio_reader, &access, tsc);
    insn_plain_compared(plain, vcpu->vmx.registers.gpr, access.value, &rflags);
    vmcs_write_natural(VMCS_GUEST_RFLAGS, rflags);
    *tsc = iobus_read_tsc();
}

static enum exit_action execute(struct vcpu *vcpu, uint64_t qualification, uint64_t gpa)
{
    return vcpu_execute(vcpu, &(struct vcpu_violation){
                                  .address = GPA(gpa),
                                  .linear = vmcs_read_natural(VMCS_GUEST_LINEAR_ADDRESS),
                                  .linear_mask = UINT64_MAX,
                                  .is_write = (qualification & EXIT_EPT_WRITE) != 0,
                                  .cause = qualification & EXIT_MMIO_CAUSE,
                              });
}

/* Handles page tables where there is no RAM: for user mode the entry reads as all ones, which sets
 * reserved bits. The exit does not tell whether the access was a write. */
static enum exit_action refuse_page_tables(struct vcpu *vcpu, uint64_t gpa)
{
    if (vcpu_in_user_mode()) {
        events_inject_page_fault(vcpu, GVA(vmcs_read_natural(VMCS_GUEST_LINEAR_ADDRESS)),
                                 PF_PRESENT | PF_USER | PF_RESERVED);
        return EXIT_RESUME;
    }
    return vcpu_refuse(vcpu, VECTOR_GP, "page tables at 0x%lx, where there is no RAM", gpa);
}

/* Handles the rare cases: an exit during the delivery of an event, an IRET that has unblocked NMIs,
 * and an access that is not one of an instruction to a device. */
static __attribute__((noinline)) enum exit_action
handle_unusual(struct vcpu *vcpu, uint64_t qualification, uint64_t gpa)
{
    struct exit_ept violation = exit_qualification_ept(qualification);

    events_requeue_interrupted(vcpu);
    /* IRET had unblocked NMIs before it touched the device. It will be executed again, so NMIs are
     * blocked again. */
    if (violation.nmi_unblocked && vcpu->event.info == 0)
        vmcs_write32(VMCS_GUEST_INTERRUPTIBILITY,
                     vmcs_read32(VMCS_GUEST_INTERRUPTIBILITY) | INTERRUPTIBILITY_NMI);
    if (vcpu->event.info != 0)
        return vcpu_refuse(vcpu, VECTOR_GP,
                           "delivery of event 0x%x went to 0x%lx, where there is no RAM",
                           vcpu->event.info, gpa);
    if (violation.fetch) /* of all ones, which is no instruction */
        return vcpu_refuse(vcpu, VECTOR_UD, "instruction fetch from 0x%lx, where there is no RAM",
                           gpa);
    if (violation.linear_address_valid && !violation.is_translation)
        return refuse_page_tables(vcpu, gpa);
    if (!violation.linear_address_valid) /* MOV to CR3, for example, reads the PDPTEs */
        return vcpu_refuse(vcpu, VECTOR_GP,
                           "an access without a linear address to 0x%lx, where there is no RAM",
                           gpa);
    return execute(vcpu, qualification, gpa);
}

enum exit_action exit_ept_violation(struct vcpu *vcpu)
{
    uint64_t qualification = vmcs_read_natural(VMCS_EXIT_QUALIFICATION);
    uint64_t gpa = vmcs_read64(VMCS_GUEST_PHYSICAL_ADDRESS);

    return is_usual(qualification) ? execute(vcpu, qualification, gpa)
                                   : handle_unusual(vcpu, qualification, gpa);
}
