// SPDX-License-Identifier: BSD-2-Clause
/* The configuration's file as a whole: lines, sections, keys, and any bytes. */
#include "tests/unit/config_text.h"

#include "tests/unit/random.h"
#include "tests/unit/rounds.h"

static void test_everything(void **state)
{
    (void)state;
    assert_int_equal(parse("; our stick\n"
                           "[monitor]\n"
                           "console=com2\n"
                           "baud = 9600\n"
                           "console_irq = 11\n"
                           "on_last_exit = poweroff\n"
                           "schedule = sequence\n"
                           "heap = poison\n"
                           "\n"
                           "# the first\n"
                           "[guest debian]\n"
                           "\tkernel  = \\images\\vmlinuz\n"
                           "  initrd  = sub/initrd.gz  \n"
                           "cmdline = console=ttyS0 a=\"b c\" # ; not a comment\n"
                           "memory = 256M\n"
                           "cpus = 1\n"
                           "[ guest  Test_2.x-y ]\n"
                           "kernel = /flat.bin\n"
                           "cmdline =\n"
                           "memory = 2097152k\n"),
                     STATUS_OK);
    assert_string_equal(message, "");
    assert_int_equal(config.console_port, 0x2f8);
    assert_int_equal(config.console_baud, 9600);
    assert_int_equal(config.console_irq, 11);
    assert_int_equal(config.on_last_exit, ON_LAST_EXIT_POWEROFF);
    assert_int_equal(config.schedule, SCHEDULE_SEQUENCE);
    assert_true(config.heap_poisons);
    assert_int_equal(config.guest_count, 2);

    assert_string_equal(config.guests[0].name, "debian");
    assert_string_equal(config.guests[0].kernel, "\\images\\vmlinuz");
    assert_string_equal(config.guests[0].initrd, "\\portcullis\\sub\\initrd.gz");
    assert_string_equal(config.guests[0].cmdline, "console=ttyS0 a=\"b c\" # ; not a comment");
    assert_int_equal(config.guests[0].memory_bytes, 256 * MIB);
    assert_int_equal(config.guests[0].cpu_count, 1);
    assert_int_equal(config.guests[0].line, 11);
    assert_int_equal(config.guests[0].kernel_line, 12);
    assert_int_equal(config.guests[0].initrd_line, 13);
    assert_int_equal(config.guests[0].memory_line, 15);

    assert_string_equal(config.guests[1].name, "Test_2.x-y");
    assert_string_equal(config.guests[1].kernel, "\\flat.bin");
    assert_string_equal(config.guests[1].initrd, "");
    assert_string_equal(config.guests[1].cmdline, "");
    assert_int_equal(config.guests[1].memory_bytes, 2 * GIB);
    assert_int_equal(config.guests[1].initrd_line, 0);
}

static void test_defaults(void **state)
{
    (void)state;
    assert_int_equal(parse(GUEST), STATUS_OK);
    assert_int_equal(config.console_port, 0x3f8);
    assert_int_equal(config.console_line, 0);
    assert_int_equal(config.console_baud, 115200);
    assert_int_equal(config.console_irq, CONSOLE_IRQ_OF_PORT);
    assert_int_equal(config.on_last_exit, ON_LAST_EXIT_PROMPT);
    assert_false(config.skips_bad_guests);
    assert_int_equal(parse("[monitor]\non_bad_guest = skip\n" GUEST), STATUS_OK);
    assert_true(config.skips_bad_guests);
    assert_int_equal(parse("[monitor]\non_bad_guest = refuse\n" GUEST), STATUS_OK);
    assert_false(config.skips_bad_guests);
    assert_int_equal(config.schedule, SCHEDULE_PARALLEL);
    assert_false(config.heap_poisons);
    assert_int_equal(config.guests[0].cpu_count, 1);
    assert_string_equal(config.guests[0].kernel, "\\portcullis\\k");
}

