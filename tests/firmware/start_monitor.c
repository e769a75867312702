// SPDX-License-Identifier: BSD-2-Clause
#include "tests/firmware/start_monitor.h"

#include <efilib.h>

EFI_STATUS start_monitor(EFI_HANDLE image, EFI_STATUS (*prepare)(EFI_HANDLE volume))
{
    static CHAR16 path[] = L"\\test\\monitor.efi";
    EFI_LOADED_IMAGE *own;
    EFI_HANDLE monitor;
    EFI_STATUS status;

    status = uefi_call_wrapper(BS->HandleProtocol, 3, image, &LoadedImageProtocol, (void **)&own);
    if (EFI_ERROR(status))
        return status;
    status = prepare(own->DeviceHandle);
    if (EFI_ERROR(status))
        return status;
    status = uefi_call_wrapper(BS->LoadImage, 6, FALSE, image,
                               FileDevicePath(own->DeviceHandle, path), NULL, 0, &monitor);
    if (EFI_ERROR(status))
        return status;
    return uefi_call_wrapper(BS->StartImage, 3, monitor, NULL, NULL);
}
