// SPDX-License-Identifier: BSD-2-Clause
#include "tests/unit/unit.h"

#include "vmm/devices/i82093aa.h"
#include "vmm/devices/i8259.h"
#include "vmm/devices/irq_lines.h"

/* A recorder of what the wiring passes on, and a board: wiring, 8259A pair, I/O APIC. */
struct bench {
    struct irq_lines lines;
    unsigned pic_changes, ioapic_changes;
    uint32_t pic, ioapic; /* levels as passed on */
    bool drives_chips;
    struct i8259_pair i8259;
    struct i82093aa i82093aa;
    unsigned sent;
    struct apic_message last;
};

static void set_pic(void *context, unsigned irq, bool level)
{
    struct bench *b = context;

    assert_in_range(irq, 0, 15);
    assert_int_not_equal(irq, 2);
    assert_int_not_equal(b->pic >> irq & 1, level);
    b->pic ^= 1u << irq;
    b->pic_changes++;
    if (b->drives_chips)
        i8259_pair_set_line(&b->i8259, irq, level);
}

static void set_ioapic(void *context, unsigned pin, bool level)
{
    struct bench *b = context;

    assert_in_range(pin, 1, 23);
    assert_int_not_equal(b->ioapic >> pin & 1, level);
    b->ioapic ^= 1u << pin;
    b->ioapic_changes++;
    if (b->drives_chips)
        i82093aa_set_line(&b->i82093aa, pin, level);
}

static bool send(void *context, const struct apic_message *message)
{
    struct bench *b = context;

    b->sent++;
    b->last = *message;
    return true;
}

static void set_intr(void *context, bool level)
{
    struct bench *b = context;

    i82093aa_set_line(&b->i82093aa, 0, level);
}

static void start(struct bench *b)
{
    *b = (struct bench){0};
    irq_lines_init(&b->lines, &(struct irq_lines_outputs){
                                  .set_pic = set_pic, .set_ioapic = set_ioapic, .context = b});
}

static void write_entry(struct bench *b, unsigned pin, uint32_t value)
{
    i82093aa_write(&b->i82093aa, I82093AA_IOREGSEL, 4, I82093AA_IOREDTBL + 2 * pin);
    i82093aa_write(&b->i82093aa, I82093AA_IOWIN, 4, value);
}

/* The 8259As at vectors 0x20 and 0x28, nothing masked; the I/O APIC as after reset, with the
 * 8259As' INTR at pin 0. */
static void start_board(struct bench *b)
{
    start(b);
    b->drives_chips = true;
    i82093aa_init(&b->i82093aa, &(struct i82093aa_wires){.send = send, .context = b});
    i8259_pair_init(&b->i8259, (struct line){.set = set_intr, .context = b});
    for (unsigned which = I8259_MASTER; which <= I8259_SLAVE; which++) {
        i8259_write(&b->i8259, which, 0, 0x11);
        i8259_write(&b->i8259, which, 1, which == I8259_MASTER ? 0x20 : 0x28);
        i8259_write(&b->i8259, which, 1, which == I8259_MASTER ? 0x04 : 0x02);
        i8259_write(&b->i8259, which, 1, 0x01);
        i8259_write(&b->i8259, which, 1, 0);
    }
}

static void test_where_lines_lead(void **state)
{
    struct bench b;

    (void)state;
    for (unsigned number = 0; number < IRQ_LINE_COUNT; number++) {
        for (unsigned source = 0; source < IRQ_LINE_SOURCES; source++) {
            start(&b);
            struct line line = irq_lines_source(&b.lines, number, source);
            uint32_t pic = number < 16 && number != 2 ? 1u << number : 0;
            uint32_t ioapic = number == 0 ? 1u << 2 : number == 2 ? 0 : 1u << number;

            line_set(&line, true);
            assert_int_equal(b.pic, pic);
            assert_int_equal(b.ioapic, ioapic);
            for (unsigned other = 0; other < IRQ_LINE_COUNT; other++)
                assert_int_equal(irq_lines_level(&b.lines, other), other == number);
            line_set(&line, false);
            assert_int_equal(b.pic | b.ioapic, 0);
            assert_false(irq_lines_level(&b.lines, number));
        }
    }
}

/* All combinations of eight sources: the line is their OR, and only its changes are passed on. */
static void test_wired_or(void **state)
{
    struct bench b;
    struct line sources[IRQ_LINE_SOURCES];
    unsigned changes = 0;
    bool level = false;

    (void)state;
    start(&b);
    for (unsigned source = 0; source < IRQ_LINE_SOURCES; source++)
        sources[source] = irq_lines_source(&b.lines, 5, source);
    for (unsigned step = 0; step < 1024; step++) {
        unsigned pattern = step * 0x9d & 0xff;

        for (unsigned source = 0; source < IRQ_LINE_SOURCES; source++) {
            line_set(&sources[source], pattern >> source & 1);
            if (irq_lines_level(&b.lines, 5) != level) {
                level = !level;
                changes++;
            }
            assert_int_equal(b.pic >> 5 & 1, level);
        }
        assert_int_equal(level, pattern != 0);
        assert_int_equal(b.pic, level ? 1u << 5 : 0);
        assert_int_equal(b.ioapic, b.pic);
    }
    assert_int_equal(b.pic_changes, changes);
    assert_int_equal(b.ioapic_changes, changes);
}