static void test_words(void **state)
{
    static const struct {
        const char *name;
        uint16_t port;
    } consoles[] = {{"com1", 0x3f8},    {"com2", 0x2f8},       {"com3", 0x3e8},
                    {"com4", 0x2e8},    {"0x100", 0x100},      {"0xfff8", 0xfff8},
                    {"0xE0C0", 0xe0c0}, {"0x00006000", 0x6000}};
    char text[128];

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(consoles); i++) {
        snprintf(text, sizeof(text), "[monitor]\nconsole = %s\n%s", consoles[i].name, GUEST);
        assert_int_equal(parse(text), STATUS_OK);
        assert_int_equal(config.console_port, consoles[i].port);
        assert_int_equal(config.console_line, 2);
    }
    assert_int_equal(
        parse("[monitor]\nschedule = parallel\non_last_exit = prompt\nheap = plain\n" GUEST),
        STATUS_OK);
    assert_false(config.heap_poisons);
    assert_int_equal(config.schedule, SCHEDULE_PARALLEL);
    assert_int_equal(config.on_last_exit, ON_LAST_EXIT_PROMPT);
}

static void test_file_shapes(void **state)
{
    static const char nul[] = "[guest a]\nker\0nel = k\n";

    (void)state;
    assert_int_equal(parse("\xef\xbb\xbf[guest a]\r\nkernel = k\r\n\r\nmemory = 2M"), STATUS_OK);
    assert_string_equal(config.guests[0].kernel, "\\portcullis\\k");
    assert_int_equal(config.guests[0].memory_line, 4);
    assert_int_equal(parse("[guest a]\nkernel = k\nmemory = 2M\r"), STATUS_OK);

    REFUSED("", STATUS_NOT_FOUND,
            "portcullis.conf:1: the file ends without a guest; add a section [guest NAME] with "
            "kernel and memory");
    REFUSED("\n; nothing\n[monitor]\n", STATUS_NOT_FOUND,
            "portcullis.conf:4: the file ends without a guest; add a section [guest NAME] with "
            "kernel and memory");
    assert_int_equal(parse_bytes(nul, sizeof(nul) - 1, 1), STATUS_INVALID);
    assert_string_equal(message,
                        "portcullis.conf:2: character 4 of the line is a control character "
                        "(0x00); save the file as plain text");
    REFUSED("[guest a]\rkernel = k\n", STATUS_INVALID,
            "portcullis.conf:1: character 10 of the line is a control character (0x0d); save the "
            "file as plain text");
    REFUSED("; \x1b[2J\n", STATUS_INVALID,
            "portcullis.conf:1: character 3 of the line is a control character (0x1b); save the "
            "file as plain text");
    REFUSED(GUEST "\xff\xfe\n", STATUS_INVALID,
            "portcullis.conf:4: '\xff\xfe' is neither [SECTION], KEY = VALUE nor a comment, which "
            "begins with ; or #");
}

static void test_long_lines(void **state)
{
    static char text[8192];

    (void)state;
    strcpy(text, GUEST "; ");
    memset(text + strlen(text), 'x', CONFIG_LINE_CHARS_MAX - 2);
    assert_int_equal(parse(text), STATUS_OK);
    strcat(text, "x");
    REFUSED(text, STATUS_OUT_OF_RANGE,
            "portcullis.conf:4: the line is 4001 characters long; at most 4000 are read");

    memset(text, 0, sizeof(text));
    strcpy(text, GUEST "cmdline = ");
    memset(text + strlen(text), 'x', GUEST_CMDLINE_BYTES - 1);
    assert_int_equal(parse(text), STATUS_OK);
    assert_int_equal(strlen(config.guests[0].cmdline), GUEST_CMDLINE_BYTES - 1);
    strcat(text, "x");
    REFUSED(text, STATUS_OUT_OF_RANGE,
            "portcullis.conf:4: cmdline is 2048 characters long; at most 2047 fit");

    memset(text, 0, sizeof(text));
    strcpy(text, GUEST "initrd = \\");
    memset(text + strlen(text), 'x', CONFIG_PATH_BYTES - 2);
    assert_int_equal(parse(text), STATUS_OK);
    assert_int_equal(strlen(config.guests[0].initrd), CONFIG_PATH_BYTES - 1);
    strcat(text, "x");
    REFUSED(text, STATUS_OUT_OF_RANGE,
            "portcullis.conf:4: initrd: the path is longer than the 255 characters that fit");
}

