// SPDX-License-Identifier: BSD-2-Clause
#include "tests/stress/devices.h"

#include "vmm/base/bits.h"
#include "vmm/iobus/fast.h"

#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEVICE_ALIVE  UINT64_C(0x6c69766520646576)
#define POISON        0xdb
#define UNINITIALISED 0xa5

/* ThreadSanitizer takes malloc and free themselves for writes to all of it; once is enough. */
#ifdef __SANITIZE_THREAD__
#define FILL(memory, byte, size_bytes) (void)(size_bytes)
#else
#define FILL(memory, byte, size_bytes) memset(memory, byte, size_bytes)
#endif

struct iobus buses[BUSES];
_Thread_local struct vcpu *this_vcpu;
_Thread_local bool memory_fails;
uint64_t totals[COUNTS];

static struct device *permanents[BUSES][CELLS][PERMANENTS];
static _Atomic uint64_t allocated_count, released_count, updates_made, completions_come;

void fail(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    flockfile(stdout);
    printf("FAIL ");
    vprintf(format, arguments);
    printf("\n0 passed, 1 failed\n");
    fflush(stdout);
    _exit(1); /* the other threads keep running until then */
}

uint64_t cell_address(unsigned bus, unsigned cell)
{
    /* MMIO cells lie in pages of their own, some of them in the same slot of the page index. */
    return bus == PORTS ? cell * UINT64_C(0x1000) : UINT64_C(0xfec00000) + cell * UINT64_C(0x3000);
}

uint64_t byte_values(uint64_t address, unsigned size)
{
    uint64_t values = 0;

    for (unsigned i = 0; i < size; i++)
        values |= ((address + i) * 0x35 >> 2 & 0x7f) << 8 * i;
    return values;
}

const struct device *permanent(unsigned bus, unsigned cell, unsigned number)
{
    return permanents[bus][cell][number];
}

/* Memory. */

static void *allocate(void *context, size_t size_bytes, size_t alignment_bytes)
{
    void *memory;

    (void)context;
    if (memory_fails)
        return NULL;
    memory = aligned_alloc(alignment_bytes, align_up(size_bytes, alignment_bytes));
    if (memory == NULL)
        fail("this machine has no memory left");
    FILL(memory, UNINITIALISED, size_bytes);
    atomic_fetch_add_explicit(&allocated_count, 1, memory_order_relaxed);
    return memory;
}

static void release(void *context, void *memory, size_t size_bytes)
{
    (void)context;
    FILL(memory, POISON, size_bytes);
    free(memory);
    atomic_fetch_add_explicit(&released_count, 1, memory_order_relaxed);
}

/* Updates. */

struct departure {
    struct iobus_completion completion;
    unsigned count;
    struct device *devices[BATCH_MAX];
};

static void free_device(struct device *device)
{
    memset(device, POISON, sizeof(*device));
    free(device);
}

static void depart(void *context)
{
    struct departure *departure = context;

    if (!atomic_load_explicit(&departure->completion.done, memory_order_relaxed))
        fail("a completion that is not done");
    for (unsigned i = 0; i < departure->count; i++) {
        if (departure->devices[i]->alive != DEVICE_ALIVE)
            fail("a second completion");
        free_device(departure->devices[i]);
    }
    memset(departure, POISON, sizeof(*departure));
    free(departure);
    atomic_fetch_add_explicit(&completions_come, 1, memory_order_relaxed);
}

uint64_t updates_waiting(void)
{
    uint64_t come = atomic_load_explicit(&completions_come, memory_order_relaxed);

    return atomic_load_explicit(&updates_made, memory_order_relaxed) - come;
}

static enum io_outcome answer(void *context, struct io_access *access);

enum status update(unsigned bus, struct device *const *added, unsigned added_count,
                   struct device *const *removed, unsigned removed_count)
{
    struct iobus_range ranges[BATCH_MAX];
    struct iobus_handle handles[BATCH_MAX], removals[BATCH_MAX];
    struct iobus_conflict conflict;
    struct departure *departure = calloc(1, sizeof(*departure));
    const struct iobus_change what = {
        .additions = ranges,
        .addition_count = added_count,
        .handles = handles,
        .removals = removals,
        .removal_count = removed_count,
        .completion = &departure->completion,
    };

