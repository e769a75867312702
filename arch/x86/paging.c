// SPDX-License-Identifier: BSD-2-Clause
#include "arch/x86/paging.h"

#include "arch/x86/cpu.h"
#include "arch/x86/msr.h"
#include "vmm/base/bits.h"

#define CPUID_1_ECX_XSAVE           BIT(26)
#define CPUID_7_EBX_SMEP            BIT(7)
#define CPUID_7_ECX_SHSTK           BIT(7)
#define CPUID_7_EDX_IBT             BIT(20)
#define CPUID_80000001_EDX_NX       BIT(20)
#define CPUID_80000001_EDX_PAGE_1GB BIT(26)
#define PHYSICAL_ADDRESS_BITS_LEAST 36

unsigned paging_levels(void)
{
    return (read_cr4() & CR4_LA57) != 0 ? 5 : 4;
}

bool paging_has_huge_pages(void)
{
    return (cpuid_max(0x80000001, 0).edx & CPUID_80000001_EDX_PAGE_1GB) != 0;
}

unsigned paging_physical_address_bits(void)
{
    unsigned bits = cpuid_max(0x80000008, 0).eax & 0xff;
    return bits < 32 || bits > 52 ? PHYSICAL_ADDRESS_BITS_LEAST : bits;
}

/* Enables no-execute pages. Some firmware setup programs hide them from CPUID with a bit of
 * IA32_MISC_ENABLE, which can be cleared (SDM vol. 4, IA32_MISC_ENABLE[34]). Returns false if the
 * processor has none. */
static bool enable_no_execute(void)
{
    if ((cpuid_max(0x80000001, 0).edx & CPUID_80000001_EDX_NX) == 0) {
        struct cpuid_result vendor = cpuid(0, 0);
        if (vendor.ebx != 0x756e6547 || vendor.edx != 0x49656e69 || vendor.ecx != 0x6c65746e)
            return false; /* not "GenuineIntel": the MSR may not exist */
        wrmsr(IA32_MISC_ENABLE, rdmsr(IA32_MISC_ENABLE) & ~MISC_ENABLE_XD_DISABLE);
        if ((cpuid_max(0x80000001, 0).edx & CPUID_80000001_EDX_NX) == 0)
            return false;
    }
    wrmsr(IA32_EFER, rdmsr(IA32_EFER) | EFER_NXE);
    return true;
}

/* Comes before CR0.WP and CR4 change: CR4.CET requires CR0.WP. */
void paging_disable_control_flow_enforcement(void)
{
    struct cpuid_result features = cpuid_max(7, 0);

    if ((features.ecx & CPUID_7_ECX_SHSTK) == 0 && (features.edx & CPUID_7_EDX_IBT) == 0)
        return;
    if ((read_cr4() & CR4_CET) == 0)
        return;
    wrmsr(IA32_S_CET, 0);
    write_cr4(read_cr4() & ~CR4_CET);
}

enum status paging_enable(const struct page_table *table)
{
    const uint64_t cr4_keep =
        CR4_MCE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_LA57 | CR4_VMXE | CR4_SMXE;
    uint64_t cr4;

    if (table->tree.levels != paging_levels())
        return STATUS_UNSUPPORTED;
    if (!enable_no_execute())
        return STATUS_UNSUPPORTED;
    paging_disable_control_flow_enforcement();

    cr4 = (read_cr4() & cr4_keep) | CR4_PAE;
    if ((cpuid_max(7, 0).ebx & CPUID_7_EBX_SMEP) != 0)
        cr4 |= CR4_SMEP;
    if ((cpuid(1, 0).ecx & CPUID_1_ECX_XSAVE) != 0)
        cr4 |= CR4_OSXSAVE;

    /* Turns the caches on, then sets PAT, between flushes of caches and translations: no line may
     * stay cached under a type that its page no longer has. Clearing PGE and PCIDE drops global
     * translations and those of other PCIDs, which a write to CR3 would keep. PCIDE can be cleared
     * only after the PCID in CR3 is 0. */
    write_cr3(read_cr3() & TABLE_ADDRESS_MASK);
    write_cr4(cr4);
    write_cr0(CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_PG);
    wbinvd();
    wrmsr(IA32_PAT, PAT_MONITOR);
    wbinvd();
    write_cr3(page_table_cr3(table));
    return STATUS_OK;
}

void paging_flush(void)
{
    write_cr3(read_cr3());
}

bool paging_is_mapped(uint64_t address)
{
    unsigned levels = paging_levels();
    unsigned address_bits = 12 + 9 * levels;
    const uint64_t *table = (const uint64_t *)(read_cr3() & TABLE_ADDRESS_MASK);

    /* The address is canonical if all bits from the highest translated one up are equal. */
    int64_t sign = (int64_t)address >> (address_bits - 1);
    if (sign != 0 && sign != -1)
        return false;

    for (unsigned level = levels; level > 0; level--) {
        uint64_t entry = table[BITS(address, 9 * level + 11, 9 * level + 3)];

        if ((entry & BIT(0)) == 0)
            return false;
        if (level == 1 || (level <= 3 && (entry & TABLE_LEAF) != 0))
            return true;
        table = (const uint64_t *)(entry & TABLE_ADDRESS_MASK);
    }
    return false;
}
