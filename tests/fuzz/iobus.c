// SPDX-License-Identifier: BSD-2-Clause
/* The bus's table, with allocations that fail, against the linear oracle of the unit tests. The input
 * makes the choices that are random there. */
#include "tests/fuzz/input.h"
#include "tests/unit/iobus_steps.h"

static struct input choices;

static uint64_t random_u64(void)
{
    return input_u64(&choices);
}

static unsigned below(unsigned limit)
{
    return input_below(&choices, limit);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    struct world *world;

    choices = (struct input){data, data + size_bytes};
    world = world_new(input_u8(&choices) & 1 ? IOBUS_PORT_LAST : IOBUS_MMIO_LAST, NULL);
    while (input_left(&choices))
        world_step(world);
    world_close(world);
    return 0;
}