    for (unsigned i = 0; i < added_count; i++) {
        ranges[i] = (struct iobus_range){
            .first = added[i]->first,
            .length_bytes = added[i]->length_bytes,
            .name = added[i]->name,
            .access_sizes = added[i]->is_doorbell ? 0 : IOBUS_SIZES_ALL,
            .handler = answer,
            .context = added[i],
            .match = added[i]->is_doorbell ? &added[i]->match : NULL,
            .is_overlay = added[i]->is_overlay,
        };
    }
    departure->completion.callback = depart;
    departure->completion.context = departure;
    departure->count = removed_count;
    for (unsigned i = 0; i < removed_count; i++) {
        departure->devices[i] = removed[i];
        removals[i] = removed[i]->handle;
    }
    atomic_fetch_add_explicit(&updates_made, 1, memory_order_relaxed);

    enum status status = iobus_update(&buses[bus], &what, &conflict);

    if (status == STATUS_OK) {
        /* Whoever removes a device is the thread that registered it: the handle is its own. */
        for (unsigned i = 0; i < added_count; i++)
            added[i]->handle = handles[i];
        return status;
    }
    if (status == STATUS_CONFLICT)
        fail("a conflict of %s with %s", conflict.new_name, conflict.old_name);
    atomic_fetch_sub_explicit(&updates_made, 1, memory_order_relaxed);
    for (unsigned i = 0; i < added_count; i++)
        free_device(added[i]);
    free(departure);
    return status;
}

/* Devices. */

static struct device *make(unsigned bus, unsigned cell, enum kind kind, unsigned offset,
                           unsigned length_bytes)
{
    struct device *device = malloc(sizeof(*device));

    *device = (struct device){
        .alive = DEVICE_ALIVE,
        .kind = kind,
        .bus = bus,
        .cell = cell,
        .first = cell_address(bus, cell) + offset,
        .length_bytes = length_bytes,
        .name = "t",
    };
    return device;
}

struct device *temporary_make(unsigned bus, unsigned cell, unsigned number)
{
    static const struct {
        uint16_t offset, length;
        bool is_doorbell;
        struct iobus_match match;
    } shapes[TEMPORARIES] = {
        {INNER, AROUND_BYTES, false, {0}},
        {INNER, 0x20, false, {0}},
        {INNER + 0x10, 0x10, false, {0}},
        {NESTED, NESTED_BYTES, false, {0}},
        {NESTED, 0x20, false, {0}},
        {NESTED + 0x20, 0x20, false, {0}},
        {NESTED, 0x10, false, {0}},
        {NESTED + 0x10, 0x10, false, {0}},
        {NESTED + 0x14, 1, false, {0}},
        {NESTED + 0x33, 6, false, {0}},
        {DOORBELL, 4, true, {4, true, 100}},
        {DOORBELL, 4, true, {4, true, 101}},
        {DOORBELL, 1, true, {0, true, 200}},
        {DOORBELL, 1, true, {1, true, 7}},
        {DOORBELL, 8, true, {8, false, 0}},
        {DOORBELL, 1, true, {0, false, 0}},
        {QUIET, 8, false, {0}},
        {NESTED, NESTED_BYTES, false, {0}}, /* an overlay */
    };
    struct device *device =
        make(bus, cell, KIND_TEMPORARY, shapes[number].offset, shapes[number].length);

    device->is_doorbell = shapes[number].is_doorbell;
    device->match = shapes[number].match;
    device->is_overlay = number == TEMPORARIES - 1;
    if (shapes[number].offset == QUIET)
        memcpy(device->name, SILENT_NAME, sizeof(SILENT_NAME));
    return device;
}

