// SPDX-License-Identifier: BSD-2-Clause
/* The test-suite kernel's frame: reporting, traps, and the order of the parts. */
#include "tests/multiboot/suite.h"

#define COM1 0x3f8

enum { UART_LSR = 5, LSR_THRE = 0x20 };

#define PIC_MASTER   0x20
#define PIC_SLAVE    0xa0
#define PIC_EOI      0x20
#define VECTOR_PIC   0x20 /* as check_lines sets the 8259As up */
#define VECTOR_SLAVE 0x28
#define VECTOR_APIC  0x30

static unsigned check_count, failure_count;

/* --- Reporting --- */

static void put(char c)
{
    while ((inb(COM1 + UART_LSR) & LSR_THRE) == 0)
        ;
    outb(COM1, (uint8_t)c);
}

static void put_text(const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '\n')
            put('\r');
        put(*text);
    }
}

static void put_hex(uint64_t value)
{
    bool has_begun = false;

    for (int shift = 60; shift >= 0; shift -= 4) {
        unsigned digit = value >> shift & 15;

        has_begun = has_begun || digit != 0 || shift == 0;
        if (has_begun)
            put("0123456789abcdef"[digit]);
    }
}

void say(const char *text)
{
    put_text(text);
    put('\r');
    put('\n');
}

static void begin_check(const char *name, bool is_good)
{
    check_count++;
    failure_count += !is_good;
    put_text(is_good ? "PASS " : "FAIL ");
    put_text(name);
}

static void end_check(uint64_t got, uint64_t want)
{
    if (got != want) {
        put_text(": got ");
        put_hex(got);
        put_text(" want ");
        put_hex(want);
    }
    say("");
}

void check(const char *name, uint64_t got, uint64_t want)
{
    begin_check(name, got == want);
    end_check(got, want);
}

void check_at(const char *name, unsigned index, uint64_t got, uint64_t want)
{
    begin_check(name, got == want);
    put_text(" ");
    put_hex(index);
    end_check(got, want);
}

static _Noreturn void finish(void)
{
    put_text("END checks ");
    put_hex(check_count);
    put_text(", failed ");
    put_hex(failure_count);
    say("");
    outl(0xf4, failure_count != 0 || check_count == 0);
    for (;;)
        __asm__ volatile("cli; hlt");
}

/* --- Exceptions and interrupts --- */

struct gate {
    uint16_t offset_low, selector, type, offset_middle;
    uint32_t offset_high, reserved;
};

#define CODE64         0x18
#define INTERRUPT_GATE 0x8e00

extern const uint8_t trap_stubs[256][16];

static struct gate idt[256];

static volatile uint64_t trap_resume; /* where to go on after an exception; 0: it is fatal */
static volatile unsigned trap_vector;

volatile uint32_t irq_counts[256];
volatile uint64_t irq_rips[256];
volatile uint8_t irq_log[16];
volatile unsigned irq_log_count;
void (*volatile irq_hook)(unsigned vector);

void load_idt(void)
{
    struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) idtr = {sizeof(idt) - 1, (uint64_t)idt};

    for (unsigned i = 0; i < 256; i++) {
        uint64_t stub = (uint64_t)trap_stubs[i];

        idt[i] = (struct gate){.offset_low = (uint16_t)stub,
                               .selector = CODE64,
                               .type = INTERRUPT_GATE,
                               .offset_middle = (uint16_t)(stub >> 16)};
    }
    __asm__ volatile("lidt %0" ::"m"(idtr));
}

void forget_irqs(void)
{
    memset((void *)irq_counts, 0, sizeof(irq_counts));
    memset((void *)irq_log, 0, sizeof(irq_log));
    irq_log_count = 0;
}

static void end_interrupt(unsigned vector)
{
    if (vector >= VECTOR_APIC) {
        if (rdmsr(IA32_APIC_BASE) & APIC_BASE_EXTD)
            wrmsr(0x800 + APIC_EOI / 16, 0);
        else
            apic_write(APIC_EOI, 0);
        return;
    }
    if (vector >= VECTOR_SLAVE)
        outb(PIC_SLAVE, PIC_EOI);
    outb(PIC_MASTER, PIC_EOI);
}

void suite_trap(struct trap_frame *frame);
void suite_trap(struct trap_frame *frame)
{
    unsigned vector = (unsigned)frame->vector;

    __atomic_fetch_add(&irq_counts[vector], 1, __ATOMIC_SEQ_CST);
    if (vector >= VECTOR_PIC) {
        irq_rips[vector] = frame->rip;
        irq_log[irq_log_count++ % ARRAY_COUNT(irq_log)] = (uint8_t)vector;
        if (irq_hook != NULL)
            irq_hook(vector);
        end_interrupt(vector);
        return;
    }
    if (vector == 2) /* NMI */
        return;
    if (trap_resume != 0) {
        trap_vector = vector;
        frame->rip = trap_resume;
        return;
    }
    check("no exception (vector)", vector, VECTOR_NONE);
    check("no exception (rip)", frame->rip, 0);
    check("no exception (error code)", frame->error, 0);
    finish();
}

