// SPDX-License-Identifier: BSD-2-Clause
/* The I/O APIC's registers, what is told about it, and whatever a guest writes. */
#include "tests/unit/i82093aa_bench.h"

#include "tests/unit/random.h"

static void test_reset_values(void **state)
{
    struct bench b;

    (void)state;
    start(&b);
    assert_int_equal(i82093aa_read(&b.ioapic, I82093AA_IOREGSEL, 4), 0);
    for (unsigned index = 0; index < 256; index++) {
        uint32_t want = index == 1 ? 0x00170020 : 0;

        if (index >= 0x10 && index < 0x40 && !(index & 1))
            want = MASKED;
        assert_int_equal(rd(&b, index), want);
    }
}

/* Every register with all ones and with zeros: what can be written, and that nothing else moves. */
static void test_writable_bits(void **state)
{
    struct bench b;

    (void)state;
    start(&b);
    for (unsigned index = 0; index < 256; index++) {
        uint32_t ones = 0, zeros = 0;

        switch (index) {
        case 0: ones = 0x0f000000; break;
        case 1: ones = zeros = 0x00170020; break;
        default:
            if (index >= 0x10 && index < 0x40)
                ones = index & 1 ? 0xff000000 : 0x0001afff;
        }
        wr(&b, index, 0xffffffff);
        assert_int_equal(rd(&b, index), ones);
        if (index == 0)
            assert_int_equal(rd(&b, 2), 0x0f000000);
        wr(&b, index, 0);
        assert_int_equal(rd(&b, index), zeros);
        wr(&b, index, index >= 0x10 && index < 0x40 && !(index & 1) ? MASKED : 0);
    }
    assert_int_equal(b.tried, 0);
    /* The arbitration ID follows the ID, and is not written itself. */
    wr(&b, 0, 0x05000000);
    wr(&b, 2, 0x0a000000);
    assert_int_equal(rd(&b, 0), 0x05000000);
    assert_int_equal(rd(&b, 2), 0x05000000);
    /* Each entry is its own. */
    for (unsigned pin = 0; pin < 24; pin++) {
        set_low(&b, pin, MASKED | pin);
        set_high(&b, pin, (0x80 | pin) << 24);
    }
    for (unsigned pin = 0; pin < 24; pin++) {
        assert_int_equal(low(&b, pin), MASKED | pin);
        assert_int_equal(rd(&b, 0x11 + 2 * pin), (0x80 | pin) << 24);
    }
}

static void test_window(void **state)
{
    struct bench b;
    struct i82093aa before;

    (void)state;
    start(&b);
    /* IOREGSEL takes a byte, too, and has no bits above it. */
    i82093aa_write(&b.ioapic, I82093AA_IOREGSEL, 4, 0xabcdef01);
    assert_int_equal(i82093aa_read(&b.ioapic, I82093AA_IOREGSEL, 4), 0x01);
    i82093aa_write(&b.ioapic, I82093AA_IOREGSEL, 1, 0x12);
    assert_int_equal(i82093aa_read(&b.ioapic, I82093AA_IOREGSEL, 1), 0x12);
    /* IOWIN takes nothing but 32 bits, and reads in pieces. */
    wr(&b, 0x12, MASKED | 0xa345);
    i82093aa_write(&b.ioapic, I82093AA_IOWIN, 1, 0);
    i82093aa_write(&b.ioapic, I82093AA_IOWIN, 2, 0);
    assert_int_equal(i82093aa_read(&b.ioapic, 0x10, 4), 0x1a345);
    assert_int_equal(i82093aa_read(&b.ioapic, 0x10, 1), 0x45);
    assert_int_equal(i82093aa_read(&b.ioapic, 0x11, 1), 0xa3);
    assert_int_equal(i82093aa_read(&b.ioapic, 0x12, 2), 0x0001);
    assert_int_equal(i82093aa_read(&b.ioapic, 0x13, 1), 0);
    /* Nothing at other offsets. */
    before = b.ioapic;
    for (unsigned offset = 0; offset < I82093AA_WINDOW_BYTES; offset++) {
        for (unsigned size = 1; size <= 4; size *= 2) {
            if (offset % size != 0 || offset == 0 || offset == 0x10)
                continue;
            i82093aa_write(&b.ioapic, offset, size, 0xffffffff);
            assert_memory_equal(&b.ioapic, &before, sizeof(before));
            if (offset >= 0x14 || (offset >= 4 && offset < 0x10))
                assert_int_equal(i82093aa_read(&b.ioapic, offset, size), 0);
        }
    }
}

