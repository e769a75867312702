// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/policy/control_registers.h"

#include "arch/x86/msr.h"

#define CR0_DEFINED                                                                                \
    (CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_NW | CR0_CD |     \
     CR0_PG)

/* CR4.PCIDE can be set only while these bits of CR3, the PCID, are zero. */
#define CR3_PCID_MASK UINT64_C(0xfff)

bool cr0_write(const struct control_registers *now, uint64_t value, uint64_t *result)
{
    if (BITS(value, 63, 32) != 0)
        return false;
    if ((value & CR0_PG) != 0 && (value & CR0_PE) == 0)
        return false;
    if ((value & CR0_NW) != 0 && (value & CR0_CD) == 0)
        return false;
    if ((value & CR0_PG) != 0 && (now->cr0 & CR0_PG) == 0 && (now->efer & EFER_LME) != 0 &&
        ((now->cr4 & CR4_PAE) == 0 || now->cs_l))
        return false;
    if ((value & CR0_PG) == 0 && (now->cr0 & CR0_PG) != 0) {
        if ((now->cr4 & CR4_PCIDE) != 0)
            return false;
        if ((now->efer & EFER_LMA) != 0 && now->cs_l)
            return false;
    }
    *result = (value & CR0_DEFINED) | CR0_ET;
    return true;
}

/* The CR4 bits that a guest may set with each feature. OSFXSR depends on FXSR and OSXMMEXCPT on
 * SSE. PCE, TSD and PVI depend on features that every processor with VMX has. */
static const struct {
    uint64_t bits;
    enum cpuid_feature feature;
} cr4_features[] = {
    {CR4_VME | CR4_PVI, CPUID_VME}, {CR4_TSD, CPUID_TSC},        {CR4_DE, CPUID_DE},
    {CR4_PSE, CPUID_PSE},           {CR4_PAE, CPUID_PAE},        {CR4_PGE, CPUID_PGE},
    {CR4_PCE, CPUID_MMX}, /* RDPMC came with the MMX processors */
    {CR4_OSFXSR, CPUID_FXSR},       {CR4_OSXMMEXCPT, CPUID_SSE}, {CR4_UMIP, CPUID_UMIP},
    {CR4_FSGSBASE, CPUID_FSGSBASE}, {CR4_PCIDE, CPUID_PCID},     {CR4_OSXSAVE, CPUID_XSAVE},
    {CR4_SMEP, CPUID_SMEP},         {CR4_SMAP, CPUID_SMAP},      {CR4_PKE, CPUID_PKU},
};

uint64_t cr4_allowed_mask(const struct cpuid_board *board)
{
    uint64_t mask = 0;

    for (size_t i = 0; i < ARRAY_COUNT(cr4_features); i++)
        if (cpuid_has(board, cr4_features[i].feature))
            mask |= cr4_features[i].bits;
    return mask;
}

bool cr4_write(const struct cpuid_board *board, const struct control_registers *now, uint64_t value)
{
    if ((value & ~cr4_allowed_mask(board)) != 0)
        return false;
    if ((now->efer & EFER_LMA) != 0 && (value & CR4_PAE) == 0)
        return false;
    if ((value & CR4_PCIDE) != 0 && (now->cr4 & CR4_PCIDE) == 0 &&
        ((now->efer & EFER_LMA) == 0 || (now->cr3 & CR3_PCID_MASK) != 0))
        return false;
    return true;
}

uint64_t efer_allowed_mask(const struct cpuid_board *board)
{
    uint64_t mask = 0;

    if (cpuid_has(board, CPUID_INTEL_64))
        mask |= EFER_SCE | EFER_LME;
    if (cpuid_has(board, CPUID_EXECUTE_DISABLE))
        mask |= EFER_NXE;
    return mask;
}

bool efer_write(const struct cpuid_board *board, const struct control_registers *now,
                uint64_t value, uint64_t *result)
{
    if ((value & ~(efer_allowed_mask(board) | EFER_LMA)) != 0)
        return false;
    if ((value & EFER_NXE) != 0 && now->disables_execute_disable)
        return false;
    /* SDM vol. 3A, "IA-32e Mode Operation": software cannot change LME while paging is on. */
    if ((now->cr0 & CR0_PG) != 0 && ((value ^ now->efer) & EFER_LME) != 0)
        return false;
    *result = (value & ~EFER_LMA) | (now->efer & EFER_LMA);
    return true;
}
