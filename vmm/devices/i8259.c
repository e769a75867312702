// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/devices/i8259.h"

#include "vmm/base/check.h"

#include <string.h>

#define LEVEL_NONE   8
#define FLOATING_BUS 0xff

/* ICW1, OCW2 and OCW3 share A0 = 0; D4 and D3 tell them apart. Datasheet figures 7 and 8. */
#define ICW1_IC4       0x01
#define ICW1_SNGL      0x02
#define ICW1_SELECT    0x10
#define ICW2_VECTOR    0xf8
#define ICW3_ID        0x07
#define ICW4_AEOI      0x02
#define ICW4_SFNM      0x10
#define OCW3_SELECT    0x08
#define OCW3_RIS       0x01
#define OCW3_RR        0x02
#define OCW3_POLL      0x04
#define OCW3_SMM       0x20
#define OCW3_ESMM      0x40
#define POLL_REQUESTED 0x80

/* OCW2, D7-D5: R, SL, EOI. */
enum ocw2_command {
    OCW2_ROTATE_IN_AUTO_EOI_CLEAR = 0,
    OCW2_NON_SPECIFIC_EOI = 1,
    OCW2_NO_OPERATION = 2,
    OCW2_SPECIFIC_EOI = 3,
    OCW2_ROTATE_IN_AUTO_EOI_SET = 4,
    OCW2_ROTATE_ON_NON_SPECIFIC_EOI = 5,
    OCW2_SET_PRIORITY = 6,
    OCW2_ROTATE_ON_SPECIFIC_EOI = 7,
};

/* IRQ 0, 1, 2, 8 and 13 are always edge-triggered. */
static const uint8_t elcr_writable[] = {
    [I8259_MASTER] = 0xf8,
    [I8259_SLAVE] = 0xde,
};

static uint8_t bit(unsigned level)
{
    return (uint8_t)(1u << level);
}

/* Returns the place in the priority order, 0 first and 7 last, of the input with the highest
 * priority in levels; 8 if levels is 0. */
static unsigned foremost_place(const struct i8259 *chip, uint8_t levels)
{
    unsigned first = (chip->lowest_priority + 1u) & 7;
    unsigned rotated = ((unsigned)levels << 8 | levels) >> first & 0xff;

    return rotated == 0 ? LEVEL_NONE : (unsigned)__builtin_ctz(rotated);
}

static unsigned level_at(const struct i8259 *chip, unsigned place)
{
    return (chip->lowest_priority + 1u + place) & 7;
}

/* Returns the inputs in service that count. In special mask mode a masked input in service neither
 * holds back other inputs nor is found by a non-specific EOI ("Special Mask Mode", "End of
 * Interrupt"). */
static uint8_t in_service(const struct i8259 *chip)
{
    return chip->special_mask ? chip->isr & (uint8_t)~chip->imr : chip->isr;
}

/* Returns whether a slave is at this input. A single chip (SNGL) gets no ICW3, so it has no
 * slave. */
static bool has_slave(const struct i8259 *chip, unsigned level)
{
    return chip->is_master && (chip->icw3 & bit(level));
}

/* Returns the input for which INT is raised: the unmasked request with the highest priority, if its
 * priority is higher than that of all inputs in service. In special fully nested mode a slave may
 * interrupt its own service once more. There is none before the last ICW ("ready to accept
 * interrupt requests", figure 6). */
static unsigned pending_level(const struct i8259 *chip)
{
    if (chip->step != I8259_READY)
        return LEVEL_NONE;

    unsigned request = foremost_place(chip, i8259_irr(chip) & (uint8_t)~chip->imr);
    unsigned service = foremost_place(chip, in_service(chip));

    if (request == LEVEL_NONE || request > service)
        return LEVEL_NONE;
    unsigned level = level_at(chip, request);
    if (request == service && !((chip->icw4 & ICW4_SFNM) && has_slave(chip, level)))
        return LEVEL_NONE;
    return level;
}

