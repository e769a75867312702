// SPDX-License-Identifier: BSD-2-Clause
/* Sets up the segments, the task state segment and the interrupt descriptor table of one processor.
 * Intel SDM vol. 3A, "Protected-Mode Memory Management", "Interrupt and Exception Handling" and
 * "64-Bit Task State Segment". The VMCS host-state fields have the same selectors. */
#ifndef ARCH_X86_DESCRIPTORS_H
#define ARCH_X86_DESCRIPTORS_H

#include "vmm/base/types.h"

#define SELECTOR_CODE 0x08 /* CS */
#define SELECTOR_DATA 0x10 /* DS, ES, SS, FS, GS */
#define SELECTOR_TSS  0x18 /* TR; takes two slots */
#define GDT_SLOTS     5

struct task_state {
    uint32_t reserved0;
    uint64_t rsp[3];
    uint64_t reserved1;
    uint64_t ist[7]; /* [0] is IST1 in the manual */
    uint64_t reserved2;
    uint16_t reserved3;
    uint16_t io_map_base;
} __attribute__((packed));
_Static_assert(sizeof(struct task_state) == 104, "SDM vol. 3A, figure \"64-Bit TSS Format\"");

/* The stacks that the processor switches to for events that may not depend on the current stack.
 * Each value is the address after the stack's last byte, 16-byte aligned. */
struct exception_stacks {
    uint64_t nmi_top;
    uint64_t double_fault_top;
    uint64_t machine_check_top;
};

/* The tables of one processor. They stay at their address as long as the processor runs, and are
 * mapped writable, as the processor sets TR's busy bit. */
struct cpu_descriptors {
    uint64_t gdt[GDT_SLOTS] __attribute__((aligned(16)));
    struct task_state task_state __attribute__((aligned(128)));
};

/* Fills in the GDT and the TSS. Has no other effect. */
void descriptors_init(struct cpu_descriptors *descriptors, const struct exception_stacks *stacks);

/* Loads GDT, all segment registers, TR and IDT of this processor. From then on exceptions and
 * interrupts go to trap_dispatch (traps.h). FS and GS bases become 0. Interrupts are off. Called
 * once on each processor: the TSS may not be busy already. */
void descriptors_load(struct cpu_descriptors *descriptors);

/* Returns the base of the IDT, which all processors share, for the VMCS field "host IDTR base". */
uint64_t descriptors_idt_base(void);

#endif
