// SPDX-License-Identifier: BSD-2-Clause
/* The machine's processors: starts them, gives them work, interrupts them.
 *
 * The processor that booted has number 0 and runs the console between its exits. The others halt
 * until they are given a function to run. */
#ifndef VMM_HOST_CPUS_H
#define VMM_HOST_CPUS_H

#include "arch/x86/cpu.h"
#include "arch/x86/descriptors.h"
#include "arch/x86/lapic.h"
#include "arch/x86/vectors.h"
#include "arch/x86/vmx_capabilities.h"
#include "vmm/base/check.h"
#include "vmm/boot_info.h"
#include "vmm/host/address_space.h"
#include "vmm/policy/cpuid_leaves.h"

#include <stdatomic.h>

struct heap;

struct cpu {
    struct cpu *self; /* first: GS points to it */
    uint32_t index;
    uint32_t apic_id;
    struct vmx_capabilities vmx;
    bool has_sound_xsavec; /* XSAVEC works as specified, or is absent */
    struct cpuid_leaves leaves;
    struct cpuid_board cpuid; /* except for what the guest and the clock add */
    struct cpuid_summary cpuid_summary;
    const char *apic_fault; /* what is wrong with its APIC virtualization, for a message; null:
                             * nothing known */
    bool is_in_vmx_operation;

    struct page_table page_table; /* its own; see address_space.h */
    struct cpu_descriptors descriptors;
    uint64_t stack_top;
    void *vmxon_region;
    _Atomic bool is_online;
    _Atomic bool is_unfit;               /* it has logged the reason and stopped */
    void (*_Atomic work)(void *context); /* null: idle */
    void *work_context;
};

/* A processor has four stacks, each with an unmapped page below it. */
#define CPUS_STACK_BYTES (16 * PAGE_SIZE)
#define CPUS_STACK_COUNT 4

/* The most pages that its page tables take: those of the levels, the image, the heap with the guard
 * pages, and the interrupt controllers. */
#define CPUS_TABLE_PAGES 40

/* What each processor takes from the heap: the stacks, its structure, the VMXON region, and the page
 * tables. */
#define CPUS_HEAP_BYTES                                                                            \
    (CPUS_STACK_COUNT * (PAGE_SIZE + CPUS_STACK_BYTES) + (1 + CPUS_TABLE_PAGES) * PAGE_SIZE +      \
     (sizeof(struct cpu) + PAGE_SIZE - 1) / PAGE_SIZE * PAGE_SIZE)

/* Returns this processor. */
static inline struct cpu *cpu_this(void)
{
    return read_gs_pointer();
}

/* Makes cpu_this work on the processor that booted. Called before anything else, the log
 * included. */
void cpus_begin(void);

/* Sets up the processor that booted: page tables, stacks, descriptor tables, machine checks. The
 * caller continues on cpu_this()->stack_top, and there puts the page tables into force. boot and
 * heap must stay, as later functions use them.
 * STATUS_NO_MEMORY: there is no memory for the tables, the stacks or the VMXON region. */
MUST_USE enum status cpus_init(const struct boot_info *boot, struct heap *heap);

/* Return what all page tables of the monitor have in common, and where their pages come from. */
const struct address_space_machine *cpus_machine(void);
const struct page_source *cpus_page_source(void);

/* Enters VMX operation on this processor, and tries the features that a guest relies on. Needs no
 * clock. On an error, message (size bytes) says what is missing. The errors are those of
 * vmx_check_capabilities and vmx_enable. */
MUST_USE enum status cpus_enable_vmx(char *message, size_t size);

/* Starts the machine's other processors, one after the other, until wanted_count can be used with
 * the first one: of those that boot lists, in that order. The clock runs. Logs and leaves out a
 * processor that does not answer, whose VT-x or CPUID differs from the first one's, or whose TSC
 * cannot be made to agree with the first one's. */
void cpus_start_others(const struct boot_info *boot, uint32_t wanted_count);

/* The first function returns the number of usable processors, with the first one. The second
 * returns the processor with this number, 0..cpus_count() - 1 (CHECK). */
uint32_t cpus_count(void);
struct cpu *cpus_get(uint32_t index);

/* Makes another processor, which is idle, run function(context). It sees what this processor wrote
 * before. */
void cpus_run(struct cpu *cpu, void (*function)(void *context), void *context);

/* Makes processor index run function(context) and waits for the end. index may be this processor's;
 * another processor must be idle. */
void cpus_call(uint32_t index, void (*function)(void *context), void *context);

/* Returns whether the processor has no work. If so, what it wrote before is seen here. */
bool cpus_is_idle(const struct cpu *cpu);

/* The interrupt vector of a kick. */
#define CPUS_KICK_VECTOR (VECTOR_FIRST + 1)

/* Makes a processor that is in its guest, or halted, come back to the monitor once. If the
 * processor is in the monitor, it leaves its guest again at once after the next entry. */
static inline void cpus_kick(const struct cpu *cpu)
{
    /* The APIC and the processor exist, so only broken hardware can make this fail. */
    CHECK(lapic_send_interrupt(cpu->apic_id, CPUS_KICK_VECTOR) == STATUS_OK);
}

/* Ends the interrupt of a kick that a VM exit has acknowledged. A kick needs no other handling. */
static inline void cpus_kicked(void)
{
    lapic_eoi();
}

/* Halts this processor until an interrupt comes. An interrupt that came while interrupts were
 * disabled ends the wait, too: so disable interrupts, check for work, then call this. On return
 * interrupts are disabled. */
void cpus_wait(void);

/* Leaves VMX operation on all processors, and halts all except this one. Called before the firmware
 * switches the machine off. The other processors are idle. */
void cpus_stop_others(void);

#endif
