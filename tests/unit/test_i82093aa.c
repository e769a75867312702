// SPDX-License-Identifier: BSD-2-Clause
#include "tests/unit/unit.h"

#include "tests/unit/random.h"
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

static bool send(void *context, const struct apic_message *message)
{
    struct bench *b = context;

    b->tried++;
    if (b->refuses)
        return false;
    b->sent++;
    b->last = *message;
    return true;
}

static void end_of_interrupt(void *context, unsigned pin)
{
    struct bench *b = context;

    b->ended |= 1u << pin;
    b->end_count++;
    if ((b->lowered_at_end | b->pulsed_at_end) >> pin & 1)
        i82093aa_set_line(&b->ioapic, pin, false);
    if (b->pulsed_at_end >> pin & 1)
        i82093aa_set_line(&b->ioapic, pin, true);
}

static void start(struct bench *b)
{
    *b = (struct bench){0};
    i82093aa_init(&b->ioapic, &(struct i82093aa_wires){
                                  .send = send,
                                  .end_of_interrupt = end_of_interrupt,
                                  .context = b,
                              });
}

static uint32_t rd(struct bench *b, unsigned index)
{
    i82093aa_write(&b->ioapic, I82093AA_IOREGSEL, 4, index);
    return i82093aa_read(&b->ioapic, I82093AA_IOWIN, 4);
}

static void wr(struct bench *b, unsigned index, uint32_t value)
{
    i82093aa_write(&b->ioapic, I82093AA_IOREGSEL, 4, index);
    i82093aa_write(&b->ioapic, I82093AA_IOWIN, 4, value);
}

static uint32_t low(struct bench *b, unsigned pin)
{
    return rd(b, 0x10 + 2 * pin);
}

static void set_low(struct bench *b, unsigned pin, uint32_t value)
{
    wr(b, 0x10 + 2 * pin, value);
}

static void set_high(struct bench *b, unsigned pin, uint32_t value)
{
    wr(b, 0x11 + 2 * pin, value);
}

static void line(struct bench *b, unsigned pin, bool level)
{
    i82093aa_set_line(&b->ioapic, pin, level);
}

static void pulse(struct bench *b, unsigned pin)
{
    line(b, pin, true);
    line(b, pin, false);
}

static void eoi(struct bench *b, uint8_t vector)
{
    i82093aa_eoi(&b->ioapic, vector);
}

static void test_reset_values(void **state)
{
    struct bench b;

    (void)state;
    start(&b);
    assert_int_equal(i82093aa_read(&b.ioapic, I82093AA_IOREGSEL, 4), 0);
    for (unsigned index = 0; index < 256; index++) {
        uint32_t want = index == 1 ? 0x00170020 : 0;

        if (index >= 0x10 && index < 0x40 && !(index & 1))
            want = MASKED;
        assert_int_equal(rd(&b, index), want);
    }
}

/* Every register with all ones and with zeros: what can be written, and that nothing else moves. */
static void test_writable_bits(void **state)
{
    struct bench b;

    (void)state;
    start(&b);
    for (unsigned index = 0; index < 256; index++) {
        uint32_t ones = 0, zeros = 0;

        switch (index) {
        case 0: ones = 0x0f000000; break;
        case 1: ones = zeros = 0x00170020; break;
        default:
            if (index >= 0x10 && index < 0x40)
                ones = index & 1 ? 0xff000000 : 0x0001afff;
        }
        wr(&b, index, 0xffffffff);
        assert_int_equal(rd(&b, index), ones);
        if (index == 0)
            assert_int_equal(rd(&b, 2), 0x0f000000);
        wr(&b, index, 0);
        assert_int_equal(rd(&b, index), zeros);
        wr(&b, index, index >= 0x10 && index < 0x40 && !(index & 1) ? MASKED : 0);
    }
    assert_int_equal(b.tried, 0);
    /* The arbitration ID follows the ID, and is not written itself. */
    wr(&b, 0, 0x05000000);
    wr(&b, 2, 0x0a000000);
    assert_int_equal(rd(&b, 0), 0x05000000);
    assert_int_equal(rd(&b, 2), 0x05000000);
    /* Each entry is its own. */
    for (unsigned pin = 0; pin < 24; pin++) {
        set_low(&b, pin, MASKED | pin);
        set_high(&b, pin, (0x80 | pin) << 24);
    }
    for (unsigned pin = 0; pin < 24; pin++) {
        assert_int_equal(low(&b, pin), MASKED | pin);
        assert_int_equal(rd(&b, 0x11 + 2 * pin), (0x80 | pin) << 24);
    }
}

