// SPDX-License-Identifier: BSD-2-Clause
#include "tests/unit/unit.h"

#include "vmm/attachments/attachment_spec.h"

#include <stdlib.h>
#include <string.h>

static struct attachment_spec spec;
static char message[512];

/* From memory of exactly that size, so that reading past the end is seen. */
static enum status parse(enum attachment_kind kind, const char *line)
{
    size_t length = strlen(line);
    char *copy = malloc(length > 0 ? length : 1);
    enum status status;

    memcpy(copy, line, length);
    memset(&spec, 0xa5, sizeof(spec));
    strcpy(message, "untouched");
    status = attachment_spec_parse_line(kind, copy, length, &spec, message, sizeof(message));
    free(copy);
    return status;
}

#define ACCEPTED(kind, line)                                                                       \
    do {                                                                                           \
        if (parse(kind, line) != STATUS_OK)                                                        \
            fail_msg("'%s': %s", line, message);                                                   \
    } while (0)

static void test_doorbells(void **state)
{
    (void)state;
    ACCEPTED(ATTACHMENT_DOORBELL, "bell port 0x510");
    assert_int_equal(spec.kind, ATTACHMENT_DOORBELL);
    assert_string_equal(spec.name, "bell");
    assert_int_equal(spec.space, ATTACHMENT_PORT);
    assert_int_equal(spec.address, 0x510);
    assert_int_equal(spec.width_bytes, 0);
    assert_false(spec.has_data || spec.is_traced || spec.has_line);
    assert_int_equal(spec.count, 1);
    assert_string_equal(spec.trigger, "");
    assert_string_equal(spec.drain, "");

    ACCEPTED(ATTACHMENT_DOORBELL,
             " \tB-1_x.y  mmio 0xFEBF0000 trace drain Z trigger t line 23 count 0x10\tdata "
             "18446744073709551600 width 8 ");
    assert_string_equal(spec.name, "B-1_x.y");
    assert_int_equal(spec.space, ATTACHMENT_MMIO);
    assert_int_equal(spec.address, 0xfebf0000);
    assert_int_equal(spec.width_bytes, 8);
    assert_true(spec.has_data && spec.is_traced && spec.has_line);
    assert_true(spec.data == UINT64_MAX - 15);
    assert_int_equal(spec.count, 16);
    assert_int_equal(spec.line, 23);
    assert_string_equal(spec.trigger, "t");
    assert_string_equal(spec.drain, "Z");

    ACCEPTED(ATTACHMENT_DOORBELL, "b port 65535 width any data 0xffffffff");
    ACCEPTED(ATTACHMENT_DOORBELL, "b port 0xfffc width 4");
    ACCEPTED(ATTACHMENT_DOORBELL, "b port 0 width 4 count 16384");
    ACCEPTED(ATTACHMENT_DOORBELL, "b mmio 0xffffffffffffffff count 1");
    ACCEPTED(ATTACHMENT_DOORBELL, "b mmio 0 width 1 data 0 count 256");
    ACCEPTED(ATTACHMENT_DOORBELL, "b mmio 0 line 0");
    ACCEPTED(ATTACHMENT_DOORBELL, "a23456789.123456789.123 mmio 0");
}

static void test_zones(void **state)
{
    (void)state;
    ACCEPTED(ATTACHMENT_ZONE, "z port 0x3f8 1");
    assert_int_equal(spec.kind, ATTACHMENT_ZONE);
    assert_int_equal(spec.length_bytes, 1);
    assert_int_equal(spec.ring_entries, 64);
    assert_int_equal(spec.delay_us, 1000);
    ACCEPTED(ATTACHMENT_ZONE, "z mmio 0x8000000000000000 0x8000000000000000 delay 1000000 ring 2");
    assert_int_equal(spec.ring_entries, 2);
    assert_int_equal(spec.delay_us, 1000000);
    assert_true(spec.length_bytes == UINT64_C(1) << 63);
    ACCEPTED(ATTACHMENT_ZONE, "z port 0 0x10000 ring 1024 delay 1");
}

