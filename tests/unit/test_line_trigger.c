// SPDX-License-Identifier: BSD-2-Clause
#include "tests/unit/unit.h"

#include "vmm/devices/i8259.h"
#include "vmm/devices/notify/line_trigger.h"

#include <pthread.h>
#include <string.h>

/* A line that counts, and notices two drivers at once. */
struct wire {
    bool level;
    unsigned rises, sets;
    _Atomic bool is_being_set;
    struct line_trigger *raise_within; /* an event from within the listener */
};

static void set_wire(void *context, bool level)
{
    struct wire *wire = context;

    assert_false(atomic_exchange(&wire->is_being_set, true));
    wire->sets++;
    wire->rises += level && !wire->level;
    wire->level = level;
    if (wire->raise_within != NULL) {
        struct line_trigger *trigger = wire->raise_within;

        wire->raise_within = NULL;
        line_trigger_raise(trigger);
    }
    atomic_store(&wire->is_being_set, false);
}

static struct line line_of(struct wire *wire)
{
    return (struct line){set_wire, wire};
}

static void test_edge_pulses(void **state)
{
    struct wire wire = {0};
    struct line_trigger trigger;

    (void)state;
    line_trigger_init(&trigger, line_of(&wire), false);
    assert_int_equal(wire.sets, 0);
    line_trigger_raise(&trigger);
    assert_int_equal(wire.rises, 1);
    assert_true(wire.level);
    line_trigger_end_of_interrupt(&trigger);
    assert_int_equal(wire.sets, 2);
    wire.raise_within = &trigger; /* posted, and driven when the first is done */
    line_trigger_raise(&trigger);
    assert_int_equal(wire.rises, 3);
    assert_int_equal(trigger.raised, 3);
    assert_int_equal(trigger.delivered, 3);
}

static void test_level_resamples(void **state)
{
    struct wire wire = {0};
    struct line_trigger trigger;

    (void)state;
    line_trigger_init(&trigger, line_of(&wire), true);
    line_trigger_end_of_interrupt(&trigger); /* somebody else's */
    assert_int_equal(wire.sets, 0);
    line_trigger_raise(&trigger);
    line_trigger_raise(&trigger);
    line_trigger_raise(&trigger);
    assert_true(wire.level);
    assert_int_equal(wire.rises, 1);
    assert_int_equal(trigger.pending, 3);
    line_trigger_end_of_interrupt(&trigger);
    assert_true(wire.level);
    assert_int_equal(wire.rises, 2);
    line_trigger_end_of_interrupt(&trigger);
    assert_int_equal(wire.rises, 3);
    line_trigger_end_of_interrupt(&trigger);
    assert_false(wire.level);
    assert_int_equal(trigger.delivered, 3);
    line_trigger_end_of_interrupt(&trigger);
    assert_int_equal(trigger.delivered, 3);
    line_trigger_raise(&trigger); /* the surplus end is not kept for it */
    assert_true(wire.level);
    assert_int_equal(wire.rises, 4);
}

static void test_reset_and_close(void **state)
{
    struct wire wire = {0};
    struct line_trigger trigger;

    (void)state;
    line_trigger_init(&trigger, line_of(&wire), true);
    line_trigger_raise(&trigger);
    line_trigger_raise(&trigger);
    line_trigger_reset(&trigger);
    assert_false(wire.level);
    assert_int_equal(trigger.pending, 0);
    assert_int_equal(trigger.raised, 2);
    line_trigger_end_of_interrupt(&trigger);
    assert_false(wire.level);
    line_trigger_raise(&trigger);
    assert_true(wire.level);
    line_trigger_close(&trigger);
    assert_false(wire.level);
    line_trigger_raise(&trigger);
    assert_false(wire.level);
    assert_int_equal(trigger.raised, 3);
}

/* A guest whose other vCPUs never stop ringing, or ending: each change of the line brings the next
 * event. */
