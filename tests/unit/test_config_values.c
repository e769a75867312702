// SPDX-License-Identifier: BSD-2-Clause
/* The values that each key of the configuration may have. */
#include "tests/unit/config_text.h"

static void test_values(void **state)
{
    (void)state;
    REFUSED("[monitor]\nconsole = COM1\n", STATUS_INVALID,
            "portcullis.conf:2: console = COM1: it can be com1, com2, com3, com4 or an I/O port "
            "such as 0x3f8");
    assert_int_equal(parse("[monitor]\nconsole = 0x\n" GUEST), STATUS_INVALID);
    assert_int_equal(parse("[monitor]\nconsole = 0x3g8\n" GUEST), STATUS_INVALID);
    assert_int_equal(parse("[monitor]\nconsole = 1016\n" GUEST), STATUS_INVALID);
    assert_int_equal(parse("[monitor]\nconsole = 0x1000003f8\n" GUEST), STATUS_INVALID);
    REFUSED("[monitor]\nconsole = 0x3f9\n", STATUS_OUT_OF_RANGE,
            "portcullis.conf:2: console = 0x3f9: a serial port's I/O port is a multiple of 8 from "
            "0x100 to 0xfff8");
    assert_int_equal(parse("[monitor]\nconsole = 0xf8\n" GUEST), STATUS_OUT_OF_RANGE);
    assert_int_equal(parse("[monitor]\nconsole = 0x103f8\n" GUEST), STATUS_OUT_OF_RANGE);
    REFUSED("[monitor]\nbaud = 115201\n", STATUS_OUT_OF_RANGE,
            "portcullis.conf:2: baud = 115201: it has to divide 115200, as 115200, 57600, 38400, "
            "19200 and 9600 do, and to be 50 at least");
    assert_int_equal(parse("[monitor]\nbaud = 1\n" GUEST), STATUS_OUT_OF_RANGE);
    assert_int_equal(parse("[monitor]\nbaud = 48\n" GUEST), STATUS_OUT_OF_RANGE);
    assert_int_equal(parse("[monitor]\nbaud = 50\n" GUEST), STATUS_OK);
    assert_int_equal(parse("[monitor]\nbaud = 0\n" GUEST), STATUS_OUT_OF_RANGE);
    assert_int_equal(parse("[monitor]\nbaud = 9600x\n" GUEST), STATUS_OUT_OF_RANGE);
    assert_int_equal(parse("[monitor]\nbaud = 18446744073709561216\n" GUEST), STATUS_OUT_OF_RANGE);
    REFUSED("[monitor]\nconsole_irq = none\n", STATUS_OUT_OF_RANGE,
            "portcullis.conf:2: console_irq = none: it is a number from 1 to 255, the serial "
            "port's IRQ as the firmware's setup shows it");
    assert_int_equal(parse("[monitor]\nconsole_irq = 0\n" GUEST), STATUS_OUT_OF_RANGE);
    assert_int_equal(parse("[monitor]\nconsole_irq = 256\n" GUEST), STATUS_OUT_OF_RANGE);
    assert_int_equal(parse("[monitor]\nconsole_irq = 5x\n" GUEST), STATUS_OUT_OF_RANGE);
    assert_int_equal(parse("[monitor]\nconsole_irq = 255\n" GUEST), STATUS_OK);
    assert_int_equal(config.console_irq, 255);
    REFUSED("[monitor]\non_last_exit = reboot\n", STATUS_INVALID,
            "portcullis.conf:2: on_last_exit = reboot: it can be prompt or poweroff");
    REFUSED("[monitor]\nheap = 4M\n", STATUS_INVALID,
            "portcullis.conf:2: heap = 4M: it can be plain or poison");
    REFUSED("[monitor]\nschedule = fair\n", STATUS_INVALID,
            "portcullis.conf:2: schedule = fair: it can be parallel or sequence");
    REFUSED("[guest a]\nkernel = \\images\\\n", STATUS_INVALID,
            "portcullis.conf:2: kernel = \\images\\: that is a folder; a file is needed");
    REFUSED("[guest a]\nkernel = \"my file\"\n", STATUS_INVALID,
            "portcullis.conf:2: kernel = \"my file\": write the path without quotation marks");
    REFUSED("[guest a]\nkernel = C:\\k\n", STATUS_INVALID,
            "portcullis.conf:2: kernel = C:\\k: a path has printable ASCII characters, none of "
            "them * : < > ? |");
    assert_int_equal(parse("[guest a]\nkernel = \xc3\xa4\n"), STATUS_INVALID);
    REFUSED(
        "[guest a]\nkernel = k\ncpus = 4\n", STATUS_UNSUPPORTED,
        "portcullis.conf:3: cpus = 4: this machine has 1, and each of the guest's needs one of its "
        "own");
    REFUSED("[guest a]\nkernel = k\ncpus = 65\n", STATUS_OUT_OF_RANGE,
            "portcullis.conf:3: cpus = 65: a guest has at most 64 CPUs");
    REFUSED("[guest a]\nkernel = k\ntestdev = maybe\n", STATUS_INVALID,
            "portcullis.conf:3: testdev = maybe: it can be off or on");
    REFUSED("[monitor]\non_bad_guest = on\n", STATUS_INVALID,
            "portcullis.conf:2: on_bad_guest = on: it can be refuse or skip");
    REFUSED("[guest a]\nkernel = k\non_reset = off\n", STATUS_INVALID,
            "portcullis.conf:3: on_reset = off: it can be restart or stop");
    REFUSED(
        "[guest a]\nkernel = k\ntimeout = 5s\n", STATUS_OUT_OF_RANGE,
        "portcullis.conf:3: timeout = 5s: it is a number of seconds from 1 to 1000000; leave the "
        "line out for a guest that may run as long as it likes");
    assert_int_equal(parse("[guest a]\nkernel = k\ntimeout = 0\n"), STATUS_OUT_OF_RANGE);
    assert_int_equal(parse("[guest a]\nkernel = k\ntimeout = 1000001\n"), STATUS_OUT_OF_RANGE);
    assert_int_equal(parse("[guest a]\nkernel = k\ntimeout = 99999999999999999999\n"),
                     STATUS_OUT_OF_RANGE);
    REFUSED("[guest a]\nkernel = k\nx2apic = 0\n", STATUS_INVALID,
            "portcullis.conf:3: x2apic = 0: it can be off or on");
    REFUSED("[guest a]\nkernel = k\napic = on\n", STATUS_INVALID,
            "portcullis.conf:3: apic = on: it can be auto, emulated or virtual");
    REFUSED("[guest a]\nkernel = k\ncpus = many\n", STATUS_INVALID,
            "portcullis.conf:3: cpus = many: write a whole number from 1");
    assert_int_equal(parse("[guest a]\ncpus = 0\n"), STATUS_INVALID);
}

