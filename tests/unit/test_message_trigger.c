// SPDX-License-Identifier: BSD-2-Clause
/* Messages to local APICs: the trigger itself, and as doorbells and triggers are attached. */
#include "tests/unit/attachments_world.h"
#include "tests/unit/local_apic_fixture.h"

#include "vmm/devices/notify/message_trigger.h"

#include <pthread.h>

static struct apic_fixture apics;

static int open_with_apics(void **state)
{
    fixture_new(&apics);
    enable_all(&apics);
    *state = new_world(&apics.bus);
    return 0;
}

static void ring(struct world *w, uint64_t port, uint64_t value)
{
    out(w, port, 1, value);
}

/* --- The trigger ------------------------------------------------------------------------------ */

static void test_trigger(void **state)
{
    struct message_trigger trigger;

    (void)state;
    message_trigger_init(&trigger, &apics.bus, 0xfee02000, 0x45);
    message_trigger_raise(&trigger);
    message_trigger_rung(&trigger, NULL);
    assert_int_equal(apics.kicks[2], 1); /* the second one is with the first */
    assert_int_equal(who_gets(&apics, 0x45), 1u << 2);
    assert_int_equal(who_gets(&apics, 0x45), 0);
    assert_int_equal(trigger.raised, 2);
    assert_int_equal(trigger.lost, 0);
    message_trigger_init(&trigger, &apics.bus, 0xfee07000, 0x45);
    message_trigger_raise(&trigger);
    assert_int_equal(trigger.raised, 1);
    assert_int_equal(trigger.lost, 1);
}

/* Destination and delivery, as the address and the data say. */
static void test_kinds(void **state)
{
    struct world *w = *state;
    struct apic_fixture *f = &apics;

    for (unsigned index = 0; index < APIC_COUNT; index++)
        reg_write(f, index, 0xd0, 1u << (24 + index));
    ATTACH(w, TRIGGER, "all message 0xfeeff000 0x50");
    ATTACH(w, TRIGGER, "some message 0xfee0a004 0x51");
    ATTACH(w, TRIGGER, "one message 0xfee0600c 0x52");
    ATTACH(w, TRIGGER, "nmi message 0xfee03000 0x400");
    ATTACH(w, TRIGGER, "level message 0xfee01000 0xc053");
    assert_int_equal(raise(&w->set, "all"), STATUS_OK);
    assert_int_equal(who_gets(f, 0x50), 0xf);
    assert_int_equal(raise(&w->set, "some"), STATUS_OK);
    assert_int_equal(who_gets(f, 0x51), 0xa);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(raise(&w->set, "one"), STATUS_OK);
        assert_int_equal(who_gets(f, 0x52), i % 2 == 0 ? 2 : 4); /* in turn */
    }
    assert_int_equal(raise(&w->set, "nmi"), STATUS_OK);
    assert_true(accept_all(f, 3).nmi);
    assert_int_equal(raise(&w->set, "level"), STATUS_OK);
    assert_int_equal(who_gets(f, 0x53), 2);
    assert_int_equal(f->eoi_count, 1); /* its end is broadcast, and nobody has to know it */
    assert_int_equal(f->eoi_vector, 0x53);
}

/* --- Attached --------------------------------------------------------------------------------- */

static void test_doorbell(void **state)
{
    struct world *w = *state;

    ATTACH(w, DOORBELL, "bell port 0x510 message 0xfee01000 0x60");
    ring(w, 0x510, 0);
    assert_int_equal(who_gets(&apics, 0x60), 2);
    ring(w, 0x510, 0);
    assert_int_equal(who_gets(&apics, 0x60), 2);
    assert_int_equal(report_of(&w->set, "bell").rings, 2);
    assert_int_equal(w->work_wishes, 0);

    ATTACH(w, DOORBELL, "many port 0x520 width 1 data 3 count 100 message 0xfee02000 0x61");
    for (unsigned data = 0; data < 110; data++) {
        ring(w, 0x520, data);
        assert_int_equal(who_gets(&apics, 0x61), data >= 3 && data < 103 ? 4 : 0);
    }
    assert_int_equal(detach(&w->set, "bell"), STATUS_OK);
    ring(w, 0x510, 0);
    assert_int_equal(who_gets(&apics, 0x60), 0);
}

static void test_doorbell_with_trigger(void **state)
{
    struct world *w = *state;

    ATTACH(w, TRIGGER, "sender message 0xfee00000 0x62");
    ATTACH(w, DOORBELL, "bell port 0x510 trigger sender");
    ATTACH(w, DOORBELL, "other port 0x511 trigger sender");
    ring(w, 0x510, 0);
    assert_int_equal(who_gets(&apics, 0x62), 1);
    ring(w, 0x511, 0);
    assert_int_equal(who_gets(&apics, 0x62), 1);
    assert_int_equal(raise(&w->set, "sender"), STATUS_OK);
    assert_int_equal(who_gets(&apics, 0x62), 1);

    struct attachment_report report = report_of(&w->set, "sender");

    assert_true(report.raised == 3 && report.delivered == 3 && report.pending == 0);
    assert_int_equal(detach(&w->set, "sender"), STATUS_CONFLICT);
    assert_string_equal(message,
                        "trigger sender is in use by doorbell bell; detach that one first");
    assert_int_equal(detach(&w->set, "bell"), STATUS_OK);
    assert_int_equal(detach(&w->set, "other"), STATUS_OK);
    assert_int_equal(detach(&w->set, "sender"), STATUS_OK);
}

