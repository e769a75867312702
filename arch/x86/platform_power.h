// SPDX-License-Identifier: BSD-2-Clause
/* Switches the machine off, or resets it, without the firmware: by the registers that ACPI tells of
 * and by those that PCs have had before. ACPI 6.5, 4.8.3 "ACPI Fixed Hardware Registers". */
#ifndef ARCH_X86_PLATFORM_POWER_H
#define ARCH_X86_PLATFORM_POWER_H

#include "arch/x86/host_acpi.h"

/* Writes S5 to the PM1 control registers, if there are any: SLP_TYP is 7, "Soft Off", as in Intel's
 * chipsets from the first ICH on; what it is elsewhere only the firmware's AML tells. Returns if
 * the machine is still on after about a second. */
void platform_power_off(const struct host_acpi *acpi);

/* Resets the machine by the first of these that works: ACPI's reset register, the chipset's reset
 * control register (port 0xcf9), the keyboard controller, a triple fault. Takes no lock, needs no
 * clock, and works on any processor. A reset register in memory is mapped. */
_Noreturn void platform_reset(const struct host_acpi *acpi);

#endif