static void test_heap_size(void **state)
{
    (void)state;
    assert_int_equal(parse(GUEST), STATUS_OK);
    assert_int_equal(config.guests[0].heap_bytes, 0);
    assert_int_equal(parse(GUEST "heap = 1536K\n"), STATUS_OK);
    assert_int_equal(config.guests[0].heap_bytes, 1536 * KIB);
    assert_int_equal(config.guests[0].heap_line, 4);
    assert_int_equal(parse(GUEST "heap = 1G\n"), STATUS_OK);
    REFUSED(GUEST "heap = much\n", STATUS_INVALID,
            "portcullis.conf:4: heap = much: write a whole number with its unit K, M or G, such as "
            "4M");
    REFUSED(GUEST "heap = 0M\n", STATUS_OUT_OF_RANGE,
            "portcullis.conf:4: heap = 0M: it can be at most 1G, and not 0");
    REFUSED(GUEST "heap = 2G\n", STATUS_OUT_OF_RANGE,
            "portcullis.conf:4: heap = 2G: it can be at most 1G, and not 0");
    REFUSED(GUEST "heap = 18446744073709551615G\n", STATUS_OUT_OF_RANGE,
            "portcullis.conf:4: heap = 18446744073709551615G: it can be at most 1G, and not 0");
}

static void test_memory(void **state)
{
    static const struct {
        const char *value;
        uint64_t bytes;
    } good[] = {{"2M", 2 * MIB},    {"256m", 256 * MIB}, {"1g", GIB},
                {"2048K", 2 * MIB}, {"512G", 512 * GIB}, {"2097152K", 2 * GIB}};
    static const char *const bad_form[] = {
        "256", "M",    "-2M", "2.5G",        "2MB",
        "2 M", "0x2M", "2T",  "256M ; much", "99999999999999999999M"};
    static const char *const bad_range[] = {"0M", "1M", "2047K", "513G", "17179869184G", "3M"};
    char text[128];

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(good); i++) {
        snprintf(text, sizeof(text), "[guest a]\nkernel=k\nmemory = %s\n", good[i].value);
        assert_int_equal(parse(text), STATUS_OK);
        assert_int_equal(config.guests[0].memory_bytes, good[i].bytes);
    }
    for (size_t i = 0; i < ARRAY_COUNT(bad_form); i++) {
        snprintf(text, sizeof(text), "[guest a]\nmemory = %s\n", bad_form[i]);
        assert_int_equal(parse(text), STATUS_INVALID);
    }
    for (size_t i = 0; i < ARRAY_COUNT(bad_range); i++) {
        snprintf(text, sizeof(text), "[guest a]\nmemory = %s\n", bad_range[i]);
        assert_int_equal(parse(text), STATUS_OUT_OF_RANGE);
    }
    REFUSED("[guest a]\nmemory = 256\n", STATUS_INVALID,
            "portcullis.conf:2: memory = 256: write a whole number with its unit K, M or G, such "
            "as 256M");
    REFUSED("[guest a]\nmemory = 1023M\n", STATUS_OUT_OF_RANGE,
            "portcullis.conf:2: memory = 1023M: it has to be a multiple of 2M; 1024M would be");
    REFUSED("[guest a]\nmemory = 600G\n", STATUS_OUT_OF_RANGE,
            "portcullis.conf:2: memory = 600G: it has to be from 2M to 512G");
}

