// SPDX-License-Identifier: BSD-2-Clause
/* The guest's physical address space: where its RAM lies, and what each part of it is for.
 *
 *     0x00000000  RAM: interrupt vectors, BIOS data area, and what the loader puts there
 *     0x0009fc00  RAM, reserved: extended BIOS data area
 *     0x000a0000  nothing (a PC has its VGA window and option ROMs here)
 *     0x000e0000  RAM, reserved: the ACPI tables
 *     0x000f0000  RAM, reserved: the BIOS (vmm/loader/bios_area.h)
 *     0x00100000  RAM, up to the end of memory or to 3 GiB
 *     0xc0000000  no RAM: a PC's PCI devices, and the APICs (0xfec00000, 0xfee00000)
 *     0x100000000 RAM: what is left of memory
 *
 * Host memory stands behind it in the same order: below 3 GiB the offset is the guest-physical
 * address itself (so what stands behind 0xa0000..0xdffff is never seen), above 4 GiB it is 1 GiB
 * less. */
#ifndef VMM_LOADER_MEMORY_LAYOUT_H
#define VMM_LOADER_MEMORY_LAYOUT_H

#include "vmm/base/types.h"

#define GUEST_BIOS_DATA_AREA     0x400
#define GUEST_BOOT_SECTOR        0x7c00
#define GUEST_EXTENDED_BIOS_DATA 0x9fc00
#define GUEST_LOW_HOLE           0xa0000
#define GUEST_FIRMWARE_AREA      0xe0000
#define GUEST_BIOS_AREA          0xf0000 /* within the firmware area */
#define GUEST_EXTENDED_MEMORY    0x100000
#define GUEST_HIGH_HOLE          (3 * GIB)
#define GUEST_HIGH_MEMORY        (4 * GIB)
#define GUEST_RAM_BYTES_MIN      (2 * MIB)

enum guest_ram_kind {
    GUEST_RAM_USABLE,   /* the guest's to use: E820 type 1 */
    GUEST_RAM_RESERVED, /* the extended BIOS data area: RAM, E820 type 2 */
    GUEST_RAM_FIRMWARE, /* the ACPI tables and the BIOS: RAM, E820 type 2 */
};

/* What maps in INT 15h, AX=E820h's form say of a range: ACPI Specification 6.5, chapter 15,
 * "Address Range Types". Every format's memory map is made of guest_ram_layout's ranges and these.
 */
enum guest_e820_type {
    GUEST_E820_RAM = 1,
    GUEST_E820_RESERVED = 2,
};

static inline enum guest_e820_type guest_e820_type(enum guest_ram_kind kind)
{
    return kind == GUEST_RAM_USABLE ? GUEST_E820_RAM : GUEST_E820_RESERVED;
}

struct guest_ram_range {
    gpa_t gpa;           /* page aligned but for GUEST_EXTENDED_BIOS_DATA, which is 1 KiB aligned */
    uint64_t size_bytes; /* likewise */
    uint64_t offset_bytes; /* of its first byte in the host memory that stands behind the guest */
    enum guest_ram_kind kind;
};

#define GUEST_RAM_RANGES_MAX 5

/* Lists the RAM of a guest that has memory_bytes (a multiple of 2 MiB, at least
 * GUEST_RAM_BYTES_MIN), in ascending order, and returns how many entries that takes. Neighbours of
 * different kind touch; what no range covers is not there. */
size_t guest_ram_layout(uint64_t memory_bytes, struct guest_ram_range ranges[GUEST_RAM_RANGES_MAX]);

/* One block for the page tables: RAM to be mapped whatever its kind, page aligned on both sides. */
struct guest_ram_block {
    gpa_t gpa;
    uint64_t size_bytes;
    uint64_t offset_bytes;
};

#define GUEST_RAM_BLOCKS_MAX 3

/* As guest_ram_layout, but neighbours joined: what EPT has to map. */
size_t guest_ram_blocks(uint64_t memory_bytes, struct guest_ram_block blocks[GUEST_RAM_BLOCKS_MAX]);

/* Where [gpa, gpa + size_bytes) lies in the host memory behind a guest of memory_bytes: true and
 * *offset_bytes when all of it is RAM (of whatever kind) and in one piece, otherwise false. */
bool guest_ram_offset(uint64_t memory_bytes, gpa_t gpa, uint64_t size_bytes,
                      uint64_t *offset_bytes);

#endif
