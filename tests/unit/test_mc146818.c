// SPDX-License-Identifier: BSD-2-Clause
#include "tests/unit/unit.h"

#include "tests/unit/random.h"
#include "vmm/base/time.h"
#include "vmm/devices/mc146818.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

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

static void set_irq(void *context, bool level)
{
    struct board *board = context;

    board->irq = level;
    board->edges += level;
}

static void set_up(struct board *board, uint64_t wall_seconds)
{
    *board = (struct board){.irq = true};
    mc146818_init(&board->rtc, (struct line){set_irq, board}, wall_seconds, 0);
    assert_false(board->irq);
}

static uint8_t get(struct board *board, uint8_t index)
{
    mc146818_write(&board->rtc, MC146818_INDEX, index, board->now_ns);
    return mc146818_read(&board->rtc, MC146818_DATA, board->now_ns);
}

static void put(struct board *board, uint8_t index, uint8_t value)
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
static void set_clock(struct board *board, unsigned year, uint8_t month, uint8_t date,
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

static void set_alarm(struct board *board, uint8_t hours, uint8_t minutes, uint8_t seconds)
{
    put(board, MC146818_HOURS_ALARM, hours);
    put(board, MC146818_MINUTES_ALARM, minutes);
    put(board, MC146818_SECONDS_ALARM, seconds);
}

static void test_initial(void **state)
{
    struct board board;

    (void)state;
    set_up(&board, 1718454645); /* 15 June 2024, a Saturday, 12:30:45 */
    SHOWS(&board, "2024-06-15 7 12:30:45");
    assert_int_equal(get(&board, MC146818_A), 0x26);
    assert_int_equal(get(&board, MC146818_B), 0x02);
    assert_int_equal(get(&board, MC146818_C), 0x00);
    assert_int_equal(get(&board, MC146818_D), 0x80);
    assert_int_equal(mc146818_read(&board.rtc, MC146818_INDEX, 0), 0xff);
    assert_int_equal(mc146818_read(&board.rtc, 7, 0), 0xff);
    assert_int_equal(mc146818_next_deadline(&board.rtc), TIME_NEVER);
    board.now_ns = 14 * SECOND + SECOND / 2;
    SHOWS(&board, "2024-06-15 7 12:30:59");
    board.now_ns = 15 * SECOND;
    SHOWS(&board, "2024-06-15 7 12:31:00");
    /* The start need not be at 0. */
    mc146818_init(&board.rtc, (struct line){NULL, NULL}, 0, 7 * SECOND + 5);
    board.now_ns = 8 * SECOND + 4;
    SHOWS(&board, "1970-01-01 5 00:00:00");
    board.now_ns = 8 * SECOND + 5;
    SHOWS(&board, "1970-01-01 5 00:00:01");
    /* Absurd firmware clocks are just dates. */
    mc146818_init(&board.rtc, (struct line){NULL, NULL}, UINT64_MAX, 0);
    board.now_ns = 3 * SECOND;
    (void)get(&board, MC146818_SECONDS);
}

/* Against the C library, jumping through two centuries in odd steps. */
static void test_calendar(void **state)
{
    struct board board;

    (void)state;
    set_up(&board, 0);
    for (uint64_t seconds = 0; seconds < UINT64_C(4102444800); seconds += 2300007) {
        time_t wall = (time_t)seconds;
        char expected[32];
        struct tm tm;

        board.now_ns = seconds * SECOND;
        gmtime_r(&wall, &tm);
        snprintf(expected, sizeof(expected), "%04d-%02d-%02d %x %02d:%02d:%02d", tm.tm_year + 1900,
                 tm.tm_mon + 1, tm.tm_mday, tm.tm_wday + 1, tm.tm_hour, tm.tm_min, tm.tm_sec);
        SHOWS(&board, expected);
        if (seconds % 5 == 0) { /* set-up by wall time agrees with running there */
            mc146818_init(&board.rtc, (struct line){NULL, NULL}, seconds, board.now_ns);
            SHOWS(&board, expected);
        }
    }
}

static void test_rollovers(void **state)
{
    static const struct {
        unsigned year;
        uint8_t month, date, week_day;
        const char *next;
    } cases[] = {
        {0x1999, 0x12, 0x31, 6, "2000-01-01 7 00:00:00"},
        {0x2000, 0x02, 0x28, 2, "2000-02-29 3 00:00:00"},
        {0x2000, 0x02, 0x29, 3, "2000-03-01 4 00:00:00"},
        {0x2023, 0x02, 0x28, 3, "2023-03-01 4 00:00:00"},
        {0x2024, 0x04, 0x30, 7, "2024-05-01 1 00:00:00"},
        {0x9999, 0x12, 0x31, 7, "0000-01-01 1 00:00:00"},
        {0x2023, 0x02, 0x30, 3, "2023-02-02 4 00:00:00"}, /* no such date: the 1st, then the 2nd */
        {0x2023, 0x13, 0x00, 0, "2023-01-02 2 00:00:00"},
        {0x202f, 0x0a, 0x0a, 9, "2000-01-02 2 00:00:00"},
    };
    struct board board;

    (void)state;
    set_up(&board, 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        set_clock(&board, cases[i].year, cases[i].month, cases[i].date, cases[i].week_day, 0x23,
                  0x59, 0x59);
        board.now_ns += SECOND;
        SHOWS(&board, cases[i].next);
    }
    /* Illegal times count as 0 from the next update on. */
    set_clock(&board, 0x2020, 1, 1, 1, 0x24, 0x60, 0xff);
    assert_int_equal(get(&board, MC146818_SECONDS), 0x7f); /* the top bit is read-only */
    assert_int_equal(get(&board, MC146818_HOURS), 0x24);
    board.now_ns += SECOND;
    SHOWS(&board, "2020-01-01 1 00:00:01");
}

static void test_formats(void **state)
{
    static const struct {
        uint8_t b, before, after;
    } cases[] = {
        {H24, 0x00, 0x01}, {H24, 0x12, 0x13}, {H24, 0x23, 0x00}, {0, 0x12, 0x01},
        {0, 0x11, 0x92},   {0, 0x92, 0x81},   {0, 0x91, 0x12},   {DM, 12, 1},
        {DM, 11, 0x8c},    {DM, 0x8c, 0x81},  {DM, 0x8b, 12},    {DM | H24, 9, 10},
        {DM | H24, 23, 0}, {0, 0x00, 0x01},   {0, 0x13, 0x01},   {0, 0x80, 0x01},
    };
    struct board board;

    (void)state;
    set_up(&board, 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        bool binary = cases[i].b & DM;

        put(&board, MC146818_B, cases[i].b);
        set_clock(&board, binary ? 0x1345 : 0x1969, 3, 9, 1, cases[i].before, binary ? 59 : 0x59,
                  binary ? 59 : 0x59);
        board.now_ns += SECOND;
        assert_int_equal(get(&board, MC146818_HOURS), cases[i].after);
        assert_int_equal(get(&board, MC146818_MINUTES), 0);
        assert_int_equal(get(&board, MC146818_YEAR), binary ? 0x45 : 0x69);
        assert_int_equal(get(&board, MC146818_CENTURY), binary ? 0x13 : 0x19);
    }
    /* Century in binary. */
    put(&board, MC146818_B, DM | H24);
    set_clock(&board, 19 << 8 | 99, 12, 31, 6, 23, 59, 59);
    board.now_ns += SECOND;
    assert_int_equal(get(&board, MC146818_CENTURY), 20);
    assert_int_equal(get(&board, MC146818_YEAR), 0);
}

static void test_set_holds_clock(void **state)
{
    struct board board;

    (void)state;
    set_up(&board, 0);
    put(&board, MC146818_B, H24 | UIE);
    put(&board, MC146818_B, H24 | UIE | SET);
    assert_int_equal(get(&board, MC146818_B), H24 | SET); /* SET clears UIE */
    put(&board, MC146818_B, H24 | UIE | SET);             /* but only when it goes high */
    assert_int_equal(get(&board, MC146818_B), H24 | UIE | SET);
    assert_int_equal(mc146818_next_deadline(&board.rtc), TIME_NEVER);
    board.now_ns = 10 * SECOND - 1000;
    assert_int_equal(get(&board, MC146818_A) & UIP, 0);
    board.now_ns = 10 * SECOND + SECOND / 4;
    assert_int_equal(get(&board, MC146818_C), PF); /* periodic taps run on */
    SHOWS(&board, "1970-01-01 5 00:00:00");
    put(&board, MC146818_SECONDS, 0x30);
    put(&board, MC146818_B, H24);
    /* The divider kept its phase. */
    board.now_ns = 11 * SECOND - 1;
    SHOWS(&board, "1970-01-01 5 00:00:30");
    board.now_ns = 11 * SECOND;
    SHOWS(&board, "1970-01-01 5 00:00:31");
}

static void test_divider(void **state)
{
    struct board board;

    (void)state;
    set_up(&board, 0);
    board.now_ns = SECOND / 10;
    put(&board, MC146818_B, H24 | UIE | PIE);
    put(&board, MC146818_A, 0x66); /* divider reset */
    assert_int_equal(mc146818_next_deadline(&board.rtc), TIME_NEVER);
    board.now_ns = 20 * SECOND;
    assert_int_equal(get(&board, MC146818_C), IRQF | PF);
    board.now_ns = 30 * SECOND;
    SHOWS(&board, "1970-01-01 5 00:00:00");
    assert_int_equal(get(&board, MC146818_C), 0);
    put(&board, MC146818_B, H24 | UIE);
    put(&board, MC146818_A, 0x26);
    /* The first update comes half a second after the reset's end. */
    assert_int_equal(mc146818_next_deadline(&board.rtc), 30 * SECOND + SECOND / 2);
    board.now_ns = 30 * SECOND + SECOND / 2 - 1;
    SHOWS(&board, "1970-01-01 5 00:00:00");
    board.now_ns++;
    SHOWS(&board, "1970-01-01 5 00:00:01");
    assert_int_equal(get(&board, MC146818_C), IRQF | PF | UF);
    /* Another time base than the board's crystal stops the chain where it is. */
    board.now_ns += SECOND / 4;
    put(&board, MC146818_A, 0x06);
    board.now_ns += 100 * SECOND;
    assert_int_equal(get(&board, MC146818_A), 0x06);
    put(&board, MC146818_A, 0x20);
    board.now_ns += 3 * SECOND / 4 - 1;
    SHOWS(&board, "1970-01-01 5 00:00:01");
    board.now_ns++;
    SHOWS(&board, "1970-01-01 5 00:00:02");
    assert_int_equal(get(&board, MC146818_A), 0x20);
    put(&board, MC146818_A, 0xff); /* UIP is read-only */
    assert_int_equal(get(&board, MC146818_A), 0x7f);
}

static void test_update_in_progress(void **state)
{
    struct board board;

    (void)state;
    set_up(&board, 0);
    for (unsigned i = 1; i < 4; i++) {
        board.now_ns = i * SECOND - UIP_NS - 1000;
        assert_int_equal(get(&board, MC146818_A) & UIP, 0);
        assert_int_equal(get(&board, MC146818_C) & UF, 0);
        board.now_ns = i * SECOND - UIP_NS + 1;
        assert_int_equal(get(&board, MC146818_A) & UIP, UIP);
        board.now_ns = i * SECOND - 1;
        assert_int_equal(get(&board, MC146818_A) & UIP, UIP);
        assert_int_equal(get(&board, MC146818_SECONDS), i - 1);
        board.now_ns = i * SECOND;
        assert_int_equal(get(&board, MC146818_A) & UIP, 0);
        assert_int_equal(get(&board, MC146818_SECONDS), i);
        assert_int_equal(get(&board, MC146818_C) & UF, UF);
    }
    /* SET aborts an update. */
    board.now_ns = 4 * SECOND - 1000;
    assert_int_equal(get(&board, MC146818_A) & UIP, UIP);
    put(&board, MC146818_B, SET | H24);
    assert_int_equal(get(&board, MC146818_A) & UIP, 0);
}

static void test_update_interrupt(void **state)
{
    struct board board;

    (void)state;
    set_up(&board, 0);
    board.now_ns = SECOND / 3;
    put(&board, MC146818_B, H24 | UIE);
    for (unsigned i = 1; i < 5; i++) {
        uint64_t deadline = mc146818_next_deadline(&board.rtc);

        assert_int_equal(deadline, i * SECOND);
        mc146818_run(&board.rtc, deadline - 1);
        assert_false(board.irq);
        assert_int_equal(mc146818_next_deadline(&board.rtc), deadline);
        mc146818_run(&board.rtc, deadline);
        assert_true(board.irq);
        assert_int_equal(mc146818_next_deadline(&board.rtc), TIME_NEVER);
        board.now_ns = deadline;
        assert_int_equal(get(&board, MC146818_C) & ~PF, IRQF | UF);
        assert_false(board.irq);
        assert_int_equal(get(&board, MC146818_C), 0);
    }
    /* Missed ones merge. */
    board.edges = 0;
    board.now_ns = 60 * SECOND;
    mc146818_run(&board.rtc, board.now_ns);
    assert_int_equal(board.edges, 1);
    (void)get(&board, MC146818_C);
    assert_int_equal(mc146818_next_deadline(&board.rtc), 61 * SECOND);
    /* A flag that is set interrupts as soon as it is enabled. */
    put(&board, MC146818_B, H24);
    board.now_ns = 70 * SECOND;
    assert_false(board.irq);
    put(&board, MC146818_B, H24 | UIE);
    assert_true(board.irq);
    put(&board, MC146818_B, H24);
    assert_false(board.irq);
}

static void test_periodic_rates(void **state)
{
    static const uint32_t hertz[16] = {0,   256, 128, 8192, 4096, 2048, 1024, 512,
                                       256, 128, 64,  32,   16,   8,    4,    2};
    struct board board;

    (void)state;
    for (unsigned rate = 0; rate < 16; rate++) {
        uint64_t previous = 0;
        unsigned count = 0;

        set_up(&board, 0);
        put(&board, MC146818_A, (uint8_t)(0x20 | rate));
        put(&board, MC146818_B, H24 | PIE);
        if (rate == 0) {
            assert_int_equal(mc146818_next_deadline(&board.rtc), TIME_NEVER);
            board.now_ns = 5 * SECOND;
            assert_int_equal(get(&board, MC146818_C), UF);
            continue;
        }
        for (;;) {
            uint64_t deadline = mc146818_next_deadline(&board.rtc);
            uint64_t period = SECOND / hertz[rate];

            if (deadline >= 2 * SECOND)
                break;
            if (count > 0)
                assert_in_range(deadline - previous, period - 1, period + 1);
            mc146818_run(&board.rtc, deadline - 1);
            assert_false(board.irq);
            mc146818_run(&board.rtc, deadline);
            assert_true(board.irq);
            board.now_ns = previous = deadline;
            assert_int_equal(get(&board, MC146818_C) & ~UF, IRQF | PF);
            count++;
        }
        assert_int_equal(count, 2 * hertz[rate]);
    }
}

/* Figure 16: UIP rises half a period after a periodic edge. */
static void test_periodic_phase(void **state)
{
    struct board board;

    (void)state;
    set_up(&board, 0);
    put(&board, MC146818_A, 0x2f);
    put(&board, MC146818_B, H24 | PIE);
    board.now_ns = mc146818_next_deadline(&board.rtc);
    mc146818_run(&board.rtc, board.now_ns);
    assert_in_range(board.now_ns + SECOND / 4, SECOND / 2 - UIP_NS - 1, SECOND / 2 - UIP_NS + 2);
    (void)get(&board, MC146818_C);
    board.now_ns = mc146818_next_deadline(&board.rtc);
    assert_in_range(board.now_ns + SECOND / 4, SECOND - UIP_NS - 1, SECOND - UIP_NS + 2);
}

static void test_alarm(void **state)
{
    /* From 1 January 1970, 10:20:30. */
    static const struct {
        uint8_t hours, minutes, seconds;
        uint64_t first, second; /* seconds until then */
    } cases[] = {
        {0x10, 0x20, 0x31, 1, 86401},
        {0x10, 0x20, 0x30, 86400, 172800}, /* matches now, but that update is over */
        {0x10, 0x20, 0x29, 86399, 172799},
        {0x11, 0x00, 0x00, 2370, 88770},
        {0x09, 0x59, 0x59, 85169, 171569},
        {0x00, 0x00, 0x00, 49170, 135570},
        {0xff, 0xff, 0xff, 1, 2},
        {0xc0, 0xc0, 0xc0, 1, 2},
        {0xff, 0xff, 0x15, 45, 105},
        {0xff, 0x20, 0x15, 3585, 7185},
        {0xff, 0x20, 0x45, 15, 3615},
        {0xff, 0x25, 0xff, 270, 271},
        {0xff, 0x20, 0xff, 1, 2},
        {0xff, 0x10, 0xff, 2970, 2971},
        {0x10, 0xff, 0xff, 1, 2},
        {0x10, 0xff, 0x00, 30, 90},
        {0x12, 0xff, 0xff, 5970, 5971},
        {0x12, 0xff, 0x30, 6000, 6060},
        {0x03, 0x20, 0xff, 61170, 61171},
        {0x10, 0x20, 0xff, 1, 2},
        {0x24, 0x00, 0x00, 0, 0}, /* never */
        {0x10, 0x60, 0x00, 0, 0},
        {0x10, 0x00, 0x60, 0, 0},
        {0xbf, 0x00, 0x00, 0, 0},
        {0x10, 0x1a, 0x00, 0, 0},
    };
    struct board board;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        set_up(&board, 10 * 3600 + 20 * 60 + 30);
        set_alarm(&board, cases[i].hours, cases[i].minutes, cases[i].seconds);
        put(&board, MC146818_B, H24 | AIE);
        if (cases[i].first == 0) {
            assert_int_equal(mc146818_next_deadline(&board.rtc), TIME_NEVER);
            board.now_ns = 1000000 * SECOND;
            assert_int_equal(get(&board, MC146818_C) & AF, 0);
            continue;
        }
        assert_int_equal(mc146818_next_deadline(&board.rtc), cases[i].first * SECOND);
        mc146818_run(&board.rtc, cases[i].first * SECOND - 1);
        assert_false(board.irq);
        assert_int_equal(mc146818_next_deadline(&board.rtc), cases[i].first * SECOND);
        board.now_ns = cases[i].first * SECOND;
        mc146818_run(&board.rtc, board.now_ns);
        assert_true(board.irq);
        assert_int_equal(get(&board, MC146818_C) & ~PF, IRQF | AF | UF);
        assert_int_equal(mc146818_next_deadline(&board.rtc), cases[i].second * SECOND);
    }
}

