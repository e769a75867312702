// SPDX-License-Identifier: BSD-2-Clause
/* A local APIC in the hands of a processor with APIC virtualization, which is modelled here by the
 * SDM's words: it has to end up as an emulated one does. */
#include "tests/unit/local_apic_fixture.h"
#include "tests/unit/random.h"
#include "vmm/devices/apic/local_apic_state.h"
#include "vmm/devices/apic/local_apic_virtual.h"

#define NONE LOCAL_APIC_NO_VECTOR

static struct apic_fixture fixture, other_fixture;

static int set_up(void **state)
{
    *state = fixture_new(&fixture);
    return 0;
}

/* --- The processor: SDM vol. 3C, "APIC Virtualization and Virtual Interrupts" ------------------
 */

struct processor {
    struct apic_fixture *fixture;
    struct local_apic *apic;
    uint8_t rvi, svi;
    uint64_t eoi_exits[4];
    unsigned write_exits;
};

static uint32_t *page_at(struct local_apic *apic, uint32_t offset)
{
    return &apic->page[offset / 4];
}

static int highest(struct local_apic *apic, uint32_t offset)
{
    for (int vector = 255; vector >= 0; vector--) {
        if ((*page_at(apic, offset + (uint32_t)vector / 32 * 16) >> vector % 32 & 1) != 0)
            return vector;
    }
    return 0;
}

/* Exit and entry, with what the monitor does in between. */
static void enter(struct processor *cpu)
{
    if (local_apic_accept(cpu->apic))
        (void)local_apic_take_events(cpu->apic);
    local_apic_reload(cpu->apic);
    local_apic_show(cpu->apic);
    uint16_t status = local_apic_interrupt_status(cpu->apic);
    cpu->rvi = (uint8_t)status;
    cpu->svi = (uint8_t)(status >> 8);
    for (unsigned quarter = 0; quarter < 4; quarter++)
        cpu->eoi_exits[quarter] = local_apic_eoi_exits(cpu->apic, quarter);
}

static void virtualize_ppr(struct processor *cpu)
{
    uint32_t tpr = *page_at(cpu->apic, 0x80);
    *page_at(cpu->apic, 0xa0) = tpr >> 4 >= (unsigned)cpu->svi >> 4 ? tpr : cpu->svi & 0xf0u;
}

/* The interrupt window is open: the vector that is delivered. */
static int deliver(struct processor *cpu)
{
    uint8_t vector = cpu->rvi;
    virtualize_ppr(cpu);
    if ((unsigned)vector >> 4 <= *page_at(cpu->apic, 0xa0) >> 4)
        return NONE;
    *page_at(cpu->apic, 0x100 + vector / 32u * 16) |= 1u << vector % 32;
    cpu->svi = vector;
    *page_at(cpu->apic, 0xa0) = vector & 0xf0;
    *page_at(cpu->apic, 0x200 + vector / 32u * 16) &= ~(1u << vector % 32);
    cpu->rvi = (uint8_t)highest(cpu->apic, 0x200);
    return vector;
}

static void cpu_end_of_interrupt(struct processor *cpu)
{
    uint8_t vector = cpu->svi;
    *page_at(cpu->apic, 0x100 + vector / 32u * 16) &= ~(1u << vector % 32);
    cpu->svi = (uint8_t)highest(cpu->apic, 0x100);
    virtualize_ppr(cpu);
    if ((cpu->eoi_exits[vector / 64] >> vector % 64 & 1) != 0) {
        local_apic_ended(cpu->apic, vector);
        enter(cpu);
    }
}

/* What the guest writes in xAPIC mode. */
static void cpu_write(struct processor *cpu, uint32_t offset, uint32_t value)
{
    *page_at(cpu->apic, offset) = value;
    switch (offset) {
    case 0x80:
        *page_at(cpu->apic, offset) = value & 0xff;
        virtualize_ppr(cpu);
        break;
    case 0xb0:
        *page_at(cpu->apic, offset) = 0;
        cpu_end_of_interrupt(cpu);
        break;
    case 0x310: *page_at(cpu->apic, offset) = value & 0xff000000; break;
    case 0x300:
        if ((value & 0xfff3b700) == 0 && (value >> 18 & 3) == 1 && (value & 0xf0) != 0) {
            *page_at(cpu->apic, 0x200 + (value & 0xff) / 32 * 16) |= 1u << (value & 31);
            if ((value & 0xff) > cpu->rvi)
                cpu->rvi = (uint8_t)value;
            break;
        }
        /* fall through */
    default:
        cpu->write_exits++;
        local_apic_written(cpu->apic, offset, cpu->fixture->now);
        enter(cpu);
        break;
    }
}

