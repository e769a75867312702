// SPDX-License-Identifier: BSD-2-Clause
/* The machine's processors: bringing them up, giving them work, interrupting them.
 *
 * The one that booted has number 0 and runs the console between its exits. The others wait, halted,
 * until they are given a function to run. */
#ifndef VMM_HOST_CPUS_H
#define VMM_HOST_CPUS_H

#include "arch/x86/descriptors.h"
#include "arch/x86/lapic.h"
#include "arch/x86/memory/page_table.h"
#include "arch/x86/vectors.h"
#include "arch/x86/vmx_capabilities.h"
#include "vmm/base/check.h"
#include "vmm/boot_info.h"
#include "vmm/policy/cpuid_leaves.h"

#include <stdatomic.h>

struct heap;
struct vcpu;

struct cpu {
    struct cpu *self; /* first: what GS points to */
    uint32_t index;
    uint32_t apic_id;
    struct vcpu *vcpu; /* whose exit is being handled here; null outside the run loop */
    struct vmx_capabilities vmx;
    bool has_sound_xsavec; /* or none at all */
    struct cpuid_leaves leaves;
    struct cpuid_board cpuid; /* but for what the guest and the clock add */
    struct cpuid_summary cpuid_summary;
    const char *apic_fault; /* of its APIC virtualization, for a message; null: none known */
    bool is_in_vmx_operation;

    struct cpu_descriptors descriptors;
    uint64_t stack_top;
    void *vmxon_region;
    _Atomic bool is_online;
    _Atomic bool is_unfit;               /* it has said why, and stopped */
    void (*_Atomic work)(void *context); /* null: idle */
    void *work_context;
};

/* This processor. */
static inline struct cpu *cpu_this(void)
{
    struct cpu *cpu;

    __asm__("movq %%gs:0, %0" : "=r"(cpu));
    return cpu;
}

/* Makes cpu_this work on the processor that booted; before anything else, the log included. */
void cpus_begin(void);

/* Sets up the processor that booted: stacks, descriptor tables, machine checks. page_table is in
 * force; the caller goes on to cpu_this()->stack_top. Keeps heap and page_table. STATUS_NO_MEMORY.
 */
MUST_USE enum status cpus_init(struct page_table *page_table, struct heap *heap);

/* Enters VMX operation here, and tries what of the processor a guest relies on. Calibrates nothing
 * and needs no clock. On failure message (size bytes) says what is missing. */
MUST_USE enum status cpus_enable_vmx(char *message, size_t size);

/* Starts the machine's other processors, one after the other, at most as many as boot lists. The
 * clock runs. Whoever does not answer, whose VT-x or CPUID differs from the first one's, or whose
 * TSC cannot be made to agree with it, is reported on the log and left out. */
void cpus_start_others(const struct boot_info *boot);

/* How many are there to use, the first one included; their numbers are 0..cpus_count() - 1. */
uint32_t cpus_count(void);
struct cpu *cpus_get(uint32_t index);

/* Has another, idle processor run function(context). What was written before is seen there. */
void cpus_run(struct cpu *cpu, void (*function)(void *context), void *context);

/* The same and waits for its end; on this very processor, if that is the one. */
void cpus_call(uint32_t index, void (*function)(void *context), void *context);

/* Whether it has nothing to do; what it wrote before is seen here. */
bool cpus_is_idle(const struct cpu *cpu);

/* The interrupt by which a kick comes. */
#define CPUS_KICK_VECTOR (VECTOR_FIRST + 1)

/* Makes a processor that is in its guest, or halted, come back to the monitor once. One that is in
 * the monitor leaves its guest again at once after the next entry. */
static inline void cpus_kick(const struct cpu *cpu)
{
    /* The APIC is there and so is the processor: nothing can go wrong but the hardware. */
    CHECK(lapic_send_interrupt(cpu->apic_id, CPUS_KICK_VECTOR) == STATUS_OK);
}

/* A VM exit has acknowledged the interrupt of a kick: ends it, as nothing else is to be done. */
static inline void cpus_kicked(void)
{
    lapic_eoi();
}

/* Halts this processor until an interrupt comes. Interrupts that came since they were disabled
 * count: check for work, then call this. */
void cpus_wait(void);

/* Leaves VMX operation on all processors and halts all but this one: before the firmware switches
 * the machine off. The others are idle. */
void cpus_stop_others(void);

#endif
