// SPDX-License-Identifier: BSD-2-Clause
/* More instructions on trapping memory, those that a program seldom aims at a device: with
 * products, quotients and conditions, on a stack that lies there, through pointers, with vector and
 * segment registers. Each is carried out there and on RAM, and both have to be the same afterwards.
 */
#include "tests/multiboot/suite.h"

#define DEVICE UINT64_C(0xff000000)

#define PATTERN UINT64_C(0x8123456789abcdef)
#define OPERAND UINT64_C(0x70e1d2c3b4a59687)

struct result {
    uint64_t memory, rax, rdx, reg, flags;
};

/* One instruction with a memory operand (%[m]), a register (%[r]), rAX and rDX, and the flags that
 * it defines. */
#define INSTRUCTION(function, flag_mask, text)                                                     \
    static struct result function(volatile uint64_t *at)                                           \
    {                                                                                              \
        struct result result = {.reg = OPERAND, .rax = PATTERN, .rdx = 0x123456};                  \
                                                                                                   \
        *at = PATTERN;                                                                             \
        __asm__ volatile("pushq $3\n\tpopfq\n\t" text                                              \
                         "\n\tpushfq\n\tpopq %[flags]\n\tandq $" flag_mask ", %[flags]"            \
                         : [m] "+m"(*at), [r] "+r"(result.reg), [flags] "=&r"(result.flags),       \
                           "+a"(result.rax), "+d"(result.rdx)                                      \
                         : "c"(5)                                                                  \
                         : "cc", "memory");                                                        \
        result.memory = *at;                                                                       \
        return result;                                                                             \
    }

#define CARRY_OVERFLOW "0x801"
#define ZERO           "0x40"
#define NONE           "0"
#define OF_SHIFT       "0xc5" /* CF, PF, ZF, SF */

INSTRUCTION(imul_16, CARRY_OVERFLOW, "imulw %[m], %w[r]")
INSTRUCTION(imul_32, CARRY_OVERFLOW, "imull %[m], %k[r]")
INSTRUCTION(imul_64, CARRY_OVERFLOW, "imulq %[m], %q[r]")
INSTRUCTION(imul_byte, CARRY_OVERFLOW, "imulq $-51, %[m], %q[r]")
INSTRUCTION(imul_word, CARRY_OVERFLOW, "imulw $311, %[m], %w[r]")
INSTRUCTION(mul_8, CARRY_OVERFLOW, "mulb %[m]")
INSTRUCTION(mul_64, CARRY_OVERFLOW, "mulq %[m]")
INSTRUCTION(imul_one, CARRY_OVERFLOW, "imull %[m]")
INSTRUCTION(div_64, NONE, "divq %[m]")
INSTRUCTION(idiv_64, NONE, "idivq %[m]")
INSTRUCTION(shld_cl, OF_SHIFT, "shldl %%cl, %k[r], %[m]")
INSTRUCTION(shrd_imm, OF_SHIFT, "shrdq $3, %q[r], %[m]")
INSTRUCTION(bsf, ZERO, "bsfl %[m], %k[r]")
INSTRUCTION(bsr, ZERO, "bsrw %[m], %w[r]")
INSTRUCTION(cmov_taken, NONE, "cmovcl %[m], %k[r]")
INSTRUCTION(cmov_not_taken, NONE, "cmovncl %[m], %k[r]")
INSTRUCTION(set_taken, NONE, "setc %[m]")
INSTRUCTION(set_not_taken, NONE, "setbe %[m]\n\tseta %[m]")
INSTRUCTION(smsw, NONE, "smsw %[m]")
INSTRUCTION(sldt, NONE, "sldt %[m]")
INSTRUCTION(mov_from_cs, NONE, "mov %%cs, %[m]")
INSTRUCTION(mov_to_es, NONE, "mov %%ds, %[m]\n\tmov %[m], %%es\n\tmov %%es, %k[r]")
INSTRUCTION(mov_null_to_fs, NONE, "movw $0, %[m]\n\tmov %[m], %%fs\n\tmov %%fs, %k[r]")
INSTRUCTION(jump, NONE, "lea 1f(%%rip), %q[r]\n\tmovq %q[r], %[m]\n\tjmpq *%[m]\n\tud2\n1:")
INSTRUCTION(call, NONE,
            "lea 1f(%%rip), %q[r]\n\tmovq %q[r], %[m]\n\tcallq *%[m]\n2:\tud2\n"
            "1:\tpopq %%rdx\n\tlea 2b(%%rip), %%rax\n\tsubq %%rax, %%rdx")