static void set_pin(struct i8259 *chip, unsigned level, bool high)
{
    uint8_t mask = bit(level);

    if (high && !(chip->pins & mask))
        chip->edges |= mask & (uint8_t)~chip->elcr;
    if (high) {
        chip->pins |= mask;
    } else {
        chip->pins &= (uint8_t)~mask;
        chip->edges &= (uint8_t)~mask;
    }
}

/* Drives the wires: the slave's INT to the master's IR2, the master's INT to the CPU. */
static __attribute__((noinline)) void drive_int(struct i8259_pair *pair)
{
    set_pin(&pair->chip[I8259_MASTER], I8259_CASCADE_IR,
            pending_level(&pair->chip[I8259_SLAVE]) != LEVEL_NONE);

    bool intr = pending_level(&pair->chip[I8259_MASTER]) != LEVEL_NONE;
    if (intr != pair->intr) {
        pair->intr = intr;
        line_set(&pair->intr_output, intr);
    }
}

static inline bool asks(const struct i8259 *chip)
{
    return (i8259_irr(chip) & (uint8_t)~chip->imr) != 0;
}

/* Drives both INT pins; called after every change. If no input requests anything and both INTs are
 * low, they stay low. */
static inline void update(struct i8259_pair *pair)
{
    const struct i8259 *master = &pair->chip[I8259_MASTER];

    if (asks(master) || asks(&pair->chip[I8259_SLAVE]) || (master->pins & bit(I8259_CASCADE_IR)) ||
        pair->intr)
        drive_int(pair);
}

/* Accepts the request at the first INTA or the poll read: moves it from IRR to ISR. A level request
 * stays in the IRR as long as its line is high. */
static void accept(struct i8259 *chip, unsigned level)
{
    chip->edges &= (uint8_t)~bit(level);
    chip->isr |= bit(level);
}

/* Handles automatic EOI at the end of the last INTA. "Automatic End of Interrupt", "Automatic
 * Rotation". */
static void auto_eoi(struct i8259 *chip, unsigned level)
{
    if (level == LEVEL_NONE || !(chip->icw4 & ICW4_AEOI))
        return;
    chip->isr &= (uint8_t)~bit(level);
    if (chip->rotates_in_auto_eoi)
        chip->lowest_priority = (uint8_t)level;
}

/* Calls the listener for an end of service. isr_before: the ISR before an EOI, automatic or not; an
 * EOI ends at most one service. */
static void report_end(const struct i8259_pair *pair, enum i8259_which which, uint8_t isr_before)
{
    unsigned ended = isr_before & (uint8_t)~pair->chip[which].isr;

    if (ended == 0 || pair->end_of_interrupt.ended == NULL)
        return;

    unsigned irq = (unsigned)__builtin_ctz(ended) + (which == I8259_SLAVE ? 8 : 0);

    if (irq != I8259_CASCADE_IR)
        pair->end_of_interrupt.ended(pair->end_of_interrupt.context, irq);
}

void i8259_pair_on_end_of_interrupt(struct i8259_pair *pair,
                                    void (*ended)(void *context, unsigned irq), void *context)
{
    pair->end_of_interrupt = (struct i8259_end_of_interrupt){.ended = ended, .context = context};
}

void i8259_pair_reset(struct i8259_pair *pair)
{
    for (unsigned which = I8259_MASTER; which <= I8259_SLAVE; which++) {
        struct i8259 *chip = &pair->chip[which];
        *chip = (struct i8259){
            .is_master = which == I8259_MASTER,
            .pins = chip->pins,
            .lowest_priority = 7,
            .step = I8259_AWAITS_ICW1,
        };
    }
    update(pair);
}

void i8259_pair_init(struct i8259_pair *pair, struct line intr_output)
{
    memset(pair, 0, sizeof(*pair));
    pair->intr_output = intr_output;
    i8259_pair_reset(pair);
}

