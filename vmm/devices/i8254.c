// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/devices/i8254.h"

#include "vmm/base/check.h"

/* Datasheet figures "Control Word Format", "Read-Back Command Format" and "Status Byte". */
#define CONTROL_BCD           0x01
#define CONTROL_SELECT(value) ((unsigned)(value) >> 6)
#define CONTROL_ACCESS(value) ((enum access)((value) >> 4 & 3))
#define CONTROL_MODE(value)   ((value) >> 1 & 7)
#define CONTROL_BITS          0x3f
#define SELECT_READ_BACK      3
#define READ_BACK_NO_STATUS   0x10
#define READ_BACK_NO_COUNT    0x20
#define STATUS_NULL_COUNT     0x40
#define STATUS_OUT            0x80
#define PORT_CONTROL          3
#define FLOATING_BUS          0xff
#define CLK_NEVER             UINT64_MAX

/* RW1, RW0 */
enum access {
    ACCESS_LATCH = 0,
    ACCESS_LOW = 1,
    ACCESS_HIGH = 2,
    ACCESS_BOTH = 3,
};

static uint32_t modulus(const struct i8254_counter *c)
{
    return c->control & CONTROL_BCD ? 10000 : 65536;
}

/* Returns the count that CR encodes, 1..modulus: 0 is the largest one (figure 22). */
static uint32_t programmed_count(const struct i8254_counter *c)
{
    uint32_t count = c->cr;

    if (c->control & CONTROL_BCD)
        count =
            (count >> 12) * 1000 + (count >> 8 & 15) * 100 + (count >> 4 & 15) * 10 + (count & 15);
    count %= modulus(c);
    return count == 0 ? modulus(c) : count;
}

/* Returns the counting element as software reads it at pulse number `clk`. The pulse is before
 * quiet_clk, or the state already includes it. */
static uint16_t counting_element(const struct i8254_counter *c, uint64_t clk)
{
    uint32_t value = c->ce;

    if (clk > c->clk)
        value -= (uint32_t)(clk - c->clk) * c->quiet_step;
    if (c->control & CONTROL_BCD) {
        value %= 10000;
        value = value / 1000 << 12 | value / 100 % 10 << 8 | value / 10 % 10 << 4 | value % 10;
    }
    return (uint16_t)value;
}

static bool is_periodic(const struct i8254_counter *c)
{
    return c->mode == 2 || c->mode == 3;
}

/* Returns whether the counter counts. Modes 1 and 5 use only the rising edge of GATE, the others
 * its level too. Figure 21. */
static bool is_enabled(const struct i8254_counter *c)
{
    return c->is_counting && (c->gate || c->mode == 1 || c->mode == 5);
}

/* Minimum counts, figure 22. With a count of 1 a periodic counter does not count, and OUT is
 * high. */
static bool is_stuck(const struct i8254_counter *c)
{
    return is_periodic(c) && c->count < 2;
}

/* Returns the length of a half period in CLK pulses, mode 3. "OUT will be high for (N+1)/2 counts
 * and low for (N-1)/2 counts" when N is odd. */
static uint32_t half_period(uint32_t count, bool is_high)
{
    return is_high ? (count + 1) / 2 : count / 2;
}

/* Returns the CLK pulses until the half period ends, mode 3. CE goes down by two. The high half of
 * an odd count also spends one pulse with CE at 0. */
static uint32_t half_remaining(const struct i8254_counter *c)
{
    return c->ce / 2 + ((c->count & 1) && c->out ? 1 : 0);
}

static void reload(struct i8254_counter *c)
{
    c->count = programmed_count(c);
    c->ce = c->mode == 3 ? c->count & ~UINT32_C(1) : c->count;
    c->null_count = false;
}

/* Handles the CLK pulse after a count or a trigger. This pulse does not decrement. */
static void load(struct i8254_counter *c)
{
    reload(c);
    c->load_pending = false;
    c->is_counting = true;
    c->has_expired = false;
    c->out = c->mode >= 2; /* mode 0: low since the count was written; mode 1: the one-shot
                              begins */
}

/* Counts `clocks` > 0 pulses in modes 0, 1, 4, 5. CE continues below 0 after the terminal count. */
static void count_once(struct i8254_counter *c, uint64_t clocks)
{
    if (!c->has_expired && clocks >= c->ce) {
        c->has_expired = true;
        /* Modes 4 and 5: the strobe is low only for the pulse that reaches 0. */
        c->out = c->mode <= 1 || clocks > c->ce;
    }
    c->ce = (c->ce + modulus(c) - (uint32_t)(clocks % modulus(c))) % modulus(c);
}

/* Counts in mode 2: N .. 1 again and again, OUT is low while CE is 1. A new count is used from the
 * end of the cycle on. */