/* The closed form of the next match against trying every second. */
static void test_alarm_oracle(void **state)
{
    static const uint8_t hours[] = {0x00, 0x01, 0x13, 0x23, 0xff};
    static const uint8_t sixties[] = {0x00, 0x30, 0x59, 0xff};
    static const uint32_t starts[] = {0, 3599, 46799, 46800, 82800, 86399, 1830, 48630};
    struct board board;

    (void)state;
    for (unsigned h = 0; h < sizeof(hours); h++)
        for (unsigned m = 0; m < sizeof(sixties); m++)
            for (unsigned s = 0; s < sizeof(sixties); s++)
                for (unsigned k = 0; k < sizeof(starts) / sizeof(starts[0]); k++) {
                    uint32_t wait = 1;

                    for (;; wait++) {
                        uint32_t t = (starts[k] + wait) % 86400;
                        uint8_t bcd[3] = {(uint8_t)(t / 36000 << 4 | t / 3600 % 10),
                                          (uint8_t)(t / 600 % 6 << 4 | t / 60 % 10),
                                          (uint8_t)(t / 10 % 6 << 4 | t % 10)};

                        if ((hours[h] == 0xff || hours[h] == bcd[0]) &&
                            (sixties[m] == 0xff || sixties[m] == bcd[1]) &&
                            (sixties[s] == 0xff || sixties[s] == bcd[2]))
                            break;
                    }
                    set_up(&board, starts[k]);
                    set_alarm(&board, hours[h], sixties[m], sixties[s]);
                    put(&board, MC146818_B, H24 | AIE);
                    assert_int_equal(mc146818_next_deadline(&board.rtc), wait * SECOND);
                }
}

