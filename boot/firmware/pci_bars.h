// SPDX-License-Identifier: BSD-2-Clause
/* Which PCI device an I/O port belongs to. */
#ifndef BOOT_FIRMWARE_PCI_BARS_H
#define BOOT_FIRMWARE_PCI_BARS_H

#include "vmm/base/types.h"

#define PCI_BARS 6

/* The base of the I/O range of a device with these base address registers that may have the port in
 * it; 0: none. A range has 256 ports at most, so of several devices the one with the highest base
 * has it (PCI Local Bus Specification 3.0, 6.2.5.1 "Address Maps"). */
uint16_t pci_bars_find_port(const uint32_t bars[PCI_BARS], uint16_t port);

#endif
