// SPDX-License-Identifier: BSD-2-Clause
/* Attaching and detaching: what is refused, what is given back, what goes on meanwhile. */
#include "tests/unit/attachments_world.h"

#include <pthread.h>
#include <sched.h>
#include <time.h>

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

/* What belongs to one vCPU each takes no queued writes, which belong to nobody. */
static void test_zone_over_what_each_vcpu_has(void **state)
{
    struct world *w = *state;
    struct logger own = {0}, shared = {0};
    struct iobus_range range = {
        .first = 0xfee00000,
        .length_bytes = 0x1000,
        .name = "local apic",
        .access_sizes = IOBUS_SIZES_ALL,
        .handler = log_access,
        .context = &own,
        .is_by_initiator = true,
    };
    struct iobus_handle handle;

    assert_int_equal(iobus_register(&w->mmio, &range, &handle, NULL), STATUS_OK);
    add_device(&w->mmio, "shared", 0xfeb00000, 0x100, IOBUS_SIZES_ALL, &shared);
    REFUSED(w, ZONE, "z mmio 0xfee00000 0x1000", STATUS_CONFLICT,
            "zone z: each processor has its own local apic at 0xfee00000-0xfee00fff, so its writes "
            "cannot be queued");
    REFUSED(w, ZONE, "z mmio 0xfee00080 4", STATUS_CONFLICT,
            "zone z: each processor has its own local apic at 0xfee00000-0xfee00fff, so its writes "
            "cannot be queued");
    store(w, 0xfee00080, 4, 0x20); /* the vCPU's own write still arrives */
    assert_string_equal(own.log, "80=20 ");
    assert_ptr_equal(own.initiator, w);

    /* A zone beside it, a doorbell on it, and a zone where it was before it moved away. */
    ATTACH(w, ZONE, "beside mmio 0xfee01000 0x1000");
    ATTACH(w, DOORBELL, "on mmio 0xfee000b0 width 4 line 3");
    store(w, 0xfee000b0, 4, 0);
    assert_int_equal(w->rises[3], 1);
    assert_int_equal(iobus_remove(&w->mmio, handle, NULL), STATUS_OK);
    ATTACH(w, ZONE, "z mmio 0xfee00080 4");

    /* Whoever replays a write, it does so on nobody's behalf. */
    ATTACH(w, ZONE, "y mmio 0xfeb00000 0x10");
    store(w, 0xfeb00000, 4, 1);
    DETACH(w, "y");
    assert_string_equal(shared.log, "0=1 ");
    assert_null(shared.initiator);
    load(w, 0xfeb00000, 4);
    assert_ptr_equal(shared.initiator, w);
}

/* A device with a zone over it, a level trigger, and a doorbell that works on both. */
static void attach_all_kinds(struct world *w, struct logger *device)
{
    add_device(&w->mmio, "device", 0, 0x100, IOBUS_SIZES_ALL, device);
    ATTACH(w, ZONE, "z mmio 0 16");
    ATTACH(w, TRIGGER, "t line 5 level");
    ATTACH(w, DOORBELL, "d port 0x510 trigger t drain z trace");
}

/* With the guest's end the queued writes reach their devices, while all of it is there; and nothing
 * comes later. */
static void test_destroy_with_queued_writes(void **state)
{
    struct world *w = *state;
    struct logger device = {0};

    attach_all_kinds(w, &device);
    store(w, 0, 4, 1);
    store(w, 4, 4, 2);
    out(w, 0x510, 1, 0);
    iobus_reader_park(&w->ports_reader);
    iobus_reader_park(&w->mmio_reader);
    attachments_destroy(&w->set);
    assert_string_equal(device.log, "0=1 4=2 ");
    assert_false(w->levels[5]);

    /* What the board still says to the set finds nobody. */
    attachments_end_of_interrupt(&w->set, 5);
    attachments_work(&w->set);
    attachments_run(&w->set, UINT64_MAX);
    assert_string_equal(device.log, "0=1 4=2 ");
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

    attach_all_kinds(w, &device);
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
    assert_true(iobus_waiting(&w->ports) > 0);
    assert_int_equal(iobus_reclaim(&w->ports), iobus_waiting(&w->ports));
    quiesce(w);
    assert_int_equal(iobus_waiting(&w->ports), 0);
    assert_int_equal(w->set.object_count, 1);
    ATTACH(w, TRIGGER, "u line 5");
}

/* A zone is removed at the prompt while the guest resets: its writes come before the reset. */

static struct {
    _Atomic bool is_in_device, may_go_on, is_reset;
    _Atomic unsigned writes, late_writes;
} slow;

static enum io_outcome be_slow(void *context, struct io_access *access)
{
    (void)context;
    (void)access;
    atomic_store(&slow.is_in_device, true);
    while (!atomic_load(&slow.may_go_on))
        sched_yield();
    slow.writes++;
    slow.late_writes += atomic_load(&slow.is_reset);
    return IO_HANDLED;
}

static void *remove_zone(void *context)
{
    struct world *w = context;

    assert_int_equal(attachments_detach(&w->set, "z", NULL, 0), STATUS_OK);
    return NULL;
}

static void *reset_set(void *context)
{
    struct world *w = context;

    attachments_reset(&w->set);
    atomic_store(&slow.is_reset, true);
    return NULL;
}

static void test_removal_and_reset(void **state)
{
    const struct timespec a_while = {.tv_nsec = 20000000};
    struct world *w = *state;
    struct iobus_range range = {
        .first = 0, .length_bytes = 8, .name = "slow", .access_sizes = 1, .handler = be_slow};
    pthread_t remover, resetter;

    assert_int_equal(iobus_register(&w->mmio, &range, NULL, NULL), STATUS_OK);
    ATTACH(w, ZONE, "z mmio 0 8");
    for (unsigned i = 0; i < 5; i++)
        store(w, i, 1, i);
    iobus_reader_park(&w->mmio_reader);
    assert_int_equal(pthread_create(&remover, NULL, remove_zone, w), 0);
    while (!atomic_load(&slow.is_in_device))
        sched_yield();
    assert_int_equal(pthread_create(&resetter, NULL, reset_set, w), 0);
    nanosleep(&a_while, NULL);
    atomic_store(&slow.may_go_on, true);
    pthread_join(remover, NULL);
    pthread_join(resetter, NULL);
    assert_int_equal(slow.writes, 5);
    assert_int_equal(slow.late_writes, 0);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_WORLD(test_refusals),
        IN_WORLD(test_zone_over_what_each_vcpu_has),
        IN_WORLD(test_destroy_with_queued_writes),
        IN_WORLD(test_attach_all),
        IN_WORLD(test_reset),
        IN_WORLD(test_out_of_memory),
        IN_WORLD(test_memory_waits_for_the_vcpu),
        IN_WORLD(test_removal_and_reset),
        IN_WORLD(test_ringing_while_others_change),
    };
    return cmocka_run_group_tests_name("attachments_changes", tests, NULL, NULL);
}
