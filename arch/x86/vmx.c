// SPDX-License-Identifier: BSD-2-Clause
#include "arch/x86/vmx.h"

#include "arch/x86/cpu.h"
#include "arch/x86/msr.h"
#include "arch/x86/vmx_instructions.h"
#include "vmm/base/check.h"

static void invalidate_vpid(uint64_t type, uint16_t vpid)
{
    CHECK(invvpid(type, (struct invalidation_descriptor){vpid, 0}));
}

enum status vmx_enable(const struct vmx_capabilities *capabilities, void *region)
{
    uint64_t feature_control = rdmsr(IA32_FEATURE_CONTROL);

    if ((feature_control & FEATURE_CONTROL_LOCK) == 0)
        wrmsr(IA32_FEATURE_CONTROL,
              feature_control | FEATURE_CONTROL_VMX_OUTSIDE_SMX | FEATURE_CONTROL_LOCK);
    write_cr0((read_cr0() | capabilities->cr0_fixed0) & capabilities->cr0_fixed1);
    write_cr4((read_cr4() | capabilities->cr4_fixed0 | CR4_VMXE) & capabilities->cr4_fixed1);
    *(uint32_t *)region = capabilities->revision;
    if (!vmxon((uint64_t)region))
        return STATUS_UNSUPPORTED;
    /* VMXON need not drop what an earlier user of VT-x left in the TLBs, so the next lines drop
     * it. */
    vmx_invalidate_ept_all();
    invalidate_vpid(INVVPID_ALL_CONTEXT, 0);
    return STATUS_OK;
}

void vmx_disable(void)
{
    vmxoff();
    write_cr4(read_cr4() & ~CR4_VMXE);
}

void vmcs_init(const struct vmx_capabilities *capabilities, void *region)
{
    *(uint32_t *)region = capabilities->revision;
    vmcs_clear(region);
}

void vmcs_load(void *region)
{
    CHECK(vmptrld((uint64_t)region));
}

void vmcs_clear(void *region)
{
    CHECK(vmclear((uint64_t)region));
}

void vmx_invalidate_ept_all(void)
{
    CHECK(invept(INVEPT_ALL_CONTEXT, (struct invalidation_descriptor){0, 0}));
}

void vmx_invalidate_vpid(uint16_t vpid)
{
    invalidate_vpid(INVVPID_SINGLE_CONTEXT, vpid);
}

const char *vmx_instruction_error_name(uint32_t number)
{
    static const char *const names[] = {
        [1] = "VMCALL executed in VMX root operation",
        [2] = "VMCLEAR with invalid physical address",
        [3] = "VMCLEAR with VMXON pointer",
        [4] = "VMLAUNCH with non-clear VMCS",
        [5] = "VMRESUME with non-launched VMCS",
        [6] = "VMRESUME after VMXOFF",
        [7] = "VM entry with invalid control field(s)",
        [8] = "VM entry with invalid host-state field(s)",
        [9] = "VMPTRLD with invalid physical address",
        [10] = "VMPTRLD with VMXON pointer",
        [11] = "VMPTRLD with incorrect VMCS revision identifier",
        [12] = "VMREAD/VMWRITE from/to unsupported VMCS component",
        [13] = "VMWRITE to read-only VMCS component",
        [15] = "VMXON executed in VMX root operation",
        [16] = "VM entry with invalid executive-VMCS pointer",
        [17] = "VM entry with non-launched executive VMCS",
        [18] = "VM entry with executive-VMCS pointer not VMXON pointer",
        [19] = "VMCALL with non-clear VMCS",
        [20] = "VMCALL with invalid VM-exit control fields",
        [22] = "VMCALL with incorrect MSEG revision identifier",
        [23] = "VMXOFF under dual-monitor treatment of SMIs and SMM",
        [24] = "VMCALL with invalid SMM-monitor features",
        [25] = "VM entry with invalid VM-execution control fields in executive VMCS",
        [26] = "VM entry with events blocked by MOV SS",
        [28] = "invalid operand to INVEPT/INVVPID",
    };

    if (number >= ARRAY_COUNT(names) || names[number] == NULL)
        return "unknown error";
    return names[number];
}
