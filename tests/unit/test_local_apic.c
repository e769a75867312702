// SPDX-License-Identifier: BSD-2-Clause
#include "tests/unit/local_apic_fixture.h"

#define NONE LOCAL_APIC_NO_VECTOR

static struct apic_fixture fixture;

static int set_up(void **state)
{
    *state = fixture_new(&fixture);
    return 0;
}

static const uint32_t all_lvt[] = {0x2f0, 0x320, 0x330, 0x340, 0x350, 0x360, 0x370};

static void assert_reset_state(struct apic_fixture *f, unsigned index)
{
    assert_int_equal(reg_read(f, index, 0x20), index << 24);
    assert_int_equal(reg_read(f, index, 0x30), 0x01060014);
    assert_int_equal(reg_read(f, index, 0xe0), 0xffffffff);
    assert_int_equal(reg_read(f, index, 0xf0), 0xff);
    for (unsigned entry = 0; entry < 7; entry++)
        assert_int_equal(reg_read(f, index, all_lvt[entry]), 0x10000);
    static const uint32_t zero[] = {0x80,  0x90,  0xa0,  0xc0,  0xd0, 0x280,
                                    0x300, 0x310, 0x380, 0x390, 0x3e0};
    for (unsigned which = 0; which < sizeof(zero) / sizeof(zero[0]); which++)
        assert_int_equal(reg_read(f, index, zero[which]), 0);
    for (uint32_t offset = 0x100; offset < 0x280; offset += 0x10)
        assert_int_equal(reg_read(f, index, offset), 0);
}

/* Writes all ones (timer mode excepted) to everything and puts vectors into all maps. */
static void make_dirty(struct apic_fixture *f, unsigned index)
{
    struct apic_message message = {
        .destination = index, .vector = 0x61, .is_level = true, .is_asserted = true};
    reg_write(f, index, 0xf0, 0xffffffff);
    assert_true(apic_bus_send(&f->bus, &message, NULL));
    assert_int_equal(pending(f, index), 0x61);
    assert_int_equal(local_apic_acknowledge(&f->apic[index]), 0x61);
    assert_true(apic_bus_send(&f->bus, &message, NULL));
    (void)accept_all(f, index);
    for (unsigned entry = 0; entry < 7; entry++)
        reg_write(f, index, all_lvt[entry], 0x10055);
    reg_write(f, index, 0x80, 0xff);
    reg_write(f, index, 0xd0, 0xffffffff);
    reg_write(f, index, 0xe0, 0);
    reg_write(f, index, 0x310, 0xffffffff);
    reg_write(f, index, 0x300, 0x0c4fff & ~0x700u); /* illegal mode below: not sent */
    reg_write(f, index, 0x3e0, 0xffffffff);
    reg_write(f, index, 0x380, 0xffffffff);
    reg_write(f, index, 0x280, 0);
}

static void test_reset_and_init(void **state)
{
    struct apic_fixture *f = *state;
    assert_int_equal(local_apic_base(&f->apic[0]), 0xfee00900);
    assert_int_equal(local_apic_base(&f->apic[1]), 0xfee00800);
    assert_reset_state(f, 0);
    assert_reset_state(f, 2);

    make_dirty(f, 2);
    assert_int_not_equal(reg_read(f, 2, 0x390), 0);
    assert_true(local_apic_write_base(&f->apic[2], 0xfee10800));
    local_apic_init_signal(&f->apic[2]);
    assert_reset_state(f, 2);
    assert_int_equal(local_apic_base(&f->apic[2]), 0xfee10800);
    assert_int_equal(local_apic_pending_vector(&f->apic[2]), NONE);

    make_dirty(f, 2);
    local_apic_reset(&f->apic[2]);
    assert_reset_state(f, 2);
    assert_int_equal(local_apic_base(&f->apic[2]), 0xfee00800);

    make_dirty(f, 2); /* disabling is as good */
    assert_true(local_apic_write_base(&f->apic[2], 0xfee00000));
    assert_true(local_apic_write_base(&f->apic[2], 0xfee00800));
    assert_reset_state(f, 2);

    enter_x2apic(f, 2); /* INIT keeps the mode */
    local_apic_init_signal(&f->apic[2]);
    uint64_t value = 0;
    assert_true(msr_read(f, 2, 0x802, &value));
    assert_int_equal(value, 2);
}

