// SPDX-License-Identifier: BSD-2-Clause
#include "boot/leave.h"

#include "arch/x86/ap_start.h"
#include "arch/x86/cpu.h"
#include "boot/firmware/memory_ranges.h"
#include "boot/firmware/unix_time.h"
#include "boot/messages.h"

/* The most tries to leave the firmware. A stale key means that a timer of the firmware changed the
 * map meanwhile, so a new try may succeed. A firmware that changes the map every time is broken. */
#define EXIT_TRIES 8

/* --- The machine --- */

static void read_clock(struct uefi *uefi, struct boot_info *boot)
{
    EFI_TIME now;
    EFI_STATUS status = uefi->system->RuntimeServices->GetTime(&now, NULL);

    boot->wall_clock_tsc = rdtsc();
    boot->wall_clock_seconds = 0;
    if (EFI_ERROR(status)) {
        uefi_say(uefi, MSG_NO_CLOCK, uefi_status_name(status));
        return;
    }
    if (!unix_time(&(struct calendar_time){.year = now.Year,
                                           .month = now.Month,
                                           .day = now.Day,
                                           .hour = now.Hour,
                                           .minute = now.Minute,
                                           .second = now.Second,
                                           .time_zone_minutes = now.TimeZone,
                                           .is_in_daylight = now.Daylight & EFI_TIME_IN_DAYLIGHT},
                   &boot->wall_clock_seconds))
        uefi_say(uefi, MSG_NO_CLOCK, "it shows no date");
}

void leave_read_state(struct uefi *uefi, struct boot_info *boot)
{
    boot->firmware_power_off = leave_power_off;
    boot->efi_runtime_services = HPA((uint64_t)uefi->system->RuntimeServices);
    read_clock(uefi, boot);
}

/* --- The end of boot services --- */

/* Converts the firmware's map into `raw`, which has room for every descriptor that the map can
 * have, and from there into boot. */
static enum status translate_map(const struct uefi_memory_map *map, struct efi_range *raw,
                                 bool wants_ap_area, struct boot_info *boot)
{
    size_t count = uefi_descriptor_count(map);

    for (size_t i = 0; i < count; i++)
        raw[i] = uefi_range(uefi_descriptor(map, i));
    if (wants_ap_area)
        boot->ap_area = memory_place_after_boot(raw, count, AP_START_PAGES * PAGE_SIZE, MIB);
    return memory_ranges_normalise(raw, count, boot->memory, BOOT_MEMORY_RANGES_MAX,
                                   &boot->memory_count);
}

EFI_STATUS leave_firmware(struct uefi *uefi, struct boot_info *boot)
{
    struct uefi_memory_map map = {.descriptors = NULL};
    const bool wants_ap_area = boot->ap_area.value == 0;
    struct efi_range *raw;
    EFI_STATUS status = uefi_read_memory_map(uefi, &map);

    if (EFI_ERROR(status))
        return uefi_refuse(uefi, status, MSG_NO_MAP, uefi_status_name(status));
    raw = uefi_allocate(uefi, map.capacity_bytes / map.descriptor_bytes * sizeof(*raw), PAGE_SIZE);
    if (raw == NULL)
        return uefi_refuse(uefi, EFI_OUT_OF_RESOURCES, MSG_NO_MAP_MEMORY);
    if (boot->console_port == BOOT_NO_CONSOLE)
        uefi_say(uefi, MSG_LEAVING_UNSEEN);
    else
        uefi_say(uefi, MSG_LEAVING, boot->console_port);

    /* From the first try on, only the memory map may be requested from the firmware. */
    for (unsigned i = 0; i < EXIT_TRIES; i++) {
        status = uefi_read_memory_map(uefi, &map);
        if (EFI_ERROR(status))
            return uefi_refuse(uefi, status, MSG_NO_MAP, uefi_status_name(status));
        if (translate_map(&map, raw, wants_ap_area, boot) != STATUS_OK)
            return uefi_refuse(uefi, EFI_UNSUPPORTED, MSG_MAP_TOO_LONG, boot->memory_count,
                               BOOT_MEMORY_RANGES_MAX);
        status = uefi->services->ExitBootServices(uefi->image, map.key);
        if (!EFI_ERROR(status)) {
            cli();
            return EFI_SUCCESS;
        }
        if (status != EFI_INVALID_PARAMETER)
            break;
    }
    return uefi_refuse(uefi, status, MSG_NO_EXIT, uefi_status_name(status));
}
