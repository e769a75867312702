// SPDX-License-Identifier: BSD-2-Clause
/* The monitor as a whole, from what boot hands over to the end of the machine: schedules, the prompt
 * and its commands, the serial line, switching off. Each scenario is a process of its own, as the
 * monitor starts once. */
#include "tests/heart/apic.h"
#include "tests/heart/scenario.h"

#include "arch/x86/cpu.h"

#include <string.h>

/* --- Firmware --- */

static void return_from_power_off(hpa_t services)
{
    (void)services;
}

static void fault_in_power_off(hpa_t services)
{
    (void)services;
    (void)rdmsr(0x12345678);
}

static void hang_in_power_off(hpa_t services)
{
    (void)services;
    fake_set_pause_ticks(10000000);
    for (;;)
        cpu_pause();
}

/* --- Guests --- */

static void exits_with_3(struct fake_guest *guest)
{
    exec_run(guest, 100000);
    end_guest(guest, 1);
}

static void powers_off(struct fake_guest *guest)
{
    exec_run(guest, 100000);
    (void)exec_out(guest, 0x604, 2, 0x3400);
}

static void runs_for_ever(struct fake_guest *guest)
{
    for (;;)
        exec_run(guest, 100000);
}

static void halts_for_ever(struct fake_guest *guest)
{
    exec_sti(guest);
    for (;;)
        (void)exec_hlt(guest);
}

static void resets_once(struct fake_guest *guest)
{
    if (guest->begin_count == 1)
        (void)exec_out(guest, 0xcf9, 1, 6);
    end_guest(guest, 0);
}

/* Prints on COM1 for a while, then echoes what it receives until a q. */
static void put_com1(struct fake_guest *guest, uint8_t byte)
{
    while ((exec_in(guest, 0x3fd, 1) & 0x20) == 0)
        exec_run(guest, 20000);
    (void)exec_out(guest, 0x3f8, 1, byte);
}

static void echoes(struct fake_guest *guest)
{
    uint8_t byte = 0;

    for (const char *c = "ready\r\n"; *c != '\0'; c++)
        put_com1(guest, (uint8_t)*c);
    while (byte != 'q') {
        while ((exec_in(guest, 0x3fd, 1) & 1) == 0)
            exec_run(guest, 20000);
        byte = (uint8_t)exec_in(guest, 0x3f8, 1);
        put_com1(guest, byte);
    }
    put_com1(guest, '\n');
    exec_run(guest, 10000000);
    end_guest(guest, 0);
}

/* --- Schedules --- */

static void one_guest(void)
{
    scenario_begin(1);
    scenario_guest("alone", 1);
    fake_set_guest(0, exits_with_3, NULL);
}

static void test_one_guest(void **state)
{
    (void)state;
    scenario_run(one_guest);
    scenario_expect("has the machine\r\n");
    scenario_expect("TSC at 2000000 kHz by the processor's CPUID");
    scenario_expect("guest alone starts: flat 16-bit binary, 4 MiB\r\n");
    scenario_expect("guest alone ended: wrote to the debug exit port, exit code 3\r\n");
    scenario_expect("machine off, exit code 3\r\n");
    scenario_expect_not("polled");
}

static void sequence(void)
{
    scenario_begin(2);
    scenario_boot.schedule = SCHEDULE_SEQUENCE;
    scenario_guest("first", 2);
    scenario_guest("second", 1);
    scenario_guest("third", 1);
    fake_set_guest(0, powers_off, NULL);
}

static void test_sequence(void **state)
{
    const char *first, *second, *third;

    (void)state;
    scenario_run(sequence);
    first = strstr(scenario_output, "guest first ended: powered off, exit code 0");
    second = strstr(scenario_output, "guest second ended: powered off, exit code 0");
    third = strstr(scenario_output, "guest third ended: powered off, exit code 0");
    assert_true(first != NULL && second > first && third > second);
    scenario_expect("machine off, exit code 0");
}

static void parallel(void)
{
    scenario_begin(3);
    scenario_guest("a", 1);
    scenario_guest("b", 2);
    fake_set_guest(0, powers_off, NULL);
    fake_set_guest(1, exits_with_3, NULL);
}

static void test_parallel(void **state)
{
    (void)state;
    scenario_run(parallel);
    scenario_expect("3 of 3 processors are used");
    scenario_expect("guest a ended: powered off, exit code 0");
    scenario_expect("guest b ended: wrote to the debug exit port, exit code 3");
    scenario_expect("machine off, exit code 3"); /* of the one that failed */
}

static void reset(void)
{
    scenario_begin(1);
    scenario_guest("again", 1);
    fake_set_guest(0, resets_once, NULL);
}

