// SPDX-License-Identifier: BSD-2-Clause
#include "boot/leave.h"

#include <efi.h>

void leave_power_off(hpa_t efi_runtime_services)
{
    EFI_RUNTIME_SERVICES *services = (EFI_RUNTIME_SERVICES *)efi_runtime_services.value;

    services->ResetSystem(EfiResetShutdown, EFI_SUCCESS, 0, NULL);
}
