// SPDX-License-Identifier: BSD-2-Clause
/* What readings of two counters say about their difference; and two processors, played by threads,
 * whose counters are compared and set. */
#include "tests/unit/unit.h"

#include "arch/x86/cpu.h"

#include <pthread.h>
#include <sched.h>
#include <string.h>

/* The processor's counter and MSRs, replaced by those of struct processor below. */
static uint64_t fake_rdtsc(void);
static uint64_t fake_rdmsr(uint32_t index);
static void fake_wrmsr(uint32_t index, uint64_t value);
static struct cpuid_result fake_cpuid_max(uint32_t leaf, uint32_t subleaf);
#define rdtsc_ordered fake_rdtsc
#define rdmsr         fake_rdmsr
#define wrmsr         fake_wrmsr
#define cpuid_max     fake_cpuid_max
#define cpu_pause     (void)sched_yield /* there may be one core for both */

/* Not in the portable library. */
#include "arch/x86/tsc_agreement.c"

static int64_t after_rounds(const uint64_t (*rounds)[3], size_t count)
{
    struct tsc_bounds bounds = TSC_BOUNDS_NONE;

    for (size_t i = 0; i < count; i++)
        bounds = tsc_bounds_narrow(bounds, rounds[i][0], rounds[i][1], rounds[i][2]);
    return tsc_bounds_difference(bounds);
}

#define AFTER(...)                                                                                 \
    after_rounds((const uint64_t[][3]){__VA_ARGS__},                                               \
                 sizeof((const uint64_t[][3]){__VA_ARGS__}) / sizeof(uint64_t[3]))

#define ROUND(before, other, after)                                                                \
    {                                                                                              \
        before, other, after                                                                       \
    }

static void test_agreement(void **state)
{
    (void)state;
    assert_int_equal(after_rounds(NULL, 0), 0);
    assert_int_equal(AFTER(ROUND(100, 100, 100)), 0);
    assert_int_equal(AFTER(ROUND(100, 150, 200)), 0);
    assert_int_equal(AFTER(ROUND(100, 100, 200), ROUND(300, 350, 350)), 0);
    /* A wrap of the counter in between. */
    assert_int_equal(AFTER(ROUND(UINT64_MAX - 5, UINT64_MAX, 5)), 0);
    assert_int_equal(AFTER(ROUND(UINT64_MAX - 5, 2, 5)), 0);
}

static void test_difference(void **state)
{
    (void)state;
    assert_int_equal(AFTER(ROUND(100, 99, 200)), -1);
    assert_int_equal(AFTER(ROUND(100, 201, 200)), 1);
    /* The quickest round tells the most; slow ones take nothing of it back. */
    assert_int_equal(AFTER(ROUND(100, 1150, 200), ROUND(1000, 2005, 1010), ROUND(0, 1500, 9000)),
                     995);
    assert_int_equal(AFTER(ROUND(5000, 4050, 5100), ROUND(6000, 5004, 6008)), -996);
    assert_int_equal(AFTER(ROUND(UINT64_MAX - 5, 100, 5)), 95);
    assert_int_equal(AFTER(ROUND(10, UINT64_MAX - 9, 20)), -20);
    /* Half the range apart is the furthest there is. */
    assert_int_equal(AFTER(ROUND(0, INT64_MAX, 0)), INT64_MAX);
}

static void test_middle(void **state)
{
    (void)state;
    assert_int_equal(tsc_bounds_middle((struct tsc_bounds){90, 110}), 100);
    assert_int_equal(tsc_bounds_middle((struct tsc_bounds){-110, -90}), -100);
    assert_int_equal(tsc_bounds_middle((struct tsc_bounds){-7, 8}), 0);
    assert_int_equal(tsc_bounds_middle((struct tsc_bounds){INT64_MIN, INT64_MAX}), -1);
}

/* --- Two processors --- */

struct processor {
    bool has_adjust;
    uint64_t adjust;
    uint64_t
        offset; /* of its counter; like adjust, but there before the counter was ever written */
};

/* One crystal for all: each look at it is a tick, and may take more. */
static _Atomic uint64_t crystal;
static uint64_t ticks_per_look;
static _Thread_local struct processor *this_processor;

static uint64_t fake_rdtsc(void)
{
    uint64_t ticks = atomic_fetch_add(&crystal, ticks_per_look);

    return ticks + this_processor->offset + this_processor->adjust;
}

static uint64_t fake_rdmsr(uint32_t index)
{
    assert_int_equal(index, IA32_TSC_ADJUST);
    assert_true(this_processor->has_adjust);
    return this_processor->adjust;
}

static void fake_wrmsr(uint32_t index, uint64_t value)
{
    if (index == IA32_TIME_STAMP_COUNTER) {
        this_processor->adjust += value - fake_rdtsc();
        return;
    }
    assert_int_equal(index, IA32_TSC_ADJUST);
    assert_true(this_processor->has_adjust);
    this_processor->adjust = value;
}

