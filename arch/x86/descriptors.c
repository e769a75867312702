// SPDX-License-Identifier: BSD-2-Clause
#include "arch/x86/descriptors.h"

#include "arch/x86/cpu.h"
#include "arch/x86/traps.h"
#include "vmm/base/bits.h"

/* SDM vol. 3A, "Segment Descriptors". The accessed bit is set, so that loading a descriptor does
 * not write to it. */
#define DESCRIPTOR_CODE64   UINT64_C(0x00209b0000000000) /* present, ring 0, execute/read, L */
#define DESCRIPTOR_DATA     UINT64_C(0x0000930000000000) /* present, ring 0, read/write */
#define DESCRIPTOR_TSS64    UINT64_C(0x0000890000000000) /* present, available 64-bit TSS */
#define TSS_DESCRIPTOR_BUSY BIT(41)

enum { IST_NONE = 0, IST_NMI = 1, IST_DOUBLE_FAULT = 2, IST_MACHINE_CHECK = 3 };

/* SDM vol. 3A, figure "64-Bit IDT Gate Descriptors". */
struct gate {
    uint16_t offset_15_0;
    uint16_t selector;
    uint8_t ist;
    uint8_t type; /* 0x8e: present, ring 0, interrupt gate, which clears IF on entry */
    uint16_t offset_31_16;
    uint32_t offset_63_32;
    uint32_t reserved;
};
_Static_assert(sizeof(struct gate) == 16, "a gate is 16 bytes");

static struct gate idt[TRAP_VECTORS] __attribute__((aligned(16)));

/* Fills the IDT. Every processor writes the same content, so a second write while others use the
 * IDT does no harm. */
static void fill_idt(void)
{
    static const uint8_t ist[TRAP_VECTORS] = {
        [VECTOR_NMI] = IST_NMI,
        [VECTOR_DF] = IST_DOUBLE_FAULT,
        [VECTOR_MC] = IST_MACHINE_CHECK,
    };

    for (unsigned vector = 0; vector < TRAP_VECTORS; vector++) {
        uint64_t offset = (uint64_t)trap_stubs + vector * TRAP_STUB_BYTES;
        idt[vector] = (struct gate){
            .offset_15_0 = (uint16_t)offset,
            .selector = SELECTOR_CODE,
            .ist = ist[vector],
            .type = 0x8e,
            .offset_31_16 = (uint16_t)(offset >> 16),
            .offset_63_32 = (uint32_t)(offset >> 32),
        };
    }
}

void descriptors_init(struct cpu_descriptors *descriptors, const struct exception_stacks *stacks)
{
    uint64_t base = (uint64_t)&descriptors->task_state;
    uint64_t limit = sizeof(struct task_state) - 1;

    descriptors->task_state = (struct task_state){
        .ist =
            {
                [IST_NMI - 1] = stacks->nmi_top,
                [IST_DOUBLE_FAULT - 1] = stacks->double_fault_top,
                [IST_MACHINE_CHECK - 1] = stacks->machine_check_top,
            },
        .io_map_base = sizeof(struct task_state), /* beyond the limit: no I/O map */
    };
    descriptors->gdt[0] = 0;
    descriptors->gdt[SELECTOR_CODE / 8] = DESCRIPTOR_CODE64;
    descriptors->gdt[SELECTOR_DATA / 8] = DESCRIPTOR_DATA;
    descriptors->gdt[SELECTOR_TSS / 8] =
        DESCRIPTOR_TSS64 | limit | BITS(base, 23, 0) << 16 | BITS(base, 31, 24) << 56;
    descriptors->gdt[SELECTOR_TSS / 8 + 1] = base >> 32;
}

void descriptors_load(struct cpu_descriptors *descriptors)
{
    const struct descriptor_table_register gdtr = {
        .limit = sizeof(descriptors->gdt) - 1,
        .base = (uint64_t)descriptors->gdt,
    };
    const struct descriptor_table_register idtr = {
        .limit = sizeof(idt) - 1,
        .base = (uint64_t)idt,
    };

    fill_idt();
    lgdt(&gdtr);
    load_segments(SELECTOR_CODE, SELECTOR_DATA);
    lldt(0);
    descriptors->gdt[SELECTOR_TSS / 8] &= ~TSS_DESCRIPTOR_BUSY;
    ltr(SELECTOR_TSS);
    lidt(&idtr);
}

uint64_t descriptors_idt_base(void)
{
    return (uint64_t)idt;
}
