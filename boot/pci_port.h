// SPDX-License-Identifier: BSD-2-Clause
/* Enables the I/O ports of PCI devices. */
#ifndef BOOT_PCI_PORT_H
#define BOOT_PCI_PORT_H

#include "boot/uefi.h"

/* Enables the I/O ports of the PCI device that the port belongs to, if there is one: many firmwares
 * leave them off on a device that they do not use themselves (PCI Local Bus Specification 3.0,
 * 6.2.2 "Device Control", command register bit 0; UEFI 2.10, 14.4 "EFI PCI I/O Protocol"). */
void pci_port_enable(struct uefi *uefi, uint16_t port);

#endif
