// SPDX-License-Identifier: BSD-2-Clause
#include "tests/unit/local_apic_fixture.h"

#include "vmm/devices/apic/local_apic_state.h"

#include <pthread.h>
#include <sched.h>

#define ICR_LOGICAL 0x800

static struct apic_fixture fixture;

static int set_up(void **state)
{
    *state = fixture_new(&fixture);
    enable_all(&fixture);
    return 0;
}

static bool send(struct apic_fixture *f, struct apic_message message)
{
    return apic_bus_send(&f->bus, &message, NULL);
}

static void test_add(void **state)
{
    static struct local_apic apics[APIC_BUS_MAX + 1];
    static struct apic_bus bus;
    struct apic_bus_wires wires = {.kick = fixture_kick};
    struct local_apic_config config = {.id = 255, .physical_address_bits = 36};
    (void)state;
    apic_bus_init(&bus, &wires);
    assert_false(apic_bus_add(&bus, &apics[0], &config));
    for (unsigned i = 0; i < APIC_BUS_MAX; i++) {
        config.id = i * 3;
        assert_true(apic_bus_add(&bus, &apics[i], &config));
        assert_false(apic_bus_add(&bus, &apics[i + 1], &config)); /* taken */
    }
    config.id = 200;
    assert_false(apic_bus_add(&bus, &apics[APIC_BUS_MAX], &config));

    /* Nothing reaches one that is taken off again, in the reverse order; its place is free. */
    for (unsigned i = APIC_BUS_MAX; i-- > 1;) {
        apic_bus_remove(&bus, &apics[i]);
        assert_null(bus.by_id[i * 3]);
        memset(&apics[i], 0, sizeof(apics[i]));
        apic_bus_set_lint(&bus, 0, i % 2 != 0);
        assert_memory_equal(&apics[i], &apics[APIC_BUS_MAX], sizeof(apics[i])); /* all zeros */
    }
    assert_int_equal(bus.count, 1);
    config.id = 3;
    assert_true(apic_bus_add(&bus, &apics[1], &config));
}

static void test_physical(void **state)
{
    struct apic_fixture *f = *state;
    for (unsigned id = 0; id < APIC_COUNT; id++) {
        assert_true(send(f, (struct apic_message){.destination = id, .vector = 0x40}));
        assert_int_equal(who_gets(f, 0x40), 1u << id);
        ipi(f, 1, (uint8_t)id, 0x4041);
        assert_int_equal(who_gets(f, 0x41), 1u << id);
    }
    assert_false(send(f, (struct apic_message){.destination = 4, .vector = 0x40}));
    assert_true(send(f, (struct apic_message){.destination = 0xff, .vector = 0x40}));
    assert_int_equal(who_gets(f, 0x40), 0xf);
    ipi(f, 1, 0xff, 0x4041); /* a broadcast meets the sender too */
    assert_int_equal(who_gets(f, 0x41), 0xf);

    reg_write(f, 2, 0xf0, 0xff); /* not enabled by software */
    assert_false(send(f, (struct apic_message){.destination = 2, .vector = 0x40}));
    assert_true(send(f, (struct apic_message){.destination = 0xff, .vector = 0x40}));
    assert_int_equal(who_gets(f, 0x40), 0xb);
}

static void test_x2apic_physical(void **state)
{
    struct apic_fixture *f = *state;
    for (unsigned index = 1; index < APIC_COUNT; index++)
        enter_x2apic(f, index); /* 0 stays behind */
    for (uint64_t id = 0; id < APIC_COUNT; id++) {
        assert_true(msr_write(f, 2, 0x830, id << 32 | 0x4040));
        assert_int_equal(who_gets(f, 0x40), 1u << id);
    }
    assert_true(msr_write(f, 2, 0x830, UINT64_C(0xffffffff) << 32 | 0x4040));
    assert_int_equal(who_gets(f, 0x40), 0xf);
    assert_true(msr_write(f, 2, 0x830, UINT64_C(0xff) << 32 | 0x4040)); /* an ID like any other */
    assert_int_equal(who_gets(f, 0x40), 0);
    assert_true(msr_write(f, 2, 0x830, UINT64_C(0x101) << 32 | 0x4040));
    assert_int_equal(who_gets(f, 0x40), 0);
    ipi(f, 0, 0xff, 0x4040);
    assert_int_equal(who_gets(f, 0x40), 0xf);
    ipi(f, 0, 3, 0x4040);
    assert_int_equal(who_gets(f, 0x40), 8);
}