static struct processor processor_on(struct apic_fixture *f, unsigned index)
{
    struct processor cpu = {.fixture = f, .apic = &f->apic[index]};
    assert_true(local_apic_can_be_virtual(cpu.apic));
    local_apic_set_virtual(cpu.apic, true, 100);
    enter(&cpu);
    return cpu;
}

/* Every register that reads without an exit shows in the page what it would read outside. */
static void assert_shown(struct apic_fixture *f, unsigned index)
{
    for (uint32_t offset = 0; offset < 0x400; offset += 16) {
        uint32_t number = offset >> 4;
        bool is_elsewhere = number == 0x39 || number == 0x09; /* current count, APR */
        if ((local_apic_register_access(number) & XAPIC_READ) != 0 && !is_elsewhere)
            assert_int_equal(*page_at(&f->apic[index], offset), reg_read(f, index, offset));
    }
}

/* --- Tests --------------------------------------------------------------------------------------
 */

static void test_when(void **state)
{
    struct apic_fixture *f = *state;
    struct local_apic *apic = &f->apic[0];

    assert_false(local_apic_can_be_virtual(apic)); /* disabled by software */
    reg_write(f, 0, 0xf0, 0x1ff);
    assert_true(local_apic_can_be_virtual(apic));
    assert_true(local_apic_write_base(apic, 0xfee01900)); /* elsewhere */
    assert_false(local_apic_can_be_virtual(apic));
    assert_true(local_apic_write_base(apic, 0xfee01d00)); /* in x2APIC mode there is no page */
    assert_true(local_apic_can_be_virtual(apic));
    assert_true(msr_write(f, 0, 0x80f, 0xff));
    assert_false(local_apic_can_be_virtual(apic));
    assert_true(msr_write(f, 0, 0x80f, 0x1ff));
    local_apic_init_signal(apic);
    assert_false(local_apic_can_be_virtual(apic));
    assert_true(local_apic_write_base(apic, 0xfee00100));
    assert_false(local_apic_can_be_virtual(apic));
}

static void test_page_shows_registers(void **state)
{
    struct apic_fixture *f = *state;
    struct local_apic *apic = &f->apic[2];
    static const struct {
        uint32_t offset, value;
    } writes[] = {{0xf0, 0x13aa},   {0x80, 0x47},     {0xd0, 0x24000000}, {0xe0, 0x0fffffff},
                  {0x2f0, 0x10051}, {0x320, 0x30040}, {0x350, 0x1a055},   {0x370, 0x42},
                  {0x380, 77},      {0x3e0, 0xb},     {0x310, 0x7f000000}};

    for (unsigned i = 0; i < sizeof(writes) / sizeof(writes[0]); i++)
        reg_write(f, 2, writes[i].offset, writes[i].value);
    reg_write(f, 2, 0x300, 0x4005); /* an error */
    reg_write(f, 2, 0x280, 0);
    local_apic_show(apic);
    assert_shown(f, 2);
    assert_int_equal(*page_at(apic, 0x20), 2u << 24);
    assert_int_equal(*page_at(apic, 0x280), 0x20);

    /* In x2APIC mode ID and LDR read as others, and ICR in one piece. */
    enter_x2apic(f, 2);
    assert_true(msr_write(f, 2, 0x830, UINT64_C(0x12345678000c0681)));
    local_apic_show(apic);
    for (uint32_t msr = 0x800; msr < 0x900; msr++) {
        uint64_t value;
        if (!local_apic_msr_passes(msr, false))
            continue;
        assert_true(msr_read(f, 2, msr, &value));
        uint32_t *words = page_at(apic, (msr & 0xff) << 4);
        assert_true(value == (words[0] | (uint64_t)words[1] << 32));
    }
    assert_int_equal(*page_at(apic, 0x20), 2);
    assert_int_equal(*page_at(apic, 0xd0), 4);
    local_apic_init_signal(apic);
    local_apic_show(apic);
    assert_int_equal(*page_at(apic, 0x20), 2);
    assert_int_equal(*page_at(apic, 0xf0), 0xff);
    assert_int_equal(*page_at(apic, 0x304), 0);
}