#define ROW(function)                                                                              \
    {                                                                                              \
#function, function                                                                        \
    }

static const struct {
    const char *name;
    struct result (*run)(volatile uint64_t *at);
} instructions[] = {
    ROW(imul_16),       ROW(imul_32),   ROW(imul_64),        ROW(imul_byte),
    ROW(imul_word),     ROW(mul_8),     ROW(mul_64),         ROW(imul_one),
    ROW(div_64),        ROW(idiv_64),   ROW(shld_cl),        ROW(shrd_imm),
    ROW(bsf),           ROW(bsr),       ROW(cmov_taken),     ROW(set_taken),
    ROW(set_not_taken), ROW(smsw),      ROW(cmov_not_taken), ROW(sldt),
    ROW(mov_from_cs),   ROW(mov_to_es), ROW(jump),           ROW(mov_null_to_fs),
    ROW(call),
};

static void check_instructions(void)
{
    static uint64_t ram[4];

    for (unsigned i = 0; i < ARRAY_COUNT(instructions); i++) {
        struct result want = instructions[i].run(&ram[1]);
        struct result got = instructions[i].run((volatile uint64_t *)(DEVICE + 0x203));

        check(instructions[i].name, (uint64_t)memcmp(&got, &want, sizeof(got)), 0);
        if (memcmp(&got, &want, sizeof(got)) != 0) {
            check("its memory", got.memory, want.memory);
            check("its rax", got.rax, want.rax);
            check("its rdx", got.rdx, want.rdx);
            check("its register", got.reg, want.reg);
            check("its flags", got.flags, want.flags);
        }
    }
}

/* --- A stack there --- */

#define STACK_BYTES 128

/* What is left of the stack pointer and the frame pointer; the stack's memory begins filled. */
static uint64_t use_stack(uint64_t bottom)
{
    uint64_t top = bottom + STACK_BYTES, left = 0, frame = 0, value = PATTERN;

    for (unsigned i = 0; i < STACK_BYTES; i += 8)
        *(volatile uint64_t *)(bottom + i) = 0x5555555555555555;
    __asm__ volatile("mov %%rsp, %%r12\n\t"
                     "mov %%rbp, %%r13\n\t"
                     "mov %[top], %%rsp\n\t"
                     "mov $0x123456, %%ebp\n\t"
                     "pushq $-7\n\t"
                     "pushq %[value]\n\t"
                     "pushq (%[memory])\n\t"
                     "pushq $-7070707\n\t"
                     "pushw %w[value]\n\t"
                     "popw %w[value]\n\t"
                     "popq %[value]\n\t"
                     "call 1f\n"
                     "1:\tlea 2f(%%rip), %%r14\n\t"
                     "pushq %%r14\n\t"
                     "ret\n\t"
                     "ud2\n"
                     "2:\tpushq %%r14\n\t"
                     "enter $0x18, $0\n\t"
                     "mov %%rsp, %[left]\n\t"
                     "mov %%rbp, %[frame]\n\t"
                     "leave\n\t"
                     "popq 8(%%rsp)\n\t"
                     "add %%rbp, %[left]\n\t"
                     "add %%rsp, %[left]\n\t"
                     "mov %%r13, %%rbp\n\t"
                     "mov %%r12, %%rsp"
                     : [left] "+&r"(left), [frame] "+&r"(frame), [value] "+&r"(value)
                     : [top] "r"(top), [memory] "r"(&(const uint64_t){OPERAND})
                     : "r12", "r13", "r14", "memory", "cc");
    return left + frame - 3 * top + value;
}

