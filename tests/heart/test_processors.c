// SPDX-License-Identifier: BSD-2-Clause
/* Guests with several vCPUs, each on a fake processor of its own, which is a thread. */
#include "tests/heart/heart.h"

#include "vmm/host/cpus.h"

#include <stdatomic.h>

#define APIC       UINT32_C(0xfee00000)
#define APIC_ID    0x20
#define ICR        0x300
#define ICR_HIGH   0x310
#define INIT       0x4500
#define STARTUP    0x4600
#define FIXED      0x4000
#define START_PAGE 0x10

static _Atomic unsigned arrived;

static void send(struct fake_guest *guest, unsigned to, uint32_t command)
{
    assert_true(exec_store(guest, APIC + ICR_HIGH, 4, to << 24));
    assert_true(exec_store(guest, APIC + ICR, 4, command));
}

static void start_others(struct fake_guest *guest, unsigned count)
{
    for (unsigned i = 1; i < count; i++) {
        send(guest, i, INIT);
        send(guest, i, STARTUP | START_PAGE);
    }
    while (atomic_load(&arrived) < count - 1)
        exec_run(guest, 10000);
}

static void first(struct fake_guest *guest)
{
    const unsigned *count = guest->context;

    exec_enter_protected_mode(guest);
    start_others(guest, *count);
    exec_out(guest, 0xf4, 1, 0);
}

static void other(struct fake_guest *guest)
{
    assert_int_equal(fake_guest_field(guest, VMCS_GUEST_CS_BASE), START_PAGE << 12);
    exec_enter_protected_mode(guest);
    assert_in_range(exec_load(guest, APIC + APIC_ID, 4) >> 24, 1, 2);
    atomic_fetch_add(&arrived, 1);
    for (;;)
        (void)exec_hlt(guest);
}

static void test_start_up(void **state)
{
    unsigned count = 3;
    struct guest *guest = heart_create(heart_guest("three", count));

    (void)state;
    arrived = 0;
    heart_start(guest);
    fake_set_guest(0, first, &count);
    for (unsigned i = 1; i < count; i++)
        fake_set_guest(i, other, &count);
    guest_run(guest);
    assert_int_equal(guest->end.kind, GUEST_EXITED);
    assert_int_equal(guest->end.exit_code, 1);
    heart_destroy(guest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_start_up),
    };
    int failed;

    heart_begin(3);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    heart_end();
    return failed;
}
