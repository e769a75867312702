// SPDX-License-Identifier: BSD-2-Clause
/* Instructions that C cannot express, one inline function each, named after the mnemonic. Intel SDM
 * vol. 2, "Instruction Set Reference". All of them need ring 0, except cpuid, rdtsc, pause and the
 * fences. No function checks its arguments: an MSR that does not exist or a reserved bit in a
 * control register raises #GP.
 *
 * This header, fpu_instructions.h, vmx_instructions.h and world_switch.h hold all that a program of
 * an operating system cannot execute, and nothing else: host tests bring their own (tests/fake). */
#ifndef ARCH_X86_INSTRUCTIONS_H
#define ARCH_X86_INSTRUCTIONS_H

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

/* Executes CPUID without a check of the highest leaf: see cpuid_max in cpu.h. */
static inline struct cpuid_result cpuid(uint32_t leaf, uint32_t subleaf)
{
    struct cpuid_result result;
    __asm__ volatile("cpuid"
                     : "=a"(result.eax), "=b"(result.ebx), "=c"(result.ecx), "=d"(result.edx)
                     : "a"(leaf), "c"(subleaf));
    return result;
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

/* --- Descriptor tables and segments --- */

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

/* Loads CS with the selector code, and DS, ES, SS, FS and GS with the selector data. Sets the bases
 * of FS and GS to 0. */
static inline void load_segments(uint16_t code, uint16_t data)
{
    /* Only a far return can load CS: 64-bit mode has no far jump to an immediate. */
    __asm__ volatile("pushq %[code]\n\t"
                     "leaq 1f(%%rip), %%rax\n\t"
                     "pushq %%rax\n\t"
                     "lretq\n\t"
                     "1:\n\t"
                     "movl %[data], %%ds\n\t"
                     "movl %[data], %%es\n\t"
                     "movl %[data], %%ss\n\t"
                     "movl %[data], %%fs\n\t"
                     "movl %[data], %%gs\n\t"
                     :
                     : [code] "r"((uint64_t)code), [data] "r"((uint32_t)data)
                     : "rax", "memory");
}

/* Returns the 8 bytes that GS points to. The compiler may take the value of an earlier call. */
static inline void *read_gs_pointer(void)
{
    void *value;

    __asm__("movq %%gs:0, %0" : "=r"(value));
    return value;
}

/* --- Software interrupts, stacks --- */

#define CPU_INT(vector)                                                                            \
    static inline void int##vector(void)                                                           \
    {                                                                                              \
        __asm__ volatile("int $" #vector : : : "memory");                                          \
    }
CPU_INT(2)
CPU_INT(3)
CPU_INT(18)
#undef CPU_INT

/* Calls function on the stack that ends at stack_top (16-byte aligned). The present stack is not
 * used any more. */
_Noreturn static inline void call_on_stack(uint64_t stack_top, void (*function)(void))
{
    __asm__ volatile("mov %0, %%rsp\n\t"
                     "xor %%ebp, %%ebp\n\t"
                     "call *%1\n\t"
                     "ud2"
                     :
                     : "r"(stack_top), "r"(function)
                     : "memory");
    __builtin_unreachable();
}

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

#endif
