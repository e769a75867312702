// SPDX-License-Identifier: BSD-2-Clause
#include "arch/x86/vmx_apic.h"

#include "arch/x86/vmcs.h"
#include "arch/x86/vmx.h"

#define CR8_EXITING (PRIMARY_CR8_LOAD_EXITING | PRIMARY_CR8_STORE_EXITING)
#define SECONDARY_BITS                                                                             \
    (SECONDARY_VIRTUALIZE_APIC_ACCESSES | SECONDARY_VIRTUALIZE_X2APIC | SECONDARY_APIC_REGISTERS | \
     SECONDARY_VIRTUAL_INTERRUPT_DELIVERY)

static const struct {
    bool has_tpr_shadow; /* false: CR8 exits */
    uint32_t secondary;
} controls[] = {
    [VMX_APIC_NONE] = {false, 0},
    [VMX_APIC_ACCESSES_EXIT] = {false, SECONDARY_VIRTUALIZE_APIC_ACCESSES},
    [VMX_APIC_XAPIC] = {true, SECONDARY_VIRTUALIZE_APIC_ACCESSES | SECONDARY_APIC_REGISTERS |
                                  SECONDARY_VIRTUAL_INTERRUPT_DELIVERY},
    [VMX_APIC_X2APIC] = {true, SECONDARY_VIRTUALIZE_X2APIC | SECONDARY_APIC_REGISTERS |
                                   SECONDARY_VIRTUAL_INTERRUPT_DELIVERY},
};

void vmx_apic_init(void *virtual_apic_page, hpa_t apic_access_page)
{
    vmcs_write64(VMCS_VIRTUAL_APIC_ADDRESS, (uint64_t)virtual_apic_page);
    vmcs_write64(VMCS_APIC_ACCESS_ADDRESS, apic_access_page.value);
    vmcs_write32(VMCS_TPR_THRESHOLD, 0); /* virtual-interrupt delivery replaces it */
    vmx_apic_set_interrupt_status(0);
    for (unsigned quarter = 0; quarter < VMX_EOI_EXIT_QUARTERS; quarter++)
        vmx_apic_set_eoi_exits(quarter, 0);
}

void vmx_apic_set_mode(struct vmx_vcpu *vcpu, enum vmx_apic_mode mode)
{
    bool has_tpr_shadow = controls[mode].has_tpr_shadow;
    uint32_t secondary = vmcs_read32(VMCS_SECONDARY_CONTROLS) & ~(uint32_t)SECONDARY_BITS;

    vmx_vcpu_set_primary(vcpu, PRIMARY_TPR_SHADOW, has_tpr_shadow);
    vmx_vcpu_set_primary(vcpu, CR8_EXITING, !has_tpr_shadow);
    vmcs_write32(VMCS_SECONDARY_CONTROLS, secondary | controls[mode].secondary);
    vmx_invalidate_ept_all();
}

void vmx_apic_set_interrupt_status(uint16_t status)
{
    vmcs_write16(VMCS_GUEST_INTERRUPT_STATUS, status);
}

void vmx_apic_set_eoi_exits(unsigned quarter, uint64_t vectors)
{
    vmcs_write64((enum vmcs_field64)(VMCS_EOI_EXIT_BITMAP0 + 2 * quarter), vectors);
}
