// SPDX-License-Identifier: BSD-2-Clause
/* The MP table: the board's processors, buses and interrupts for software that does not use ACPI.
 * It says the same as the MADT. Intel MultiProcessor Specification 1.4 (May 1997), chapter 4 "MP
 * Configuration Table". */
#ifndef VMM_ACPI_MP_TABLE_H
#define VMM_ACPI_MP_TABLE_H

#include "vmm/acpi/acpi_tables.h"

/* Software looks for the floating pointer structure of a PC at multiples of 16 bytes in the BIOS
 * area, 0xf0000-0xfffff (4.1 "MP Floating Pointer Structure"). */
#define MP_SEARCH_FIRST 0xf0000u
#define MP_SEARCH_LAST  0xfffffu

#define MP_CPUS_MAX 254 /* IDs have 8 bits, and 255 is the broadcast */

/* An upper bound of the bytes that pointer and table take together. */
#define MP_TABLE_BYTES_MAX 5504

/* What is the same for all of the board's processors (4.3.1 "Processor Entries"). */
struct mp_processor {
    uint8_t local_apic_version; /* the version register's bits 7:0 */
    uint32_t signature;         /* CPUID.1:EAX[11:0]; the bits above are ignored */
    uint32_t features;          /* CPUID.1:EDX */
};

/* Writes the floating pointer structure and behind it the configuration table, for a guest that
 * sees buffer at guest-physical address base. The first processor, APIC ID 0, is the one that
 * boots. base: a multiple of 16, with base + size_bytes inside MP_SEARCH_FIRST..LAST. Sets
 * *used_bytes, on success only, to the number of bytes written, at most MP_TABLE_BYTES_MAX.
 * STATUS_OUT_OF_RANGE: base or base + size_bytes breaks the rule above.
 * STATUS_INVALID: the board has no processors, more than MP_CPUS_MAX, or more than 16 overrides, or
 * a number in an override is outside its range.
 * STATUS_NO_MEMORY: size_bytes is too small. */
MUST_USE enum status mp_table_build(const struct acpi_board *board,
                                    const struct mp_processor *processor, gpa_t base,
                                    uint8_t *buffer, size_t size_bytes, size_t *used_bytes);

#endif