static void test_flat(void **state)
{
    struct apic_fixture *f = *state;
    for (unsigned index = 0; index < APIC_COUNT; index++)
        reg_write(f, index, 0xd0, 1u << (24 + index));
    for (unsigned mda = 0; mda < 256; mda++) {
        unsigned expected = mda & 0xf;
        ipi(f, 0, (uint8_t)mda, 0x4050 | ICR_LOGICAL);
        assert_int_equal(who_gets(f, 0x50), expected);
        bool taken =
            send(f, (struct apic_message){.destination = mda, .is_logical = true, .vector = 0x51});
        assert_int_equal(taken, expected != 0);
        assert_int_equal(who_gets(f, 0x51), expected);
    }
    reg_write(f, 3, 0xe0, 0x70000000); /* a reserved model */
    ipi(f, 0, 0x8, 0x4050 | ICR_LOGICAL);
    assert_int_equal(who_gets(f, 0x50), 0);
}

static void test_cluster(void **state)
{
    struct apic_fixture *f = *state;
    static const uint8_t logical[APIC_COUNT] = {0x11, 0x12, 0x21, 0x24};
    for (unsigned index = 0; index < APIC_COUNT; index++) {
        reg_write(f, index, 0xe0, 0);
        reg_write(f, index, 0xd0, (uint32_t)logical[index] << 24);
    }
    static const struct {
        uint8_t mda, who;
    } cases[] = {{0x11, 1},  {0x12, 2}, {0x13, 3}, {0x1f, 3},  {0x21, 4},
                 {0x25, 12}, {0x31, 0}, {0x10, 0}, {0xff, 15}, {0x01, 0}};
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ipi(f, 3, cases[i].mda, 0x4050 | ICR_LOGICAL);
        assert_int_equal(who_gets(f, 0x50), cases[i].who);
    }
}

static void test_x2apic_logical(void **state)
{
    static struct local_apic apics[6];
    static const uint32_t ids[6] = {0, 1, 15, 16, 37, 254};
    static const uint32_t logical[6] = {0x1, 0x2, 0x8000, 0x10001, 0x20020, 0xf4000};
    struct apic_fixture *f = *state;
    struct apic_bus bus;
    struct apic_bus_wires wires = {.kick = fixture_kick, .context = f};
    uint64_t value;

    apic_bus_init(&bus, &wires);
    for (unsigned i = 0; i < 6; i++) {
        struct local_apic_config config = {
            .id = ids[i], .has_x2apic = true, .physical_address_bits = 39};
        assert_true(apic_bus_add(&bus, &apics[i], &config));
        apics[i].index = 0; /* the fixture counts kicks of four */
        assert_true(local_apic_write_base(&apics[i], 0xfee00c00));
        assert_true(local_apic_write_msr(&apics[i], 0x80f, 0, 0x1ff));
        assert_true(local_apic_read_msr(&apics[i], 0x80d, 0, &value));
        assert_int_equal(value, logical[i]);
    }
    static const struct {
        uint32_t destination;
        unsigned who;
    } cases[] = {{0x1, 1},     {0x3, 3},      {0xffff, 7},      {0x1ffff, 8},    {0x20020, 16},
                 {0x2ffdf, 0}, {0xfffff, 32}, {0xffffffff, 63}, {0xffff0000, 0}, {0x30001, 0}};
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_true(local_apic_write_msr(&apics[2], 0x830, 0,
                                         (uint64_t)cases[i].destination << 32 | 0x4850));
        unsigned who = 0;
        for (unsigned index = 0; index < 6; index++) {
            assert_false(local_apic_accept(&apics[index]));
            if (local_apic_pending_vector(&apics[index]) == 0x50) {
                who |= 1u << index;
                (void)local_apic_acknowledge(&apics[index]);
                assert_true(local_apic_write_msr(&apics[index], 0x80b, 0, 0));
            }
        }
        assert_int_equal(who, cases[i].who);
    }
    /* An I/O APIC's eight bits reach cluster 0. */
    struct apic_message message = {.destination = 0x3, .is_logical = true, .vector = 0x60};
    assert_true(apic_bus_send(&bus, &message, NULL));
    assert_false(local_apic_accept(&apics[1]));
    assert_false(local_apic_accept(&apics[3]));
    assert_int_equal(local_apic_pending_vector(&apics[1]), 0x60);
    assert_int_equal(local_apic_pending_vector(&apics[3]), LOCAL_APIC_NO_VECTOR);
}

