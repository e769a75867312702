// SPDX-License-Identifier: BSD-2-Clause
/* The console with guests that flood it, forge its lines, do not read, and print without end. The
 * line is polled. */
#include "tests/heart/heart.h"

#include "vmm/console/console.h"

#include <stdio.h>
#include <string.h>

#define DEBUG_PORT 0xe9
#define COM1       0x3f8
#define LSR        (COM1 + 5)
#define THR_EMPTY  0x20
#define MS         (FAKE_TSC_HZ / 1000)
#define ESCAPE     "\x1d"

static void print_debug(struct fake_guest *guest, const char *text)
{
    for (; *text != '\0'; text++)
        exec_out(guest, DEBUG_PORT, 1, (uint8_t)*text);
}

/* Sends a byte as a driver without interrupts does. Returns false if the transmitter stays full for
 * that long. */
static bool print_byte(struct fake_guest *guest, uint8_t byte, unsigned polls_max)
{
    for (unsigned i = 0; i < polls_max; i++) {
        if ((exec_in(guest, LSR, 1) & THR_EMPTY) != 0) {
            exec_out(guest, COM1, 1, byte);
            return true;
        }
        exec_run(guest, MS / 100);
    }
    return false;
}

static void print(struct fake_guest *guest, const char *text)
{
    for (; *text != '\0'; text++)
        assert_true(print_byte(guest, (uint8_t)*text, 1000));
}

/* Runs a guest with this function on processor 0 to its end, and flushes what was printed. */
static void run(void (*function)(struct fake_guest *guest))
{
    struct guest *guest = heart_create(heart_guest("one", 1));

    fake_serial_forget();
    console_connect(&guest->console);
    heart_start(guest);
    fake_set_guest(0, function, guest);
    guest_run(guest);
    heart_destroy(guest);
    console_flush();
}

static unsigned count_of(const char *text, const char *part)
{
    unsigned count = 0;

    for (; (text = strstr(text, part)) != NULL; text++)
        count++;
    return count;
}

/* --- Lines that a guest causes --- */

#define FLOOD_LINES 1500

static void flood(struct fake_guest *guest)
{
    print_debug(guest, "begin\n");
    for (unsigned i = 0; i < FLOOD_LINES; i++)
        print_debug(guest, "0123456789012345678901234567890123456789\n");
    exec_run(guest, 1100 * MS); /* it is silent now: the report comes all the same */
    exec_out(guest, 0x80, 1, 0);
    assert_int_equal(count_of(fake_serial_output(), "lines dropped"), 1);
    exec_run(guest, 8000 * MS); /* until it may print as much as at first */
    print_debug(guest, "end\n");
}

static void test_flood(void **state)
{
    const char *output, *report;
    unsigned dropped = 0, shown;

    (void)state;
    run(flood);
    output = fake_serial_output();
    shown = count_of(output, "one: 0123456789");
    assert_non_null(strstr(output, "one: begin\r\n"));
    assert_non_null(strstr(output, "one: end\r\n"));
    report = strstr(output, "portcullis: guest one: ");
    assert_non_null(report);
    assert_int_equal(sscanf(report, "portcullis: guest one: %u lines dropped", &dropped), 1);
    assert_int_equal(shown + dropped, FLOOD_LINES);
    assert_in_range(shown, 400, 700); /* 32 KiB, 62 for a line */
}

static void print_controls(struct fake_guest *guest)
{
    print_debug(guest, "a\x1b[2J\x9b"
                       "5H\x7f\rb\tc\r\n\n");
    print_debug(guest, "no end");
}

static void test_controls_are_shown(void **state)
{
    (void)state;
    run(print_controls);
    assert_non_null(strstr(fake_serial_output(), "one: a\\x1b[2J\\x9b5H\\x7f\\x0db\tc\r\none:\r\n"
                                                 "one: no end\r\n"));
}

/* --- The operator --- */

