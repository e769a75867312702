// SPDX-License-Identifier: BSD-2-Clause
/* Within vmm/acpi: what every table begins with. ACPI Specification 6.5, 5.2.6 "System Description
 * Table Header". */
#ifndef VMM_ACPI_TABLE_H
#define VMM_ACPI_TABLE_H

#include "vmm/base/types.h"

#define ACPI_OEM_ID       "PORTCL"   /* six characters, no NUL */
#define ACPI_OEM_TABLE_ID "PORTCULL" /* eight */

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

/* The byte that makes the sum of all of them 0. */
uint8_t acpi_checksum(const void *bytes, size_t size_bytes);

/* A header with the checksum still 0. */
struct acpi_header acpi_header(const char *signature, uint8_t revision, size_t length_bytes);

/* Puts the checksum into the table of size_bytes at `at`, where it is still 0. */
void acpi_finish(uint8_t *at, size_t size_bytes);

#endif
