// SPDX-License-Identifier: BSD-2-Clause
#include "tests/unit/unit.h"

#include "vmm/base/types.h"
#include "vmm/prompt/output_queue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct output_queue queue;
static struct byte_ring guest, other;
static uint8_t guest_bytes[1024], other_bytes[1024];

static void begin(void)
{
    output_queue_init(&queue);
    byte_ring_init(&guest, guest_bytes, sizeof(guest_bytes));
    byte_ring_init(&other, other_bytes, sizeof(other_bytes));
    output_queue_set_view(&queue, &guest);
    output_queue_show_view(&queue, true);
}

static void print(const char *text)
{
    assert_int_equal(byte_ring_put(&guest, text, strlen(text)), strlen(text));
}

static void prompt(const char *text)
{
    assert_int_equal(output_queue_put_prompt(&queue, text, strlen(text)), strlen(text));
}

static void log_text(const char *text)
{
    assert_true(output_queue_put_log(&queue, text, strlen(text), 0));
}

static void fresh_line(void)
{
    assert_int_equal(output_queue_put_prompt(&queue, &(const char){OUTPUT_FRESH_LINE}, 1), 1);
}

/* Takes up to size bytes, and compares them. */
static void expect_some(size_t size, const char *want)
{
    static uint8_t bytes[2 * OUTPUT_LOG_BYTES];
    size_t count = output_queue_take(&queue, bytes, size);

    bytes[count] = '\0';
    assert_string_equal((const char *)bytes, want);
}

static void expect(const char *want)
{
    expect_some(2 * OUTPUT_LOG_BYTES - 1, want);
    assert_false(output_queue_has_output(&queue));
}

static void test_order(void **state)
{
    (void)state;
    begin();
    assert_false(output_queue_has_output(&queue));
    print("one\r\ntw");
    log_text("portcullis: a\n");
    print("o\r\n");
    prompt("echo\r\n");
    assert_true(output_queue_has_output(&queue));
    expect("echo\r\none\r\ntw\r\nportcullis: a\r\no\r\n");
}

/* With the prompt at the line a guest's bytes wait, the log does not wait for them. */
static void test_prompt_has_line(void **state)
{
    (void)state;
    begin();
    print("waits");
    log_text("before\n");
    output_queue_show_view(&queue, false);
    fresh_line();
    prompt("> ");
    log_text("after\n");
    fresh_line();
    prompt("> ");
    expect_some(2, "> ");
    expect("\r\n> \r\nbefore\r\nafter\r\n");
    assert_false(output_queue_has_output(&queue));
    prompt("\r\n");
    output_queue_show_view(&queue, true);
    expect("\r\nwaits");
}

/* A line of the log is never cut by anything else. */
static void test_lines_are_whole(void **state)
{
    (void)state;
    begin();
    log_text("portcullis: guest a ended\n");
    log_text("second\n");
    print("x");
    expect_some(5, "portc");
    prompt("p\r\n");
    print("y");
    expect("ullis: guest a ended\r\np\r\nsecond\r\nxy");
}

/* Pieces of one line are not torn apart by new lines, except when something came between. */
static void test_pieces(void **state)
{
    (void)state;
    begin();
    print("x");
    log_text("  rax 1");
    log_text("  rbx 2\n");
    log_text("");
    log_text("  rcx 3");
    expect("x\r\n  rax 1  rbx 2\r\n  rcx 3");
    print("y\n");
    expect("y\n");
    log_text("  rdx 4\n");
    expect("  rdx 4\r\n");
}

/* Another guest in view: the log does not wait for more bytes than the first one had, and never for
 * bytes that are not shown. */
static void test_other_view(void **state)
{
    (void)state;
    begin();
    print("0123456789");
    log_text("a\n");
    output_queue_set_view(&queue, &other);
    expect("a\r\n");
    assert_int_equal(byte_ring_used(&guest), 10);
    output_queue_set_view(&queue, NULL);
    assert_false(output_queue_has_output(&queue));
    log_text("b\n");
    expect("b\r\n");
    output_queue_set_view(&queue, &guest);
    expect("0123456789");
}

