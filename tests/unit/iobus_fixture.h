// SPDX-License-Identifier: BSD-2-Clause
/* A bus, a reader, a device that remembers, and memory that fails, for the tests of the bus. */
#ifndef TESTS_UNIT_IOBUS_FIXTURE_H
#define TESTS_UNIT_IOBUS_FIXTURE_H

#include "tests/unit/unit.h"

#include "vmm/iobus/iobus.h"

#include <stdlib.h>
#include <string.h>

/* Memory: what is freed is poisoned by the sanitiser; allocation number fail_at fails. */

static atomic_long used_bytes;
static long allocation_count, fail_at = -1;
static bool always_fail;

static inline void *allocate(void *context, size_t size_bytes, size_t alignment_bytes)
{
    void *block;

    (void)context;
    if (always_fail || allocation_count++ == fail_at)
        return NULL;
    block = aligned_alloc(alignment_bytes,
                          (size_bytes + alignment_bytes - 1) / alignment_bytes * alignment_bytes);
    memset(block, 0xa5, size_bytes);
    used_bytes += (long)size_bytes;
    return block;
}

static inline void release(void *context, void *memory, size_t size_bytes)
{
    (void)context;
    memset(memory, 0xdb, size_bytes);
    used_bytes -= (long)size_bytes;
    free(memory);
}

static const struct iobus_allocator allocator = {allocate, release, NULL};

/* A device that remembers what it was asked. */

struct device {
    struct io_access calls[16];
    unsigned call_count;
    enum io_outcome outcome;
    uint64_t answer;
};

static inline enum io_outcome device_access(void *context, struct io_access *access)
{
    struct device *device = context;

    device->calls[device->call_count++ % 16] = *access;
    if (!access->is_write)
        access->value = device->answer;
    return device->outcome;
}

struct fixture {
    struct iobus bus;
    struct iobus_reader reader;
};

static inline int set_up(void **state)
{
    struct fixture *fixture = aligned_alloc(64, sizeof(*fixture));

    allocation_count = 0;
    fail_at = -1;
    always_fail = false;
    assert_int_equal(iobus_init(&fixture->bus, IOBUS_MMIO_LAST, &allocator, NULL), STATUS_OK);
    assert_int_equal(iobus_reader_attach(&fixture->bus, &fixture->reader, fixture), STATUS_OK);
    iobus_reader_begin(&fixture->reader);
    *state = fixture;
    return 0;
}

static inline int tear_down(void **state)
{
    struct fixture *fixture = *state;

    iobus_reader_park(&fixture->reader);
    iobus_reader_detach(&fixture->reader);
    iobus_destroy(&fixture->bus);
    assert_int_equal(used_bytes, 0);
    free(fixture);
    return 0;
}

static inline struct iobus_range range(const char *name, uint64_t first, uint64_t length_bytes,
                                       uint8_t access_sizes, struct device *device)
{
    return (struct iobus_range){.first = first,
                                .length_bytes = length_bytes,
                                .name = name,
                                .access_sizes = access_sizes,
                                .handler = device_access,
                                .context = device};
}

static inline struct iobus_handle add(struct fixture *fixture, const char *name, uint64_t first,
                                      uint64_t length_bytes, uint8_t access_sizes,
                                      struct device *device)
{
    struct iobus_range added = range(name, first, length_bytes, access_sizes, device);
    struct iobus_handle handle;

    assert_int_equal(iobus_register(&fixture->bus, &added, &handle, NULL), STATUS_OK);
    return handle;
}

static inline enum status add_doorbell(struct fixture *fixture, uint64_t address,
                                       const struct iobus_match *match, struct device *device)
{
    struct iobus_range added =
        range("doorbell", address, match->width_bytes ? match->width_bytes : 1, 0, device);

    added.match = match;
    return iobus_register(&fixture->bus, &added, NULL, NULL);
}

static inline uint64_t read_bus(struct fixture *fixture, uint64_t address, uint8_t size)
{
    struct io_access access = {.address = address, .size = size, .value = 0x1122334455667788};

    iobus_access(&fixture->bus, &fixture->reader, &access);
    return access.value;
}

static inline void write_bus(struct fixture *fixture, uint64_t address, uint8_t size,
                             uint64_t value)
{
    struct io_access access = {.address = address, .size = size, .value = value, .is_write = true};

    iobus_access(&fixture->bus, &fixture->reader, &access);
}

static inline void assert_call(const struct device *device, unsigned number, uint64_t address,
                               uint8_t size, uint64_t value)
{
    assert_true(number < device->call_count);
    assert_int_equal(device->calls[number].address, address);
    assert_int_equal(device->calls[number].size, size);
    assert_int_equal(device->calls[number].value, value);
}

#define IOBUS_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