static void test_alarm_12_hours(void **state)
{
    struct board board;

    (void)state;
    set_up(&board, 0);
    put(&board, MC146818_B, AIE);
    set_clock(&board, 0x2024, 1, 1, 2, 0x11, 0x59, 0x58);
    set_alarm(&board, 0x92, 0x00, 0x00); /* noon */
    assert_int_equal(mc146818_next_deadline(&board.rtc), 2 * SECOND);
    set_alarm(&board, 0x12, 0x00, 0x00); /* midnight */
    assert_int_equal(mc146818_next_deadline(&board.rtc), (2 + 43200) * SECOND);
    set_alarm(&board, 0xff, 0x00, 0x01);
    assert_int_equal(mc146818_next_deadline(&board.rtc), 3 * SECOND);
    set_alarm(&board, 0x00, 0x00, 0x00); /* no such hour */
    assert_int_equal(mc146818_next_deadline(&board.rtc), TIME_NEVER);
}

/* Flags of sources that are not enabled are found set all the same. */
static void test_lazy_flags(void **state)
{
    struct board board;

    (void)state;
    set_up(&board, 0);
    set_alarm(&board, 0x00, 0x01, 0x00);
    board.now_ns = 59 * SECOND;
    assert_int_equal(get(&board, MC146818_C), PF | UF);
    board.now_ns = 200 * SECOND;
    assert_int_equal(get(&board, MC146818_C), PF | AF | UF);
    board.now_ns = 400 * SECOND;
    assert_int_equal(get(&board, MC146818_C), PF | UF);
    assert_int_equal(board.edges, 0);
}

