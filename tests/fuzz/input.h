// SPDX-License-Identifier: BSD-2-Clause
/* What all fuzz targets share: a reader that cuts the fuzzer's bytes into numbers, and a check. A
 * target defines LLVMFuzzerTestOneInput. Bytes that are not there read as 0, so each input means
 * something; a target goes on while input_left. */
#ifndef TESTS_FUZZ_INPUT_H
#define TESTS_FUZZ_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The fuzzer's entry: runs the target on one input. Always returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

/* Ends the program if the condition does not hold, which is a finding. */
#define EXPECT(condition)                                                                          \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: EXPECT failed: %s\n", __FILE__, __LINE__, #condition);         \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

struct input {
    const uint8_t *next, *end;
};

/* Returns whether any byte is left. */
static inline bool input_left(const struct input *input)
{
    return input->next < input->end;
}

/* Returns the next size_bytes bytes (1..8) as a little-endian number. */
static inline uint64_t input_bytes(struct input *input, size_t size_bytes)
{
    uint64_t value = 0;

    for (size_t i = 0; i < size_bytes && input_left(input); i++)
        value |= (uint64_t)*input->next++ << 8 * i;
    return value;
}

static inline uint8_t input_u8(struct input *input)
{
    return (uint8_t)input_bytes(input, 1);
}

static inline uint16_t input_u16(struct input *input)
{
    return (uint16_t)input_bytes(input, 2);
}

static inline uint32_t input_u32(struct input *input)
{
    return (uint32_t)input_bytes(input, 4);
}

static inline uint64_t input_u64(struct input *input)
{
    return input_bytes(input, 8);
}

/* Returns a number below limit (1..65536), from one byte if that is enough for all of them. */
static inline unsigned input_below(struct input *input, unsigned limit)
{
    return (unsigned)(input_bytes(input, limit > 256 ? 2 : 1) % limit);
}

/* Returns a span of time in ns: 0 to some hours, of all magnitudes. */
static inline uint64_t input_span_ns(struct input *input)
{
    uint8_t magnitude = input_u8(input);

    return (uint64_t)input_u16(input) << magnitude % 29;
}

/* Takes the rest of the input as it is. */
static inline const uint8_t *input_rest(struct input *input, size_t *size_bytes)
{
    const uint8_t *rest = input->next;

    *size_bytes = (size_t)(input->end - input->next);
    input->next = input->end;
    return rest;
}

#endif
