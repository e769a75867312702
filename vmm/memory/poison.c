// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/memory/poison.h"

static inline uint64_t word_at(const uint8_t *memory)
{
    uint64_t word;

    __builtin_memcpy(&word, memory, sizeof(word)); /* never a call, which takes longer */
    return word;
}

/* Returns whether the eight words at memory all have this value. */
static inline bool eight_are(const uint8_t *memory, uint64_t value)
{
    uint64_t difference = (word_at(memory) ^ value) | (word_at(memory + 8) ^ value) |
                          (word_at(memory + 16) ^ value) | (word_at(memory + 24) ^ value) |
                          (word_at(memory + 32) ^ value) | (word_at(memory + 40) ^ value) |
                          (word_at(memory + 48) ^ value) | (word_at(memory + 56) ^ value);

    return difference == 0;
}

uint64_t poison_find(const uint8_t *memory, uint64_t size_bytes, uint8_t byte)
{
    const uint64_t step = 64, value = UINT64_C(0x0101010101010101) * byte;
    uint64_t at = 0;

    while (at + step <= size_bytes && eight_are(memory + at, value))
        at += step;
    for (; at < size_bytes; at++) {
        if (memory[at] != byte)
            return at;
    }
    return POISON_INTACT;
}
