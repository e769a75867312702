// SPDX-License-Identifier: BSD-2-Clause
/* Converts the firmware's calendar time to Unix time. */
#ifndef BOOT_FIRMWARE_UNIX_TIME_H
#define BOOT_FIRMWARE_UNIX_TIME_H

#include <stdbool.h>
#include <stdint.h>

#define TIME_ZONE_UNSPECIFIED 0x07ff /* EFI_UNSPECIFIED_TIMEZONE */

/* The fields of EFI_TIME (UEFI 2.10, 8.3.1) that are needed. */
struct calendar_time {
    uint16_t year; /* 1900 to 9999 */
    uint8_t month; /* 1 to 12 */
    uint8_t day;   /* 1 to 31 */
    uint8_t hour, minute, second;
    int16_t time_zone_minutes; /* UTC minus local time, -1440 to 1440, or TIME_ZONE_UNSPECIFIED */
    bool is_in_daylight;       /* one hour was added for daylight saving time */
};

/* Sets *seconds to the seconds since 1970-01-01 00:00:00 UTC and returns true. Returns false if a
 * field is out of its range or the time lies before 1970. An unspecified time zone counts as
 * UTC. */
bool unix_time(const struct calendar_time *time, uint64_t *seconds);

#endif