static struct cpuid_result fake_cpuid_max(uint32_t leaf, uint32_t subleaf)
{
    assert_int_equal(leaf, 7);
    assert_int_equal(subleaf, 0);
    return (struct cpuid_result){.ebx = this_processor->has_adjust ? CPUID_7_EBX_TSC_ADJUST : 0};
}

static struct tsc_agreement agreement;

static void *answer(void *processor)
{
    this_processor = processor;
    tsc_agreement_answer(&agreement);
    return NULL;
}

/* How much other is ahead of one, and in how many rounds that was found. */
static struct tsc_bounds compare(struct processor *one, struct processor *other, uint64_t limit,
                                 uint32_t *rounds)
{
    struct tsc_bounds bounds;
    pthread_t thread;

    memset(&agreement, 0, sizeof(agreement));
    assert_int_equal(pthread_create(&thread, NULL, answer, other), 0);
    this_processor = one;
    bounds = tsc_agreement_ask(&agreement, limit);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(agreement.asked, TSC_AGREEMENT_DONE);
    if (rounds != NULL)
        *rounds = agreement.answered;
    return bounds;
}

static int reset(void **state)
{
    (void)state;
    atomic_store(&crystal, 1000000);
    ticks_per_look = 1;
    return 0;
}

static void test_compare(void **state)
{
    struct processor one = {0}, other = {0};
    uint32_t rounds;

    (void)state;
    assert_int_equal(tsc_bounds_difference(compare(&one, &other, UINT64_MAX, &rounds)), 0);
    assert_int_equal(rounds, ROUNDS_MAX);
    /* Three looks a round: the bounds are one tick from what is right. */
    other.offset = -UINT64_C(5000);
    struct tsc_bounds bounds = compare(&one, &other, UINT64_MAX, &rounds);
    assert_int_equal(bounds.low, -5001);
    assert_int_equal(bounds.high, -4999);
    assert_int_equal(tsc_bounds_middle(bounds), -5000);
}

/* Rounds that take long: it ends early, and what differs is found all the same. */
static void test_compare_is_bounded(void **state)
{
    struct processor one = {0}, other = {.offset = 50000};
    uint32_t rounds;

    (void)state;
    ticks_per_look = 1000;
    assert_true(tsc_bounds_difference(compare(&one, &other, 1000, &rounds)) > 0);
    assert_int_equal(rounds, ROUNDS_MIN);
    /* Four looks from the start to the end of round 1, three more in each further one. */
    assert_true(tsc_bounds_difference(compare(&one, &other, 3000 * 50, &rounds)) > 0);
    assert_int_equal(rounds, 50);
    other.offset = 0;
    assert_int_equal(tsc_bounds_difference(compare(&one, &other, 1000, &rounds)), 0);
}

static void test_adjust(void **state)
{
    struct processor one = {.has_adjust = true, .adjust = 7},
                     other = {.has_adjust = true, .adjust = 7 - UINT64_C(5000)};
    uint64_t adjust = 0;

    (void)state;
    this_processor = &one;
    assert_true(tsc_read_adjust(&adjust));
    assert_int_equal(adjust, 7);
    this_processor = &other;
    tsc_write_adjust(adjust);
    assert_int_equal(other.adjust, 7);
    assert_int_equal(tsc_bounds_middle(compare(&one, &other, UINT64_MAX, NULL)), 0);
}

static void test_no_adjust(void **state)
{
    struct processor one = {0};
    uint64_t adjust = 42;

    (void)state;
    this_processor = &one;
    assert_false(tsc_read_adjust(&adjust));
    assert_int_equal(adjust, 42);
    tsc_write_adjust(5); /* asserts by itself */
    assert_int_equal(one.adjust, 0);
}

static void test_move(void **state)
{
    static const uint64_t offsets[] = {5000, -UINT64_C(5000), UINT64_C(1) << 62, 1};

    (void)state;
    for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
        for (unsigned has_adjust = 0; has_adjust < 2; has_adjust++) {
            struct processor one = {0}, other = {.has_adjust = has_adjust, .offset = offsets[i]};
            int64_t ticks = tsc_bounds_middle(compare(&one, &other, UINT64_MAX, NULL));

            assert_int_equal((uint64_t)ticks, offsets[i]);
            this_processor = &other;
            tsc_move(-ticks);
            /* A write of the counter itself comes one look late. */
            ticks = tsc_bounds_middle(compare(&one, &other, UINT64_MAX, NULL));
            assert_int_equal(ticks, has_adjust ? 0 : -1);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_agreement),
        cmocka_unit_test(test_difference),
        cmocka_unit_test(test_middle),
        cmocka_unit_test_setup(test_compare, reset),
        cmocka_unit_test_setup(test_compare_is_bounded, reset),
        cmocka_unit_test_setup(test_adjust, reset),
        cmocka_unit_test_setup(test_no_adjust, reset),
        cmocka_unit_test_setup(test_move, reset),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
