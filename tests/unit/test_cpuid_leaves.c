// SPDX-License-Identifier: BSD-2-Clause
#include "tests/unit/unit.h"

#include "vmm/policy/cpuid_leaves.h"

#include <string.h>

/* A processor whose leaves say what was asked. */
static uint32_t max_basic, max_extended, max_features;
static unsigned calls;

static struct cpuid_result echo(uint32_t leaf, uint32_t subleaf)
{
    calls++;
    assert_true(leaf <= max_basic || (leaf >= 0x80000000 && leaf <= max_extended) ||
                leaf == 0x80000000);
    assert_true(leaf != 7 || subleaf <= max_features);
    if (leaf == 0)
        return (struct cpuid_result){.eax = max_basic};
    if (leaf == 0x80000000)
        return (struct cpuid_result){.eax = max_extended};
    if (leaf == 7 && subleaf == 0)
        return (struct cpuid_result){.eax = max_features, .ebx = 7};
    return (struct cpuid_result){.ebx = leaf, .ecx = subleaf, .edx = ~0u};
}

static bool is_zero(struct cpuid_result result)
{
    return (result.eax | result.ebx | result.ecx | result.edx) == 0;
}

/* Takes the leaves of a processor that has more of them than are kept. */
static void take_all(struct cpuid_leaves *leaves)
{
    max_basic = 0x20;
    max_extended = 0x80000020;
    max_features = 2;
    cpuid_leaves_take(leaves, echo);
}

static void test_all(void **state)
{
    struct cpuid_leaves leaves;

    (void)state;
    take_all(&leaves);
    calls = 0;
    assert_int_equal(cpuid_leaves_find(&leaves, 0, 0).eax, 0x20);
    assert_int_equal(cpuid_leaves_find(&leaves, 1, 0).ebx, 1);
    assert_int_equal(cpuid_leaves_find(&leaves, 1, 99).ebx, 1); /* no subleaves */
    assert_int_equal(cpuid_leaves_find(&leaves, 4, 3).ecx, 3);
    assert_int_equal(cpuid_leaves_find(&leaves, 7, 0).ebx, 7);
    assert_int_equal(cpuid_leaves_find(&leaves, 7, 1).ecx, 1);
    assert_int_equal(cpuid_leaves_find(&leaves, 0xd, 62).ecx, 62);
    assert_int_equal(cpuid_leaves_find(&leaves, 0x16, 0).ebx, 0x16);
    assert_int_equal(cpuid_leaves_find(&leaves, 0x80000008, 0).ebx, 0x80000008);
    assert_int_equal(calls, 0);
}

static void test_what_is_not_taken(void **state)
{
    struct cpuid_leaves leaves;

    (void)state;
    take_all(&leaves);
    assert_true(is_zero(cpuid_leaves_find(&leaves, 0x17, 0)));
    assert_true(is_zero(cpuid_leaves_find(&leaves, 4, 8)));
    assert_true(is_zero(cpuid_leaves_find(&leaves, 7, 2)));
    assert_true(is_zero(cpuid_leaves_find(&leaves, 0xd, 63)));
    assert_true(is_zero(cpuid_leaves_find(&leaves, 0x40000000, 0)));
    assert_true(is_zero(cpuid_leaves_find(&leaves, 0x80000009, 0)));
    assert_true(is_zero(cpuid_leaves_find(&leaves, UINT32_MAX, UINT32_MAX)));
}

/* What it does not have is not asked for. */
static void test_old_processor(void **state)
{
    struct cpuid_leaves leaves;

    (void)state;
    max_basic = 2;
    max_extended = 0x80000001;
    cpuid_leaves_take(&leaves, echo);
    assert_int_equal(cpuid_leaves_find(&leaves, 2, 0).ebx, 2);
    assert_true(is_zero(cpuid_leaves_find(&leaves, 4, 0)));
    assert_true(is_zero(cpuid_leaves_find(&leaves, 7, 0)));
    assert_true(is_zero(cpuid_leaves_find(&leaves, 0xd, 0)));
    assert_true(is_zero(cpuid_leaves_find(&leaves, 0x80000008, 0)));
}

static struct cpuid_leaves own;

static struct cpuid_result own_leaf(uint32_t leaf, uint32_t subleaf)
{
    return cpuid_leaves_find(&own, leaf, subleaf);
}

/* On the processor that runs the test, the leaves are as good as the instruction. */
static void test_policy_sees_no_difference(void **state)
{
    const struct cpuid_guest guest = {.xcr0 = 7, .code64 = true, .apic_enabled = true};
    struct cpuid_board asks = {.host = cpuid,
                               .has_apic = true,
                               .rdtscp = true,
                               .invpcid = true,
                               .xsavec = true,
                               .xsaves = true,
                               .physical_address_bits = 48};
    struct cpuid_board remembers = asks;

    (void)state;
    cpuid_leaves_take(&own, cpuid);
    remembers.host = own_leaf;
    for (unsigned i = 0; i <= CPUID_MAX_BASIC + 9; i++) {
        uint32_t leaf = i <= CPUID_MAX_BASIC ? i : 0x80000000 + i - CPUID_MAX_BASIC - 1;

        for (uint32_t subleaf = 0; subleaf < 70; subleaf++) {
            struct cpuid_result asked = cpuid_policy(&asks, &guest, leaf, subleaf);
            struct cpuid_result remembered = cpuid_policy(&remembers, &guest, leaf, subleaf);

            if (leaf != 4 || subleaf < CPUID_LEAVES_CACHES)
                assert_memory_equal(&asked, &remembered, sizeof(asked));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all),
        cmocka_unit_test(test_what_is_not_taken),
        cmocka_unit_test(test_old_processor),
        cmocka_unit_test(test_policy_sees_no_difference),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