static void test_writable_bits(void **state)
{
    struct apic_fixture *f = *state;
    static const struct {
        uint32_t offset, ones;
    } registers[] = {
        {0x20, 0},          {0x30, 0x01060014}, {0x80, 0xff},        {0xd0, 0xff000000},
        {0xe0, 0xffffffff}, {0x2f0, 0x107ff},   {0x310, 0xff000000}, {0x320, 0x700ff},
        {0x330, 0x107ff},   {0x340, 0x107ff},   {0x350, 0x1a7ff},    {0x360, 0x1a7ff},
        {0x370, 0x100ff},   {0x390, 0},         {0x3e0, 0xb},        {0x280, 0},
        {0xc0, 0},          {0x100, 0},         {0x180, 0},          {0x200, 0},
    };
    reg_write(f, 0, 0xf0, 0xffffffff);
    assert_int_equal(reg_read(f, 0, 0xf0), 0x13ff);
    for (unsigned i = 0; i < sizeof(registers) / sizeof(registers[0]); i++) {
        reg_write(f, 0, registers[i].offset, 0xffffffff);
        assert_int_equal(reg_read(f, 0, registers[i].offset), registers[i].ones);
    }
    reg_write(f, 0, 0xe0, 0);
    assert_int_equal(reg_read(f, 0, 0xe0), 0x0fffffff);
    reg_write(f, 0, 0x300, 0xffffb3ff); /* mode 3: not sent */
    assert_int_equal(reg_read(f, 0, 0x300), 0xc83ff);
    reg_write(f, 0, 0x320, 0x10020);
    reg_write(f, 0, 0x380, 0xffffffff);
    assert_int_equal(reg_read(f, 0, 0x380), 0xffffffff);

    f->apic[0].config.has_tsc_deadline = false;
    reg_write(f, 0, 0x320, 0xffffffff);
    assert_int_equal(reg_read(f, 0, 0x320), 0x300ff);
}

static void test_odd_accesses(void **state)
{
    struct apic_fixture *f = *state;
    struct local_apic *apic = &f->apic[3];
    uint64_t value;
    assert_true(local_apic_mmio_read(apic, 0x23, 1, 0, &value));
    assert_int_equal(value, 3);
    assert_true(local_apic_mmio_read(apic, 0x32, 2, 0, &value));
    assert_int_equal(value, 0x0106);
    assert_true(local_apic_mmio_read(apic, 0x33, 2, 0, &value)); /* across the register's end */
    assert_int_equal(value, 0);
    assert_true(local_apic_mmio_read(apic, 0x30, 8, 0, &value));
    assert_int_equal(value, 0);
    assert_true(local_apic_mmio_read(apic, 0x34, 4, 0, &value));
    assert_int_equal(value, 0);
    for (unsigned size = 1; size <= 8; size *= 2) {
        for (uint32_t offset = 0x80; offset < 0x90; offset++) {
            if (size != 4 || offset != 0x80)
                assert_true(local_apic_mmio_write(apic, offset, size, 0, 0x55));
        }
    }
    assert_int_equal(reg_read(f, 3, 0x80), 0);
    reg_write(f, 3, 0x280, 0);
    assert_int_equal(reg_read(f, 3, 0x280), 0);

    /* Every offset and size; nothing may go wrong. */
    for (uint32_t offset = 0; offset < 0x1000; offset++) {
        for (unsigned size = 1; size <= 8; size *= 2) {
            assert_true(local_apic_mmio_read(apic, offset, size, 0, &value));
            assert_true(local_apic_mmio_write(apic, offset, size, 0, UINT64_MAX));
        }
    }
}

