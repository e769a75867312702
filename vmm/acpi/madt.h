// SPDX-License-Identifier: BSD-2-Clause
/* The MADT: the local APICs, the I/O APIC, and how the ISA lines reach the I/O APIC. */
#ifndef VMM_ACPI_MADT_H
#define VMM_ACPI_MADT_H

#include "vmm/acpi/acpi_tables.h"

/* Returns the number of bytes that madt_write writes for this board. The board's fields are within
 * their ranges. */
size_t madt_bytes(const struct acpi_board *board);

/* Writes the whole table, madt_bytes long, to `at`. */
void madt_write(uint8_t *at, const struct acpi_board *board);

#endif
