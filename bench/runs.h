// SPDX-License-Identifier: BSD-2-Clause
/* The loops that are measured. */
#ifndef BENCH_RUNS_H
#define BENCH_RUNS_H

#include "bench/results.h"
#include "bench/schemes.h"
#include "vmm/iobus/iobus.h"

#define STREAM UINT32_C(16384) /* questions, asked over and over; a power of two */

/* The devices of a measurement, every scheme filled with them, and what is asked. */
struct bed {
    uint64_t address_last;
    unsigned count;
    uint8_t size;
    bool is_write;
    struct bench_device *devices;
    struct bench_entry *entries; /* in address order */
    struct linear linear;        /* shuffled */
    struct array_2011 array;
    struct tree_hint tree;
    struct iobus bus;
    struct iobus_reader reader;
    uint64_t addresses[STREAM], values[STREAM];
    const struct bench_entry *answering[STREAM]; /* for a miss, some other */
    uint32_t position;
};

/* Asks the next count questions. */
typedef void bench_runner(struct bed *bed, uint32_t count);

extern bench_runner *const bench_runners[SCHEME_COUNT];

/* Ours, quiescent after every access, as a vCPU is. */
bench_runner bench_run_vcpu;

#endif