static void test_illegal_register(void **state)
{
    struct apic_fixture *f = *state;
    static const uint32_t offsets[] = {0x00,  0x10,  0x40,  0x70,  0x290, 0x2e0,
                                       0x3a0, 0x3d0, 0x3f0, 0x400, 0xff0};
    enable_all(f);
    reg_write(f, 0, 0x370, 0x44);
    for (unsigned i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
        assert_int_equal(reg_read(f, 0, offsets[i]), 0);
        assert_int_equal(who_gets(f, 0x44), 1);
        reg_write(f, 0, offsets[i], 1); /* the error interrupt is not armed again */
        assert_int_equal(who_gets(f, 0x44), 0);
        assert_int_equal(reg_read(f, 0, 0x280), 0); /* not before a write */
        reg_write(f, 0, 0x280, 0);
        assert_int_equal(reg_read(f, 0, 0x280), 0x80);
        reg_write(f, 0, 0x280, 0xff);
        assert_int_equal(reg_read(f, 0, 0x280), 0);
    }
}

static void test_base_transitions(void **state)
{
    struct apic_fixture *f = *state;
    /* [from][to] by EXTD + 2 * EN: 0 disabled, 1 invalid, 2 xAPIC, 3 x2APIC. */
    static const bool legal[4][4] = {[0] = {true, false, true, false},
                                     [2] = {true, false, true, true},
                                     [3] = {true, false, false, true}};
    static const enum local_apic_mode modes[4] = {
        [0] = LOCAL_APIC_DISABLED, [2] = LOCAL_APIC_XAPIC, [3] = LOCAL_APIC_X2APIC};
    for (unsigned from = 0; from < 4; from++) {
        for (unsigned to = 0; from != 1 && to < 4; to++) {
            struct local_apic *apic = &f->apic[0];
            local_apic_reset(apic);
            if (from == 0)
                assert_true(local_apic_write_base(apic, 0xfee00100));
            if (from == 3)
                assert_true(local_apic_write_base(apic, 0xfee00d00));
            assert_int_equal(apic->mode, modes[from]);
            bool done = local_apic_write_base(apic, 0xfee01100 | to << 10);
            assert_int_equal(done, legal[from][to]);
            assert_int_equal(apic->mode, modes[done ? to : from]);
            assert_int_equal(local_apic_base(apic),
                             done ? 0xfee01100 | to << 10 : 0xfee00100 | from << 10);
        }
    }
}

static void test_base_bits(void **state)
{
    struct apic_fixture *f = *state;
    struct local_apic *apic = &f->apic[1];
    for (unsigned bit = 0; bit < 64; bit++) {
        bool is_reserved = bit < 8 || bit == 9 || bit >= 39;
        local_apic_reset(apic);
        assert_int_equal(local_apic_write_base(apic, 0x800 | UINT64_C(1) << bit), !is_reserved);
    }
    local_apic_reset(apic);
    assert_true(local_apic_write_base(apic, 0xfee00900)); /* BSP stays clear ... */
    assert_int_equal(local_apic_base(apic), 0xfee00800);
    assert_true(local_apic_write_base(&f->apic[0], 0x1000800)); /* ... and set */
    assert_int_equal(local_apic_base(&f->apic[0]), 0x1000900);
    apic->config.has_x2apic = false;
    assert_false(local_apic_write_base(apic, 0xfee00c00));

    /* Moving the page keeps the registers, and so does entering x2APIC mode, except ICR. */
    reg_write(f, 0, 0x80, 0x30);
    reg_write(f, 0, 0x310, 0x05000000);
    assert_true(local_apic_write_base(&f->apic[0], 0x2000800));
    assert_int_equal(reg_read(f, 0, 0x80), 0x30);
    enter_x2apic(f, 0);
    uint64_t value;
    assert_true(msr_read(f, 0, 0x808, &value));
    assert_int_equal(value, 0x30);
    assert_true(msr_read(f, 0, 0x830, &value));
    assert_int_equal(value, 0);
}

