// SPDX-License-Identifier: BSD-2-Clause
/* The two 8259A interrupt controllers of a PC: the master at ports 0x20/0x21, the slave at
 * 0xA0/0xA1 with its INT pin wired to the master's IR2, and the edge/level control registers at
 * 0x4D0/0x4D1. Intel 8259A datasheet, order number 231468; ELCR: Intel 82371AB (PIIX4) datasheet,
 * order number 290562, "ELCR1" and "ELCR2". */
#ifndef VMM_DEVICES_I8259_H
#define VMM_DEVICES_I8259_H

#include "vmm/devices/line.h"

#include <stdbool.h>
#include <stdint.h>

enum i8259_which {
    I8259_MASTER,
    I8259_SLAVE,
};

#define I8259_CASCADE_IR 2 /* of the master: the slave's INT */

/* What the next write with A0 = 1 means. */
enum i8259_step {
    I8259_AWAITS_ICW1, /* since power-on: no interrupt leaves the chip; A0 = 1 is OCW1 */
    I8259_AWAITS_ICW2,
    I8259_AWAITS_ICW3,
    I8259_AWAITS_ICW4,
    I8259_READY, /* A0 = 1 is OCW1 */
};

/* One chip. Bit n of a byte belongs to input IRn. */
struct i8259 {
    bool is_master;          /* the SP/EN pin, as wired */
    uint8_t pins;            /* levels on IR0-IR7 */
    uint8_t edges;           /* requests latched by a rising edge; edge-triggered inputs only */
    uint8_t elcr;            /* 1: the input is level-triggered */
    uint8_t isr;             /* in service */
    uint8_t imr;             /* masked */
    uint8_t icw1;            /* as written */
    uint8_t vector_base;     /* ICW2, T7-T3; the low bits are 0 */
    uint8_t icw3;            /* master: inputs that have a slave; slave: its identity, 0-7 */
    uint8_t icw4;            /* as written; 0 where ICW1 said that there is none */
    uint8_t lowest_priority; /* 0-7: this input comes last, the next one first */
    uint8_t polled_level;    /* what the poll read will answer; 0-7 or none, valid with poll */
    enum i8259_step step;
    bool special_mask;
    bool reads_isr; /* a read with A0 = 0 yields the ISR; else the IRR */
    bool rotates_in_auto_eoi;
    bool poll; /* the next read is a poll */
};

/* Who is told when the service of an input ends; see i8259_pair_on_end_of_interrupt. */
struct i8259_end_of_interrupt {
    void (*ended)(void *context, unsigned irq); /* null: nobody */
    void *context;
};

struct i8259_pair {
    struct i8259 chip[2];    /* by enum i8259_which */
    bool intr;               /* the master's INT pin */
    struct line intr_output; /* what hangs on it, besides whoever asks */
    struct i8259_end_of_interrupt end_of_interrupt;
};

/* What a dump shows of one chip. */
struct i8259_state {
    uint8_t irr;
    uint8_t isr;
    uint8_t imr;
    uint8_t elcr;
    uint8_t vector_base;
    bool is_ready; /* the ICW sequence is complete */
};

/* Sets up a pair with all inputs low, in its power-on state. Changes of the INT pin are passed to
 * intr_output (copied; its set may be null), during the call that causes them. */
void i8259_pair_init(struct i8259_pair *pair, struct line intr_output);

/* From now on calls ended with irq (0..15, never 2) whenever an EOI takes that input out of
 * service: specific or not, rotating or not, or automatic at the acknowledge or the poll ("End of
 * Interrupt (EOI)", "Automatic End of Interrupt (AEOI) Mode"). An EOI for what is not in service,
 * ICW1 and a reset end nothing. Called during the write or acknowledge, with the ISR bit gone and
 * INT not yet driven anew: ended may set lines of the pair, so that a level input lowered here is
 * not requested once more, but must call nothing else of it. A real 8259A has no pin for this: it
 * is for lines that whoever drives them lowers once the interrupt has been served. */
void i8259_pair_on_end_of_interrupt(struct i8259_pair *pair,
                                    void (*ended)(void *context, unsigned irq), void *context);

