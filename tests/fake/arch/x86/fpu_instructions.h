// SPDX-License-Identifier: BSD-2-Clause
/* The instructions of arch/x86/fpu_instructions.h on the fake processor of the calling thread:
 * fake_fpu.c. */
#ifndef ARCH_X86_FPU_INSTRUCTIONS_H
#define ARCH_X86_FPU_INSTRUCTIONS_H

#include <stdint.h>

void fninit(void);
uint16_t fnstsw(void);
void fxrstor64(const uint8_t (*area)[512]);
void xrstor64(const uint8_t (*area)[4096], uint64_t components);
void load_ymm0_and_xsavec64(const uint8_t (*bytes)[32], uint8_t (*area)[1024], uint64_t components);
void read_xmm(unsigned number, uint8_t bytes[16]);
void write_xmm(unsigned number, const uint8_t bytes[16]);
void read_mmx(unsigned number, uint8_t bytes[8]);
void write_mmx(unsigned number, const uint8_t bytes[8]);
uint32_t rdpkru(void);

#endif
