// SPDX-License-Identifier: BSD-2-Clause
/* Opcodes of one to three bytes, as rows of a list. */
#ifndef TESTS_UNIT_OPCODE_BYTES_H
#define TESTS_UNIT_OPCODE_BYTES_H

#include <stdint.h>

/* The unused bytes come after it and are 0. */
struct opcode {
    uint8_t length, bytes[3];
};

/* Of the one-byte map, of the map behind 0F, of the map behind 0F 38. */
#define O1(a) ((struct opcode){1, {a}})
#define O2(a) ((struct opcode){2, {0x0f, a}})
#define O3(a) ((struct opcode){3, {0x0f, 0x38, a}})

#endif
