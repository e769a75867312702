// SPDX-License-Identifier: BSD-2-Clause
/* The 8254 programmable interval timer at ports 0x40-0x43: three counters on one CLK of 1.193182
 * MHz. Intel 8254 datasheet, order number 231164.
 *
 * Nothing ticks here. A CLK pulse has a number, floor(now_ns * CLK / 1 s), and every state is
 * computed from the number of pulses that have passed. So reads are exact and periods do not drift.
 * An access at now_ns comes after the pulse of that number, so the next pulse loads what the access
 * writes, as the datasheet says. Times are absolute guest times in ns and do not run backwards; a
 * time before the last one counts as the last one.
 *
 * A listener sees every rising edge of OUT, at its time, because the edge-triggered input of an
 * interrupt controller needs it. In the periodic modes 2 and 3 the falling edge is driven together
 * with the next rising edge. So a period costs one deadline, not two, and periods that are missed
 * between two runs merge into one edge, as in the 8259A's edge latch. In the other modes falling
 * edges are driven too, at the latest with the next call. i8254_out() and the read-back status give
 * OUT's exact level at any time. */
#ifndef VMM_DEVICES_I8254_H
#define VMM_DEVICES_I8254_H

#include "vmm/base/time.h"
#include "vmm/devices/line.h"

#include <stdbool.h>
#include <stdint.h>

#define I8254_CLK_HZ   UINT64_C(1193182)
#define I8254_COUNTERS 3

/* One counter. Its registers have the names of the datasheet's figure 5. */
struct i8254_counter {
    uint64_t clk;       /* the number of the last CLK pulse that the state below includes */
    uint64_t quiet_clk; /* up to this pulse each pulse only takes quiet_step from CE */
    uint32_t count;     /* the count that was last moved from CR to CE; 1..65536 */
    uint32_t ce;        /* counting element; 0..65536, and 65536 reads as 0 (BCD: 10000) */
    uint16_t cr;        /* count register, as written */
    uint16_t ol;        /* output latch, valid if count_latched */
    uint8_t control;    /* control word D5-D0, as written */
    uint8_t mode;       /* 0..5 */
    uint8_t low_byte;   /* the first byte of a two-byte count */
    uint8_t status;     /* status latch, valid if status_latched */
    uint8_t quiet_step;
    bool gate, out;      /* the pins */
    bool driven;         /* the level that the listener saw last */
    bool null_count;     /* CR is newer than CE */
    bool has_count;      /* a count was written after the control word */
    bool is_counting;    /* loaded, and no half-written count stops it; GATE is a further
                            condition */
    bool load_pending;   /* the next CLK pulse loads CE from CR */
    bool has_expired;    /* modes 0, 1, 4, 5: the terminal count was reached since the last load */
    bool writes_second;  /* the next byte written is the high byte of a two-byte count */
    uint8_t read_shift;  /* 8: the next byte read is the high byte; else 0 */
    uint8_t read_toggle; /* what a read changes in read_shift; 8 if both bytes are read, else 0 */
    bool count_latched, status_latched;
    bool reads_plainly; /* a read returns CE in binary: nothing is latched, no BCD */
};

struct i8254 {
    struct i8254_counter counter[I8254_COUNTERS];
    struct line out[I8254_COUNTERS]; /* set by the board before i8254_reset */
    bool has_moved;                  /* the deadline may have changed since the last
                                        i8254_next_deadline */
    /* A whole second and the number of its CLK pulse; the second is not later than the last
     * read. */
    uint64_t second_ns, second_clk;
};

/* Returns the number of the last CLK pulse at now_ns. */
static inline uint64_t i8254_clk_at(uint64_t now_ns)
{
    return scale_u64(now_ns, I8254_CLK_HZ, NS_PER_SECOND);
}

/* Sets the power-on state, which the datasheet leaves undefined. It is the state as if mode 3,
 * binary, two bytes had been written to every counter but no count: OUT is high (and driven high)
 * and nothing counts. GATE is wired as in a PC: 0 and 1 are tied high, 2 is low until port 0x61
 * raises it. Keeps the lines. */
void i8254_reset(struct i8254 *pit, uint64_t now_ns);

/* Reads port 0x40 + offset; only the low two bits of offset are used. Shows the edges that are due
 * first. Counters 0-2: returns the latched status, the latched count or the counting element
 * itself, in the programmed byte order ("Read Operations"). 3: nothing drives the bus, 0xff. */
uint8_t i8254_read(struct i8254 *pit, unsigned offset, uint64_t now_ns);

/* Returns what i8254_clk_at returns, for a time in the second of the last read. Uses CLK / 1 s in
 * units of 2^-64, rounded up. In one second this adds less than 2^-34 of a pulse, and a time in
 * whole ns is never so close below the next pulse: its distance is a multiple of 2 / 10^9. */
static inline uint64_t i8254_clk_in_second(const struct i8254 *pit, uint64_t ns_in_second)
{
    const uint64_t clk_per_ns =
        (uint64_t)((((unsigned __int128)I8254_CLK_HZ << 64) + NS_PER_SECOND - 1) / NS_PER_SECOND);

    return pit->second_clk + (uint64_t)((unsigned __int128)ns_in_second * clk_per_ns >> 64);
}

/* Does what i8254_read does if no edge is due and nothing is latched.
 * True: *value is what i8254_read would return.
 * False: it is not so simple, and nothing has changed. */
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

/* Writes port 0x40 + offset: one byte of a count, or (3) a control word, counter latch or read-back
 * command. Shows the edges that are due first, then those that the write causes. Every value is
 * defined. A count of 1 in modes 2 and 3, illegal by figure 22, holds OUT high until another count
 * is written. A BCD digit above 9 carries into the next digit. "Write Operations". */
void i8254_write(struct i8254 *pit, unsigned offset, uint8_t value, uint64_t now_ns);

/* Drives the GATE input of a counter, 0..2. Shows edges on OUT as a write does. Figure 21, "Gate
 * Pin Operations Summary". */
void i8254_set_gate(struct i8254 *pit, unsigned counter, bool level, uint64_t now_ns);

/* Returns the level of a counter's OUT pin at now_ns; counter: 0..2. */
bool i8254_out(const struct i8254 *pit, unsigned counter, uint64_t now_ns);

/* Returns the time of the next rising edge of an OUT that has a listener, as known at the last call
 * with a time; TIME_NEVER if there is none. After i8254_run(pit, now_ns) it is later than now_ns.
 * At this time the CLK pulse has been reached, and not one ns earlier. Clears has_moved: the
 * returned time is valid until has_moved is set again. */
uint64_t i8254_next_deadline(struct i8254 *pit);

/* Shows the listeners all edges that are due by now_ns, those of one counter in their order. */
void i8254_run(struct i8254 *pit, uint64_t now_ns);

#endif
