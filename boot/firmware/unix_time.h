// SPDX-License-Identifier: BSD-2-Clause
/* The firmware's calendar in Unix time. */
#ifndef BOOT_FIRMWARE_UNIX_TIME_H
#define BOOT_FIRMWARE_UNIX_TIME_H

#include <stdbool.h>
#include <stdint.h>

#define TIME_ZONE_UNSPECIFIED 0x07ff /* EFI_UNSPECIFIED_TIMEZONE */

/* EFI_TIME's fields (UEFI 2.10, 8.3.1) as far as they matter. */
struct calendar_time {
    uint16_t year; /* 1900..9999 */
    uint8_t month; /* 1..12 */
    uint8_t day;   /* 1..31 */
    uint8_t hour, minute, second;
    int16_t time_zone_minutes; /* UTC minus local time, -1440..1440, or TIME_ZONE_UNSPECIFIED */
    bool is_in_daylight;       /* one hour was added for daylight saving time */
};

/* Seconds since 1970-01-01 00:00:00 UTC in *seconds, and true; false when a field is out of its
 * range or the time lies before 1970. An unspecified time zone is taken as UTC. */
bool unix_time(const struct calendar_time *time, uint64_t *seconds);

#endif
