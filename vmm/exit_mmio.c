/* EPT violations: everything that is not RAM is on the MMIO bus.
 *
 * Nearly all are plain loads and stores that were executed before: then the instruction is known,
 * the exit says where it went, and no page table is walked and no instruction decoded. All others
 * are guest_cpu.c's. */
#include "arch/x86/exits/exit_qualification.h"
#include "vmm/events.h"
#include "vmm/exits.h"
#include "vmm/guest.h"
#include "vmm/guest_cpu.h"

static __attribute__((noinline)) uint64_t segment_base(unsigned segment)
{
    return vmcs_read_natural((enum vmcs_field_natural)(VMCS_GUEST_ES_BASE + 2 * segment));
}

/* Whether an access that reached the beginning of a page begins there, too, and not in the page
 * before. */
static inline bool begins_in_page(const struct vcpu *vcpu, const struct insn_plain *plain)
{
    uint64_t offset = insn_plain_page_offset(plain, vcpu->vmx.registers.gpr);

    if (__builtin_expect(plain->has_segment_base, 0))
        offset += segment_base(plain->segment);
    return is_aligned(offset, PAGE_SIZE);
}

/* Makes the access of a plain load or store whose address, gpa, the exit has told. The processor
 * has translated it and found it allowed, or the exit would have been another one. The accessed
 * flags are set by that ("Accessed and Dirty Flags": "whenever the processor uses" an entry); a
 * dirty flag that it may have left to the write itself stays clear, which on a page of registers
 * nobody looks for. False, and nothing done, for what is not one access at gpa: the processor
 * splits it, or it wants an alignment check. */
static inline bool access_plain(struct vcpu *vcpu, const struct insn_plain *plain, uint64_t gpa)
{
    uint64_t *gpr = vcpu->vmx.registers.gpr;
    struct iobus *bus = &vcpu->guest->mmio;

    if (__builtin_expect(!is_aligned(gpa, plain->size_bytes), 0))
        return false;
    if (__builtin_expect(is_aligned(gpa, PAGE_SIZE), 0) && !begins_in_page(vcpu, plain))
        return false;
    vcpu->decoded_length = plain->length;

    if (plain->is_store && iobus_ring(bus, &vcpu->mmio_reader, gpa))
        return true;

    struct io_access access = {
        .address = gpa,
        .value = insn_plain_stored(plain, gpr),
        .size = plain->size_bytes,
        .is_write = plain->is_store,
    };

    iobus_access(bus, &vcpu->mmio_reader, &access);
    if (!plain->is_store)
        insn_plain_loaded(plain, gpr, access.value);
    return true;
}

/* What is seldom: an event whose delivery was interrupted, an IRET, and what is no access to a
 * device. */
static __attribute__((noinline)) enum exit_action
handle_unusual(struct vcpu *vcpu, uint64_t qualification, uint64_t gpa)
{
    struct exit_ept violation = exit_qualification_ept(qualification);

    events_requeue_interrupted(vcpu);
    /* IRET had unblocked NMIs before it touched the device: it will be executed again. */
    if (violation.nmi_unblocked && vcpu->event.info == 0)
        vmcs_write32(VMCS_GUEST_INTERRUPTIBILITY,
                     vmcs_read32(VMCS_GUEST_INTERRUPTIBILITY) | INTERRUPTIBILITY_NMI);
    if (vcpu->event.info != 0) {
        guest_stop(vcpu->guest, "delivery of event 0x%x went to 0x%lx, where there is no RAM",
                   vcpu->event.info, gpa);
        return EXIT_RESUME;
    }
    if (violation.fetch) {
        guest_stop(vcpu->guest, "instruction fetch from 0x%lx, where there is no RAM", gpa);
        return EXIT_RESUME;
    }
    if (violation.linear_address_valid && !violation.is_translation) {
        guest_stop(vcpu->guest, "page tables at 0x%lx, where there is no RAM", gpa);
        return EXIT_RESUME;
    }
    return guest_cpu_execute(vcpu, GPA(gpa));
}

enum exit_action exit_ept_violation(struct vcpu *vcpu)
{
    const uint64_t usual = EXIT_EPT_LINEAR_ADDRESS_VALID | EXIT_EPT_IS_TRANSLATION;
    uint64_t qualification = vmcs_read_natural(VMCS_EXIT_QUALIFICATION);
    uint64_t gpa = vmcs_read64(VMCS_GUEST_PHYSICAL_ADDRESS);

    if (__builtin_expect((qualification & (usual | EXIT_EPT_FETCH | EXIT_EPT_NMI_UNBLOCKED)) !=
                                 usual ||
                             (vmcs_read32(VMCS_IDT_VECTORING_INFO) & INTERRUPTION_VALID) != 0,
                         0))
        return handle_unusual(vcpu, qualification, gpa);

    struct insn_cache_key key = guest_cpu_code_key();
    const struct insn_plain *plain = insn_cache_find(&vcpu->insn_cache, &key);

    if (__builtin_expect(plain != NULL, 1) && access_plain(vcpu, plain, gpa))
        return EXIT_NEXT_DECODED;
    return guest_cpu_execute(vcpu, GPA(gpa));
}