static void test_disabled(void **state)
{
    struct apic_fixture *f = *state;
    uint64_t value;
    enable_all(f);
    ipi(f, 1, 0, 0x40); /* waits in the inbox: lost */
    assert_true(local_apic_write_base(&f->apic[0], 0xfee00000));
    assert_false(local_apic_mmio_read(&f->apic[0], 0x20, 4, 0, &value));
    assert_false(local_apic_mmio_write(&f->apic[0], 0x80, 4, 0, 0));
    assert_false(msr_read(f, 0, 0x802, &value));
    assert_false(msr_write(f, 0, 0x808, 0));
    local_apic_write_cr8(&f->apic[0], 5);
    assert_int_equal(local_apic_cr8(&f->apic[0]), 5);
    ipi(f, 1, 0, 0x41);
    ipi(f, 1, 0, 0x400); /* NMI */
    struct local_apic_events events = accept_all(f, 0);
    assert_false(events.nmi || events.init || events.startup);
    assert_int_equal(local_apic_pending_vector(&f->apic[0]), NONE);

    /* The pins are INTR and NMI. */
    assert_false(local_apic_extint_pending(&f->apic[0]));
    apic_bus_set_lint(&f->bus, 0, true);
    assert_true(local_apic_extint_pending(&f->apic[0]));
    apic_bus_set_lint(&f->bus, 0, false);
    assert_false(local_apic_extint_pending(&f->apic[0]));
    apic_bus_set_lint(&f->bus, 1, true);
    assert_true(accept_all(f, 0).nmi);

    assert_true(local_apic_write_base(&f->apic[0], 0xfee00800));
    assert_int_equal(pending(f, 0), NONE);
    assert_int_equal(reg_read(f, 0, 0x220), 0);
    assert_int_equal(local_apic_cr8(&f->apic[0]), 5);
}

static void test_every_vector(void **state)
{
    struct apic_fixture *f = *state;
    enable_all(f);
    for (unsigned vector = 0; vector < 256; vector++) {
        ipi(f, 0, 0, 0x40000 | vector); /* to itself */
        bool is_legal = vector >= 16;
        assert_int_equal(reg_read(f, 0, 0x200 + (vector / 32) * 0x10),
                         is_legal ? UINT32_C(1) << vector % 32 : 0);
        reg_write(f, 0, 0x280, 0);
        assert_int_equal(reg_read(f, 0, 0x280), is_legal ? 0 : 0x20);
        assert_int_equal(pending(f, 0), is_legal ? (int)vector : NONE);
        assert_false(local_apic_needs_attention(&f->apic[0]));
        if (!is_legal)
            continue;
        assert_int_equal(local_apic_acknowledge(&f->apic[0]), vector);
        assert_int_equal(reg_read(f, 0, 0x100 + (vector / 32) * 0x10), UINT32_C(1) << vector % 32);
        assert_int_equal(reg_read(f, 0, 0xa0), vector & 0xf0);
        reg_write(f, 0, 0xb0, 0);
        assert_int_equal(reg_read(f, 0, 0x100 + (vector / 32) * 0x10), 0);
    }
    assert_int_equal(f->eoi_count, 0);
    assert_int_equal(f->kicks[0], 0);
}