struct busy_wire {
    struct line_trigger *trigger;
    unsigned sets, most, wishes;
    bool ends; /* an end as well as an event */
};

static void set_busy_wire(void *context, bool level)
{
    struct busy_wire *wire = context;

    (void)level;
    if (wire->sets++ >= wire->most)
        return;
    line_trigger_raise(wire->trigger);
    if (wire->ends)
        line_trigger_end_of_interrupt(wire->trigger);
}

static void wish(void *context)
{
    ((struct busy_wire *)context)->wishes++;
}

/* A call comes back, says that work is left, and the work goes on in calls of the same length. */
static void run_busy(bool is_level, bool ends)
{
    const unsigned many = 100000;
    struct line_trigger trigger;
    struct busy_wire wire = {.trigger = &trigger, .most = UINT32_MAX, .ends = ends};
    unsigned before;

    line_trigger_init(&trigger, (struct line){set_busy_wire, &wire}, is_level);
    trigger.postponed = wish;
    trigger.postponed_context = &wire;
    line_trigger_raise(&trigger);
    line_trigger_end_of_interrupt(&trigger);
    assert_int_equal(wire.wishes, is_level ? 2 : 1); /* an end goes on with it as well */
    for (unsigned calls = wire.wishes; wire.sets < many; calls++) {
        assert_int_equal(wire.wishes, calls);
        before = wire.sets;
        line_trigger_continue(&trigger);
        assert_in_range(wire.sets - before, 1, 2 * LINE_TRIGGER_BATCH);
    }
    wire.most = 0;
    while (atomic_load(&trigger.is_postponed))
        line_trigger_continue(&trigger);
    assert_int_equal(trigger.unhandled, 0);
    assert_int_equal(trigger.raised_taken, trigger.raised);
    assert_int_equal(trigger.ended_taken, trigger.ended);
    line_trigger_continue(&trigger); /* nothing to do */
    if (!is_level)
        assert_int_equal(trigger.delivered, trigger.raised);
}

static void test_bounded(void **state)
{
    (void)state;
    run_busy(false, false);
    run_busy(true, true);
}

/* What is postponed goes on with the next event; a reset and a close take it along. */
static void test_postponed_is_taken(void **state)
{
    struct line_trigger trigger;
    struct busy_wire wire = {.trigger = &trigger, .most = UINT32_MAX};

    (void)state;
    line_trigger_init(&trigger, (struct line){set_busy_wire, &wire}, false);
    line_trigger_raise(&trigger);
    assert_true(trigger.is_postponed);
    wire.most = 0;
    line_trigger_raise(&trigger);
    while (trigger.is_postponed)
        line_trigger_raise(&trigger);
    assert_int_equal(trigger.delivered, trigger.raised);

    wire.most = UINT32_MAX;
    line_trigger_raise(&trigger);
    assert_true(trigger.is_postponed);
    wire.most = 0;
    line_trigger_reset(&trigger);
    assert_false(trigger.is_postponed);
    assert_int_equal(trigger.unhandled, 0);

    wire.most = UINT32_MAX;
    line_trigger_raise(&trigger);
    assert_true(trigger.is_postponed);
    line_trigger_close(&trigger);
    assert_false(trigger.is_postponed);
    assert_int_equal(trigger.unhandled, 0);
    line_trigger_raise(&trigger);
    assert_int_equal(trigger.unhandled, 0);
}

/* On the real controller: so many events, so many interrupts, whether the input looks for edges or
 * for levels, with every kind of end. */

static void end(void *context, unsigned irq)
{
    assert_int_equal(irq, 11);
    line_trigger_end_of_interrupt(context);
}

static void set_irq_11(void *context, bool level)
{
    i8259_pair_set_line(context, 11, level);
}

