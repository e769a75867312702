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

#define I8259_CASCADE_IR 2 /* the master's input with the slave's INT */

/* The meaning of the next write with A0 = 1. */
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
    uint8_t edges;           /* requests that a rising edge has latched; edge-triggered inputs
                                only */
    uint8_t elcr;            /* 1: the input is level-triggered */
    uint8_t isr;             /* in service */
    uint8_t imr;             /* masked */
    uint8_t icw1;            /* as written */
    uint8_t vector_base;     /* ICW2, T7-T3; the low bits are 0 */
    uint8_t icw3;            /* master: inputs with a slave; slave: its identity, 0-7 */
    uint8_t icw4;            /* as written; 0 if ICW1 said that there is none */
    uint8_t lowest_priority; /* 0-7: this input has the lowest priority, the next one the highest */
    uint8_t polled_level;    /* the result of the poll read, 0-7 or none; valid if poll is set */
    enum i8259_step step;
    bool special_mask;
    bool reads_isr; /* a read with A0 = 0 returns the ISR; else the IRR */
    bool rotates_in_auto_eoi;
    bool poll; /* the next read is a poll */
};

/* The listener that is called when the service of an input ends; see
 * i8259_pair_on_end_of_interrupt. */
struct i8259_end_of_interrupt {
    void (*ended)(void *context, unsigned irq); /* null: not called */
    void *context;
};

struct i8259_pair {
    struct i8259 chip[2];    /* indexed by enum i8259_which */
    bool intr;               /* the master's INT pin */
    struct line intr_output; /* the wire at INT; software can also call
                                i8259_pair_interrupt_pending */
    struct i8259_end_of_interrupt end_of_interrupt;
};

/* The state of one chip, for a dump. */
struct i8259_state {
    uint8_t irr;
    uint8_t isr;
    uint8_t imr;
    uint8_t elcr;
    uint8_t vector_base;
    bool is_ready; /* the ICW sequence is complete */
};

/* Sets up a pair with all inputs low, in its power-on state. A change of the INT pin is passed to
 * intr_output (copied; its set may be null) during the call that causes it. */
void i8259_pair_init(struct i8259_pair *pair, struct line intr_output);

/* Registers ended. From now on the pair calls ended with irq (0..15, never 2) when an EOI takes
 * this input out of service: a specific or non-specific EOI, rotating or not, or an automatic one
 * at the acknowledge or the poll ("End of Interrupt (EOI)", "Automatic End of Interrupt (AEOI)
 * Mode"). An EOI for an input that is not in service, ICW1 and a reset do not call it. The call
 * happens during the write or acknowledge, after the ISR bit is cleared and before INT is driven
 * again. ended may set lines of the pair, so a level input that it lowers is not requested once
 * more; it calls nothing else of the pair. A real 8259A has no pin for this. It is for drivers that
 * lower their line after the interrupt has been served. */
void i8259_pair_on_end_of_interrupt(struct i8259_pair *pair,
                                    void (*ended)(void *context, unsigned irq), void *context);

/* Sets the power-on state: registers 0, not initialised, so no interrupt until the guest has
 * written the ICWs ("Initialization Command Words"). The levels at the inputs stay, because their
 * drivers own them. Lowers INT. */
void i8259_pair_reset(struct i8259_pair *pair);

/* Returns the requests, including masked ones. A level input requests as long as it is high. An
 * edge input needs a rising edge and has to stay high until it is acknowledged. */
static inline uint8_t i8259_irr(const struct i8259 *chip)
{
    return (uint8_t)(chip->edges | (chip->pins & chip->elcr));
}

/* Reads port 0x20 or 0xA0 (offset 0), or 0x21 or 0xA1 (offset 1); only bit 0 of offset is used.
 * Returns IRR, ISR or IMR; once after an OCW3 with P set, returns the poll word and acknowledges.
 * "Reading the 8259A Status", "Poll Command". */
uint8_t i8259_read(struct i8259_pair *pair, enum i8259_which which, unsigned offset);

/* Does what i8259_read does if the read changes nothing: all reads except the poll word.
 * True: *value is what i8259_read would return.
 * False: the poll word is due, and nothing has changed. */
static inline bool i8259_read_status(const struct i8259_pair *pair, enum i8259_which which,
                                     unsigned offset, uint64_t *value)
{
    const struct i8259 *chip = &pair->chip[which];

    if (__builtin_expect(chip->poll, 0))
        return false;
    *value = offset & 1 ? chip->imr : chip->reads_isr ? chip->isr : i8259_irr(chip);
    return true;
}

/* Writes the same ports: ICW1-ICW4 and OCW1-OCW3, "Programming the 8259A". Any value is defined at
 * any time. The bits for the MCS-80/85 sequence (ADI, A7-A5, uPM = 0) and for buffered mode are
 * accepted and change nothing, as in PC chip sets: an x86 CPU always gets a one-byte vector. The
 * ELCR overrules LTIM. */
void i8259_write(struct i8259_pair *pair, enum i8259_which which, unsigned offset, uint8_t value);

/* Does what i8259_write does for an OCW1 after which no input of this chip requests anything, so
 * that INT is low and stays low.
 * True: the mask is written.
 * False: it is not so simple, and nothing has changed. */
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

/* Read and write port 0x4D0 (master) or 0x4D1 (slave). The bits of IRQ 0, 1, 2, 8 and 13 are always
 * 0. A switch to level-triggered clears a latched edge. */
static inline uint8_t i8259_elcr_read(const struct i8259_pair *pair, enum i8259_which which)
{
    return pair->chip[which].elcr;
}

void i8259_elcr_write(struct i8259_pair *pair, enum i8259_which which, uint8_t value);

/* Drives the input of irq, 0..15 (0-7 master, 8-15 slave). 2 is used by the cascade and has no pin:
 * it is ignored. A line has one driver; the board combines sources that share a line. */
void i8259_pair_set_line(struct i8259_pair *pair, unsigned irq, bool level);

/* Returns the level of the INT pin. Costs one load; called before every VM entry. */
static inline bool i8259_pair_interrupt_pending(const struct i8259_pair *pair)
{
    return pair->intr;
}

/* Does the CPU's two INTA cycles: returns the vector and marks the request as in service, or ends
 * the service at once in automatic EOI mode. If no request is left, the vector is that of IR7
 * ("default IR7") and nothing is marked. If the master points to a slave that is not there, the
 * vector is 0xff, the floating bus. "Interrupt Sequence", "Cascade Mode". */
uint8_t i8259_pair_acknowledge(struct i8259_pair *pair);

/* Returns the state of one chip, for a dump. */
struct i8259_state i8259_describe(const struct i8259_pair *pair, enum i8259_which which);

#endif