static void test_passed_msrs(void **state)
{
    struct apic_fixture *f = *state;
    uint64_t value;

    enter_x2apic(f, 0);
    for (uint32_t msr = 0x7f0; msr < 0x910; msr++) {
        bool is_written = msr == 0x808 || msr == 0x80b || msr == 0x83f;
        assert_int_equal(local_apic_msr_passes(msr, true), is_written);
        bool is_read = msr >= 0x800 && msr_read(f, 0, msr, &value) && msr != 0x839;
        assert_int_equal(local_apic_msr_passes(msr, false), is_read);
    }
}

static void test_status_and_eoi_exits(void **state)
{
    struct apic_fixture *f = *state;
    struct apic_message level = {.vector = 0x91, .is_level = true, .is_asserted = true};

    enable_all(f);
    struct processor cpu = processor_on(f, 0);
    assert_int_equal(local_apic_interrupt_status(cpu.apic), 0);
    assert_true(apic_bus_send(&f->bus, &level, NULL));
    ipi(f, 1, 0, 0x4045);
    assert_true(local_apic_needs_attention(cpu.apic));
    enter(&cpu);
    assert_false(local_apic_needs_attention(cpu.apic));
    assert_int_equal(cpu.rvi, 0x91);
    assert_int_equal(local_apic_pending_vector(cpu.apic), 0x91);
    assert_true(cpu.eoi_exits[2] == UINT64_C(1) << (0x91 - 128));
    assert_true((cpu.eoi_exits[0] | cpu.eoi_exits[1] | cpu.eoi_exits[3]) == 0);
    assert_int_equal(deliver(&cpu), 0x91);
    assert_int_equal(deliver(&cpu), NONE);
    enter(&cpu);
    assert_int_equal(local_apic_interrupt_status(cpu.apic), 0x9145);
    assert_int_equal(local_apic_pending_vector(cpu.apic), NONE);
    assert_int_equal(local_apic_read_published(cpu.apic).ppr, 0x90); /* senders arbitrate by it */
    cpu_write(&cpu, 0xb0, 0);
    assert_int_equal(f->eoi_count, 1);
    assert_int_equal(f->eoi_vector, 0x91);
    assert_int_equal(deliver(&cpu), 0x45);
    cpu_write(&cpu, 0xb0, 0);
    assert_int_equal(f->eoi_count, 1); /* an edge is nobody's business */
    assert_int_equal(cpu.write_exits, 0);
    /* The vector comes as an edge: from now on its end does not exit. */
    ipi(f, 1, 0, 0x4091);
    enter(&cpu);
    assert_true(cpu.eoi_exits[2] == 0);
    /* An EOI that is executed outside ends what the processor has taken since it was entered, and
     * not what it has ended. */
    assert_int_equal(deliver(&cpu), 0x91);
    assert_true(local_apic_eoi(cpu.apic, LOCAL_APIC_XAPIC));
    assert_int_equal(local_apic_interrupt_status(cpu.apic), 0);
    ipi(f, 1, 0, 0x4045);
    ipi(f, 1, 0, 0x4092);
    enter(&cpu);
    assert_int_equal(deliver(&cpu), 0x92);
    cpu_write(&cpu, 0xb0, 0);
    assert_int_equal(deliver(&cpu), 0x45);
    reg_write(f, 0, 0xb0, 0);
    assert_int_equal(highest(cpu.apic, 0x100), 0);
}

