// SPDX-License-Identifier: BSD-2-Clause
/* The processor's instructions, and what is made of a few of them. */
#ifndef ARCH_X86_CPU_H
#define ARCH_X86_CPU_H

#include "arch/x86/instructions.h"

#include <stdbool.h>

/* Executes CPUID, but returns zeros for a leaf above the highest of its range (base 0, 0x40000000
 * or 0x80000000). Intel's processors would return the data of the highest basic leaf there. */
static inline struct cpuid_result cpuid_max(uint32_t leaf, uint32_t subleaf)
{
    if (leaf > cpuid(leaf & 0xf0000000, 0).eax)
        return (struct cpuid_result){0, 0, 0, 0};
    return cpuid(leaf, subleaf);
}

/* Returns CPUID.1:ECX[31], which processors leave 0 and hypervisors set. Under a hypervisor CPUID
 * and similar instructions exit, and may take ten microseconds or more. */
static inline bool cpu_is_virtual(void)
{
    return (cpuid(1, 0).ecx >> 31) != 0;
}

/* Returns the initial APIC ID (8 bits), which identifies a processor even if nothing else works any
 * more. 8 bits are enough for a monitor that uses at most so many processors. */
static inline uint8_t cpu_initial_apic_id(void)
{
    return (uint8_t)(cpuid(1, 0).ebx >> 24);
}

/* Stops this processor for good, with interrupts off. An NMI only wakes it to halt again. */
_Noreturn static inline void cpu_stop(void)
{
    for (;;) {
        cli();
        hlt();
    }
}

#endif
