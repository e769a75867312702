// SPDX-License-Identifier: BSD-2-Clause
/* The bus under real threads: two vCPUs that access, one writer that registers and removes without
 * pause, and one thread that reclaims and reports. tests/stress/run.py builds it with a sanitizer.
 *
 * Each bus is cut into cells, all alike (the offsets below). In most cells a permanent device
 * lies under everything, so that no access there may go unanswered; in open ones nothing does.
 * Whoever answers gives every byte the value of its address, so that an answer joined from several
 * devices can be checked. A device is poisoned and freed by its completion; the memory of tables,
 * when the bus gives it back.
 *
 * Environment: STRESS_LOOKUPS, how many accesses in all; STRESS_SEED. Ends with "N passed, N
 * failed", one for each line before; the first violation ends the run. */
#include "tests/stress/devices.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* What may wait for a quiescent vCPU at once, in updates. A table of ports takes 130 KiB. */
#define WAITING_MAX 64

/* The writer makes this many updates without pause, on the average, then leaves its processor for
 * PAUSE_FACTOR times as long to the vCPUs, of which there are as many as processors. */
#define BURST_MEAN   16
#define PAUSE_FACTOR 3

static struct vcpu vcpus[VCPUS];
static uint64_t writer_random;
static bool burst_fails; /* the writer finds no memory for temporaries, nor for removals of pairs */
static _Atomic unsigned vcpus_running;
static uint64_t lookups_per_vcpu;

/* By the writer alone. */
static struct device *temporaries[BUSES][CELLS][TEMPORARIES];
static struct device *pairs[BUSES][CELLS][2];

/* The state of a pair by number: begun before the update, ended after it. */
static _Atomic uint64_t pair_begun[BUSES][CELLS], pair_ended[BUSES][CELLS];

static bool pair_is_absent(uint64_t state)
{
    return state % 4 == 0;
}

/* The vCPUs. */

/* Every byte has its value, or is one that nobody answered: not where something permanent is. */
static void check_bytes(const struct io_access *access, const struct log *log, bool is_covered)
{
    uint64_t expected = byte_values(access->address, access->size);
    unsigned answered = 0;

    if (access->is_write) {
        answered = log->answered_bytes;
    } else {
        for (unsigned i = 0; i < access->size; i++) {
            uint8_t is = (uint8_t)(access->value >> 8 * i);

            if (is == (uint8_t)(expected >> 8 * i))
                answered++;
            else if (is != 0xff)
                fail("a read at %#jx of %u bytes gives %#jx", (uintmax_t)access->address,
                     access->size, (uintmax_t)access->value);
        }
    }
    if (answered != log->answered_bytes || (is_covered && answered != access->size))
        fail("an access at %#jx of %u bytes: %u answered, %u arrived", (uintmax_t)access->address,
             access->size, log->answered_bytes, answered);
}

static struct log access_and_log(struct vcpu *vcpu, unsigned bus, unsigned cell, unsigned offset,
                                 unsigned size, bool is_write)
{
    struct io_access access = {
        .address = cell_address(bus, cell) + offset,
        .size = (uint8_t)size,
        .is_write = is_write,
    };

    if (is_write)
        access.value = byte_values(access.address, size);

    struct log log = vcpu_access(vcpu, bus, &access);

    check_bytes(&access, &log, !is_open(cell) || offset + size <= INNER_BYTES);
    vcpu->count[COVERED]++;
    return log;
}

static void expect_only(const struct log *log, const struct device *device)
{
    if (log->calls != 1 || log->last != device)
        fail("the permanent %s of cell %u: %u calls", device->name, device->cell, log->calls);
}

static void access_inner(struct vcpu *vcpu, unsigned bus, unsigned cell)
{
    unsigned size = 1u << below(&vcpu->random, 4);
    unsigned offset = below(&vcpu->random, INNER_BYTES) & ~(size - 1);
    struct log log = access_and_log(vcpu, bus, cell, INNER + offset, size, below(&vcpu->random, 2));

    expect_only(&log, permanent(bus, cell, PERMANENT_INNER));
    vcpu->count[ALONE]++;
}

