// SPDX-License-Identifier: BSD-2-Clause
/* Segments, the task state segment and the interrupt descriptor table of one processor.
 * Intel SDM vol. 3A, "Protected-Mode Memory Management", "Interrupt and Exception Handling" and
 * "64-Bit Task State Segment". The selectors are also the VMCS host-state fields' values. */
#ifndef ARCH_X86_DESCRIPTORS_H
#define ARCH_X86_DESCRIPTORS_H

#include "vmm/base/types.h"

#define SELECTOR_CODE 0x08 /* CS */
#define SELECTOR_DATA 0x10 /* DS, ES, SS, FS, GS */
#define SELECTOR_TSS  0x18 /* TR; two slots */
#define GDT_SLOTS     5

struct task_state {
    uint32_t reserved0;
    uint64_t rsp[3];
    uint64_t reserved1;
    uint64_t ist[7]; /* [0] is what the manual calls IST1 */
    uint64_t reserved2;
    uint16_t reserved3;
    uint16_t io_map_base;
} __attribute__((packed));
_Static_assert(sizeof(struct task_state) == 104, "SDM vol. 3A, figure \"64-Bit TSS Format\"");

/* The stacks that the processor switches to for events that must not rely on the current one.
 * Addresses of the byte after the stack's last, 16-byte aligned. */
struct exception_stacks {
    uint64_t nmi_top;
    uint64_t double_fault_top;
    uint64_t machine_check_top;
};

/* Stays at its address as long as the processor runs; mapped writable, as TR's busy bit is set. */
struct cpu_descriptors {
    uint64_t gdt[GDT_SLOTS] __attribute__((aligned(16)));
    struct task_state task_state __attribute__((aligned(128)));
};

/* Fills in the tables. No other effect. */
void descriptors_init(struct cpu_descriptors *descriptors, const struct exception_stacks *stacks);

/* Loads GDT, all segment registers, TR and IDT of this processor: from here on exceptions and
 * interrupts go to trap_dispatch (traps.h). FS and GS bases become 0. Interrupts are off. Once for
 * each processor, and not again while the TSS is busy. */
void descriptors_load(struct cpu_descriptors *descriptors);

/* The base of the IDT, which all processors share: for the VMCS field "host IDTR base". */
uint64_t descriptors_idt_base(void);

#endif
