// SPDX-License-Identifier: BSD-2-Clause
/* The header with which every table begins; used only inside vmm/acpi. ACPI Specification 6.5,
 * 5.2.6 "System Description Table Header". */
#ifndef VMM_ACPI_TABLE_H
#define VMM_ACPI_TABLE_H

#include "vmm/base/types.h"

#define ACPI_OEM_ID       "PORTCL"   /* six characters, no NUL */
#define ACPI_OEM_TABLE_ID "PORTCULL" /* eight characters, no NUL */

struct acpi_header {
    char signature[4];
    uint32_t length;
    uint8_t revision;
    uint8_t checksum;
    char oem_id[6];
    char oem_table_id[8];
    uint32_t oem_revision;
    char creator_id[4];
    uint32_t creator_revision;
} __attribute__((packed));
_Static_assert(sizeof(struct acpi_header) == 36, "table header");

/* Returns the byte that has to be added to make the sum of all bytes 0. */
uint8_t acpi_checksum(const void *bytes, size_t size_bytes);

/* Returns a header for a table of length_bytes, with the checksum 0. signature: four characters. */
struct acpi_header acpi_begin(const char *signature, uint8_t revision, size_t length_bytes);

/* Writes the checksum of the table of size_bytes at `at`. The checksum field is 0 before. */
void acpi_finish(uint8_t *at, size_t size_bytes);

#endif