static void access_pair(struct vcpu *vcpu, unsigned bus, unsigned cell)
{
    uint64_t least = atomic_load_explicit(&pair_ended[bus][cell], memory_order_acquire);
    struct log log = access_and_log(vcpu, bus, cell, PAIR, 8, false);
    uint64_t most = atomic_load_explicit(&pair_begun[bus][cell], memory_order_relaxed);
    uint64_t state = log.pair_state[0];

    if (log.pair_state[1] != state)
        fail("halves of one access from states %ju and %ju", (uintmax_t)state,
             (uintmax_t)log.pair_state[1]);
    if (state == 0) /* absent: is it at one of these states? */
        state = least + (4 - least % 4) % 4;
    if (state < least || state > most)
        fail("a pair at state %ju, which has been %ju and will be %ju", (uintmax_t)state,
             (uintmax_t)least, (uintmax_t)most);
    vcpu->count[WHOLE]++;
}

static void access_doorbell(struct vcpu *vcpu, unsigned bus, unsigned cell)
{
    static const uint64_t others[] = {100, 101, 200, 7};
    unsigned number = below(&vcpu->random, DOORBELLS + 2);
    struct io_access access = {
        .address = cell_address(bus, cell) + DOORBELL,
        .value = number < DOORBELLS ? number + 1 : others[below(&vcpu->random, 4)],
        .size = number < DOORBELLS ? 4 : (uint8_t)(1u << below(&vcpu->random, 4)),
        .is_write = true,
    };
    struct log log = vcpu_access(vcpu, bus, &access);

    check_bytes(&access, &log, !is_open(cell) || number < DOORBELLS);
    if (number < DOORBELLS) {
        expect_only(&log, permanent(bus, cell, PERMANENT_DOORBELL + number));
        vcpu->count[RUNG]++;
    }
}

/* The doorbell that hangs alone and takes anything. */
static void ring(struct vcpu *vcpu, unsigned bus, unsigned cell)
{
    struct log log = access_and_log(vcpu, bus, cell, RING, 1u << below(&vcpu->random, 4), true);

    expect_only(&log, permanent(bus, cell, PERMANENT_RING));
    vcpu->count[RUNG_ALONE]++;
}

/* Somewhere in an area that registrations come and go in, however it is aligned. */
static void access_area(struct vcpu *vcpu, unsigned bus, unsigned cell, unsigned first,
                        unsigned length)
{
    unsigned size = 1u << below(&vcpu->random, 4);

    access_and_log(vcpu, bus, cell, first + below(&vcpu->random, length - size + 1), size,
                   below(&vcpu->random, 2));
}

static void access_nothing(struct vcpu *vcpu, unsigned bus, unsigned cell)
{
    struct log log = access_and_log(vcpu, bus, cell | 3, NOTHING, 4, below(&vcpu->random, 2));

    if (log.calls != 0)
        fail("a call where nothing is registered");
}

static void access_something(struct vcpu *vcpu)
{
    unsigned bus = below(&vcpu->random, BUSES), cell = below(&vcpu->random, CELLS);
    unsigned choice = below(&vcpu->random, 10000);

    if (choice < 4500)
        access_inner(vcpu, bus, cell);
    else if (choice < 6000)
        access_pair(vcpu, bus, cell % PAIR_CELLS);
    else if (choice < 7500)
        access_doorbell(vcpu, bus, cell);
    else if (choice < 8600)
        access_area(vcpu, bus, cell, NESTED, NESTED_BYTES);
    else if (choice < 9700)
        access_area(vcpu, bus, cell, INNER + INNER_BYTES, AROUND_BYTES - INNER_BYTES);
    else if (choice < 9850)
        ring(vcpu, bus, cell);
    else if (choice < 9998)
        access_nothing(vcpu, bus, cell);
    else if (choice < 9999)
        access_and_log(vcpu, bus, cell, OWN + vcpu->number * OWN_BYTES, 8, true);
    else
        access_and_log(vcpu, bus, cell, TRIGGER + vcpu->number * OWN_BYTES, 4, true);
}