/* The instruction is executed once; what follows it is where an exception leads to. */
#define TRY(instruction, ...)                                                                      \
    do {                                                                                           \
        trap_vector = VECTOR_NONE;                                                                 \
        __asm__ volatile("movq $1f, %[resume]\n\t" instruction "\n1:\tmovq $0, %[resume]"          \
                         : [resume] "=m"(trap_resume)                                              \
                         : __VA_ARGS__                                                             \
                         : "memory", "cc");                                                        \
    } while (0)

unsigned try_rdmsr(uint32_t index, uint64_t *value)
{
    uint32_t low = 0, high = 0;

    trap_vector = VECTOR_NONE;
    __asm__ volatile("movq $1f, %[resume]\n\trdmsr\n1:\tmovq $0, %[resume]"
                     : "+a"(low), "+d"(high), [resume] "=m"(trap_resume)
                     : "c"(index)
                     : "memory");
    *value = (uint64_t)high << 32 | low;
    return trap_vector;
}

unsigned try_wrmsr(uint32_t index, uint64_t value)
{
    TRY("wrmsr", "a"((uint32_t)value), "d"((uint32_t)(value >> 32)), "c"(index));
    return trap_vector;
}

unsigned try_vmcall(uint64_t *rax)
{
    trap_vector = VECTOR_NONE;
    __asm__ volatile("movq $1f, %[resume]\n\tvmcall\n1:\tmovq $0, %[resume]"
                     : "+a"(*rax), [resume] "=m"(trap_resume)
                     :
                     : "memory");
    return trap_vector;
}

unsigned try_write_cr0(uint64_t value)
{
    TRY("mov %[value], %%cr0", [value] "r"(value));
    return trap_vector;
}

unsigned try_write_cr4(uint64_t value)
{
    TRY("mov %[value], %%cr4", [value] "r"(value));
    return trap_vector;
}

unsigned try_operand(enum operand_attempt what, volatile uint64_t *operand)
{
    uint64_t rax = 1, rdx = 0;

    switch (what) {
    case TRY_DIV:
        trap_vector = VECTOR_NONE;
        __asm__ volatile("movq $1f, %[resume]\n\tdivq (%[at])\n1:\tmovq $0, %[resume]"
                         : [resume] "=m"(trap_resume), "+a"(rax), "+d"(rdx)
                         : [at] "r"(operand)
                         : "memory", "cc");
        break;
    case TRY_JMP: TRY("jmpq *(%[at])", [at] "r"(operand)); break;
    case TRY_JMP_FAR: TRY("rex.w ljmp *(%[at])", [at] "r"(operand)); break;
    case TRY_LOAD_SS: TRY("mov (%[at]), %%ss", [at] "r"(operand)); break;
    case TRY_LTR: TRY("ltr (%[at])", [at] "r"(operand)); break;
    case TRY_LLDT: TRY("lldt (%[at])", [at] "r"(operand)); break;
    }
    return trap_vector;
}

/* --- Memory and strings --- */

void *memset(void *to, int byte, size_t count)
{
    void *at = to;

    __asm__ volatile("rep stosb" : "+D"(at), "+c"(count) : "a"(byte) : "memory");
    return to;
}

void *memcpy(void *to, const void *from, size_t count)
{
    void *at = to;

    __asm__ volatile("rep movsb" : "+D"(at), "+S"(from), "+c"(count)::"memory");
    return to;
}

int memcmp(const void *a, const void *b, size_t count)
{
    const uint8_t *x = a, *y = b;

    for (size_t i = 0; i < count; i++)
        if (x[i] != y[i])
            return x[i] < y[i] ? -1 : 1;
    return 0;
}

size_t strlen(const char *text)
{
    size_t count = 0;

    while (text[count] != '\0')
        count++;
    return count;
}

uint8_t sum(uint64_t address, size_t count)
{
    const volatile uint8_t *bytes = (const volatile uint8_t *)address;
    uint8_t total = 0;

    for (size_t i = 0; i < count; i++)
        total = (uint8_t)(total + bytes[i]);
    return total;
}

/* --- All of it --- */

void suite_main(void);
void suite_main(void)
{
    load_idt();
    check_environment();
    check_acpi();
    check_processor_registers();
    check_ports();
    check_memory_device();
    check_operands();
    check_lines();
    check_processors();
    check_apic_base();
    finish();
}