/* Every delivery mode with every shorthand: who gets what. */
static void test_every_icr(void **state)
{
    struct apic_fixture *f = *state;
    static const unsigned receivers[4] = {[0] = 1u << 2, [1] = 1u << 1, [2] = 0xf, [3] = 0xd};
    for (unsigned shorthand = 0; shorthand < 4; shorthand++) {
        for (unsigned mode = 0; mode < 8; mode++) {
            unsigned fixed = 0, nmi = 0, init = 0, startup = 0;
            (void)fixture_new(f);
            enable_all(f);
            ipi(f, 1, 2, shorthand << 18 | mode << 8 | 0x4095);
            for (unsigned index = 0; index < APIC_COUNT; index++) {
                struct local_apic_events events = accept_all(f, index);
                nmi |= (unsigned)events.nmi << index;
                init |= (unsigned)events.init << index;
                startup |= (unsigned)events.startup << index;
                assert_int_equal(events.startup_vector, events.startup ? 0x95 : 0);
                if (local_apic_pending_vector(&f->apic[index]) == 0x95)
                    fixed |= 1u << index;
                assert_false(local_apic_extint_pending(&f->apic[index]));
            }
            bool with_self = shorthand == 1 || shorthand == 2;
            unsigned others = with_self ? 0 : receivers[shorthand];
            assert_int_equal(nmi, mode == APIC_NMI ? receivers[shorthand] : 0);
            assert_int_equal(init, mode == APIC_INIT ? others : 0);
            assert_int_equal(startup, mode == APIC_STARTUP ? others : 0);
            if (mode == APIC_LOWEST_PRIORITY)
                assert_int_equal(fixed, others & -others); /* the first of them */
            else
                assert_int_equal(fixed, mode == APIC_FIXED ? receivers[shorthand] : 0);
            reg_write(f, 1, 0x280, 0);
            assert_int_equal(reg_read(f, 1, 0x280), 0);
        }
    }
}

static void test_illegal_vectors(void **state)
{
    struct apic_fixture *f = *state;
    for (uint32_t vector = 0; vector < 16; vector++) {
        for (uint32_t mode = 0; mode < 2; mode++) {
            ipi(f, 0, 2, mode << 8 | vector); /* not sent */
            reg_write(f, 0, 0x280, 0);
            assert_int_equal(reg_read(f, 0, 0x280), 0x20);
            assert_int_equal(f->kicks[2], 0);
        }
        /* From an I/O APIC they arrive. */
        f->kicks[2] = 0;
        assert_true(send(f, (struct apic_message){.destination = 2, .vector = (uint8_t)vector}));
        assert_int_equal(f->kicks[2], 1);
        assert_int_equal(pending(f, 2), LOCAL_APIC_NO_VECTOR);
        reg_write(f, 2, 0x280, 0);
        assert_int_equal(reg_read(f, 2, 0x280), 0x40);
        f->kicks[2] = 0;
    }
    /* Reserved modes, whoever sends. */
    assert_false(
        send(f, (struct apic_message){.destination = 2, .delivery = (enum apic_delivery)3}));
}

