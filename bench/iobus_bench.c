// SPDX-License-Identifier: BSD-2-Clause
/* Measures the bus beside other lookups, in one process, in rounds: each round measures every
 * scheme once, so that what disturbs the machine disturbs all of them; the median of the rounds
 * counts. Usage: iobus_bench JSON PLOT [CASE], the files to write, and the one case to measure. */
#include "bench/results.h"
#include "bench/runs.h"

#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROUNDS     31
#define SAMPLE_NS  1e6
#define CHECKED    512
#define RANGES_MAX 16384
#define MMIO_BEGIN UINT64_C(0xc0000000)

static double now_ns(void)
{
    struct timespec time;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static uint64_t random_u64(void)
{
    static uint64_t state = 1; /* splitmix64 */
    uint64_t z = state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static void *allocate(void *context, size_t size_bytes, size_t alignment_bytes)
{
    (void)context;
    return aligned_alloc(alignment_bytes, (size_bytes + 63) & ~(size_t)63);
}

static void release(void *context, void *memory, size_t size_bytes)
{
    (void)context;
    (void)size_bytes;
    free(memory);
}

static const struct iobus_allocator allocator = {allocate, release, NULL};

static void require(enum status status)
{
    if (status != STATUS_OK) {
        fprintf(stderr, "iobus_bench: the bus refuses: status %d\n", (int)status);
        exit(1);
    }
}

/* --- Filling --- */

static struct iobus_range range_of(const struct bench_entry *entry, struct iobus_match *match)
{
    struct iobus_range range = {
        .first = entry->first,
        .length_bytes = entry->length_bytes,
        .name = "device",
        .handler = entry->handler,
        .context = entry->device,
    };

    if (entry->device->has_data) {
        *match = (struct iobus_match){(uint8_t)entry->length_bytes, true, entry->device->data};
        range.match = match;
    } else {
        range.access_sizes = IOBUS_SIZES_ALL;
    }
    return range;
}

static void register_batch(struct iobus *bus, const struct bench_entry *entries, unsigned count)
{
    struct iobus_range *ranges = calloc(count, sizeof(*ranges));
    struct iobus_match *matches = calloc(count, sizeof(*matches));

    for (unsigned i = 0; i < count; i++)
        ranges[i] = range_of(&entries[i], &matches[i]);
    require(iobus_update(bus, &(struct iobus_change){.additions = ranges, .addition_count = count},
                         NULL));
    free(ranges);
    free(matches);
}

static void shuffle(struct bench_entry *entries, unsigned count)
{
    for (unsigned i = count; i > 1; i--) {
        unsigned other = (unsigned)(random_u64() % i);
        struct bench_entry moved = entries[i - 1];

        entries[i - 1] = entries[other];
        entries[other] = moved;
    }
}

static struct bench_entry *copy_entries(const struct bench_entry *entries, unsigned count)
{
    struct bench_entry *copy = malloc(count * sizeof(*copy));

    memcpy(copy, entries, count * sizeof(*copy));
    return copy;
}

/* Ports: count ranges of up to 8, spread over all ports. MMIO: windows of 256 bytes to 64 KiB with
 * gaps of 4 KiB to 1 MiB between, and one jump to beyond 4 GiB in the middle. */
static void place(struct bed *bed, bool is_mmio)
{
    uint64_t stride = 0x10000 / bed->count, next = MMIO_BEGIN;

    for (unsigned i = 0; i < bed->count; i++) {
        struct bench_device *device = &bed->devices[i];

        if (is_mmio) {
            device->length_bytes = UINT64_C(256) << random_u64() % 9;
            device->first = next;
            next += ((device->length_bytes + 0xfff) & ~UINT64_C(0xfff)) +
                    (1 + random_u64() % 256) * 0x1000;
            if (i == bed->count / 2)
                next += UINT64_C(0x100000000);
        } else {
            device->length_bytes = stride / 2 < 8 ? stride / 2 : 8;
            device->first = i * stride + random_u64() % (stride / 2);
        }
    }
}

static struct bed *make_bed(unsigned count, bool is_mmio, bool is_one_address)
{
    struct bed *bed = aligned_alloc(64, (sizeof(*bed) + 63) & ~(size_t)63);

    memset(bed, 0, sizeof(*bed));
    bed->address_last = is_mmio ? IOBUS_MMIO_LAST : IOBUS_PORT_LAST;
    bed->count = count;
    bed->size = is_mmio ? 4 : 1;
    bed->is_write = is_one_address;
    bed->devices = calloc(count, sizeof(*bed->devices));
    bed->entries = calloc(count, sizeof(*bed->entries));
    if (is_one_address) {
        for (unsigned i = 0; i < count; i++)
            bed->devices[i] = (struct bench_device){MMIO_BEGIN, 4, 0, i * 7u, true};
    } else {
        place(bed, is_mmio);
    }
    for (unsigned i = 0; i < count; i++)
        bed->entries[i] = (struct bench_entry){bed->devices[i].first, bed->devices[i].length_bytes,
                                               bench_device_access, &bed->devices[i]};

    bed->linear = (struct linear){copy_entries(bed->entries, count), count};
    shuffle(bed->linear.entries, count);
    bed->array = (struct array_2011){copy_entries(bed->entries, count), count};
    array_2011_sort(&bed->array);
    bed->tree.nodes = calloc(count, sizeof(*bed->tree.nodes));
    for (unsigned i = 0; i < count; i++)
        tree_hint_insert(&bed->tree, &bed->entries[i]);
    require(iobus_init(&bed->bus, bed->address_last, &allocator, iobus_tsc));
    require(iobus_reader_attach(&bed->bus, &bed->reader, NULL));
    iobus_reader_begin(&bed->reader);
    register_batch(&bed->bus, bed->entries, count);
    return bed;
}

static void free_bed(struct bed *bed)
{
    iobus_reader_park(&bed->reader);
    iobus_reader_detach(&bed->reader);
    iobus_destroy(&bed->bus);
    free(bed->tree.nodes);
    free(bed->array.entries);
    free(bed->linear.entries);
    free(bed->entries);
    free(bed->devices);
    free(bed);
}

/* --- Questions --- */

enum pattern { RANDOM_HITS, SAME_ADDRESS, MISSES };

/* An aligned access inside a device; of a doorbell, with its data. */
static void ask_device(struct bed *bed, unsigned i, const struct bench_entry *entry)
{
    const struct bench_device *device = entry->device;
    uint64_t slots = device->length_bytes / bed->size;

    bed->addresses[i] = device->first + random_u64() % slots * bed->size;
    bed->values[i] = device->data;
    bed->answering[i] = entry;
}

static void ask_nobody(struct bed *bed, unsigned i)
{
    unsigned after = (unsigned)(random_u64() % bed->count);
    const struct bench_device *device = &bed->devices[after];
    uint64_t begin = (device->first + device->length_bytes + 3) & ~UINT64_C(3);
    uint64_t end = after + 1 < bed->count ? bed->devices[after + 1].first : bed->address_last;

    begin = bed->size == 1 ? device->first + device->length_bytes : begin;
    if (begin + bed->size > end) { /* no gap behind this one */
        ask_nobody(bed, i);
        return;
    }
    bed->addresses[i] = begin + random_u64() % ((end - begin) / bed->size) * bed->size;
    bed->answering[i] = &bed->entries[after];
}

static void ask(struct bed *bed, enum pattern pattern)
{
    bed->position = 0;
    for (unsigned i = 0; i < STREAM; i++) {
        if (pattern == MISSES) {
            ask_nobody(bed, i);
        } else if (pattern == RANDOM_HITS || i == 0) {
            ask_device(bed, i, &bed->entries[random_u64() % bed->count]);
        } else {
            bed->addresses[i] = bed->addresses[0];
            bed->values[i] = bed->values[0];
            bed->answering[i] = bed->answering[0];
        }
    }
}

/* --- Running --- */

/* A scheme that calls other devices than the floor does is not worth measuring. */
static void check(struct bed *bed, bench_runner *run, bool is_miss)
{
    uint64_t expected = 0, sum = 0;

    for (unsigned i = 0; i < CHECKED && !is_miss; i++)
        expected += (uint64_t)(bed->answering[i] - bed->entries) + 1;
    for (unsigned i = 0; i < bed->count; i++)
        bed->devices[i].call_count = 0;
    bed->position = 0;
    run(bed, CHECKED);
    for (unsigned i = 0; i < bed->count; i++)
        sum += bed->devices[i].call_count * (i + 1);
    if (sum != expected) {
        fprintf(stderr, "iobus_bench: a scheme called the wrong devices\n");
        exit(1);
    }
}

static double sample(struct bed *bed, bench_runner *run, uint32_t count)
{
    double started = now_ns();

    run(bed, count);
    return (now_ns() - started) / count;
}

static uint32_t operations_for(double ns)
{
    double count = SAMPLE_NS / ns;

    return count < 16 ? 16 : count > 1e6 ? 1000000 : (uint32_t)count;
}

static void measure(struct bed *bed, const char *case_name, enum pattern pattern)
{
    double ns[SCHEME_COUNT][ROUNDS];
    uint32_t count[SCHEME_COUNT];

    ask(bed, pattern);
    for (unsigned scheme = 0; scheme < SCHEME_COUNT; scheme++) {
        if (pattern != MISSES || scheme != SCHEME_FLOOR)
            check(bed, bench_runners[scheme], pattern == MISSES);
        count[scheme] = operations_for(sample(bed, bench_runners[scheme], 64));
        count[scheme] = operations_for(sample(bed, bench_runners[scheme], count[scheme]));
    }
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned scheme = 0; scheme < SCHEME_COUNT; scheme++)
            ns[scheme][round] = sample(bed, bench_runners[scheme], count[scheme]);
    }
    for (unsigned scheme = 0; scheme < SCHEME_COUNT; scheme++)
        results_add(case_name, bed->count, scheme, median(ns[scheme], ROUNDS));
}

