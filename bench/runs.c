// SPDX-License-Identifier: BSD-2-Clause
/* As the monitor is built: the vector registers are the guest's. */
#pragma GCC target("general-regs-only")

#include "bench/runs.h"
#include "vmm/iobus/fast.h"

#define DEFINE_RUN(name, statement)                                                                \
    static __attribute__((noinline, flatten)) void run_##name(struct bed *bed, uint32_t count)     \
    {                                                                                              \
        uint32_t at = bed->position;                                                               \
        uint64_t tsc = iobus_read_tsc(); /* of the exit, then after each handler */                \
                                                                                                   \
        for (; count > 0; count--, at = (at + 1) & (STREAM - 1)) {                                 \
            struct io_access access = {.address = bed->addresses[at],                              \
                                       .value = bed->values[at],                                   \
                                       .size = bed->size,                                          \
                                       .is_write = bed->is_write};                                 \
                                                                                                   \
            statement;                                                                             \
            __asm__ volatile("" : : "m"(access));                                                  \
        }                                                                                          \
        (void)tsc;                                                                                 \
        bed->position = at;                                                                        \
    }

/* The accounts of any scheme would need the time after each access, as ours do. */
#define DEFINE_TIMED_RUN(name, statement) DEFINE_RUN(name, (statement, tsc = iobus_read_tsc()))

DEFINE_TIMED_RUN(linear, linear_access(&bed->linear, &access))
DEFINE_TIMED_RUN(array_2011, array_2011_access(&bed->array, &access))
DEFINE_TIMED_RUN(tree_hint, tree_hint_access(&bed->tree, &access))
DEFINE_RUN(ours, iobus_access_timed(&bed->bus, &bed->reader, &access, &tsc))
DEFINE_TIMED_RUN(floor, direct_access(bed->answering[at], &access))
DEFINE_RUN(vcpu, (iobus_access_timed(&bed->bus, &bed->reader, &access, &tsc),
                  iobus_reader_quiesce(&bed->reader)))

bench_runner *const bench_runners[SCHEME_COUNT] = {
    [SCHEME_LINEAR] = run_linear,       [SCHEME_ARRAY_2011] = run_array_2011,
    [SCHEME_TREE_HINT] = run_tree_hint, [SCHEME_OURS] = run_ours,
    [SCHEME_FLOOR] = run_floor,
};

void bench_run_vcpu(struct bed *bed, uint32_t count)
{
    run_vcpu(bed, count);
}
