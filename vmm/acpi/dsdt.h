// SPDX-License-Identifier: BSD-2-Clause
/* The DSDT's AML: \_S5, the processors, and one device for each chip of the board that has no other
 * enumeration. */
#ifndef VMM_ACPI_DSDT_H
#define VMM_ACPI_DSDT_H

#include "vmm/acpi/acpi_tables.h"
#include "vmm/acpi/aml.h"

/* Writes the definition block's terms, without the table header. */
void dsdt_write(struct aml *aml, const struct acpi_board *board);

#endif