static void test_priorities(void **state)
{
    struct apic_fixture *f = *state;
    struct local_apic *apic = &f->apic[0];
    enable_all(f);
    ipi(f, 1, 0, 0x31);
    ipi(f, 1, 0, 0x35);
    ipi(f, 1, 0, 0x52);
    assert_int_equal(f->kicks[0], 1); /* one is enough */
    assert_true(local_apic_needs_attention(apic));
    assert_int_equal(pending(f, 0), 0x52);
    assert_int_equal(local_apic_acknowledge(apic), 0x52);
    assert_int_equal(local_apic_pending_vector(apic), NONE);
    assert_int_equal(local_apic_highest_request(apic), 0x35);
    ipi(f, 1, 0, 0x5f); /* same class: must wait */
    assert_int_equal(pending(f, 0), NONE);
    ipi(f, 1, 0, 0x60);
    assert_int_equal(pending(f, 0), 0x60);
    assert_int_equal(local_apic_acknowledge(apic), 0x60);
    reg_write(f, 0, 0xb0, 0); /* ends 60, then 52 */
    assert_int_equal(reg_read(f, 0, 0xa0), 0x50);
    assert_int_equal(local_apic_pending_vector(apic), NONE);
    reg_write(f, 0, 0xb0, 0);
    assert_true(local_apic_needs_attention(apic));
    assert_int_equal(pending(f, 0), 0x5f);

    reg_write(f, 0, 0x80, 0x5a);
    assert_int_equal(reg_read(f, 0, 0xa0), 0x5a);
    assert_int_equal(local_apic_pending_vector(apic), NONE);
    assert_int_equal(local_apic_acknowledge(apic), 0xff); /* spurious */
    reg_write(f, 0, 0xf0, 0x1ef);
    assert_int_equal(local_apic_acknowledge(apic), 0xef);
    assert_int_equal(reg_read(f, 0, 0x170), 0);
    local_apic_write_cr8(apic, 4);
    assert_int_equal(reg_read(f, 0, 0x80), 0x40);
    assert_int_equal(local_apic_cr8(apic), 4);
    assert_int_equal(local_apic_acknowledge(apic), 0x5f);
    assert_int_equal(reg_read(f, 0, 0x90), 0x40); /* APR: TPR 4, IRR 3, ISR 5: 4 & 5 */
    reg_write(f, 0, 0xb0, 0);
    assert_int_equal(reg_read(f, 0, 0x90), 0x40);
    reg_write(f, 0, 0x80, 0);
    assert_int_equal(reg_read(f, 0, 0x90), 0x30);
    assert_int_equal(local_apic_acknowledge(apic), 0x35);
    reg_write(f, 0, 0xb0, 0);
    assert_int_equal(local_apic_acknowledge(apic), 0x31);
    reg_write(f, 0, 0xb0, 0);
    reg_write(f, 0, 0xb0, 0); /* nothing in service */
    assert_int_equal(reg_read(f, 0, 0xa0), 0);
}

/* As a write of the register, in either mode, and nothing in another mode than the given one. */
static void test_eoi_by_mode(void **state)
{
    struct apic_fixture *f = *state;
    struct local_apic *apic = &f->apic[0];
    struct apic_message level = {.destination = 0, .vector = 0x77, .is_level = true};
    uint64_t isr;

    enable_all(f);
    ipi(f, 1, 0, 0x31);
    assert_int_equal(pending(f, 0), 0x31);
    (void)local_apic_acknowledge(apic);
    assert_true(apic_bus_send(&f->bus, &level, NULL));
    assert_int_equal(pending(f, 0), 0x77);
    (void)local_apic_acknowledge(apic);
    assert_false(local_apic_eoi(apic, LOCAL_APIC_X2APIC));
    assert_int_equal(f->eoi_count, 0);
    assert_true(local_apic_eoi(apic, LOCAL_APIC_XAPIC));
    assert_int_equal(f->eoi_count, 1);
    assert_int_equal(reg_read(f, 0, 0x1b0 - 0x80), 0); /* ISR */
    assert_int_equal(reg_read(f, 0, 0x110), 1u << 0x11);

    assert_true(local_apic_write_base(apic, LOCAL_APIC_DEFAULT_BASE | 0xc00));
    assert_false(local_apic_eoi(apic, LOCAL_APIC_XAPIC));
    assert_true(msr_read(f, 0, 0x811, &isr));
    assert_int_equal(isr, 1u << 0x11);
    assert_true(local_apic_eoi(apic, LOCAL_APIC_X2APIC));
    assert_true(msr_read(f, 0, 0x811, &isr));
    assert_int_equal(isr, 0);
    assert_true(local_apic_eoi(apic, LOCAL_APIC_X2APIC)); /* nothing in service */
}