static void test_no_room(void **state)
{
    static char text[OUTPUT_LOG_BYTES];
    unsigned guests = 0, dumps = 0, lines = 0;

    (void)state;
    begin();
    memset(text, 'x', sizeof(text));
    text[99] = '\n';
    while (output_queue_put_log(&queue, text, 100, OUTPUT_SHARE_DUMPS))
        guests++;
    while (output_queue_put_log(&queue, text, 100, OUTPUT_SHARE_LINES))
        dumps++;
    while (output_queue_put_log(&queue, text, 100, 0))
        lines++;
    assert_in_range(guests, OUTPUT_GUEST_LINES_BYTES / 109, OUTPUT_GUEST_LINES_BYTES / 101);
    assert_in_range(dumps, 16 * 1024 / 109 - 1, 16 * 1024 / 109 + 1);
    assert_in_range(lines, 16 * 1024 / 109 - 1, 16 * 1024 / 109 + 1);
    assert_int_equal(output_queue_put_prompt(&queue, text, OUTPUT_PROMPT_BYTES + 1),
                     OUTPUT_PROMPT_BYTES);
    assert_int_equal(output_queue_put_prompt(&queue, text, 1), 0);
    for (unsigned round = 0; round < 3; round++) {
        assert_true(output_queue_take(&queue, guest_bytes, sizeof(guest_bytes)) ==
                    sizeof(guest_bytes));
        assert_int_equal(output_queue_put_prompt(&queue, text, 10), 10);
    }
}

/* What stands in the stream where a line begins. */
static bool has_monitor_line(const uint8_t *bytes, size_t count)
{
    static const char word[] = "portcullis:";

    for (size_t i = 0; i + sizeof(word) - 1 <= count; i++) {
        if (memcmp(bytes + i, word, sizeof(word) - 1) == 0)
            return true;
    }
    return false;
}

static void test_forged_word(void **state)
{
    (void)state;
    begin();
    print("portcullis: machine off\r\n");
    expect("portcullis\\: machine off\r\n");
    print("pportcullis:portcullisportcullis:portcullis\r\n");
    expect("pportcullis\\:portcullisportcullis\\:portcullis\r\n");
    print("portcullis");
    expect("portcullis");
    prompt(""); /* nothing came between */
    print(": machine off\r\n");
    expect("\\: machine off\r\n");
    log_text("portcullis: true\n");
    expect("portcullis: true\r\n");
    /* The word's beginning comes from the monitor or from another guest. */
    prompt("portcullis");
    print(": machine off\r\n");
    expect("portcullis\\: machine off\r\n");
    print("portcul");
    expect("portcul");
    output_queue_set_view(&queue, &other);
    assert_int_equal(byte_ring_put(&other, "lis: machine off\r\n", 18), 18);
    expect("lis\\: machine off\r\n");
    /* A byte at a time, into a UART with one place. */
    output_queue_set_view(&queue, &guest);
    print("portcullis:");
    for (const char *c = "portcullis\\:"; *c != '\0'; c++)
        expect_some(1, (const char[]){*c, '\0'});
    expect("");
}

/* A guest writes what it likes, letters of the word above all; the view is switched, text comes
 * from elsewhere: the word never arises, and without the backslashes nothing is lost or added. */
static void test_forged_at_random(void **state)
{
    static const char letters[] = "portcullis:portcullis::\\\r\n\x1b \xff";
    static uint8_t sent[400000], stream[800000];
    size_t sent_count = 0, count = 0, from_view = 0;

    (void)state;
    begin();
    srand(9);
    for (unsigned round = 0; round < 60000; round++) {
        size_t length = (size_t)rand() % 6;

        for (size_t i = 0; i < length; i++) {
            size_t at =
                round % 3 != 0 || sent_count == 0 ? (size_t)rand() % (sizeof(letters) - 1) : 0;
            uint8_t byte = (uint8_t)letters[at];

            if (round % 4 == 0) { /* likely goes on with the word */
                size_t last =
                    sent_count > 0 ? (size_t)(strchr(letters, sent[sent_count - 1]) - letters) : 0;
                byte = (uint8_t)letters[(last + 1) % 11];
            }
            if (byte == 0 || byte_ring_put(&guest, &byte, 1) == 0)
                continue;
            sent[sent_count++] = byte;
        }
        if (rand() % 7 == 0)
            prompt("p");
        count += output_queue_take(&queue, stream + count, (size_t)rand() % 17);
    }
    count += output_queue_take(&queue, stream + count, sizeof(stream) - count);
    assert_false(has_monitor_line(stream, count));
    for (size_t i = 0; i < count; i++) /* all of the guest's bytes are there, in order */
        from_view += from_view < sent_count && stream[i] == sent[from_view];
    assert_int_equal(from_view, sent_count);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),           cmocka_unit_test(test_prompt_has_line),
        cmocka_unit_test(test_lines_are_whole), cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_other_view),      cmocka_unit_test(test_no_room),
        cmocka_unit_test(test_forged_word),     cmocka_unit_test(test_forged_at_random),
    };
    return cmocka_run_group_tests_name("output_queue", tests, NULL, NULL);
}
