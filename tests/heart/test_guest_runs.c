// SPDX-License-Identifier: BSD-2-Clause
/* A guest from its creation to its end, on one processor of the fake machine. */
#include "tests/heart/heart.h"

#include <string.h>

static void code(struct fake_guest *guest)
{
    struct cpuid_result *signature = guest->context;

    *signature = exec_cpuid(guest, 0x40000000, 0);
    exec_out(guest, 0xf4, 1, 3);
    fail(); /* the guest has ended */
}

static void test_a_guest_runs_and_ends(void **state)
{
    struct cpuid_result signature = {0};
    uint64_t blocks = fake_heap_blocks();
    struct guest *guest = heart_run(code, &signature);

    (void)state;
    assert_int_equal(signature.ebx, 0x74726f50); /* "Port" */
    assert_int_equal(guest->end.kind, GUEST_EXITED);
    assert_int_equal(guest->end.exit_code, 7);
    assert_int_equal(guest->vcpus[0].exits[EXIT_REASON_CPUID].count, 1);
    assert_int_equal(guest->vcpus[0].exits[EXIT_REASON_IO_INSTRUCTION].count, 1);
    heart_destroy(guest);
    assert_int_equal(fake_heap_blocks(), blocks);
}

static void test_a_guest_without_a_function_ends(void **state)
{
    struct guest *guest = heart_run(NULL, NULL);

    (void)state;
    assert_int_equal(guest->end.kind, GUEST_EXITED);
    assert_int_equal(guest->end.exit_code, 1);
    heart_destroy(guest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_guest_runs_and_ends),
        cmocka_unit_test(test_a_guest_without_a_function_ends),
    };

    heart_begin(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
