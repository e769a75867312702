// SPDX-License-Identifier: BSD-2-Clause
/* Instructions that C cannot express, one inline function each, named after the mnemonic. Intel SDM
 * vol. 2, "Instruction Set Reference". All of them need ring 0, except cpuid, rdtsc, pause and the
 * fences. No function checks its arguments: an MSR that does not exist or a reserved bit in a
 * control register raises #GP. */
#ifndef ARCH_X86_CPU_H
#define ARCH_X86_CPU_H

#include "arch/x86/registers.h"

#include <stdbool.h>
#include <stdint.h>

/* --- Port I/O --- */

static inline uint8_t inb(uint16_t port)
{
    uint8_t value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port) : "memory");
    return value;
}

static inline uint16_t inw(uint16_t port)
{
    uint16_t value;
    __asm__ volatile("inw %1, %0" : "=a"(value) : "Nd"(port) : "memory");
    return value;
}

static inline uint32_t inl(uint16_t port)
{
    uint32_t value;
    __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port) : "memory");
    return value;
}

static inline void outb(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static inline void outw(uint16_t port, uint16_t value)
{
    __asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static inline void outl(uint16_t port, uint32_t value)
{
    __asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

/* --- Memory-mapped registers: one access of exactly this width, in program order --- */

static inline uint32_t mmio_read32(uint64_t address)
{
    uint32_t value;
    __asm__ volatile("movl %1, %0"
                     : "=r"(value)
                     : "m"(*(const volatile uint32_t *)address)
                     : "memory");
    return value;
}

static inline void mmio_write32(uint64_t address, uint32_t value)
{
    __asm__ volatile("movl %1, %0" : "=m"(*(volatile uint32_t *)address) : "r"(value) : "memory");
}

static inline void mmio_write8(uint64_t address, uint8_t value)
{
    __asm__ volatile("movb %1, %0" : "=m"(*(volatile uint8_t *)address) : "q"(value) : "memory");
}

/* --- MSRs, CPUID, TSC --- */

static inline uint64_t rdmsr(uint32_t index)
{
    uint32_t low, high;
    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(index) : "memory");
    return (uint64_t)high << 32 | low;
}

static inline void wrmsr(uint32_t index, uint64_t value)
{
    __asm__ volatile("wrmsr"
                     :
                     : "c"(index), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
                     : "memory");
}

struct cpuid_result {
    uint32_t eax, ebx, ecx, edx;
};

/* Executes CPUID without a check of the highest leaf: see cpuid_max. */
static inline struct cpuid_result cpuid(uint32_t leaf, uint32_t subleaf)
{
    struct cpuid_result result;
    __asm__ volatile("cpuid"
                     : "=a"(result.eax), "=b"(result.ebx), "=c"(result.ecx), "=d"(result.edx)
                     : "a"(leaf), "c"(subleaf));
    return result;
}

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

/* Reads the TSC. The read may execute earlier or later than the instructions around it. */
static inline uint64_t rdtsc(void)
{
    return __builtin_ia32_rdtsc();
}

/* Reads the TSC after all earlier loads are done and before any later instruction begins (SDM vol.
 * 2B, "RDTSC"). */
static inline uint64_t rdtsc_ordered(void)
{
    uint32_t low, high;
    __asm__ volatile("lfence\n\trdtsc\n\tlfence" : "=a"(low), "=d"(high) : : "memory");
    return (uint64_t)high << 32 | low;
}

/* --- Control, debug and extended control registers --- */

#define CPU_REGISTER(name)                                                                         \
    static inline uint64_t read_##name(void)                                                       \
    {                                                                                              \
        uint64_t value;                                                                            \
        __asm__ volatile("mov %%" #name ", %0" : "=r"(value) : : "memory");                        \
        return value;                                                                              \
    }                                                                                              \
    static inline void write_##name(uint64_t value)                                                \
    {                                                                                              \
        __asm__ volatile("mov %0, %%" #name : : "r"(value) : "memory");                            \
    }

CPU_REGISTER(cr0)
CPU_REGISTER(cr2)
CPU_REGISTER(cr3) /* writing flushes the TLB, except global pages */
CPU_REGISTER(cr4)
CPU_REGISTER(cr8)
CPU_REGISTER(dr0)
CPU_REGISTER(dr1)
CPU_REGISTER(dr2)
CPU_REGISTER(dr3)
CPU_REGISTER(dr6)
CPU_REGISTER(dr7)
#undef CPU_REGISTER

/* Reads an extended control register; XCR0 has index 0. #UD unless CR4.OSXSAVE is set. */
static inline uint64_t xgetbv(uint32_t index)
{
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(index) : "memory");
    return (uint64_t)high << 32 | low;
}

static inline void xsetbv(uint32_t index, uint64_t value)
{
    __asm__ volatile("xsetbv"
                     :
                     : "c"(index), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
                     : "memory");
}

static inline uint64_t read_rflags(void)
{
    uint64_t value;
    __asm__ volatile("pushfq\n\tpopq %0" : "=r"(value) : : "memory");
    return value;
}

/* --- Descriptor tables and segments --- */

/* What LGDT and LIDT load and SGDT and SIDT store (SDM vol. 3A, "Memory-Management Registers"). */
struct descriptor_table_register {
    uint16_t limit; /* bytes - 1 */
    uint64_t base;
} __attribute__((packed));
_Static_assert(sizeof(struct descriptor_table_register) == 10, "as the processor has it");

static inline void lgdt(const struct descriptor_table_register *table)
{
    __asm__ volatile("lgdt %0" : : "m"(*table) : "memory");
}

static inline void lidt(const struct descriptor_table_register *table)
{
    __asm__ volatile("lidt %0" : : "m"(*table) : "memory");
}

static inline void sgdt(struct descriptor_table_register *table)
{
    __asm__ volatile("sgdt %0" : "=m"(*table) : : "memory");
}

static inline void sidt(struct descriptor_table_register *table)
{
    __asm__ volatile("sidt %0" : "=m"(*table) : : "memory");
}

/* Loads TR and marks its TSS descriptor busy. #GP if the descriptor is busy already. */
static inline void ltr(uint16_t selector)
{
    __asm__ volatile("ltr %0" : : "r"(selector) : "memory");
}

static inline void lldt(uint16_t selector)
{
    __asm__ volatile("lldt %0" : : "r"(selector) : "memory");
}

static inline uint16_t read_tr(void)
{
    uint16_t selector;
    __asm__ volatile("str %0" : "=r"(selector));
    return selector;
}

#define CPU_SEGMENT(name)                                                                          \
    static inline uint16_t read_##name(void)                                                       \
    {                                                                                              \
        uint16_t selector;                                                                         \
        __asm__ volatile("mov %%" #name ", %0" : "=r"(selector));                                  \
        return selector;                                                                           \
    }
CPU_SEGMENT(cs)
CPU_SEGMENT(ds)
CPU_SEGMENT(es)
CPU_SEGMENT(fs)
CPU_SEGMENT(gs)
CPU_SEGMENT(ss)
#undef CPU_SEGMENT

/* --- Caches, order, waiting --- */

static inline void invlpg(uint64_t address)
{
    __asm__ volatile("invlpg (%0)" : : "r"(address) : "memory");
}

static inline void wbinvd(void)
{
    __asm__ volatile("wbinvd" : : : "memory");
}

static inline void mfence(void)
{
    __asm__ volatile("mfence" : : : "memory");
}

static inline void lfence(void)
{
    __asm__ volatile("lfence" : : : "memory");
}

static inline void cpu_pause(void)
{
    __asm__ volatile("pause" : : : "memory");
}

/* Waits for an interrupt and returns after it was handled. Never returns if interrupts are off. */
static inline void hlt(void)
{
    __asm__ volatile("hlt" : : : "memory");
}

static inline void cli(void)
{
    __asm__ volatile("cli" : : : "memory");
}

static inline void sti(void)
{
    __asm__ volatile("sti" : : : "memory");
}

/* Enables interrupts and halts in one step. STI holds interrupts off for one more instruction, so
 * none can arrive between the two and be missed (SDM vol. 2B, "STI"). Interrupts are on
 * afterwards. */
static inline void sti_hlt(void)
{
    __asm__ volatile("sti\n\thlt" : : : "memory");
}

/* Handles the pending interrupts, and disables interrupts again. The PAUSE is there because STI
 * admits interrupts only after the instruction that follows it. */
static inline void cpu_let_interrupts_in(void)
{
    __asm__ volatile("sti\n\tpause\n\tcli" : : : "memory");
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