static void test_eoi_broadcast(void **state)
{
    struct apic_fixture *f = *state;
    struct apic_message level = {.destination = 0, .vector = 0x77, .is_level = true};
    struct apic_message edge = {.destination = 0, .vector = 0x77};
    enable_all(f);
    assert_true(apic_bus_send(&f->bus, &level, NULL));
    assert_int_equal(pending(f, 0), 0x77);
    assert_int_equal(reg_read(f, 0, 0x1b0), 1u << 0x17); /* TMR */
    (void)local_apic_acknowledge(&f->apic[0]);
    assert_int_equal(f->eoi_count, 0);
    reg_write(f, 0, 0xb0, 0);
    assert_int_equal(f->eoi_count, 1);
    assert_int_equal(f->eoi_vector, 0x77);

    assert_true(apic_bus_send(&f->bus, &edge, NULL));
    assert_int_equal(who_gets(f, 0x77), 1);
    assert_int_equal(reg_read(f, 0, 0x1b0), 0);
    assert_int_equal(f->eoi_count, 1);

    /* Both modes at once: the I/O APIC waits for the EOI. */
    assert_true(apic_bus_send(&f->bus, &level, NULL));
    assert_true(apic_bus_send(&f->bus, &edge, NULL));
    assert_int_equal(who_gets(f, 0x77), 1);
    assert_int_equal(f->eoi_count, 2);

    reg_write(f, 0, 0xf0, 0x11ff); /* suppressed */
    assert_true(apic_bus_send(&f->bus, &level, NULL));
    assert_int_equal(who_gets(f, 0x77), 1);
    assert_int_equal(f->eoi_count, 2);
}

static void test_software_disable(void **state)
{
    struct apic_fixture *f = *state;
    enable_all(f);
    for (unsigned entry = 0; entry < 7; entry++)
        reg_write(f, 0, all_lvt[entry], 0x30);
    ipi(f, 1, 0, 0x40);
    assert_int_equal(pending(f, 0), 0x40);
    reg_write(f, 0, 0xf0, 0xff);
    for (unsigned entry = 0; entry < 7; entry++) {
        assert_int_equal(reg_read(f, 0, all_lvt[entry]), 0x10030);
        reg_write(f, 0, all_lvt[entry], 0x31); /* cannot be unmasked now */
        assert_int_equal(reg_read(f, 0, all_lvt[entry]), 0x10031);
    }
    assert_int_equal(pending(f, 0), 0x40); /* kept */
    ipi(f, 1, 0, 0x50);
    assert_int_equal(pending(f, 0), 0x40); /* not taken */
    ipi(f, 1, 0, 0x400);
    assert_int_equal(accept_all(f, 0).nmi, 1);
    for (unsigned i = 0; i < 3; i++)
        ipi(f, 1, 0, 0x400);
    assert_int_equal(accept_all(f, 0).nmi, 2);
    assert_int_equal(accept_all(f, 0).nmi, 0);
    for (unsigned i = 0; i < 2; i++)
        ipi(f, 1, 0, 0x400);
    ipi(f, 1, 0, 0x4500); /* INIT sweeps away both */
    struct local_apic_events events = accept_all(f, 0);
    assert_true(events.init && events.nmi == 0);
    ipi(f, 0, 1, 0x60); /* it still sends */
    assert_int_equal(pending(f, 1), 0x60);
}