static void test_window(void **state)
{
    struct bench b;
    struct i82093aa before;

    (void)state;
    start(&b);
    /* IOREGSEL takes a byte, too, and has no bits above it. */
    i82093aa_write(&b.ioapic, I82093AA_IOREGSEL, 4, 0xabcdef01);
    assert_int_equal(i82093aa_read(&b.ioapic, I82093AA_IOREGSEL, 4), 0x01);
    i82093aa_write(&b.ioapic, I82093AA_IOREGSEL, 1, 0x12);
    assert_int_equal(i82093aa_read(&b.ioapic, I82093AA_IOREGSEL, 1), 0x12);
    /* IOWIN takes nothing but 32 bits, and reads in pieces. */
    wr(&b, 0x12, MASKED | 0xa345);
    i82093aa_write(&b.ioapic, I82093AA_IOWIN, 1, 0);
    i82093aa_write(&b.ioapic, I82093AA_IOWIN, 2, 0);
    assert_int_equal(i82093aa_read(&b.ioapic, 0x10, 4), 0x1a345);
    assert_int_equal(i82093aa_read(&b.ioapic, 0x10, 1), 0x45);
    assert_int_equal(i82093aa_read(&b.ioapic, 0x11, 1), 0xa3);
    assert_int_equal(i82093aa_read(&b.ioapic, 0x12, 2), 0x0001);
    assert_int_equal(i82093aa_read(&b.ioapic, 0x13, 1), 0);
    /* Nothing at other offsets. */
    before = b.ioapic;
    for (unsigned offset = 0; offset < I82093AA_WINDOW_BYTES; offset++) {
        for (unsigned size = 1; size <= 4; size *= 2) {
            if (offset % size != 0 || offset == 0 || offset == 0x10)
                continue;
            i82093aa_write(&b.ioapic, offset, size, 0xffffffff);
            assert_memory_equal(&b.ioapic, &before, sizeof(before));
            if (offset >= 0x14 || (offset >= 4 && offset < 0x10))
                assert_int_equal(i82093aa_read(&b.ioapic, offset, size), 0);
        }
    }
}

static void test_edge(void **state)
{
    struct bench b;

    (void)state;
    start(&b);
    set_high(&b, 4, 0x03000000);
    set_low(&b, 4, 0x31);
    line(&b, 4, true);
    assert_int_equal(b.sent, 1);
    assert_int_equal(b.last.vector, 0x31);
    assert_int_equal(b.last.destination, 3);
    assert_int_equal(b.last.delivery, APIC_FIXED);
    assert_false(b.last.is_logical);
    assert_false(b.last.is_level);
    assert_true(b.last.is_asserted);
    /* Held high is no second edge, nor is a write to the entry; no EOI is needed. */
    line(&b, 4, true);
    set_low(&b, 4, 0x32);
    assert_int_equal(b.sent, 1);
    assert_int_equal(low(&b, 4), 0x32);
    line(&b, 4, false);
    assert_int_equal(b.sent, 1);
    line(&b, 4, true);
    assert_int_equal(b.sent, 2);
    eoi(&b, 0x32);
    assert_int_equal(b.sent, 2);
    assert_int_equal(b.end_count, 0);
}