static void halt(struct vcpu *vcpu)
{
    for (unsigned bus = 0; bus < BUSES; bus++)
        iobus_reader_park(&vcpu->readers[bus]);
    if (below(&vcpu->random, 4) == 0)
        sched_yield();
    vcpu->count[PARKED]++;
    if (below(&vcpu->random, 64) != 0)
        return;
    for (unsigned bus = 0; bus < BUSES; bus++) {
        iobus_reader_detach(&vcpu->readers[bus]);
        if (iobus_reader_attach(&buses[bus], &vcpu->readers[bus], NULL) != STATUS_OK)
            fail("a vCPU was not attached");
    }
    vcpu->count[ATTACHED]++;
}

static void *run_vcpu(void *context)
{
    struct vcpu *vcpu = context;

    this_vcpu = vcpu;
    while (vcpu->count[LOOKUPS] < lookups_per_vcpu) {
        for (unsigned bus = 0; bus < BUSES; bus++)
            iobus_reader_begin(&vcpu->readers[bus]);
        for (unsigned i = 1 + below(&vcpu->random, 8); i > 0; i--)
            access_something(vcpu);
        if (below(&vcpu->random, 256) == 0) {
            halt(vcpu);
            continue;
        }
        for (unsigned bus = 0; bus < BUSES; bus++)
            iobus_reader_quiesce(&vcpu->readers[bus]);
    }
    for (unsigned bus = 0; bus < BUSES; bus++)
        iobus_reader_park(&vcpu->readers[bus]);
    atomic_fetch_sub(&vcpus_running, 1);
    return NULL;
}

/* The writer. */

static void update_temporaries(unsigned bus, unsigned cell)
{
    struct device *added[BATCH_MAX], *removed[BATCH_MAX];
    unsigned added_count = 0, removed_count = 0;
    unsigned count = 1 + below(&writer_random, BATCH_MAX),
             start = below(&writer_random, TEMPORARIES);
    bool is_removal = burst_fails || below(&writer_random, 3) == 0;
    enum status status, expected;

    for (unsigned i = 0; i < count; i++) {
        struct device *device = temporaries[bus][cell][(start + i) % TEMPORARIES];

        if (device != NULL)
            removed[removed_count++] = device;
        else if (!is_removal)
            added[added_count++] = temporary_make(bus, cell, (start + i) % TEMPORARIES);
    }
    memory_fails = burst_fails || below(&writer_random, 8) == 0;
    expected = memory_fails && added_count != 0 ? STATUS_NO_MEMORY : STATUS_OK;
    if (expected == STATUS_NO_MEMORY)
        totals[REFUSED]++;
    else if (memory_fails && removed_count != 0)
        totals[BURIED]++;
    status = update(bus, added, added_count, removed, removed_count);
    memory_fails = false;
    if (status != expected)
        fail("an update: status %d, not %d", status, expected);
    if (status != STATUS_OK)
        return;
    totals[added_count + removed_count == 1 ? SINGLES : BATCHES]++;
    for (unsigned i = 0, next = 0; i < count; i++) {
        struct device **place = &temporaries[bus][cell][(start + i) % TEMPORARIES];

        if (*place != NULL)
            *place = NULL;
        else if (!is_removal)
            *place = added[next++];
    }
}

