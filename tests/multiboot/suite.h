// SPDX-License-Identifier: BSD-2-Clause
/* What the parts of the test-suite kernel share: a 64-bit kernel in the form that `qemu -kernel`
 * takes, which looks at all that such kernels rely on, reports over COM1, "PASS name" or "FAIL
 * name: got X want Y" a line, sums up with "END checks N, failed M", and ends through port 0xf4. */
#ifndef TESTS_MULTIBOOT_SUITE_H
#define TESTS_MULTIBOOT_SUITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KIB UINT64_C(0x400)
#define MIB UINT64_C(0x100000)

#define ARRAY_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* --- What the loader handed over (suite_start.asm) --- */

enum { SEGMENT_CS, SEGMENT_DS, SEGMENT_ES, SEGMENT_FS, SEGMENT_GS, SEGMENT_SS, SEGMENT_COUNT };

struct entry_registers {
    uint32_t eax, ebx, eflags, cr0, cr4, efer;
    uint32_t selectors[SEGMENT_COUNT];
    uint32_t limits[SEGMENT_COUNT]; /* as LSL has them */
    uint32_t rights[SEGMENT_COUNT]; /* as LAR has them */
    uint32_t a20_is_off;
    uint32_t bss_dirty_at; /* behind the first dword of BSS that was not zero; 0: none */
};

extern struct entry_registers entry_registers;
extern uint8_t image_start[], bss_start[], bss_end[];

/* --- What the command line says the guest is configured with (suite_env.c) --- */

struct suite {
    uint64_t cpus;
    uint64_t memory_mib;
    uint64_t module_bytes; /* 0: there is none */
    uint64_t testdev;      /* 1: on */
};

extern struct suite suite;

/* --- The parts --- */

void check_environment(void); /* reads the command line too: comes first */
void check_acpi(void);
void check_processors(void);
void check_processor_registers(void);
void check_apic_base(void);
void check_ports(void);
void check_lines(void);
void check_memory_device(void);
void check_operands(void);

/* --- Reporting (suite.c) --- */

void say(const char *text);
void check(const char *name, uint64_t got, uint64_t want);
/* "NAME INDEX" */
void check_at(const char *name, unsigned index, uint64_t got, uint64_t want);

/* --- Exceptions and interrupts (suite.c) --- */

enum { VECTOR_DE = 0, VECTOR_UD = 6, VECTOR_GP = 13, VECTOR_NONE = 0xffff };

struct trap_frame { /* as the stubs leave it */
    uint64_t r11, r10, r9, r8, rdi, rsi, rdx, rcx, rax;
    uint64_t vector, error, rip, cs, rflags, rsp, ss;
};

extern volatile uint32_t irq_counts[256];
extern volatile uint64_t irq_rips[256];
extern volatile uint8_t irq_log[16]; /* the vectors in their order */
extern volatile unsigned irq_log_count;
/* Called before the EOI; null: nothing. */
extern void (*volatile irq_hook)(unsigned vector);

void forget_irqs(void);
void load_idt(void);

/* The vector of the exception that the instruction raises, VECTOR_NONE without one. */
unsigned try_rdmsr(uint32_t index, uint64_t *value);
unsigned try_wrmsr(uint32_t index, uint64_t value);
unsigned try_vmcall(uint64_t *rax); /* number and answer */
unsigned try_write_cr0(uint64_t value);
unsigned try_write_cr4(uint64_t value);

/* The same of an instruction with a memory operand, which does not branch. */
enum operand_attempt {
    TRY_DIV, /* of 1 */
    TRY_JMP,
    TRY_JMP_FAR,
    TRY_LOAD_SS,
    TRY_LTR,
    TRY_LLDT,
};
unsigned try_operand(enum operand_attempt what, volatile uint64_t *operand);

/* --- The processor --- */

#define IA32_APIC_BASE UINT32_C(0x1b)
#define APIC_BASE_BSP  UINT64_C(0x100)
#define APIC_BASE_EXTD UINT64_C(0x400)
#define APIC_BASE_EN   UINT64_C(0x800)

