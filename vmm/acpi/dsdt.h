// SPDX-License-Identifier: BSD-2-Clause
/* The AML of the DSDT: \_S5, the processors, and one device for each chip of the board that
 * software cannot find in any other way. */
#ifndef VMM_ACPI_DSDT_H
#define VMM_ACPI_DSDT_H

#include "vmm/acpi/acpi_tables.h"
#include "vmm/acpi/aml.h"

/* Writes the terms of the definition block, without the table's header. */
void dsdt_write(struct aml *aml, const struct acpi_board *board);

#endif
