// SPDX-License-Identifier: BSD-2-Clause
#include "tests/unit/unit.h"

#include "vmm/devices/shutdown_port.h"

static void ended(void *context)
{
    ++*(unsigned *)context;
}

/* How often this text, written to a port just reset, ends the guest. */
static unsigned ends(const char *text)
{
    unsigned count = 0;
    struct shutdown_port port;

    shutdown_port_init(&port, ended, &count);
    for (; *text != '\0'; text++) {
        assert_int_equal(shutdown_port_read(&port), 0xff);
        shutdown_port_write(&port, (uint8_t)*text);
    }
    return count;
}

static void test_word(void **state)
{
    (void)state;
    assert_int_equal(ends("Shutdown"), 1);
    assert_int_equal(ends("Shutdow"), 0);
    assert_int_equal(ends("hutdown"), 0);
    assert_int_equal(ends("shutdown"), 0);
    assert_int_equal(ends("ShutdownShutdown"), 2);
    assert_int_equal(ends("Shutdownn"), 1);
    assert_int_equal(ends("Shutxdown"), 0);
    assert_int_equal(ends("Shutdxown"), 0);
}

static void test_starts_over(void **state)
{
    (void)state;
    assert_int_equal(ends("xShutdown"), 1);
    assert_int_equal(ends("SShutdown"), 1);
    assert_int_equal(ends("ShutShutdown"), 1);
    assert_int_equal(ends("ShutdowShutdown"), 1);
    assert_int_equal(ends("ShutdowxShutdown"), 1);
    assert_int_equal(ends("ShuSSSShutdown"), 1);
}

static void test_every_wrong_byte(void **state)
{
    (void)state;
    for (unsigned place = 0; place < 8; place++) {
        for (unsigned byte = 1; byte < 256; byte++) {
            char text[] = "Shutdown";

            if ((char)byte == text[place])
                continue;
            text[place] = (char)byte;
            assert_int_equal(ends(text), 0);
        }
    }
}

static void test_reset(void **state)
{
    unsigned count = 0;
    struct shutdown_port port;

    (void)state;
    shutdown_port_init(&port, ended, &count);
    for (const char *text = "Shutdow"; *text != '\0'; text++)
        shutdown_port_write(&port, (uint8_t)*text);
    shutdown_port_reset(&port);
    shutdown_port_write(&port, 'n');
    assert_int_equal(count, 0);
    /* With nobody behind the hook. */
    shutdown_port_init(&port, NULL, NULL);
    for (const char *text = "Shutdown"; *text != '\0'; text++)
        shutdown_port_write(&port, (uint8_t)*text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_word),
        cmocka_unit_test(test_starts_over),
        cmocka_unit_test(test_every_wrong_byte),
        cmocka_unit_test(test_reset),
    };
    return cmocka_run_group_tests_name("shutdown_port", tests, NULL, NULL);
}
