// SPDX-License-Identifier: BSD-2-Clause
/* Starts \test\monitor.efi of the volume this was started from, on a machine whose firmware has set
 * the time-stamp counters of all processors but the first: those with odd numbers are 5000 ticks
 * behind, the others 123456 ticks ahead. Before that it says "set_tsc: N processors". */
#include "tests/firmware/start_monitor.h"

#include <efilib.h>

#define BEHIND 5000
#define AHEAD  123456

/* UEFI Platform Initialization Specification 1.7, vol. 2, "EFI_MP_SERVICES_PROTOCOL". */
#define MP_SERVICES_GUID                                                                           \
    {                                                                                              \
        0x3fdda605, 0xa76e, 0x4f46,                                                                \
        {                                                                                          \
            0xad, 0x29, 0x12, 0xf4, 0x53, 0x1b, 0x3d, 0x08                                         \
        }                                                                                          \
    }
#define MS_ABI __attribute__((ms_abi))

typedef void MS_ABI ap_procedure(void *context);

struct mp_services {
    EFI_STATUS(MS_ABI *get_number_of_processors)
    (struct mp_services *, UINTN *all, UINTN *enabled);
    void *get_processor_info;
    void *startup_all_aps;
    EFI_STATUS(MS_ABI *startup_this_ap)
    (struct mp_services *, ap_procedure *, UINTN number, EFI_EVENT, UINTN timeout_us, void *context,
     BOOLEAN *finished);
};

/* On the processor itself. IA32_TIME_STAMP_COUNTER is MSR 0x10. */
static void MS_ABI move_tsc(void *context)
{
    UINT32 low, high;
    UINT64 tsc;

    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    tsc = ((UINT64)high << 32 | low) + *(const UINT64 *)context;
    __asm__ volatile("wrmsr" : : "c"(0x10), "a"((UINT32)tsc), "d"((UINT32)(tsc >> 32)));
}

static EFI_STATUS move_all(EFI_HANDLE volume)
{
    static EFI_GUID guid = MP_SERVICES_GUID;
    struct mp_services *services;
    UINTN count, enabled;
    EFI_STATUS status;

    (void)volume;
    status = uefi_call_wrapper(BS->LocateProtocol, 3, &guid, NULL, (void **)&services);
    if (EFI_ERROR(status))
        return status;
    status = services->get_number_of_processors(services, &count, &enabled);
    for (UINTN i = 1; i < count && !EFI_ERROR(status); i++) {
        UINT64 ticks = i % 2 == 1 ? -(UINT64)BEHIND : AHEAD;

        status = services->startup_this_ap(services, move_tsc, i, NULL, 0, &ticks, NULL);
    }
    if (!EFI_ERROR(status))
        Print(L"set_tsc: %d processors\n", count);
    return status;
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *table)
{
    EFI_STATUS status;

    InitializeLib(image, table);
    status = start_monitor(image, move_all);
    Print(L"set_tsc: the monitor was not started, or has come back: %r\n", status);
    return status;
}
