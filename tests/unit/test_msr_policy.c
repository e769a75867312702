// SPDX-License-Identifier: BSD-2-Clause
#include "tests/unit/unit.h"

#include "arch/x86/msr.h"
#include "vmm/policy/msr_policy.h"

#include <string.h>

static bool everything;

static struct cpuid_result host(uint32_t leaf, uint32_t subleaf)
{
    (void)subleaf;
    if (leaf == 0)
        return (struct cpuid_result){.eax = 0xd};
    if (leaf == 0x80000000)
        return (struct cpuid_result){.eax = 0x80000008};
    if (leaf == 0x80000008)
        return (struct cpuid_result){.eax = 0x3027};
    if (everything)
        return (struct cpuid_result){~0u, ~0u, ~0u, ~0u};
    return (struct cpuid_result){0};
}

/* A board with or without: RDTSCP, XSAVES, local APICs. */
static struct msr_state fresh(bool with_features)
{
    struct cpuid_board board = {.host = host,
                                .has_apic = with_features,
                                .rdtscp = with_features,
                                .xsavec = true,
                                .xsaves = with_features,
                                .physical_address_bits = 48};
    struct msr_state msrs;

    everything = with_features;
    msr_policy_reset(&msrs, &board);
    assert_int_equal(msrs.physical_address_bits, 0x27);
    return msrs;
}

static uint64_t read_done(const struct msr_state *msrs, uint32_t index)
{
    uint64_t value = 0xdead;
    assert_int_equal(msr_policy_read(msrs, index, &value), MSR_DONE);
    return value;
}

static void test_reset_values(void **state)
{
    struct msr_state msrs = fresh(true);

    (void)state;
    assert_int_equal(read_done(&msrs, IA32_PAT), 0x0007040600070406);
    assert_int_equal(read_done(&msrs, IA32_MTRRCAP), 0x508);
    assert_int_equal(read_done(&msrs, IA32_MTRR_DEF_TYPE), 0xc06);
    assert_int_equal(read_done(&msrs, 0x200), 0xc0000000);
    assert_int_equal(read_done(&msrs, 0x201), 0x7fc0000800);
    assert_int_equal(read_done(&msrs, 0x202), 0);
    assert_int_equal(read_done(&msrs, 0x20f), 0);
    assert_int_equal(read_done(&msrs, 0x250), 0x0606060606060606);
    assert_int_equal(read_done(&msrs, 0x258), 0x0606060606060606);
    assert_int_equal(read_done(&msrs, 0x259), 0);
    assert_int_equal(read_done(&msrs, 0x26f), 0x0606060606060606);
    assert_int_equal(read_done(&msrs, IA32_MISC_ENABLE), 0x1801);
    assert_int_equal(read_done(&msrs, IA32_FEATURE_CONTROL), 1);
    assert_int_equal(read_done(&msrs, IA32_PLATFORM_ID), 0);
    assert_int_equal(read_done(&msrs, IA32_BIOS_SIGN_ID), 0);
    assert_int_equal(read_done(&msrs, IA32_XSS), 0);
}

/* RESET gives every vCPU of a guest the same, and undoes all writes. */
static void test_reset_is_the_same_everywhere(void **state)
{
    struct cpuid_board board = {
        .host = host, .has_apic = true, .cpu_count = 4, .physical_address_bits = 48};
    struct msr_state first, other;

    (void)state;
    everything = true;
    msr_policy_reset(&first, &board);
    board.vcpu_id = 3;
    msr_policy_reset(&other, &board);
    assert_int_equal(msr_policy_write(&other, IA32_PAT, 0), MSR_IS_PAT);
    assert_int_equal(msr_policy_write(&other, IA32_MTRR_DEF_TYPE, 0), MSR_DONE);
    assert_int_equal(msr_policy_write(&other, 0x200, 0), MSR_DONE);
    assert_int_equal(msr_policy_write(&other, IA32_MISC_ENABLE, 0), MSR_IS_MISC_ENABLE);
    msr_policy_reset(&other, &board);
    for (uint32_t index = 0; index < 0x2000; index++) {
        uint64_t a = 0, b = 0;
        assert_int_equal(msr_policy_read(&first, index, &a), msr_policy_read(&other, index, &b));
        assert_int_equal(a, b);
    }
}

