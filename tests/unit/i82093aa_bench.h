// SPDX-License-Identifier: BSD-2-Clause
/* An I/O APIC with somebody to send to, and somebody who hears of the ends of interrupts. */
#ifndef TESTS_UNIT_I82093AA_BENCH_H
#define TESTS_UNIT_I82093AA_BENCH_H

#include "tests/unit/unit.h"

#include "vmm/base/bits.h"
#include "vmm/devices/i82093aa.h"

#define MASKED 0x10000
#define LEVEL  0x8000

struct bench {
    struct i82093aa ioapic;
    bool refuses;
    unsigned sent; /* messages accepted */
    unsigned tried;
    struct apic_message last;
    uint32_t ended;
    unsigned end_count;
    uint32_t lowered_at_end; /* pins that the board lowers when their interrupt ends */
    uint32_t pulsed_at_end;  /* lowers and raises */
};

static inline bool send(void *context, const struct apic_message *message)
{
    struct bench *b = context;

    b->tried++;
    if (b->refuses)
        return false;
    b->sent++;
    b->last = *message;
    return true;
}

static inline void end_of_interrupt(void *context, unsigned pin)
{
    struct bench *b = context;

    b->ended |= 1u << pin;
    b->end_count++;
    if ((b->lowered_at_end | b->pulsed_at_end) >> pin & 1)
        i82093aa_set_line(&b->ioapic, pin, false);
    if (b->pulsed_at_end >> pin & 1)
        i82093aa_set_line(&b->ioapic, pin, true);
}

static inline void start(struct bench *b)
{
    *b = (struct bench){0};
    i82093aa_init(&b->ioapic, &(struct i82093aa_wires){
                                  .send = send,
                                  .end_of_interrupt = end_of_interrupt,
                                  .context = b,
                              });
}

static inline uint32_t rd(struct bench *b, unsigned index)
{
    i82093aa_write(&b->ioapic, I82093AA_IOREGSEL, 4, index);
    return i82093aa_read(&b->ioapic, I82093AA_IOWIN, 4);
}

static inline void wr(struct bench *b, unsigned index, uint32_t value)
{
    i82093aa_write(&b->ioapic, I82093AA_IOREGSEL, 4, index);
    i82093aa_write(&b->ioapic, I82093AA_IOWIN, 4, value);
}

static inline uint32_t low(struct bench *b, unsigned pin)
{
    return rd(b, 0x10 + 2 * pin);
}

static inline void set_low(struct bench *b, unsigned pin, uint32_t value)
{
    wr(b, 0x10 + 2 * pin, value);
}

static inline void set_high(struct bench *b, unsigned pin, uint32_t value)
{
    wr(b, 0x11 + 2 * pin, value);
}

static inline void line(struct bench *b, unsigned pin, bool level)
{
    i82093aa_set_line(&b->ioapic, pin, level);
}

static inline void pulse(struct bench *b, unsigned pin)
{
    line(b, pin, true);
    line(b, pin, false);
}

static inline void eoi(struct bench *b, uint8_t vector)
{
    i82093aa_eoi(&b->ioapic, vector);
}

#endif
