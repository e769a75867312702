// SPDX-License-Identifier: BSD-2-Clause
/* The model-specific registers of a recent processor, as far as the monitor uses them. */
#include "tests/fake/processor.h"

#include "arch/x86/instructions.h"
#include "arch/x86/msr.h"
#include "arch/x86/traps.h"
#include "arch/x86/vmcs.h"

#include <string.h>

#define MC_BANKS 4

/* Capabilities as a server of 2021 reports them, without APIC virtualization (SDM vol. 3D, appendix
 * A). The low half of a control's MSR: what has to be 1; the high half: what may be 1. */
#define BASIC      (UINT64_C(0x00d8040000000013)) /* write-back, INS/OUTS information, true controls */
#define PIN_BASED  UINT64_C(0x000000ff00000016)
#define PRIMARY    UINT64_C(0xfff9fffe04006172)
#define SECONDARY  UINT64_C(0x021378ee00000000)
#define EXIT       UINT64_C(0x01ffffff00036dfb)
#define ENTRY      UINT64_C(0x0003ffff000011fb)
#define MISC       UINT64_C(0x00000000000401e5) /* the timer counts once in 2^5 ticks */
#define EPT_VPID   UINT64_C(0x00000f0106334141)
#define CR0_FIXED0 (CR0_PE | CR0_NE | CR0_PG)
#define CR4_FIXED1 UINT64_C(0x00773fff)

#define APIC_BITS                                                                                  \
    (SECONDARY_VIRTUALIZE_APIC_ACCESSES | SECONDARY_VIRTUALIZE_X2APIC | SECONDARY_APIC_REGISTERS | \
     SECONDARY_VIRTUAL_INTERRUPT_DELIVERY)

static const struct fake_msr initial[] = {
    {IA32_TSC_ADJUST, 0},
    {IA32_PLATFORM_ID, 0},
    {IA32_APIC_BASE, FAKE_APIC_BASE | APIC_BASE_ENABLE},
    {IA32_FEATURE_CONTROL, FEATURE_CONTROL_LOCK | FEATURE_CONTROL_VMX_OUTSIDE_SMX},
    {IA32_SPEC_CTRL, 0},
    {IA32_PRED_CMD, 0},
    {IA32_FLUSH_CMD, 0},
    {IA32_BIOS_SIGN_ID, 0},
    {MSR_PLATFORM_INFO, 0},
    {IA32_MTRRCAP, 0x508},
    {IA32_MTRR_DEF_TYPE, MTRR_DEF_TYPE_E | MEMORY_TYPE_WB},
    {IA32_ARCH_CAPABILITIES, ARCH_CAPABILITIES_RDCL_NO | ARCH_CAPABILITIES_MDS_NO},
    {IA32_SYSENTER_CS, 0},
    {IA32_SYSENTER_ESP, 0},
    {IA32_SYSENTER_EIP, 0},
    {IA32_MCG_CAP, MC_BANKS},
    {IA32_MCG_STATUS, 0},
    {IA32_MISC_ENABLE, MISC_ENABLE_FAST_STRINGS},
    {IA32_DEBUGCTL, 0},
    {IA32_PAT, PAT_RESET},
    {IA32_TSC_DEADLINE, 0},
    {IA32_XSS, 0},
    {IA32_EFER, EFER_LME | EFER_LMA | EFER_NXE},
    {IA32_STAR, 0},
    {IA32_LSTAR, 0},
    {IA32_CSTAR, 0},
    {IA32_FMASK, 0},
    {IA32_FS_BASE, 0},
    {IA32_GS_BASE, 0},
    {IA32_KERNEL_GS_BASE, 0},
    {IA32_TSC_AUX, 0},
    {IA32_VMX_BASIC, BASIC},
    {IA32_VMX_PINBASED_CTLS, PIN_BASED},
    {IA32_VMX_TRUE_PINBASED_CTLS, PIN_BASED},
    {IA32_VMX_PROCBASED_CTLS, PRIMARY & ~((uint64_t)PRIMARY_TPR_SHADOW << 32)},
    {IA32_VMX_TRUE_PROCBASED_CTLS, PRIMARY & ~((uint64_t)PRIMARY_TPR_SHADOW << 32)},
    {IA32_VMX_PROCBASED_CTLS2, SECONDARY & ~((uint64_t)APIC_BITS << 32)},
    {IA32_VMX_EXIT_CTLS, EXIT},
    {IA32_VMX_TRUE_EXIT_CTLS, EXIT},
    {IA32_VMX_ENTRY_CTLS, ENTRY},
    {IA32_VMX_TRUE_ENTRY_CTLS, ENTRY},
    {IA32_VMX_MISC, MISC},
    {IA32_VMX_CR0_FIXED0, CR0_FIXED0},
    {IA32_VMX_CR0_FIXED1, UINT32_MAX},
    {IA32_VMX_CR4_FIXED0, CR4_VMXE},
    {IA32_VMX_CR4_FIXED1, CR4_FIXED1},
    {IA32_VMX_EPT_VPID_CAP, EPT_VPID},
};

