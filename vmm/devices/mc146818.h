// SPDX-License-Identifier: BSD-2-Clause
/* Motorola MC146818A real-time clock plus RAM, as the PC/AT has it: behind ports 0x70 and 0x71,
 * with 128 bytes of RAM and the century at 0x32.
 *
 * Sections are those of the Motorola MC146818A data sheet (1984). The board's crystal is 32.768
 * kHz, so any divider setting except 010 stops the clock: in the data sheet 000 and 001 are for
 * faster crystals, the rest for divider reset and factory tests.
 *
 * The chip needs no tick. Every call first updates it to now_ns. Updates and periodic edges since
 * the last call are merged: the calendar moves by all of them, their flags are set once. The chip
 * asks for a wake-up only for an interrupt that is enabled and not already asserted.
 *
 * All now_ns are times on the guest's clock and do not run backwards; for a smaller one no time has
 * passed. */
#ifndef VMM_DEVICES_MC146818_H
#define VMM_DEVICES_MC146818_H

#include "vmm/devices/line.h"

#include <stdint.h>

enum {
    MC146818_INDEX = 0, /* port 0x70: bits 6:0 select a register, bit 7 masks NMI; write-only */
    MC146818_DATA = 1,  /* port 0x71: the selected register */
};

enum {
    MC146818_SECONDS = 0x00,
    MC146818_SECONDS_ALARM = 0x01,
    MC146818_MINUTES = 0x02,
    MC146818_MINUTES_ALARM = 0x03,
    MC146818_HOURS = 0x04,
    MC146818_HOURS_ALARM = 0x05,
    MC146818_DAY_OF_WEEK = 0x06, /* 1 is Sunday */
    MC146818_DATE = 0x07,
    MC146818_MONTH = 0x08,
    MC146818_YEAR = 0x09,
    MC146818_A = 0x0a,
    MC146818_B = 0x0b,
    MC146818_C = 0x0c,
    MC146818_D = 0x0d,
    MC146818_RAM_FIRST = 0x0e,
    MC146818_CENTURY = 0x32, /* changes when the year wraps, as in later parts for the PC */
    MC146818_REGISTER_COUNT = 0x80,
};

struct mc146818 {
    struct line irq;
    bool irq_level;

    uint8_t index;
    bool nmi_masked;
    /* The registers as the guest sees them, except the bits that a read computes: UIP, IRQF,
     * VRT. */
    uint8_t registers[MC146818_REGISTER_COUNT];

    /* The divider chain in cycles of the crystal. At base_ns the chain was at base_cycles; the
     * registers are up to date for `cycles`. Updates end at multiples of 32768. */
    uint64_t base_ns;
    uint64_t base_cycles;
    uint64_t cycles;

    bool fell_back; /* the hour in October is repeated now, after the clock was set back */
};

/* Does what a new battery does: RAM zero, the clock set to wall_seconds (Unix time, UTC) at
 * now_ns and running, 24-hour BCD, 1024 Hz selected, every interrupt disabled. irq is the
 * board's line 8. */
void mc146818_init(struct mc146818 *rtc, struct line irq, uint64_t wall_seconds, uint64_t now_ns);

/* Does what the RESET pin does ("RESET"): disables and clears all interrupts, lowers irq and
 * unmasks NMI. Clock and RAM keep their content. */
void mc146818_reset(struct mc146818 *rtc, uint64_t now_ns);

/* Reads one byte from MC146818_INDEX or MC146818_DATA. A read of register C clears its flags and
 * lowers irq. The index port is write-only: it reads 0xff, as every other offset does. */
uint8_t mc146818_read(struct mc146818 *rtc, unsigned offset, uint64_t now_ns);

/* Writes one byte to MC146818_INDEX or MC146818_DATA; writes to other offsets do nothing. Any value
 * is allowed. A clock field outside its range ("Time, Calendar, and Alarm Locations", table 3)
 * counts as the field's lowest value from the next update on. An alarm field outside its range
 * never matches. */
void mc146818_write(struct mc146818 *rtc, unsigned offset, uint8_t value, uint64_t now_ns);

/* Stores a byte of RAM, as the board's set-up would do; 0x0e <= index < 0x80. */
void mc146818_set_cmos(struct mc146818 *rtc, unsigned index, uint8_t value);

/* Returns whether the guest masks NMIs through bit 7 of the index port. */
bool mc146818_nmi_masked(const struct mc146818 *rtc);

/* Returns the time of the next enabled interrupt; TIME_NEVER if there will be none. Each call of
 * the functions above can change this time. */
uint64_t mc146818_next_deadline(const struct mc146818 *rtc);

/* Updates the chip to now_ns and drives irq. Does nothing if nothing is due. */
void mc146818_run(struct mc146818 *rtc, uint64_t now_ns);

#endif