/* The APIC's registers go to the APIC with whatever value; its neighbours do not exist. */
static void test_local_apic(void **state)
{
    static const uint64_t values[] = {0, 1, 0xfee00c00, ~UINT64_C(0)};
    struct msr_state msrs = fresh(true), before = msrs;
    uint64_t value = 0x1234;

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(values); i++) {
        assert_int_equal(msr_policy_write(&msrs, IA32_APIC_BASE, values[i]), MSR_IS_APIC_BASE);
        assert_int_equal(msr_policy_write(&msrs, IA32_TSC_DEADLINE, values[i]),
                         MSR_IS_TSC_DEADLINE);
        for (uint32_t index = 0x800; index <= 0x8ff; index++)
            assert_int_equal(msr_policy_write(&msrs, index, values[i]), MSR_IS_X2APIC);
    }
    assert_int_equal(msr_policy_read(&msrs, IA32_APIC_BASE, &value), MSR_IS_APIC_BASE);
    assert_int_equal(msr_policy_read(&msrs, IA32_TSC_DEADLINE, &value), MSR_IS_TSC_DEADLINE);
    for (uint32_t index = 0x800; index <= 0x8ff; index++)
        assert_int_equal(msr_policy_read(&msrs, index, &value), MSR_IS_X2APIC);
    assert_int_equal(value, 0x1234);
    assert_memory_equal(&msrs, &before, sizeof(msrs));
    assert_string_equal(msr_name(0x830), "x2APIC");
    static const uint32_t neighbours[] = {0x1a, 0x1c, 0x6df, 0x6e1, 0x7ff, 0x900, 0xbff};
    for (size_t i = 0; i < ARRAY_COUNT(neighbours); i++)
        assert_int_equal(msr_policy_read(&msrs, neighbours[i], &value), MSR_GP);

    /* A board without: the APIC stays off, reserved bits fault, the rest does not exist. */
    msrs = fresh(false);
    assert_int_equal(read_done(&msrs, IA32_APIC_BASE), 0xfee00100);
    assert_int_equal(msr_policy_write(&msrs, IA32_APIC_BASE, 0xfee00900), MSR_DONE);
    assert_int_equal(read_done(&msrs, IA32_APIC_BASE), 0xfee00100);
    assert_int_equal(msr_policy_write(&msrs, IA32_APIC_BASE, 0xfee00d00), MSR_GP);
    assert_int_equal(msr_policy_write(&msrs, IA32_APIC_BASE, 0xfee00901), MSR_GP);
    assert_int_equal(msr_policy_write(&msrs, IA32_APIC_BASE, BIT(39)), MSR_GP);
    assert_int_equal(msr_policy_read(&msrs, IA32_TSC_DEADLINE, &value), MSR_GP);
    assert_int_equal(msr_policy_write(&msrs, IA32_TSC_DEADLINE, 0), MSR_GP);
    for (uint32_t index = 0x800; index <= 0x8ff; index++) {
        assert_int_equal(msr_policy_read(&msrs, index, &value), MSR_GP);
        assert_int_equal(msr_policy_write(&msrs, index, 0), MSR_GP);
    }
}

/* All indices of both ranges and around: what is not known is #GP, reads and writes. */
static void test_unknown_is_gp(void **state)
{
    static const uint32_t starts[] = {0, 0x40000000, 0xc0000000, 0xc0010000, 0xffffe000};
    struct msr_state msrs = fresh(true), before = msrs;
    unsigned known = 0;

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(starts); i++) {
        for (uint32_t n = 0; n < 0x2000; n++) {
            uint32_t index = starts[i] + n;
            uint64_t value = 0x1234;
            enum msr_outcome outcome = msr_policy_read(&msrs, index, &value);
            if (msr_name(index) != NULL) {
                known++;
                continue;
            }
            assert_int_equal(outcome, MSR_GP);
            assert_int_equal(value, 0x1234);
            assert_int_equal(msr_policy_write(&msrs, index, 0), MSR_GP);
        }
    }
    /* 7 single low ones, SYSENTER, MISC_ENABLE, DEBUGCTL, MTRRs, PAT, DEF_TYPE, TSC_DEADLINE, the
     * x2APIC, XSS, nine high. */
    assert_int_equal(known, 7 + 3 + 2 + 16 + 11 + 2 + 1 + 256 + 1 + 9);
    assert_memory_equal(&msrs, &before, sizeof(msrs));
    static const uint32_t absent[] = {
        IA32_TSC_ADJUST,
        IA32_SPEC_CTRL,
        IA32_PRED_CMD,
        IA32_ARCH_CAPABILITIES,
        IA32_MCG_STATUS,
        IA32_MCG_CTL,
        IA32_MC0_CTL,
        IA32_VMX_BASIC,
        IA32_PERF_STATUS,
        MSR_PLATFORM_INFO,
        0x34,
        IA32_SMRR_PHYSBASE,
        0x210,
        0x24f,
        0x251,
        0x25a,
        0x267,
        0x270,
    };
    for (size_t i = 0; i < ARRAY_COUNT(absent); i++)
        assert_null(msr_name(absent[i]));
}