static void check_stack(void)
{
    static uint64_t ram[STACK_BYTES / 8];
    uint64_t there = DEVICE + 0x3000 - 60; /* across pages */
    uint64_t want = use_stack((uint64_t)ram);

    check("a stack there: registers", use_stack(there), want);
    check("a stack there: memory", (uint64_t)memcmp((void *)there, ram, sizeof(ram)), 0);
}

/* --- Vector registers --- */

#define CR0_EM_TS  UINT64_C(0xc)
#define CR4_OSFXSR UINT64_C(0x200)

/* Stores what was loaded from RAM, loads it again, and stores it to RAM: a difference, or 0. The
 * store is store_bytes long; what is loaded by load_bytes is cleared above these. */
#define VECTOR(function, reg, store, load, bytes)                                                  \
    static uint64_t function(void *there)                                                          \
    {                                                                                              \
        static uint8_t from[32] __attribute__((aligned(16))), back[32];                            \
                                                                                                   \
        for (unsigned i = 0; i < sizeof(from); i++)                                                \
            from[i] = (uint8_t)(i * 29 + 7);                                                       \
        memset(back, 0xee, sizeof(back));                                                          \
        memset(there, 0, sizeof(from));                                                            \
        __asm__ volatile("movq (%[from]), %%mm7\n\t"                                               \
                         "movdqu (%[from]), %%xmm9\n\t" store " %%" reg ", (%[there])\n\t"         \
                         "pxor %%mm7, %%mm7\n\t"                                                   \
                         "pcmpeqb %%xmm9, %%xmm9\n\t" load " (%[there]), %%" reg "\n\t"            \
                         "movdqu %%xmm9, (%[back])\n\t"                                            \
                         "movq %%mm7, 16(%[back])\n\t"                                             \
                         "emms"                                                                    \
                         :                                                                         \
                         : [from] "r"(from), [there] "r"(there), [back] "r"(back)                  \
                         : "memory");                                                              \
        return (uint64_t)(memcmp(there, from, bytes) != 0) +                                       \
               2 * (memcmp((reg)[0] == 'm' ? back + 16 : back, from, bytes) != 0) +                \
               4 * (((uint8_t *)there)[bytes] != 0) +                                              \
               8 * ((reg)[0] == 'x' && (bytes) < 16 && (back[bytes] | back[15]) != 0);             \
    }

VECTOR(movdqu, "xmm9", "movdqu", "movdqu", 16)
VECTOR(movdqa, "xmm9", "movdqa", "movdqa", 16)
VECTOR(movaps, "xmm9", "movaps", "movaps", 16)
VECTOR(movapd, "xmm9", "movapd", "movapd", 16)
VECTOR(movups, "xmm9", "movups", "movups", 16)
VECTOR(movupd, "xmm9", "movupd", "movupd", 16)
VECTOR(movntdq, "xmm9", "movntdq", "movdqa", 16)
VECTOR(movntps, "xmm9", "movntps", "lddqu", 16)
VECTOR(movss, "xmm9", "movss", "movss", 4)
VECTOR(movsd, "xmm9", "movsd", "movsd", 8)
VECTOR(movq, "xmm9", "movq", "movq", 8)
VECTOR(movq_mmx, "mm7", "movq", "movq", 8)
VECTOR(movntq, "mm7", "movntq", "movq", 8)

static void check_vectors(void)
{
    static const struct {
        const char *name;
        uint64_t (*run)(void *there);
        bool is_aligned;
    } moves[] = {
        {"MOVDQU", movdqu, false},  {"MOVDQA", movdqa, true},   {"MOVAPS", movaps, true},
        {"MOVAPD", movapd, true},   {"MOVUPS", movups, false},  {"MOVUPD", movupd, false},
        {"MOVNTDQ", movntdq, true}, {"MOVNTPS", movntps, true}, {"MOVSS", movss, false},
        {"MOVSD", movsd, false},    {"MOVQ", movq, false},      {"MOVQ of MMX", movq_mmx, false},
        {"MOVNTQ", movntq, false},
    };
    uint64_t cr0, cr4;

    __asm__ volatile("mov %%cr0, %0\n\tmov %%cr4, %1" : "=r"(cr0), "=r"(cr4));
    __asm__ volatile("mov %0, %%cr0\n\tmov %1, %%cr4\n\tfninit" ::"r"(cr0 & ~CR0_EM_TS),
                     "r"(cr4 | CR4_OSFXSR));
    for (unsigned i = 0; i < ARRAY_COUNT(moves); i++) {
        check(moves[i].name, moves[i].run((void *)(DEVICE + 0x1ff0)), 0);
        if (!moves[i].is_aligned)
            check("across a page", moves[i].run((void *)(DEVICE + 0x1ffb)), 0);
    }
    __asm__ volatile("mov %0, %%cr0\n\tmov %1, %%cr4" ::"r"(cr0), "r"(cr4));
}