static void test_daylight_saving(void **state)
{
    struct board board;

    (void)state;
    set_up(&board, 0);
    put(&board, MC146818_B, H24 | DSE | AIE);
    set_clock(&board, 0x1985, 0x04, 0x28, 1, 0x01, 0x59, 0x59); /* the last Sunday in April */
    set_alarm(&board, 0x02, 0x30, 0x00);
    /* Half past two does not come that day. */
    assert_int_equal(mc146818_next_deadline(&board.rtc), (1 + 23 * 3600 + 1800) * SECOND);
    set_alarm(&board, 0x03, 0x00, 0x00);
    assert_int_equal(mc146818_next_deadline(&board.rtc), SECOND);
    board.now_ns = SECOND;
    SHOWS(&board, "1985-04-28 1 03:00:00");
    assert_int_equal(get(&board, MC146818_C) & AF, AF);

    set_clock(&board, 0x1985, 0x04, 0x21, 1, 0x01, 0x59, 0x59); /* a Sunday too early */
    board.now_ns += SECOND;
    SHOWS(&board, "1985-04-21 1 02:00:00");

    set_clock(&board, 0x1985, 0x10, 0x27, 1, 0x01, 0x59, 0x59); /* the last Sunday in October */
    board.now_ns += SECOND;
    SHOWS(&board, "1985-10-27 1 01:00:00");
    board.now_ns += 3599 * SECOND;
    SHOWS(&board, "1985-10-27 1 01:59:59");
    board.now_ns += SECOND;
    SHOWS(&board, "1985-10-27 1 02:00:00");
    /* Set once more to that morning, it happens once more. */
    set_clock(&board, 0x1985, 0x10, 0x27, 1, 0x01, 0x30, 0x00);
    set_alarm(&board, 0x01, 0x15, 0x00);
    assert_int_equal(mc146818_next_deadline(&board.rtc) - board.now_ns, (1800 + 900) * SECOND);
    board.now_ns += 2 * 3600 * SECOND;
    SHOWS(&board, "1985-10-27 1 02:30:00");
    /* Even when it is set while the hour passes for the second time. */
    set_clock(&board, 0x1985, 0x10, 0x27, 1, 0x01, 0x30, 0x00);
    board.now_ns += 3600 * SECOND;
    SHOWS(&board, "1985-10-27 1 01:30:00");
    set_clock(&board, 0x1986, 0x10, 0x26, 1, 0x01, 0x59, 0x59);
    board.now_ns += SECOND;
    SHOWS(&board, "1986-10-26 1 01:00:00");

    /* Without DSE nothing happens; over whole years the two jumps cancel. */
    put(&board, MC146818_B, H24);
    set_clock(&board, 0x1985, 0x04, 0x28, 1, 0x01, 0x59, 0x59);
    board.now_ns += SECOND;
    SHOWS(&board, "1985-04-28 1 02:00:00");
    put(&board, MC146818_B, H24 | DSE);
    set_clock(&board, 0x1985, 0x01, 0x01, 3, 0x00, 0x00, 0x00);
    board.now_ns += UINT64_C(3652) * 86400 * SECOND;
    SHOWS(&board, "1995-01-01 1 00:00:00");
    board.now_ns += UINT64_C(181) * 86400 * SECOND;
    SHOWS(&board, "1995-07-01 7 01:00:00");
}

