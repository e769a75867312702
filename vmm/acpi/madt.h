// SPDX-License-Identifier: BSD-2-Clause
/* The MADT: local APICs, the I/O APIC, and how the ISA's lines reach it. */
#ifndef VMM_ACPI_MADT_H
#define VMM_ACPI_MADT_H

#include "vmm/acpi/acpi_tables.h"

/* How many bytes madt_write takes for this board, whose ranges were checked. */
size_t madt_bytes(const struct acpi_board *board);

/* Writes the whole table of madt_bytes to `at`. */
void madt_write(uint8_t *at, const struct acpi_board *board);

#endif