static void test_features_gate_registers(void **state)
{
    struct msr_state msrs = fresh(false);
    uint64_t value;

    (void)state;
    assert_int_equal(msr_policy_read(&msrs, IA32_TSC_AUX, &value), MSR_GP);
    assert_int_equal(msr_policy_write(&msrs, IA32_TSC_AUX, 0), MSR_GP);
    assert_int_equal(msr_policy_read(&msrs, IA32_XSS, &value), MSR_GP);
    msrs = fresh(true);
    assert_int_equal(msr_policy_read(&msrs, IA32_TSC_AUX, &value), MSR_IS_PASSED);
    assert_int_equal(msr_policy_write(&msrs, IA32_XSS, 0), MSR_DONE);
    assert_int_equal(msr_policy_write(&msrs, IA32_XSS, 0x100), MSR_GP);
}

static void test_values_elsewhere(void **state)
{
    struct msr_state msrs = fresh(true);
    uint64_t value;

    (void)state;
    assert_int_equal(msr_policy_read(&msrs, IA32_EFER, &value), MSR_IS_EFER);
    assert_int_equal(msr_policy_write(&msrs, IA32_EFER, 0), MSR_IS_EFER);
    assert_int_equal(msr_policy_read(&msrs, IA32_TIME_STAMP_COUNTER, &value), MSR_IS_TSC);
    assert_int_equal(msr_policy_write(&msrs, IA32_TIME_STAMP_COUNTER, ~UINT64_C(0)), MSR_IS_TSC);
    assert_int_equal(msr_policy_read(&msrs, IA32_DEBUGCTL, &value), MSR_IS_DEBUGCTL);
    assert_int_equal(msr_policy_write(&msrs, IA32_DEBUGCTL, 2), MSR_IS_DEBUGCTL);
    for (unsigned bit = 0; bit < 64; bit++)
        if (bit != 1)
            assert_int_equal(msr_policy_write(&msrs, IA32_DEBUGCTL, BIT(bit)), MSR_GP);
    assert_int_equal(msr_policy_read(&msrs, IA32_FS_BASE, &value), MSR_IS_PASSED);
    assert_int_equal(msr_policy_write(&msrs, IA32_LSTAR, 0), MSR_IS_PASSED);
}

static void test_constants_and_ignored(void **state)
{
    struct msr_state msrs = fresh(true);

    (void)state;
    assert_int_equal(msr_policy_write(&msrs, IA32_MTRRCAP, 0x508), MSR_GP);
    assert_int_equal(msr_policy_write(&msrs, IA32_FEATURE_CONTROL, 1), MSR_GP);
    assert_int_equal(msr_policy_write(&msrs, IA32_PLATFORM_ID, 0), MSR_GP);
    assert_int_equal(msr_policy_write(&msrs, IA32_BIOS_SIGN_ID, UINT64_C(5) << 32), MSR_DONE);
    assert_int_equal(read_done(&msrs, IA32_BIOS_SIGN_ID), 0);
    assert_int_equal(read_done(&msrs, IA32_MCG_CAP), 0);
    assert_int_equal(msr_policy_write(&msrs, IA32_MCG_CAP, 0), MSR_GP);
}

