// SPDX-License-Identifier: BSD-2-Clause
/* What a PC's set-up program stores in the CMOS RAM of the RTC: the equipment, and the size of
 * memory, which software without a memory map reads there.
 *
 *     0x14        equipment
 *     0x15, 0x16  memory below 1 MiB in KiB
 *     0x17, 0x18  memory above 1 MiB and below 4 GiB in KiB, at most 0xffff
 *     0x30, 0x31  the same value again
 *     0x34, 0x35  memory above 16 MiB and below 4 GiB in units of 64 KiB, at most 0xffff
 *     0x5b..0x5d  memory above 4 GiB in units of 64 KiB, at most 0xffffff
 *
 * Up to 0x31: IBM Personal Computer AT Technical Reference (1985), "Real-Time Clock/CMOS RAM
 * Information". The others are those of the BIOS that Bochs and QEMU share (Bochs 2.7,
 * bios/rombios.c, INT 15h, AX=E801h and AX=E820h). Each counts from its lower limit up to where RAM
 * ends, as if there were no holes. */
#ifndef VMM_DEVICES_CMOS_SETUP_H
#define VMM_DEVICES_CMOS_SETUP_H

#include "vmm/devices/mc146818.h"

enum cmos_setup_index {
    CMOS_EQUIPMENT = 0x14,
    CMOS_BASE_MEMORY = 0x15,
    CMOS_EXTENDED_MEMORY = 0x17,
    CMOS_EXTENDED_MEMORY_POST = 0x30,
    CMOS_MEMORY_ABOVE_16M = 0x34,
    CMOS_MEMORY_ABOVE_4G = 0x5b,
};

/* Stores the bytes above in rtc. The equipment is an FPU.
 *   low_end: where RAM below 4 GiB ends, 1 MiB..4 GiB;
 *   high_bytes: the RAM from 4 GiB up. */
void cmos_setup(struct mc146818 *rtc, uint64_t low_end, uint64_t high_bytes);

#endif
