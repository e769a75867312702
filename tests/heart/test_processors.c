// SPDX-License-Identifier: BSD-2-Clause
/* Guests with several vCPUs, each on a fake processor of its own, which is a thread: start-up
 * messages, INIT, interrupts between vCPUs, notes and kicks, and ends. */
#include "tests/heart/apic.h"

#include "vmm/host/cpus.h"

#include <stdatomic.h>
#include <string.h>

#define COUNT      3
#define START_PAGE 0x10
#define VECTOR     0x45
#define ROUNDS     300

static _Atomic unsigned arrived;
static _Atomic unsigned received[COUNT];
static _Atomic bool is_over;

static struct guest *three(void)
{
    static struct guest_config *config;

    if (config == NULL)
        config = heart_guest("three", COUNT);
    return heart_create(config);
}

static void start_others(struct fake_guest *guest)
{
    for (unsigned i = 1; i < COUNT; i++) {
        apic_send(guest, i, ICR_INIT);
        apic_send(guest, i, ICR_STARTUP | START_PAGE);
    }
    while (atomic_load(&arrived) < COUNT - 1)
        exec_run(guest, 10000);
}

static void run(void (*first)(struct fake_guest *), void (*other)(struct fake_guest *))
{
    struct guest *guest = three();

    arrived = 0;
    is_over = false;
    memset(received, 0, sizeof(received));
    heart_start(guest);
    fake_set_guest(0, first, NULL);
    for (unsigned i = 1; i < COUNT; i++)
        fake_set_guest(i, other, NULL);
    guest_run(guest);
    assert_int_equal(guest->end.kind, GUEST_EXITED);
    assert_int_equal(guest->end.exit_code, 1);
    heart_destroy(guest);
}

static unsigned id(struct fake_guest *guest)
{
    return apic_read(guest, APIC_ID) >> 24;
}

static void end_interrupt(struct fake_guest *guest, uint32_t info, uint32_t error)
{
    (void)error;
    if (INTERRUPTION_TYPE(info) == INTERRUPTION_EXTERNAL)
        apic_write(guest, APIC_EOI, 0);
    atomic_fetch_add(&received[id(guest)], 1);
}

static void arrive(struct fake_guest *guest)
{
    assert_int_equal(fake_guest_field(guest, VMCS_GUEST_CS_BASE), START_PAGE << 12);
    assert_int_equal(fake_guest_field(guest, VMCS_GUEST_RIP), 0);
    apic_enable(guest);
    guest->handler = end_interrupt;
    atomic_fetch_add(&arrived, 1);
}

/* --- Start-up and INIT --- */

static void first_starts(struct fake_guest *guest)
{
    exec_cli(guest);
    apic_enable(guest);
    start_others(guest);
    apic_send(guest, 1, ICR_STARTUP | 0x20); /* ignored by a processor that runs */
    exec_run(guest, 100000);
    assert_int_equal(fake_guest_of(1)->begin_count, 1);
    end_guest(guest, 0);
}

static void other_halts(struct fake_guest *guest)
{
    arrive(guest);
    for (;;)
        (void)exec_hlt(guest);
}

static void test_start_up(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COUNT; i++)
        fake_guest_of(i)->begin_count = 0;
    run(first_starts, other_halts);
}

/* A processor that runs takes INIT, waits, and starts again. */
static void first_starts_twice(struct fake_guest *guest)
{
    exec_cli(guest);
    apic_enable(guest);
    start_others(guest);
    atomic_store(&arrived, 0);
    start_others(guest);
    end_guest(guest, 0);
}

static void other_spins(struct fake_guest *guest)
{
    arrive(guest);
    for (;;)
        exec_run(guest, 100000);
}

static void test_init_of_a_running_processor(void **state)
{
    (void)state;
    run(first_starts_twice, other_spins);
}

/* --- Interrupts between vCPUs: none is lost --- */

static void first_sends(struct fake_guest *guest)
{
    exec_cli(guest);
    apic_enable(guest);
    start_others(guest);
    for (unsigned round = 1; round <= ROUNDS; round++) {
        for (unsigned i = 1; i < COUNT; i++)
            apic_send(guest, i, ICR_FIXED | VECTOR);
        for (unsigned i = 1; i < COUNT; i++) {
            while (atomic_load(&received[i]) < round)
                exec_run(guest, 2000);
        }
    }
    end_guest(guest, 0);
}

static void other_waits_halted(struct fake_guest *guest)
{
    arrive(guest);
    exec_sti(guest);
    for (;;)
        (void)exec_hlt(guest);
}

static void other_waits_running(struct fake_guest *guest)
{
    arrive(guest);
    exec_sti(guest);
    for (;;)
        exec_run(guest, 1000000);
}

static void test_interrupts_to_halted(void **state)
{
    (void)state;
    run(first_sends, other_waits_halted);
}

static void test_interrupts_to_running(void **state)
{
    (void)state;
    run(first_sends, other_waits_running);
}

/* All send to each other at once, as fast as they can; each counts what it gets. */
static void send_round(struct fake_guest *guest, unsigned own)
{
    apic_send(guest, (own + 1) % COUNT, ICR_FIXED | VECTOR);
    apic_send(guest, (own + 2) % COUNT, ICR_FIXED | (VECTOR + 0x10));
}