static void test_level_ipi_is_edge(void **state)
{
    struct apic_fixture *f = *state;
    ipi(f, 0, 2, 0xc066);
    assert_int_equal(who_gets(f, 0x66), 4);
    assert_int_equal(f->eoi_count, 0);
    ipi(f, 0, 2, 0x66); /* the level bit does not count */
    assert_int_equal(who_gets(f, 0x66), 4);
}

static void test_lowest_priority(void **state)
{
    struct apic_fixture *f = *state;
    struct apic_message message = {
        .destination = 0xff, .delivery = APIC_LOWEST_PRIORITY, .vector = 0x70};
    for (unsigned round = 0; round < 8; round++) { /* equals take turns */
        assert_true(send(f, message));
        assert_int_equal(who_gets(f, 0x70), 1u << round % 4);
    }
    reg_write(f, 0, 0x80, 0x20);
    reg_write(f, 1, 0x80, 0x10);
    reg_write(f, 2, 0x80, 0x30);
    reg_write(f, 3, 0x80, 0x10);
    for (unsigned round = 0; round < 4; round++) {
        assert_true(send(f, message));
        assert_int_equal(who_gets(f, 0x70), round % 2 == 0 ? 2 : 8);
    }
    ipi(f, 0, 3, 0x4066); /* PPR counts, not TPR alone */
    (void)accept_all(f, 3);
    (void)local_apic_acknowledge(&f->apic[3]);
    for (unsigned round = 0; round < 2; round++) {
        assert_true(send(f, message));
        assert_int_equal(who_gets(f, 0x70), 2);
    }
    reg_write(f, 1, 0xf0, 0xff); /* who is not enabled does not take part */
    assert_true(send(f, message));
    assert_int_equal(who_gets(f, 0x70), 1);
    for (unsigned index = 0; index < APIC_COUNT; index++)
        reg_write(f, index, 0xf0, 0xff);
    assert_false(send(f, message));
}

static void test_init_and_startup(void **state)
{
    struct apic_fixture *f = *state;
    struct local_apic_events events;

    ipi(f, 0, 1, 0x8500); /* level de-assert: nothing */
    assert_int_equal(f->kicks[1], 0);
    ipi(f, 0, 1, 0xc500);
    assert_int_equal(f->kicks[1], 1);
    events = accept_all(f, 1);
    assert_true(events.init && !events.startup && !events.nmi);
    local_apic_init_signal(&f->apic[1]);

    /* An INIT sweeps away what waits, the first SIPI counts. */
    ipi(f, 0, 1, 0x4400);
    ipi(f, 0, 1, 0x4611);
    ipi(f, 0, 1, 0x4500);
    ipi(f, 0, 1, 0x469a);
    ipi(f, 0, 1, 0x469b);
    events = accept_all(f, 1);
    assert_true(events.init && events.startup && !events.nmi);
    assert_int_equal(events.startup_vector, 0x9a);
    events = accept_all(f, 1);
    assert_false(events.init || events.startup || events.nmi);

    assert_true(send(f, (struct apic_message){.destination = 1, .delivery = APIC_SMI}));
    events = accept_all(f, 1);
    assert_false(events.init || events.startup || events.nmi);
}

static void test_extint(void **state)
{
    struct apic_fixture *f = *state;
    struct apic_message message = {.destination = 1, .delivery = APIC_EXTINT};
    assert_true(send(f, message));
    assert_int_equal(f->kicks[1], 1);
    struct local_apic_events events = accept_all(f, 1);
    assert_false(events.nmi || events.init || events.startup);
    assert_true(local_apic_extint_pending(&f->apic[1]));
    local_apic_extint_taken(&f->apic[1]);
    assert_false(local_apic_extint_pending(&f->apic[1]));
    reg_write(f, 1, 0xf0, 0xff);
    assert_false(send(f, message));
}