static void test_reset(void **state)
{
    (void)state;
    scenario_run(reset);
    scenario_expect("guest again resets");
    scenario_expect("machine off, exit code 1");
}

static void too_few_processors(void)
{
    scenario_begin(1);
    scenario_guest("a", 1);
    scenario_guest("b", 2);
}

static void test_too_few_processors(void **state)
{
    (void)state;
    scenario_run(too_few_processors);
    scenario_expect("the guests need 3 processors and 1 work: no guest is started");
    scenario_expect("machine off, exit code 254");
}

static void no_memory(void)
{
    scenario_begin(1);
    scenario_boot.heap_bytes = 6 * MIB;
    scenario_guest("large", 1)->has_testdev = true;
    scenario_boot.guests[0].heap_bytes = 64 * MIB;
    fake_set_guest(0, powers_off, NULL);
}

static void test_no_memory(void **state)
{
    (void)state;
    scenario_run(no_memory);
    scenario_expect("machine off, exit code ");
}

/* --- The prompt --- */

#define ESCAPE "\x1d"

static void commands(void)
{
    static const char *const typed[] = {
        "guests\r",
        "regs\r",
        "regs 1\r",
        "regs 9\r",
        "exits\r",
        "exits clear\r",
        "exits nonsense\r",
        "bus\r",
        "trigger t line 5 level\r",
        "doorbell d port 0x9000 width 4 data 7 trigger t\r",
        "doorbell e mmio 0xd0000000 width 8 count 4 line 6 trace\r",
        "doorbell f port 0x9010 message 0xfee00000 0x41\r",
        "zone z port 0x80 1 ring 8 delay 5\r",
        "doorbell g port 0x9020 drain z\r",
        "trigger m message 0xfee00000 0x42\r",
        "attachments\r",
        "raise t\r",
        "raise m 3\r",
        "raise nobody\r",
        "raise t 99999999999\r",
        "remove d\r",
        "remove nobody\r",
        "doorbell d port\r",
        "doorbell d port 0x70 nonsense\r",
        "select b\r",
        "guests\r",
        "select nobody\r",
        "regs\r",
        "select a\r",
        "help\r",
        "help bus\r",
        "nonsense\r",
        "\x03",
    };

    scenario_begin(3);
    scenario_guest("a", 2);
    scenario_guest("b", 1);
    fake_set_guest(0, runs_for_ever, NULL);
    fake_set_guest(2, halts_for_ever, NULL);
    fake_serial_answer("guest a starts", ESCAPE);
    for (size_t i = 0; i < ARRAY_COUNT(typed); i++)
        fake_serial_answer("portcullis> ", typed[i]);
    fake_serial_answer("portcullis> ", "quit\r");
}

static void test_commands(void **state)
{
    (void)state;
    scenario_run(commands);
    scenario_expect("a                flat 16-bit binary    2      4 MiB");
    scenario_expect("b                flat 16-bit binary    1      4 MiB");
    scenario_expect("  running\r\n");
    scenario_expect("last exit: ");
    scenario_expect("The guest has vCPUs 0 to 1.");
    scenario_expect("reason                        exits");
    scenario_expect("external interrupt");
    scenario_expect("i8259 master");
    scenario_expect("doorbell d                port 0x9000 width 4 data 0x7 trigger t: 0 rings");
    scenario_expect("trigger  t                line 5 level: 0 raised, 0 delivered, 0 pending");
    scenario_expect("zone     z                port 0x80 0x1 ring 8 delay 5");
    scenario_expect("There is no guest nobody; 'guests' lists them.");
    scenario_expect("guest a ends: quit at the prompt");
    scenario_expect("guest b ends: quit at the prompt");
    scenario_expect("machine off, exit code 0");
}

/* Ctrl-] goes to and fro; what is typed goes to whom the line belongs. */
static void line(void)
{
    scenario_begin(1);
    scenario_guest("echo", 1);
    fake_set_guest(0, echoes, NULL);
    fake_serial_answer("ready", "abc");
    fake_serial_answer("abc", ESCAPE);
    fake_serial_answer("portcullis> ", "gue");
    fake_serial_answer("gue", ESCAPE);
    fake_serial_answer("for the monitor]", "de");
    fake_serial_answer("de", ESCAPE);
    fake_serial_answer("portcullis> gue", "sts\r");
    fake_serial_answer("portcullis> ", ESCAPE);
    fake_serial_answer("for the monitor]", "q");
}

static void test_line(void **state)
{
    (void)state;
    scenario_run(line);
    scenario_expect("ready\r\nabc");
    scenario_expect("[echo; Ctrl-] for the monitor]");
    scenario_expect("guest echo ended: wrote to the debug exit port, exit code 1");
}