static void first_in_the_storm(struct fake_guest *guest)
{
    exec_cli(guest);
    apic_enable(guest);
    guest->handler = end_interrupt;
    start_others(guest);
    exec_sti(guest);
    for (unsigned i = 0; i < COUNT; i++) {
        while (atomic_load(&received[i]) < ROUNDS)
            send_round(guest, 0);
    }
    atomic_store(&is_over, true);
    end_guest(guest, 0);
}

static void other_in_the_storm(struct fake_guest *guest)
{
    unsigned own;

    arrive(guest);
    own = id(guest);
    exec_sti(guest);
    while (!atomic_load(&is_over))
        send_round(guest, own);
    for (;;)
        (void)exec_hlt(guest);
}

static void test_storm(void **state)
{
    (void)state;
    run(first_in_the_storm, other_in_the_storm);
}

/* --- NMIs wake a vCPU that has halted with interrupts off --- */

static void first_sends_nmi(struct fake_guest *guest)
{
    exec_cli(guest);
    apic_enable(guest);
    start_others(guest);
    for (unsigned round = 1; round <= 20; round++) {
        apic_send(guest, 1, ICR_NMI);
        while (atomic_load(&received[1]) < round)
            exec_run(guest, 2000);
        exec_run(guest, 20000); /* it halts again */
    }
    end_guest(guest, 0);
}

static void test_nmi_wakes(void **state)
{
    (void)state;
    run(first_sends_nmi, other_halts);
}

/* When the last one that could wake another halts, the guest is stopped. */
static void first_dies(struct fake_guest *guest)
{
    exec_cli(guest);
    apic_enable(guest);
    start_others(guest);
    (void)exec_hlt(guest);
    fail();
}

static void test_all_dead(void **state)
{
    struct guest *guest = three();

    (void)state;
    arrived = 0;
    heart_start(guest);
    fake_set_guest(0, first_dies, NULL);
    for (unsigned i = 1; i < COUNT; i++)
        fake_set_guest(i, other_halts, NULL);
    guest_run(guest);
    assert_int_equal(guest->end.kind, GUEST_STOPPED);
    assert_string_equal(guest->end.reason, "halted with interrupts off: nothing can wake it");
    heart_destroy(guest);
}

/* --- Ends and resets by another vCPU --- */

static void first_waits(struct fake_guest *guest)
{
    exec_cli(guest);
    apic_enable(guest);
    start_others(guest);
    for (;;)
        exec_run(guest, 1000000);
}

static void second_ends(struct fake_guest *guest)
{
    arrive(guest);
    while (atomic_load(&arrived) < COUNT - 1)
        exec_run(guest, 1000);
    if (id(guest) == 1)
        end_guest(guest, 0);
    for (;;)
        (void)exec_hlt(guest);
}

static void test_another_vcpu_ends_it(void **state)
{
    (void)state;
    run(first_waits, second_ends);
}

static void test_reset_of_several(void **state)
{
    struct guest *guest = three();

    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        arrived = 0;
        heart_start(guest);
        fake_set_guest(0, first_waits, NULL);
        for (unsigned k = 1; k < COUNT; k++)
            fake_set_guest(k, second_ends, NULL);
        guest_run(guest);
        assert_int_equal(guest->end.kind, GUEST_EXITED);
        for (unsigned k = 0; k < COUNT; k++)
            assert_true(cpus_is_idle(cpus_get(k)));
    }
    heart_destroy(guest);
}

/* x2APIC mode, by MSRs. */
static void x2apic(struct fake_guest *guest)
{
    uint64_t value = 0;

    exec_cli(guest);
    guest->handler = NULL;
    assert_true(exec_wrmsr(guest, 0x1b, 0xfee00d00));
    assert_true(exec_rdmsr(guest, 0x802, &value));
    assert_int_equal(value, 0);
    assert_true(exec_wrmsr(guest, 0x80f, 0x1ff));
    assert_true(exec_wrmsr(guest, 0x83f, VECTOR)); /* self IPI */
    assert_false(exec_rdmsr(guest, 0x83f, &value));
    exec_sti(guest);
    exec_run(guest, 1000);
    assert_int_equal(guest->event_count > 0, 1);
    assert_true(exec_wrmsr(guest, 0x80b, 0)); /* EOI */
    assert_false(exec_wrmsr(guest, 0x80b, 1));
    assert_true(exec_wrmsr(guest, 0x830, UINT64_C(1) << 32 | ICR_INIT));
    assert_false(exec_wrmsr(guest, 0x1b, 0xfee00900)); /* not back to xAPIC mode directly */
    assert_true(exec_wrmsr(guest, 0x1b, 0xfee00100));
    assert_true(exec_wrmsr(guest, 0x1b, 0xfee00900));
    end_guest(guest, 0);
}

static void test_x2apic(void **state)
{
    (void)state;
    run(x2apic, other_halts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_start_up),
        cmocka_unit_test(test_init_of_a_running_processor),
        cmocka_unit_test(test_interrupts_to_halted),
        cmocka_unit_test(test_interrupts_to_running),
        cmocka_unit_test(test_storm),
        cmocka_unit_test(test_nmi_wakes),
        cmocka_unit_test(test_all_dead),
        cmocka_unit_test(test_another_vcpu_ends_it),
        cmocka_unit_test(test_reset_of_several),
        cmocka_unit_test(test_x2apic),
    };
    int failed;

    heart_begin(COUNT);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    heart_end();
    return failed;
}