/* --- Segments, and what faults --- */

struct table {
    uint16_t limit;
    uint64_t base;
} __attribute__((packed));

static void check_segments(void)
{
    static uint8_t task[104];
    static uint64_t gdt[6];
    uint64_t address = (uint64_t)task;
    volatile uint64_t *there = (volatile uint64_t *)(DEVICE + 0x4ffc);
    struct table old, table = {sizeof(gdt) - 1, (uint64_t)gdt};
    uint16_t selector, ss;

    __asm__ volatile("sgdt %0" : "=m"(old));
    memcpy(gdt, (const void *)old.base, 4 * sizeof(gdt[0])); /* as suite_start.asm has them */
    gdt[4] = (sizeof(task) - 1) | (address & 0xffffff) << 16 | UINT64_C(0x89) << 40 |
             (address >> 24 & 0xff) << 56;
    gdt[5] = address >> 32;
    __asm__ volatile("lgdt %0" ::"m"(table));
    *there = 0x20;
    __asm__ volatile("ltr %0" : "+m"(*there));
    __asm__ volatile("str %0" : "=r"(selector));
    check("LTR", selector, 0x20);
    check("LTR makes the task busy", gdt[4] >> 40 & 0xff, 0x8b);
    *there = 0;
    __asm__ volatile("str %0" : "+m"(*there));
    check("STR", *there, 0x20);
    check("LTR of a busy task (vector)", try_operand(TRY_LTR, there), VECTOR_GP);
    *there = 0x18;
    check("LLDT of a code segment (vector)", try_operand(TRY_LLDT, there), VECTOR_GP);
    *there = 0;
    check("LLDT of null", try_operand(TRY_LLDT, there), VECTOR_NONE);

    __asm__ volatile("mov %%ss, %0" : "=r"(ss));
    check("MOV of null to SS", try_operand(TRY_LOAD_SS, there), VECTOR_NONE);
    __asm__ volatile("mov %%ss, %0" : "=r"(selector));
    check("SS is null", selector, 0);
    *there = 3;
    check("MOV of null with another RPL to SS (vector)", try_operand(TRY_LOAD_SS, there),
          VECTOR_GP);
    __asm__ volatile("mov %0, %%ss" ::"r"(ss));

    __asm__ volatile("lea 1f(%%rip), %%rax\n\t"
                     "mov %%rax, (%0)\n\t"
                     "movw $0x18, 8(%0)\n\t"
                     "rex.w ljmp *(%0)\n\t"
                     "ud2\n1:\t"
                     :
                     : "r"(there)
                     : "rax", "memory");
    check("far JMP comes out at its target", 1, 1);
    *((volatile uint8_t *)there + 8) = 0x10;
    check("far JMP to a data segment (vector)", try_operand(TRY_JMP_FAR, there), VECTOR_GP);
    __asm__ volatile("lgdt %0" ::"m"(old));
}

static void check_faults(void)
{
    volatile uint64_t *there = (volatile uint64_t *)(DEVICE + 0x5008);

    *there = 0;
    check("DIV by 0 there (vector)", try_operand(TRY_DIV, there), VECTOR_DE);
    *there = UINT64_C(0x1111111111111111);
    check("JMP to no canonical address (vector)", try_operand(TRY_JMP, there), VECTOR_GP);
}

void check_operands(void)
{
    if (!suite.testdev)
        return;
    check_instructions();
    check_stack();
    check_vectors();
    check_segments();
    check_faults();
}