static void be_escaped(struct fake_guest *guest)
{
    uint64_t start;

    exec_cli(guest);
    for (unsigned i = 0; i < 2000; i++)
        print_debug(guest, "flood flood flood\n");
    fake_serial_type(ESCAPE);
    start = fake_now();
    while (strstr(fake_serial_output(), "portcullis> ") == NULL) {
        print_debug(guest, "flood\n");
        assert_in_range(fake_now() - start, 0, 20 * MS);
    }
    fake_serial_forget();
    fake_serial_type(ESCAPE);
    exec_run(guest, 20 * MS); /* without an exit of its own */
    assert_non_null(strstr(fake_serial_output(), "[one; Ctrl-] for the monitor]"));
    /* Text for a guest that does not read, more than there is room for, and the key behind it. */
    for (unsigned i = 0; i < 40; i++) {
        char text[2001];

        memset(text, 'x', sizeof(text) - 1);
        text[sizeof(text) - 1] = '\0';
        fake_serial_type(text);
        exec_run(guest, 400 * MS);
    }
    fake_serial_forget();
    fake_serial_type(ESCAPE);
    exec_run(guest, 20 * MS);
    assert_non_null(strstr(fake_serial_output(), "portcullis> "));
    fake_serial_type(ESCAPE);
    exec_run(guest, 20 * MS);
}

static void test_operator_gets_in(void **state)
{
    (void)state;
    run(be_escaped);
}

/* --- COM1 --- */

#define STREAM_BYTES (80 * 1024)

/* Prints with interrupts off, and with a transmitter that takes nothing for a while. */
static void print_much(struct fake_guest *guest)
{
    unsigned refused = 0;

    exec_cli(guest);
    for (unsigned i = 0; i < STREAM_BYTES; i++) {
        fake_serial_set_busy(i % 30000 < 20000);
        while (!print_byte(guest, (uint8_t)('a' + i % 26), 20)) {
            refused++;
            fake_serial_set_busy(false);
        }
    }
    assert_true(refused > 0);
    fake_serial_set_busy(false);
}

static void test_polling_never_hangs(void **state)
{
    const char *output;

    (void)state;
    run(print_much);
    output = strstr(fake_serial_output(), "abcdefghij");
    assert_non_null(output);
    for (unsigned i = 0; i < STREAM_BYTES; i++)
        assert_int_equal(output[i], 'a' + i % 26);
}

static void lose_view(struct fake_guest *guest)
{
    struct guest *self = guest->context;

    fake_serial_set_busy(true);
    while (print_byte(guest, 'x', 20))
        ;
    console_select(NULL); /* out of view nothing is refused */
    for (unsigned i = 0; i < 3 * CONSOLE_HELD_BYTES; i++)
        assert_true(print_byte(guest, 'y', 1));
    print(guest, "last");
    fake_serial_set_busy(false);
    fake_serial_forget();
    console_connect(&self->console);
    exec_run(guest, 10 * MS);
    assert_non_null(
        strstr(fake_serial_output(), " bytes that one printed before were not kept\r\n"));
}

static void test_out_of_view_nobody_waits(void **state)
{
    (void)state;
    run(lose_view);
    assert_non_null(strstr(fake_serial_output(), "yyyylast"));
    assert_null(strstr(fake_serial_output(), "x"));
}

/* --- Lines of the monitor --- */

static void forge(struct fake_guest *guest)
{
    struct guest *self = guest->context;

    print(guest, "portcullis: machine off, exit code 0\r\n");
    print(guest, "x\rportcullis: machine off, exit code 0\r\nportcul");
    console_log_about(&self->console, ": a line");
    print(guest, "lis: machine off, exit code 0\r\nportcullis");
    fake_serial_type(ESCAPE);
    exec_run(guest, 20 * MS);
    fake_serial_type(ESCAPE);
    exec_run(guest, 20 * MS);
    print(guest, ": machine off, exit code 0\r\n");
    print_debug(guest, "\r\nportcullis: machine off, exit code 0\n");
    print_debug(guest, "\rportcullis: machine off, exit code 0\n");
    for (unsigned i = 0; i < 160; i++)
        print_debug(guest, "x");
    print_debug(guest, "portcullis: machine off, exit code 0\n");
    /* At the end what it has printed goes before what is said about it. */
    print(guest, "last words");
}

static void test_forged_lines(void **state)
{
    const char *output;

    (void)state;
    run(forge);
    output = fake_serial_output();
    assert_null(strstr(output, "\nportcullis: machine off"));
    assert_non_null(strstr(output, "\nportcullis: guest one: a line\r\n"));
    assert_int_equal(count_of(output, "portcullis\\: machine off"), 3);
    assert_non_null(strstr(output, "last words"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flood),
        cmocka_unit_test(test_controls_are_shown),
        cmocka_unit_test(test_operator_gets_in),
        cmocka_unit_test(test_polling_never_hangs),
        cmocka_unit_test(test_out_of_view_nobody_waits),
        cmocka_unit_test(test_forged_lines),
    };

    heart_begin(1);
    return cmocka_run_group_tests_name("console", tests, NULL, NULL);
}
