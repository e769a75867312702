// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/devices/testdev.h"

#include "vmm/base/bits.h"
#include "vmm/base/types.h"

#include <string.h>

void testdev_reset(struct testdev *testdev)
{
    testdev->latch = 0;
    for (unsigned line = 0; line < TESTDEV_LINE_COUNT; line++)
        line_set(&testdev->wires.lines[line], false);
    if (testdev->wires.memory != NULL)
        memset(testdev->wires.memory, 0, TESTDEV_MEMORY_BYTES);
}

void testdev_init(struct testdev *testdev, const struct testdev_wires *wires)
{
    *testdev = (struct testdev){.wires = *wires};
    testdev_reset(testdev);
}

uint32_t testdev_latch_read(const struct testdev *testdev, unsigned offset, unsigned size_bytes)
{
    uint64_t bytes = testdev->latch | ~UINT64_C(0xffffffff);

    return (uint32_t)(bytes >> 8 * (offset & 3) & bytes_mask(size_bytes));
}

void testdev_latch_write(struct testdev *testdev, unsigned offset, unsigned size_bytes,
                         uint32_t value)
{
    unsigned shift = 8 * (offset & 3);
    uint32_t mask = (uint32_t)(bytes_mask(size_bytes) << shift);

    testdev->latch = (testdev->latch & ~mask) | (value << shift & mask);
}

uint32_t testdev_flush_read(const struct testdev *testdev)
{
    (void)testdev;
    return 0;
}

void testdev_flush_write(const struct testdev *testdev, unsigned size_bytes, uint32_t value)
{
    if (size_bytes == 4 && testdev->wires.flush_page != NULL)
        testdev->wires.flush_page(testdev->wires.context, align_down(value, PAGE_SIZE));
}

uint8_t testdev_line_read(const struct testdev *testdev, unsigned line)
{
    (void)testdev;
    (void)line;
    return 0;
}

void testdev_line_write(struct testdev *testdev, unsigned line, uint8_t value)
{
    if (line < TESTDEV_LINE_COUNT)
        line_set(&testdev->wires.lines[line], value != 0);
}

/* Returns how many of the size_bytes bytes at offset exist. */
static unsigned bytes_present(const struct testdev *testdev, uint64_t offset, unsigned size_bytes)
{
    if (testdev->wires.memory == NULL || offset >= TESTDEV_MEMORY_BYTES)
        return 0;
    if (size_bytes > TESTDEV_MEMORY_BYTES - offset)
        return (unsigned)(TESTDEV_MEMORY_BYTES - offset);
    return size_bytes;
}

uint64_t testdev_memory_read(const struct testdev *testdev, uint64_t offset, unsigned size_bytes)
{
    unsigned count = bytes_present(testdev, offset, size_bytes);
    uint64_t value = UINT64_MAX;

    if (count != 0)
        memcpy(&value, &testdev->wires.memory[offset], count);
    return value & bytes_mask(size_bytes);
}

void testdev_memory_write(struct testdev *testdev, uint64_t offset, unsigned size_bytes,
                          uint64_t value)
{
    unsigned count = bytes_present(testdev, offset, size_bytes);

    if (count != 0)
        memcpy(&testdev->wires.memory[offset], &value, count);
}
