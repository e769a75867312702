// SPDX-License-Identifier: BSD-2-Clause
/* Numbers at random; the same seed gives the same ones. The generator is SplitMix64 (Steele, Lea,
 * Flood: Fast Splittable Pseudorandom Number Generators, OOPSLA 2014). */
#ifndef TESTS_UNIT_RANDOM_H
#define TESTS_UNIT_RANDOM_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* Where random_u64 and random_below are; a test may set it to any number. */
static uint64_t random_state = 1;

static inline uint64_t random_next(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static inline uint64_t random_u64(void)
{
    return random_next(&random_state);
}

/* From 0 to limit - 1; limit is not 0. */
static inline uint64_t random_below(uint64_t limit)
{
    return random_u64() % limit;
}

/* Begins with the seed in this variable of the environment, or with the time if there is none, and
 * prints it as it has to be given to repeat the run. Returns it. */
static inline uint64_t random_begin(const char *name)
{
    const char *text = getenv(name);

    random_state = text != NULL ? strtoull(text, NULL, 0) : (uint64_t)time(NULL);
    printf("%s=%ju\n", name, (uintmax_t)random_state);
    fflush(stdout);
    return random_state;
}

#endif
