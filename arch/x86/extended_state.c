#include "arch/x86/extended_state.h"

#include "arch/x86/cpu.h"
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
    /* XRSTOR of an area whose header says that nothing was saved. Each processor writes the same
     * into it. */
    static uint8_t area[PAGE_SIZE] __attribute__((aligned(64)));

    *(uint32_t *)(void *)(area + MXCSR_OFFSET) = MXCSR_RESET;
    __asm__ volatile("fninit");
    if (!has_xsave()) {
        __asm__ volatile("fxrstor64 %0\n\tfninit" : : "m"(area));
        return;
    }
    struct cpuid_result supported = cpuid_max(0xd, 0);
    xsetbv(0, (uint64_t)supported.edx << 32 | supported.eax);
    __asm__ volatile("xrstor64 %0" : : "m"(area), "a"(UINT32_MAX), "d"(UINT32_MAX));
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
    __asm__ volatile("vmovdqu %1, %%ymm0\n\t"
                     "xsavec64 %0"
                     : "+m"(area)
                     : "m"(ymm0), "a"(components), "d"(0));
    extended_state_reset();
    return memcmp(area + EXTENDED_OFFSET, ymm0 + 16, 16) == 0;
}
