// SPDX-License-Identifier: BSD-2-Clause
/* The instructions for FPU and vector state, and for the protection keys, which XSAVE counts to it;
 * one inline function each, as in instructions.h. Intel SDM vol. 2, "Instruction Set Reference". */
#ifndef ARCH_X86_FPU_INSTRUCTIONS_H
#define ARCH_X86_FPU_INSTRUCTIONS_H

#include <stdint.h>

static inline void fninit(void)
{
    __asm__ volatile("fninit");
}

static inline uint16_t fnstsw(void)
{
    uint16_t status;

    __asm__ volatile("fnstsw %0" : "=a"(status));
    return status;
}

/* Load and store the area of FXSAVE and XSAVE, aligned to 16 and to 64 bytes. components: a bit for
 * each component of the state, as in XCR0. */
static inline void fxrstor64(const uint8_t (*area)[512])
{
    __asm__ volatile("fxrstor64 %0" : : "m"(*area));
}

static inline void xrstor64(const uint8_t (*area)[4096], uint64_t components)
{
    __asm__ volatile("xrstor64 %0"
                     :
                     : "m"(*area), "a"((uint32_t)components), "d"((uint32_t)(components >> 32)));
}

/* Loads YMM0 with bytes, then stores components. */
static inline void load_ymm0_and_xsavec64(const uint8_t (*bytes)[32], uint8_t (*area)[1024],
                                          uint64_t components)
{
    __asm__ volatile("vmovdqu %1, %%ymm0\n\t"
                     "xsavec64 %0"
                     : "+m"(*area)
                     : "m"(*bytes), "a"((uint32_t)components), "d"((uint32_t)(components >> 32)));
}

#define XMM_CASES(instruction)                                                                     \
    ONE(instruction, 0)                                                                            \
    ONE(instruction, 1)                                                                            \
    ONE(instruction, 2)                                                                            \
    ONE(instruction, 3)                                                                            \
    ONE(instruction, 4)                                                                            \
    ONE(instruction, 5)                                                                            \
    ONE(instruction, 6)                                                                            \
    ONE(instruction, 7)                                                                            \
    ONE(instruction, 8)                                                                            \
    ONE(instruction, 9)                                                                            \
    ONE(instruction, 10)                                                                           \
    ONE(instruction, 11)                                                                           \
    ONE(instruction, 12)                                                                           \
    ONE(instruction, 13)                                                                           \
    ONE(instruction, 14)                                                                           \
    ONE(instruction, 15)

#define MMX_CASES(instruction)                                                                     \
    ONE(instruction, 0)                                                                            \
    ONE(instruction, 1)                                                                            \
    ONE(instruction, 2)                                                                            \
    ONE(instruction, 3)                                                                            \
    ONE(instruction, 4)                                                                            \
    ONE(instruction, 5)                                                                            \
    ONE(instruction, 6)                                                                            \
    ONE(instruction, 7)

/* Copy a register to or from bytes. number: 0 to 15 of XMM, 0 to 7 of MMX; others do nothing. */
static inline void read_xmm(unsigned number, uint8_t bytes[16])
{
    switch (number) {
#define ONE(instruction, n)                                                                        \
    case n: __asm__ volatile(instruction " %%xmm" #n ", %0" : "=m"(*(uint8_t(*)[16])bytes)); break;
        XMM_CASES("movups")
#undef ONE
    default: break;
    }
}

static inline void write_xmm(unsigned number, const uint8_t bytes[16])
{
    switch (number) {
#define ONE(instruction, n)                                                                        \
    case n:                                                                                        \
        __asm__ volatile(instruction " %0, %%xmm" #n : : "m"(*(const uint8_t(*)[16])bytes));       \
        break;
        XMM_CASES("movups")
#undef ONE
    default: break;
    }
}

static inline void read_mmx(unsigned number, uint8_t bytes[8])
{
    switch (number) {
#define ONE(instruction, n)                                                                        \
    case n: __asm__ volatile(instruction " %%mm" #n ", %0" : "=m"(*(uint8_t(*)[8])bytes)); break;
        MMX_CASES("movq")
#undef ONE
    default: break;
    }
}

static inline void write_mmx(unsigned number, const uint8_t bytes[8])
{
    switch (number) {
#define ONE(instruction, n)                                                                        \
    case n:                                                                                        \
        __asm__ volatile(instruction " %0, %%mm" #n : : "m"(*(const uint8_t(*)[8])bytes));         \
        break;
        MMX_CASES("movq")
#undef ONE
    default: break;
    }
}

#undef XMM_CASES
#undef MMX_CASES

/* Returns PKRU. #UD unless CR4.PKE is set. */
static inline uint32_t rdpkru(void)
{
    uint32_t pkru;

    __asm__ volatile("rdpkru" : "=a"(pkru) : "c"(0) : "rdx");
    return pkru;
}

#endif
