// SPDX-License-Identifier: BSD-2-Clause
#include "arch/x86/exits/breakpoints.h"

/* The values of R/W0 to R/W3. 0 is a breakpoint on instructions. */
enum { RW_WRITE = 1, RW_PORT = 2, RW_READ_OR_WRITE = 3 };

static bool is_of_kind(uint64_t rw, enum breakpoint_access access)
{
    switch (access) {
    case BREAKPOINT_READ: return rw == RW_READ_OR_WRITE;
    case BREAKPOINT_WRITE: return rw == RW_WRITE || rw == RW_READ_OR_WRITE;
    case BREAKPOINT_PORT: return rw == RW_PORT;
    }
    return false;
}

uint64_t breakpoints_met(const struct breakpoints *breakpoints, enum breakpoint_access access,
                         uint64_t address, size_t size_bytes)
{
    static const uint8_t length_bytes[4] = {1, 2, 8, 4}; /* by LEN */
    uint64_t met = 0;

    for (unsigned i = 0; i < BREAKPOINT_COUNT; i++) {
        uint64_t length = length_bytes[breakpoints->dr7 >> (18 + 4 * i) & 3];
        uint64_t start = align_down(breakpoints->address[i], length);

        if ((breakpoints->dr7 >> 2 * i & 3) != 0 &&
            is_of_kind(breakpoints->dr7 >> (16 + 4 * i) & 3, access) &&
            (address - start < length || start - address < size_bytes))
            met |= BIT(i);
    }
    return met;
}