struct device *pair_make(unsigned bus, unsigned cell, unsigned half, uint64_t state)
{
    struct device *device = make(bus, cell, KIND_PAIR, PAIR + 4 * half, 4);

    device->number = half;
    device->pair_state = state;
    return device;
}

static void add_permanent(unsigned bus, unsigned cell, unsigned number)
{
    static const struct {
        uint16_t offset, length;
        enum kind kind;
    } shapes[PERMANENTS] = {
        [PERMANENT_INNER] = {INNER, INNER_BYTES, KIND_PERMANENT},
        [PERMANENT_DOORBELL... PERMANENT_TRIGGER - 1] = {DOORBELL, 4, KIND_PERMANENT},
        [PERMANENT_TRIGGER] = {TRIGGER, 4, KIND_TRIGGER},
        [PERMANENT_TRIGGER + 1] = {TRIGGER + OWN_BYTES, 4, KIND_TRIGGER},
        [PERMANENT_RING] = {RING, 1, KIND_PERMANENT},
        [PERMANENT_OUTER] = {0, CELL_BYTES, KIND_PERMANENT},
    };
    struct device *device =
        make(bus, cell, shapes[number].kind, shapes[number].offset, shapes[number].length);

    device->number = number;
    snprintf(device->name, sizeof(device->name), "p%u.%u", cell, number);
    if (number >= PERMANENT_DOORBELL && number < PERMANENT_TRIGGER) {
        device->is_doorbell = true;
        device->match = (struct iobus_match){4, true, number - PERMANENT_DOORBELL + 1};
    }
    device->is_doorbell |= number == PERMANENT_RING;
    permanents[bus][cell][number] = device;
    if (update(bus, &device, 1, NULL, 0) != STATUS_OK)
        fail("%s was not registered", device->name);
}

/* Handlers. */

static void expect_alive(const struct device *device)
{
    if (device->alive != DEVICE_ALIVE)
        fail("a handler runs after the completion of its device's removal");
}

struct log vcpu_access(struct vcpu *vcpu, unsigned bus, struct io_access *access)
{
    struct log log = {0}, *outer = vcpu->log;
    const struct io_access asked = *access;

    vcpu->log = &log;
    vcpu->count[LOOKUPS]++;
    if (outer == NULL)
        iobus_access_fast(&buses[bus], &vcpu->readers[bus], access);
    else
        iobus_access(&buses[bus], &vcpu->readers[bus], access);
    vcpu->log = outer;
    if (access->address != asked.address || access->size != asked.size ||
        access->is_write != asked.is_write || (asked.is_write && access->value != asked.value))
        fail("an access at %#jx is changed", (uintmax_t)asked.address);
    return log;
}

/* Registers the vCPU's own device of this cell, or removes it, and looks. */
static void pull_trigger(struct vcpu *vcpu, unsigned bus, unsigned cell)
{
    struct device **own = &vcpu->own[bus][cell], *device = *own;
    bool is_removal = device != NULL;
    struct io_access access = {
        .address = cell_address(bus, cell) + OWN + vcpu->number * OWN_BYTES,
        .size = 8,
    };
    enum status status;

    memory_fails = below(&vcpu->random, 8) == 0;
    if (is_removal) {
        status = update(bus, NULL, 0, &device, 1);
    } else {
        device = make(bus, cell, KIND_OWN, OWN + vcpu->number * OWN_BYTES, OWN_BYTES);
        status = update(bus, &device, 1, NULL, 0);
        if (memory_fails && status == STATUS_NO_MEMORY) {
            memory_fails = false;
            return;
        }
    }
    memory_fails = false;
    if (status != STATUS_OK)
        fail("an update by a handler: status %d", status);
    *own = is_removal ? NULL : device;

    struct log log = vcpu_access(vcpu, bus, &access);

    if ((log.last == device) == is_removal)
        fail("a handler %s what it has %s", is_removal ? "finds" : "does not find",
             is_removal ? "removed" : "registered");
    expect_alive(device); /* this vCPU has not been quiescent since */
    vcpu->count[is_removal ? HANDLER_REMOVED : HANDLER_ADDED]++;
}

