// SPDX-License-Identifier: BSD-2-Clause
/* The instructions of arch/x86/instructions.h on the fake processor of the calling thread
 * (tests/fake/fake.h). An instruction that would fault on a processor ends the test with a message,
 * unless the monitor expects the fault. */
#ifndef ARCH_X86_INSTRUCTIONS_H
#define ARCH_X86_INSTRUCTIONS_H

#include "arch/x86/registers.h"

#include <stdint.h>

/* Ports: fake_ports.c */
uint8_t inb(uint16_t port);
uint16_t inw(uint16_t port);
uint32_t inl(uint16_t port);
void outb(uint16_t port, uint8_t value);
void outw(uint16_t port, uint16_t value);
void outl(uint16_t port, uint32_t value);

/* Device memory: fake_ports.c */
uint32_t mmio_read32(uint64_t address);
void mmio_write32(uint64_t address, uint32_t value);
void mmio_write8(uint64_t address, uint8_t value);

/* fake_msr.c, fake_cpuid.c */
uint64_t rdmsr(uint32_t index);
void wrmsr(uint32_t index, uint64_t value);
struct cpuid_result cpuid(uint32_t leaf, uint32_t subleaf);

/* Time is the test's: fake_time.c */
uint64_t rdtsc(void);
uint64_t rdtsc_ordered(void);
void cpu_pause(void);
void hlt(void);
void sti_hlt(void);
void cpu_let_interrupts_in(void);

/* Registers: fake_registers.c */
#define CPU_REGISTER(name)                                                                         \
    uint64_t read_##name(void);                                                                    \
    void write_##name(uint64_t value);
CPU_REGISTER(cr0)
CPU_REGISTER(cr2)
CPU_REGISTER(cr3)
CPU_REGISTER(cr4)
CPU_REGISTER(cr8)
CPU_REGISTER(dr0)
CPU_REGISTER(dr1)
CPU_REGISTER(dr2)
CPU_REGISTER(dr3)
CPU_REGISTER(dr6)
CPU_REGISTER(dr7)
#undef CPU_REGISTER
uint64_t xgetbv(uint32_t index);
void xsetbv(uint32_t index, uint64_t value);
void cli(void);
void sti(void);

void lgdt(const struct descriptor_table_register *table);
void lidt(const struct descriptor_table_register *table);
void sgdt(struct descriptor_table_register *table);
void sidt(struct descriptor_table_register *table);
void ltr(uint16_t selector);
void lldt(uint16_t selector);
uint16_t read_tr(void);
uint16_t read_cs(void);
uint16_t read_ds(void);
uint16_t read_es(void);
uint16_t read_fs(void);
uint16_t read_gs(void);
uint16_t read_ss(void);
void load_segments(uint16_t code, uint16_t data);
void *read_gs_pointer(void);

/* Exceptions: fake_traps.c */
void int2(void);
void int3(void);
void int18(void);
_Noreturn void call_on_stack(uint64_t stack_top, void (*function)(void));

/* These do nothing that a test could see, or are the compiler's. */
static inline void invlpg(uint64_t address)
{
    (void)address;
}

static inline void wbinvd(void)
{
}

static inline void mfence(void)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static inline void lfence(void)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

#endif