/* --- Registering --- */

#define REGISTER_ROUNDS 7
#define REGISTER_BUDGET_NS                                                                         \
    1e9                    /* a round that would exceed it is not begun; the first always is       \
                            */
#define EACH_2011_MAX 1000 /* it sorts anew for each: beyond, minutes */

static double register_ours(const struct bed *bed, bool is_batch)
{
    struct iobus bus;
    double started, ns;

    require(iobus_init(&bus, bed->address_last, &allocator, iobus_tsc));
    started = now_ns();
    if (is_batch)
        register_batch(&bus, bed->linear.entries, bed->count);
    for (unsigned i = 0; i < bed->count && !is_batch; i++) {
        struct iobus_match match;
        struct iobus_range range = range_of(&bed->linear.entries[i], &match);

        require(iobus_register(&bus, &range, NULL, NULL));
    }
    ns = now_ns() - started;
    iobus_destroy(&bus);
    return ns;
}

/* Copies the array with one more at the end, and sorts the copy. */
static double register_2011(const struct bed *bed, bool is_batch)
{
    struct array_2011 array = {0};
    double started = now_ns(), ns;

    for (unsigned i = is_batch ? bed->count - 1 : 0; i < bed->count; i++) {
        struct bench_entry *copy = malloc((i + 1) * sizeof(*copy));

        if (is_batch)
            memcpy(copy, bed->linear.entries, bed->count * sizeof(*copy));
        else if (i > 0)
            memcpy(copy, array.entries, i * sizeof(*copy));
        copy[i] = bed->linear.entries[i];
        free(array.entries);
        array = (struct array_2011){copy, i + 1};
        array_2011_sort(&array);
    }
    ns = now_ns() - started;
    free(array.entries);
    return ns;
}