static void test_hidden_pulse(void **state)
{
    struct bench b;

    (void)state;
    start(&b);
    struct line holder = irq_lines_source(&b.lines, 10, 0);
    struct line pulser = irq_lines_source(&b.lines, 10, 7);

    line_set(&holder, true);
    line_set(&pulser, true);
    line_set(&pulser, false);
    line_set(&holder, true);
    assert_int_equal(b.pic_changes, 1);
    line_set(&pulser, true);
    line_set(&holder, false);
    line_set(&holder, false);
    assert_int_equal(b.pic_changes, 1);
    line_set(&pulser, false);
    assert_int_equal(b.pic_changes, 2);
}

/* The same line at both controllers: each has its own mask and its own end of interrupt. */
static void test_both_controllers(void **state)
{
    struct bench b;

    (void)state;
    start_board(&b);
    struct line com1 = irq_lines_source(&b.lines, 4, 0);

    line_set(&com1, true);
    assert_true(i8259_pair_interrupt_pending(&b.i8259));
    assert_int_equal(i8259_pair_acknowledge(&b.i8259), 0x24);
    i8259_write(&b.i8259, I8259_MASTER, 0, 0x20);
    assert_int_equal(b.sent, 0);
    line_set(&com1, false);

    i8259_write(&b.i8259, I8259_MASTER, 1, 0xff);
    i8259_write(&b.i8259, I8259_SLAVE, 1, 0xff);
    write_entry(&b, 4, 0x34);
    line_set(&com1, true);
    assert_false(i8259_pair_interrupt_pending(&b.i8259));
    assert_int_equal(b.sent, 1);
    assert_int_equal(b.last.vector, 0x34);
}

static void test_timer_override(void **state)
{
    struct bench b;

    (void)state;
    start_board(&b);
    struct line timer = irq_lines_source(&b.lines, 0, 0);

    write_entry(&b, 2, 0x30);
    for (unsigned tick = 1; tick <= 3; tick++) {
        line_set(&timer, true);
        line_set(&timer, false);
        assert_int_equal(b.sent, tick);
        assert_int_equal(b.last.vector, 0x30);
    }
}

/* Two devices on a level-triggered line: the interrupt comes again until both are content. */
static void test_shared_level(void **state)
{
    struct bench b;

    (void)state;
    start_board(&b);
    struct line one = irq_lines_source(&b.lines, 11, 0);
    struct line two = irq_lines_source(&b.lines, 11, 1);

    write_entry(&b, 11, 0x805b);
    i8259_elcr_write(&b.i8259, I8259_SLAVE, 0x08);
    line_set(&one, true);
    line_set(&two, true);
    assert_int_equal(b.sent, 1);
    line_set(&one, false);
    i82093aa_eoi(&b.i82093aa, 0x5b);
    assert_int_equal(b.sent, 2);
    assert_int_equal(i8259_pair_acknowledge(&b.i8259), 0x2b);
    i8259_write(&b.i8259, I8259_SLAVE, 0, 0x20);
    i8259_write(&b.i8259, I8259_MASTER, 0, 0x20);
    assert_true(i8259_pair_interrupt_pending(&b.i8259));
    line_set(&two, false);
    i82093aa_eoi(&b.i82093aa, 0x5b);
    assert_int_equal(b.sent, 2);
    assert_false(i8259_pair_interrupt_pending(&b.i8259));
}

/* Pin 0 as ExtINT: every rise of the 8259As' INTR is a message to run the INTA cycles. */
static void test_extint(void **state)
{
    struct bench b;

    (void)state;
    start_board(&b);
    struct line timer = irq_lines_source(&b.lines, 0, 0);
    struct line com1 = irq_lines_source(&b.lines, 4, 0);

    write_entry(&b, 0, 0x700);
    line_set(&com1, true);
    assert_int_equal(b.sent, 1);
    assert_int_equal(b.last.delivery, APIC_EXTINT);
    assert_int_equal(i8259_pair_acknowledge(&b.i8259), 0x24);
    line_set(&timer, true);
    assert_int_equal(b.sent, 2);
    assert_int_equal(i8259_pair_acknowledge(&b.i8259), 0x20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_where_lines_lead), cmocka_unit_test(test_wired_or),
        cmocka_unit_test(test_hidden_pulse),     cmocka_unit_test(test_both_controllers),
        cmocka_unit_test(test_timer_override),   cmocka_unit_test(test_shared_level),
        cmocka_unit_test(test_extint),
    };
    return cmocka_run_group_tests_name("irq_lines", tests, NULL, NULL);
}