static void test_msi(void **state)
{
    struct apic_fixture *f = *state;
    assert_true(apic_bus_send_msi(&f->bus, 0xfee02000, 0x0035));
    assert_int_equal(who_gets(f, 0x35), 4);
    assert_true(apic_bus_send_msi(&f->bus, 0xfeeff000, 0x0035));
    assert_int_equal(who_gets(f, 0x35), 0xf);
    for (unsigned index = 0; index < APIC_COUNT; index++)
        reg_write(f, index, 0xd0, 1u << (24 + index));
    assert_true(apic_bus_send_msi(&f->bus, 0xfee06004, 0x0036)); /* logical: 1 and 2 */
    assert_int_equal(who_gets(f, 0x36), 6);
    assert_true(apic_bus_send_msi(&f->bus, 0xfee0600c, 0x0036)); /* one of them */
    assert_int_equal(who_gets(f, 0x36), 2);
    assert_true(apic_bus_send_msi(&f->bus, 0xfee0600c, 0x0036));
    assert_int_equal(who_gets(f, 0x36), 4);
    assert_true(apic_bus_send_msi(&f->bus, 0xfee01000, 0x0400));
    assert_true(accept_all(f, 1).nmi);
    assert_true(apic_bus_send_msi(&f->bus, 0xfee01000, 0xc037)); /* level, asserted */
    assert_int_equal(who_gets(f, 0x37), 2);
    assert_int_equal(f->eoi_vector, 0x37);
    assert_false(apic_bus_send_msi(&f->bus, 0xfee01000, 0x8037));
    assert_false(apic_bus_send_msi(&f->bus, 0xfed01000, 0x0037));
    assert_false(apic_bus_send_msi(&f->bus, 0x1fee01000, 0x0037));
    assert_false(apic_bus_send_msi(&f->bus, 0xfee00000, 0x0337));
}

/* --- Real threads --------------------------------------------------------------------------- */

#define ROUNDS 20000
#define PAIRS  20000

struct sender {
    struct apic_fixture *fixture;
    uint8_t first; /* of 96 vectors that are this sender's */
    bool is_level;
    _Atomic unsigned *taken; /* by vector */
};

static _Atomic uint32_t doorbell;

static void ring(void *context, unsigned index)
{
    (void)context;
    (void)index;
    atomic_fetch_add(&doorbell, 1);
}

/* Sends a vector again only when it was taken, so that each message must be taken once. */
static void *send_all(void *argument)
{
    struct sender *sender = argument;
    for (unsigned round = 0; round < ROUNDS; round++) {
        uint8_t vector = (uint8_t)(sender->first + round % 96);
        while (atomic_load(&sender->taken[vector]) != round / 96)
            sched_yield();
        struct apic_message message = {.vector = vector, .is_level = sender->is_level};
        assert_true(apic_bus_send(&sender->fixture->bus, &message, NULL));
    }
    return NULL;
}

/* The owner looks only when it was kicked, as a halted processor does. */
static void test_threads(void **state)
{
    static _Atomic unsigned taken[256];
    struct apic_fixture *f = *state;
    struct local_apic *apic = &f->apic[0];
    struct sender senders[2] = {{f, 32, false, taken}, {f, 128, true, taken}};
    pthread_t threads[2];
    unsigned count = 0;
    uint32_t seen = 0;

    f->bus.wires.kick = ring;
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, send_all, &senders[i]), 0);
    while (count < 2 * ROUNDS) {
        unsigned spins = 0;
        while (atomic_load(&doorbell) == seen) {
            sched_yield();
            assert_true(++spins < 50 * 1000 * 1000); /* a lost kick */
        }
        seen = atomic_load(&doorbell);
        while (local_apic_needs_attention(apic)) {
            assert_false(local_apic_accept(apic));
            while (local_apic_pending_vector(apic) != LOCAL_APIC_NO_VECTOR) {
                uint8_t vector = local_apic_acknowledge(apic);
                assert_int_equal(vector_test(&APIC_REGISTER(apic, REGISTER_TMR), vector),
                                 vector >= 128);
                reg_write(f, 0, 0xb0, 0);
                count++;
                atomic_fetch_add(&taken[vector], 1);
            }
        }
    }
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(count, 2 * ROUNDS);
    assert_int_equal(f->eoi_count, ROUNDS);
    assert_int_equal(local_apic_pending_vector(apic), LOCAL_APIC_NO_VECTOR);
}