static void test_delivery_modes(void **state)
{
    static const struct {
        uint32_t entry;
        enum apic_delivery delivery;
        bool is_level;
    } modes[] = {
        {0x041, APIC_FIXED, false},
        {0x8041, APIC_FIXED, true},
        {0x141, APIC_LOWEST_PRIORITY, false},
        {0x8141, APIC_LOWEST_PRIORITY, true},
        {0x200, APIC_SMI, false},
        {0x8200, APIC_SMI, false},
        {0x400, APIC_NMI, false},
        {0x8400, APIC_NMI, false},
        {0x500, APIC_INIT, false},
        {0x8500, APIC_INIT, false},
        {0x700, APIC_EXTINT, false},
        {0x8700, APIC_EXTINT, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        for (unsigned logical = 0; logical < 2; logical++) {
            struct bench b;

            start(&b);
            set_high(&b, 23, 0xf1000000);
            set_low(&b, 23, modes[i].entry | logical << 11);
            line(&b, 23, true);
            assert_int_equal(b.sent, 1);
            assert_int_equal(b.last.delivery, modes[i].delivery);
            assert_int_equal(b.last.is_level, modes[i].is_level);
            assert_int_equal(b.last.is_logical, logical);
            assert_int_equal(b.last.destination, 0xf1);
            assert_int_equal(b.last.vector, modes[i].entry & 0xff);
            /* Remote IRR is of level interrupts; the others need a new edge. */
            assert_int_equal(low(&b, 23) >> 14 & 1, modes[i].is_level);
            eoi(&b, modes[i].entry & 0xff);
            assert_int_equal(b.sent, modes[i].is_level ? 2 : 1);
        }
    }
}

/* 3 is reserved: nothing to send, nothing kept; 6 goes nowhere but to the local APICs' judgement.
 */
static void test_reserved_delivery(void **state)
{
    struct bench b;

    (void)state;
    start(&b);
    set_low(&b, 1, 0x341);
    line(&b, 1, true);
    assert_int_equal(low(&b, 1), 0x341);
    set_low(&b, 1, 0x041);
    set_low(&b, 2, 0x8341);
    line(&b, 2, true);
    assert_int_equal(low(&b, 2), 0x8341);
    assert_int_equal(b.tried, 0);
}

static void test_masked_edge_is_lost(void **state)
{
    struct bench b;

    (void)state;
    start(&b);
    set_low(&b, 14, MASKED | 0x81);
    pulse(&b, 14);
    line(&b, 14, true);
    set_low(&b, 14, 0x81); /* still high */
    assert_int_equal(b.tried, 0);
    line(&b, 14, false);
    line(&b, 14, true);
    assert_int_equal(b.sent, 1);
}

static void test_masked_level_waits(void **state)
{
    struct bench b;

    (void)state;
    start(&b);
    set_low(&b, 14, MASKED | LEVEL | 0x82);
    pulse(&b, 14);
    set_low(&b, 14, LEVEL | 0x82);
    assert_int_equal(b.tried, 0);
    set_low(&b, 14, MASKED | LEVEL | 0x82);
    line(&b, 14, true);
    assert_int_equal(b.tried, 0);
    assert_int_equal(low(&b, 14), MASKED | LEVEL | 0x82);
    set_low(&b, 14, LEVEL | 0x82);
    assert_int_equal(b.sent, 1);
    assert_true(b.last.is_level);
}

static void test_level_and_eoi(void **state)
{
    struct bench b;

    (void)state;
    start(&b);
    set_low(&b, 9, LEVEL | 0x61);
    line(&b, 9, true);
    assert_int_equal(b.sent, 1);
    assert_int_equal(low(&b, 9), LEVEL | 0x4061);
    /* Nothing more before the EOI, whatever the line does. */
    line(&b, 9, false);
    assert_int_equal(low(&b, 9), LEVEL | 0x4061);
    line(&b, 9, true);
    eoi(&b, 0x60);
    assert_int_equal(b.sent, 1);
    assert_int_equal(b.end_count, 0);
    /* Still asserted: once more. */
    eoi(&b, 0x61);
    assert_int_equal(b.sent, 2);
    assert_int_equal(b.ended, 1u << 9);
    assert_int_equal(low(&b, 9), LEVEL | 0x4061);
    line(&b, 9, false);
    eoi(&b, 0x61);
    assert_int_equal(b.sent, 2);
    assert_int_equal(low(&b, 9), LEVEL | 0x61);
    assert_int_equal(b.end_count, 2);
    /* Over: another EOI ends nothing. */
    eoi(&b, 0x61);
    assert_int_equal(b.end_count, 2);
    line(&b, 9, true);
    assert_int_equal(b.sent, 3);
}

static void test_eoi_register(void **state)
{
    struct bench b;

    (void)state;
    start(&b);
    for (unsigned size = 1; size <= 4; size *= 2) {
        set_low(&b, 9, LEVEL | 0x61);
        line(&b, 9, true);
        line(&b, 9, false);
        i82093aa_write(&b.ioapic, I82093AA_EOIR, size, 0x62);
        assert_int_equal(low(&b, 9), LEVEL | 0x4061);
        i82093aa_write(&b.ioapic, I82093AA_EOIR, size, 0x61);
        assert_int_equal(low(&b, 9), LEVEL | 0x61);
    }
    assert_int_equal(b.sent, 3);
    assert_int_equal(b.end_count, 3);
}

/* "If multiple entries assign the same vector, each of those will have the Remote_IRR bit reset".
 */
static void test_shared_vector(void **state)
{
    struct bench b;

    (void)state;
    start(&b);
    set_low(&b, 3, LEVEL | 0x50);
    set_low(&b, 17, LEVEL | 0x50);
    set_low(&b, 18, LEVEL | 0x51);
    line(&b, 3, true);
    line(&b, 17, true);
    line(&b, 18, true);
    line(&b, 17, false);
    assert_int_equal(b.sent, 3);
    eoi(&b, 0x50);
    assert_int_equal(b.sent, 4);
    assert_int_equal(low(&b, 3), LEVEL | 0x4050);
    assert_int_equal(low(&b, 17), LEVEL | 0x50);
    assert_int_equal(low(&b, 18), LEVEL | 0x4051);
    assert_int_equal(b.ended, 1u << 3 | 1u << 17);
}

/* What the end of an interrupt does to the lines counts for what is sent next, once. */
static void test_end_of_interrupt_drives_lines(void **state)
{
    struct bench b;

    (void)state;
    start(&b);
    set_low(&b, 20, LEVEL | 0x70);
    set_low(&b, 21, LEVEL | 0x71);
    b.lowered_at_end = 1u << 20;
    b.pulsed_at_end = 1u << 21;
    line(&b, 20, true);
    line(&b, 21, true);
    assert_int_equal(b.sent, 2);
    eoi(&b, 0x70);
    assert_int_equal(b.sent, 2);
    assert_int_equal(low(&b, 20), LEVEL | 0x70);
    eoi(&b, 0x71);
    assert_int_equal(b.sent, 3);
    assert_int_equal(b.end_count, 2);
    assert_int_equal(low(&b, 21), LEVEL | 0x4071);
}

/* The destination changes while the interrupt is in service: no second message, and the EOI is
 * found by the vector. */
static void test_rewrite_in_service(void **state)
{
    struct bench b;

    (void)state;
    start(&b);
    set_low(&b, 14, LEVEL | 0x84);
    line(&b, 14, true);
    set_high(&b, 14, 0x01000000);
    assert_int_equal(b.sent, 1);
    assert_int_equal(low(&b, 14), LEVEL | 0x4084);
    set_low(&b, 14, MASKED | LEVEL | 0x84);
    assert_int_equal(low(&b, 14), MASKED | LEVEL | 0x4084);
    eoi(&b, 0x84);
    assert_int_equal(b.sent, 1);
    assert_int_equal(b.end_count, 1);
    set_low(&b, 14, LEVEL | 0x84);
    assert_int_equal(b.sent, 2);
    assert_int_equal(b.last.destination, 1);
}

/* How an interrupt is ended without an EOI register: to edge, and back. */
static void test_edge_clears_remote_irr(void **state)
{
    struct bench b;

    (void)state;
    start(&b);
    set_low(&b, 9, LEVEL | 0x61);
    line(&b, 9, true);
    set_low(&b, 9, MASKED | LEVEL | 0x61);
    assert_int_equal(b.end_count, 0);
    set_low(&b, 9, MASKED | 0x61);
    assert_int_equal(low(&b, 9), MASKED | 0x61);
    assert_int_equal(b.end_count, 1);
    set_low(&b, 9, MASKED | LEVEL | 0x61);
    assert_int_equal(low(&b, 9), MASKED | LEVEL | 0x61);
    set_low(&b, 9, LEVEL | 0x61);
    assert_int_equal(b.sent, 2);
}

static void test_nobody_accepts(void **state)
{
    struct bench b;

    (void)state;
    start(&b);
    set_low(&b, 5, 0x35);
    set_low(&b, 6, LEVEL | 0x36);
    b.refuses = true;
    pulse(&b, 5);
    line(&b, 6, true);
    assert_int_equal(low(&b, 5), 0x1035);         /* DELIVS */
    assert_int_equal(low(&b, 6), LEVEL | 0x1036); /* and no remote IRR */
    eoi(&b, 0x36);
    assert_int_equal(b.end_count, 0);
    b.refuses = false;
    i82093aa_retry(&b.ioapic);
    assert_int_equal(b.sent, 2);
    assert_int_equal(low(&b, 5), 0x35);
    assert_int_equal(low(&b, 6), LEVEL | 0x4036);
    i82093aa_retry(&b.ioapic);
    assert_int_equal(b.sent, 2);

    /* The cause goes: a level that is withdrawn, an edge that is masked. */
    line(&b, 6, false);
    eoi(&b, 0x36);
    b.refuses = true;
    pulse(&b, 5);
    pulse(&b, 6);
    assert_int_equal(low(&b, 6), LEVEL | 0x36);
    set_low(&b, 5, MASKED | 0x35);
    assert_int_equal(low(&b, 5), MASKED | 0x35);
    b.refuses = false;
    set_low(&b, 5, 0x35);
    i82093aa_retry(&b.ioapic);
    assert_int_equal(b.sent, 2);

    /* A new entry tries at once. */
    b.refuses = true;
    pulse(&b, 5);
    b.refuses = false;
    set_high(&b, 5, 0x02000000);
    assert_int_equal(b.sent, 3);
    assert_int_equal(b.last.destination, 2);
}

/* Polarity says how the board is wired and changes nothing in what is asserted. */
static void test_polarity(void **state)
{
    struct bench b;

    (void)state;
    start(&b);
    set_low(&b, 9, LEVEL | 0x2061);
    assert_int_equal(b.tried, 0);
    line(&b, 9, true);
    assert_int_equal(b.sent, 1);
    assert_int_equal(low(&b, 9), LEVEL | 0x6061);
    assert_true(i82093aa_describe(&b.ioapic, 9).is_active_low);
}

static void test_trigger_mode_changes(void **state)
{
    struct bench b;

    (void)state;
    start(&b);
    set_low(&b, 7, 0x37);
    line(&b, 7, true);
    assert_int_equal(b.sent, 1);
    set_low(&b, 7, LEVEL | 0x37); /* high: that is a level */
    assert_int_equal(b.sent, 2);
    set_low(&b, 7, 0x37); /* and no edge */
    assert_int_equal(b.sent, 2);
    assert_int_equal(low(&b, 7), 0x37);
    /* An edge nobody took is no edge any more after a time as a level. */
    line(&b, 7, false);
    b.refuses = true;
    pulse(&b, 7);
    set_low(&b, 7, LEVEL | 0x37);
    b.refuses = false;
    set_low(&b, 7, 0x37);
    assert_int_equal(b.sent, 2);
    /* A rise as a level is no edge afterwards either. */
    set_low(&b, 7, LEVEL | 0x37);
    line(&b, 7, true);
    assert_int_equal(b.sent, 3);
    set_low(&b, 7, 0x37);
    assert_int_equal(b.sent, 3);
}

static void test_reset_keeps_pins(void **state)
{
    struct bench b;

    (void)state;
    start(&b);
    wr(&b, 0, 0x0f000000);
    set_low(&b, 3, LEVEL | 0x43);
    set_low(&b, 4, 0x44);
    line(&b, 3, true);
    b.refuses = true;
    line(&b, 4, true);
    i82093aa_reset(&b.ioapic);
    b.refuses = false;
    assert_int_equal(b.end_count, 0);
    assert_int_equal(rd(&b, 0), 0);
    assert_int_equal(low(&b, 3), MASKED);
    set_low(&b, 4, 0x44);
    assert_int_equal(b.sent, 1);
    set_low(&b, 3, LEVEL | 0x43); /* the level is still there, the edge is not */
    assert_int_equal(b.sent, 2);
}

static void test_describe(void **state)
{
    struct bench b;
    struct i82093aa_pin pin;

    (void)state;
    start(&b);
    set_high(&b, 11, 0xab000000);
    set_low(&b, 11, LEVEL | 0x2000 | 0x900 | 0x5b);
    line(&b, 11, true);
    pin = i82093aa_describe(&b.ioapic, 11);
    assert_int_equal(pin.vector, 0x5b);
    assert_int_equal(pin.delivery, APIC_LOWEST_PRIORITY);
    assert_int_equal(pin.destination, 0xab);
    assert_true(pin.is_logical && pin.is_level && pin.is_active_low && pin.is_asserted);
    assert_true(pin.remote_irr && !pin.is_masked && !pin.is_pending);
    pin = i82093aa_describe(&b.ioapic, 12);
    assert_true(pin.is_masked && !pin.is_asserted && !pin.remote_irr && !pin.is_level);
}

/* Whatever a guest writes: no undefined behaviour, and the read-only bits tell the truth. */
static void test_random_accesses(void **state)
{
    struct bench b;

    (void)state;
    start(&b);
    for (unsigned i = 0; i < 200000; i++) {
        uint64_t random = random_u64();
        unsigned size = 1u << (random >> 8 & 3) % 3;
        unsigned offset = (random >> 16 & 0x7f) & ~(size - 1);
        uint32_t value = (uint32_t)(random >> 32);

        b.refuses = (random >> 10 & 7) == 0;
        switch (random & 3) {
        case 0: i82093aa_write(&b.ioapic, offset, size, value); break;
        case 1: wr(&b, 0x10 + value % 0x30, value); break;
        case 2: i82093aa_set_line(&b.ioapic, value % 24, value >> 8 & 1); break;
        case 3: eoi(&b, (uint8_t)value); break;
        }
        assert_int_equal(i82093aa_read(&b.ioapic, offset, size) & ~bytes_mask(size), 0);
        struct i82093aa_pin pin = i82093aa_describe(&b.ioapic, value % 24);
        assert_false(pin.remote_irr && (pin.is_pending || !pin.is_level));
        assert_false(pin.is_masked && pin.is_pending);
        assert_int_equal(b.ioapic.edges >> 24 | b.ioapic.remote_irr >> 24, 0);
    }
    assert_true(b.sent > 1000 && b.end_count > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reset_values),
        cmocka_unit_test(test_writable_bits),
        cmocka_unit_test(test_window),
        cmocka_unit_test(test_edge),
        cmocka_unit_test(test_delivery_modes),
        cmocka_unit_test(test_reserved_delivery),
        cmocka_unit_test(test_masked_edge_is_lost),
        cmocka_unit_test(test_masked_level_waits),
        cmocka_unit_test(test_level_and_eoi),
        cmocka_unit_test(test_eoi_register),
        cmocka_unit_test(test_shared_vector),
        cmocka_unit_test(test_end_of_interrupt_drives_lines),
        cmocka_unit_test(test_rewrite_in_service),
        cmocka_unit_test(test_edge_clears_remote_irr),
        cmocka_unit_test(test_nobody_accepts),
        cmocka_unit_test(test_polarity),
        cmocka_unit_test(test_trigger_mode_changes),
        cmocka_unit_test(test_reset_keeps_pins),
        cmocka_unit_test(test_describe),
        cmocka_unit_test(test_random_accesses),
    };
    return cmocka_run_group_tests_name("i82093aa", tests, NULL, NULL);
}
