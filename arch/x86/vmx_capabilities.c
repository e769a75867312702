// SPDX-License-Identifier: BSD-2-Clause
#include "arch/x86/vmx_capabilities.h"

#include "arch/x86/cpu.h"
#include "arch/x86/cpu_check.h"
#include "arch/x86/msr.h"
#include "arch/x86/preemption_timer.h"
#include "arch/x86/vmcs.h"
#include "vmm/base/format.h"

#define CPUID_1_ECX_VMX BIT(5)

/* A control that the monitor needs, or uses if it exists (optional). */
struct wanted_control {
    uint32_t bit;
    bool optional;
    const char *name;
};

static const struct wanted_control pin_based[] = {
    {PIN_EXTERNAL_INTERRUPT_EXITING, false, "external-interrupt exiting"},
    {PIN_NMI_EXITING, false, "NMI exiting"},
    {PIN_VIRTUAL_NMIS, false, "virtual NMIs"},
    {PIN_PREEMPTION_TIMER, false, "VMX-preemption timer"},
};

static const struct wanted_control primary[] = {
    {PRIMARY_TSC_OFFSETTING, false, "TSC offsetting"},
    {PRIMARY_HLT_EXITING, false, "HLT exiting"},
    {PRIMARY_MWAIT_EXITING, false, "MWAIT exiting"},
    {PRIMARY_RDPMC_EXITING, false, "RDPMC exiting"},
    {PRIMARY_CR8_LOAD_EXITING, false, "CR8-load exiting"},
    {PRIMARY_CR8_STORE_EXITING, false, "CR8-store exiting"},
    {PRIMARY_MOV_DR_EXITING, false, "MOV-DR exiting"},
    {PRIMARY_UNCONDITIONAL_IO_EXITING, false, "unconditional I/O exiting"},
    {PRIMARY_USE_MSR_BITMAPS, false, "MSR bitmaps"},
    {PRIMARY_MONITOR_EXITING, false, "MONITOR exiting"},
    {PRIMARY_SECONDARY_CONTROLS, false, "secondary processor-based controls"},
};

static const struct wanted_control secondary[] = {
    {SECONDARY_EPT, false, "extended page tables (EPT)"},
    {SECONDARY_VPID, false, "virtual-processor identifiers (VPID)"},
    {SECONDARY_UNRESTRICTED_GUEST, false, "unrestricted guest"},
    {SECONDARY_WBINVD_EXITING, false, "WBINVD exiting"},
    {SECONDARY_RDTSCP, true, "RDTSCP"},
    {SECONDARY_INVPCID, true, "INVPCID"},
};

static const struct wanted_control exit_controls[] = {
    {EXIT_SAVE_DEBUG_CONTROLS, false, "save debug controls"},
    {EXIT_HOST_ADDRESS_SPACE_SIZE, false, "host address-space size"},
    {EXIT_ACKNOWLEDGE_INTERRUPT, false, "acknowledge interrupt on exit"},
    {EXIT_SAVE_IA32_PAT, false, "save IA32_PAT"},
    {EXIT_LOAD_IA32_PAT, false, "load IA32_PAT"},
    {EXIT_SAVE_IA32_EFER, false, "save IA32_EFER"},
    {EXIT_LOAD_IA32_EFER, false, "load IA32_EFER"},
    {EXIT_SAVE_PREEMPTION_TIMER, true, "save VMX-preemption timer value"},
};

static const struct wanted_control entry_controls[] = {
    {ENTRY_LOAD_DEBUG_CONTROLS, false, "load debug controls"},
    {ENTRY_LOAD_IA32_PAT, false, "load IA32_PAT"},
    {ENTRY_LOAD_IA32_EFER, false, "load IA32_EFER"},
};

/* Set for single guests, in the combinations of vmx_apic.c. If one of them is missing the local
 * APIC is emulated. External-interrupt exiting, which the last one needs, is always set. */
static const struct {
    bool is_primary;
    uint32_t bit;
} apic_virtualization[] = {
    {true, PRIMARY_TPR_SHADOW},
    {false, SECONDARY_VIRTUALIZE_APIC_ACCESSES},
    {false, SECONDARY_VIRTUALIZE_X2APIC},
    {false, SECONDARY_APIC_REGISTERS},
    {false, SECONDARY_VIRTUAL_INTERRUPT_DELIVERY},
};

