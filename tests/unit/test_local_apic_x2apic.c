// SPDX-License-Identifier: BSD-2-Clause
#include "tests/unit/local_apic_fixture.h"

#define NONE LOCAL_APIC_NO_VECTOR

static struct apic_fixture fixture;

static int set_up(void **state)
{
    *state = fixture_new(&fixture);
    return 0;
}

static void test_x2apic_registers(void **state)
{
    struct apic_fixture *f = *state;
    /* What there is, and which bits may be written; -1 for none. */
    static const struct {
        uint32_t msr;
        bool can_read;
        int64_t bits;
    } known[] = {
        {0x802, true, -1},         {0x803, true, -1},      {0x808, true, 0xff},
        {0x80a, true, -1},         {0x80b, false, 0},      {0x80d, true, -1},
        {0x80f, true, 0x13ff},     {0x828, true, 0},       {0x82f, true, 0x117ff},
        {0x832, true, 0x710ff},    {0x833, true, 0x117ff}, {0x834, true, 0x117ff},
        {0x835, true, 0x1f7ff},    {0x836, true, 0x1f7ff}, {0x837, true, 0x110ff},
        {0x838, true, 0xffffffff}, {0x839, true, -1},      {0x83e, true, 0xb},
        {0x83f, false, 0xff},
    };
    uint64_t value;
    assert_false(msr_read(f, 1, 0x802, &value)); /* not in xAPIC mode */
    enter_x2apic(f, 1);
    assert_false(local_apic_mmio_read(&f->apic[1], 0x20, 4, 0, &value));
    for (uint32_t msr = 0x800; msr < 0x900; msr++) {
        bool can_read = msr >= 0x810 && msr <= 0x827;
        int64_t bits = -1;
        for (unsigned i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
            if (known[i].msr == msr) {
                can_read = known[i].can_read;
                bits = known[i].bits;
            }
        }
        if (msr == 0x830)
            continue;
        assert_int_equal(msr_read(f, 1, msr, &value), can_read);
        assert_int_equal(msr_write(f, 1, msr, 0), bits >= 0);
        for (unsigned bit = 0; bit < 64; bit++) {
            bool is_defined = bits >= 0 && (bits >> bit & 1) != 0 && bit < 32;
            assert_int_equal(msr_write(f, 1, msr, UINT64_C(1) << bit), is_defined);
        }
    }
    /* ICR: bits 31:20, 17:16 and 13 are reserved. The fixed IPIs go to APICs that do not take them,
     * or end in an error. */
    for (unsigned bit = 0; bit < 64; bit++) {
        bool is_reserved = (bit >= 20 && bit < 32) || bit == 16 || bit == 17 || bit == 13;
        assert_int_equal(msr_write(f, 1, 0x830, UINT64_C(1) << bit | 0x300), !is_reserved);
    }
    assert_true(msr_write(f, 1, 0x830, UINT64_C(0x1234567800005341)));
    assert_true(msr_read(f, 1, 0x830, &value));
    assert_int_equal(value, UINT64_C(0x1234567800004341)); /* no delivery status */
    assert_false(msr_write(f, 1, 0x831, 0));
    assert_false(msr_write(f, 1, 0xbff, 0));
    assert_false(msr_read(f, 1, 0x7ff, &value));
}

static void test_self_ipi(void **state)
{
    struct apic_fixture *f = *state;
    enter_x2apic(f, 1);
    assert_true(msr_write(f, 1, 0x80f, 0x1ff));
    for (unsigned vector = 16; vector < 256; vector++) {
        uint64_t value;
        assert_true(msr_write(f, 1, 0x83f, vector));
        assert_true(msr_read(f, 1, 0x820 + vector / 32, &value));
        assert_int_equal(value, UINT64_C(1) << vector % 32);
        assert_int_equal(who_gets(f, (int)vector), 2);
    }
    uint64_t value;
    assert_true(msr_write(f, 1, 0x83f, 15));
    assert_int_equal(pending(f, 1), NONE);
    assert_true(msr_write(f, 1, 0x828, 0));
    assert_true(msr_read(f, 1, 0x828, &value));
    assert_int_equal(value, 0x20);
    assert_true(msr_read(f, 1, 0x830, &value)); /* ICR is not involved */
    assert_int_equal(value, 0);
}

/* The short way of EOI ends the same interrupts as the register does, in x2APIC mode alone. */
static void test_eoi(void **state)
{
    struct apic_fixture *f = *state;
    struct local_apic *apic = &f->apic[1];
    uint64_t value;

    assert_false(local_apic_eoi(apic, LOCAL_APIC_X2APIC));
    enter_x2apic(f, 1);
    assert_true(msr_write(f, 1, 0x80f, 0x1ff));
    assert_true(local_apic_eoi(apic, LOCAL_APIC_X2APIC)); /* nothing is in service */
    for (unsigned vector = 0x40; vector < 0x100; vector += 0x40)
        assert_true(msr_write(f, 1, 0x83f, vector));
    assert_int_equal(pending(f, 1), 0xc0);
    for (unsigned vector = 0xc0; vector >= 0x40; vector -= 0x40) {
        assert_int_equal(local_apic_acknowledge(apic), vector);
        assert_int_equal(pending(f, 1), NONE); /* what else waits is not above it */
        assert_false(local_apic_needs_attention(apic));
        assert_true(local_apic_eoi(apic, LOCAL_APIC_X2APIC));
        assert_int_equal(local_apic_needs_attention(apic), vector != 0x40);
        assert_int_equal(pending(f, 1), vector == 0x40 ? NONE : (int)vector - 0x40);
        assert_true(msr_read(f, 1, 0x810 + vector / 32, &value));
        assert_int_equal(value, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_x2apic_registers, set_up),
        cmocka_unit_test_setup(test_self_ipi, set_up),
        cmocka_unit_test_setup(test_eoi, set_up),
    };
    return cmocka_run_group_tests_name("local_apic_x2apic", tests, NULL, NULL);
}