static void test_lvt_sources(void **state)
{
    struct apic_fixture *f = *state;
    static const struct {
        enum local_apic_lvt source;
        uint32_t offset;
    } sources[] = {{LOCAL_APIC_LVT_CMCI, 0x2f0},
                   {LOCAL_APIC_LVT_THERMAL, 0x330},
                   {LOCAL_APIC_LVT_PERFORMANCE, 0x340}};
    enable_all(f);
    for (unsigned i = 0; i < 3; i++) {
        local_apic_signal(&f->apic[0], sources[i].source);
        assert_int_equal(pending(f, 0), NONE); /* masked */
        reg_write(f, 0, sources[i].offset, 0x71);
        local_apic_signal(&f->apic[0], sources[i].source);
        assert_int_equal(who_gets(f, 0x71), 1);
        assert_int_equal(reg_read(f, 0, sources[i].offset), i == 2 ? 0x10071 : 0x71);
        reg_write(f, 0, sources[i].offset, 0x471);
        local_apic_signal(&f->apic[0], sources[i].source);
        assert_true(accept_all(f, 0).nmi);
        assert_int_equal(pending(f, 0), NONE);
        reg_write(f, 0, sources[i].offset, 0x271); /* SMI */
        local_apic_signal(&f->apic[0], sources[i].source);
        struct local_apic_events events = accept_all(f, 0);
        assert_false(events.nmi || events.init);
        reg_write(f, 0, sources[i].offset, 0x7); /* illegal vector, noted when it comes */
        local_apic_signal(&f->apic[0], sources[i].source);
        reg_write(f, 0, 0x280, 0);
        assert_int_equal(reg_read(f, 0, 0x280), 0x40);
    }
    /* An error interrupt with an illegal vector of its own. */
    reg_write(f, 0, 0x370, 0x5);
    ipi(f, 0, 0, 0x3);
    reg_write(f, 0, 0x280, 0);
    assert_int_equal(reg_read(f, 0, 0x280), 0x60);
}

static void test_lint(void **state)
{
    struct apic_fixture *f = *state;
    struct local_apic *apic = &f->apic[0];
    enable_all(f);
    apic_bus_set_lint(&f->bus, 0, true); /* masked everywhere */
    assert_int_equal(f->kicks[0], 0);
    reg_write(f, 0, 0x350, 0x38); /* fixed, edge: that edge is gone */
    assert_int_equal(pending(f, 0), NONE);
    apic_bus_set_lint(&f->bus, 0, false);
    apic_bus_set_lint(&f->bus, 0, true);
    apic_bus_set_lint(&f->bus, 0, true);
    assert_int_equal(f->kicks[0], 1);
    assert_int_equal(f->kicks[1], 0);
    assert_int_equal(who_gets(f, 0x38), 1);
    assert_int_equal(who_gets(f, 0x38), 0);

    reg_write(f, 0, 0x350, 0x8038); /* level, and it is high */
    assert_true(local_apic_needs_attention(apic));
    assert_int_equal(pending(f, 0), 0x38);
    assert_int_equal(reg_read(f, 0, 0x350), 0xc038); /* remote IRR */
    reg_write(f, 0, 0x350, 0x8039);                  /* which a change of vector does not strand */
    (void)local_apic_acknowledge(apic);
    assert_int_equal(pending(f, 0), NONE);
    reg_write(f, 0, 0xb0, 0);
    assert_int_equal(pending(f, 0), 0x39); /* still high */
    (void)local_apic_acknowledge(apic);
    apic_bus_set_lint(&f->bus, 0, false);
    reg_write(f, 0, 0xb0, 0);
    assert_int_equal(pending(f, 0), NONE);
    assert_int_equal(reg_read(f, 0, 0x350), 0x8039);

    apic_bus_set_lint(&f->bus, 0, true); /* a rising edge is no second request */
    assert_int_equal(pending(f, 0), 0x39);
    assert_int_equal(reg_read(f, 0, 0x190) >> 0x19, 1); /* TMR */
    apic_bus_set_lint(&f->bus, 0, false);
    assert_int_equal(who_gets(f, 0x39), 1);

    reg_write(f, 0, 0x350, 0x8003); /* level with an illegal vector: an error, no loop */
    apic_bus_set_lint(&f->bus, 0, true);
    assert_int_equal(pending(f, 0), NONE);
    assert_false(local_apic_needs_attention(apic));
    reg_write(f, 0, 0x280, 0);
    assert_int_equal(reg_read(f, 0, 0x280), 0x40);
    apic_bus_set_lint(&f->bus, 0, false);

    reg_write(f, 0, 0x360, 0x8045); /* LINT1 is edge-triggered whatever it says */
    apic_bus_set_lint(&f->bus, 1, true);
    assert_int_equal(who_gets(f, 0x45), 1);
    assert_int_equal(who_gets(f, 0x45), 0);
    apic_bus_set_lint(&f->bus, 1, false);

    reg_write(f, 0, 0x360, 0x500); /* INIT */
    apic_bus_set_lint(&f->bus, 1, true);
    assert_true(accept_all(f, 0).init);
}

