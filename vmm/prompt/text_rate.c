// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/prompt/text_rate.h"

bool text_rate_take(struct text_rate *rate, const struct text_rate_limit *limit, uint64_t now_ticks,
                    uint64_t size_bytes)
{
    uint64_t full = rate->full_ticks > now_ticks ? rate->full_ticks : now_ticks;
    uint64_t missing = (full - now_ticks + limit->ticks_a_byte - 1) / limit->ticks_a_byte;

    if (size_bytes > limit->burst_bytes || missing > limit->burst_bytes - size_bytes)
        return false;
    rate->full_ticks = full + size_bytes * limit->ticks_a_byte;
    return true;
}

struct text_rate_limit text_rate_share(uint64_t ticks_a_second, uint64_t bytes_a_second,
                                       uint64_t room_bytes, uint64_t count)
{
    uint64_t rate = bytes_a_second / 2 / count;
    struct text_rate_limit limit = {.burst_bytes = room_bytes / count};

    if (rate < TEXT_RATE_BYTES_MIN)
        rate = TEXT_RATE_BYTES_MIN;
    limit.ticks_a_byte = ticks_a_second / rate > 0 ? ticks_a_second / rate : 1;
    if (limit.burst_bytes < TEXT_RATE_BURST_MIN)
        limit.burst_bytes = TEXT_RATE_BURST_MIN;
    return limit;
}
