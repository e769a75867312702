// SPDX-License-Identifier: BSD-2-Clause
/* Finds the PCI device that an I/O port belongs to. */
#ifndef BOOT_FIRMWARE_PCI_BARS_H
#define BOOT_FIRMWARE_PCI_BARS_H

#include "vmm/base/types.h"

#define PCI_BARS 6

/* Returns the base of the I/O range that may contain the port, for a device with these base address
 * registers; 0 if there is none. A range has at most 256 ports. If several devices have a base, the
 * highest one contains the port (PCI Local Bus Specification 3.0, 6.2.5.1 "Address Maps"). */
uint16_t pci_bars_find_port(const uint32_t bars[PCI_BARS], uint16_t port);

#endif
