// SPDX-License-Identifier: BSD-2-Clause
/* Doorbells, zones and triggers at work. */
#include "tests/unit/attachments_world.h"

static void test_a_thousand_on_one_address(void **state)
{
    struct world *w = *state;
    struct logger under = {0};

    add_device(&w->ports, "device", 0x500, 0x20, IOBUS_SIZES_ALL, &under);
    uint64_t epoch = atomic_load(&w->ports.epoch);

    ATTACH(w, DOORBELL, "bell port 0x510 width 2 data 5 count 1000 line 7");
    assert_int_equal(atomic_load(&w->ports.epoch), epoch + 1);
    for (unsigned i = 0; i < 1000; i++)
        for (unsigned times = 0; times <= i % 3; times++)
            out(w, 0x510, 2, 5 + i);
    assert_int_equal(report_of(&w->set, "bell").rings, 1999);
    assert_int_equal(w->rises[7], 1999);
    assert_string_equal(under.log, "");
    out(w, 0x510, 2, 4);
    out(w, 0x510, 2, 1005);
    out(w, 0x510, 1, 5);
    assert_string_equal(under.log, "510=4 510=3ed 510=5 ");
    assert_int_equal(w->work_wishes, 0); /* nothing to be done later */

    DETACH(w, "bell");
    assert_int_equal(atomic_load(&w->ports.epoch), epoch + 2);
    assert_int_equal(count_all(&w->set), 0);
    quiesce(w);
    assert_int_equal(w->set.object_count, 0);
    under.log[0] = '\0';
    out(w, 0x510, 2, 5);
    assert_string_equal(under.log, "510=5 ");
    ATTACH(w, DOORBELL, "bell port 0x510 width 2 data 5 count 1000");
}

static void test_neighbours(void **state)
{
    struct world *w = *state;

    ATTACH(w, DOORBELL, "any mmio 0xfeb00000 count 4");
    ATTACH(w, DOORBELL, "four mmio 0xfeb00100 width 4 count 3");
    for (unsigned i = 0; i < 5; i++)
        store(w, 0xfeb00000 + i, 1, 0);
    for (unsigned i = 0; i < 16; i += 2)
        store(w, 0xfeb00100 + i, 4, i);
    assert_int_equal(report_of(&w->set, "any").rings, 4);
    assert_int_equal(report_of(&w->set, "four").rings, 3);
    store(w, 0xfeb00002, 8, 5);
    assert_int_equal(report_of(&w->set, "any").rings, 5);
}

static void test_trace_is_deferred(void **state)
{
    struct world *w = *state;

    ATTACH(w, DOORBELL, "a port 0x510 trace");
    ATTACH(w, DOORBELL, "b mmio 0x1000 width 4 trace");
    assert_false(attachments_has_work(&w->set));
    out(w, 0x510, 1, 0x41);
    assert_true(attachments_has_work(&w->set));
    store(w, 0x1000, 4, 0xabcd);
    assert_int_equal(w->work_wishes, 1);
    assert_string_equal(w->trace, "");
    DETACH(w, "a"); /* a trace needs its doorbell no more */
    attachments_work(&w->set);
    assert_string_equal(w->trace, "a@510=41/1+0 b@1000=abcd/4+0 ");
    assert_false(attachments_has_work(&w->set));
    attachments_work(&w->set);

    /* Faster than they are traced. */
    for (unsigned i = 0; i < ATTACHMENT_TRACES_MAX + 5; i++)
        store(w, 0x1000, 4, i);
    w->trace[0] = '\0';
    attachments_work(&w->set);
    assert_non_null(strstr(w->trace, "b@1000=3f/4+0 "));
    assert_null(strstr(w->trace, "b@1000=40/"));
    store(w, 0x1000, 4, 0x77);
    w->trace[0] = '\0';
    attachments_work(&w->set);
    assert_string_equal(w->trace, "b@1000=77/4+5 ");
}

/* Zones */