static uint8_t read_poll(struct i8259_pair *pair, enum i8259_which which)
{
    struct i8259 *chip = &pair->chip[which];
    unsigned level = chip->polled_level;
    uint8_t in_service_before;

    chip->poll = false;
    if (level == LEVEL_NONE)
        return 0;
    accept(chip, level);
    /* Between the acceptance and the automatic EOI the INT pin is low, so another request behind
     * this one is a new edge for the master. */
    update(pair);
    in_service_before = chip->isr;
    auto_eoi(chip, level);
    report_end(pair, which, in_service_before);
    update(pair);
    return (uint8_t)(POLL_REQUESTED | level);
}

uint8_t i8259_read(struct i8259_pair *pair, enum i8259_which which, unsigned offset)
{
    uint64_t value;

    /* "Polling overrides status read": the next RD pulse is the poll, whatever A0 is. */
    return i8259_read_status(pair, which, offset, &value) ? (uint8_t)value : read_poll(pair, which);
}

/* Starts the initialisation again: "Initialization Command Words 1 and 2", items a to f. The
 * datasheet does not name the ISR. It is cleared as well, so that a new kernel started over a dead
 * one is not locked out. */
static void write_icw1(struct i8259 *chip, uint8_t value)
{
    chip->icw1 = value;
    chip->edges = 0;
    chip->imr = 0;
    chip->isr = 0;
    chip->lowest_priority = 7;
    chip->icw3 = chip->is_master ? 0 : 7;
    chip->icw4 = 0;
    chip->special_mask = false;
    chip->reads_isr = false;
    chip->rotates_in_auto_eoi = false;
    chip->poll = false;
    chip->step = I8259_AWAITS_ICW2;
}

static bool takes_mask(const struct i8259 *chip)
{
    return chip->step == I8259_READY || chip->step == I8259_AWAITS_ICW1;
}

/* Handles a write with A0 = 1 that is the next ICW of a sequence. */
static void write_icw(struct i8259 *chip, uint8_t value)
{
    switch (chip->step) {
    case I8259_AWAITS_ICW2:
        chip->vector_base = value & ICW2_VECTOR;
        chip->step = !(chip->icw1 & ICW1_SNGL) ? I8259_AWAITS_ICW3
                     : chip->icw1 & ICW1_IC4   ? I8259_AWAITS_ICW4
                                               : I8259_READY;
        break;
    case I8259_AWAITS_ICW3:
        chip->icw3 = chip->is_master ? value : value & ICW3_ID;
        chip->step = chip->icw1 & ICW1_IC4 ? I8259_AWAITS_ICW4 : I8259_READY;
        break;
    case I8259_AWAITS_ICW4:
        chip->icw4 = value;
        chip->step = I8259_READY;
        break;
    case I8259_AWAITS_ICW1:
    case I8259_READY: break;
    }
}

static void write_ocw2(struct i8259 *chip, uint8_t value)
{
    unsigned level = value & 7;
    unsigned place = foremost_place(chip, in_service(chip));
    unsigned foremost = level_at(chip, place);

    switch ((enum ocw2_command)(value >> 5)) {
    case OCW2_ROTATE_ON_NON_SPECIFIC_EOI:
        if (place != LEVEL_NONE) {
            chip->isr &= (uint8_t)~bit(foremost);
            chip->lowest_priority = (uint8_t)foremost;
        }
        break;
    case OCW2_NON_SPECIFIC_EOI:
        if (place != LEVEL_NONE)
            chip->isr &= (uint8_t)~bit(foremost);
        break;
    case OCW2_ROTATE_ON_SPECIFIC_EOI:
        chip->isr &= (uint8_t)~bit(level);
        chip->lowest_priority = (uint8_t)level;
        break;
    case OCW2_SPECIFIC_EOI: chip->isr &= (uint8_t)~bit(level); break;
    case OCW2_SET_PRIORITY: chip->lowest_priority = (uint8_t)level; break;
    case OCW2_ROTATE_IN_AUTO_EOI_SET: chip->rotates_in_auto_eoi = true; break;
    case OCW2_ROTATE_IN_AUTO_EOI_CLEAR: chip->rotates_in_auto_eoi = false; break;
    case OCW2_NO_OPERATION: break;
    }
}