static void test_lint0_level(void **state)
{
    struct apic_fixture *f = *state;

    enable_all(f);
    reg_write(f, 0, 0x350, 0x8000 | 0x71);
    struct processor cpu = processor_on(f, 0);
    apic_bus_set_lint(&f->bus, 0, true);
    enter(&cpu);
    assert_int_equal(*page_at(cpu.apic, 0x350), 0x4000 | 0x8000 | 0x71); /* remote IRR */
    assert_int_equal(deliver(&cpu), 0x71);
    cpu_write(&cpu, 0xb0, 0); /* the pin is still high */
    assert_int_equal(deliver(&cpu), 0x71);
    apic_bus_set_lint(&f->bus, 0, false);
    cpu_write(&cpu, 0xb0, 0);
    assert_int_equal(deliver(&cpu), NONE);
    assert_int_equal(*page_at(cpu.apic, 0x350), 0x8000 | 0x71);
}

/* Periods that nobody has taken do not keep the processor busy, nor is one missed that somebody
 * took without the monitor's knowing. */
static void test_periods(void **state)
{
    struct apic_fixture *f = *state;
    struct local_apic *apic = &f->apic[0];

    enable_all(f);
    reg_write(f, 0, 0x3e0, 0xb);
    reg_write(f, 0, 0x320, 0x20040);
    struct processor cpu = processor_on(f, 0);
    cpu_write(&cpu, 0x380, 1000);
    assert_int_equal(local_apic_next_deadline(apic), 1000);
    local_apic_run(apic, 1000);
    enter(&cpu);
    assert_int_equal(local_apic_next_deadline(apic), 2000);
    assert_int_equal(deliver(&cpu), 0x40);
    assert_int_equal(local_apic_next_deadline(apic), 2000);
    f->now = 1500;
    cpu_write(&cpu, 0x380, 10); /* shorter than merge_ticks, which are 100 */
    assert_int_equal(local_apic_next_deadline(apic), 1510);
    local_apic_run(apic, 1510);
    enter(&cpu);
    assert_int_equal(local_apic_next_deadline(apic), 1610);
    local_apic_run(apic, 1610);
    assert_int_equal(local_apic_next_deadline(apic), 1710);
    cpu_write(&cpu, 0xb0, 0);
    assert_int_equal(deliver(&cpu), 0x40);
    assert_int_equal(local_apic_next_deadline(apic), 1620);
    local_apic_set_virtual(apic, false, 0);
    local_apic_run(apic, 1620);
    assert_int_equal(local_apic_next_deadline(apic), LOCAL_APIC_NO_DEADLINE);
}

static void test_odd_writes(void **state)
{
    struct apic_fixture *f = *state;

    enable_all(f);
    struct processor cpu = processor_on(f, 1);
    cpu_write(&cpu, 0x20, 0x55000000); /* ID: processors put it there and report it */
    assert_int_equal(*page_at(cpu.apic, 0x20), 1u << 24);
    *page_at(cpu.apic, 0x320) = 0x12345678;
    local_apic_written(cpu.apic, 0x323, 0); /* within the register */
    local_apic_show(cpu.apic);
    assert_int_equal(*page_at(cpu.apic, 0x320), 0x12345678 & 0x700ff);
    for (uint32_t offset = 0; offset < 0x1000; offset += 16) {
        local_apic_written(cpu.apic, offset, 0); /* none of it may be a fault of ours */
        local_apic_show(cpu.apic);
    }
    /* Self IPI with an illegal vector, in the mode where there is that register. */
    reg_write(f, 2, 0xf0, 0x1ff);
    enter_x2apic(f, 2);
    struct local_apic *apic = &f->apic[2];
    local_apic_set_virtual(apic, true, 0);
    *page_at(apic, 0x3f0) = 0x0f;
    local_apic_written(apic, 0x3f0, 0);
    local_apic_show(apic);
    assert_int_equal(*page_at(apic, 0x3f0), 0);
    assert_true(msr_write(f, 2, 0x828, 0));
    local_apic_show(apic);
    assert_int_equal(*page_at(apic, 0x280), 0x20);
}

/* --- The same happens to both -------------------------------------------------------------------
 */

/* Vectors from 80H on are edges: a processor that takes an IPI to itself leaves TMR alone. */
static void post_to_both(struct apic_fixture *one, struct apic_fixture *two)
{
    uint8_t vector = (uint8_t)(16 + random_below(240));
    struct apic_message message = {
        .vector = vector, .is_level = vector < 0x80 && random_below(2) != 0, .is_asserted = true};
    (void)apic_bus_send(&one->bus, &message, NULL);
    (void)apic_bus_send(&two->bus, &message, NULL);
}