static void test_attachments(void **state)
{
    static const char two[] = "[guest a]\nkernel = k\n"
                              "doorbell = ring port 0x510 drain fb trigger t\n"
                              "doorbell = more mmio 0xfebf0000 count 1000\n"
                              "memory = 2M\n"
                              "zone = fb mmio 0xfeb00000 0x1000 ring 128\n"
                              "trigger = t line 5 level\n"
                              "[guest b]\nkernel = k\nmemory = 2M\ntrigger = t line 6\n";
    static const char foreign[] = GUEST "trigger = t line 5\n[guest b]\nkernel = k\n"
                                        "memory = 2M\ndoorbell = b port 1 trigger t\n";
    static char text[65536];

    (void)state;
    assert_int_equal(parse_bytes(two, sizeof(two) - 1, 2), STATUS_OK);
    assert_int_equal(config.guests[0].attachment_first, 0);
    assert_int_equal(config.guests[0].attachment_count, 4);
    assert_int_equal(config.guests[1].attachment_first, 4);
    assert_int_equal(config.guests[1].attachment_count, 1);
    assert_int_equal(config.attachment_count, 5);
    assert_int_equal(config.attachments[0].kind, ATTACHMENT_DOORBELL);
    assert_string_equal(config.attachments[0].drain, "fb");
    assert_int_equal(config.attachments[1].count, 1000);
    assert_int_equal(config.attachments[2].kind, ATTACHMENT_ZONE);
    assert_int_equal(config.attachments[2].ring_entries, 128);
    assert_true(config.attachments[3].is_level);
    assert_int_equal(config.attachments[4].line, 6);
    assert_int_equal(config.attachment_lines[4], 11);

    REFUSED("[monitor]\nzone = z port 1 1\n", STATUS_INVALID,
            "portcullis.conf:2: unknown key 'zone'; [monitor] has the keys console, baud, "
            "console_irq, on_last_exit, on_bad_guest, schedule, heap");
    REFUSED(GUEST "doorbell =\n", STATUS_INVALID,
            "portcullis.conf:4: doorbell has no value; write one after the '=' or leave the line "
            "out");
    REFUSED(GUEST "trigger = t line 2\n", STATUS_OUT_OF_RANGE,
            "portcullis.conf:4: trigger = t line 2: line 2: it joins the two interrupt controllers "
            "and nothing else; take another");
    REFUSED(GUEST "zone = z port 1 1\ndoorbell = z port 1\n", STATUS_CONFLICT,
            "portcullis.conf:5: doorbell: there is a zone 'z' already, on line 4; give this one "
            "another name");
    REFUSED(GUEST "doorbell = b port 1 trigger t\n", STATUS_NOT_FOUND,
            "portcullis.conf:4: doorbell 'b': guest 'a' has no trigger 't'");
    REFUSED(GUEST "trigger = t line 5\ndoorbell = b port 1 drain t\n", STATUS_NOT_FOUND,
            "portcullis.conf:5: doorbell 'b': guest 'a' has no zone 't'");
    assert_int_equal(parse_bytes(foreign, sizeof(foreign) - 1, 2), STATUS_NOT_FOUND);

    /* So many for a guest, so many for all. */
    strcpy(text, "[monitor]\nschedule = sequence\n");
    for (int g = 0; g < CONFIG_ATTACHMENTS_MAX / GUEST_ATTACHMENTS_MAX; g++) {
        sprintf(text + strlen(text), "[guest g%d]\nkernel = k\nmemory = 2M\n", g);
        for (int i = 0; i < GUEST_ATTACHMENTS_MAX; i++)
            sprintf(text + strlen(text), "doorbell = b%d port %d\n", i, i);
    }
    assert_int_equal(parse(text), STATUS_OK);
    assert_int_equal(config.attachment_count, CONFIG_ATTACHMENTS_MAX);
    size_t length = strlen(text);

    strcpy(text + length, "doorbell = more port 100\n");
    REFUSED(text, STATUS_OUT_OF_RANGE,
            "portcullis.conf:563: doorbell: a guest may have at most 32 doorbells, zones and "
            "triggers; a doorbell with count is one");
    strcpy(text + length, "[guest more]\nkernel = k\nmemory = 2M\ntrigger = t line 5\n");
    REFUSED(text, STATUS_OUT_OF_RANGE,
            "portcullis.conf:566: trigger: all guests together may have at most 512 doorbells, "
            "zones and triggers");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_heap_size),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_attachments),
    };
    return cmocka_run_group_tests_name("config_values", tests, NULL, NULL);
}
