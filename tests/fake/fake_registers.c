// SPDX-License-Identifier: BSD-2-Clause
/* Control, debug and segment registers. */
#include "tests/fake/processor.h"

#include "arch/x86/instructions.h"
#include "arch/x86/msr.h"

/* What the fake processor knows of CR4. */
#define CR4_KNOWN                                                                                  \
    (CR4_VME | CR4_PVI | CR4_TSD | CR4_DE | CR4_PSE | CR4_PAE | CR4_MCE | CR4_PGE | CR4_PCE |      \
     CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_UMIP | CR4_LA57 | CR4_VMXE | CR4_SMXE | CR4_FSGSBASE |      \
     CR4_PCIDE | CR4_OSXSAVE | CR4_SMEP | CR4_SMAP | CR4_PKE)
#define XCR0_X87 BIT(0)

void fake_registers_reset(struct fake_processor *processor)
{
    processor->cr0 = CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_PG;
    processor->cr4 = CR4_DE | CR4_PAE | CR4_MCE | CR4_OSFXSR | CR4_OSXMMEXCPT;
    processor->dr[6] = 0xffff0ff0;
    processor->dr[7] = 0x400;
    processor->xcr0 = XCR0_X87;
    processor->cs = 0x38;
    processor->ds = processor->es = processor->ss = 0x30;
}

uint64_t read_cr0(void)
{
    return fake_this()->cr0;
}

void write_cr0(uint64_t value)
{
    struct fake_processor *self = fake_this();

    if ((value & CR0_PG) != 0 && (value & CR0_PE) == 0)
        fake_misuse("CR0.PG without CR0.PE");
    if ((value & CR0_PG) == 0)
        fake_misuse("paging off in long mode");
    if (self->vmxon_region != NULL && (value & CR0_NE) == 0)
        fake_misuse("CR0.NE off in VMX operation");
    self->cr0 = value | CR0_ET;
}

uint64_t read_cr2(void)
{
    return fake_this()->cr2;
}

void write_cr2(uint64_t value)
{
    fake_this()->cr2 = value;
}

uint64_t read_cr3(void)
{
    return fake_this()->cr3;
}

void write_cr3(uint64_t value)
{
    fake_this()->cr3 = value;
}

uint64_t read_cr4(void)
{
    return fake_this()->cr4;
}

void write_cr4(uint64_t value)
{
    struct fake_processor *self = fake_this();

    if ((value & ~CR4_KNOWN) != 0)
        fake_misuse("reserved bits in CR4: 0x%lx", (unsigned long)value);
    if ((value & CR4_PAE) == 0 || ((value ^ self->cr4) & CR4_LA57) != 0)
        fake_misuse("CR4.PAE or CR4.LA57 changes in long mode: 0x%lx", (unsigned long)value);
    if ((value & ~self->cr4 & CR4_PCIDE) != 0 && (self->cr3 & 0xfff) != 0)
        fake_misuse("CR4.PCIDE on while CR3 has a PCID");
    if (self->vmxon_region != NULL && (value & CR4_VMXE) == 0)
        fake_misuse("CR4.VMXE off in VMX operation");
    self->cr4 = value;
}

uint64_t read_cr8(void)
{
    return fake_this()->cr8;
}

void write_cr8(uint64_t value)
{
    if (value > 15)
        fake_misuse("CR8 0x%lx", (unsigned long)value);
    fake_this()->cr8 = value;
}

#define DEBUG_REGISTER(n)                                                                          \
    uint64_t read_dr##n(void)                                                                      \
    {                                                                                              \
        return fake_this()->dr[n];                                                                 \
    }                                                                                              \
    void write_dr##n(uint64_t value)                                                               \
    {                                                                                              \
        if ((n) >= 6 && value > UINT32_MAX)                                                        \
            fake_misuse("DR%u 0x%lx", n, (unsigned long)value);                                    \
        fake_this()->dr[n] = value;                                                                \
    }
DEBUG_REGISTER(0)
DEBUG_REGISTER(1)
DEBUG_REGISTER(2)
DEBUG_REGISTER(3)
DEBUG_REGISTER(6)
DEBUG_REGISTER(7)

uint64_t xgetbv(uint32_t index)
{
    if ((fake_this()->cr4 & CR4_OSXSAVE) == 0 || index != 0)
        fake_misuse("XGETBV of %u without CR4.OSXSAVE or of no register", index);
    return fake_this()->xcr0;
}

void xsetbv(uint32_t index, uint64_t value)
{
    struct cpuid_result known = fake_get_cpuid(0xd, 0);

    if ((fake_this()->cr4 & CR4_OSXSAVE) == 0 || index != 0 || (value & XCR0_X87) == 0 ||
        (value & ~((uint64_t)known.edx << 32 | known.eax)) != 0)
        fake_misuse("XSETBV of %u with 0x%lx", index, (unsigned long)value);
    fake_this()->xcr0 = value;
}

void cli(void)
{
    fake_this()->interrupts_on = false;
}

void sti(void)
{
    fake_this()->interrupts_on = true;
}

void lgdt(const struct descriptor_table_register *table)
{
    fake_this()->gdtr = *table;
}

void lidt(const struct descriptor_table_register *table)
{
    fake_this()->idtr = *table;
}

void sgdt(struct descriptor_table_register *table)
{
    *table = fake_this()->gdtr;
}

void sidt(struct descriptor_table_register *table)
{
    *table = fake_this()->idtr;
}

/* Returns the descriptor that a selector names. */
static uint64_t *descriptor(uint16_t selector)
{
    const struct descriptor_table_register *gdtr = &fake_this()->gdtr;

    if (gdtr->base == 0 || (selector | 7u) > gdtr->limit)
        fake_misuse("the selector 0x%x is beyond the GDT", selector);
    return (uint64_t *)(gdtr->base + (selector & ~7u));
}

void ltr(uint16_t selector)
{
    const uint64_t busy = UINT64_C(1) << 41;
    uint64_t *tss = descriptor(selector);

    if ((*tss >> 40 & 0x9f) != 0x89)
        fake_misuse("LTR of 0x%x, which is no available TSS", selector);
    *tss |= busy;
    fake_this()->tr = selector;
}

void lldt(uint16_t selector)
{
    if (selector != 0)
        (void)descriptor(selector);
    fake_this()->ldtr = selector;
}

uint16_t read_tr(void)
{
    return fake_this()->tr;
}

#define SEGMENT(name)                                                                              \
    uint16_t read_##name(void)                                                                     \
    {                                                                                              \
        return fake_this()->name;                                                                  \
    }
SEGMENT(cs)
SEGMENT(ds)
SEGMENT(es)
SEGMENT(fs)
SEGMENT(gs)
SEGMENT(ss)

void load_segments(uint16_t code, uint16_t data)
{
    struct fake_processor *self = fake_this();

    if ((*descriptor(code) >> 40 & 0x98) != 0x98 || (*descriptor(data) >> 40 & 0x9a) != 0x92)
        fake_misuse("0x%x is no code segment, or 0x%x none for data", code, data);
    self->cs = code;
    self->ds = self->es = self->ss = self->fs = self->gs = data;
    *fake_msr_find(self, IA32_FS_BASE) = 0;
    *fake_msr_find(self, IA32_GS_BASE) = 0;
}

void *read_gs_pointer(void)
{
    void **pointer = (void **)*fake_msr_find(fake_this(), IA32_GS_BASE);

    if (pointer == NULL)
        fake_misuse("a read by GS, whose base is 0");
    return *pointer;
}