/* What the EPT and VPID facilities have to support. */
static const struct {
    uint64_t bit;
    const char *name;
} ept_vpid[] = {
    {EPT_VPID_CAP_WALK_LENGTH_4, "a 4-level EPT walk"},
    {EPT_VPID_CAP_MEMORY_TYPE_WB, "write-back EPT paging structures"},
    {EPT_VPID_CAP_2MB_PAGES, "2 MB EPT pages"},
    {EPT_VPID_CAP_INVEPT, "INVEPT"},
    {EPT_VPID_CAP_INVEPT_ALL, "all-context INVEPT"},
    {EPT_VPID_CAP_INVVPID, "INVVPID"},
    {EPT_VPID_CAP_INVVPID_SINGLE, "single-context INVVPID"},
    {EPT_VPID_CAP_INVVPID_ALL, "all-context INVVPID"},
};

/* Refuses processors whose VMX-preemption timer is known to be faulty. In a virtual machine the
 * timer is the hypervisor's and not the processor's, so nothing is refused there. */
static enum status check_preemption_timer(char *message, size_t size)
{
    uint32_t signature = cpuid_max(1, 0).eax;
    const char *name = preemption_timer_errs_on(signature);

    if (name == NULL || cpu_is_virtual())
        return STATUS_OK;
    format_text(message, size,
                "vt-x: the VMX-preemption timer of this processor, %s, counts at a wrong rate "
                "(CPUID.1:EAX is 0x%x, see Intel's specification update); Portcullis keeps time "
                "by it: use another processor",
                name, signature);
    return STATUS_UNSUPPORTED;
}

/* Sets *value to the wanted controls and those that have to be 1. Appendix A.2 to A.5: bits that
 * are 1 in the low half of the MSR have to be 1, bits that are 0 in the high half have to be 0.
 * Returns the name of the first missing control that is not optional, or null. */
static const char *select_controls(const struct wanted_control *wanted, size_t count, uint32_t msr,
                                   uint32_t *value)
{
    uint64_t allowed = rdmsr(msr);
    uint32_t required_1 = (uint32_t)allowed;
    uint32_t allowed_1 = (uint32_t)(allowed >> 32);

    *value = required_1;
    for (size_t i = 0; i < count; i++) {
        if ((allowed_1 & wanted[i].bit) != 0)
            *value |= wanted[i].bit;
        else if (!wanted[i].optional)
            return wanted[i].name;
    }
    return NULL;
}

static const char *select_all_controls(struct vmx_capabilities *capabilities, bool true_controls)
{
    const struct {
        const struct wanted_control *wanted;
        size_t count;
        uint32_t msr;
        uint32_t true_msr;
        uint32_t *value;
    } sets[] = {
        {pin_based, ARRAY_COUNT(pin_based), IA32_VMX_PINBASED_CTLS, IA32_VMX_TRUE_PINBASED_CTLS,
         &capabilities->pin_based},
        {primary, ARRAY_COUNT(primary), IA32_VMX_PROCBASED_CTLS, IA32_VMX_TRUE_PROCBASED_CTLS,
         &capabilities->primary},
        {secondary, ARRAY_COUNT(secondary), IA32_VMX_PROCBASED_CTLS2, IA32_VMX_PROCBASED_CTLS2,
         &capabilities->secondary},
        {exit_controls, ARRAY_COUNT(exit_controls), IA32_VMX_EXIT_CTLS, IA32_VMX_TRUE_EXIT_CTLS,
         &capabilities->exit},
        {entry_controls, ARRAY_COUNT(entry_controls), IA32_VMX_ENTRY_CTLS, IA32_VMX_TRUE_ENTRY_CTLS,
         &capabilities->entry},
    };

    /* The primary controls come before the secondary ones, whose MSR exists only if the primary
     * ones allow it. */
    for (size_t i = 0; i < ARRAY_COUNT(sets); i++) {
        uint32_t msr = true_controls ? sets[i].true_msr : sets[i].msr;
        const char *missing = select_controls(sets[i].wanted, sets[i].count, msr, sets[i].value);
        if (missing != NULL)
            return missing;
    }
    return NULL;
}

static bool virtualizes_apic(bool true_controls)
{
    uint64_t primary_allowed =
        rdmsr(true_controls ? IA32_VMX_TRUE_PROCBASED_CTLS : IA32_VMX_PROCBASED_CTLS);
    uint64_t secondary_allowed = rdmsr(IA32_VMX_PROCBASED_CTLS2);

    for (size_t i = 0; i < ARRAY_COUNT(apic_virtualization); i++) {
        uint64_t allowed = apic_virtualization[i].is_primary ? primary_allowed : secondary_allowed;
        if ((allowed >> 32 & apic_virtualization[i].bit) == 0)
            return false;
    }
    return true;
}