/* The same without an interrupt: the line is polled. */
static void polled_line(void)
{
    line();
    scenario_boot.acpi.ioapic_count = 0;
}

static void test_polled_line(void **state)
{
    (void)state;
    scenario_run(polled_line);
    scenario_expect("the line is polled");
    scenario_expect("ready\r\nabc");
    scenario_expect("machine off, exit code 1");
}

/* The prompt stays after the last guest; a reset starts it again. */
static void prompt_after_end(void)
{
    scenario_begin(1);
    scenario_boot.on_last_exit = ON_LAST_EXIT_PROMPT;
    scenario_guest("short", 1);
    fake_set_guest(0, exits_with_3, NULL);
    fake_serial_answer("portcullis> ", "guests\r");
    fake_serial_answer("portcullis> ", "regs\r");
    fake_serial_answer("portcullis> ", "exits\r");
    fake_serial_answer("portcullis> ", "reset\r");
    fake_serial_answer("exit code 3", "");
    fake_serial_answer("portcullis> ", "quit\r");
}

static void test_prompt_after_end(void **state)
{
    (void)state;
    scenario_run(prompt_after_end);
    scenario_expect("exited: wrote to the debug exit port (exit code 3)");
    scenario_expect("machine off, exit code 3");
}

/* --- No serial line --- */

static void unseen(void)
{
    scenario_begin(1);
    scenario_boot.console_port = BOOT_NO_CONSOLE;
    scenario_guest("unseen", 1);
    fake_set_guest(0, powers_off, NULL);
}

static void test_unseen(void **state)
{
    (void)state;
    scenario_run(unseen);
    assert_string_equal(scenario_output, "");
}

/* --- Switching off --- */

static void firmware_returns(void)
{
    one_guest();
    scenario_boot.firmware_power_off = return_from_power_off;
    scenario_boot.acpi.pm1a_control_port = 0x604;
}

static void test_firmware_returns(void **state)
{
    (void)state;
    scenario_run(firmware_returns);
    scenario_expect("the firmware does not switch the machine off: ResetSystem returned");
    scenario_expect("trying ACPI's PM1 control register at I/O port 0x604");
    scenario_expect("the machine is still on: please switch it off by hand");
}

static void firmware_faults(void)
{
    one_guest();
    scenario_boot.firmware_power_off = fault_in_power_off;
}

static void test_firmware_faults(void **state)
{
    (void)state;
    scenario_run(firmware_faults);
    scenario_expect("ResetSystem ended with #GP general protection at 0x");
}

static void firmware_hangs(void)
{
    one_guest();
    scenario_boot.firmware_power_off = hang_in_power_off;
}

static void test_firmware_hangs(void **state)
{
    (void)state;
    scenario_run(firmware_hangs);
    scenario_expect("after 10 seconds");
}

/* --- What waits in zones when the machine is switched off --- */

static void writes_late(struct fake_guest *guest)
{
    for (const char *c = "written late\r\n"; *c != '\0'; c++)
        (void)exec_out(guest, 0x3f8, 1, (uint8_t)*c);
    end_guest(guest, 0);
}

static void late_writes(void)
{
    static struct attachment_spec zone;
    static const char line[] = "com1 port 0x3f8 8 ring 64 delay 1000000";
    struct guest_config *config;
    char message[ATTACHMENT_MESSAGE_BYTES];

    scenario_begin(1);
    config = scenario_guest("late", 1);
    if (attachment_spec_parse_line(ATTACHMENT_ZONE, line, sizeof(line) - 1, &zone, message,
                                   sizeof(message)) != STATUS_OK)
        fail_msg("%s", message);
    config->attachments = &zone;
    config->attachment_count = 1;
    fake_set_guest(0, writes_late, NULL);
}

static void test_late_writes(void **state)
{
    (void)state;
    scenario_run(late_writes);
    scenario_expect("guest late ended");
    scenario_expect("written late");
    scenario_expect("machine off, exit code 1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_guest),
        cmocka_unit_test(test_sequence),
        cmocka_unit_test(test_parallel),
        cmocka_unit_test(test_reset),
        cmocka_unit_test(test_too_few_processors),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_commands),
        cmocka_unit_test(test_line),
        cmocka_unit_test(test_polled_line),
        cmocka_unit_test(test_prompt_after_end),
        cmocka_unit_test(test_unseen),
        cmocka_unit_test(test_firmware_returns),
        cmocka_unit_test(test_firmware_faults),
        cmocka_unit_test(test_firmware_hangs),
        cmocka_unit_test(test_late_writes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
