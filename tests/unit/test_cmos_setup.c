// SPDX-License-Identifier: BSD-2-Clause
/* The memory sizes in CMOS RAM against the guest's memory layout, for guests from 2 MiB to 1 TiB. */
#include "tests/unit/unit.h"

#include "vmm/devices/cmos_setup.h"
#include "vmm/loader/memory_layout.h"

static struct mc146818 rtc;

static uint8_t cmos(unsigned index)
{
    mc146818_write(&rtc, MC146818_INDEX, (uint8_t)index, 0);
    return mc146818_read(&rtc, MC146818_DATA, 0);
}

static uint64_t cmos16(unsigned index)
{
    return cmos(index) | (unsigned)cmos(index + 1) << 8;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Sets the board up for a guest as the monitor does. */
static void set_up(uint64_t memory_bytes)
{
    mc146818_init(&rtc, (struct line){NULL, NULL}, 0, 0);
    cmos_setup(&rtc, guest_ram_low_end(memory_bytes),
               memory_bytes - guest_ram_low_end(memory_bytes));
}

static void check_guest(uint64_t memory_bytes)
{
    struct guest_ram_range ranges[GUEST_RAM_RANGES_MAX];
    size_t count = guest_ram_layout(memory_bytes, ranges);
    uint64_t low_end = 0, high_bytes = 0, last;

    for (size_t i = 0; i < count; i++) {
        if (ranges[i].gpa.value >= 4 * GIB)
            high_bytes += ranges[i].size_bytes;
        else
            low_end = ranges[i].gpa.value + ranges[i].size_bytes;
    }
    set_up(memory_bytes);
    assert_int_equal(cmos16(0x15), 640);
    assert_int_equal(cmos16(0x17), least(0xffff, (low_end - MIB) / KIB));
    assert_int_equal(cmos16(0x30), cmos16(0x17));
    assert_int_equal(cmos16(0x34), low_end < 16 * MIB ? 0 : (low_end - 16 * MIB) / (64 * KIB));
    assert_int_equal(cmos16(0x5b) | (uint64_t)cmos(0x5d) << 16,
                     least(0xffffff, high_bytes / (64 * KIB)));

    /* What these sizes promise is RAM up to its last byte. */
    last = 16 * MIB + cmos16(0x34) * 64 * KIB - 1;
    if (cmos16(0x34) > 0)
        assert_true(guest_ram_offset(memory_bytes, GPA(last), 1, &last));
    last = MIB + cmos16(0x17) * KIB - 1;
    assert_true(guest_ram_offset(memory_bytes, GPA(last), 1, &last));
}

static void test_sizes_agree_with_the_layout(void **state)
{
    static const uint64_t edges[] = {
        2 * MIB, 8 * MIB,    14 * MIB,   16 * MIB, 18 * MIB, 64 * MIB, 66 * MIB,  3070 * MIB,
        3 * GIB, 3074 * MIB, 3200 * MIB, 4 * GIB,  5 * GIB,  8 * GIB,  100 * GIB, 1024 * GIB,
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(edges); i++)
        check_guest(edges[i]);
    for (uint64_t memory_bytes = 8 * MIB; memory_bytes <= 8 * GIB; memory_bytes += 2 * MIB)
        check_guest(memory_bytes);
}

static void test_known_guests(void **state)
{
    (void)state;
    set_up(8 * GIB);
    assert_int_equal(cmos16(0x17), 0xffff);
    assert_int_equal(cmos16(0x34), 0xbf00); /* up to 3 GiB */
    assert_int_equal(cmos(0x5b), 0);
    assert_int_equal(cmos(0x5c), 0x40); /* 5 GiB */
    assert_int_equal(cmos(0x5d), 1);
    set_up(8 * MIB);
    assert_int_equal(cmos16(0x17), 7 * 1024);
    assert_int_equal(cmos16(0x34), 0);
    assert_int_equal(cmos(0x14), 2); /* an FPU */
}

/* RAM up to 4 GiB would be the most that fits. */
static void test_limits(void **state)
{
    (void)state;
    mc146818_init(&rtc, (struct line){NULL, NULL}, 0, 0);
    cmos_setup(&rtc, 4 * GIB, UINT64_MAX);
    assert_int_equal(cmos16(0x17), 0xffff);
    assert_int_equal(cmos16(0x34), 0xff00);
    assert_int_equal(cmos16(0x5b), 0xffff);
    assert_int_equal(cmos(0x5d), 0xff);
    assert_int_equal(cmos(0x5e), 0);
    assert_int_equal(cmos(0x36), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes_agree_with_the_layout),
        cmocka_unit_test(test_known_guests),
        cmocka_unit_test(test_limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