static enum status refuse(char *message, size_t size, const char *missing)
{
    format_text(message, size,
                "vt-x: this processor's VT-x lacks %s; Portcullis needs an Intel processor of 2010 "
                "(Westmere) or later, or a virtual machine that passes this feature on",
                missing);
    return STATUS_UNSUPPORTED;
}

enum status vmx_check_capabilities(struct vmx_capabilities *capabilities, char *message,
                                   size_t size)
{
    const uint64_t feature_needed = FEATURE_CONTROL_LOCK | FEATURE_CONTROL_VMX_OUTSIDE_SMX;
    uint64_t feature_control, basic, misc, ept_vpid_cap;
    const char *missing;

    *capabilities = (struct vmx_capabilities){0};
    if ((cpuid_max(1, 0).ecx & CPUID_1_ECX_VMX) == 0) {
        format_text(message, size,
                    "vt-x: this processor has no VT-x (CPUID.1:ECX.VMX is 0); use an Intel "
                    "processor with VT-x, enable \"Intel Virtualization Technology\" in the "
                    "firmware's setup, or give the virtual machine nested VMX");
        return STATUS_UNSUPPORTED;
    }
    feature_control = rdmsr(IA32_FEATURE_CONTROL);
    if ((feature_control & feature_needed) == FEATURE_CONTROL_LOCK) {
        format_text(
            message, size,
            "vt-x: locked off by the firmware (IA32_FEATURE_CONTROL is 0x%lx); enable \"Intel "
            "Virtualization Technology\" or \"VT-x\" in the firmware's setup and "
            "switch the machine off and on",
            feature_control);
        return STATUS_UNSUPPORTED;
    }

    if (check_preemption_timer(message, size) != STATUS_OK)
        return STATUS_UNSUPPORTED;

    basic = rdmsr(IA32_VMX_BASIC);
    capabilities->revision = (uint32_t)VMX_BASIC_REVISION(basic);
    if (VMX_BASIC_MEMORY_TYPE(basic) != MEMORY_TYPE_WB)
        return refuse(message, size, "write-back VMCS regions");
    if ((basic & VMX_BASIC_INS_OUTS_INFO) == 0)
        return refuse(message, size, "instruction information for INS and OUTS exits");
    missing = select_all_controls(capabilities, (basic & VMX_BASIC_TRUE_CTLS) != 0);
    if (missing != NULL)
        return refuse(message, size, missing);
    ept_vpid_cap = rdmsr(IA32_VMX_EPT_VPID_CAP);
    for (size_t i = 0; i < ARRAY_COUNT(ept_vpid); i++) {
        if ((ept_vpid_cap & ept_vpid[i].bit) == 0)
            return refuse(message, size, ept_vpid[i].name);
    }
    misc = rdmsr(IA32_VMX_MISC);
    if ((misc & VMX_MISC_ACTIVITY_HLT) == 0)
        return refuse(message, size, "the HLT activity state");

    capabilities->cr0_fixed0 = rdmsr(IA32_VMX_CR0_FIXED0);
    capabilities->cr0_fixed1 = rdmsr(IA32_VMX_CR0_FIXED1);
    capabilities->cr4_fixed0 = rdmsr(IA32_VMX_CR4_FIXED0);
    capabilities->cr4_fixed1 = rdmsr(IA32_VMX_CR4_FIXED1);
    capabilities->preemption_timer_shift = (unsigned)VMX_MISC_PREEMPTION_TIMER_SHIFT(misc);
    capabilities->ept_1gb_pages = ept_vpid_cap & EPT_VPID_CAP_1GB_PAGES;
    capabilities->rdtscp = capabilities->secondary & SECONDARY_RDTSCP;
    capabilities->invpcid = capabilities->secondary & SECONDARY_INVPCID;
    capabilities->virtualizes_apic = virtualizes_apic((basic & VMX_BASIC_TRUE_CTLS) != 0);
    return STATUS_OK;
}

enum status vmx_check_support(char *message, size_t size)
{
    struct vmx_capabilities capabilities;

    return vmx_check_capabilities(&capabilities, message, size);
}
