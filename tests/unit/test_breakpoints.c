// SPDX-License-Identifier: BSD-2-Clause
/* The comparison of accesses with breakpoints, against one that goes byte by byte. */
#include "tests/unit/unit.h"

#include "arch/x86/exits/breakpoints.h"
#include "tests/unit/random.h"
#include "tests/unit/rounds.h"

static bool covers(const struct breakpoints *b, unsigned i, uint64_t byte)
{
    switch (b->dr7 >> (18 + 4 * i) & 3) {
    case 0: return byte == b->address[i];
    case 1: return byte >> 1 == b->address[i] >> 1;
    case 2: return byte >> 3 == b->address[i] >> 3;
    default: return byte >> 2 == b->address[i] >> 2;
    }
}

static uint64_t met_bytewise(const struct breakpoints *b, enum breakpoint_access access,
                             uint64_t address, size_t size_bytes)
{
    uint64_t met = 0;

    for (unsigned i = 0; i < 4; i++) {
        unsigned rw = b->dr7 >> (16 + 4 * i) & 3;
        bool fits = access == BREAKPOINT_PORT    ? rw == 2
                    : access == BREAKPOINT_WRITE ? rw == 1 || rw == 3
                                                 : rw == 3;

        for (size_t n = 0; n < size_bytes; n++) {
            if (fits && (b->dr7 >> 2 * i & 3) != 0 && covers(b, i, address + n))
                met |= BIT(i);
        }
    }
    return met;
}

static void test_as_bytewise(void **state)
{
    static const size_t sizes[] = {1, 2, 4, 8, 16};
    unsigned count = 0;

    (void)state;
    for (unsigned round = 0; round < rounds(200000); round++) {
        struct breakpoints b = {.dr7 = random_u64()};
        uint64_t base = random_below(8) == 0 ? UINT64_MAX - 20 : random_u64();
        enum breakpoint_access access = (enum breakpoint_access)random_below(3);
        size_t size_bytes = sizes[random_below(5)];

        for (unsigned i = 0; i < 4; i++)
            b.address[i] = base + random_below(24);
        base += random_below(24);
        assert_int_equal(breakpoints_met(&b, access, base, size_bytes),
                         met_bytewise(&b, access, base, size_bytes));
        count += breakpoints_met(&b, access, base, size_bytes) != 0;
    }
    assert_true(count > rounds(20000));
}

static void test_examples(void **state)
{
    const struct breakpoints b = {
        .address = {0x1000, 0x2006, 0x80, 0x3000},
        /* 0: writes of 4 bytes; 1: reads and writes of 8; 2: a port; 3: instructions */
        .dr7 = 0xff | UINT64_C(0xd) << 16 | UINT64_C(0xb) << 20 | UINT64_C(0x2) << 24,
    };

    (void)state;
    assert_int_equal(breakpoints_met(&b, BREAKPOINT_WRITE, 0x1003, 1), 1);
    assert_int_equal(breakpoints_met(&b, BREAKPOINT_WRITE, 0x1004, 1), 0);
    assert_int_equal(breakpoints_met(&b, BREAKPOINT_READ, 0x1000, 4), 0);
    assert_int_equal(breakpoints_met(&b, BREAKPOINT_READ, 0x2000, 1), 2);
    assert_int_equal(breakpoints_met(&b, BREAKPOINT_PORT, 0x7f, 2), 4);
    assert_int_equal(breakpoints_met(&b, BREAKPOINT_READ, 0x80, 1), 0);
    assert_int_equal(breakpoints_met(&b, BREAKPOINT_READ, 0x3000, 1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_bytewise),
        cmocka_unit_test(test_examples),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