static void test_reset_keeps_pins(void **state)
{
    struct bench b;

    (void)state;
    start(&b);
    wr(&b, 0, 0x0f000000);
    set_low(&b, 3, LEVEL | 0x43);
    set_low(&b, 4, 0x44);
    line(&b, 3, true);
    b.refuses = true;
    line(&b, 4, true);
    i82093aa_reset(&b.ioapic);
    b.refuses = false;
    assert_int_equal(b.end_count, 0);
    assert_int_equal(rd(&b, 0), 0);
    assert_int_equal(low(&b, 3), MASKED);
    set_low(&b, 4, 0x44);
    assert_int_equal(b.sent, 1);
    set_low(&b, 3, LEVEL | 0x43); /* the level is still there, the edge is not */
    assert_int_equal(b.sent, 2);
}

static void test_describe(void **state)
{
    struct bench b;
    struct i82093aa_pin pin;

    (void)state;
    start(&b);
    set_high(&b, 11, 0xab000000);
    set_low(&b, 11, LEVEL | 0x2000 | 0x900 | 0x5b);
    line(&b, 11, true);
    pin = i82093aa_describe(&b.ioapic, 11);
    assert_int_equal(pin.vector, 0x5b);
    assert_int_equal(pin.delivery, APIC_LOWEST_PRIORITY);
    assert_int_equal(pin.destination, 0xab);
    assert_true(pin.is_logical && pin.is_level && pin.is_active_low && pin.is_asserted);
    assert_true(pin.remote_irr && !pin.is_masked && !pin.is_pending);
    pin = i82093aa_describe(&b.ioapic, 12);
    assert_true(pin.is_masked && !pin.is_asserted && !pin.remote_irr && !pin.is_level);
}

/* Whatever a guest writes: no undefined behaviour, and the read-only bits tell the truth. */
static void test_random_accesses(void **state)
{
    struct bench b;

    (void)state;
    start(&b);
    for (unsigned i = 0; i < 200000; i++) {
        uint64_t random = random_u64();
        unsigned size = 1u << (random >> 8 & 3) % 3;
        unsigned offset = (random >> 16 & 0x7f) & ~(size - 1);
        uint32_t value = (uint32_t)(random >> 32);

        b.refuses = (random >> 10 & 7) == 0;
        switch (random & 3) {
        case 0: i82093aa_write(&b.ioapic, offset, size, value); break;
        case 1: wr(&b, 0x10 + value % 0x30, value); break;
        case 2: i82093aa_set_line(&b.ioapic, value % 24, value >> 8 & 1); break;
        case 3: eoi(&b, (uint8_t)value); break;
        }
        assert_int_equal(i82093aa_read(&b.ioapic, offset, size) & ~bytes_mask(size), 0);
        struct i82093aa_pin pin = i82093aa_describe(&b.ioapic, value % 24);
        assert_false(pin.remote_irr && (pin.is_pending || !pin.is_level));
        assert_false(pin.is_masked && pin.is_pending);
        assert_int_equal(b.ioapic.edges >> 24 | b.ioapic.remote_irr >> 24, 0);
    }
    assert_true(b.sent > 1000 && b.end_count > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reset_values), cmocka_unit_test(test_writable_bits),
        cmocka_unit_test(test_window),       cmocka_unit_test(test_reset_keeps_pins),
        cmocka_unit_test(test_describe),     cmocka_unit_test(test_random_accesses),
    };
    return cmocka_run_group_tests_name("i82093aa", tests, NULL, NULL);
}
