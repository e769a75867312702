// SPDX-License-Identifier: BSD-2-Clause
/* ACPI tables of a PC with an i440FX chipset, as far as Linux needs them to find the processors and
 * to switch off. ACPI 6.4, chapter 5.2; Intel 82371AB datasheet, "Power Management I/O Space". */
#ifndef TOOLS_NATIVE_ACPI_H
#define TOOLS_NATIVE_ACPI_H

#include <efi.h>

#define NATIVE_ACPI_BYTES          4096
#define NATIVE_ACPI_PROCESSORS_MAX 64

/* Fills the NATIVE_ACPI_BYTES at memory, which are to lie at physical address `address`; the RSDP
 * is at their beginning. processors: 1 to NATIVE_ACPI_PROCESSORS_MAX, with APIC ids from 0 on. The
 * I/O APIC is at 0xfec00000, the 8254 at its pin 2; the power management ports are at 0xb000, where
 * OVMF puts them. */
void native_acpi_make(UINT8 *memory, UINT64 address, unsigned processors);

#endif
