// SPDX-License-Identifier: BSD-2-Clause
/* A guest as attachments see it: buses with a vCPU, lines, a clock, and a set of attachments. */
#ifndef TESTS_UNIT_ATTACHMENTS_WORLD_H
#define TESTS_UNIT_ATTACHMENTS_WORLD_H

#include "tests/unit/attachments_fixture.h"

#include "vmm/base/time.h"
#include "vmm/devices/i8259.h"

#include <stdio.h>

/* Two buses with a vCPU on them, lines that count, and a set. */
struct world {
    struct iobus ports, mmio;
    struct iobus_reader ports_reader, mmio_reader;
    struct attachments set;
    unsigned line_calls; /* to all lines */
    unsigned rises[ATTACHMENT_LINES];
    bool levels[ATTACHMENT_LINES];
    struct wire {
        struct world *world;
        unsigned line;
    } wires[ATTACHMENT_LINES];
    struct i8259_pair *pic; /* null: the lines end here */
    uint64_t now_ns;
    unsigned deadline_changes, work_wishes;
    char trace[4096];
};

static inline void set_line(void *context, bool level)
{
    struct wire *wire = context;
    struct world *w = wire->world;

    w->line_calls++;
    w->rises[wire->line] += level && !w->levels[wire->line];
    w->levels[wire->line] = level;
    if (w->pic != NULL && wire->line < 16)
        i8259_pair_set_line(w->pic, wire->line, level);
}

static inline uint64_t world_now(void *context)
{
    return ((struct world *)context)->now_ns;
}

static inline void trace(void *context, const char *name, const struct io_access *access,
                         uint64_t missed)
{
    struct world *w = context;
    size_t used = strlen(w->trace);

    snprintf(w->trace + used, sizeof(w->trace) - used, "%s@%lx=%lx/%u+%lu ", name, access->address,
             access->value, access->size, missed);
}

static inline void deadline_changed(void *context)
{
    ((struct world *)context)->deadline_changes++;
}

static inline void work_wanted(void *context)
{
    ((struct world *)context)->work_wishes++;
}

/* Makes the set; apics may be null. */
static inline void open_set(struct world *w, struct apic_bus *apics)
{
    struct attachments_setup setup = {
        .ports = &w->ports,
        .mmio = &w->mmio,
        .allocator = allocator,
        .apics = apics,
        .now_ns = world_now,
        .trace = trace,
        .deadline_changed = deadline_changed,
        .work_wanted = work_wanted,
        .context = w,
    };

    for (unsigned line = 0; line < 20; line++) { /* 20 to 23 are not connected */
        w->wires[line] = (struct wire){w, line};
        setup.lines[line] = (struct line){set_line, &w->wires[line]};
    }
    attachments_init(&w->set, &setup);
}

static inline struct world *new_world(struct apic_bus *apics)
{
    struct world *w = aligned_alloc(64, sizeof(*w));

    memset(w, 0, sizeof(*w));
    allocation_count = 0;
    fail_at = -1;
    always_fail = false;
    assert_int_equal(iobus_init(&w->ports, IOBUS_PORT_LAST, &allocator, NULL), STATUS_OK);
    assert_int_equal(iobus_init(&w->mmio, IOBUS_MMIO_LAST, &allocator, NULL), STATUS_OK);
    assert_int_equal(iobus_reader_attach(&w->ports, &w->ports_reader, NULL), STATUS_OK);
    assert_int_equal(iobus_reader_attach(&w->mmio, &w->mmio_reader, w), STATUS_OK);
    iobus_reader_begin(&w->ports_reader);
    iobus_reader_begin(&w->mmio_reader);
    open_set(w, apics);
    return w;
}

static inline int open_world(void **state)
{
    *state = new_world(NULL);
    return 0;
}

static inline int close_world(void **state)
{
    struct world *w = *state;

    iobus_reader_park(&w->ports_reader);
    iobus_reader_park(&w->mmio_reader);
    attachments_destroy(&w->set);
    iobus_reader_detach(&w->ports_reader);
    iobus_reader_detach(&w->mmio_reader);
    iobus_destroy(&w->ports);
    iobus_destroy(&w->mmio);
    assert_int_equal(used_bytes, 0);
    free(w);
    return 0;
}

static inline uint64_t read_from(struct iobus *bus, struct iobus_reader *reader, uint64_t address,
                                 uint8_t size)
{
    struct io_access access = {.address = address, .size = size};

    iobus_access(bus, reader, &access);
    return access.value;
}

static inline void write_to(struct iobus *bus, struct iobus_reader *reader, uint64_t address,
                            uint8_t size, uint64_t value)
{
    struct io_access access = {.address = address, .size = size, .value = value, .is_write = true};

    iobus_access(bus, reader, &access);
}

static inline void out(struct world *w, uint64_t port, uint8_t size, uint64_t value)
{
    write_to(&w->ports, &w->ports_reader, port, size, value);
}

static inline uint64_t in(struct world *w, uint64_t port, uint8_t size)
{
    return read_from(&w->ports, &w->ports_reader, port, size);
}

static inline void store(struct world *w, uint64_t address, uint8_t size, uint64_t value)
{
    write_to(&w->mmio, &w->mmio_reader, address, size, value);
}

static inline uint64_t load(struct world *w, uint64_t address, uint8_t size)
{
    return read_from(&w->mmio, &w->mmio_reader, address, size);
}

/* The vCPU enters its guest. */
static inline void quiesce(struct world *w)
{
    iobus_reader_quiesce(&w->ports_reader);
    iobus_reader_quiesce(&w->mmio_reader);
    (void)iobus_reclaim(&w->ports);
    (void)iobus_reclaim(&w->mmio);
}

/* A device that writes down what it is asked. */
struct logger {
    struct world *world;
    char log[1024];
    uint64_t answer;
    void *initiator; /* of the last access */
};

static inline enum io_outcome log_access(void *context, struct io_access *access)
{
    struct logger *logger = context;
    size_t used = strlen(logger->log);

    snprintf(logger->log + used, sizeof(logger->log) - used,
             access->is_write ? "%lx=%lx " : "%lx? ", access->address & 0xfff, access->value);
    logger->initiator = access->initiator;
    if (!access->is_write)
        access->value = logger->answer;
    return IO_HANDLED;
}

static inline void add_device(struct iobus *bus, const char *name, uint64_t first,
                              uint64_t length_bytes, uint8_t sizes, struct logger *logger)
{
    struct iobus_range range = {
        .first = first,
        .length_bytes = length_bytes,
        .name = name,
        .access_sizes = sizes,
        .handler = log_access,
        .context = logger,
    };

    assert_int_equal(iobus_register(bus, &range, NULL, NULL), STATUS_OK);
}

#define IN_WORLD(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)

#endif