uint64_t *fake_msr_find(struct fake_processor *processor, uint32_t index)
{
    for (unsigned i = 0; i < processor->msr_count; i++) {
        if (processor->msrs[i].index == index)
            return &processor->msrs[i].value;
    }
    return NULL;
}

static void set(struct fake_processor *processor, uint32_t index, uint64_t value)
{
    uint64_t *present = fake_msr_find(processor, index);

    if (present == NULL) {
        if (processor->msr_count == FAKE_MSRS_MAX)
            fake_misuse("more than %u MSRs", FAKE_MSRS_MAX);
        processor->msrs[processor->msr_count] = (struct fake_msr){.index = index};
        present = &processor->msrs[processor->msr_count++].value;
    }
    *present = value;
}

void fake_msrs_reset(struct fake_processor *processor)
{
    processor->msr_count = 0;
    for (unsigned i = 0; i < ARRAY_COUNT(initial); i++)
        set(processor, initial[i].index, initial[i].value);
    for (unsigned bank = 0; bank < MC_BANKS; bank++) {
        for (unsigned i = 0; i < 4; i++)
            set(processor, IA32_MC0_CTL + 4 * bank + i, 0);
    }
    if (processor->index == 0)
        *fake_msr_find(processor, IA32_APIC_BASE) |= APIC_BASE_BSP;
}

void fake_set_msr(int processor, uint32_t msr, uint64_t value)
{
    for (unsigned i = 0; i < fake_processor_count(); i++) {
        struct fake_processor *target = fake_processor_at(i);

        if (processor >= 0 && (unsigned)processor != i)
            continue;
        if (msr == IA32_TSC_ADJUST)
            target->tsc_offset += value - *fake_msr_find(target, msr);
        if (msr == IA32_TIME_STAMP_COUNTER)
            target->tsc_offset = value - fake_now();
        else
            set(target, msr, value);
    }
}

uint64_t fake_get_msr(unsigned processor, uint32_t msr)
{
    const uint64_t *value = fake_msr_find(fake_processor_at(processor), msr);

    if (value == NULL)
        fake_misuse("there is no MSR 0x%x", msr);
    return *value;
}

void fake_remove_msr(uint32_t msr)
{
    for (unsigned i = 0; i < fake_processor_count(); i++) {
        struct fake_processor *processor = fake_processor_at(i);

        for (unsigned k = 0; k < processor->msr_count; k++) {
            if (processor->msrs[k].index == msr)
                processor->msrs[k] = processor->msrs[--processor->msr_count];
        }
    }
}

void fake_add_apic_virtualization(void)
{
    fake_set_msr(-1, IA32_VMX_PROCBASED_CTLS, PRIMARY);
    fake_set_msr(-1, IA32_VMX_TRUE_PROCBASED_CTLS, PRIMARY);
    fake_set_msr(-1, IA32_VMX_PROCBASED_CTLS2, SECONDARY | (uint64_t)APIC_BITS << 32);
}

static bool is_x2apic_msr(struct fake_processor *processor, uint32_t index)
{
    return index >= IA32_X2APIC_FIRST && index <= IA32_X2APIC_LAST &&
           fake_apic_is_x2apic(processor);
}