static void remove_itself(struct vcpu *vcpu, struct device *device)
{
    struct device **own = &vcpu->own[device->bus][device->cell];

    if (*own != device)
        fail("a removed device is called");
    *own = NULL;
    if (update(device->bus, NULL, 0, &device, 1) != STATUS_OK)
        fail("a handler did not remove its own device");
    vcpu->count[SELF_REMOVED]++;
}

static void check_access(const struct device *device, const struct io_access *access)
{
    uint64_t offset = access->address - device->first;

    if (device->is_doorbell) {
        if (!access->is_write || offset != 0 ||
            (device->match.width_bytes != 0 && device->match.width_bytes != access->size) ||
            (device->match.has_data && device->match.data != access->value))
            fail("a doorbell rings that does not match");
        return;
    }
    if (offset >= device->length_bytes || access->size > device->length_bytes - offset)
        fail("%s of cell %u: an access at offset %#jx of it", device->name, device->cell,
             (uintmax_t)offset);
    if (!is_aligned(access->address, access->size))
        fail("an access that is not aligned");
    /* What is written to the address of the doorbells is for them. */
    if (access->is_write &&
        access->address - cell_address(device->bus, device->cell) - DOORBELL >= 8 &&
        access->value != byte_values(access->address, access->size))
        fail("a write to %#jx of %#jx", (uintmax_t)access->address, (uintmax_t)access->value);
}

static enum io_outcome answer(void *context, struct io_access *access)
{
    struct device *device = context;
    struct vcpu *vcpu = this_vcpu;
    struct io_access asked = *access;

    expect_alive(device);
    check_access(device, access);
    vcpu->count[CALLS]++;
    vcpu->log->calls++;
    vcpu->log->last = device;
    if (below(&vcpu->random, device->kind == KIND_PAIR ? 32 : 1024) == 0)
        sched_yield(); /* time for others to remove it meanwhile */
    if (device->kind == KIND_TRIGGER)
        pull_trigger(vcpu, device->bus, device->cell);
    if (device->kind == KIND_OWN && access->is_write)
        remove_itself(vcpu, device);
    if (device->kind == KIND_PAIR)
        vcpu->log->pair_state[device->number] = device->pair_state;
    expect_alive(device);
    if (device->kind == KIND_TEMPORARY && below(&vcpu->random, 8) == 0) {
        memset(access, 0x5a, sizeof(*access)); /* no harm shall come of it */
        return IO_DECLINED;
    }
    if (device->kind == KIND_PERMANENT || device->kind == KIND_TRIGGER)
        vcpu->hits[device->bus][device->cell][device->number]++;
    vcpu->log->answered_bytes += asked.size;
    access->value = asked.is_write ? ~asked.value : byte_values(asked.address, asked.size);
    return IO_HANDLED;
}

/* Start and end. */

void devices_start(void)
{
    static const struct iobus_allocator allocator = {allocate, release, NULL};
    static const uint64_t address_last[BUSES] = {IOBUS_PORT_LAST, IOBUS_MMIO_LAST};

    for (unsigned bus = 0; bus < BUSES; bus++) {
        if (iobus_init(&buses[bus], address_last[bus], &allocator, iobus_tsc) != STATUS_OK)
            fail("no bus");
        for (unsigned cell = 0; cell < CELLS; cell++) {
            for (unsigned number = 0; number < PERMANENTS; number++) {
                if (number != PERMANENT_OUTER || !is_open(cell))
                    add_permanent(bus, cell, number);
            }
        }
    }
}

void devices_end(void)
{
    for (unsigned bus = 0; bus < BUSES; bus++)
        iobus_destroy(&buses[bus]);
    if (allocated_count != released_count)
        fail("%ju pieces of memory allocated, %ju released", (uintmax_t)allocated_count,
             (uintmax_t)released_count);
    totals[RELEASED] = released_count;
    totals[COMPLETIONS] = completions_come;
}