#define APIC_PAGE UINT64_C(0xfee00000)
enum {
    APIC_ID = 0x20,
    APIC_LVR = 0x30,
    APIC_TPR = 0x80,
    APIC_EOI = 0xb0,
    APIC_SVR = 0xf0,
    APIC_ICR = 0x300,
    APIC_ICR_HIGH = 0x310,
    APIC_LVT_TIMER = 0x320,
    APIC_LVT_LINT0 = 0x350,
    APIC_TIMER_INITIAL = 0x380,
    APIC_TIMER_CURRENT = 0x390,
    APIC_TIMER_DIVIDE = 0x3e0,
};

static inline uint32_t mmio_read(uint64_t address)
{
    return *(volatile uint32_t *)address;
}

static inline void mmio_write(uint64_t address, uint32_t value)
{
    *(volatile uint32_t *)address = value;
}

static inline uint32_t apic_read(unsigned offset)
{
    return mmio_read(APIC_PAGE + offset);
}

static inline void apic_write(unsigned offset, uint32_t value)
{
    mmio_write(APIC_PAGE + offset, value);
}

static inline uint64_t rdmsr(uint32_t index)
{
    uint32_t low, high;

    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(index));
    return (uint64_t)high << 32 | low;
}

static inline void wrmsr(uint32_t index, uint64_t value)
{
    __asm__ volatile("wrmsr" ::"a"((uint32_t)value), "d"((uint32_t)(value >> 32)), "c"(index)
                     : "memory");
}

struct cpuid {
    uint32_t eax, ebx, ecx, edx;
};

static inline struct cpuid cpuid(uint32_t leaf, uint32_t subleaf)
{
    struct cpuid r;

    __asm__ volatile("cpuid"
                     : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx)
                     : "a"(leaf), "c"(subleaf));
    return r;
}

static inline uint64_t rdtsc(void)
{
    uint32_t low, high;

    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

static inline void interrupts_on(void)
{
    __asm__ volatile("sti; nop" ::: "memory");
}

static inline void interrupts_off(void)
{
    __asm__ volatile("cli" ::: "memory");
}

static inline void relax(void)
{
    __asm__ volatile("pause" ::: "memory");
}

/* --- Ports --- */

#define PORT_ACCESS(suffix, type, reg)                                                             \
    static inline void out##suffix(uint16_t port, type value)                                      \
    {                                                                                              \
        __asm__ volatile("out %" reg "0, %1" ::"a"(value), "d"(port) : "memory");                  \
    }                                                                                              \
    static inline type in##suffix(uint16_t port)                                                   \
    {                                                                                              \
        type value;                                                                                \
        __asm__ volatile("in %1, %" reg "0" : "=a"(value) : "d"(port) : "memory");                 \
        return value;                                                                              \
    }                                                                                              \
    static inline void rep_out##suffix(uint16_t port, const void *from, size_t count)              \
    {                                                                                              \
        __asm__ volatile("rep outs" #suffix : "+S"(from), "+c"(count) : "d"(port) : "memory");     \
    }                                                                                              \
    static inline void rep_in##suffix(uint16_t port, void *to, size_t count)                       \
    {                                                                                              \
        __asm__ volatile("rep ins" #suffix : "+D"(to), "+c"(count) : "d"(port) : "memory");        \
    }

PORT_ACCESS(b, uint8_t, "b")
PORT_ACCESS(w, uint16_t, "w")
PORT_ACCESS(l, uint32_t, "k")

/* --- Processors (suite_processors.c) --- */

#define SUITE_CPUS_MAX 8

/* --- Memory and strings (suite.c) --- */

void *memset(void *to, int byte, size_t count);
void *memcpy(void *to, const void *from, size_t count);
int memcmp(const void *a, const void *b, size_t count);
size_t strlen(const char *text);
uint8_t sum(uint64_t address, size_t count);

#endif
