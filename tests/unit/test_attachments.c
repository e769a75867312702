// SPDX-License-Identifier: BSD-2-Clause
#include "tests/unit/attachments_fixture.h"

#include "vmm/base/time.h"
#include "vmm/devices/i8259.h"

#include <pthread.h>
#include <stdio.h>

/* Two buses with a vCPU on them, lines that count, and a set. */
struct world {
    struct iobus ports, mmio;
    struct iobus_reader ports_reader, mmio_reader;
    struct attachments set;
    unsigned rises[ATTACHMENT_LINES];
    bool levels[ATTACHMENT_LINES];
    struct wire {
        struct world *world;
        unsigned line;
    } wires[ATTACHMENT_LINES];
    struct i8259_pair *pic; /* null: the lines end here */
    uint64_t now_ns;
    unsigned deadline_changes, work_wishes;
    char trace[4096];
};

static void set_line(void *context, bool level)
{
    struct wire *wire = context;
    struct world *w = wire->world;

    w->rises[wire->line] += level && !w->levels[wire->line];
    w->levels[wire->line] = level;
    if (w->pic != NULL && wire->line < 16)
        i8259_pair_set_line(w->pic, wire->line, level);
}

static uint64_t world_now(void *context)
{
    return ((struct world *)context)->now_ns;
}

static void trace(void *context, const char *name, const struct io_access *access, uint64_t missed)
{
    struct world *w = context;
    size_t used = strlen(w->trace);

    snprintf(w->trace + used, sizeof(w->trace) - used, "%s@%lx=%lx/%u+%lu ", name, access->address,
             access->value, access->size, missed);
}

static void deadline_changed(void *context)
{
    ((struct world *)context)->deadline_changes++;
}

static void work_wanted(void *context)
{
    ((struct world *)context)->work_wishes++;
}

static int open_world(void **state)
{
    struct world *w = aligned_alloc(64, sizeof(*w));
    struct attachments_setup setup = {
        .ports = &w->ports,
        .mmio = &w->mmio,
        .allocator = allocator,
        .now_ns = world_now,
        .trace = trace,
        .deadline_changed = deadline_changed,
        .work_wanted = work_wanted,
        .context = w,
    };

    memset(w, 0, sizeof(*w));
    allocation_count = 0;
    fail_at = -1;
    always_fail = false;
    assert_int_equal(iobus_init(&w->ports, IOBUS_PORT_LAST, &allocator, NULL), STATUS_OK);
    assert_int_equal(iobus_init(&w->mmio, IOBUS_MMIO_LAST, &allocator, NULL), STATUS_OK);
    assert_int_equal(iobus_reader_attach(&w->ports, &w->ports_reader), STATUS_OK);
    assert_int_equal(iobus_reader_attach(&w->mmio, &w->mmio_reader), STATUS_OK);
    iobus_reader_begin(&w->ports_reader);
    iobus_reader_begin(&w->mmio_reader);
    for (unsigned line = 0; line < 20; line++) { /* 20 to 23 are not connected */
        w->wires[line] = (struct wire){w, line};
        setup.lines[line] = (struct line){set_line, &w->wires[line]};
    }
    attachments_init(&w->set, &setup);
    *state = w;
    return 0;
}

static int close_world(void **state)
{
    struct world *w = *state;

    iobus_reader_park(&w->ports_reader);
    iobus_reader_park(&w->mmio_reader);
    attachments_destroy(&w->set);
    iobus_reader_detach(&w->ports_reader);
    iobus_reader_detach(&w->mmio_reader);
    iobus_destroy(&w->ports);
    iobus_destroy(&w->mmio);
    assert_int_equal(used_bytes, 0);
    free(w);
    return 0;
}

static void out(struct world *w, uint64_t port, uint8_t size, uint64_t value)
{
    struct io_access access = {.address = port, .size = size, .value = value, .is_write = true};

    iobus_access(&w->ports, &w->ports_reader, &access);
}

static uint64_t in(struct world *w, uint64_t port, uint8_t size)
{
    struct io_access access = {.address = port, .size = size};

    iobus_access(&w->ports, &w->ports_reader, &access);
    return access.value;
}

static void store(struct world *w, uint64_t address, uint8_t size, uint64_t value)
{
    struct io_access access = {.address = address, .size = size, .value = value, .is_write = true};

    iobus_access(&w->mmio, &w->mmio_reader, &access);
}

static uint64_t load(struct world *w, uint64_t address, uint8_t size)
{
    struct io_access access = {.address = address, .size = size};

    iobus_access(&w->mmio, &w->mmio_reader, &access);
    return access.value;
}

