// SPDX-License-Identifier: BSD-2-Clause
/* Switches the machine off, or resets it, without the firmware: through the registers that ACPI
 * names and those that PCs had before ACPI. ACPI 6.5, 4.8.3 "ACPI Fixed Hardware Registers". */
#ifndef ARCH_X86_PLATFORM_POWER_H
#define ARCH_X86_PLATFORM_POWER_H

#include "arch/x86/host_acpi.h"

/* Writes S5 to the PM1 control registers, if there are any. SLP_TYP is 7, "Soft Off", as in Intel's
 * chipsets from the first ICH on; on other machines only the firmware's AML has the value. Returns
 * if the machine is still on after about a second. */
void platform_power_off(const struct host_acpi *acpi);

/* Resets the machine by the first of these that works: ACPI's reset register, the chipset's reset
 * control register (port 0xcf9), the keyboard controller, a triple fault. Takes no lock, needs no
 * clock, and works on any processor. A reset register in memory has to be mapped. */
_Noreturn void platform_reset(const struct host_acpi *acpi);

#endif