static void test_index_and_ram(void **state)
{
    struct board board;

    (void)state;
    set_up(&board, 0);
    for (unsigned i = 0x0e; i < 0x80; i++)
        put(&board, (uint8_t)i, (uint8_t)(i ^ 0x5a));
    for (unsigned i = 0x0e; i < 0x80; i++)
        assert_int_equal(get(&board, (uint8_t)i), i ^ 0x5a);
    mc146818_set_cmos(&board.rtc, 0x10, 0x44);
    mc146818_set_cmos(&board.rtc, 0x7f, 0x55);
    assert_int_equal(get(&board, 0x10), 0x44);
    assert_int_equal(get(&board, 0xff), 0x55);
    assert_true(mc146818_nmi_masked(&board.rtc));
    assert_int_equal(get(&board, 0x7f), 0x55);
    assert_false(mc146818_nmi_masked(&board.rtc));
    put(&board, MC146818_C, 0xff);
    put(&board, MC146818_D, 0x00);
    assert_int_equal(get(&board, MC146818_C), 0);
    assert_int_equal(get(&board, MC146818_D), 0x80);
    mc146818_write(&board.rtc, 5, 0x12, 0);
}

static void test_reset_pin(void **state)
{
    struct board board;

    (void)state;
    set_up(&board, 0);
    put(&board, 0x40, 0x12);
    put(&board, MC146818_B, 0x7f);
    board.now_ns = 100 * SECOND;
    mc146818_run(&board.rtc, board.now_ns);
    assert_true(board.irq);
    mc146818_write(&board.rtc, MC146818_INDEX, 0x8f, board.now_ns);
    mc146818_reset(&board.rtc, board.now_ns);
    assert_false(board.irq);
    assert_false(mc146818_nmi_masked(&board.rtc));
    assert_int_equal(get(&board, MC146818_B), DM | H24 | DSE);
    assert_int_equal(get(&board, MC146818_C), 0);
    assert_int_equal(get(&board, 0x40), 0x12);
    assert_int_equal(get(&board, MC146818_MINUTES), 1);
    /* A clock that runs backwards stands still. */
    board.now_ns = 0;
    assert_int_equal(get(&board, MC146818_MINUTES), 1);
}

