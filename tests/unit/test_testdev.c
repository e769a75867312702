// SPDX-License-Identifier: BSD-2-Clause
#include "tests/unit/unit.h"

#include "vmm/devices/testdev.h"

#include <stdlib.h>
#include <string.h>

struct bench {
    struct testdev testdev;
    uint8_t *memory;
    struct wire {
        struct bench *bench;
        unsigned line;
    } wires[TESTDEV_LINE_COUNT];
    uint32_t levels;
    unsigned flush_count;
    uint64_t flushed;
};

static void set_line(void *context, bool level)
{
    const struct wire *wire = context;
    uint32_t mask = 1u << wire->line;

    wire->bench->levels = level ? wire->bench->levels | mask : wire->bench->levels & ~mask;
}

static void flush_page(void *context, uint64_t page)
{
    struct bench *b = context;

    b->flush_count++;
    b->flushed = page;
}

static int set_up(void **state)
{
    struct bench *b = calloc(1, sizeof(*b));
    struct testdev_wires wires = {.flush_page = flush_page, .context = b};

    /* On the heap, where a byte outside does not go unnoticed. */
    b->memory = malloc(TESTDEV_MEMORY_BYTES);
    memset(b->memory, 0x5a, TESTDEV_MEMORY_BYTES);
    b->levels = UINT32_MAX;
    wires.memory = b->memory;
    for (unsigned line = 0; line < TESTDEV_LINE_COUNT; line++) {
        b->wires[line] = (struct wire){b, line};
        wires.lines[line] = (struct line){.set = set_line, .context = &b->wires[line]};
    }
    testdev_init(&b->testdev, &wires);
    *state = b;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *b = *state;

    free(b->memory);
    free(b);
    return 0;
}

static void test_latch(void **state)
{
    struct bench *b = *state;
    struct testdev *t = &b->testdev;
    uint8_t model[4] = {0};

    for (unsigned i = 0; i < 4096; i++) {
        unsigned size = 1u << i % 3;
        unsigned offset = (i * 7 & 3) & ~(size - 1);
        uint32_t value = i * 0x9e3779b9;

        testdev_latch_write(t, offset, size, value);
        memcpy(&model[offset], &value, size);
        for (size = 1; size <= 4; size *= 2) {
            for (offset = 0; offset < 4; offset += size) {
                uint32_t want = 0;

                memcpy(&want, &model[offset], size);
                assert_int_equal(testdev_latch_read(t, offset, size), want);
            }
        }
    }
    /* What sticks out. */
    testdev_latch_write(t, 0, 4, 0x44332211);
    assert_int_equal(testdev_latch_read(t, 3, 4), 0xffffff44);
    assert_int_equal(testdev_latch_read(t, 3, 2), 0xff44);
    testdev_latch_write(t, 2, 4, 0xddccbbaa);
    assert_int_equal(testdev_latch_read(t, 0, 4), 0xbbaa2211);
}

static void test_flush(void **state)
{
    struct bench *b = *state;

    assert_int_equal(testdev_flush_read(&b->testdev), 0);
    testdev_flush_write(&b->testdev, 1, 0x1234);
    testdev_flush_write(&b->testdev, 2, 0x1234);
    assert_int_equal(b->flush_count, 0);
    testdev_flush_write(&b->testdev, 4, 0xfffffabc);
    assert_int_equal(b->flush_count, 1);
    assert_int_equal(b->flushed, 0xfffff000);
    b->testdev.wires.flush_page = NULL;
    testdev_flush_write(&b->testdev, 4, 0x1000);
    assert_int_equal(b->flush_count, 1);
}

static void test_lines(void **state)
{
    struct bench *b = *state;

    assert_int_equal(b->levels, 0xff000000); /* all that exist are low from the start */
    for (unsigned line = 0; line < TESTDEV_LINE_COUNT; line++) {
        testdev_line_write(&b->testdev, line, line + 1 == 24 ? 0x80 : 1);
        assert_int_equal(b->levels & 0xffffff, 1u << line);
        assert_int_equal(testdev_line_read(&b->testdev, line), 0);
        testdev_line_write(&b->testdev, line, 0xff);
        assert_int_equal(b->levels & 0xffffff, 1u << line);
        testdev_line_write(&b->testdev, line, 0);
        assert_int_equal(b->levels & 0xffffff, 0);
    }
    for (unsigned line = TESTDEV_LINE_COUNT; line < 64; line++)
        testdev_line_write(&b->testdev, line, 1);
    assert_int_equal(b->levels, 0xff000000);
}

static void test_memory(void **state)
{
    struct bench *b = *state;
    struct testdev *t = &b->testdev;

    for (unsigned offset = 0; offset < TESTDEV_MEMORY_BYTES; offset += 8)
        assert_true(testdev_memory_read(t, offset, 8) == 0);
    for (unsigned offset = 0; offset < TESTDEV_MEMORY_BYTES; offset += 4)
        testdev_memory_write(t, offset, 4, offset ^ 0xa5a5a5a5);
    for (unsigned offset = 0; offset < TESTDEV_MEMORY_BYTES; offset += 4)
        assert_int_equal(testdev_memory_read(t, offset, 4), offset ^ 0xa5a5a5a5);
    testdev_memory_write(t, 0x101, 8, 0x8877665544332211);
    assert_true(testdev_memory_read(t, 0x101, 8) == 0x8877665544332211);
    assert_int_equal(testdev_memory_read(t, 0x103, 1), 0x33);
    assert_int_equal(testdev_memory_read(t, 0x104, 2), 0x5544);
    testdev_memory_write(t, 0x103, 1, 0xffffffffffffff00);
    assert_true(testdev_memory_read(t, 0x101, 8) == 0x8877665544002211);
}

static void test_memory_ends(void **state)
{
    struct bench *b = *state;
    struct testdev *t = &b->testdev;

    testdev_memory_write(t, TESTDEV_MEMORY_BYTES - 2, 8, 0x8877665544332211);
    assert_true(testdev_memory_read(t, TESTDEV_MEMORY_BYTES - 2, 8) == 0xffffffffffff2211);
    assert_int_equal(testdev_memory_read(t, TESTDEV_MEMORY_BYTES - 1, 2), 0xff22);
    testdev_memory_write(t, TESTDEV_MEMORY_BYTES, 8, 0);
    assert_int_equal(testdev_memory_read(t, TESTDEV_MEMORY_BYTES, 4), 0xffffffff);
    testdev_memory_write(t, UINT64_MAX, 8, 0);
    assert_true(testdev_memory_read(t, UINT64_MAX, 8) == UINT64_MAX);
    t->wires.memory = NULL;
    testdev_memory_write(t, 0, 8, 0);
    assert_int_equal(testdev_memory_read(t, 0, 1), 0xff);
}

static void test_reset(void **state)
{
    struct bench *b = *state;
    struct testdev *t = &b->testdev;

    testdev_latch_write(t, 0, 4, 0xffffffff);
    testdev_line_write(t, 9, 1);
    testdev_memory_write(t, TESTDEV_MEMORY_BYTES - 1, 1, 0xff);
    testdev_reset(t);
    assert_int_equal(testdev_latch_read(t, 0, 4), 0);
    assert_int_equal(b->levels & 0xffffff, 0);
    assert_int_equal(testdev_memory_read(t, TESTDEV_MEMORY_BYTES - 1, 1), 0);
    t->wires.memory = NULL;
    testdev_reset(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_latch, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_flush, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_lines, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_memory, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_memory_ends, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_reset, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("testdev", tests, NULL, NULL);
}
