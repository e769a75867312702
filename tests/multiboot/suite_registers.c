// SPDX-License-Identifier: BSD-2-Clause
/* What a processor refuses: unknown MSRs, reserved bits; and every transition of IA32_APIC_BASE.
 * Intel SDM vol. 3A, "Local APIC Status and Location", "x2APIC State Transitions". */
#include "tests/multiboot/suite.h"

#define IA32_EFER         UINT32_C(0xc0000080)
#define IA32_PAT          UINT32_C(0x277)
#define IA32_MTRRCAP      UINT32_C(0xfe)
#define IA32_MTRR_DEFTYPE UINT32_C(0x2ff)

static uint64_t read_cr0(void)
{
    uint64_t value;

    __asm__ volatile("mov %%cr0, %0" : "=r"(value));
    return value;
}

static uint64_t read_cr4(void)
{
    uint64_t value;

    __asm__ volatile("mov %%cr4, %0" : "=r"(value));
    return value;
}

static void check_msrs(void)
{
    static const uint32_t unknown[] = {0x3,    0x1000, 0x1fff,     0x2000,     0x12345678,
                                       0x4000, 0x4fff, 0xbfffffff, 0xc0000085, 0xc0001fff,
                                       0x480,  0xce,   0xc0002000, 0xffffffff, 0x40000000};
    const struct {
        const char *name;
        uint32_t index;
        uint64_t value;
    } refused[] = {
        {"EFER: a reserved bit", IA32_EFER, 0x500 | 1 << 1},
        {"EFER: a reserved high bit", IA32_EFER, 0x500 | UINT64_C(1) << 40},
        {"EFER: LME cannot go while paging is on", IA32_EFER, 0},
        {"PAT: a reserved type", IA32_PAT, 2},
        {"MTRRs: a reserved type", IA32_MTRR_DEFTYPE, 0xc02},
        {"MTRRs: a reserved bit", IA32_MTRR_DEFTYPE, 0x1c06},
        {"MTRRCAP: is read-only", IA32_MTRRCAP, 0},
        {"SYSENTER_ESP: not canonical", 0x175, UINT64_C(1) << 48},
    };
    uint64_t value;

    for (unsigned i = 0; i < ARRAY_COUNT(unknown); i++) {
        check_at("MSR that is not there: read", unknown[i], try_rdmsr(unknown[i], &value),
                 VECTOR_GP);
        check_at("MSR that is not there: write", unknown[i], try_wrmsr(unknown[i], 0), VECTOR_GP);
    }
    for (unsigned i = 0; i < ARRAY_COUNT(refused); i++)
        check(refused[i].name, try_wrmsr(refused[i].index, refused[i].value), VECTOR_GP);
    check("EFER is what it was", rdmsr(IA32_EFER), 0x500);
    check("an MSR that is there", try_rdmsr(IA32_PAT, &value), VECTOR_NONE);
}

static void check_control_registers(void)
{
    uint64_t cr0 = read_cr0(), cr4 = read_cr4();

    check("CR4: a reserved bit", try_write_cr4(cr4 | UINT64_C(1) << 31), VECTOR_GP);
    check("CR4: a reserved high bit", try_write_cr4(cr4 | UINT64_C(1) << 63), VECTOR_GP);
    check("CR4: VMXE without VMX", try_write_cr4(cr4 | UINT64_C(1) << 13), VECTOR_GP);
    check("CR4: PAE cannot go in 64-bit mode", try_write_cr4(cr4 & ~UINT64_C(0x20)), VECTOR_GP);
    check("CR4 is what it was", read_cr4(), cr4);
    check("CR0: PG without PE", try_write_cr0(cr0 & ~UINT64_C(1)), VECTOR_GP);
    check("CR0: NW without CD", try_write_cr0(cr0 | UINT64_C(1) << 29), VECTOR_GP);
    check("CR0: a high bit", try_write_cr0(cr0 | UINT64_C(1) << 32), VECTOR_GP);
    check("CR0 is what it was", read_cr0(), cr0);
}

/* KVM's hypercall 10, as a suite makes it; there are none here. */
static void check_hypercall(void)
{
    uint64_t rax = 10;

    if (suite.testdev) {
        check("VMCALL: no exception", try_vmcall(&rax), VECTOR_NONE);
        check("VMCALL: no such call", rax, (uint64_t)-1000);
    } else
        check("VMCALL: without testdev there is no such instruction", try_vmcall(&rax), VECTOR_UD);
}

void check_processor_registers(void)
{
    check_hypercall();
    check_msrs();
    check_control_registers();
    check("CPUID: a hypervisor is present", cpuid(1, 0).ecx >> 31, 1);
    check("CPUID: no VMX", cpuid(1, 0).ecx >> 5 & 1, 0);
}

/* --- IA32_APIC_BASE --- */

enum { DISABLED, XAPIC, X2APIC, INVALID, MODE_COUNT };

static const uint64_t mode_bits[MODE_COUNT] = {
    [DISABLED] = 0,
    [XAPIC] = APIC_BASE_EN,
    [X2APIC] = APIC_BASE_EN | APIC_BASE_EXTD,
    [INVALID] = APIC_BASE_EXTD,
};

static const bool is_legal[MODE_COUNT][MODE_COUNT] = {
    [DISABLED] = {[DISABLED] = true, [XAPIC] = true},
    [XAPIC] = {[DISABLED] = true, [XAPIC] = true, [X2APIC] = true},
    [X2APIC] = {[DISABLED] = true, [X2APIC] = true},
};

