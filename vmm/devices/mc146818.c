// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/devices/mc146818.h"

#include "vmm/base/check.h"
#include "vmm/base/time.h"

/* Register A */
#define A_UIP           0x80
#define A_DIVIDER       0x70
#define A_DIVIDER_32768 0x20
#define A_DIVIDER_RESET 0x60 /* 11x */
#define A_RATE          0x0f
#define A_RATE_1024_HZ  0x06

/* Register B */
#define B_SET  0x80
#define B_PIE  0x40
#define B_AIE  0x20
#define B_UIE  0x10
#define B_SQWE 0x08 /* a PC does not connect the square wave's pin */
#define B_DM   0x04 /* binary, not BCD */
#define B_24   0x02
#define B_DSE  0x01

/* Register C; PF, AF and UF have the places of their enables in register B. */
#define C_IRQF 0x80
#define C_PF   0x40
#define C_AF   0x20
#define C_UF   0x10

#define D_VRT 0x80

#define HOURS_PM 0x80

#define CYCLES_PER_SECOND 32768
/* "Update Cycle": UIP rises 244 us before the update, which are 8 cycles, and the update takes 1984
 * us, which are 65. */
#define UIP_CYCLES (8 + 65)

#define SECONDS_PER_DAY      86400
#define DAYS_PER_4_YEARS     (4 * 365 + 1)
#define DAYS_PER_10000_YEARS (2500 * DAYS_PER_4_YEARS)

/* The divider chain. */

static bool chain_runs(const struct mc146818 *rtc)
{
    return (rtc->registers[MC146818_A] & A_DIVIDER) == A_DIVIDER_32768;
}

static uint64_t cycles_at(const struct mc146818 *rtc, uint64_t now_ns)
{
    if (!chain_runs(rtc) || now_ns <= rtc->base_ns)
        return rtc->cycles;
    return rtc->base_cycles + scale_u64(now_ns - rtc->base_ns, CYCLES_PER_SECOND, NS_PER_SECOND);
}

/* Returns the first nanosecond at which the running chain is at `cycles`. */
static uint64_t time_of(const struct mc146818 *rtc, uint64_t cycles)
{
    uint64_t seconds = (cycles - rtc->base_cycles) / CYCLES_PER_SECOND;
    uint64_t rest = (cycles - rtc->base_cycles) % CYCLES_PER_SECOND;

    return rtc->base_ns + seconds * NS_PER_SECOND +
           (rest * NS_PER_SECOND + CYCLES_PER_SECOND - 1) / CYCLES_PER_SECOND;
}

/* Returns the cycles between periodic interrupts; 0: there are none. Table 5, column 32.768 kHz. */
static uint64_t period_cycles(const struct mc146818 *rtc)
{
    unsigned rate = rtc->registers[MC146818_A] & A_RATE;

    if (rate == 0)
        return 0;
    return rate <= 2 ? 64u << rate : 1u << (rate - 1);
}

/* Returns the number of periodic edges so far. UIP rises half a period after an edge (figure 16),
 * so software that starts at an edge has half a period plus 244 us to read the clock. */
static uint64_t periodic_edges(uint64_t cycles, uint64_t period)
{
    return (cycles + UIP_CYCLES + period / 2) / period;
}

static uint64_t cycles_of_edge(uint64_t edge, uint64_t period)
{
    return edge * period - UIP_CYCLES - period / 2;
}

/* Clock and calendar registers. */

static bool decode(const struct mc146818 *rtc, uint8_t byte, unsigned *value)
{
    if (rtc->registers[MC146818_B] & B_DM) {
        *value = byte;
        return true;
    }
    *value = (byte >> 4) * 10u + (byte & 0xf);
    return byte >> 4 < 10 && (byte & 0xf) < 10;
}

static uint8_t encode(const struct mc146818 *rtc, unsigned value)
{
    if (rtc->registers[MC146818_B] & B_DM)
        return (uint8_t)value;
    return (uint8_t)(value / 10 << 4 | value % 10);
}

/* Decodes hours 0..23 from a byte of either format (table 3). */
static bool decode_hours(const struct mc146818 *rtc, uint8_t byte, unsigned *hours)
{
    if (rtc->registers[MC146818_B] & B_24)
        return decode(rtc, byte, hours) && *hours < 24;
    if (!decode(rtc, byte & (uint8_t)~HOURS_PM, hours) || *hours < 1 || *hours > 12)
        return false;
    *hours = *hours % 12 + (byte & HOURS_PM ? 12 : 0);
    return true;
}