static void test_sections(void **state)
{
    (void)state;
    REFUSED("kernel = k\n", STATUS_INVALID,
            "portcullis.conf:1: 'kernel = k' stands before any section; begin with [monitor] or "
            "[guest NAME]");
    REFUSED("[guest a\n", STATUS_INVALID,
            "portcullis.conf:1: a section's line ends with ']', as in [guest debian]");
    REFUSED("[", STATUS_INVALID,
            "portcullis.conf:1: a section's line ends with ']', as in [guest debian]");
    REFUSED("[]", STATUS_INVALID,
            "portcullis.conf:1: unknown section []; known are [monitor] and [guest NAME]");
    REFUSED("[Monitor]", STATUS_INVALID,
            "portcullis.conf:1: unknown section [Monitor]; known are [monitor] and [guest NAME]");
    REFUSED("[guest]", STATUS_INVALID,
            "portcullis.conf:1: a guest needs a name, as in [guest debian]");
    REFUSED("[guest a b]", STATUS_INVALID,
            "portcullis.conf:1: the guest's name 'a b' may have only letters, digits, '-', '_' and "
            "'.'");
    REFUSED("[guest portcullis]", STATUS_CONFLICT,
            "portcullis.conf:1: a guest cannot have the name portcullis, with which the monitor's "
            "own lines begin: give it another one");
    REFUSED("[guest 01234567890123456789012345678901]", STATUS_OUT_OF_RANGE,
            "portcullis.conf:1: the guest's name '01234567890123456789012345678901' is 32 "
            "characters long; at most 31 fit");
    REFUSED("[monitor]\n\n[monitor]\n", STATUS_CONFLICT,
            "portcullis.conf:3: there is a [monitor] section already, on line 1; write its keys "
            "there");
    REFUSED(GUEST "[guest a]\n", STATUS_CONFLICT,
            "portcullis.conf:4: there is a guest 'a' already, on line 1; give this one another "
            "name");
}

static void test_keys(void **state)
{
    (void)state;
    REFUSED("[monitor]\nbuad = 9600\n", STATUS_INVALID,
            "portcullis.conf:2: unknown key 'buad'; did you mean 'baud'? [monitor] has the keys "
            "console, baud, console_irq, on_last_exit, on_bad_guest, schedule, heap");
    REFUSED(
        "[guest a]\nkernal = k\n", STATUS_INVALID,
        "portcullis.conf:2: unknown key 'kernal'; did you mean 'kernel'? [guest] has the keys "
        "kernel, initrd, cmdline, memory, heap, cpus, testdev, apic, x2apic, on_reset, timeout, "
        "doorbell, "
        "zone, trigger");
    REFUSED(
        "[guest a]\ncolour = red\n", STATUS_INVALID,
        "portcullis.conf:2: unknown key 'colour'; [guest] has the keys kernel, initrd, cmdline, "
        "memory, heap, cpus, testdev, apic, x2apic, on_reset, timeout, doorbell, zone, trigger");
    REFUSED("[guest a]\ndorbell = b port 1\n", STATUS_INVALID,
            "portcullis.conf:2: unknown key 'dorbell'; did you mean 'doorbell'? [guest] has the "
            "keys kernel, initrd, cmdline, memory, heap, cpus, testdev, apic, x2apic, on_reset, "
            "timeout, doorbell, "
            "zone, trigger");
    REFUSED("[monitor]\nbd = 9600\n", STATUS_INVALID, /* half of it is a guess */
            "portcullis.conf:2: unknown key 'bd'; [monitor] has the keys console, baud, "
            "console_irq, on_last_exit, on_bad_guest, schedule, heap");
    REFUSED(
        "[guest a]\n= red\n", STATUS_INVALID,
        "portcullis.conf:2: unknown key ''; [guest] has the keys kernel, initrd, cmdline, "
        "memory, heap, cpus, testdev, apic, x2apic, on_reset, timeout, doorbell, zone, trigger");
    REFUSED("[guest a]\nkernel k\n", STATUS_INVALID,
            "portcullis.conf:2: 'kernel k' is neither [SECTION], KEY = VALUE nor a comment, which "
            "begins with ; or #");
    REFUSED(GUEST "initrd =  \n", STATUS_INVALID,
            "portcullis.conf:4: initrd has no value; write one after the '=' or leave the line "
            "out");
    REFUSED(GUEST "kernel = other\n", STATUS_CONFLICT,
            "portcullis.conf:4: kernel was set already, on line 2; keep one of the two lines");
    REFUSED("\n[guest a]\nmemory = 2M\n", STATUS_NOT_FOUND,
            "portcullis.conf:2: guest 'a' has no kernel; add a line such as: kernel = "
            "\\portcullis\\vmlinuz");
    REFUSED("[guest a]\nkernel = k\n[guest b]\n", STATUS_NOT_FOUND,
            "portcullis.conf:1: guest 'a' has no memory; add a line such as: memory = 256M");
}