/* Both halves of a pair go and come in the same update. */
static void update_pair(unsigned bus, unsigned cell)
{
    struct device **pair = pairs[bus][cell], *added[2];
    uint64_t state = atomic_load_explicit(&pair_begun[bus][cell], memory_order_relaxed) + 1;
    bool is_absent = pair_is_absent(state);

    for (unsigned half = 0; half < 2 && !is_absent; half++)
        added[half] = pair_make(bus, cell, half, state);
    atomic_store_explicit(&pair_begun[bus][cell], state, memory_order_relaxed);
    memory_fails = is_absent && (burst_fails || below(&writer_random, 2) == 0);
    totals[BURIED] += memory_fails;
    if (update(bus, added, is_absent ? 0 : 2, pair, pair[0] == NULL ? 0 : 2) != STATUS_OK)
        fail("a pair was not updated");
    memory_fails = false;
    atomic_store_explicit(&pair_ended[bus][cell], state, memory_order_release);
    totals[BATCHES]++;
    for (unsigned half = 0; half < 2; half++)
        pair[half] = is_absent ? NULL : added[half];
}

static uint64_t now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void *run_writer(void *context)
{
    uint64_t burst_start_us = now_us();

    while (atomic_load(&vcpus_running) != 0) {
        /* A table of ports takes ten times as long. */
        unsigned bus = below(&writer_random, 8) == 0 ? PORTS : MMIO;
        unsigned cell = below(&writer_random, CELLS);

        if (below(&writer_random, 3) == 0)
            update_pair(bus, cell % PAIR_CELLS);
        else
            update_temporaries(bus, cell);
        while (updates_waiting() > WAITING_MAX && atomic_load(&vcpus_running) != 0) {
            sched_yield();
            iobus_reclaim(&buses[bus]);
            bus = (bus + 1) % BUSES;
        }
        if (below(&writer_random, BURST_MEAN) == 0) {
            usleep((useconds_t)((now_us() - burst_start_us) * PAUSE_FACTOR));
            burst_start_us = now_us();
            burst_fails = below(&writer_random, 4) == 0;
        }
    }
    return context;
}

/* Who is neither: reclaims, and walks through the registrations. */

static void visit(void *context, const struct iobus_range_info *info)
{
    unsigned *permanent_count = context;

    *permanent_count += info->name[0] == 'p';
    if (strcmp(info->name, SILENT_NAME) != 0)
        return;
    totals[SILENT]++;
    if (info->hits != 0)
        fail("%ju hits of a range that nobody accesses", (uintmax_t)info->hits);
}

static void visit_unclaimed(void *context, const struct iobus_unclaimed_count *count)
{
    *(uint64_t *)context += count->read_count + count->write_count;
}

static void *run_reclaimer(void *context)
{
    while (atomic_load(&vcpus_running) != 0) {
        for (unsigned bus = 0; bus < BUSES; bus++) {
            unsigned permanent_count = 0;
            uint64_t unclaimed = 0;

            for (unsigned i = 0; i < 64; i++) {
                iobus_reclaim(&buses[bus]);
                usleep(500);
            }
            iobus_for_each_range(&buses[bus], visit, &permanent_count);
            iobus_for_each_unclaimed(&buses[bus], visit_unclaimed, &unclaimed);
            if (permanent_count != CELLS / 4 * (4 * PERMANENTS - 1))
                fail("%u permanent ranges in the report", permanent_count);
            totals[RECLAIMS] += 64;
        }
    }
    return context;
}

/* Start and end. */

static void count_hits(void *context, const struct iobus_range_info *info)
{
    unsigned *bus = context, cell, number;
    uint64_t hits = 0;

    if (sscanf(info->name, "p%u.%u", &cell, &number) != 2)
        return;
    for (unsigned i = 0; i < VCPUS; i++)
        hits += vcpus[i].hits[*bus][cell][number];
    if (hits != info->hits)
        fail("%s of bus %u: %ju hits counted, %ju made", info->name, *bus, (uintmax_t)info->hits,
             (uintmax_t)hits);
    totals[HITS] += hits != 0;
}

static void start(uint64_t seed)
{
    devices_start();
    writer_random = seed;
    for (unsigned i = 0; i < VCPUS; i++) {
        vcpus[i].number = i;
        vcpus[i].random = seed + UINT64_C(0x5851f42d4c957f2d) * (i + 1);
        for (unsigned bus = 0; bus < BUSES; bus++) {
            if (iobus_reader_attach(&buses[bus], &vcpus[i].readers[bus], NULL) != STATUS_OK)
                fail("a vCPU was not attached");
        }
    }
    atomic_store(&vcpus_running, VCPUS);
}

