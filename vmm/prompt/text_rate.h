// SPDX-License-Identifier: BSD-2-Clause
/* How much text somebody may print: a token bucket, kept as the time at which it is full again (the
 * "theoretical arrival time" of ITU-T I.371, annex A, "Generic cell rate algorithm"). */
#ifndef VMM_PROMPT_TEXT_RATE_H
#define VMM_PROMPT_TEXT_RATE_H

#include "vmm/base/types.h"

/* A bucket of all zero is full. */
struct text_rate {
    uint64_t full_ticks; /* when the bucket is full again, in ticks of the caller's clock */
};

/* What a bucket holds, and how fast it fills. */
struct text_rate_limit {
    uint64_t ticks_a_byte; /* the bucket gets a byte each time these have passed; at least 1 */
    uint64_t burst_bytes;  /* the bucket holds so many bytes */
};

/* Takes size_bytes out of the bucket. now_ticks does not run backwards by more than processors'
 * clocks differ. Returns false, and takes nothing, if the bucket holds less. */
MUST_USE bool text_rate_take(struct text_rate *rate, const struct text_rate_limit *limit,
                             uint64_t now_ticks, uint64_t size_bytes);

/* Returns the share of one of count guests (at least 1) in a line that carries bytes_a_second (at
 * least 1) of a clock with ticks_a_second, and in a ring that has room for room_bytes of all guests'
 * text: half of the line and all of the room, in equal parts, but at least TEXT_RATE_BURST_MIN bytes
 * at once and TEXT_RATE_BYTES_MIN each second. */
struct text_rate_limit text_rate_share(uint64_t ticks_a_second, uint64_t bytes_a_second,
                                       uint64_t room_bytes, uint64_t count);

#define TEXT_RATE_BURST_MIN 1024
#define TEXT_RATE_BYTES_MIN 256

#endif
