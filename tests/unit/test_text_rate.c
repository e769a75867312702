// SPDX-License-Identifier: BSD-2-Clause
#include "tests/unit/unit.h"

#include "vmm/base/types.h"
#include "vmm/prompt/shown_text.h"
#include "vmm/prompt/text_rate.h"

#include <string.h>

static void test_burst_then_rate(void **state)
{
    const struct text_rate_limit limit = {.ticks_a_byte = 10, .burst_bytes = 100};
    struct text_rate rate = {0};
    uint64_t now = 1000000;

    (void)state;
    assert_false(text_rate_take(&rate, &limit, now, 101));
    assert_true(text_rate_take(&rate, &limit, now, 60));
    assert_false(text_rate_take(&rate, &limit, now, 41));
    assert_true(text_rate_take(&rate, &limit, now, 40));
    assert_false(text_rate_take(&rate, &limit, now, 1));
    assert_false(text_rate_take(&rate, &limit, now + 9, 1));
    assert_true(text_rate_take(&rate, &limit, now + 10, 1));
    assert_false(text_rate_take(&rate, &limit, now + 300, 31));
    assert_true(text_rate_take(&rate, &limit, now + 310, 30));
    /* Another processor's clock is a little behind. */
    assert_false(text_rate_take(&rate, &limit, now + 300, 30));
    /* After a long time the bucket is full, and not more than full. */
    now += UINT64_C(1) << 60;
    assert_true(text_rate_take(&rate, &limit, now, 100));
    assert_false(text_rate_take(&rate, &limit, now, 1));
}

/* However much somebody tries, in any time no more passes than the burst and the rate. */
static void test_flood(void **state)
{
    const struct text_rate_limit limit = {.ticks_a_byte = 7, .burst_bytes = 5000};
    struct text_rate rate = {0};
    uint64_t passed = 0, start = 12345, ticks = 3000000;

    (void)state;
    for (uint64_t now = start; now < start + ticks; now += 50) {
        if (text_rate_take(&rate, &limit, now, 166))
            passed += 166;
    }
    assert_in_range(passed, ticks / 7, ticks / 7 + 5000);
}

/* All guests together have half of the line and all of the room, as long as no guest has less than
 * the least. */
static void test_share(void **state)
{
    (void)state;
    for (uint64_t count = 1; count <= 64; count++) {
        struct text_rate_limit limit = text_rate_share(50000000, 11520, 32768, count);

        assert_true(limit.ticks_a_byte >= 1);
        assert_true(limit.burst_bytes >= TEXT_RATE_BURST_MIN);
        assert_true(50000000 / limit.ticks_a_byte >= TEXT_RATE_BYTES_MIN);
        if (count <= 22)
            assert_in_range(count * (50000000 / limit.ticks_a_byte), 0, 5760 + count);
        if (count <= 32)
            assert_in_range(count * limit.burst_bytes, 0, 32768);
    }
    /* A slow line and a slow clock. */
    assert_int_equal(text_rate_share(100, 5, 32768, 1).ticks_a_byte, 1);
}

static void expect_shown(const char *text, size_t length, const char *want)
{
    char shown[256];
    size_t count = shown_text(shown, text, length);

    assert_true(count <= length * SHOWN_TEXT_GROWTH);
    assert_int_equal(count, strlen(want));
    assert_memory_equal(shown, want, count);
}

static void test_shown_text(void **state)
{
    (void)state;
    expect_shown("", 0, "");
    expect_shown("a\tb ~\\", 6, "a\tb ~\\");
    expect_shown("\x1b[2J\r\n\0\x7f", 8, "\\x1b[2J\\x0d\\x0a\\x00\\x7f");
    expect_shown("\x9b\x84\xc3\xa9\xff", 5, "\\x9b\\x84\\xc3\\xa9\\xff");
    for (unsigned byte = 0; byte < 256; byte++) {
        char text = (char)byte, shown[SHOWN_TEXT_GROWTH];
        size_t count = shown_text(shown, &text, 1);

        for (size_t i = 0; i < count; i++)
            assert_true(shown[i] == '\t' || (shown[i] >= ' ' && shown[i] <= '~'));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_burst_then_rate),
        cmocka_unit_test(test_flood),
        cmocka_unit_test(test_share),
        cmocka_unit_test(test_shown_text),
    };
    return cmocka_run_group_tests_name("text_rate", tests, NULL, NULL);
}
