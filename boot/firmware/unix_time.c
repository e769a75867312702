// SPDX-License-Identifier: BSD-2-Clause
#include "boot/firmware/unix_time.h"

static bool is_leap_year(unsigned year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* Returns the days from 0001-01-01 to the first day of the year, in the Gregorian calendar. */
static int64_t days_before_year(unsigned year)
{
    int64_t years = (int64_t)year - 1;

    return years * 365 + years / 4 - years / 100 + years / 400;
}

bool unix_time(const struct calendar_time *time, uint64_t *seconds)
{
    static const uint8_t days_in_month[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t days, total;
    unsigned month_days;

    if (time->year < 1900 || time->year > 9999 || time->month < 1 || time->month > 12 ||
        time->hour > 23 || time->minute > 59 || time->second > 59)
        return false;
    if (time->time_zone_minutes != TIME_ZONE_UNSPECIFIED &&
        (time->time_zone_minutes < -1440 || time->time_zone_minutes > 1440))
        return false;
    month_days = days_in_month[time->month - 1] + (time->month == 2 && is_leap_year(time->year));
    if (time->day < 1 || time->day > month_days)
        return false;

    days = days_before_year(time->year) - days_before_year(1970);
    for (unsigned month = 1; month < time->month; month++)
        days += days_in_month[month - 1] + (month == 2 && is_leap_year(time->year));
    days += time->day - 1;
    total = ((days * 24 + time->hour) * 60 + time->minute) * 60 + time->second;

    /* UEFI 2.10, 8.3.1: "Localtime = UTC - TimeZone"; EFI_TIME_IN_DAYLIGHT: the time "has been
     * adjusted for daylight savings time". */
    if (time->time_zone_minutes != TIME_ZONE_UNSPECIFIED) {
        total += time->time_zone_minutes * INT64_C(60);
        if (time->is_in_daylight)
            total -= 3600;
    }
    if (total < 0)
        return false;
    *seconds = (uint64_t)total;
    return true;
}