static void test_virtual_wire(void **state)
{
    struct apic_fixture *f = *state;
    struct local_apic *apic = &f->apic[0];
    apic_bus_set_lint(&f->bus, 0, true);
    assert_false(local_apic_extint_pending(apic));
    local_apic_set_virtual_wire(apic);
    assert_true(local_apic_needs_attention(apic));
    assert_int_equal(pending(f, 0), NONE);
    assert_true(local_apic_extint_pending(apic));
    assert_false(local_apic_extint_pending(&f->apic[1]));
    assert_int_equal(reg_read(f, 0, 0xf0), 0x1ff);
    assert_int_equal(reg_read(f, 0, 0x350), 0x700);
    assert_int_equal(reg_read(f, 0, 0x360), 0x400);
    reg_write(f, 0, 0x80, 0xf0); /* TPR does not count */
    assert_true(local_apic_extint_pending(apic));
    reg_write(f, 0, 0x350, 0x10700);
    assert_false(local_apic_extint_pending(apic));
    reg_write(f, 0, 0x350, 0x700);
    assert_true(local_apic_extint_pending(apic));
    apic_bus_set_lint(&f->bus, 0, false);
    assert_false(local_apic_extint_pending(apic));
    apic_bus_set_lint(&f->bus, 0, true);
    assert_int_equal(f->kicks[0], 1);

    apic_bus_set_lint(&f->bus, 1, true);
    assert_true(accept_all(f, 0).nmi);
    assert_false(accept_all(f, 0).nmi);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_reset_and_init, set_up),
        cmocka_unit_test_setup(test_writable_bits, set_up),
        cmocka_unit_test_setup(test_odd_accesses, set_up),
        cmocka_unit_test_setup(test_illegal_register, set_up),
        cmocka_unit_test_setup(test_base_transitions, set_up),
        cmocka_unit_test_setup(test_base_bits, set_up),
        cmocka_unit_test_setup(test_disabled, set_up),
        cmocka_unit_test_setup(test_every_vector, set_up),
        cmocka_unit_test_setup(test_priorities, set_up),
        cmocka_unit_test_setup(test_eoi_broadcast, set_up),
        cmocka_unit_test_setup(test_eoi_by_mode, set_up),
        cmocka_unit_test_setup(test_software_disable, set_up),
        cmocka_unit_test_setup(test_lvt_sources, set_up),
        cmocka_unit_test_setup(test_lint, set_up),
        cmocka_unit_test_setup(test_virtual_wire, set_up),
    };
    return cmocka_run_group_tests_name("local_apic", tests, NULL, NULL);
}
