// SPDX-License-Identifier: BSD-2-Clause
/* FPU and vector state. */
#include "tests/fake/processor.h"

#include "arch/x86/fpu_instructions.h"

#include <string.h>

#define XSAVE_EXTENDED (512 + 64)
#define XCR0_AVX       BIT(2)

static void need_sse(void)
{
    if ((fake_this()->cr4 & CR4_OSFXSR) == 0)
        fake_misuse("an SSE instruction without CR4.OSFXSR");
}

void fninit(void)
{
    fake_this()->fpu.status = 0;
}

uint16_t fnstsw(void)
{
    return fake_this()->fpu.status;
}

void fxrstor64(const uint8_t (*area)[512])
{
    struct fake_fpu *fpu = &fake_this()->fpu;

    for (unsigned i = 0; i < 8; i++)
        memcpy(fpu->mmx[i], *area + 32 + 16 * i, 8);
    for (unsigned i = 0; i < 16; i++)
        memcpy(fpu->xmm[i], *area + 160 + 16 * i, 16);
}

void xrstor64(const uint8_t (*area)[4096], uint64_t components)
{
    struct fake_fpu *fpu = &fake_this()->fpu;
    uint64_t header[2];

    if ((fake_this()->cr4 & CR4_OSXSAVE) == 0)
        fake_misuse("XRSTOR without CR4.OSXSAVE");
    memcpy(header, *area + 512, sizeof(header));
    if (header[0] != 0 || header[1] != 0)
        fake_misuse("XRSTOR of a saved state: only an area without any is known");
    (void)components;
    memset(fpu->xmm, 0, sizeof(fpu->xmm));
    memset(fpu->mmx, 0, sizeof(fpu->mmx));
    fpu->status = 0;
    fpu->pkru = 0;
}

void load_ymm0_and_xsavec64(const uint8_t (*bytes)[32], uint8_t (*area)[1024], uint64_t components)
{
    if ((fake_this()->cr4 & CR4_OSXSAVE) == 0 || (fake_this()->xcr0 & XCR0_AVX) == 0)
        fake_misuse("an AVX instruction without CR4.OSXSAVE or XCR0.AVX");
    if ((components & XCR0_AVX) != 0)
        memcpy(*area + XSAVE_EXTENDED, *bytes + 16, 16);
}

void read_xmm(unsigned number, uint8_t bytes[16])
{
    need_sse();
    if (number < 16)
        memcpy(bytes, fake_this()->fpu.xmm[number], 16);
}

void write_xmm(unsigned number, const uint8_t bytes[16])
{
    need_sse();
    if (number < 16)
        memcpy(fake_this()->fpu.xmm[number], bytes, 16);
}

void read_mmx(unsigned number, uint8_t bytes[8])
{
    if (number < 8)
        memcpy(bytes, fake_this()->fpu.mmx[number], 8);
}

void write_mmx(unsigned number, const uint8_t bytes[8])
{
    if (number < 8)
        memcpy(fake_this()->fpu.mmx[number], bytes, 8);
}

uint32_t rdpkru(void)
{
    if ((fake_this()->cr4 & CR4_PKE) == 0)
        fake_misuse("RDPKRU without CR4.PKE");
    return fake_this()->fpu.pkru;
}
