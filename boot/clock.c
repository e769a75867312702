// SPDX-License-Identifier: BSD-2-Clause
#include "boot/clock.h"

#include "arch/x86/tsc.h"
#include "boot/messages.h"

#define DESCRIPTION_BYTES 400

/* UEFI 2.10, 7.5, EFI_BOOT_SERVICES.Stall(): waits at least this long. */
static void stall(void *context, uint64_t microseconds)
{
    const struct uefi *uefi = context;

    uefi->services->Stall(microseconds);
}

EFI_STATUS clock_calibrate(struct uefi *uefi, struct boot_info *boot)
{
    struct tsc_calibration *tsc = &boot->tsc;
    char description[DESCRIPTION_BYTES];
    enum status status;
    EFI_TPL priority;

    priority = uefi->services->RaiseTPL(TPL_HIGH_LEVEL); /* interrupts off */
    tsc_measure_timers(&boot->acpi, tsc->readings);
    uefi->services->RestoreTPL(priority);
    tsc->readings[TSC_BY_STALL] = tsc_measure_wait(stall, uefi);
    tsc->readings[TSC_BY_CPUID] = tsc_read_cpuid();
    status = tsc_choose(tsc);
    if (status == STATUS_OK)
        return EFI_SUCCESS;
    tsc_describe_all(tsc, description, sizeof(description));
    return uefi_refuse(uefi, EFI_DEVICE_ERROR,
                       status == STATUS_CONFLICT ? MSG_CLOCKS_DISAGREE : MSG_NO_TIMER, description);
}