static void test_zone_keeps_order(void **state)
{
    struct world *w = *state;
    struct logger device = {.answer = 0x42};

    add_device(&w->ports, "device", 0x300, 0x10, 1, &device);
    ATTACH(w, ZONE, "z port 0x304 4 ring 4");
    assert_string_equal(report_of(&w->set, "z").device, "device");

    out(w, 0x304, 1, 1);
    out(w, 0x305, 2, 0x0302); /* cut as the device takes it */
    assert_string_equal(device.log, "");
    assert_int_equal(in(w, 0x30f, 1), 0x42);
    assert_string_equal(device.log, "304=1 305=2 306=3 30f? ");

    device.log[0] = '\0';
    out(w, 0x307, 1, 4);
    out(w, 0x300, 1, 5);
    out(w, 0x304, 1, 6);
    out(w, 0x308, 1, 7);
    assert_string_equal(device.log, "307=4 300=5 304=6 308=7 ");

    device.log[0] = '\0';
    for (unsigned i = 0; i < 9; i++)
        out(w, 0x304, 1, i);
    assert_string_equal(device.log, "304=0 304=1 304=2 304=3 304=4 304=5 304=6 304=7 ");
    assert_int_equal(report_of(&w->set, "z").waiting, 1);
    assert_int_equal(report_of(&w->set, "z").full, 2);

    DETACH(w, "z"); /* with the last write */
    assert_non_null(strstr(device.log, "304=7 304=8 "));
    device.log[0] = '\0';
    out(w, 0x304, 1, 1);
    assert_string_equal(device.log, "304=1 ");
}

static void test_zone_deadline(void **state)
{
    struct world *w = *state;
    struct logger device = {0}, other = {0};

    add_device(&w->mmio, "device", 0xfeb00000, 0x1000, IOBUS_SIZES_ALL, &device);
    add_device(&w->mmio, "other", 0xfec00000, 0x1000, IOBUS_SIZES_ALL, &other);
    ATTACH(w, ZONE, "slow mmio 0xfeb00000 0x1000 delay 100");
    ATTACH(w, ZONE, "fast mmio 0xfec00800 8 delay 10");
    assert_true(attachments_next_deadline(&w->set) == TIME_NEVER);
    attachments_run(&w->set, UINT64_MAX);

    w->now_ns = 1000;
    store(w, 0xfeb00000, 4, 1);
    assert_int_equal(attachments_next_deadline(&w->set), 101000);
    w->now_ns = 2000;
    store(w, 0xfec00800, 8, 2);
    assert_int_equal(attachments_next_deadline(&w->set), 12000);
    assert_int_equal(w->deadline_changes, 2);
    store(w, 0xfec00800, 8, 3);
    assert_int_equal(w->deadline_changes, 2);

    attachments_run(&w->set, 11999);
    assert_string_equal(other.log, "");
    attachments_run(&w->set, 12000);
    assert_string_equal(other.log, "800=2 800=3 ");
    assert_string_equal(device.log, "");
    assert_int_equal(attachments_next_deadline(&w->set), 101000);
    w->now_ns = 50000;
    load(w, 0xfeb00ffc,
         4); /* drains first: the deadline goes, at the latest when it is looked at */
    attachments_run(&w->set, 101000);
    assert_string_equal(device.log, "0=1 ffc? ");
    assert_true(attachments_next_deadline(&w->set) == TIME_NEVER);
    assert_int_equal(report_of(&w->set, "slow").batches, 1);
    assert_int_equal(report_of(&w->set, "fast").drained, 2);
}

static void test_zone_without_device(void **state)
{
    struct world *w = *state;

    ATTACH(w, ZONE, "z mmio 0xfeb00000 0x100");
    store(w, 0xfeb00000, 8, 1);
    store(w, 0xfeb000ff, 1, 1);
    store(w, 0xfeb000fe, 4, 1); /* across the end */
    assert_int_equal(report_of(&w->set, "z").queued, 3);
    assert_int_equal(load(w, 0xfeb00000, 4), 0xffffffff);
    assert_int_equal(report_of(&w->set, "z").unanswered, 3);
    assert_string_equal(report_of(&w->set, "z").device, "");
}

static void test_doorbell_drains_zone(void **state)
{
    struct world *w = *state;
    struct logger device = {0};

    add_device(&w->mmio, "device", 0xfeb00000, 0x1000, IOBUS_SIZES_ALL, &device);
    ATTACH(w, ZONE, "z mmio 0xfeb00000 0x800");
    ATTACH(w, DOORBELL, "go mmio 0xfeb00400 width 4 drain z"); /* in the zone itself */
    store(w, 0xfeb00000, 4, 1);
    store(w, 0xfeb00400, 4, 1);
    assert_string_equal(device.log, ""); /* no device code on the ringing vCPU */
    assert_true(attachments_has_work(&w->set));
    attachments_work(&w->set);
    assert_string_equal(device.log, "0=1 ");
    assert_int_equal(report_of(&w->set, "go").rings, 1);

    assert_int_equal(detach(&w->set, "z"), STATUS_CONFLICT);
    assert_string_equal(message, "zone z is in use by doorbell go; detach that one first");
    DETACH(w, "go");
    DETACH(w, "z");
}