static void write_both(struct apic_fixture *emulated, struct processor *cpu)
{
    static const uint32_t offsets[] = {0x20,  0x80,  0x80,  0x80,  0xd0,  0xe0,  0xf0,
                                       0x280, 0x300, 0x300, 0x300, 0x310, 0x320, 0x330,
                                       0x340, 0x350, 0x360, 0x370, 0x380, 0x3e0};
    uint32_t offset = offsets[random_below(sizeof(offsets) / sizeof(offsets[0]))];
    uint32_t value = (uint32_t)random_u64();

    if (offset == 0xf0)
        value |= 0x100; /* stays enabled */
    if (offset == 0x300 && random_below(2) == 0)
        value = (value & 0x40ff) | 0x80 | 1u << 18; /* to itself */
    else if (offset == 0x300)
        value &= ~0x600u; /* no NMI, INIT or start-up */
    if (offset == 0x80)
        value &= 0x6f;
    if (offset == 0x320)
        value |= 1u << 16; /* times differ */
    if ((offset == 0x350 || offset == 0x360) && (value >> 8 & 7) == 7)
        value &= ~0x700u;
    reg_write(emulated, 0, offset, value);
    cpu_write(cpu, offset, value);
}

static void test_same_as_emulated(void **state)
{
    struct apic_fixture *f = *state, *emulated = fixture_new(&other_fixture);
    unsigned delivered = 0;

    random_state = 20260101;
    enable_all(f);
    enable_all(emulated);
    struct processor cpu = processor_on(f, 0);
    for (unsigned step = 0; step < 200000; step++) {
        int vector;
        switch (random_below(6)) {
        case 0:
            post_to_both(f, emulated);
            enter(&cpu); /* the kick */
            (void)accept_all(emulated, 0);
            break;
        case 1:
        case 2: write_both(emulated, &cpu); break;
        case 3:
        case 4:
            enter(&cpu);
            vector = pending(emulated, 0);
            assert_int_equal(local_apic_pending_vector(cpu.apic), vector);
            assert_int_equal(deliver(&cpu), vector);
            if (vector != NONE) {
                assert_int_equal(local_apic_acknowledge(&emulated->apic[0]), vector);
                delivered++;
            }
            break;
        case 5:
            if (highest(cpu.apic, 0x100) == 0)
                break;
            cpu_write(&cpu, 0xb0, 0);
            reg_write(emulated, 0, 0xb0, 0);
            break;
        }
        if (step % 16 != 0)
            continue;
        enter(&cpu);
        (void)accept_all(emulated, 0);
        assert_int_equal(f->eoi_count, emulated->eoi_count);
        assert_int_equal(f->eoi_vector, emulated->eoi_vector);
        for (uint32_t offset = 0; offset < 0x400; offset += 16) {
            if ((local_apic_register_access(offset >> 4) & XAPIC_READ) == 0 || offset == 0x390)
                continue;
            assert_int_equal(reg_read(f, 0, offset), reg_read(emulated, 0, offset));
        }
        assert_shown(f, 0);
        if (step % 1024 == 0) { /* the emulation takes over for a while */
            local_apic_set_virtual(cpu.apic, false, 0);
            assert_int_equal(pending(f, 0), pending(emulated, 0));
            cpu = processor_on(f, 0);
        }
    }
    assert_true(delivered > 1000 && f->eoi_count > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_when, set_up),
        cmocka_unit_test_setup(test_page_shows_registers, set_up),
        cmocka_unit_test_setup(test_passed_msrs, set_up),
        cmocka_unit_test_setup(test_status_and_eoi_exits, set_up),
        cmocka_unit_test_setup(test_lint0_level, set_up),
        cmocka_unit_test_setup(test_periods, set_up),
        cmocka_unit_test_setup(test_odd_writes, set_up),
        cmocka_unit_test_setup(test_same_as_emulated, set_up),
    };
    return cmocka_run_group_tests_name("local_apic_virtual", tests, NULL, NULL);
}