/* From wherever it is: disabled first, which always goes. */
static void go_to(unsigned mode)
{
    wrmsr(IA32_APIC_BASE, APIC_PAGE);
    if (mode != DISABLED)
        wrmsr(IA32_APIC_BASE, APIC_PAGE | APIC_BASE_EN);
    if (mode == X2APIC)
        wrmsr(IA32_APIC_BASE, APIC_PAGE | mode_bits[X2APIC]);
}

static void check_transitions(bool has_x2apic)
{
    for (unsigned from = DISABLED; from < INVALID; from++) {
        if (from == X2APIC && !has_x2apic)
            continue;
        for (unsigned to = DISABLED; to < MODE_COUNT; to++) {
            bool goes = is_legal[from][to] && (to != X2APIC || has_x2apic);

            go_to(from);
            check_at("APIC base: transition", from << 4 | to,
                     try_wrmsr(IA32_APIC_BASE, APIC_PAGE | mode_bits[to]),
                     goes ? VECTOR_NONE : VECTOR_GP);
            check_at("APIC base: is then", from << 4 | to, rdmsr(IA32_APIC_BASE),
                     APIC_PAGE | APIC_BASE_BSP | mode_bits[goes ? to : from]);
        }
    }
}

static unsigned cpuid_apic(void)
{
    return cpuid(1, 0).edx >> 9 & 1;
}

static void check_absent_page(uint64_t page)
{
    for (unsigned offset = 0; offset < 0x400; offset += 0x10)
        mmio_write(page + offset, 0xffffffff);
    check("APIC page: nothing answers", mmio_read(page + APIC_LVR), 0xffffffff);
}

static void check_modes(uint32_t version, bool has_x2apic)
{
    uint64_t value;

    go_to(DISABLED);
    check("disabled: CPUID has no APIC", cpuid_apic(), 0);
    check_absent_page(APIC_PAGE);
    check("disabled: no x2APIC registers", try_rdmsr(0x802, &value), VECTOR_GP);
    go_to(XAPIC);
    check("xAPIC: CPUID has it", cpuid_apic(), 1);
    check("xAPIC: version", apic_read(APIC_LVR), version);
    check("xAPIC: registers as after reset", apic_read(APIC_SVR), 0xff);
    check("xAPIC: no x2APIC registers", try_rdmsr(0x802, &value), VECTOR_GP);
    __asm__ volatile("mov %0, %%cr8" ::"r"(UINT64_C(5)));
    check("xAPIC: CR8 is the TPR", apic_read(APIC_TPR), 0x50);
    __asm__ volatile("mov %0, %%cr8" ::"r"(UINT64_C(0)));
    if (!has_x2apic)
        return;
    apic_write(APIC_SVR, 0x1ff);
    wrmsr(IA32_APIC_BASE, APIC_PAGE | mode_bits[X2APIC]);
    check("x2APIC: CPUID has it", cpuid_apic(), 1);
    check("x2APIC: ID can be read", try_rdmsr(0x802, &value), VECTOR_NONE);
    check("x2APIC: ID", value, 0);
    check("x2APIC: version", rdmsr(0x803), version);
    check("x2APIC: keeps SVR", rdmsr(0x80f), 0x1ff);
    check("x2APIC: ID is read-only", try_wrmsr(0x802, 1 << 24), VECTOR_GP);
    check("x2APIC: a reserved bit of SVR", try_wrmsr(0x80f, UINT64_C(1) << 32), VECTOR_GP);
    check("x2APIC: no destination format register", try_rdmsr(0x80e, &value), VECTOR_GP);
    check("x2APIC: EOI takes 0 only", try_wrmsr(0x80b, 1), VECTOR_GP);
    check_absent_page(APIC_PAGE);
    forget_irqs();
    interrupts_on();
    wrmsr(0x83f, 0x44);
    __asm__ volatile("nop");
    interrupts_off();
    check("x2APIC: a message to itself", irq_counts[0x44], 1);
}

#define OTHER_PAGE UINT64_C(0xfed40000)

static void check_moves(uint32_t version)
{
    unsigned address_bits = cpuid(0x80000008, 0).eax & 0xff;
    uint64_t here = APIC_PAGE | APIC_BASE_EN;

    go_to(DISABLED);
    wrmsr(IA32_APIC_BASE, OTHER_PAGE | APIC_BASE_EN);
    check("moved: answers there", mmio_read(OTHER_PAGE + APIC_LVR), version);
    check("moved: the base", rdmsr(IA32_APIC_BASE), OTHER_PAGE | APIC_BASE_EN | APIC_BASE_BSP);
    check_absent_page(APIC_PAGE);
    wrmsr(IA32_APIC_BASE, here);
    check("moved back: answers here", apic_read(APIC_LVR), version);
    check_absent_page(OTHER_PAGE);
    check("APIC base: an address too wide",
          try_wrmsr(IA32_APIC_BASE, here | UINT64_C(1) << address_bits), VECTOR_GP);
    check("APIC base: a reserved low bit", try_wrmsr(IA32_APIC_BASE, here | 1), VECTOR_GP);
    check("APIC base: bit 9", try_wrmsr(IA32_APIC_BASE, here | 1 << 9), VECTOR_GP);
    check("APIC base: is what it was", rdmsr(IA32_APIC_BASE), here | APIC_BASE_BSP);
}

void check_apic_base(void)
{
    bool has_x2apic = cpuid(1, 0).ecx >> 21 & 1;
    uint32_t version = apic_read(APIC_LVR);

    check("APIC version", (version & 0xff) >= 0x10 && (version & 0xff) <= 0x15, true);
    check("CPUID: x2APIC", has_x2apic, true);
    check_transitions(has_x2apic);
    check_modes(version, has_x2apic);
    check_moves(version);
}