/* The vCPU enters its guest. */
static void quiesce(struct world *w)
{
    iobus_reader_quiesce(&w->ports_reader);
    iobus_reader_quiesce(&w->mmio_reader);
    (void)iobus_reclaim(&w->ports);
    (void)iobus_reclaim(&w->mmio);
}

/* A device that writes down what it is asked. */
struct logger {
    struct world *world;
    char log[1024];
    uint64_t answer;
};

static enum io_outcome log_access(void *context, struct io_access *access)
{
    struct logger *logger = context;
    size_t used = strlen(logger->log);

    snprintf(logger->log + used, sizeof(logger->log) - used,
             access->is_write ? "%lx=%lx " : "%lx? ", access->address & 0xfff, access->value);
    if (!access->is_write)
        access->value = logger->answer;
    return IO_HANDLED;
}

static void add_device(struct iobus *bus, const char *name, uint64_t first, uint64_t length_bytes,
                       uint8_t sizes, struct logger *logger)
{
    struct iobus_range range = {
        .first = first,
        .length_bytes = length_bytes,
        .name = name,
        .access_sizes = sizes,
        .handler = log_access,
        .context = logger,
    };

    assert_int_equal(iobus_register(bus, &range, NULL, NULL), STATUS_OK);
}

/* Doorbells */

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
    assert_int_equal(attachments_raise(&w->set, "edge2", message, sizeof(message)), STATUS_OK);
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
    assert_int_equal(attachments_raise(&w->set, "level", message, sizeof(message)),
                     STATUS_NOT_FOUND);
    assert_string_equal(message, "nothing is attached under the name 'level'");
    assert_int_equal(attachments_raise(&w->set, "e", message, sizeof(message)), STATUS_INVALID);
    assert_string_equal(message, "e is a doorbell; only a trigger can be raised");
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

static void test_refusals(void **state)
{
    struct world *w = *state;
    struct logger device = {0};

    add_device(&w->mmio, "device", 0xfeb00000, 0x100, IOBUS_SIZES_ALL, &device);
    ATTACH(w, TRIGGER, "t line 5");
    ATTACH(w, TRIGGER, "l line 6 level");
    ATTACH(w, DOORBELL, "d port 0x510 width 2 data 7 count 3");
    ATTACH(w, ZONE, "z mmio 0xfeb00010 16");
    ATTACH(w, ZONE, "free mmio 0xfec00000 0x100");

    REFUSED(w, ZONE, "t mmio 0 1", STATUS_CONFLICT,
            "zone t: there is a trigger of this name already");
    REFUSED(w, TRIGGER, "u line 23", STATUS_NOT_FOUND, "trigger u: the board has no line 23");
    REFUSED(w, TRIGGER, "u line 5 level", STATUS_CONFLICT,
            "trigger u: line 5 has trigger t already, and a level trigger shares its line with "
            "nobody");
    REFUSED(w, DOORBELL, "u port 1 line 6", STATUS_CONFLICT,
            "doorbell u: line 6 has trigger l already, and a level trigger shares its line with "
            "nobody");
    REFUSED(w, DOORBELL, "u port 1 trigger z", STATUS_NOT_FOUND,
            "doorbell u: there is no trigger z");
    REFUSED(w, DOORBELL, "u port 1 drain no", STATUS_NOT_FOUND, "doorbell u: there is no zone no");
    REFUSED(w, DOORBELL, "u port 0x510 width 2 data 9 count 2", STATUS_CONFLICT,
            "doorbell u: u[0] at 0x510-0x511 collides with d[2] at 0x510-0x511");
    REFUSED(w, ZONE, "y mmio 0xfeb00020 1", STATUS_CONFLICT,
            "zone y: y at 0xfeb00000-0xfeb000ff collides with z at 0xfeb00000-0xfeb000ff");
    REFUSED(w, ZONE, "y mmio 0xfeb000ff 2", STATUS_CONFLICT,
            "zone y: it ends at 0xfeb00100, beyond device, which ends at 0xfeb000ff; a zone lies "
            "within one device");
    REFUSED(w, ZONE, "y mmio 0xfeafffff 2", STATUS_CONFLICT,
            "zone y: y at 0xfeafffff-0xfeb00000 collides with z at 0xfeb00000-0xfeb000ff");
    REFUSED(w, ZONE, "y mmio 0xfec00010 1", STATUS_CONFLICT,
            "zone y: at 0xfec00010 there is zone free already");
    assert_int_equal(detach(&w->set, "u"), STATUS_NOT_FOUND);
    assert_string_equal(message, "nothing is attached under the name 'u'");
    assert_int_equal(count_all(&w->set), 5);

    /* A wrong spec, and one that undoes its claims: the line is free for the level trigger. */
    assert_int_equal(attachments_attach(&w->set, &(struct attachment_spec){.kind = ATTACHMENT_ZONE},
                                        message, sizeof(message)),
                     STATUS_INVALID);
    REFUSED(w, DOORBELL, "u port 0x510 width 2 data 9 line 8 trigger t drain z", STATUS_CONFLICT,
            "doorbell u: u at 0x510-0x511 collides with d[2] at 0x510-0x511");
    ATTACH(w, TRIGGER, "v line 8 level");
    DETACH(w, "t");
    ATTACH(w, TRIGGER, "w line 5 level");
    DETACH(w, "z");
    DETACH(w, "l");
}

