// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/vcpu/control.h"

#include "arch/x86/cpu.h"
#include "arch/x86/msr.h"
#include "arch/x86/vmcs.h"
#include "arch/x86/vmx.h"
#include "vmm/guest/guest.h"

#define PDPTE_COUNT   4
#define PDPTE_PRESENT BIT(0)

struct control_registers vcpu_control_registers(const struct vcpu *vcpu)
{
    return (struct control_registers){
        .cr0 = vmx_vcpu_cr0(&vcpu->vmx),
        .cr3 = vmcs_read_natural(VMCS_GUEST_CR3),
        .cr4 = vmx_vcpu_cr4(&vcpu->vmx),
        .efer = vmx_vcpu_efer(&vcpu->vmx),
        .cs_l = vmcs_read32(VMCS_GUEST_CS_ACCESS_RIGHTS) & ACCESS_RIGHTS_L,
    };
}

bool vcpu_uses_pae_paging(uint64_t cr0, uint64_t cr4, uint64_t efer)
{
    return (cr0 & CR0_PG) != 0 && (cr4 & CR4_PAE) != 0 && (efer & EFER_LME) == 0;
}

bool vcpu_load_pdptes(const struct vcpu *vcpu)
{
    uint64_t reserved = BIT(1) | BIT(2) | BIT(5) | BIT(6) | BIT(7) | BIT(8) |
                        ~(BIT(vcpu->physical_address_bits) - 1);
    gpa_t table = GPA((uint32_t)vmcs_read_natural(VMCS_GUEST_CR3) & ~UINT32_C(0x1f));
    const uint64_t *pdptes =
        (const void *)guest_memory(vcpu->guest, table, PDPTE_COUNT * sizeof(uint64_t));

    if (pdptes == NULL)
        return false;
    for (unsigned i = 0; i < PDPTE_COUNT; i++) {
        if ((pdptes[i] & PDPTE_PRESENT) != 0 && (pdptes[i] & reserved) != 0)
            return false;
    }
    for (unsigned i = 0; i < PDPTE_COUNT; i++)
        vmcs_write64((enum vmcs_field64)(VMCS_GUEST_PDPTE0 + 2 * i), pdptes[i]);
    return true;
}

bool vcpu_load_cr3(struct vcpu *vcpu, uint64_t value)
{
    uint64_t old = vmcs_read_natural(VMCS_GUEST_CR3);
    struct control_registers now = vcpu_control_registers(vcpu);

    vmcs_write_natural(VMCS_GUEST_CR3, value);
    if (vcpu_uses_pae_paging(now.cr0, now.cr4, now.efer) && !vcpu_load_pdptes(vcpu)) {
        vmcs_write_natural(VMCS_GUEST_CR3, old);
        return false;
    }
    vmx_invalidate_vpid(vcpu->vmx.vpid);
    return true;
}
