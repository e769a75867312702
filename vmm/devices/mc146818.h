// SPDX-License-Identifier: BSD-2-Clause
/* Motorola MC146818A real-time clock plus RAM, as the PC/AT has it: behind ports 0x70 and 0x71,
 * with 128 bytes of RAM and the century at 0x32.
 *
 * Sections cited are those of the Motorola MC146818A data sheet (1984). The board's crystal is
 * 32.768 kHz, so a divider setting other than 010 stops the clock: the data sheet gives 000 and 001
 * to faster crystals and the rest to divider reset and factory tests.
 *
 * The chip needs no tick. Every call first brings it up to now_ns; updates and periodic edges that
 * went by in between are merged: the calendar moves by all of them, their flags are set once. It
 * asks for a wake-up only for an interrupt that is enabled and not already asserted.
 *
 * All now_ns are on the guest's clock and do not run backwards; a smaller one counts as no time
 * gone by. */
#ifndef VMM_DEVICES_MC146818_H
#define VMM_DEVICES_MC146818_H

#include "vmm/devices/line.h"

#include <stdint.h>

enum {
    MC146818_INDEX = 0, /* port 0x70: bits 6:0 the register, bit 7 masks NMI; write-only */
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
    MC146818_CENTURY = 0x32, /* counted on when the year wraps, as later parts for the PC do */
    MC146818_REGISTER_COUNT = 0x80,
};

struct mc146818 {
    struct line irq;
    bool irq_level;

    uint8_t index;
    bool nmi_masked;
    /* What the guest sees, but for the bits that are worked out on reading: UIP, IRQF, VRT. */
    uint8_t registers[MC146818_REGISTER_COUNT];

    /* The divider chain in cycles of the crystal. It stood at base_cycles at base_ns; the registers
     * are up to date as of `cycles`. Updates end on multiples of 32768. */
    uint64_t base_ns;
    uint64_t base_cycles;
    uint64_t cycles;

    bool fell_back; /* October's hour has been set back and is passing for the second time */
};

/* Puts the battery in: RAM zero, the clock set to wall_seconds (Unix time, UTC) at now_ns and
 * running, 24-hour BCD, 1024 Hz selected, every interrupt disabled. irq is the board's line 8. */
void mc146818_init(struct mc146818 *rtc, struct line irq, uint64_t wall_seconds, uint64_t now_ns);

/* The RESET pin ("RESET"): disables and clears all interrupts, lowers irq and unmasks NMI. Clock
 * and RAM live on. */
void mc146818_reset(struct mc146818 *rtc, uint64_t now_ns);

/* One byte read from MC146818_INDEX or MC146818_DATA. Reading register C clears its flags and
 * lowers irq. The index port cannot be read and answers 0xff, as does any other offset. */
uint8_t mc146818_read(struct mc146818 *rtc, unsigned offset, uint64_t now_ns);

/* One byte written to MC146818_INDEX or MC146818_DATA; other offsets take nothing. Any value may be
 * written. A clock field outside its range ("Time, Calendar, and Alarm Locations", table 3) counts
 * as the field's lowest value from the next update on; an alarm field outside never matches. */
void mc146818_write(struct mc146818 *rtc, unsigned offset, uint8_t value, uint64_t now_ns);

/* Stores a byte of RAM as the board's set-up would, 0x0e <= index < 0x80. */
void mc146818_set_cmos(struct mc146818 *rtc, unsigned index, uint8_t value);

/* Whether the guest holds back NMIs through bit 7 of the index port. */
bool mc146818_nmi_masked(const struct mc146818 *rtc);

/* When the next enabled interrupt will come, TIME_NEVER if none will. Changes with every call of
 * the functions above. */
uint64_t mc146818_next_deadline(const struct mc146818 *rtc);

/* Brings the chip up to now_ns and drives irq accordingly. Harmless when nothing is due. */
void mc146818_run(struct mc146818 *rtc, uint64_t now_ns);

#endif
