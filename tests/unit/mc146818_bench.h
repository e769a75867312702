// SPDX-License-Identifier: BSD-2-Clause
/* A real-time clock on a board with a clock and an interrupt line. */
#ifndef TESTS_UNIT_MC146818_BENCH_H
#define TESTS_UNIT_MC146818_BENCH_H

#include "tests/unit/unit.h"

#include "vmm/base/time.h"
#include "vmm/devices/mc146818.h"

#include <stdio.h>

#define SET  0x80
#define PIE  0x40
#define AIE  0x20
#define UIE  0x10
#define DM   0x04
#define H24  0x02
#define DSE  0x01
#define UIP  0x80
#define IRQF 0x80
#define PF   0x40
#define AF   0x20
#define UF   0x10

#define SECOND NS_PER_SECOND
/* UIP leads by 8 cycles of 32768 Hz and the update takes 65. */
#define UIP_NS (73 * SECOND / 32768)

struct board {
    struct mc146818 rtc;
    uint64_t now_ns;
    bool irq;
    unsigned edges;
};

static inline void set_irq(void *context, bool level)
{
    struct board *board = context;

    board->irq = level;
    board->edges += level;
}

static inline void set_up(struct board *board, uint64_t wall_seconds)
{
    *board = (struct board){.irq = true};
    mc146818_init(&board->rtc, (struct line){set_irq, board}, wall_seconds, 0);
    assert_false(board->irq);
}

static inline uint8_t get(struct board *board, uint8_t index)
{
    mc146818_write(&board->rtc, MC146818_INDEX, index, board->now_ns);
    return mc146818_read(&board->rtc, MC146818_DATA, board->now_ns);
}

static inline void put(struct board *board, uint8_t index, uint8_t value)
{
    mc146818_write(&board->rtc, MC146818_INDEX, index, board->now_ns);
    mc146818_write(&board->rtc, MC146818_DATA, value, board->now_ns);
}

/* The clock as "CCYY-MM-DD W hh:mm:ss", bytes in hexadecimal: BCD reads as decimal. */
#define SHOWS(board, expected)                                                                     \
    do {                                                                                           \
        char text[32];                                                                             \
        snprintf(text, sizeof(text), "%02x%02x-%02x-%02x %x %02x:%02x:%02x",                       \
                 get(board, MC146818_CENTURY), get(board, MC146818_YEAR),                          \
                 get(board, MC146818_MONTH), get(board, MC146818_DATE),                            \
                 get(board, MC146818_DAY_OF_WEEK), get(board, MC146818_HOURS),                     \
                 get(board, MC146818_MINUTES), get(board, MC146818_SECONDS));                      \
        assert_string_equal(text, expected);                                                       \
    } while (0)

/* Sets the clock in BCD as written in hexadecimal, without disturbing the divider. */
static inline void set_clock(struct board *board, unsigned year, uint8_t month, uint8_t date,
                             uint8_t week_day, uint8_t hours, uint8_t minutes, uint8_t seconds)
{
    uint8_t b = get(board, MC146818_B);

    put(board, MC146818_B, b | SET);
    put(board, MC146818_CENTURY, (uint8_t)(year >> 8));
    put(board, MC146818_YEAR, (uint8_t)year);
    put(board, MC146818_MONTH, month);
    put(board, MC146818_DATE, date);
    put(board, MC146818_DAY_OF_WEEK, week_day);
    put(board, MC146818_HOURS, hours);
    put(board, MC146818_MINUTES, minutes);
    put(board, MC146818_SECONDS, seconds);
    put(board, MC146818_B, b);
}

static inline void set_alarm(struct board *board, uint8_t hours, uint8_t minutes, uint8_t seconds)
{
    put(board, MC146818_HOURS_ALARM, hours);
    put(board, MC146818_MINUTES_ALARM, minutes);
    put(board, MC146818_SECONDS_ALARM, seconds);
}

#endif