static void count_rate(struct i8254_counter *c, uint64_t clocks)
{
    if (clocks < c->ce) {
        c->ce -= (uint32_t)clocks;
    } else {
        clocks -= c->ce;
        reload(c);
        c->ce -= (uint32_t)(clocks % c->count);
    }
    c->out = c->ce != 1 || is_stuck(c);
}

/* Counts in mode 3. A new count is used from the end of the half cycle on. */
static void count_square(struct i8254_counter *c, uint64_t clocks)
{
    if (clocks >= half_remaining(c)) {
        clocks -= half_remaining(c);
        c->out = !c->out;
        reload(c);
        if (is_stuck(c)) {
            c->out = true;
            return;
        }
        clocks %= c->count;
        if (clocks >= half_period(c->count, c->out)) {
            clocks -= half_period(c->count, c->out);
            c->out = !c->out;
        }
    }
    c->ce -= 2 * (uint32_t)clocks;
}

/* Advances the counter to CLK pulse number `clk`; a pulse that has passed changes nothing. */
static void advance(struct i8254_counter *c, uint64_t clk)
{
    if (clk <= c->clk)
        return;
    if (c->load_pending) {
        c->clk++;
        load(c);
    }
    uint64_t clocks = clk - c->clk;
    c->clk = clk;
    if (clocks == 0)
        return;

    if ((c->mode == 4 || c->mode == 5) && !c->out)
        c->out = true; /* the strobe lasts one CLK pulse, whatever GATE does */
    if (!is_enabled(c) || is_stuck(c))
        return;
    if (c->mode == 2)
        count_rate(c, clocks);
    else if (c->mode == 3)
        count_square(c, clocks);
    else
        count_once(c, clocks);
}

/* Computes the pulse up to which only CE changes: no edge of OUT, no load. The counter is in the
 * state after advance. Up to this pulse a read needs one multiplication. */
static void look_ahead(struct i8254_counter *c)
{
    c->quiet_clk = CLK_NEVER;
    c->quiet_step = 0;
    if (c->load_pending || ((c->mode == 4 || c->mode == 5) && !c->out)) {
        c->quiet_clk = 0;
    } else if (is_enabled(c) && !is_stuck(c)) {
        c->quiet_step = c->mode == 3 ? 2 : 1;
        c->quiet_clk = c->clk + (c->mode == 3   ? half_remaining(c)
                                 : c->mode == 2 ? c->ce - 1
                                                : c->ce);
    }
}

/* Returns the number of the CLK pulse at which OUT rises next, later than c->clk; CLK_NEVER if only
 * a write or GATE can make OUT rise. */
static uint64_t next_rise(const struct i8254_counter *now)
{
    struct i8254_counter c = *now;

    if (c.load_pending) {
        advance(&c, c.clk + 1);
        if (c.out && !now->out)
            return c.clk;
    }
    if ((c.mode == 4 || c.mode == 5) && !c.out)
        return c.clk + 1;
    if (!is_enabled(&c) || is_stuck(&c))
        return CLK_NEVER;

    switch (c.mode) {
    case 2: return c.clk + c.ce;
    case 3:
        if (!c.out)
            return c.clk + half_remaining(&c);
        /* The low half uses the count that CR holds by then. */
        if (programmed_count(&c) < 2)
            return CLK_NEVER;
        return c.clk + half_remaining(&c) + half_period(programmed_count(&c), false);
    default:
        if (c.has_expired)
            return CLK_NEVER;
        return c.clk + c.ce + (c.mode >= 4 ? 1 : 0);
    }
}

static void drive(struct i8254 *pit, unsigned counter, bool level)
{
    if (pit->counter[counter].driven == level)
        return;
    pit->counter[counter].driven = level;
    line_set(&pit->out[counter], level);
}

/* Shows the listener a rising edge of OUT, even if it did not see the low level before. */
static void drive_rise(struct i8254 *pit, unsigned counter)
{
    drive(pit, counter, false);
    drive(pit, counter, true);
}

/* Shows the listener a change of OUT. was_high: OUT before the change. */
static void drive_change(struct i8254 *pit, unsigned counter, bool was_high)
{
    const struct i8254_counter *c = &pit->counter[counter];

    if (c->out && !was_high)
        drive_rise(pit, counter);
    else if (!c->out && !is_periodic(c))
        drive(pit, counter, false);
}

/* Advances the counter and shows the edges on the way. A one-shot mode has at most two rising edges
 * without a write between them (the end of a strobe, then the next strobe). */