/* A message is one of several things that a ring may do. */
static void test_doorbell_with_more(void **state)
{
    struct world *w = *state;

    ATTACH(w, TRIGGER, "sender message 0xfee03000 0x63");
    ATTACH(w, TRIGGER, "line line 5");
    ATTACH(w, DOORBELL, "a port 0x510 message 0xfee00000 0x64 trigger sender");
    ATTACH(w, DOORBELL, "b port 0x511 message 0xfee00000 0x65 line 5");
    ATTACH(w, DOORBELL, "c port 0x512 message 0xfee00000 0x66 trace");
    ATTACH(w, DOORBELL, "d port 0x513 message 0xfee00000 0x67 trigger line");
    ATTACH(w, DOORBELL, "e port 0x514 trigger sender line 5");
    ring(w, 0x510, 0);
    assert_int_equal(who_gets(&apics, 0x64), 1);
    assert_int_equal(who_gets(&apics, 0x63), 8);
    assert_int_equal(w->line_calls, 0);
    ring(w, 0x511, 0);
    assert_int_equal(who_gets(&apics, 0x65), 1);
    assert_int_equal(w->line_calls, 2); /* it rests high */
    ring(w, 0x512, 0);
    assert_int_equal(who_gets(&apics, 0x66), 1);
    assert_int_equal(w->work_wishes, 1);
    attachments_work(&w->set);
    assert_string_equal(w->trace, "c@512=0/1+0 ");
    ring(w, 0x513, 0);
    assert_int_equal(who_gets(&apics, 0x67), 1);
    assert_int_equal(w->line_calls, 4);
    ring(w, 0x514, 0);
    assert_int_equal(who_gets(&apics, 0x63), 8);
    assert_int_equal(w->line_calls, 6);
}

/* A message takes no line, whatever the struct has where others have theirs. */
static void test_lines_stay_free(void **state)
{
    struct world *w = *state;
    struct attachment_spec spec = {.kind = ATTACHMENT_TRIGGER,
                                   .name = "t",
                                   .line = 5,
                                   .has_message = true,
                                   .message_address = 0xfee00000,
                                   .message_data = 0x41};

    assert_int_equal(attachments_attach(&w->set, &spec, message, sizeof(message)), STATUS_OK);
    ATTACH(w, TRIGGER, "level line 5 level");
    assert_int_equal(raise(&w->set, "t"), STATUS_OK);
    assert_int_equal(w->line_calls, 0);
    assert_int_equal(who_gets(&apics, 0x41), 1);
    attachments_end_of_interrupt(&w->set, 5);
    attachments_reset(&w->set);
    assert_int_equal(report_of(&w->set, "t").raised, 1);
}

static void test_without_apics(void **state)
{
    struct world *w = *state;

    attachments_destroy(&w->set);
    open_set(w, NULL);
    ATTACH(w, DOORBELL, "bell port 0x510");
    assert_int_equal(attach(&w->set, ATTACHMENT_TRIGGER, "t message 0xfee00000 0x41"),
                     STATUS_NOT_FOUND);
    assert_string_equal(message, "trigger t: the board has no local APICs for its message");
    assert_int_equal(attach(&w->set, ATTACHMENT_DOORBELL, "b port 0x511 message 0xfee00000 0x41"),
                     STATUS_NOT_FOUND);
}

/* --- From several processors at once ---------------------------------------------------------- */

#define THREADS 4
#define EACH    20000

static void *raise_often(void *context)
{
    struct world *w = context;

    for (unsigned i = 0; i < EACH; i++) {
        if (raise(&w->set, "t") != STATUS_OK)
            return w;
    }
    return NULL;
}

static void test_raised_by_many(void **state)
{
    struct world *w = *state;
    pthread_t threads[THREADS];
    unsigned taken = 0;

    ATTACH(w, TRIGGER, "t message 0xfee02000 0x48");
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, raise_often, w), 0);
    while (report_of(&w->set, "t").raised < THREADS * EACH)
        taken += who_gets(&apics, 0x48) != 0;
    for (unsigned i = 0; i < THREADS; i++) {
        void *failed;

        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    taken += who_gets(&apics, 0x48) != 0; /* the last one is never lost */
    assert_true(taken > 0 && taken <= THREADS * EACH);
    assert_int_equal(who_gets(&apics, 0x48), 0);
    assert_int_equal(report_of(&w->set, "t").delivered, THREADS * EACH);
}

#define WITH_APICS(name) cmocka_unit_test_setup_teardown(name, open_with_apics, close_world)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_APICS(test_trigger),
        WITH_APICS(test_kinds),
        WITH_APICS(test_doorbell),
        WITH_APICS(test_doorbell_with_trigger),
        WITH_APICS(test_doorbell_with_more),
        WITH_APICS(test_lines_stay_free),
        WITH_APICS(test_without_apics),
        WITH_APICS(test_raised_by_many),
    };
    return cmocka_run_group_tests_name("message_trigger", tests, NULL, NULL);
}