static void write_ocw3(struct i8259 *chip, uint8_t value)
{
    if (value & OCW3_ESMM)
        chip->special_mask = value & OCW3_SMM;
    if (value & OCW3_RR)
        chip->reads_isr = value & OCW3_RIS;
    if (value & OCW3_POLL) {
        /* "Interrupt is frozen from WR to RD": the read returns what is pending now. */
        chip->poll = true;
        chip->polled_level = (uint8_t)pending_level(chip);
    }
}

void i8259_write(struct i8259_pair *pair, enum i8259_which which, unsigned offset, uint8_t value)
{
    struct i8259 *chip = &pair->chip[which];

    if ((offset & 1) && takes_mask(chip))
        chip->imr = value;
    else if (offset & 1)
        write_icw(chip, value);
    else if (value & ICW1_SELECT)
        write_icw1(chip, value);
    else if (value & OCW3_SELECT)
        write_ocw3(chip, value);
    else {
        uint8_t in_service_before = chip->isr;

        write_ocw2(chip, value);
        report_end(pair, which, in_service_before);
    }
    update(pair);
}

void i8259_elcr_write(struct i8259_pair *pair, enum i8259_which which, uint8_t value)
{
    struct i8259 *chip = &pair->chip[which];

    chip->elcr = value & elcr_writable[which];
    chip->edges &= (uint8_t)~chip->elcr;
    update(pair);
}

void i8259_pair_set_line(struct i8259_pair *pair, unsigned irq, bool level)
{
    CHECK(irq < 16);
    if (irq == I8259_CASCADE_IR)
        return;
    set_pin(&pair->chip[irq / 8], irq % 8, level);
    update(pair);
}

uint8_t i8259_pair_acknowledge(struct i8259_pair *pair)
{
    struct i8259 *master = &pair->chip[I8259_MASTER];
    struct i8259 *slave = &pair->chip[I8259_SLAVE];
    unsigned level = pending_level(master);
    unsigned slave_level = LEVEL_NONE;
    uint8_t vector;

    /* The request has gone: "a DEFAULT IR7 will occur", without a bit in the ISR. */
    if (level == LEVEL_NONE)
        return master->vector_base | 7;

    accept(master, level);
    if (!has_slave(master, level)) {
        vector = master->vector_base | (uint8_t)level;
    } else if (slave->step != I8259_READY || slave->icw3 != level) {
        vector = FLOATING_BUS; /* no slave has the identity on the cascade bus */
    } else {
        /* The slave's request may have gone since the first INTA. Then the slave gives its own
         * default IR7, while the master has IR2 in service and needs an EOI. */
        slave_level = pending_level(slave);
        if (slave_level != LEVEL_NONE)
            accept(slave, slave_level);
        vector = slave->vector_base | (slave_level == LEVEL_NONE ? 7 : (uint8_t)slave_level);
    }
    /* The accepted request had the highest priority, so INT is low now on both chips. If automatic
     * EOI lets the next request through, INT rises again, which is the edge that IR2 needs. */
    update(pair);
    uint8_t slave_before = slave->isr, master_before = master->isr;
    auto_eoi(slave, slave_level);
    auto_eoi(master, level);
    report_end(pair, I8259_SLAVE, slave_before);
    report_end(pair, I8259_MASTER, master_before);
    update(pair);
    return vector;
}

struct i8259_state i8259_describe(const struct i8259_pair *pair, enum i8259_which which)
{
    const struct i8259 *chip = &pair->chip[which];

    return (struct i8259_state){
        .irr = i8259_irr(chip),
        .isr = chip->isr,
        .imr = chip->imr,
        .elcr = chip->elcr,
        .vector_base = chip->vector_base,
        .is_ready = chip->step == I8259_READY,
    };
}