/* Triggers */

static void test_triggers(void **state)
{
    struct world *w = *state;

    ATTACH(w, TRIGGER, "edge line 5");
    ATTACH(w, TRIGGER, "edge2 line 5");
    ATTACH(w, TRIGGER, "level line 6 level");
    ATTACH(w, DOORBELL, "e port 0x510 trigger edge line 7");
    ATTACH(w, DOORBELL, "l port 0x511 trigger level");
    out(w, 0x510, 1, 0);
    out(w, 0x511, 1, 0);
    out(w, 0x511, 1, 0);
    assert_int_equal(w->rises[5], 1);
    assert_int_equal(w->rises[7], 1);
    assert_true(w->levels[6]);
    assert_int_equal(attachments_raise(&w->set, "edge2", 1, message, sizeof(message)), STATUS_OK);
    assert_int_equal(w->rises[5], 2);
    assert_int_equal(report_of(&w->set, "edge").raised, 1);
    assert_int_equal(report_of(&w->set, "edge2").delivered, 1);
    attachments_end_of_interrupt(&w->set, 5);
    attachments_end_of_interrupt(&w->set, 6);
    attachments_end_of_interrupt(&w->set, 24);
    attachments_end_of_interrupt(&w->set, UINT32_MAX);
    assert_int_equal(w->rises[6], 2);
    assert_int_equal(report_of(&w->set, "level").raised, 2);
    assert_int_equal(report_of(&w->set, "level").delivered, 1);
    assert_int_equal(report_of(&w->set, "level").pending, 1);

    assert_int_equal(detach(&w->set, "level"), STATUS_CONFLICT);
    assert_string_equal(message, "trigger level is in use by doorbell l; detach that one first");
    DETACH(w, "l");
    DETACH(w, "level");
    assert_false(w->levels[6]);
    assert_int_equal(attachments_raise(&w->set, "level", 1, message, sizeof(message)),
                     STATUS_NOT_FOUND);
    assert_string_equal(message, "nothing is attached under the name 'level'");
    assert_int_equal(attachments_raise(&w->set, "e", 1, message, sizeof(message)), STATUS_INVALID);
    assert_string_equal(message, "e is a doorbell; only a trigger can be raised");
}

/* `raise` with a large number: some now, the others in shares. */
static void test_many_raises(void **state)
{
    const unsigned count = 1000000;
    struct world *w = *state;
    uint64_t before;
    unsigned calls = 0;

    ATTACH(w, TRIGGER, "edge line 5");
    ATTACH(w, TRIGGER, "level line 6 level");
    assert_int_equal(attachments_raise(&w->set, "edge", count, message, sizeof(message)),
                     STATUS_OK);
    assert_in_range(report_of(&w->set, "edge").raised, 1, 100);
    assert_int_equal(w->work_wishes, 1);
    for (; attachments_has_work(&w->set); calls++) {
        before = report_of(&w->set, "edge").raised;
        attachments_work(&w->set);
        assert_in_range(report_of(&w->set, "edge").raised - before, 1, 100);
    }
    assert_true(calls > count / 100);
    assert_int_equal(w->rises[5], count);
    assert_int_equal(report_of(&w->set, "edge").delivered, count);

    assert_int_equal(attachments_raise(&w->set, "level", count, message, sizeof(message)),
                     STATUS_OK);
    while (attachments_has_work(&w->set))
        attachments_work(&w->set);
    assert_int_equal(report_of(&w->set, "level").pending, count);

    /* A reset drops what is left. */
    assert_int_equal(attachments_raise(&w->set, "edge", count, message, sizeof(message)),
                     STATUS_OK);
    attachments_reset(&w->set);
    before = w->rises[5];
    attachments_work(&w->set);
    assert_int_equal(attachments_raise(&w->set, "edge", 1, message, sizeof(message)), STATUS_OK);
    attachments_work(&w->set);
    assert_int_equal(w->rises[5], before + 1);
    assert_false(w->levels[6]);
}

/* Zones that are due at once are drained in shares of one full ring, whoever asks: their deadline,
 * or a doorbell. */
