// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/vcpu/apicv.h"

#include "arch/x86/msr.h"
#include "vmm/base/clock.h"
#include "vmm/guest/guest.h"
#include "vmm/vcpu/debug.h"

/* Periods of the APIC's timer that are closer together than this may be merged into one. Otherwise
 * a guest could keep its processor in the monitor with the periods of an interrupt that it does not
 * take. */
#define MERGE_NS 20000

void vcpu_apicv_init(struct vcpu *vcpu, uint8_t *msr_bitmap)
{
    const struct guest *guest = vcpu->guest;

    if (guest->apic_access_page == NULL)
        return;
    vcpu->apicv = (struct vcpu_apicv){.msr_bitmap = msr_bitmap, .mode = VMX_APIC_NONE};
    vmx_apic_init(vcpu->apic.page, HPA((uint64_t)guest->apic_access_page));
}

static enum vmx_apic_mode wanted_mode(const struct local_apic *apic)
{
    bool can_be_virtual = local_apic_can_be_virtual(apic);

    /* "Virtualize APIC accesses" and "virtualize x2APIC mode" exclude each other. */
    if (apic->mode == LOCAL_APIC_X2APIC)
        return can_be_virtual ? VMX_APIC_X2APIC : VMX_APIC_NONE;
    return can_be_virtual ? VMX_APIC_XAPIC : VMX_APIC_ACCESSES_EXIT;
}

static bool is_virtual(enum vmx_apic_mode mode)
{
    return mode == VMX_APIC_XAPIC || mode == VMX_APIC_X2APIC;
}

static void pass_msrs(const struct vcpu *vcpu, bool is_x2apic)
{
    for (uint32_t index = IA32_X2APIC_FIRST; index <= IA32_X2APIC_LAST; index++) {
        msr_bitmap_pass(vcpu->apicv.msr_bitmap, index, false,
                        is_x2apic && local_apic_msr_passes(index, false));
        msr_bitmap_pass(vcpu->apicv.msr_bitmap, index, true,
                        is_x2apic && local_apic_msr_passes(index, true));
    }
}

static void set_mode(struct vcpu *vcpu, enum vmx_apic_mode mode)
{
    if (mode == VMX_APIC_NONE || mode == VMX_APIC_X2APIC)
        guest_hide_apic_access_page(vcpu->guest);
    if (mode == VMX_APIC_X2APIC || vcpu->apicv.mode == VMX_APIC_X2APIC)
        pass_msrs(vcpu, mode == VMX_APIC_X2APIC);
    vmx_apic_set_mode(&vcpu->vmx, mode);
    local_apic_set_virtual(&vcpu->apic, is_virtual(mode), clock_ticks_from_ns(MERGE_NS));
    vcpu->apicv.mode = mode;
    vcpu_debug_choose_flags(vcpu);
    vcpu_note(vcpu, ATTENTION_INTERRUPT);
}

void vcpu_apicv_change(struct vcpu *vcpu)
{
    enum vmx_apic_mode mode = wanted_mode(&vcpu->apic);

    if (mode != vcpu->apicv.mode)
        set_mode(vcpu, mode);
    local_apic_show(&vcpu->apic);
}

bool vcpu_apicv_prepare_entry(struct vcpu *vcpu)
{
    struct local_apic *apic = &vcpu->apic;

    if (!apic->is_virtual)
        return false;
    local_apic_reload(apic);
    local_apic_show(apic);
    vmx_apic_set_interrupt_status(local_apic_interrupt_status(apic));
    for (unsigned quarter = 0; quarter < VMX_EOI_EXIT_QUARTERS; quarter++) {
        uint64_t vectors = local_apic_eoi_exits(apic, quarter);

        if (vectors == vcpu->apicv.eoi_exits[quarter])
            continue;
        vcpu->apicv.eoi_exits[quarter] = vectors;
        vmx_apic_set_eoi_exits(quarter, vectors);
    }
    return local_apic_pending_vector(apic) != LOCAL_APIC_NO_VECTOR;
}
