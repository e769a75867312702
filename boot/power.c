// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/boot_info.h"

#include <efi.h>

void firmware_power_off(hpa_t efi_runtime_services)
{
    EFI_RUNTIME_SERVICES *services = (EFI_RUNTIME_SERVICES *)efi_runtime_services.value;

    services->ResetSystem(EfiResetShutdown, EFI_SUCCESS, 0, NULL);
}