static void end(void)
{
    for (unsigned bus = 0; bus < BUSES; bus++) {
        for (unsigned i = 0; i < VCPUS; i++)
            iobus_reader_detach(&vcpus[i].readers[bus]);
        iobus_for_each_range(&buses[bus], count_hits, &bus);
        if (iobus_reclaim(&buses[bus]) != 0)
            fail("tables still wait, but no vCPU is there");
    }
    for (unsigned i = 0; i < VCPUS; i++) {
        for (unsigned row = 0; row < COUNTS; row++)
            totals[row] += vcpus[i].count[row];
    }
    if (updates_waiting() != 0)
        fail("%ju completions have not come", (uintmax_t)updates_waiting());
    devices_end();
}

static uint64_t setting(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);

    return text != NULL ? strtoull(text, NULL, 0) : otherwise;
}

int main(void)
{
    static const char *const meanings[COUNTS] = {
        [LOOKUPS] = "accesses",
        [CALLS] = "calls, each of a device that lived and had the address",
        [ALONE] = "a permanent device answers, and nobody else is asked",
        [COVERED] = "no byte missed, none invented",
        [WHOLE] = "an access is answered from one table, and not from an outdated one",
        [RUNG] = "a doorbell rings for its data",
        [RUNG_ALONE] = "a doorbell rings whatever is written",
        [HANDLER_ADDED] = "handlers that register, and find it at once",
        [HANDLER_REMOVED] = "handlers that remove, and do not find it any more",
        [SELF_REMOVED] = "handlers that remove themselves, and live until they have returned",
        [PARKED] = "parks",
        [ATTACHED] = "vCPUs detached and attached",
        [SINGLES] = "updates of one registration",
        [BATCHES] = "updates of several at once",
        [BURIED] = "removals that found no memory, and were made",
        [REFUSED] = "additions that found no memory, and left everything as it was",
        [SILENT] = "counters of new registrations that nobody else counted in",
        [RECLAIMS] = "reclaims by a third thread",
        [COMPLETIONS] = "completions, each once, after the last use",
        [HITS] = "permanent registrations whose hits add up",
        [RELEASED] = "pieces of memory given back, which is all",
    };
    uint64_t seed = setting("STRESS_SEED", (uint64_t)time(NULL));
    pthread_t threads[VCPUS], writer, reclaimer;
    unsigned failed = 0;

    setvbuf(stdout, NULL, _IOLBF, 0);
    lookups_per_vcpu = setting("STRESS_LOOKUPS", 10000000) / VCPUS;
    printf("STRESS_SEED=%ju STRESS_LOOKUPS=%ju\n", (uintmax_t)seed,
           (uintmax_t)lookups_per_vcpu * VCPUS);
    start(seed);
    for (unsigned i = 0; i < VCPUS; i++) {
        if (pthread_create(&threads[i], NULL, run_vcpu, &vcpus[i]) != 0)
            fail("no thread");
    }
    if (pthread_create(&writer, NULL, run_writer, NULL) != 0 ||
        pthread_create(&reclaimer, NULL, run_reclaimer, NULL) != 0)
        fail("no thread");
    for (unsigned i = 0; i < VCPUS; i++)
        pthread_join(threads[i], NULL);
    pthread_join(writer, NULL);
    pthread_join(reclaimer, NULL);
    end();
    for (unsigned row = 0; row < COUNTS; row++) {
        failed += totals[row] == 0; /* what did not happen was not tested */
        printf("%s %11ju %s\n", totals[row] == 0 ? "FAIL" : "ok  ", (uintmax_t)totals[row],
               meanings[row]);
    }
    printf("%u passed, %u failed\n", COUNTS - failed, failed);
    return failed != 0;
}