static double register_tree(const struct bed *bed, bool is_batch)
{
    struct tree_hint tree = {.nodes = calloc(bed->count, sizeof(*tree.nodes))};
    double started = now_ns(), ns;

    (void)is_batch; /* it knows none */
    for (unsigned i = 0; i < bed->count; i++)
        tree_hint_insert(&tree, &bed->linear.entries[i]);
    ns = now_ns() - started;
    free(tree.nodes);
    return ns;
}

static void measure_registering(const struct bed *bed, const char *case_name, bool is_batch)
{
    static double (*const registering[SCHEME_COUNT])(const struct bed *, bool) = {
        [SCHEME_ARRAY_2011] = register_2011,
        [SCHEME_TREE_HINT] = register_tree,
        [SCHEME_OURS] = register_ours,
    };
    double ns[SCHEME_COUNT][REGISTER_ROUNDS], started = now_ns(), longest = 0;
    unsigned rounds = 0;

    while (rounds < REGISTER_ROUNDS &&
           (rounds == 0 || now_ns() - started + longest < REGISTER_BUDGET_NS)) {
        double begun = now_ns();

        for (unsigned scheme = 0; scheme < SCHEME_COUNT; scheme++) {
            ns[scheme][rounds] = 0;
            if (registering[scheme] != NULL &&
                (scheme != SCHEME_ARRAY_2011 || is_batch || bed->count <= EACH_2011_MAX))
                ns[scheme][rounds] = registering[scheme](bed, is_batch) / bed->count;
        }
        if (now_ns() - begun > longest)
            longest = now_ns() - begun;
        rounds++;
    }
    for (unsigned scheme = 0; scheme < SCHEME_COUNT; scheme++)
        results_add(case_name, bed->count, scheme, median(ns[scheme], rounds));
}

/* --- Reading while somebody writes --- */

struct writer {
    struct iobus *bus;
    uint64_t address;
    atomic_bool shall_write, shall_end;
    atomic_uint_fast64_t publications;
};