static void test_guest_count(void **state)
{
    static const char two[] = GUEST "[guest b]\nkernel = k\nmemory = 2M\n";
    static char text[65536];
    static const char four[] = "[guest a]\nkernel = k\nmemory = 2M\ncpus = 3\ntestdev = on\n"
                               "[guest b]\nkernel = k\nmemory = 2M\napic = virtual\n";

    (void)state;
    REFUSED(
        two, STATUS_UNSUPPORTED,
        "portcullis.conf:4: 2 guests with 2 CPUs in all are to run at once, and this machine has "
        "1; give them fewer, or set schedule = sequence in [monitor] to run one after the other");
    assert_int_equal(parse_bytes(two, sizeof(two) - 1, 2), STATUS_OK);
    assert_int_equal(parse_bytes(four, sizeof(four) - 1, 4), STATUS_OK);
    assert_int_equal(config.guests[0].cpu_count, 3);
    assert_true(config.guests[0].has_testdev && !config.guests[1].has_testdev);
    assert_int_equal(config.guests[0].apic, GUEST_APIC_AUTO);
    assert_int_equal(config.guests[1].apic, GUEST_APIC_VIRTUAL);
    assert_int_equal(parse(GUEST "apic = emulated\n"), STATUS_OK);
    assert_int_equal(config.guests[0].apic, GUEST_APIC_EMULATED);
    assert_false(config.guests[0].has_no_x2apic);
    assert_int_equal(parse(GUEST "apic = auto\nx2apic = off\n"), STATUS_OK);
    assert_true(config.guests[0].has_no_x2apic);
    assert_int_equal(parse(GUEST "x2apic = on\n"), STATUS_OK);
    assert_false(config.guests[0].has_no_x2apic);
    assert_int_equal(config.guests[0].on_reset, ON_RESET_RESTART);
    assert_int_equal(config.guests[0].timeout_seconds, 0);
    assert_int_equal(parse(GUEST "on_reset = stop\ntimeout = 1000000\n"), STATUS_OK);
    assert_int_equal(config.guests[0].on_reset, ON_RESET_STOP);
    assert_int_equal(config.guests[0].timeout_seconds, 1000000);
    assert_int_equal(parse(GUEST "on_reset = restart\ntimeout = 1\n"), STATUS_OK);
    assert_int_equal(config.guests[0].on_reset, ON_RESET_RESTART);
    assert_int_equal(config.guests[0].apic, GUEST_APIC_AUTO);
    assert_int_equal(parse_bytes(four, sizeof(four) - 1, 3), STATUS_UNSUPPORTED);

    strcpy(text, "[monitor]\nschedule = sequence\n");
    for (int i = 0; i < BOOT_GUESTS_MAX; i++)
        sprintf(text + strlen(text), "[guest g%d]\nkernel = k\nmemory = 2M\n", i);
    assert_int_equal(parse(text), STATUS_OK);
    assert_int_equal(config.guest_count, BOOT_GUESTS_MAX);
    strcat(text, "[guest more]\n");
    REFUSED(text, STATUS_OUT_OF_RANGE, "portcullis.conf:195: one guest too many; at most 64 fit");
}