static void test_triggers(void **state)
{
    (void)state;
    ACCEPTED(ATTACHMENT_TRIGGER, "t line 5");
    assert_int_equal(spec.kind, ATTACHMENT_TRIGGER);
    assert_int_equal(spec.line, 5);
    assert_false(spec.is_level || spec.has_line);
    ACCEPTED(ATTACHMENT_TRIGGER, "t level line 0x17");
    assert_int_equal(spec.line, 23);
    assert_true(spec.is_level);
    assert_false(spec.has_message);
}

static void test_messages(void **state)
{
    (void)state;
    ACCEPTED(ATTACHMENT_TRIGGER, "t message 0xfee00000 0x41");
    assert_true(spec.has_message);
    assert_false(spec.is_level || spec.has_line);
    assert_int_equal(spec.message_address, 0xfee00000);
    assert_int_equal(spec.message_data, 0x41);
    ACCEPTED(ATTACHMENT_DOORBELL, "b port 1 message 0xfeeff00c 0xc1fe line 3 trace");
    assert_true(spec.has_message && spec.has_line && spec.is_traced);
    assert_int_equal(spec.message_address, 0xfeeff00c);
    assert_int_equal(spec.message_data, 0xc1fe);
    ACCEPTED(ATTACHMENT_DOORBELL, "b port 1 width 1 data 1 count 1 line 1 message 0xfee00000 0x10 "
                                  "trigger t drain z trace");
    ACCEPTED(ATTACHMENT_TRIGGER, "t message 0xfee00000 0x400"); /* no vector counts */
    ACCEPTED(ATTACHMENT_TRIGGER, "t message 0xfeeff000 0x4700");
}