static void run_counter(struct i8254 *pit, unsigned counter, uint64_t clk)
{
    struct i8254_counter *c = &pit->counter[counter];
    uint64_t rise = next_rise(c);
    bool has_risen = false;

    pit->has_moved = true;
    while (rise <= clk && !(has_risen && is_periodic(c))) {
        advance(c, is_periodic(c) ? clk : rise);
        drive_rise(pit, counter);
        has_risen = true;
        rise = next_rise(c);
    }
    if (!(has_risen && is_periodic(c))) {
        advance(c, clk);
        drive_change(pit, counter, c->out);
    }
    look_ahead(c);
}

/* Advances the counter if its edges are due. For accesses that change nothing except by the time
 * that has passed. */
static inline struct i8254_counter *catch_up(struct i8254 *pit, unsigned counter, uint64_t clk)
{
    struct i8254_counter *c = &pit->counter[counter];

    if (__builtin_expect(clk >= c->quiet_clk, 0))
        run_counter(pit, counter, clk);
    return c;
}

bool i8254_out(const struct i8254 *pit, unsigned counter, uint64_t now_ns)
{
    CHECK(counter < I8254_COUNTERS);
    const struct i8254_counter *now = &pit->counter[counter];
    uint64_t clk = i8254_clk_at(now_ns);

    if (clk < now->quiet_clk)
        return now->out;

    struct i8254_counter c = *now;

    advance(&c, clk);
    return c.out;
}

/* Returns the first nanosecond at which i8254_clk_at() returns `clk`. */
static uint64_t time_of_clk(uint64_t clk)
{
    uint64_t seconds = clk / I8254_CLK_HZ;
    uint64_t rest = clk % I8254_CLK_HZ;

    if (seconds >= UINT64_MAX / NS_PER_SECOND)
        return TIME_NEVER;
    return seconds * NS_PER_SECOND + (rest * NS_PER_SECOND + I8254_CLK_HZ - 1) / I8254_CLK_HZ;
}

uint64_t i8254_next_deadline(struct i8254 *pit)
{
    uint64_t clk = CLK_NEVER;

    pit->has_moved = false;
    for (unsigned i = 0; i < I8254_COUNTERS; i++) {
        if (pit->out[i].set == NULL)
            continue;
        uint64_t rise = next_rise(&pit->counter[i]);
        if (rise < clk)
            clk = rise;
    }
    return clk == CLK_NEVER ? TIME_NEVER : time_of_clk(clk);
}

void i8254_run(struct i8254 *pit, uint64_t now_ns)
{
    for (unsigned i = 0; i < I8254_COUNTERS; i++)
        run_counter(pit, i, i8254_clk_at(now_ns));
}

/* Updates reads_plainly after a latch was set or cleared. */
static void note_reads(struct i8254_counter *c)
{
    c->reads_plainly = !c->count_latched && !c->status_latched && !(c->control & CONTROL_BCD);
}

/* "All Control Words ... all Control Logic is immediately reset and OUT goes to a known initial
 * state; no CLK pulses are required." CR is cleared, so that the byte that a one-byte access does
 * not write is 0. */
static void program(struct i8254_counter *c, uint8_t value)
{
    unsigned mode = CONTROL_MODE(value);

    c->control = value & CONTROL_BITS;
    c->mode = (uint8_t)(mode > 5 ? mode - 4 : mode); /* M2 is ignored in modes 2 and 3 */
    c->cr = 0;
    c->out = c->mode != 0;
    c->null_count = true;
    c->has_count = false;
    c->is_counting = false;
    c->load_pending = false;
    c->has_expired = false;
    c->writes_second = false;
    c->read_shift = CONTROL_ACCESS(value) == ACCESS_HIGH ? 8 : 0;
    c->read_toggle = CONTROL_ACCESS(value) == ACCESS_BOTH ? 8 : 0;
    c->count_latched = false;
    c->status_latched = false;
    note_reads(c);
}

/* Latches the count. A second latch before the first one was read is ignored, for the count and for
 * the status alike. */
static void latch_count(struct i8254_counter *c, uint64_t clk)
{
    if (!c->count_latched)
        c->ol = counting_element(c, clk);
    c->count_latched = true;
    note_reads(c);
}

static void latch_status(struct i8254_counter *c)
{
    if (!c->status_latched)
        c->status = (uint8_t)(c->control | (c->null_count ? STATUS_NULL_COUNT : 0) |
                              (c->out ? STATUS_OUT : 0));
    c->status_latched = true;
    note_reads(c);
}

