// SPDX-License-Identifier: BSD-2-Clause
/* The 8254 programmable interval timer at ports 0x40-0x43: three counters on one CLK of 1.193182
 * MHz. Intel 8254 datasheet, order number 231164.
 *
 * Nothing ticks here. A CLK pulse has a number, floor(now_ns * CLK / 1 s), and every state is
 * computed from the pulses that have passed: reading is exact and periods do not drift. An access
 * at now_ns comes after the pulse of that number, so what it writes is loaded with the next one, as
 * the datasheet has it. Times are absolute guest time in ns and do not run backwards; a time before
 * the last one counts as the last one.
 *
 * How OUT is shown to a listener: every rising edge, at its time; that is what the edge-triggered
 * input of an interrupt controller takes. In the periodic modes 2 and 3 the falling edge is driven
 * together with the rising one that follows, so that a period costs one deadline and not two, and
 * periods missed between two runs merge into one edge, as the 8259A's edge latch would merge them.
 * In the other modes falling edges are driven too, no later than at the next call. i8254_out() and
 * the read-back status give OUT's exact level at any time. */
#ifndef VMM_DEVICES_I8254_H
#define VMM_DEVICES_I8254_H

#include "vmm/base/time.h"
#include "vmm/devices/line.h"

#include <stdbool.h>
#include <stdint.h>

#define I8254_CLK_HZ   UINT64_C(1193182)
#define I8254_COUNTERS 3

/* One counter. Registers are called as in the datasheet's figure 5. */
struct i8254_counter {
    uint64_t clk;       /* number of the last CLK pulse that the state below includes */
    uint64_t quiet_clk; /* before this pulse nothing happens but that each takes quiet_step of CE */
    uint32_t count;     /* the count that was last moved from CR to CE; 1..65536 */
    uint32_t ce;        /* counting element; 0..65536, where 65536 reads as 0 (BCD: 10000) */
    uint16_t cr;        /* count register, as written */
    uint16_t ol;        /* output latch, valid while count_latched */
    uint8_t control;    /* control word D5-D0, as written */
    uint8_t mode;       /* 0..5 */
    uint8_t low_byte;   /* first byte of a two-byte count */
    uint8_t status;     /* status latch, valid while status_latched */
    uint8_t quiet_step;
    bool gate, out;      /* the pins */
    bool driven;         /* level last shown to the listener */
    bool null_count;     /* CR is newer than CE */
    bool has_count;      /* a count has been written since the control word */
    bool is_counting;    /* loaded, and not stopped by a half-written count; GATE comes on top */
    bool load_pending;   /* the next CLK pulse loads CE from CR */
    bool has_expired;    /* modes 0, 1, 4, 5: terminal count was reached since the last load */
    bool writes_second;  /* the next byte written is the high one of a two-byte count */
    uint8_t read_shift;  /* 8: the next byte read is the high one; else 0 */
    uint8_t read_toggle; /* what a read changes in that; 8 where both bytes are read, else 0 */
    bool count_latched, status_latched;
    bool reads_plainly; /* a read yields CE, in binary: neither of these, nor BCD */
};

struct i8254 {
    struct i8254_counter counter[I8254_COUNTERS];
    struct line out[I8254_COUNTERS]; /* set by the board before i8254_reset */
    bool has_moved;                  /* the deadline, perhaps, since it was last asked for */
    /* A whole second, and the number of its CLK pulse: not later than the last read. */
    uint64_t second_ns, second_clk;
};

/* The number of the last CLK pulse at now_ns. */
static inline uint64_t i8254_clk_at(uint64_t now_ns)
{
    return scale_u64(now_ns, I8254_CLK_HZ, NS_PER_SECOND);
}

/* The power-on state, which the datasheet leaves undefined: as if mode 3, binary, two bytes had
 * been written to every counter but no count, so that OUT is high (and driven high) and nothing
 * counts. GATE as a PC has it: 0 and 1 tied high, 2 low until port 0x61 raises it. Keeps the lines.
 */
void i8254_reset(struct i8254 *pit, uint64_t now_ns);

/* A read of port 0x40 + offset; only the low two bits of offset count. Shows the edges that are due
 * first. Counters 0-2: the latched status, the latched count or the counting element itself, in the
 * byte order that was programmed ("Read Operations"). 3: nothing drives the bus, 0xff. */
uint8_t i8254_read(struct i8254 *pit, unsigned offset, uint64_t now_ns);

/* i8254_clk_at within the second that a read was last made in. CLK / 1 s in units of 2^-64, rounded
 * up: in a second that adds less than 2^-34 of a pulse, and a time in ns is never so close below
 * the next pulse, but by a multiple of 2 / 10^9. */
static inline uint64_t i8254_clk_in_second(const struct i8254 *pit, uint64_t ns_in_second)
{
    const uint64_t clk_per_ns =
        (uint64_t)((((unsigned __int128)I8254_CLK_HZ << 64) + NS_PER_SECOND - 1) / NS_PER_SECOND);

    return pit->second_clk + (uint64_t)((unsigned __int128)ns_in_second * clk_per_ns >> 64);
}

/* i8254_read where no edge is due and nothing is latched: *value is what it returns. False: it is
 * not that simple, and nothing has happened. */
static inline bool i8254_read_running(struct i8254 *pit, unsigned offset, uint64_t now_ns,
                                      uint64_t *value)
{
    uint64_t ns_in_second = now_ns - pit->second_ns, clk, passed;
    struct i8254_counter *c;

    if (__builtin_expect((offset & 3) >= I8254_COUNTERS || ns_in_second >= NS_PER_SECOND, 0))
        return false;
    c = &pit->counter[offset & 3];
    clk = i8254_clk_in_second(pit, ns_in_second);
    if (__builtin_expect(!c->reads_plainly || clk >= c->quiet_clk || clk < c->clk, 0))
        return false;
    passed = clk - c->clk;
    *value = (c->ce - (uint32_t)passed * c->quiet_step) >> c->read_shift & 0xff;
    c->read_shift ^= c->read_toggle;
    return true;
}

/* A write of port 0x40 + offset: a byte of a count, or (3) a control word, counter latch or
 * read-back command. Shows the edges that are due first, then those that the write causes. Every
 * value is defined: a count of 1 in modes 2 and 3, illegal by figure 22, holds OUT high until
 * another count is written; a BCD digit above 9 carries into the next. "Write Operations". */
void i8254_write(struct i8254 *pit, unsigned offset, uint8_t value, uint64_t now_ns);

/* Drives the GATE input of a counter, 0..2. Edges on OUT as for a write. Figure 21, "Gate Pin
 * Operations Summary". */
void i8254_set_gate(struct i8254 *pit, unsigned counter, bool level, uint64_t now_ns);

/* The level of a counter's OUT pin at now_ns; counter 0..2. */
bool i8254_out(const struct i8254 *pit, unsigned counter, uint64_t now_ns);

/* When the next rising edge of an OUT that has a listener is due, as of the last call that took a
 * time; TIME_NEVER if none is. After i8254_run(pit, now_ns) it is later than now_ns. The CLK pulse
 * has been reached at this time and not one ns earlier. Clears has_moved: what it returned stays
 * true until that is set again. */
uint64_t i8254_next_deadline(struct i8254 *pit);

/* Shows the listeners all edges due by now_ns, those of one counter in their order. */
void i8254_run(struct i8254 *pit, uint64_t now_ns);

#endif
