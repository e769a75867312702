// SPDX-License-Identifier: BSD-2-Clause
/* Guests that keep their processor busy for ever: the run loop comes back to timers, to the console
 * and to work that is left, all the same. */
#include "tests/heart/apic.h"

#include "vmm/attachments/attachments.h"

#include <string.h>

#define VECTOR         0x51
#define INTERRUPTS_MAX 1000000
#define TYPED          "typed"

/* Whether the console has come to what was typed: it shows it. */
static bool is_echoed(void)
{
    return strstr(fake_serial_output(), TYPED) != NULL;
}

/* Sends itself the next interrupt from each one's handler. */
static void send_again(struct fake_guest *guest, uint32_t info, uint32_t error)
{
    (void)info;
    (void)error;
    apic_write(guest, APIC_EOI, 0);
    if (is_echoed() || guest->event_count > INTERRUPTS_MAX)
        return;
    apic_send_self(guest, VECTOR);
}

static void storm(struct fake_guest *guest)
{
    apic_enable(guest);
    guest->handler = send_again;
    fake_serial_type(TYPED);
    exec_sti(guest);
    apic_send_self(guest, VECTOR);
    while (!is_echoed() && guest->event_count <= INTERRUPTS_MAX)
        exec_run(guest, 1000);
    assert_true(is_echoed());
    end_guest(guest, 0);
}

static void test_interrupts_do_not_keep_the_console(void **state)
{
    (void)state;
    fake_serial_forget();
    heart_expect_exit(heart_run(storm, NULL));
}

/* A guest that makes no exits: events that were left are raised nevertheless, and not only when the
 * console is polled. */
static uint64_t raised;

static void add_raised(void *context, const struct attachment_report *report)
{
    (void)context;
    raised = report->raised;
}

static void run_without_exits(struct fake_guest *guest)
{
    const uint64_t events = 200000;
    struct guest *self = guest->context;
    char message[ATTACHMENT_MESSAGE_BYTES];
    struct attachment_spec spec;

    assert_int_equal(attachment_spec_parse_line(ATTACHMENT_TRIGGER, "many line 5", 11, &spec,
                                                message, sizeof(message)),
                     STATUS_OK);
    assert_int_equal(attachments_attach(&self->attachments, &spec, message, sizeof(message)),
                     STATUS_OK);
    assert_int_equal(
        attachments_raise(&self->attachments, "many", events, message, sizeof(message)), STATUS_OK);
    attachments_for_each(&self->attachments, add_raised, NULL);
    assert_in_range(raised, 1, 100); /* not all at once */
    exec_run(guest, FAKE_TSC_HZ);    /* a second */
    attachments_for_each(&self->attachments, add_raised, NULL);
    assert_int_equal(raised, events);
    end_guest(guest, 0);
}

static void test_work_that_is_left_goes_on(void **state)
{
    struct guest *guest = heart_create(heart_guest("still", 1));

    (void)state;
    heart_start(guest);
    fake_set_guest(0, run_without_exits, guest);
    guest_run(guest);
    heart_expect_exit(guest);
}

/* A guest that resets again and again: what is typed while its RAM is cleared is shown before it
 * runs again. */
static void reset_once(struct fake_guest *guest)
{
    static bool is_again;

    if (!is_again) {
        is_again = true;
        fake_serial_forget();
        fake_serial_type(TYPED);
        exec_out(guest, 0xcf9, 1, 2);
        exec_out(guest, 0xcf9, 1, 6);
        fail();
    }
    end_guest(guest, 0);
}

static void test_a_reset_looks_after_the_console(void **state)
{
    struct guest *guest = heart_run(reset_once, NULL);

    (void)state;
    assert_int_equal(guest->end.kind, GUEST_WANTS_RESET);
    assert_false(is_echoed());
    fake_advance(FAKE_TSC_HZ / 10); /* the line is polled again */
    heart_start(guest);
    assert_true(is_echoed());
    guest_run(guest);
    heart_expect_exit(guest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_interrupts_do_not_keep_the_console),
        cmocka_unit_test(test_work_that_is_left_goes_on),
        cmocka_unit_test(test_a_reset_looks_after_the_console),
    };

    heart_begin(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