static void write_count(struct i8254_counter *c, uint8_t value)
{
    enum access access = CONTROL_ACCESS(c->control);

    /* Mode 0: "Writing the first byte disables counting. OUT is set low immediately." */
    if (c->mode == 0) {
        c->out = false;
        c->is_counting = false;
        c->load_pending = false;
    }
    if (access == ACCESS_BOTH && !c->writes_second) {
        c->low_byte = value;
        c->writes_second = true;
        return;
    }
    c->writes_second = false;
    c->cr = access == ACCESS_LOW    ? value
            : access == ACCESS_HIGH ? (uint16_t)(value << 8)
                                    : (uint16_t)(value << 8 | c->low_byte);
    c->null_count = true;
    c->has_count = true;
    /* Modes 0 and 4 take a count at once. Modes 2 and 3 take the first count at once and later ones
     * when the period or half period ends. Modes 1 and 5 take a count when triggered. */
    if (c->mode == 0 || c->mode == 4 || (is_periodic(c) && (!c->is_counting || is_stuck(c))))
        c->load_pending = true;
}

static uint8_t read_count(struct i8254_counter *c, uint64_t clk)
{
    uint16_t value = c->count_latched ? c->ol : counting_element(c, clk);
    uint8_t byte = (uint8_t)(value >> c->read_shift);

    c->read_shift ^= c->read_toggle;
    if (c->read_toggle == 0 || c->read_shift == 0) { /* all bytes have been read */
        c->count_latched = false;
        note_reads(c);
    }
    return byte;
}

static void read_back(struct i8254 *pit, uint8_t value, uint64_t clk)
{
    for (unsigned i = 0; i < I8254_COUNTERS; i++) {
        if (!(value & 2u << i))
            continue;
        catch_up(pit, i, clk);
        if (!(value & READ_BACK_NO_COUNT))
            latch_count(&pit->counter[i], clk);
        if (!(value & READ_BACK_NO_STATUS))
            latch_status(&pit->counter[i]);
    }
}

uint8_t i8254_read(struct i8254 *pit, unsigned offset, uint64_t now_ns)
{
    unsigned counter = offset & 3;

    if (counter == PORT_CONTROL)
        return FLOATING_BUS;

    uint64_t clk = i8254_clk_at(now_ns);
    struct i8254_counter *c = catch_up(pit, counter, clk);

    pit->second_ns = now_ns - now_ns % NS_PER_SECOND;
    pit->second_clk = i8254_clk_at(pit->second_ns);
    /* "If both count and status of a counter are latched, the first read operation of that counter
     * will return the latched status, regardless of which was latched first." */
    if (c->status_latched) {
        c->status_latched = false;
        note_reads(c);
        return c->status;
    }
    return read_count(c, clk);
}

void i8254_write(struct i8254 *pit, unsigned offset, uint8_t value, uint64_t now_ns)
{
    uint64_t clk = i8254_clk_at(now_ns);
    bool is_control = (offset & 3) == PORT_CONTROL;
    unsigned counter = is_control ? CONTROL_SELECT(value) : offset & 3;

    if (is_control && counter == SELECT_READ_BACK) {
        read_back(pit, value, clk);
        return;
    }

    if (is_control && CONTROL_ACCESS(value) == ACCESS_LATCH) {
        latch_count(catch_up(pit, counter, clk), clk);
        return;
    }

    struct i8254_counter *c = &pit->counter[counter];
    run_counter(pit, counter, clk);
    bool was_high = c->out;
    if (is_control)
        program(c, value);
    else
        write_count(c, value);
    drive_change(pit, counter, was_high);
    look_ahead(c);
}

void i8254_set_gate(struct i8254 *pit, unsigned counter, bool level, uint64_t now_ns)
{
    CHECK(counter < I8254_COUNTERS);
    struct i8254_counter *c = &pit->counter[counter];

    run_counter(pit, counter, i8254_clk_at(now_ns));
    bool was_high = c->out;
    bool is_trigger = level && !c->gate;
    c->gate = level;
    /* A trigger sets a flip-flop that the next CLK pulse samples: the trigger works even if GATE is
     * low again by then. Before the first count there is nothing to load ("armed"). */
    if (is_trigger && c->has_count && c->mode != 0 && c->mode != 4)
        c->load_pending = true;
    if (!level && is_periodic(c))
        c->out = true; /* "If GATE goes low during an output pulse, OUT is set high immediately." */
    drive_change(pit, counter, was_high);
    look_ahead(c);
}

void i8254_reset(struct i8254 *pit, uint64_t now_ns)
{
    pit->has_moved = true;
    pit->second_ns = 0;
    pit->second_clk = 0;
    for (unsigned i = 0; i < I8254_COUNTERS; i++) {
        struct i8254_counter *c = &pit->counter[i];

        *c = (struct i8254_counter){
            .clk = i8254_clk_at(now_ns),
            .gate = i != 2,
            .driven = true,
        };
        program(c, ACCESS_BOTH << 4 | 3 << 1);
        look_ahead(c);
        line_set(&pit->out[i], true);
    }
}
