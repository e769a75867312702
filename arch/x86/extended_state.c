// SPDX-License-Identifier: BSD-2-Clause
#include "arch/x86/extended_state.h"

#include "arch/x86/cpu.h"
#include "arch/x86/fpu_instructions.h"
#include "arch/x86/registers.h"
#include "vmm/base/types.h"

#include <string.h>

#define CPUID_1_ECX_XSAVE    BIT(26)
#define CPUID_D_1_EAX_XSAVEC BIT(1)

#define XCR0_X87 BIT(0)
#define XCR0_SSE BIT(1)
#define XCR0_AVX BIT(2)

/* SDM vol. 1, "Legacy Region of an XSAVE Area", "XSAVE Header". */
#define MXCSR_OFFSET    24
#define MXCSR_RESET     0x1f80
#define EXTENDED_OFFSET (512 + 64)

static bool has_xsave(void)
{
    return (cpuid_max(1, 0).ecx & CPUID_1_ECX_XSAVE) != 0;
}

void extended_state_reset(void)
{
    /* XRSTOR reads an area whose header says that nothing was saved. Every processor writes the
     * same values to it. */
    static uint8_t area[PAGE_SIZE] __attribute__((aligned(64)));

    *(uint32_t *)(void *)(area + MXCSR_OFFSET) = MXCSR_RESET;
    fninit();
    if (!has_xsave()) {
        fxrstor64((const uint8_t(*)[512])area);
        fninit();
        return;
    }
    struct cpuid_result supported = cpuid_max(0xd, 0);
    xsetbv(0, (uint64_t)supported.edx << 32 | supported.eax);
    xrstor64((const uint8_t(*)[PAGE_SIZE])area, UINT64_MAX);
    xsetbv(0, XCR0_X87);
}

bool extended_state_compacts_rightly(void)
{
    const uint32_t components = XCR0_X87 | XCR0_SSE | XCR0_AVX;
    uint8_t area[1024] __attribute__((aligned(64)));
    uint8_t ymm0[32];

    if (!has_xsave() || (cpuid_max(0xd, 0).eax & XCR0_AVX) == 0 ||
        (cpuid_max(0xd, 1).eax & CPUID_D_1_EAX_XSAVEC) == 0)
        return true;
    memset(area, 0, sizeof(area));
    for (size_t i = 0; i < sizeof(ymm0); i++)
        ymm0[i] = (uint8_t)(0xa0 + i);
    extended_state_reset();
    xsetbv(0, components);
    load_ymm0_and_xsavec64((const uint8_t(*)[32])ymm0, &area, components);
    extended_state_reset();
    return memcmp(area + EXTENDED_OFFSET, ymm0 + 16, 16) == 0;
}

/* --- Single registers --- */

/* Sets CR4.OSFXSR, without which SSE instructions raise #UD. Returns the old value of CR4. */
static uint64_t enable_sse(void)
{
    uint64_t cr4 = read_cr4();

    if ((cr4 & CR4_OSFXSR) == 0)
        write_cr4(cr4 | CR4_OSFXSR);
    return cr4;
}

static void restore_cr4(uint64_t cr4)
{
    if ((cr4 & CR4_OSFXSR) == 0)
        write_cr4(cr4);
}

void extended_state_read_xmm(unsigned number, uint8_t bytes[16])
{
    uint64_t cr4 = enable_sse();

    read_xmm(number, bytes);
    restore_cr4(cr4);
}

void extended_state_write_xmm(unsigned number, const uint8_t bytes[16])
{
    uint64_t cr4 = enable_sse();

    write_xmm(number, bytes);
    restore_cr4(cr4);
}

void extended_state_read_mmx(unsigned number, uint8_t bytes[8])
{
    read_mmx(number, bytes);
}

void extended_state_write_mmx(unsigned number, const uint8_t bytes[8])
{
    write_mmx(number, bytes);
}

bool extended_state_has_x87_exception(void)
{
    const uint16_t exception_summary = BIT(7);

    return (fnstsw() & exception_summary) != 0;
}