/* The power-on state: registers 0, not initialised, hence no interrupt until a guest has written
 * the ICWs ("Initialization Command Words"). The levels at the inputs belong to those who drive
 * them and stay. Lowers INT. */
void i8259_pair_reset(struct i8259_pair *pair);

/* The requests, masked ones included. A level input requests as long as it is high. An edge input
 * needs a rising edge and has to stay high until it is acknowledged. */
static inline uint8_t i8259_irr(const struct i8259 *chip)
{
    return (uint8_t)(chip->edges | (chip->pins & chip->elcr));
}

/* A read of port 0x20 or 0xA0 (offset 0) or 0x21 or 0xA1 (offset 1); only bit 0 of offset counts.
 * Yields IRR, ISR or IMR; or, once after OCW3 with P set, the poll word, which acknowledges.
 * "Reading the 8259A Status", "Poll Command". */
uint8_t i8259_read(struct i8259_pair *pair, enum i8259_which which, unsigned offset);

/* i8259_read where it changes nothing: all but the poll word. False: that is due, and nothing has
 * happened. */
static inline bool i8259_read_status(const struct i8259_pair *pair, enum i8259_which which,
                                     unsigned offset, uint64_t *value)
{
    const struct i8259 *chip = &pair->chip[which];

    if (__builtin_expect(chip->poll, 0))
        return false;
    *value = offset & 1 ? chip->imr : chip->reads_isr ? chip->isr : i8259_irr(chip);
    return true;
}

/* A write of the same ports: ICW1-ICW4 and OCW1-OCW3, "Programming the 8259A". Any value at any
 * moment is defined. The bits that choose the MCS-80/85 sequence (ADI, A7-A5, uPM = 0) and buffered
 * mode are accepted and change nothing, as in PC chip sets: an x86 CPU always gets a one-byte
 * vector. LTIM is overruled by the ELCR. */
void i8259_write(struct i8259_pair *pair, enum i8259_which which, unsigned offset, uint8_t value);

/* i8259_write where it is an OCW1 under which no input of this chip asks for anything: INT is low
 * and stays so. False: it is not that simple, and nothing has happened. */
static inline bool i8259_write_mask(struct i8259_pair *pair, enum i8259_which which,
                                    unsigned offset, uint8_t value)
{
    struct i8259 *chip = &pair->chip[which];
    bool has_int = which == I8259_MASTER
                       ? pair->intr
                       : (pair->chip[I8259_MASTER].pins & 1u << I8259_CASCADE_IR) != 0;

    if (__builtin_expect((offset & 1) == 0 || chip->step != I8259_READY ||
                             (i8259_irr(chip) & (uint8_t)~value) != 0 || has_int,
                         0))
        return false;
    chip->imr = value;
    return true;
}

/* Port 0x4D0 (master) or 0x4D1 (slave). The bits of IRQ 0, 1, 2, 8 and 13 are always 0. A switch in
 * either direction forgets a latched edge. */
static inline uint8_t i8259_elcr_read(const struct i8259_pair *pair, enum i8259_which which)
{
    return pair->chip[which].elcr;
}

void i8259_elcr_write(struct i8259_pair *pair, enum i8259_which which, uint8_t value);

/* Drives the input of irq, 0..15 (0-7 master, 8-15 slave). 2 is taken by the cascade and has no
 * pin: ignored. A line has one driver; sharing is the board's affair. */
void i8259_pair_set_line(struct i8259_pair *pair, unsigned irq, bool level);

/* The level of the INT pin. One load: asked before every VM entry. */
static inline bool i8259_pair_interrupt_pending(const struct i8259_pair *pair)
{
    return pair->intr;
}

/* The CPU's two INTA cycles: returns the vector and marks the request as in service, or ends it at
 * once in automatic EOI mode. With no request left it is the vector of IR7 ("default IR7"), with
 * nothing marked. 0xff, the floating bus, where the master points to a slave that is not there.
 * "Interrupt Sequence", "Cascade Mode". */
uint8_t i8259_pair_acknowledge(struct i8259_pair *pair);

struct i8259_state i8259_describe(const struct i8259_pair *pair, enum i8259_which which);

#endif
