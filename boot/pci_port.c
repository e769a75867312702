// SPDX-License-Identifier: BSD-2-Clause
#include "boot/pci_port.h"

#include "boot/firmware/pci_bars.h"
#include "vmm/base/bits.h"

#include <efipciio.h>

#define PCI_COMMAND         0x04
#define PCI_COMMAND_IO      BIT(0)
#define PCI_HEADER_TYPE     0x0e
#define PCI_HEADER_MULTIPLE BIT(7) /* the device has several functions */
#define PCI_HEADER_DEVICE   0      /* no bridge: it has six base address registers */
#define PCI_BAR_0           0x10

/* Returns the base of the device's range that may contain the port; 0 if there is none. */
static uint16_t find_range(EFI_PCI_IO_PROTOCOL *device, uint16_t port)
{
    uint32_t bars[PCI_BARS];
    uint8_t header_type;

    if (EFI_ERROR(device->Pci.Read(device, EfiPciIoWidthUint8, PCI_HEADER_TYPE, 1, &header_type)) ||
        (header_type & ~PCI_HEADER_MULTIPLE) != PCI_HEADER_DEVICE ||
        EFI_ERROR(device->Pci.Read(device, EfiPciIoWidthUint32, PCI_BAR_0, PCI_BARS, bars)))
        return 0;
    return pci_bars_find_port(bars, port);
}

void pci_port_enable(struct uefi *uefi, uint16_t port)
{
    static EFI_GUID guid = EFI_PCI_IO_PROTOCOL_GUID;
    EFI_PCI_IO_PROTOCOL *device, *owner = NULL;
    EFI_HANDLE *handles;
    UINTN count;
    uint16_t base, best = 0, command;

    if (EFI_ERROR(uefi->services->LocateHandleBuffer(ByProtocol, &guid, NULL, &count, &handles)))
        return;
    for (UINTN i = 0; i < count; i++) {
        if (EFI_ERROR(uefi->services->HandleProtocol(handles[i], &guid, (void **)&device)))
            continue;
        base = find_range(device, port);
        if (base > best) {
            best = base;
            owner = device;
        }
    }
    uefi->services->FreePool(handles);
    if (owner == NULL ||
        EFI_ERROR(owner->Pci.Read(owner, EfiPciIoWidthUint16, PCI_COMMAND, 1, &command)))
        return;
    command |= PCI_COMMAND_IO;
    (void)owner->Pci.Write(owner, EfiPciIoWidthUint16, PCI_COMMAND, 1, &command);
}