/* Each bit of IA32_MISC_ENABLE: kept, as it was, or reserved. */
static void test_misc_enable(void **state)
{
    const uint64_t kept = BIT(0) | BIT(3) | BIT(16) | BIT(18) | BIT(22) | BIT(23) | BIT(34);
    const uint64_t read_only = BIT(7) | BIT(11) | BIT(12);
    struct msr_state msrs = fresh(true);

    (void)state;
    for (unsigned bit = 0; bit < 64; bit++) {
        bool is_defined = ((kept | read_only) & BIT(bit)) != 0;

        assert_int_equal(msr_policy_write(&msrs, IA32_MISC_ENABLE, 0), MSR_IS_MISC_ENABLE);
        assert_int_equal(read_done(&msrs, IA32_MISC_ENABLE), 0x1800);
        assert_int_equal(msr_policy_write(&msrs, IA32_MISC_ENABLE, BIT(bit)),
                         is_defined ? MSR_IS_MISC_ENABLE : MSR_GP);
        assert_int_equal(read_done(&msrs, IA32_MISC_ENABLE), 0x1800 | (kept & BIT(bit)));
    }
    msrs = fresh(false); /* a processor without execute-disable */
    assert_int_equal(msr_policy_write(&msrs, IA32_MISC_ENABLE, BIT(34)), MSR_GP);
}

/* Every byte value at every place, PAT and fixed MTRR. */
static void test_memory_types(void **state)
{
    struct msr_state msrs = fresh(true);

    (void)state;
    for (unsigned place = 0; place < 8; place++) {
        for (uint64_t type = 0; type < 256; type++) {
            uint64_t value = type << 8 * place;
            bool mtrr = type == 0 || type == 1 || type == 4 || type == 5 || type == 6;
            assert_int_equal(msr_policy_write(&msrs, IA32_PAT, value),
                             mtrr || type == 7 ? MSR_IS_PAT : MSR_GP);
            assert_int_equal(msr_policy_write(&msrs, 0x26b, value), mtrr ? MSR_DONE : MSR_GP);
            if (mtrr) {
                assert_int_equal(read_done(&msrs, IA32_PAT), value);
                assert_int_equal(read_done(&msrs, 0x26b), value);
            }
        }
    }
}

static void test_mtrrs(void **state)
{
    struct msr_state msrs = fresh(true);

    (void)state;
    /* Each register is its own. */
    for (uint32_t i = 0; i < 16; i++)
        assert_int_equal(msr_policy_write(&msrs, 0x200 + i, (uint64_t)(i + 1) << 12), MSR_DONE);
    for (uint32_t i = 0; i < 16; i++)
        assert_int_equal(read_done(&msrs, 0x200 + i), (i + 1) << 12);
    static const uint32_t fixed[] = {0x250, 0x258, 0x259, 0x268, 0x269, 0x26a,
                                     0x26b, 0x26c, 0x26d, 0x26e, 0x26f};
    for (uint32_t i = 0; i < 11; i++)
        assert_int_equal(msr_policy_write(&msrs, fixed[i], UINT64_C(1) << 8 * (i % 8)), MSR_DONE);
    for (uint32_t i = 0; i < 11; i++)
        assert_int_equal(read_done(&msrs, fixed[i]), UINT64_C(1) << 8 * (i % 8));

    for (unsigned bit = 0; bit < 64; bit++) {
        bool address = bit >= 12 && bit < 39;
        assert_int_equal(msr_policy_write(&msrs, 0x204, BIT(bit)),
                         address || bit == 0 || bit == 2 ? MSR_DONE : MSR_GP);
        assert_int_equal(msr_policy_write(&msrs, 0x205, BIT(bit)),
                         address || bit == 11 ? MSR_DONE : MSR_GP);
        assert_int_equal(msr_policy_write(&msrs, IA32_MTRR_DEF_TYPE, BIT(bit)),
                         bit == 0 || bit == 2 || bit == 10 || bit == 11 ? MSR_DONE : MSR_GP);
    }
    assert_int_equal(msr_policy_write(&msrs, 0x204, 7), MSR_GP);
    assert_int_equal(msr_policy_write(&msrs, IA32_MTRR_DEF_TYPE, 0xc02), MSR_GP);
    assert_int_equal(msr_policy_write(&msrs, IA32_MTRR_DEF_TYPE, 0xc00), MSR_DONE);
    assert_int_equal(read_done(&msrs, IA32_MTRR_DEF_TYPE), 0xc00);
}