/* Any sequence of accesses is harmless, and a deadline is always ahead or raises the line. */
static void test_random(void **state)
{
    struct board board;

    (void)state;
    set_up(&board, 1718454645);
    for (unsigned i = 0; i < 200000; i++) {
        uint64_t random = random_u64(), deadline;

        if (random >> 60 < 12)
            put(&board, (uint8_t)(random >> 8 & (random & 1 ? 0x0f : 0x3f)),
                (uint8_t)(random >> 16));
        else
            (void)get(&board, (uint8_t)(random >> 8));
        if ((random & 0x700) == 0)
            put(&board, MC146818_A, 0x20 | (random >> 24 & 15));
        board.now_ns += random >> 32 & (random & 2 ? 0xffff : 0xffffffff);
        deadline = mc146818_next_deadline(&board.rtc);
        if (deadline != TIME_NEVER) {
            assert_false(board.irq);
            if (deadline > board.now_ns) {
                mc146818_run(&board.rtc, deadline - 1);
                assert_false(board.irq);
                if (random & 4)
                    continue;
                board.now_ns = deadline;
            }
            mc146818_run(&board.rtc, board.now_ns);
            assert_true(board.irq);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_initial),
        cmocka_unit_test(test_calendar),
        cmocka_unit_test(test_rollovers),
        cmocka_unit_test(test_formats),
        cmocka_unit_test(test_set_holds_clock),
        cmocka_unit_test(test_divider),
        cmocka_unit_test(test_update_in_progress),
        cmocka_unit_test(test_update_interrupt),
        cmocka_unit_test(test_periodic_rates),
        cmocka_unit_test(test_periodic_phase),
        cmocka_unit_test(test_alarm),
        cmocka_unit_test(test_alarm_oracle),
        cmocka_unit_test(test_alarm_12_hours),
        cmocka_unit_test(test_lazy_flags),
        cmocka_unit_test(test_daylight_saving),
        cmocka_unit_test(test_index_and_ram),
        cmocka_unit_test(test_reset_pin),
        cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests_name("mc146818", tests, NULL, NULL);
}