static void *write_without_pause(void *context)
{
    struct writer *writer = context;
    struct bench_device device = {.first = writer->address, .length_bytes = 1};
    const struct bench_entry entry = {device.first, 1, bench_device_access, &device};
    const struct iobus_range range = range_of(&entry, NULL);

    while (!atomic_load(&writer->shall_end)) {
        struct iobus_handle handle;

        if (!atomic_load(&writer->shall_write)) {
            nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
            continue;
        }
        require(iobus_register(writer->bus, &range, &handle, NULL));
        require(iobus_remove(writer->bus, handle, NULL));
        atomic_fetch_add(&writer->publications, 2);
    }
    return NULL;
}

static void measure_under_writer(struct bed *bed)
{
    struct writer writer = {.bus = &bed->bus};
    double quiet[ROUNDS], busy[ROUNDS], busy_ns = 0;
    uint32_t count;
    pthread_t thread;

    ask(bed, MISSES);
    writer.address = bed->addresses[0];
    ask(bed, RANDOM_HITS);
    count = 4 * operations_for(sample(bed, bench_run_vcpu, 100000));
    if (pthread_create(&thread, NULL, write_without_pause, &writer) != 0)
        exit(1);
    for (unsigned round = 0; round < ROUNDS; round++) {
        quiet[round] = sample(bed, bench_run_vcpu, count);
        atomic_store(&writer.shall_write, true);
        for (uint64_t begun = writer.publications; writer.publications < begun + 4;)
            iobus_reader_quiesce(&bed->reader);
        busy[round] = sample(bed, bench_run_vcpu, count);
        busy_ns += busy[round] * count;
        atomic_store(&writer.shall_write, false);
        nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
    }
    atomic_store(&writer.shall_end, true);
    pthread_join(thread, NULL);
    results_add("reader-under-writer", bed->count, SCHEME_OURS, median(busy, ROUNDS));
    results_add("reader-under-writer", bed->count, SCHEME_FLOOR, median(quiet, ROUNDS));
    printf("reader-under-writer, %u ranges: a publication every %.1f us or less\n", bed->count,
           busy_ns / 1e3 / (double)writer.publications);
}

static const unsigned range_counts[] = {1, 8, 32, 200, 1000, 4096, RANGES_MAX};
#define RANGE_COUNTS (sizeof(range_counts) / sizeof(range_counts[0]))

static const struct lookup_case {
    const char *name;
    bool is_mmio;
    enum pattern pattern;
} lookup_cases[] = {
    {"port-random", false, RANDOM_HITS}, {"mmio-random", true, RANDOM_HITS},
    {"port-same", false, SAME_ADDRESS},  {"mmio-same", true, SAME_ADDRESS},
    {"port-miss", false, MISSES},        {"mmio-miss", true, MISSES},
};

static bool is_wanted(const char *only, const char *case_name)
{
    return only == NULL || strcmp(only, case_name) == 0;
}

int main(int argc, char **argv)
{
    if (argc != 3 && argc != 4) {
        fprintf(stderr, "usage: %s JSON PLOT [CASE]\n", argv[0]);
        return 2;
    }
    const char *only = argc == 4 ? argv[3] : NULL;
    /* Large blocks too come from memory that is mapped already, as all of the monitor's is. */
    mallopt(M_MMAP_THRESHOLD, 1 << 30);
    mallopt(M_TRIM_THRESHOLD, 1 << 30);
    for (size_t i = 0; i < sizeof(lookup_cases) / sizeof(lookup_cases[0]); i++) {
        for (size_t j = 0; j < RANGE_COUNTS && is_wanted(only, lookup_cases[i].name); j++) {
            struct bed *bed = make_bed(range_counts[j], lookup_cases[i].is_mmio, false);

            measure(bed, lookup_cases[i].name, lookup_cases[i].pattern);
            free_bed(bed);
        }
    }
    for (size_t j = 0; range_counts[j] <= 1000 && is_wanted(only, "one-address"); j++) {
        struct bed *bed = make_bed(range_counts[j], true, true);

        measure(bed, "one-address", RANDOM_HITS);
        free_bed(bed);
    }
    for (unsigned is_batch = 0; is_batch < 2; is_batch++) {
        const char *case_name = is_batch ? "register-batch" : "register-each";

        for (size_t j = 0; j < RANGE_COUNTS && is_wanted(only, case_name); j++) {
            struct bed *bed = make_bed(range_counts[j], true, false);

            shuffle(bed->linear.entries, bed->count);
            measure_registering(bed, case_name, is_batch);
            free_bed(bed);
        }
    }
    for (size_t j = 3; j < 5 && is_wanted(only, "reader-under-writer"); j++) {
        struct bed *bed = make_bed(range_counts[j], false, false);

        measure_under_writer(bed);
        free_bed(bed);
    }
    results_print();
    results_print_reach();
    return results_write(argv[1], argv[2]) ? 0 : 1;
}