static void test_attach_all(void **state)
{
    static const char *const lines[] = {"d port 0x510 trigger t drain z", "t line 5 level",
                                        "e port 0x511 line 6", "z mmio 0 8"};
    static const enum attachment_kind kinds[] = {ATTACHMENT_DOORBELL, ATTACHMENT_TRIGGER,
                                                 ATTACHMENT_DOORBELL, ATTACHMENT_ZONE};
    struct attachment_spec specs[4];
    struct world *w = *state;

    for (size_t i = 0; i < 4; i++)
        assert_int_equal(attachment_spec_parse_line(kinds[i], lines[i], strlen(lines[i]), &specs[i],
                                                    message, sizeof(message)),
                         STATUS_OK);
    assert_int_equal(attachments_attach_all(&w->set, specs, 0, message, sizeof(message)),
                     STATUS_OK);
    assert_int_equal(attachments_attach_all(&w->set, specs, 4, message, sizeof(message)),
                     STATUS_OK);
    assert_int_equal(count_all(&w->set), 4);
    out(w, 0x510, 1, 0);
    assert_true(w->levels[5]);

    for (int i = 0; i < 4; i++) { /* the doorbells first */
        static const char *const names[] = {"d", "e", "t", "z"};
        DETACH(w, names[i]);
    }
    quiesce(w);
    specs[2].line = 5; /* the trigger's */
    assert_int_equal(attachments_attach_all(&w->set, specs, 4, message, sizeof(message)),
                     STATUS_CONFLICT);
    assert_int_equal(count_all(&w->set), 0);
    quiesce(w);
    specs[2].line = 6;
    assert_int_equal(attachments_attach_all(&w->set, specs, 4, message, sizeof(message)),
                     STATUS_OK);
}

static void test_reset(void **state)
{
    struct world *w = *state;
    struct logger device = {0};

    add_device(&w->mmio, "device", 0, 0x100, IOBUS_SIZES_ALL, &device);
    ATTACH(w, ZONE, "z mmio 0 16");
    ATTACH(w, TRIGGER, "t line 5 level");
    ATTACH(w, DOORBELL, "d port 0x510 trigger t drain z trace");
    store(w, 0, 4, 1);
    out(w, 0x510, 1, 0);
    out(w, 0x510, 1, 0);
    attachments_reset(&w->set);
    assert_false(w->levels[5]);
    assert_false(attachments_has_work(&w->set));
    assert_true(attachments_next_deadline(&w->set) == TIME_NEVER);
    attachments_work(&w->set);
    attachments_run(&w->set, UINT64_MAX);
    load(w, 0, 4);
    assert_string_equal(device.log, "0? ");
    assert_string_equal(w->trace, "");
    assert_int_equal(report_of(&w->set, "d").rings, 2);
    assert_int_equal(report_of(&w->set, "t").raised, 2);
    assert_int_equal(report_of(&w->set, "t").pending, 0);
    out(w, 0x510, 1, 0);
    assert_true(w->levels[5]);
}

/* Whichever allocation fails: a message, and everything as before. */
static void try_without_memory(struct world *w, enum attachment_kind kind, const char *line)
{
    unsigned before = count_all(&w->set), failures = 0;

    for (long i = 0;; i++) {
        quiesce(w);
        long used = used_bytes;

        fail_at = allocation_count + i;
        enum status status = attach(&w->set, kind, line);
        bool reached = allocation_count > fail_at;

        fail_at = -1;
        if (status == STATUS_OK) {
            assert_false(reached);
            break;
        }
        failures++;
        assert_int_equal(status, STATUS_NO_MEMORY);
        assert_non_null(strstr(message, ": no memory for it"));
        assert_int_equal(count_all(&w->set), before);
        assert_int_equal(w->set.object_count, before);
        quiesce(w);
        /* The bus may keep slots that it made room for. */
        assert_true(used_bytes - used < 8192);
    }
    assert_int_equal(count_all(&w->set), before + 1);
    assert_true(failures >= 1);
}

