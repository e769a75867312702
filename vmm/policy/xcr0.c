// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/policy/xcr0.h"

bool xcr0_is_valid(uint64_t value, uint64_t mask)
{
    if ((value & ~mask) != 0 || (value & XCR0_X87) == 0)
        return false;
    if ((value & XCR0_AVX) != 0 && (value & XCR0_SSE) == 0)
        return false;
    if ((value & XCR0_AVX512) == 0)
        return true;
    return (value & XCR0_AVX512) == XCR0_AVX512 && (value & XCR0_AVX) != 0;
}