static void test_many_zones(void **state)
{
    enum { ZONES = 8 };
    struct world *w = *state;
    char line[80];
    unsigned drained = 0, calls = 0;

    for (unsigned i = 0; i < ZONES; i++) {
        snprintf(line, sizeof(line), "z%u mmio 0x%x 0x10 ring %u delay 10", i, 0x10000 * (i + 1),
                 ATTACHMENT_RING_MAX);
        ATTACH(w, ZONE, line);
        snprintf(line, sizeof(line), "b%u port 0x500 width 4 data %u drain z%u", i, i, i);
        ATTACH(w, DOORBELL, line);
    }
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < ZONES * ATTACHMENT_RING_MAX; i++)
            store(w, 0x10000 * (i % ZONES + 1), 4, i);
        for (unsigned i = 0; round == 1 && i < ZONES; i++)
            out(w, 0x500, 4, i);
        calls = 0;
        for (w->now_ns = UINT64_C(1000000) * (round + 1); calls < ZONES; calls++) {
            unsigned sum = 0;

            if (round == 0)
                attachments_run(&w->set, w->now_ns);
            else
                attachments_work(&w->set);
            for (unsigned i = 0; i < ZONES; i++) {
                snprintf(line, sizeof(line), "z%u", i);
                sum += (unsigned)report_of(&w->set, line).drained;
            }
            assert_int_equal(sum - drained, ATTACHMENT_RING_MAX);
            drained = sum;
            if (round == 0)
                assert_int_equal(attachments_next_deadline(&w->set) <= w->now_ns,
                                 calls + 1 < ZONES);
            else
                assert_int_equal(attachments_has_work(&w->set), calls + 1 < ZONES);
        }
    }
}

/* What a visitor detaches, and what follows it. */
static void detach_it(void *context, const struct attachment_report *report)
{
    struct world *w = context;

    if (strcmp(report->spec.name, "b") != 0)
        DETACH(w, report->spec.name);
}

static void test_visit_while_it_changes(void **state)
{
    struct world *w = *state;

    ATTACH(w, TRIGGER, "a line 5");
    ATTACH(w, TRIGGER, "b line 6");
    ATTACH(w, TRIGGER, "c line 7");
    attachments_for_each(&w->set, detach_it, w);
    assert_int_equal(count_all(&w->set), 1);
    assert_int_equal(w->set.object_count, 1);
}

static void ended(void *context, unsigned irq)
{
    attachments_end_of_interrupt(context, irq);
}

static void pic_write(struct i8259_pair *pic, unsigned port, uint8_t value)
{
    i8259_write(pic, port >= 0xa0 ? I8259_SLAVE : I8259_MASTER, port & 1, value);
}

/* The guest's view: so many rings, so many interrupts. */
static void test_level_on_i8259(void **state)
{
    static const uint8_t icws[][2] = {{0x20, 0x11}, {0x21, 0x20}, {0x21, 4}, {0x21, 1},
                                      {0xa0, 0x11}, {0xa1, 0x28}, {0xa1, 2}, {0xa1, 1}};
    struct world *w = *state;
    struct i8259_pair pic;

    i8259_pair_init(&pic, (struct line){0});
    i8259_pair_on_end_of_interrupt(&pic, ended, &w->set);
    i8259_elcr_write(&pic, I8259_SLAVE, 0x08);
    for (size_t i = 0; i < ARRAY_COUNT(icws); i++)
        pic_write(&pic, icws[i][0], icws[i][1]);
    w->pic = &pic;
    ATTACH(w, TRIGGER, "t line 11 level");
    ATTACH(w, DOORBELL, "d port 0x510 trigger t");
    for (unsigned burst = 1; burst < 6; burst++) {
        unsigned interrupts = 0;

        for (unsigned i = 0; i < burst; i++)
            out(w, 0x510, 1, 0);
        while (i8259_pair_interrupt_pending(&pic)) {
            assert_int_equal(i8259_pair_acknowledge(&pic), 0x2b);
            interrupts++;
            pic_write(&pic, 0xa0, 0x20);
            pic_write(&pic, 0x20, 0x20);
        }
        assert_int_equal(interrupts, burst);
        assert_false(w->levels[11]);
    }
    assert_int_equal(report_of(&w->set, "t").delivered, 15);
    w->pic = NULL;
}

/* The set */

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_WORLD(test_a_thousand_on_one_address),
        IN_WORLD(test_neighbours),
        IN_WORLD(test_trace_is_deferred),
        IN_WORLD(test_zone_keeps_order),
        IN_WORLD(test_zone_deadline),
        IN_WORLD(test_zone_without_device),
        IN_WORLD(test_doorbell_drains_zone),
        IN_WORLD(test_triggers),
        IN_WORLD(test_many_raises),
        IN_WORLD(test_many_zones),
        IN_WORLD(test_visit_while_it_changes),
        IN_WORLD(test_level_on_i8259),
    };
    return cmocka_run_group_tests_name("attachments", tests, NULL, NULL);
}