/* The bitmap says what read and write say: clear exactly where nothing is left to the monitor. */
static void test_bitmap(void **state)
{
    static uint8_t bitmap[MSR_BITMAP_BYTES];

    (void)state;
    for (int features = 0; features < 2; features++) {
        struct msr_state msrs = fresh(features != 0);
        unsigned clear = 0;

        memset(bitmap, 0x55, sizeof(bitmap));
        msr_policy_fill_bitmap(&msrs, bitmap);
        for (uint32_t n = 0; n < 0x4000; n++) {
            uint32_t index = n < 0x2000 ? n : 0xc0000000 + (n - 0x2000);
            bool read_exits = bitmap[n / 8] >> n % 8 & 1;
            bool write_exits = bitmap[2048 + n / 8] >> n % 8 & 1;
            uint64_t value;
            enum msr_outcome read = msr_policy_read(&msrs, index, &value);
            enum msr_outcome write = msr_policy_write(&msrs, index, 0);
            bool read_passes = read == MSR_IS_PASSED || read == MSR_IS_TSC || read == MSR_IS_EFER ||
                               read == MSR_IS_DEBUGCTL;
            assert_int_equal(read_exits, !read_passes);
            assert_int_equal(write_exits, write != MSR_IS_PASSED);
            clear += !read_exits + !write_exits;
        }
        /* SYSENTER 3, STAR..FMASK 4, FS, GS, KERNEL_GS (and TSC_AUX) both ways; reads of TSC, EFER,
         * DEBUGCTL. */
        assert_int_equal(clear, 2 * (10 + features) + 3);
    }
    /* Spelled out once: reads of IA32_EFER, writes of IA32_LSTAR, reads of SYSENTER_CS. */
    assert_int_equal(bitmap[0x400 + 0x80 / 8] & 1, 0);
    assert_int_equal(bitmap[0xc00 + 0x80 / 8] & 5, 1);
    assert_int_equal(bitmap[0x174 / 8] & 0x70, 0);
}

static void test_bitmap_pass(void **state)
{
    static const struct {
        uint32_t index;
        bool is_write;
        size_t byte;
    } places[] = {{0x808, false, 0x101}, {0x808, true, 0x901}, {IA32_STAR, true, 0xc10}};
    uint8_t bitmap[MSR_BITMAP_BYTES];

    (void)state;
    memset(bitmap, 0xff, sizeof(bitmap));
    for (size_t i = 0; i < ARRAY_COUNT(places); i++) {
        uint8_t bit = (uint8_t)(1u << places[i].index % 8);

        msr_bitmap_pass(bitmap, places[i].index, places[i].is_write, true);
        assert_int_equal(bitmap[places[i].byte], 0xff & ~bit);
        msr_bitmap_pass(bitmap, places[i].index, places[i].is_write, true);
        msr_bitmap_pass(bitmap, places[i].index, places[i].is_write, false);
        assert_int_equal(bitmap[places[i].byte], 0xff);
    }
}

static void test_unsaved(void **state)
{
    uint32_t indices[MSR_PASS_THROUGH_MAX];
    struct msr_state msrs = fresh(true);

    (void)state;
    assert_int_equal(msr_policy_unsaved(&msrs, indices), 6);
    assert_int_equal(indices[0], IA32_STAR);
    assert_int_equal(indices[4], IA32_KERNEL_GS_BASE);
    assert_int_equal(indices[5], IA32_TSC_AUX);
    msrs = fresh(false);
    assert_int_equal(msr_policy_unsaved(&msrs, indices), 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reset_values),
        cmocka_unit_test(test_reset_is_the_same_everywhere),
        cmocka_unit_test(test_local_apic),
        cmocka_unit_test(test_unknown_is_gp),
        cmocka_unit_test(test_features_gate_registers),
        cmocka_unit_test(test_values_elsewhere),
        cmocka_unit_test(test_constants_and_ignored),
        cmocka_unit_test(test_misc_enable),
        cmocka_unit_test(test_memory_types),
        cmocka_unit_test(test_mtrrs),
        cmocka_unit_test(test_bitmap),
        cmocka_unit_test(test_bitmap_pass),
        cmocka_unit_test(test_unsaved),
    };
    return cmocka_run_group_tests_name("msr_policy", tests, NULL, NULL);
}
