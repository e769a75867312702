// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/devices/cmos_setup.h"

#include "vmm/base/types.h"

#define EQUIPMENT_FPU   0x02
#define BASE_MEMORY_KIB 640

/* Stores value, or the largest number that fits, in size_bytes bytes, the lowest first. */
static void store(struct mc146818 *rtc, unsigned index, unsigned size_bytes, uint64_t value)
{
    uint64_t largest = (UINT64_C(1) << 8 * size_bytes) - 1;
    uint64_t clamped = value > largest ? largest : value;

    for (unsigned i = 0; i < size_bytes; i++)
        mc146818_set_cmos(rtc, index + i, (uint8_t)(clamped >> 8 * i));
}

void cmos_setup(struct mc146818 *rtc, uint64_t low_end, uint64_t high_bytes)
{
    uint64_t extended_kib = low_end / KIB - KIB;
    uint64_t above_16m = low_end > 16 * MIB ? low_end - 16 * MIB : 0;

    store(rtc, CMOS_EQUIPMENT, 1, EQUIPMENT_FPU);
    store(rtc, CMOS_BASE_MEMORY, 2, BASE_MEMORY_KIB);
    store(rtc, CMOS_EXTENDED_MEMORY, 2, extended_kib);
    store(rtc, CMOS_EXTENDED_MEMORY_POST, 2, extended_kib);
    store(rtc, CMOS_MEMORY_ABOVE_16M, 2, above_16m / (64 * KIB));
    store(rtc, CMOS_MEMORY_ABOVE_4G, 3, high_bytes / (64 * KIB));
}
