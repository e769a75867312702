// SPDX-License-Identifier: BSD-2-Clause
/* The guest's physical address space: where its RAM is, and the use of each part.
 *
 *     0x00000000  RAM: interrupt vectors, BIOS data area, and what the loader puts there
 *     0x0009fc00  RAM, reserved: extended BIOS data area
 *     0x000a0000  nothing (a PC has its VGA window and option ROMs here)
 *     0x000e0000  RAM, reserved: the ACPI tables
 *     0x000f0000  RAM, reserved: the MP table, the BIOS (vmm/loader/bios_area.h)
 *     0x00100000  RAM, up to the end of memory or to 3 GiB
 *     0xc0000000  no RAM: a PC's PCI devices, and the APICs (0xfec00000, 0xfee00000)
 *     0x100000000 RAM: the rest of memory
 *
 * The host memory behind the guest has the same order. Below 3 GiB the offset is the guest-physical
 * address itself, so the guest never sees the host memory at 0xa0000..0xdffff. Above 4 GiB the
 * offset is the address minus 1 GiB. */
#ifndef VMM_LOADER_MEMORY_LAYOUT_H
#define VMM_LOADER_MEMORY_LAYOUT_H

#include "vmm/base/types.h"

#define GUEST_BIOS_DATA_AREA     0x400
#define GUEST_BOOT_SECTOR        0x7c00
#define GUEST_EXTENDED_BIOS_DATA 0x9fc00
#define GUEST_LOW_HOLE           0xa0000
#define GUEST_FIRMWARE_AREA      0xe0000
#define GUEST_BIOS_AREA          0xf0000 /* within the firmware area */
#define GUEST_BIOS_TABLES_BYTES  0xe000  /* at its beginning: for the MP table */
#define GUEST_EXTENDED_MEMORY    0x100000
#define GUEST_HIGH_HOLE          (3 * GIB)
#define GUEST_HIGH_MEMORY        (4 * GIB)
#define GUEST_RAM_BYTES_MIN      (2 * MIB)

/* Returns where RAM below 4 GiB ends, for a guest that has memory_bytes. The rest of its memory is
 * from 4 GiB up. */
static inline uint64_t guest_ram_low_end(uint64_t memory_bytes)
{
    return memory_bytes < GUEST_HIGH_HOLE ? memory_bytes : GUEST_HIGH_HOLE;
}

enum guest_ram_kind {
    GUEST_RAM_USABLE,   /* the guest may use it: E820 type 1 */
    GUEST_RAM_RESERVED, /* the extended BIOS data area: RAM, E820 type 2 */
    GUEST_RAM_FIRMWARE, /* the ACPI tables and the BIOS: RAM, E820 type 2 */
};

/* The types of ranges in maps of the form that INT 15h, AX=E820h returns: ACPI Specification 6.5,
 * chapter 15, "Address Range Types". Every format's memory map consists of guest_ram_layout's
 * ranges with these types. */
enum guest_e820_type {
    GUEST_E820_RAM = 1,
    GUEST_E820_RESERVED = 2,
};

/* Returns the type under which a memory map lists RAM of this kind. */
static inline enum guest_e820_type guest_e820_type_of(enum guest_ram_kind kind)
{
    return kind == GUEST_RAM_USABLE ? GUEST_E820_RAM : GUEST_E820_RESERVED;
}

struct guest_ram_range {
    gpa_t gpa;             /* page aligned; GUEST_EXTENDED_BIOS_DATA: 1 KiB aligned */
    uint64_t size_bytes;   /* aligned as gpa is */
    uint64_t offset_bytes; /* of its first byte in the host memory behind the guest */
    enum guest_ram_kind kind;
};

#define GUEST_RAM_RANGES_MAX 5

/* Lists the RAM of a guest that has memory_bytes (a multiple of 2 MiB, at least
 * GUEST_RAM_BYTES_MIN), in ascending order, and returns the number of ranges. Ranges of different
 * kinds may touch. Addresses that no range covers have no RAM. */
size_t guest_ram_layout(uint64_t memory_bytes, struct guest_ram_range ranges[GUEST_RAM_RANGES_MAX]);

/* One block for the page tables: mapped RAM of any kind, page aligned at both ends. */
struct guest_ram_block {
    gpa_t gpa;
    uint64_t size_bytes;
    uint64_t offset_bytes;
};

#define GUEST_RAM_BLOCKS_MAX 3

/* Lists the RAM as guest_ram_layout does, but joins ranges that touch. These are the blocks that
 * EPT maps. */
size_t guest_ram_blocks(uint64_t memory_bytes, struct guest_ram_block blocks[GUEST_RAM_BLOCKS_MAX]);

/* Finds [gpa, gpa + size_bytes) in the host memory behind a guest of memory_bytes.
 * True: all of it is RAM of any kind and contiguous in host memory; *offset_bytes is its offset.
 * False: it is not; *offset_bytes is unchanged. */
bool guest_ram_offset(uint64_t memory_bytes, gpa_t gpa, uint64_t size_bytes,
                      uint64_t *offset_bytes);

#endif