static bool is_read_only(uint32_t index)
{
    return (index >= IA32_VMX_BASIC && index <= IA32_VMX_EXIT_CTLS2) || index == IA32_MTRRCAP ||
           index == IA32_MCG_CAP || index == IA32_ARCH_CAPABILITIES || index == MSR_PLATFORM_INFO;
}

static bool is_canonical_address(uint32_t index)
{
    return index == IA32_FS_BASE || index == IA32_GS_BASE || index == IA32_KERNEL_GS_BASE ||
           index == IA32_LSTAR || index == IA32_SYSENTER_ESP || index == IA32_SYSENTER_EIP;
}

/* Whether the processor takes the value, as far as the monitor writes the MSR. */
static bool takes(struct fake_processor *processor, uint32_t index, uint64_t value)
{
    const uint64_t *old = fake_msr_find(processor, index);

    if (old == NULL || is_read_only(index))
        return false;
    if (is_canonical_address(index))
        return (int64_t)(value << 16) >> 16 == (int64_t)value;
    switch (index) {
    case IA32_FEATURE_CONTROL: return (*old & FEATURE_CONTROL_LOCK) == 0;
    case IA32_EFER:
        return (value & ~(EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE)) == 0 &&
               (value & EFER_LME) != 0;
    case IA32_APIC_BASE: /* "Local x2APIC State Transitions": not from x2APIC to xAPIC mode */
        return (value & APIC_BASE_EXTD) == 0
                   ? (*old & APIC_BASE_EXTD) == 0 || (value & APIC_BASE_ENABLE) == 0
                   : (value & APIC_BASE_ENABLE) != 0 && (*old & APIC_BASE_ENABLE) != 0;
    case IA32_PAT:
        for (unsigned i = 0; i < 8; i++) {
            uint64_t type = value >> 8 * i & 0xff;
            if (type == 2 || type == 3 || type > 7)
                return false;
        }
        return true;
    default: return true;
    }
}

static bool read_msr(uint32_t index, uint64_t *value)
{
    struct fake_processor *self = fake_this();
    const uint64_t *found;

    if (is_x2apic_msr(self, index)) {
        *value = fake_apic_read(self, (index - IA32_X2APIC_FIRST) * 16);
        return true;
    }
    if (index == IA32_TIME_STAMP_COUNTER) {
        *value = rdtsc();
        return true;
    }
    found = fake_msr_find(self, index);
    if (found != NULL)
        *value = *found;
    return found != NULL;
}

static bool write_msr(uint32_t index, uint64_t value)
{
    struct fake_processor *self = fake_this();

    if (is_x2apic_msr(self, index)) {
        fake_apic_write(self, (index - IA32_X2APIC_FIRST) * 16, value);
        return true;
    }
    if (index == IA32_TIME_STAMP_COUNTER) {
        self->tsc_offset = value - fake_now();
        return true;
    }
    if (!takes(self, index, value))
        return false;
    if (index == IA32_TSC_ADJUST)
        self->tsc_offset += value - *fake_msr_find(self, index);
    *fake_msr_find(self, index) = value;
    return true;
}

uint64_t rdmsr(uint32_t index)
{
    uint64_t value = 0;

    if (!read_msr(index, &value))
        fake_raise(VECTOR_GP, 0, "RDMSR of an MSR that does not exist");
    return value;
}

void wrmsr(uint32_t index, uint64_t value)
{
    if (!write_msr(index, value))
        fake_raise(VECTOR_GP, 0, "WRMSR of an MSR or value that does not exist");
}

/* The three functions of interrupts.asm. */

bool rdmsr_safe(uint32_t index, uint64_t *value)
{
    return read_msr(index, value);
}

bool wrmsr_safe(uint32_t index, uint64_t value)
{
    return write_msr(index, value);
}

bool xsetbv_safe(uint32_t index, uint64_t value)
{
    struct cpuid_result known = fake_get_cpuid(0xd, 0);

    if ((fake_this()->cr4 & CR4_OSXSAVE) == 0 || index != 0 || (value & 1) == 0 ||
        (value & ~((uint64_t)known.edx << 32 | known.eax)) != 0)
        return false;
    xsetbv(index, value);
    return true;
}
