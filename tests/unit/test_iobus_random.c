// SPDX-License-Identifier: BSD-2-Clause
/* The bus against an oracle that keeps a plain list and looks at every entry for every byte.
 * IOBUS_SEED and IOBUS_OPERATIONS in the environment choose another run. */
#include "tests/unit/iobus_steps.h"
#include "tests/unit/random.h"
#include "tests/unit/rounds.h"

#include <stdio.h>
#include <stdlib.h>

static uint64_t seed;

static unsigned below(unsigned limit)
{
    return (unsigned)random_below(limit);
}

static uint64_t tick_clock(void)
{
    static uint64_t ticks;

    return ticks++;
}

static void run(uint64_t address_last, uint64_t (*clock)(void), unsigned operations)
{
    struct world *world = world_new(address_last, clock);

    for (unsigned i = 0; i < operations; i++) {
        world_step(world);
        if (i % 4096 == 0)
            check_reports(world);
    }
    /* A short run may find no bell to ring. */
    assert_true(world->ring_count > 0 || operations < 100000);
    world_close(world);
}

static unsigned operations(void)
{
    const char *text = getenv("IOBUS_OPERATIONS");

    return text != NULL ? (unsigned)strtoul(text, NULL, 0) : rounds(600000);
}

static void test_ports(void **state)
{
    (void)state;
    random_state = seed;
    run(IOBUS_PORT_LAST, NULL, operations() / 4);
    run(IOBUS_PORT_LAST, tick_clock, operations() / 4);
    run(IOBUS_PORT_LAST, iobus_tsc, operations() / 4);
}

static void test_mmio(void **state)
{
    (void)state;
    random_state = seed + 1;
    run(IOBUS_MMIO_LAST, NULL, operations() / 4);
    run(IOBUS_MMIO_LAST, tick_clock, operations() / 4);
    run(IOBUS_MMIO_LAST, iobus_tsc, operations() / 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ports),
        cmocka_unit_test(test_mmio),
    };

    seed = random_begin("IOBUS_SEED");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
