// SPDX-License-Identifier: BSD-2-Clause
/* Runs code with given general, MMX and XMM registers and flags on this processor. */
#ifndef TESTS_UNIT_INSN_NATIVE_RUN_H
#define TESTS_UNIT_INSN_NATIVE_RUN_H

#include <stdint.h>

struct registers {
    uint64_t gpr[16];
    uint64_t rflags;
};

/* Loads *native_registers, jumps to native_code, which comes back to native_back; stores them. */
struct registers native_registers;
uint8_t native_xmm[16][16], native_mmx[8][8];
const void *native_code;
void native_run(void);
extern const uint8_t native_back[];

__asm__(".text\n"
        ".globl native_run, native_back\n"
        "native_run:\n"
        "    push %rbx\n    push %rbp\n    push %r12\n    push %r13\n    push %r14\n    push %r15\n"
        "    mov %rsp, native_stack(%rip)\n"
        ".irp n, 0, 1, 2, 3, 4, 5, 6, 7\n    movq 8*\\n+native_mmx(%rip), %mm\\n\n.endr\n"
        ".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n"
        "    movups 16*\\n+native_xmm(%rip), %xmm\\n\n"
        ".endr\n"
        "    pushq 128+native_registers(%rip)\n"
        "    popfq\n"
        "    mov 0+native_registers(%rip), %rax\n"
        "    mov 8+native_registers(%rip), %rcx\n"
        "    mov 16+native_registers(%rip), %rdx\n"
        "    mov 24+native_registers(%rip), %rbx\n"
        "    mov 32+native_registers(%rip), %rsp\n"
        "    mov 40+native_registers(%rip), %rbp\n"
        "    mov 48+native_registers(%rip), %rsi\n"
        "    mov 56+native_registers(%rip), %rdi\n"
        "    mov 64+native_registers(%rip), %r8\n"
        "    mov 72+native_registers(%rip), %r9\n"
        "    mov 80+native_registers(%rip), %r10\n"
        "    mov 88+native_registers(%rip), %r11\n"
        "    mov 96+native_registers(%rip), %r12\n"
        "    mov 104+native_registers(%rip), %r13\n"
        "    mov 112+native_registers(%rip), %r14\n"
        "    mov 120+native_registers(%rip), %r15\n"
        "    jmp *native_code(%rip)\n"
        "native_back:\n"
        "    mov %rax, 0+native_registers(%rip)\n"
        "    mov %rcx, 8+native_registers(%rip)\n"
        "    mov %rdx, 16+native_registers(%rip)\n"
        "    mov %rbx, 24+native_registers(%rip)\n"
        "    mov %rsp, 32+native_registers(%rip)\n"
        "    mov %rbp, 40+native_registers(%rip)\n"
        "    mov %rsi, 48+native_registers(%rip)\n"
        "    mov %rdi, 56+native_registers(%rip)\n"
        "    mov %r8, 64+native_registers(%rip)\n"
        "    mov %r9, 72+native_registers(%rip)\n"
        "    mov %r10, 80+native_registers(%rip)\n"
        "    mov %r11, 88+native_registers(%rip)\n"
        "    mov %r12, 96+native_registers(%rip)\n"
        "    mov %r13, 104+native_registers(%rip)\n"
        "    mov %r14, 112+native_registers(%rip)\n"
        "    mov %r15, 120+native_registers(%rip)\n"
        "    mov native_stack(%rip), %rsp\n"
        "    pushfq\n"
        "    popq 128+native_registers(%rip)\n"
        "    cld\n"
        ".irp n, 0, 1, 2, 3, 4, 5, 6, 7\n    movq %mm\\n, 8*\\n+native_mmx(%rip)\n.endr\n"
        ".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n"
        "    movups %xmm\\n, 16*\\n+native_xmm(%rip)\n"
        ".endr\n"
        "    emms\n"
        "    pop %r15\n    pop %r14\n    pop %r13\n    pop %r12\n    pop %rbp\n    pop %rbx\n"
        "    ret\n"
        ".local native_stack\n"
        ".comm native_stack, 8, 8\n");

#endif