static void test_message_is_cut(void **state)
{
    char small[8];

    (void)state;
    assert_int_equal(config_parse("x", 1, 1, &config, small, sizeof(small)), STATUS_INVALID);
    assert_string_equal(small, "portcul");
    assert_int_equal(config_parse("x", 1, 1, &config, NULL, 0), STATUS_INVALID);
}

/* Whatever the bytes: no fault, and either a complete configuration or a message with a line. */
static void test_mutations(void **state)
{
    static const char seed[] = "[monitor]\nconsole = com1\nbaud = 115200\nschedule = sequence\n"
                               "on_last_exit = poweroff\n[guest a]\nkernel = \\a\\vmlinuz\n"
                               "initrd = b\ncmdline = console=ttyS0\nmemory = 64M\ncpus = 1\n"
                               "doorbell = d port 0x510 width 2 data 1 count 9 trigger t drain z\n"
                               "trigger = t line 5 level\nzone = z mmio 0xfe000000 64 ring 8\n"
                               "[guest b]\nkernel = c\nmemory = 1G\n";
    static const char spice[] = "\0\n\r\t =[];#\\/\"\xef\xbb\xbf\xff"
                                "09MKG";
    unsigned accepted = 0, refused = 0;

    (void)state;
    for (unsigned round = 0; round < rounds(40000); round++) {
        char text[sizeof(seed)];
        size_t size = sizeof(seed) - 1;
        int changes = 1 + round % 4;

        memcpy(text, seed, sizeof(seed));
        for (int i = 0; i < changes; i++) {
            uint32_t random = (uint32_t)random_u64();
            size_t where, length;

            where = (random >> 8) % size;
            length = (random >> 20) % 16;
            switch (random >> 29) {
            case 0: size = where + 1; break;
            case 1:
            case 2: text[where] ^= (char)(1 << (random >> 5 & 7)); break;
            case 3: /* take some out */
                if (where + length < size) {
                    memmove(text + where, text + where + length, size - where - length);
                    size -= length;
                }
                break;
            case 4: /* copy some over */
                if (where + length < size && length < size)
                    memmove(text + where, text + (random >> 3) % (size - length), length);
                break;
            default: text[where] = spice[(random >> 3) % (sizeof(spice) - 1)]; break;
            }
        }
        if (parse_bytes(text, size, 1) == STATUS_OK) {
            accepted++;
            assert_string_equal(message, "");
            assert_true(config.guest_count >= 1 && config.guest_count <= BOOT_GUESTS_MAX);
            for (size_t i = 0; i < config.guest_count; i++) {
                assert_true(config.guests[i].name[0] != '\0');
                assert_true(config.guests[i].kernel[0] == '\\');
                assert_true(config.guests[i].memory_bytes >= 2 * MIB);
            }
        } else {
            refused++;
            assert_memory_equal(message, "portcullis.conf:", 16);
            assert_true(message[16] >= '1' && message[16] <= '9');
        }
    }
    assert_true(accepted > rounds(1000) && refused > rounds(1000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything),     cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_words),          cmocka_unit_test(test_file_shapes),
        cmocka_unit_test(test_long_lines),     cmocka_unit_test(test_sections),
        cmocka_unit_test(test_keys),           cmocka_unit_test(test_guest_count),
        cmocka_unit_test(test_message_is_cut), cmocka_unit_test(test_mutations),
    };
    return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