static void run_on_i8259(uint8_t elcr, uint8_t slave_icw4, unsigned events)
{
    static const uint8_t icws[2][4] = {{0x11, 0x20, 0x04, 0x01}, {0x11, 0x28, 0x02, 0x01}};
    struct i8259_pair pic;
    struct line_trigger trigger;
    unsigned interrupts = 0;

    i8259_pair_init(&pic, (struct line){0});
    line_trigger_init(&trigger, (struct line){set_irq_11, &pic}, true);
    i8259_pair_on_end_of_interrupt(&pic, end, &trigger);
    i8259_elcr_write(&pic, I8259_SLAVE, elcr);
    for (int which = I8259_MASTER; which <= I8259_SLAVE; which++)
        for (unsigned i = 0; i < 4; i++)
            i8259_write(&pic, which, i > 0,
                        which == I8259_SLAVE && i == 3 ? slave_icw4 : icws[which][i]);

    for (unsigned i = 0; i < events; i++)
        line_trigger_raise(&trigger);
    while (i8259_pair_interrupt_pending(&pic)) {
        assert_int_equal(i8259_pair_acknowledge(&pic), 0x28 + 3);
        interrupts++;
        assert_true(interrupts <= events);
        if (interrupts == 2) { /* one more while one is in service */
            line_trigger_raise(&trigger);
            events++;
        }
        if (!(slave_icw4 & 2))
            i8259_write(&pic, I8259_SLAVE, 0, interrupts % 2 ? 0x20 : 0x63);
        i8259_write(&pic, I8259_MASTER, 0, 0x20);
    }
    assert_int_equal(interrupts, events);
    assert_int_equal(trigger.delivered, events);
    assert_int_equal(trigger.pending, 0);
}

static void test_on_i8259(void **state)
{
    (void)state;
    run_on_i8259(0x00, 0x01, 5);
    run_on_i8259(0x08, 0x01, 5);
    run_on_i8259(0x00, 0x03, 5);
    run_on_i8259(0x08, 0x03, 5);
}

#define EVENTS_EACH 50000

static void *raise_often(void *context)
{
    for (int i = 0; i < EVENTS_EACH; i++)
        line_trigger_raise(context);
    return NULL;
}

static void test_two_at_once(void **state)
{
    struct wire edge_wire = {0}, level_wire = {0};
    struct line_trigger edge, level;
    pthread_t threads[4];

    (void)state;
    line_trigger_init(&edge, line_of(&edge_wire), false);
    line_trigger_init(&level, line_of(&level_wire), true);
    for (int i = 0; i < 4; i++)
        assert_int_equal(
            pthread_create(&threads[i], NULL, raise_often, i % 2 == 0 ? &edge : &level), 0);
    /* Meanwhile the guest ends what it got. */
    for (uint64_t ended = 0; ended < EVENTS_EACH;) {
        if (atomic_load(&level.pending) == 0)
            continue;
        line_trigger_end_of_interrupt(&level);
        ended++;
    }
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    while (edge.is_postponed || level.is_postponed) {
        line_trigger_continue(&edge);
        line_trigger_continue(&level);
    }
    assert_int_equal(edge_wire.rises, 2 * EVENTS_EACH);
    assert_int_equal(edge.delivered, 2 * EVENTS_EACH);
    assert_int_equal(level.pending + level.delivered, 2 * EVENTS_EACH);
    while (level_wire.level)
        line_trigger_end_of_interrupt(&level);
    assert_int_equal(level.delivered, 2 * EVENTS_EACH);
    assert_int_equal(level.unhandled, 0);
    assert_int_equal(level_wire.rises, 2 * EVENTS_EACH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_edge_pulses),        cmocka_unit_test(test_level_resamples),
        cmocka_unit_test(test_reset_and_close),    cmocka_unit_test(test_on_i8259),
        cmocka_unit_test(test_two_at_once),        cmocka_unit_test(test_bounded),
        cmocka_unit_test(test_postponed_is_taken),
    };
    return cmocka_run_group_tests_name("line_trigger", tests, NULL, NULL);
}