static void test_refusals(void **state)
{
    static const struct {
        enum attachment_kind kind;
        const char *line;
        enum status status;
        const char *message; /* what it has to contain */
    } bad[] = {
        {ATTACHMENT_DOORBELL, "", STATUS_INVALID, "nothing is said; the form is: NAME port|mmio"},
        {ATTACHMENT_DOORBELL, " \t ", STATUS_INVALID, "nothing is said"},
        {ATTACHMENT_DOORBELL, "a/b port 1", STATUS_INVALID,
         "the name 'a/b' may have only letters, digits, '-', '_' and '.'"},
        {ATTACHMENT_DOORBELL, "a23456789.123456789.1234 port 1", STATUS_OUT_OF_RANGE,
         "is 24 characters long; at most 23 fit"},
        {ATTACHMENT_DOORBELL, "b", STATUS_INVALID, "after the name comes port or mmio"},
        {ATTACHMENT_DOORBELL, "b io 1", STATUS_INVALID, "not 'io'"},
        {ATTACHMENT_DOORBELL, "b port", STATUS_INVALID, "ADDRESS is missing"},
        {ATTACHMENT_DOORBELL, "b port 0x", STATUS_INVALID, "ADDRESS 0x: write a number"},
        {ATTACHMENT_DOORBELL, "b port 12a", STATUS_INVALID, "ADDRESS 12a: write a number"},
        {ATTACHMENT_DOORBELL, "b port -1", STATUS_INVALID, "write a number"},
        {ATTACHMENT_DOORBELL, "b port 0x1g", STATUS_INVALID, "write a number"},
        {ATTACHMENT_DOORBELL, "b port 0x10000", STATUS_OUT_OF_RANGE, "at most 0xffff"},
        {ATTACHMENT_DOORBELL, "b mmio 18446744073709551616", STATUS_OUT_OF_RANGE, "at most"},
        {ATTACHMENT_DOORBELL, "b port 0xffff width 2", STATUS_OUT_OF_RANGE, "do not end by 0xffff"},
        {ATTACHMENT_DOORBELL, "b port 0xfff0 width 4 count 5", STATUS_OUT_OF_RANGE,
         "the 20 bytes from there"},
        {ATTACHMENT_DOORBELL, "b mmio 0xffffffffffffffff count 2", STATUS_OUT_OF_RANGE,
         "do not end by"},
        {ATTACHMENT_DOORBELL, "b port 1 width", STATUS_INVALID, "width is missing: it can be 1, 2"},
        {ATTACHMENT_DOORBELL, "b port 1 width 3", STATUS_INVALID, "width 3: it can be 1, 2, 4, 8"},
        {ATTACHMENT_DOORBELL, "b port 1 width 8", STATUS_OUT_OF_RANGE, "1, 2 or 4 bytes"},
        {ATTACHMENT_DOORBELL, "b mmio 1 width 1 data 256", STATUS_OUT_OF_RANGE, "at most 0xff is"},
        {ATTACHMENT_DOORBELL, "b port 1 data 0x100000000", STATUS_OUT_OF_RANGE,
         "at most 0xffffffff is"},
        {ATTACHMENT_DOORBELL, "b mmio 1 width 1 data 1 count 256", STATUS_OUT_OF_RANGE,
         "255 values are left"},
        {ATTACHMENT_DOORBELL, "b mmio 1 data 0xffffffffffffffff count 2", STATUS_OUT_OF_RANGE,
         "1 values are left"},
        {ATTACHMENT_DOORBELL, "b port 1 count 0", STATUS_OUT_OF_RANGE, "it can be 1 to 16384"},
        {ATTACHMENT_DOORBELL, "b port 1 count 16385", STATUS_OUT_OF_RANGE, "it can be 1 to 16384"},
        {ATTACHMENT_DOORBELL, "b port 1 count 4294967297", STATUS_OUT_OF_RANGE, "at most"},
        {ATTACHMENT_DOORBELL, "b port 1 line 24", STATUS_OUT_OF_RANGE, "at most 0x17"},
        {ATTACHMENT_DOORBELL, "b port 1 line 2", STATUS_OUT_OF_RANGE, "joins the two interrupt"},
        {ATTACHMENT_DOORBELL, "b port 1 trigger", STATUS_INVALID, "the trigger's name is missing"},
        {ATTACHMENT_DOORBELL, "b port 1 drain ?", STATUS_INVALID, "the zone's name '?'"},
        {ATTACHMENT_DOORBELL, "b port 1 trace trace", STATUS_INVALID, "trace is said twice"},
        {ATTACHMENT_DOORBELL, "b port 1 data 1 data 1", STATUS_INVALID, "data is said twice"},
        {ATTACHMENT_DOORBELL, "b port 1 ring 4", STATUS_INVALID,
         "unknown word 'ring'; the form is: NAME port|mmio ADDRESS [width"},
        {ATTACHMENT_DOORBELL,
         "b port 1 width 1 data 1 count 1 line 1 trigger t drain z trace x y z", STATUS_INVALID,
         "unknown word 'x'"},
        {ATTACHMENT_ZONE, "z mmio 0x1000", STATUS_INVALID, "LENGTH is missing"},
        {ATTACHMENT_ZONE, "z mmio 0x1000 0", STATUS_OUT_OF_RANGE, "LENGTH 0x0: it can be 1 to"},
        {ATTACHMENT_ZONE, "z mmio 0 0x8000000000000001", STATUS_OUT_OF_RANGE, "at most 0x8000"},
        {ATTACHMENT_ZONE, "z port 0xffff 2", STATUS_OUT_OF_RANGE, "do not end by 0xffff"},
        {ATTACHMENT_ZONE, "z port 1 1 ring 3", STATUS_OUT_OF_RANGE, "power of two, 2 to 1024"},
        {ATTACHMENT_ZONE, "z port 1 1 ring 0", STATUS_OUT_OF_RANGE, "power of two, 2 to 1024"},
        {ATTACHMENT_ZONE, "z port 1 1 ring 1", STATUS_OUT_OF_RANGE, "power of two, 2 to 1024"},
        {ATTACHMENT_ZONE, "z port 1 1 ring 2048", STATUS_OUT_OF_RANGE, "power of two, 2 to 1024"},
        {ATTACHMENT_ZONE, "z port 1 1 delay 0", STATUS_OUT_OF_RANGE, "1 to 1000000 microseconds"},
        {ATTACHMENT_ZONE, "z port 1 1 delay 1000001", STATUS_OUT_OF_RANGE, "1 to 1000000"},
        {ATTACHMENT_ZONE, "z port 1 1 trace", STATUS_INVALID, "[ring N] [delay MICROSECONDS]"},
        {ATTACHMENT_TRIGGER, "t", STATUS_INVALID, "line is missing; the form is: NAME line N"},
        {ATTACHMENT_TRIGGER, "t level", STATUS_INVALID, "line is missing"},
        {ATTACHMENT_TRIGGER, "t line", STATUS_INVALID, "line is missing; write a number"},
        {ATTACHMENT_TRIGGER, "t line 2", STATUS_OUT_OF_RANGE, "take another"},
        {ATTACHMENT_TRIGGER, "t port 1", STATUS_INVALID, "unknown word 'port'"},
        {ATTACHMENT_TRIGGER, "t message", STATUS_INVALID, "message's address is missing"},
        {ATTACHMENT_TRIGGER, "t message 0xfee00000", STATUS_INVALID, "message's data is missing"},
        {ATTACHMENT_TRIGGER, "t message 0xfee00000 0x10041", STATUS_OUT_OF_RANGE, "at most 0xffff"},
        {ATTACHMENT_TRIGGER, "t message 0xfee00000 0x41 level", STATUS_INVALID, "bit 15 of its"},
        {ATTACHMENT_TRIGGER, "t message 0xfee00000 0x41 line 3", STATUS_INVALID, "both said"},
        {ATTACHMENT_TRIGGER, "t message 0xfef00000 0x41", STATUS_OUT_OF_RANGE, "it is 0xfee00000"},
        {ATTACHMENT_TRIGGER, "t message 0x1fee00000 0x41", STATUS_OUT_OF_RANGE, "it is 0xfee00000"},
        {ATTACHMENT_TRIGGER, "t message 0xfee00010 0x41", STATUS_OUT_OF_RANGE, "it is 0xfee00000"},
        {ATTACHMENT_TRIGGER, "t message 0xfee00800 0x41", STATUS_OUT_OF_RANGE, "it is 0xfee00000"},
        {ATTACHMENT_TRIGGER, "t message 0xfee00002 0x41", STATUS_OUT_OF_RANGE, "it is 0xfee00000"},
        {ATTACHMENT_TRIGGER, "t message 0xfeeff008 0x41", STATUS_INVALID, "redirection hint"},
        {ATTACHMENT_TRIGGER, "t message 0xfee00000 0x0f", STATUS_OUT_OF_RANGE, "0x10 to 0xfe"},
        {ATTACHMENT_TRIGGER, "t message 0xfee00000 0x1ff", STATUS_OUT_OF_RANGE, "0x10 to 0xfe"},
        {ATTACHMENT_TRIGGER, "t message 0xfee00000 0x241", STATUS_INVALID, "delivery mode is 2"},
        {ATTACHMENT_TRIGGER, "t message 0xfee00000 0x341", STATUS_INVALID, "delivery mode is 3"},
        {ATTACHMENT_TRIGGER, "t message 0xfee00000 0x641", STATUS_INVALID, "delivery mode is 6"},
        {ATTACHMENT_TRIGGER, "t message 0xfee00000 0x841", STATUS_OUT_OF_RANGE, "no others"},
        {ATTACHMENT_TRIGGER, "t message 0xfee00000 0x2041", STATUS_OUT_OF_RANGE, "no others"},
        {ATTACHMENT_TRIGGER, "t message 0xfee00000 0x8041", STATUS_INVALID, "add 0x4000"},
        {ATTACHMENT_DOORBELL, "b port 1 message 0 0x41", STATUS_OUT_OF_RANGE, "it is 0xfee00000"},
        {ATTACHMENT_DOORBELL, "b port 1 message 0xfee00000 0x41 message 0xfee00000 0x42",
         STATUS_INVALID, "message is said twice"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        assert_int_equal(parse(bad[i].kind, bad[i].line), bad[i].status);
        if (strstr(message, bad[i].message) == NULL)
            fail_msg("'%s': %s", bad[i].line, message);
    }
}

static void test_long_lines(void **state)
{
    char line[300];

    (void)state;
    memset(line, ' ', sizeof(line));
    memcpy(line, "t line 5", 8);
    line[255] = '\0';
    ACCEPTED(ATTACHMENT_TRIGGER, line);
    line[255] = ' ';
    line[256] = '\0';
    assert_int_equal(parse(ATTACHMENT_TRIGGER, line), STATUS_OUT_OF_RANGE);
    assert_string_equal(message, "256 characters are too many; at most 255 are read");
    for (size_t i = 0; i < 254; i++)
        line[i] = i % 2 ? ' ' : 'x';
    line[254] = '\0';
    assert_int_equal(parse(ATTACHMENT_DOORBELL, line), STATUS_INVALID);
    assert_int_equal(parse(ATTACHMENT_TRIGGER, line), STATUS_INVALID);
    /* No room for the message. */
    assert_int_equal(attachment_spec_parse_line(ATTACHMENT_ZONE, "", 0, &spec, NULL, 0),
                     STATUS_INVALID);
}

/* Specs that no parser made. */
static void test_check(void **state)
{
    static const struct attachment_spec good = {
        .kind = ATTACHMENT_DOORBELL, .name = "b", .count = 1};

    (void)state;
    spec = good;
    assert_int_equal(attachment_spec_check(&spec, message, sizeof(message)), STATUS_OK);
    memset(spec.name, 'x', sizeof(spec.name));
    assert_int_equal(attachment_spec_check(&spec, message, sizeof(message)), STATUS_INVALID);
    spec = good;
    memset(spec.trigger, 'x', sizeof(spec.trigger));
    assert_int_equal(attachment_spec_check(&spec, message, sizeof(message)), STATUS_INVALID);
    spec = good;
    memset(spec.drain, 'x', sizeof(spec.drain));
    assert_int_equal(attachment_spec_check(&spec, message, sizeof(message)), STATUS_INVALID);
    spec = good;
    spec.width_bytes = 5;
    assert_int_equal(attachment_spec_check(&spec, message, sizeof(message)), STATUS_INVALID);
    spec = good;
    spec.space = (enum attachment_space)7;
    assert_int_equal(attachment_spec_check(&spec, message, sizeof(message)), STATUS_INVALID);
    spec = good;
    spec.kind = (enum attachment_kind)7;
    assert_int_equal(attachment_spec_check(&spec, message, sizeof(message)), STATUS_INVALID);
    spec = good;
    spec.kind = ATTACHMENT_TRIGGER;
    spec.line = 255;
    assert_int_equal(attachment_spec_check(&spec, message, sizeof(message)), STATUS_OUT_OF_RANGE);
    spec.has_message = true; /* and the line does not count */
    spec.message_address = 0xfee00000;
    spec.message_data = 0x41;
    assert_int_equal(attachment_spec_check(&spec, message, sizeof(message)), STATUS_OK);
    spec.message_data = 0x10041;
    assert_int_equal(attachment_spec_check(&spec, message, sizeof(message)), STATUS_OUT_OF_RANGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_doorbells), cmocka_unit_test(test_zones),
        cmocka_unit_test(test_triggers),  cmocka_unit_test(test_messages),
        cmocka_unit_test(test_refusals),  cmocka_unit_test(test_long_lines),
        cmocka_unit_test(test_check),
    };
    return cmocka_run_group_tests_name("attachment_spec", tests, NULL, NULL);
}