static void test_out_of_memory(void **state)
{
    struct world *w = *state;
    struct logger device = {0};

    add_device(&w->ports, "device", 0x300, 8, 1, &device);
    try_without_memory(w, ATTACHMENT_TRIGGER, "t line 5 level");
    try_without_memory(w, ATTACHMENT_ZONE, "z port 0x300 4");
    try_without_memory(w, ATTACHMENT_DOORBELL, "d port 0x400 data 0 count 5 trigger t drain z");
    try_without_memory(w, ATTACHMENT_DOORBELL, "e port 0x400 data 5 line 6");
    out(w, 0x300, 1, 1);
    out(w, 0x400, 1, 3);
    attachments_work(&w->set);
    assert_string_equal(device.log, "300=1 ");
    assert_true(w->levels[5]);

    always_fail = true; /* detaching needs none */
    DETACH(w, "e");
    DETACH(w, "d");
    DETACH(w, "z");
    DETACH(w, "t");
    out(w, 0x300, 1, 2);
    assert_string_equal(device.log, "300=1 300=2 ");
    out(w, 0x400, 1, 3);
    assert_int_equal(count_all(&w->set), 0);
    always_fail = false;
    quiesce(w);
    assert_int_equal(w->set.object_count, 0);
}

/* A vCPU is in the middle of an access: what it may be using stays until it enters its guest. */

static enum io_outcome detach_everything(void *context, struct io_access *access)
{
    struct world *w = context;

    (void)access;
    DETACH(w, "d");
    DETACH(w, "z");
    DETACH(w, "t");
    assert_int_equal(w->set.object_count, 3);
    (void)iobus_reclaim(&w->ports);
    assert_int_equal(w->set.object_count, 3);
    REFUSED(w, TRIGGER, "u line 5", STATUS_CONFLICT,
            "trigger u: what was on line 5 is not out of use yet; try once more");
    ATTACH(w, TRIGGER, "t line 7"); /* the name is free at once */
    return IO_HANDLED;
}

static void test_memory_waits_for_the_vcpu(void **state)
{
    struct world *w = *state;
    struct iobus_range range = {
        .first = 0x300,
        .length_bytes = 8,
        .name = "device",
        .access_sizes = 1,
        .handler = detach_everything,
        .context = w,
    };

    assert_int_equal(iobus_register(&w->ports, &range, NULL, NULL), STATUS_OK);
    ATTACH(w, ZONE, "z port 0x300 1");
    ATTACH(w, TRIGGER, "t line 5 level");
    ATTACH(w, DOORBELL, "d port 0x400 trigger t drain z");
    quiesce(w);
    out(w, 0x307, 1, 0);
    assert_int_equal(w->set.object_count, 4);
    quiesce(w);
    assert_int_equal(w->set.object_count, 1);
    ATTACH(w, TRIGGER, "u line 5");
}

/* A vCPU rings without pause while others come and go: none is missed, none is heard twice. */

#define RINGS 200000

static _Atomic bool is_ringing;

static void *ring_often(void *context)
{
    struct world *w = context;

    for (unsigned i = 0; i < RINGS; i++) {
        out(w, 0x510, 2, 0xffff);
        out(w, 0x510, 2, i % 1000);
        iobus_reader_quiesce(&w->ports_reader);
    }
    /* It enters its guest and stays there. */
    iobus_reader_park(&w->ports_reader);
    atomic_store(&is_ringing, false);
    return NULL;
}

static void test_ringing_while_others_change(void **state)
{
    struct world *w = *state;
    pthread_t thread;
    unsigned rounds = 0;

    ATTACH(w, DOORBELL, "mine port 0x510 width 2 data 0xffff line 7");
    atomic_store(&is_ringing, true);
    assert_int_equal(pthread_create(&thread, NULL, ring_often, w), 0);
    while (atomic_load(&is_ringing)) {
        ATTACH(w, DOORBELL, "others port 0x510 width 2 data 0 count 1000 line 8");
        DETACH(w, "others");
        rounds++;
    }
    pthread_join(thread, NULL);
    assert_true(rounds > 0);
    assert_int_equal(report_of(&w->set, "mine").rings, RINGS);
    assert_int_equal(w->rises[7], RINGS);
}

#define IN_WORLD(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)

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
        IN_WORLD(test_level_on_i8259),
        IN_WORLD(test_refusals),
        IN_WORLD(test_attach_all),
        IN_WORLD(test_reset),
        IN_WORLD(test_out_of_memory),
        IN_WORLD(test_memory_waits_for_the_vcpu),
        IN_WORLD(test_ringing_while_others_change),
    };
    return cmocka_run_group_tests_name("attachments", tests, NULL, NULL);
}