/* Two messages in a row, the second at a varying moment while the first is being accepted, and to a
 * word of the inbox that is then already done; nothing else comes that could make up for a lost
 * kick. */
static void *send_pairs(void *argument)
{
    struct sender *sender = argument;
    for (unsigned round = 0; round < PAIRS; round++) {
        struct apic_message message = {.vector = 0xf0};
        assert_true(apic_bus_send(&sender->fixture->bus, &message, NULL));
        for (unsigned step = 0; step < round % 512; step++)
            atomic_signal_fence(memory_order_seq_cst); /* keeps the loop */
        message.vector = 0x20;
        assert_true(apic_bus_send(&sender->fixture->bus, &message, NULL));
        for (unsigned spins = 1;
             atomic_load(&sender->taken[0xf0]) + atomic_load(&sender->taken[0x20]) <
             2 * (round + 1);
             spins++) {
            if (spins % 4096 == 0)
                sched_yield();
        }
    }
    return NULL;
}

static void test_last_kick(void **state)
{
    static _Atomic unsigned taken[256];
    struct apic_fixture *f = *state;
    struct local_apic *apic = &f->apic[0];
    struct sender sender = {.fixture = f, .taken = taken};
    pthread_t thread;

    f->bus.wires.kick = ring;
    atomic_store(&doorbell, 0);
    assert_int_equal(pthread_create(&thread, NULL, send_pairs, &sender), 0);
    uint32_t seen = 0;
    for (unsigned count = 0; count < 2 * PAIRS;) {
        for (unsigned spins = 0; atomic_load(&doorbell) == seen; spins++) {
            assert_true(spins < 1000 * 1000 * 1000); /* a lost kick */
            if (spins % 4096 == 4095)
                sched_yield();
        }
        seen = atomic_load(&doorbell);
        while (local_apic_needs_attention(apic)) {
            assert_false(local_apic_accept(apic));
            while (local_apic_pending_vector(apic) != LOCAL_APIC_NO_VECTOR) {
                uint8_t vector = local_apic_acknowledge(apic);
                reg_write(f, 0, 0xb0, 0);
                count++;
                atomic_fetch_add(&taken[vector], 1);
            }
        }
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(atomic_load(&taken[0x20]), PAIRS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_add, set_up),
        cmocka_unit_test_setup(test_physical, set_up),
        cmocka_unit_test_setup(test_x2apic_physical, set_up),
        cmocka_unit_test_setup(test_flat, set_up),
        cmocka_unit_test_setup(test_cluster, set_up),
        cmocka_unit_test_setup(test_x2apic_logical, set_up),
        cmocka_unit_test_setup(test_every_icr, set_up),
        cmocka_unit_test_setup(test_illegal_vectors, set_up),
        cmocka_unit_test_setup(test_level_ipi_is_edge, set_up),
        cmocka_unit_test_setup(test_lowest_priority, set_up),
        cmocka_unit_test_setup(test_init_and_startup, set_up),
        cmocka_unit_test_setup(test_extint, set_up),
        cmocka_unit_test_setup(test_msi, set_up),
        cmocka_unit_test_setup(test_threads, set_up),
        cmocka_unit_test_setup(test_last_kick, set_up),
    };
    return cmocka_run_group_tests_name("apic_bus", tests, NULL, NULL);
}