static uint8_t encode_hours(const struct mc146818 *rtc, unsigned hours)
{
    if (rtc->registers[MC146818_B] & B_24)
        return encode(rtc, hours);
    return encode(rtc, (hours + 11) % 12 + 1) | (hours >= 12 ? HOURS_PM : 0);
}

/* Returns a clock register's value; low if the value is out of range. */
static unsigned clock_field(const struct mc146818 *rtc, unsigned index, unsigned low, unsigned high)
{
    unsigned value;

    if (!decode(rtc, rtc->registers[index], &value) || value < low || value > high)
        return low;
    return value;
}

/* Returns whether the chip gives the year a leap day. "Automatic leap year compensation" uses only
 * the two digits of the year: every fourth year is a leap year, which is the Gregorian calendar
 * from 1901 to 2099. */
static bool is_leap(unsigned year)
{
    return year % 4 == 0;
}

static unsigned days_in_month(unsigned year, unsigned month)
{
    static const uint8_t days[13] = {0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    return days[month] + (month == 2 && is_leap(year));
}

/* Returns the days since 1 January of year 0, with the chip's leap years. */
static uint64_t day_of(unsigned year, unsigned month, unsigned date)
{
    uint64_t day = (uint64_t)year * 365 + (year + 3) / 4 + date - 1;

    for (unsigned m = 1; m < month; m++)
        day += days_in_month(year, m);
    return day;
}

/* Returns the year to which day belongs and sets *start to the year's first day. */
static unsigned year_of(uint64_t day, uint64_t *start)
{
    unsigned rest = (unsigned)(day % DAYS_PER_4_YEARS);
    unsigned year =
        (unsigned)(day / DAYS_PER_4_YEARS) * 4 + (rest < 366 ? 0 : 1 + (rest - 366) / 365);

    *start = (uint64_t)year * 365 + (year + 3) / 4;
    return year;
}

/* The clock as one number. */
struct calendar {
    uint64_t seconds;      /* local time since day 0 */
    unsigned weekday_of_0; /* of day 0; 0 is Sunday. The guest sets week day and date separately */
    bool daylight;         /* DSE */
    bool fell_back;
};

static struct calendar calendar_of(const struct mc146818 *rtc)
{
    unsigned year =
        100 * clock_field(rtc, MC146818_CENTURY, 0, 99) + clock_field(rtc, MC146818_YEAR, 0, 99);
    unsigned month = clock_field(rtc, MC146818_MONTH, 1, 12);
    unsigned date = clock_field(rtc, MC146818_DATE, 1, days_in_month(year, month));
    unsigned week_day = clock_field(rtc, MC146818_DAY_OF_WEEK, 1, 7) - 1;
    uint64_t day = day_of(year, month, date);
    unsigned hours;

    if (!decode_hours(rtc, rtc->registers[MC146818_HOURS], &hours))
        hours = 0;
    return (struct calendar){
        .seconds = day * SECONDS_PER_DAY + hours * 3600 +
                   clock_field(rtc, MC146818_MINUTES, 0, 59) * 60 +
                   clock_field(rtc, MC146818_SECONDS, 0, 59),
        .weekday_of_0 = (week_day + 7 - (unsigned)(day % 7)) % 7,
        .daylight = rtc->registers[MC146818_B] & B_DSE,
        .fell_back = rtc->fell_back,
    };
}

static void set_calendar(struct mc146818 *rtc, const struct calendar *calendar)
{
    uint64_t day = calendar->seconds / SECONDS_PER_DAY, start;
    uint64_t day_of_cycle = day % DAYS_PER_10000_YEARS;
    unsigned second = (unsigned)(calendar->seconds % SECONDS_PER_DAY);
    unsigned year = year_of(day_of_cycle, &start);
    unsigned date = (unsigned)(day_of_cycle - start), month = 1;

    for (; date >= days_in_month(year, month); month++)
        date -= days_in_month(year, month);
    rtc->registers[MC146818_SECONDS] = encode(rtc, second % 60);
    rtc->registers[MC146818_MINUTES] = encode(rtc, second / 60 % 60);
    rtc->registers[MC146818_HOURS] = encode_hours(rtc, second / 3600);
    rtc->registers[MC146818_DAY_OF_WEEK] =
        encode(rtc, (unsigned)((day + calendar->weekday_of_0) % 7) + 1);
    rtc->registers[MC146818_DATE] = encode(rtc, date + 1);
    rtc->registers[MC146818_MONTH] = encode(rtc, month);
    rtc->registers[MC146818_YEAR] = encode(rtc, year % 100);
    rtc->registers[MC146818_CENTURY] = encode(rtc, year / 100);
    rtc->fell_back = calendar->fell_back;
}

/* Daylight saving: "Daylight Savings Enable (DSE)". */

/* Returns 02:00:00 on the last Sunday of a month, in seconds since day 0. */
static uint64_t last_sunday(const struct calendar *calendar, unsigned year, unsigned month)
{
    uint64_t day = day_of(year, month, days_in_month(year, month));

    return (day - (day + calendar->weekday_of_0) % 7) * SECONDS_PER_DAY + 2 * 3600;
}

/* Returns the next second at which the clock jumps, instead of counting on; UINT64_MAX without
 * daylight saving. *follower is the second that the clock shows instead. */
static uint64_t next_jump(const struct calendar *calendar, uint64_t *follower)
{
    uint64_t start;
    unsigned year = year_of(calendar->seconds / SECONDS_PER_DAY, &start);

    if (!calendar->daylight)
        return UINT64_MAX;
    for (;; year++) {
        uint64_t april = last_sunday(calendar, year, 4), october = last_sunday(calendar, year, 10);

        if (calendar->seconds < april) { /* the second after 1:59:59 is 3:00:00 */
            *follower = april + 3600;
            return april;
        }
        if (calendar->seconds < october) { /* the second after the first 1:59:59 is 1:00:00 */
            *follower = calendar->fell_back ? october : october - 3600;
            return october;
        }
    }
}

/* Jumps to follower, which next_jump has set. */
static void take_jump(struct calendar *calendar, uint64_t jump, uint64_t follower)
{
    calendar->fell_back = follower < jump;
    calendar->seconds = follower;
}

/* Advances the clock by this many updates. For a chip that nobody accessed for years, this takes
 * two or three steps a year. */
static void advance(struct calendar *calendar, uint64_t updates)
{
    while (updates > 0) {
        uint64_t follower, jump = next_jump(calendar, &follower);

        if (updates < jump - calendar->seconds) {
            calendar->seconds += updates;
            return;
        }
        updates -= jump - calendar->seconds;
        take_jump(calendar, jump, follower);
    }
}

/* Alarm: "Alarm Interrupt", don't-care codes 0xc0 to 0xff. */

#define ANY UINT32_MAX

struct alarm {
    unsigned hours, minutes, seconds; /* a value, or ANY */
};

/* Decodes the alarm; false for an alarm that never matches. */
static bool alarm_of(const struct mc146818 *rtc, struct alarm *alarm)
{
    const uint8_t *registers = rtc->registers;

    *alarm = (struct alarm){ANY, ANY, ANY};
    if (registers[MC146818_HOURS_ALARM] < 0xc0 &&
        !decode_hours(rtc, registers[MC146818_HOURS_ALARM], &alarm->hours))
        return false;
    if (registers[MC146818_MINUTES_ALARM] < 0xc0 &&
        (!decode(rtc, registers[MC146818_MINUTES_ALARM], &alarm->minutes) || alarm->minutes > 59))
        return false;
    if (registers[MC146818_SECONDS_ALARM] < 0xc0 &&
        (!decode(rtc, registers[MC146818_SECONDS_ALARM], &alarm->seconds) || alarm->seconds > 59))
        return false;
    return true;
}

/* Finds the first value not below `from` that matches the field; false if there is none below
 * limit. */
static bool field_next(unsigned field, unsigned from, unsigned limit, unsigned *value)
{
    *value = field == ANY ? from : field;
    return *value >= from && *value < limit;
}

/* Returns the first time not before `seconds` at which the alarm matches, if there is no jump
 * before it. */
static uint64_t alarm_from(const struct alarm *alarm, uint64_t seconds)
{
    uint64_t midnight = seconds - seconds % SECONDS_PER_DAY;
    unsigned now = (unsigned)(seconds % SECONDS_PER_DAY), now_hour = now / 3600;
    unsigned now_minute = now / 60 % 60;
    unsigned first_minute = alarm->minutes == ANY ? 0 : alarm->minutes;
    unsigned first_second = alarm->seconds == ANY ? 0 : alarm->seconds;
    unsigned hour, minute, second;

    if (field_next(alarm->hours, now_hour, 24, &hour) && hour == now_hour) {
        if (field_next(alarm->minutes, now_minute, 60, &minute) && minute == now_minute &&
            field_next(alarm->seconds, now % 60, 60, &second))
            return midnight + hour * 3600 + minute * 60 + second;
        if (field_next(alarm->minutes, now_minute + 1, 60, &minute))
            return midnight + hour * 3600 + minute * 60 + first_second;
    }
    if (!field_next(alarm->hours, now_hour + 1, 24, &hour)) {
        midnight += SECONDS_PER_DAY;
        hour = alarm->hours == ANY ? 0 : alarm->hours;
    }
    return midnight + hour * 3600 + first_minute * 60 + first_second;
}

/* Returns the number of updates until one matches the alarm, at least 1; UINT64_MAX: never. */
static uint64_t updates_until_alarm(const struct mc146818 *rtc)
{
    struct calendar calendar = calendar_of(rtc);
    uint64_t updates = 0, from = calendar.seconds + 1;
    struct alarm alarm;

    if (!alarm_of(rtc, &alarm))
        return UINT64_MAX;
    /* The loop ends: a match is never more than a day away, and there are never three jumps in
     * three days. */
    for (;;) {
        uint64_t follower, jump = next_jump(&calendar, &follower);
        uint64_t match = alarm_from(&alarm, from);

        if (match < jump)
            return updates + (match - calendar.seconds);
        updates += jump - calendar.seconds;
        take_jump(&calendar, jump, follower);
        from = calendar.seconds;
    }
}

/* The chip. */

static void drive_irq(struct mc146818 *rtc)
{
    bool level = rtc->registers[MC146818_C] & rtc->registers[MC146818_B] & (B_PIE | B_AIE | B_UIE);

    if (level != rtc->irq_level) {
        rtc->irq_level = level;
        line_set(&rtc->irq, level);
    }
}

/* Updates flags, calendar and irq to now_ns. */
static void catch_up(struct mc146818 *rtc, uint64_t now_ns)
{
    uint64_t before = rtc->cycles, cycles = cycles_at(rtc, now_ns);
    uint64_t period = period_cycles(rtc);
    uint64_t updates = cycles / CYCLES_PER_SECOND - before / CYCLES_PER_SECOND;
    uint8_t *registers = rtc->registers;

    if (cycles <= before)
        return;
    rtc->cycles = cycles;
    if (period != 0 && periodic_edges(cycles, period) > periodic_edges(before, period))
        registers[MC146818_C] |= C_PF;
    /* Figure 15: the flags appear when the update is over, with the new time. */
    if (updates > 0 && !(registers[MC146818_B] & B_SET)) {
        struct calendar calendar = calendar_of(rtc);

        registers[MC146818_C] |= C_UF;
        if (!(registers[MC146818_C] & C_AF) && updates_until_alarm(rtc) <= updates)
            registers[MC146818_C] |= C_AF;
        advance(&calendar, updates);
        set_calendar(rtc, &calendar);
    }
    drive_irq(rtc);
}

static void write_a(struct mc146818 *rtc, uint8_t value, uint64_t now_ns)
{
    bool ran = chain_runs(rtc);

    rtc->registers[MC146818_A] = value & (A_DIVIDER | A_RATE);
    /* "DV2, DV1, DV0": the first update comes half a second after the divider's reset ends. */
    if ((value & A_DIVIDER_RESET) == A_DIVIDER_RESET)
        rtc->cycles = CYCLES_PER_SECOND / 2;
    if (!ran) {
        rtc->base_cycles = rtc->cycles;
        rtc->base_ns = now_ns;
    }
}

static void write_b(struct mc146818 *rtc, uint8_t value)
{
    /* "SET": its change to 1 clears UIE. */
    if (value & ~rtc->registers[MC146818_B] & B_SET)
        value &= (uint8_t)~B_UIE;
    rtc->registers[MC146818_B] = value;
}

static void write_register(struct mc146818 *rtc, uint8_t value, uint64_t now_ns)
{
    switch (rtc->index) {
    case MC146818_A: write_a(rtc, value, now_ns); break;
    case MC146818_B: write_b(rtc, value); break;
    case MC146818_C:
    case MC146818_D: break; /* read-only */
    case MC146818_SECONDS:
        /* "Address Map": the high-order bit of the seconds byte is read-only. */
        rtc->registers[MC146818_SECONDS] = value & 0x7f;
        break;
    case MC146818_HOURS:
    case MC146818_DATE:
    case MC146818_MONTH: rtc->fell_back = false; /* no repeated hour */ /* fall through */
    default: rtc->registers[rtc->index] = value; break;
    }
    drive_irq(rtc);
}

static uint8_t read_register(struct mc146818 *rtc)
{
    uint8_t value = rtc->registers[rtc->index];

    switch (rtc->index) {
    case MC146818_A: {
        bool late = rtc->cycles % CYCLES_PER_SECOND >= CYCLES_PER_SECOND - UIP_CYCLES;

        if (late && chain_runs(rtc) && !(rtc->registers[MC146818_B] & B_SET))
            value |= A_UIP;
        break;
    }
    case MC146818_C:
        value |= rtc->irq_level ? C_IRQF : 0;
        rtc->registers[MC146818_C] = 0;
        drive_irq(rtc);
        break;
    case MC146818_D: value = D_VRT; break;
    }
    return value;
}

void mc146818_init(struct mc146818 *rtc, struct line irq, uint64_t wall_seconds, uint64_t now_ns)
{
    /* Unix time counts Gregorian days; the chip's calendar agrees with it from March 1900 on. */
    const uint64_t day_of_1970 = day_of(1970, 1, 1);
    struct calendar calendar = {
        .seconds = day_of_1970 * SECONDS_PER_DAY + wall_seconds,
        .weekday_of_0 = (unsigned)((4 + 7 - day_of_1970 % 7) % 7), /* 1970 began on a Thursday */
    };

    *rtc = (struct mc146818){.irq = irq, .base_ns = now_ns};
    rtc->registers[MC146818_A] = A_DIVIDER_32768 | A_RATE_1024_HZ;
    rtc->registers[MC146818_B] = B_24;
    set_calendar(rtc, &calendar);
    line_set(&rtc->irq, false);
}

void mc146818_reset(struct mc146818 *rtc, uint64_t now_ns)
{
    catch_up(rtc, now_ns);
    rtc->registers[MC146818_B] &= (uint8_t) ~(B_PIE | B_AIE | B_UIE | B_SQWE);
    rtc->registers[MC146818_C] = 0;
    rtc->index = 0;
    rtc->nmi_masked = false;
    drive_irq(rtc);
}

uint8_t mc146818_read(struct mc146818 *rtc, unsigned offset, uint64_t now_ns)
{
    if (offset != MC146818_DATA)
        return 0xff;
    catch_up(rtc, now_ns);
    return read_register(rtc);
}

void mc146818_write(struct mc146818 *rtc, unsigned offset, uint8_t value, uint64_t now_ns)
{
    if (offset == MC146818_INDEX) {
        rtc->index = value & 0x7f;
        rtc->nmi_masked = value & 0x80;
    } else if (offset == MC146818_DATA) {
        catch_up(rtc, now_ns);
        write_register(rtc, value, now_ns);
    }
}

void mc146818_set_cmos(struct mc146818 *rtc, unsigned index, uint8_t value)
{
    CHECK(index >= MC146818_RAM_FIRST && index < MC146818_REGISTER_COUNT);
    rtc->registers[index] = value;
}

bool mc146818_nmi_masked(const struct mc146818 *rtc)
{
    return rtc->nmi_masked;
}

uint64_t mc146818_next_deadline(const struct mc146818 *rtc)
{
    uint8_t b = rtc->registers[MC146818_B];
    uint64_t period = period_cycles(rtc), next = UINT64_MAX;
    uint64_t second = rtc->cycles / CYCLES_PER_SECOND;

    if (!chain_runs(rtc) || rtc->irq_level)
        return TIME_NEVER;
    if (b & B_PIE && period != 0)
        next = cycles_of_edge(periodic_edges(rtc->cycles, period) + 1, period);
    if (!(b & B_SET)) {
        uint64_t updates = b & B_UIE ? 1 : b & B_AIE ? updates_until_alarm(rtc) : UINT64_MAX;

        if (updates != UINT64_MAX && (second + updates) * CYCLES_PER_SECOND < next)
            next = (second + updates) * CYCLES_PER_SECOND;
    }
    return next == UINT64_MAX ? TIME_NEVER : time_of(rtc, next);
}

void mc146818_run(struct mc146818 *rtc, uint64_t now_ns)
{
    catch_up(rtc, now_ns);
}
