// SPDX-License-Identifier: BSD-2-Clause
/* Guests that hang and reset without end, in a sequence and at once; and the operator who stops and
 * starts them at the prompt. */
#include "tests/heart/heart.h"

#include "vmm/monitor/monitor.h"

#include <string.h>

#define MS      (FAKE_TSC_HZ / 1000)
#define RESET   0xcf9 /* the PIIX's reset control register */
#define ESCAPE  "\x1d"
#define POLLS   400
#define SUCCESS 1 /* the value 0 at the debug exit port */

static struct monitor monitor;

/* Runs these guests until the machine would be switched off. */
static void run(enum schedule schedule, const struct guest_config *guests, size_t count)
{
    memset(&monitor, 0, sizeof(monitor));
    monitor.environment = heart_environment;
    heart_boot.schedule = schedule;
    heart_boot.guest_count = count;
    memcpy(heart_boot.guests, guests, count * sizeof(*guests));
    for (unsigned i = 0; i < fake_processor_count(); i++)
        fake_guest_of(i)->begin_count = 0;
    commands_install(&monitor);
    fake_serial_forget();
    schedule_guests(&monitor);
    console_flush();
}

static bool is_said(const char *text)
{
    return strstr(fake_serial_output(), text) != NULL;
}

static void hang(struct fake_guest *guest)
{
    exec_cli(guest);
    for (;;)
        exec_run(guest, 100 * MS);
}

static void reset_for_ever(struct fake_guest *guest)
{
    exec_run(guest, MS);
    exec_out(guest, RESET, 1, 0x06);
    fail(); /* the function begins anew */
}

/* What processor 0 runs in a sequence: the guests' first, second and third beginning. */
static void hang_then_end(struct fake_guest *guest)
{
    if (guest->begin_count == 1)
        hang(guest);
    if (guest->begin_count == 2)
        exec_out(guest, RESET, 1, 0x06);
}

static void test_timeout_and_reset_in_a_sequence(void **state)
{
    struct guest_config guests[3] = {*heart_guest("hangs", 1), *heart_guest("resets", 1),
                                     *heart_guest("good", 1)};
    uint64_t start = fake_now();

    (void)state;
    guests[0].timeout_seconds = 3;
    guests[1].on_reset = ON_RESET_STOP;
    fake_set_guest(0, hang_then_end, NULL);
    run(SCHEDULE_SEQUENCE, guests, 3);
    assert_true(
        is_said("portcullis: guest hangs stopped: its time is out (timeout = 3)\r\n  rip "));
    assert_true(
        is_said("portcullis: guest hangs ended: its time is out (timeout = 3), exit code 254\r\n"));
    assert_true(is_said("portcullis: guest resets ended: asked for a reset (on_reset = stop), exit "
                        "code 254\r\n"));
    assert_true(
        is_said("portcullis: guest good ended: wrote to the debug exit port, exit code 1\r\n"));
    assert_int_equal(monitor.exit_code, EXIT_CODE_STOPPED);
    assert_in_range(fake_now() - start, 3000 * MS, 3500 * MS);
}

/* Resets do not begin the time anew. */
static void test_timeout_of_resets(void **state)
{
    struct guest_config guest = *heart_guest("resets", 1);

    (void)state;
    guest.timeout_seconds = 1;
    fake_set_guest(0, reset_for_ever, NULL);
    run(SCHEDULE_PARALLEL, &guest, 1);
    assert_true(is_said(
        "portcullis: guest resets ended: its time is out (timeout = 1), exit code 254\r\n"));
}

/* Types a line at the prompt, and waits until the text is said. */
static void ask(struct fake_guest *guest, const char *line, const char *answer)
{
    fake_serial_forget();
    fake_serial_type(line);
    for (unsigned i = 0; i < POLLS && !is_said(answer); i++)
        exec_run(guest, MS);
    if (!is_said(answer))
        fail_msg("after '%s' no '%s', but: %s", line, answer, fake_serial_output());
}

/* Processor 0's guest plays the operator, while it runs with interrupts off. */
static void operate(struct fake_guest *guest)
{
    exec_cli(guest);
    ask(guest, ESCAPE, "portcullis> ");
    ask(guest, "guests\r", "portcullis> ");
    ask(guest, "stop nobody\r", "There is no guest nobody; 'guests' lists them.");
    ask(guest, "start loops\r", "Guest loops has not ended.");
    ask(guest, "stop loops\r",
        "portcullis: guest loops ended: stopped at the prompt, exit code 254");
    ask(guest, "stop loops\r", "Guest loops does not run.");
    ask(guest, "start loops\r", "portcullis: guest loops starts again: ");
    ask(guest, "stop hangs\r", "portcullis: guest hangs stopped: stopped at the prompt");
    ask(guest, "start hangs\r", "portcullis: guest hangs starts again: ");
    ask(guest, "guests\r", "running");
    ask(guest, "quit\r", "portcullis: guest loops ends: quit at the prompt");
    hang(guest);
}

static void test_operator(void **state)
{
    struct guest_config guests[3] = {*heart_guest("operator", 1), *heart_guest("loops", 1),
                                     *heart_guest("hangs", 1)};

    (void)state;
    fake_set_guest(0, operate, NULL);
    fake_set_guest(1, reset_for_ever, NULL);
    fake_set_guest(2, hang, NULL);
    run(SCHEDULE_PARALLEL, guests, 3);
    assert_true(is_said("portcullis: guest operator ends: quit at the prompt"));
    assert_int_equal(monitor.exit_code, EXIT_CODE_STOPPED);
}

static void say_last_words(struct fake_guest *guest)
{
    exec_run(guest, 100 * MS);
    for (const char *text = "last words"; *text != '\0'; text++)
        exec_out(guest, 0x3f8, 1, (uint8_t)*text);
}

static void select_other(struct fake_guest *guest)
{
    ask(guest, ESCAPE, "portcullis> ");
    ask(guest, "select talks\r", "portcullis> ");
    for (unsigned i = 0; i < POLLS && !is_said("guest talks ended"); i++)
        exec_run(guest, MS);
}

/* What a guest on another processor has printed while the prompt had the line is shown at the end. */
static void test_last_words(void **state)
{
    struct guest_config guests[2] = {*heart_guest("operator", 1), *heart_guest("talks", 1)};

    (void)state;
    fake_set_guest(0, select_other, NULL);
    fake_set_guest(1, say_last_words, NULL);
    run(SCHEDULE_PARALLEL, guests, 2);
    assert_true(is_said("last words"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_timeout_and_reset_in_a_sequence),
        cmocka_unit_test(test_timeout_of_resets),
        cmocka_unit_test(test_operator),
        cmocka_unit_test(test_last_words),
    };

    heart_begin(3);
    return cmocka_run_group_tests_name("schedule", tests, NULL, NULL);
}
