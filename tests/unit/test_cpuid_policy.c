// SPDX-License-Identifier: BSD-2-Clause
/* What a guest's CPUID shows. */
#include "tests/unit/cpuid_processors.h"

#include "vmm/policy/xcr0.h"

#include <string.h>

/* Linux, for one, takes ECX / 1000 * EBX / EAX for kHz. */
static void test_tsc_frequency(void **state)
{
    static const uint64_t frequencies_hz[] = {1000000,    49998123,   3500000000, 4294967295,
                                              4294967296, 6200000001, 20000000000};
    struct cpuid_board board = full_board;

    (void)state;
    ASSERT_LEAF(0x15, 0, 0, 0, 0, 0); /* not known */
    for (size_t i = 0; i < sizeof(frequencies_hz) / sizeof(frequencies_hz[0]); i++) {
        board.tsc_hz = frequencies_hz[i];
        struct cpuid_result leaf = cpuid_policy(&board, &bare_guest, 0x15, 0);
        uint64_t hz = (uint64_t)leaf.ecx * leaf.ebx / leaf.eax;
        assert_true(hz <= frequencies_hz[i] && frequencies_hz[i] - hz < leaf.ebx);
        assert_int_equal(leaf.edx, 0);
        /* The APIC timer gets the same. */
        assert_int_equal(cpuid_crystal_hz(&board), leaf.ecx);
        assert_int_equal(cpuid_crystal_ratio(&board), leaf.ebx);
        /* The smallest ratio that will do. */
        assert_true(leaf.ebx == 1 || frequencies_hz[i] / (leaf.ebx - 1) > UINT32_MAX);
    }
    board.tsc_hz = 0;
    assert_int_equal(cpuid_crystal_hz(&board), 0);
    assert_int_equal(cpuid_crystal_ratio(&board), 1);
    board.tsc_hz = INT64_MAX; /* nonsense, but defined */
    assert_int_equal(cpuid_crystal_ratio(&board), 0x80000000);
    assert_int_equal(cpuid_crystal_hz(&board), UINT32_MAX);
    ASSERT_LEAF(0x16, 0, 0, 0, 0, 0);
    board.tsc_hz = 2903999999;
    assert_regs(cpuid_policy(&board, &bare_guest, 0x16, 0), 2904, 2904, 0, 0);
}

/* The masks are written down a second time here, in hexadecimal, from the SDM's figures. */
static void test_feature_masks(void **state)
{
    struct cpuid_board board = full_board;
    struct cpuid_guest guest = bare_guest;

    (void)state;
    ASSERT_LEAF(0, 0, 0x16, 0x756e6547, 0x6c65746e, 0x49656e69);
    ASSERT_LEAF(1, 0, ~0u, 0x0001ffff, 0xf6da3203, 0x0f8bb97f);
    ASSERT_LEAF(7, 0, 1, 0xfdbf27e9, 0x02405f4f, 0x0000451c);
    ASSERT_LEAF(7, 1, 0x00801c30, 0, 0, 0);
    ASSERT_LEAF(7, 2, 0, 0, 0, 0);
    ASSERT_LEAF(0x80000000, 0, 0x80000008, 0, 0, 0);
    ASSERT_LEAF(0x80000001, 0, 0, 0, 0x00000121, 0x2c100800);
    ASSERT_LEAF(0x80000006, 0, 0, 0, ~0u, 0);
    ASSERT_LEAF(0x80000007, 0, 0, 0, 0, 0x100);
    ASSERT_LEAF(0x80000008, 0, 0x3030, 0, 0, 0);

    /* SYSCALL shows in 64-bit mode only. */
    guest.code64 = false;
    assert_int_equal(cpuid_policy(&board, &guest, 0x80000001, 0).edx, 0x2c100000);

    /* IA32_MISC_ENABLE: without XD, and with few leaves. */
    guest = bare_guest;
    guest.disables_execute_disable = true;
    assert_int_equal(cpuid_policy(&board, &guest, 0x80000001, 0).edx, 0x2c000800);
    guest.limits_leaves = true;
    assert_regs(cpuid_policy(&board, &guest, 0, 0), 2, 0x756e6547, 0x6c65746e, 0x49656e69);
    assert_int_equal(cpuid_policy(&board, &guest, 1, 0).ebx, 0x0001ffff);
    for (uint32_t leaf = 3; leaf <= 0x16; leaf++)
        assert_regs(cpuid_policy(&board, &guest, leaf, 0), 0, 0, 0, 0);
    assert_int_equal(cpuid_policy(&board, &guest, 0x80000000, 0).eax, 0x80000008);
    assert_int_equal(cpuid_policy(&board, &guest, 0x40000000, 0).eax, 0x40000000);

    /* Features behind VMX controls. */
    board.rdtscp = board.invpcid = board.xsaves = false;
    assert_int_equal(cpuid_policy(&board, &bare_guest, 0x80000001, 0).edx, 0x24100800);
    assert_int_equal(cpuid_policy(&board, &bare_guest, 7, 0).ebx, 0xfdbf27e9 & ~0x400u);
    assert_int_equal(cpuid_policy(&board, &bare_guest, 7, 0).ecx, 0x02005f4f);
    assert_int_equal(cpuid_policy(&board, &bare_guest, 0xd, 1).eax, 7);

    /* An XSAVEC that does not do what it should takes XSAVES with it. */
    board.xsaves = true;
    board.xsavec = false;
    assert_regs(cpuid_policy(&board, &bare_guest, 0xd, 1), 5, 0, 0, 0);
}

static void test_unlisted_leaves_are_zero(void **state)
{
    static const uint32_t leaves[] = {3,          5,          6,          8,          9,
                                      0xa,        0xc,        0xe,        0xf,        0x10,
                                      0x12,       0x14,       0x15,       0x16,       0x17,
                                      0x1f,       0x20,       0x1000,     0x40000001, 0x4000ffff,
                                      0x80000005, 0x80000009, 0x8000001f, 0xc0000000, 0xffffffff};

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(leaves); i++)
        for (uint32_t subleaf = 0; subleaf < 4; subleaf++)
            ASSERT_LEAF(leaves[i], subleaf, 0, 0, 0, 0);
}

static void test_hypervisor_leaf(void **state)
{
    char signature[13] = "";
    struct cpuid_result leaf = cpuid_policy(&full_board, &bare_guest, 0x40000000, 7);

    (void)state;
    assert_int_equal(leaf.eax, 0x40000000);
    memcpy(signature, &leaf.ebx, 12);
    assert_string_equal(signature, "Portcullis  ");
}

static void test_guest_state_bits(void **state)
{
    struct cpuid_guest guest = {.cr4 = CR4_OSXSAVE | CR4_PKE, .xcr0 = 1, .code64 = true};
    struct cpuid_board board = full_board;

    (void)state;
    assert_int_equal(cpuid_policy(&board, &guest, 1, 0).ecx, 0xfeda3203);
    assert_int_equal(cpuid_policy(&board, &guest, 7, 0).ecx, 0x02405f5f);
    assert_int_equal(cpuid_policy(&board, &guest, 0, 0).eax, 0x16);

    /* Without the feature the bit does not appear, whatever CR4 says. */
    board.host = meagre;
    assert_int_equal(cpuid_policy(&board, &guest, 1, 0).ecx, 0x80000000);
    assert_int_equal(cpuid_policy(&board, &guest, 7, 0).ecx, 0);
}

static void test_topology(void **state)
{
    struct cpuid_board board = full_board;

    (void)state;
    ASSERT_LEAF(0xb, 0, 0, 1, 0x100, 0);
    ASSERT_LEAF(0xb, 1, 0, 1, 0x201, 0);
    ASSERT_LEAF(0xb, 2, 0, 0, 0x002, 0);
    ASSERT_LEAF(0xb, 0x1ff, 0, 0, 0x0ff, 0);
    board.vcpu_id = 3;
    assert_regs(cpuid_policy(&board, &bare_guest, 0xb, 0), 0, 1, 0x100, 3);
    assert_int_equal(cpuid_policy(&board, &bare_guest, 1, 0).ebx, 0x0301ffff);

    /* Caches: type, level and sets stay, who shares them goes. */
    ASSERT_LEAF(4, 0, 0x0121, 0x01c0003f, 0x3f, 6);
    ASSERT_LEAF(4, 3, 0x0163, 0x01c0003f, 0x3f, 6);
    ASSERT_LEAF(4, 4, 0, 0, 0, 0);
    /* Descriptor 0xfe points at a leaf that is not shown. */
    ASSERT_LEAF(2, 0, 0x00035a01, 0x00f0ff00, 0, 0);
}

static uint32_t odd_leaf, odd_ecx, odd_eax;

/* The generous processor, and in one leaf something else. */
static struct cpuid_result odd(uint32_t leaf, uint32_t subleaf)
{
    struct cpuid_result result = generous(leaf, subleaf);

    if (leaf == odd_leaf && subleaf == 0) {
        result.ecx ^= odd_ecx;
        result.eax ^= odd_eax;
    }
    return result;
}

static const char *difference(uint32_t leaf, uint32_t ecx, uint32_t eax)
{
    struct cpuid_board board = full_board;
    struct cpuid_summary first = cpuid_summarize(&board), other;
    const char *name;

    odd_leaf = leaf;
    odd_ecx = ecx;
    odd_eax = eax;
    board.host = odd;
    other = cpuid_summarize(&board);
    name = cpuid_difference(&first, &other);
    assert_ptr_equal(cpuid_difference(&other, &first), name); /* more is a difference, too */
    assert_null(cpuid_difference(&first, &first));
    assert_null(cpuid_difference(&other, &other));
    return name;
}

static void test_difference_between_processors(void **state)
{
    struct cpuid_board board = full_board;
    struct cpuid_summary with, without;

    (void)state;
    assert_null(difference(1, 0, 0));
    assert_string_equal(difference(1, UINT32_C(1) << 12, 0), "FMA");
    assert_string_equal(difference(7, UINT32_C(1) << 3, 0), "PKU");
    assert_null(difference(1, UINT32_C(1) << 5, 0)); /* VMX: guests do not see it */
    assert_null(difference(1, 0, 0x3));              /* another stepping */
    assert_string_equal(difference(1, 0, 0x10), "family or model");
    assert_string_equal(difference(0xd, 0, 0x4), "XCR0");
    assert_string_equal(difference(0x80000008, 0, 0x14), "width of addresses");

    with = cpuid_summarize(&board);
    board.xsavec = false;
    without = cpuid_summarize(&board);
    assert_string_equal(cpuid_difference(&with, &without), "XSAVEC");
    board.rdtscp = false;
    without = cpuid_summarize(&board);
    assert_non_null(cpuid_difference(&with, &without));
}

/* Every number of vCPUs: what the leaves say of it agrees. */
static void test_topology_of_several(void **state)
{
    struct cpuid_board board = full_board;

    (void)state;
    for (uint32_t count = 1; count <= 64; count++) {
        uint32_t shift = 0, ids = 1;
        while (ids < count) {
            ids *= 2;
            shift++;
        }
        board.cpu_count = count;
        for (uint32_t id = 0; id < count; id++) {
            board.vcpu_id = id;
            struct cpuid_result version = cpuid_policy(&board, &bare_guest, 1, 0);
            assert_int_equal(version.ebx, id << 24 | ids << 16 | 0xffff);
            assert_int_equal(version.edx >> 28 & 1, count > 1);
            assert_regs(cpuid_policy(&board, &bare_guest, 0xb, 0), 0, 1, 0x100, id);
            assert_regs(cpuid_policy(&board, &bare_guest, 0xb, 1), shift, count, 0x201, id);
            assert_regs(cpuid_policy(&board, &bare_guest, 0xb, 2), 0, 0, 0x002, id);
            assert_regs(cpuid_policy(&board, &bare_guest, 0xb, ~0u), 0, 0, 0x0ff, id);
            assert_regs(cpuid_policy(&board, &bare_guest, 0x1f, 0), 0, 0, 0, 0);
            /* IDs in the package and sharers of the cache, less one, above the processor's bits. */
            for (uint32_t subleaf = 0; subleaf < 5; subleaf++) {
                struct cpuid_result caches = cpuid_policy(&board, &bare_guest, 4, subleaf);
                if (subleaf == 4) {
                    assert_regs(caches, 0, 0, 0, 0);
                    continue;
                }
                assert_int_equal(caches.eax >> 26, ids - 1);
                assert_int_equal(caches.eax >> 14 & 0xfff, subleaf == 3 ? ids - 1 : 0);
                assert_int_equal(caches.eax & 0x3fff, generous(4, subleaf).eax & 0x3fff);
                assert_int_equal(caches.ebx, 0x01c0003f);
            }
        }
    }
    assert_true(cpuid_has(&board, CPUID_HTT));
    board.cpu_count = 1;
    assert_false(cpuid_has(&board, CPUID_HTT));
    board.cpu_count = 0;
    assert_false(cpuid_has(&board, CPUID_HTT));

    /* Where the processor has no leaf 4, there is none, but the rest stands. */
    board = (struct cpuid_board){.host = meagre, .physical_address_bits = 48, .cpu_count = 3};
    assert_regs(cpuid_policy(&board, &bare_guest, 4, 0), 0, 0, 0, 0);
    assert_regs(cpuid_policy(&board, &bare_guest, 0xb, 1), 2, 3, 0x201, 0);
    assert_int_equal(cpuid_policy(&board, &bare_guest, 1, 0).ebx, 4u << 16);
}

/* The local APIC's features are the board's, whatever the processor has. */
static void test_local_apic(void **state)
{
    static const struct {
        bool has_apic, apic_enabled;
        uint32_t ecx, edx, leaf6;
    } cases[] = {
        {false, false, 0, 0, 0},
        {false, true, 0, 0, 0},
        {true, false, 0x01200000, 0, 4},
        {true, true, 0x01200000, 0x200, 4},
    };
    struct cpuid_board board = full_board;
    struct cpuid_guest guest = bare_guest;

    (void)state;
    for (int poor = 0; poor < 2; poor++) {
        board.host = poor ? meagre : generous;
        for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
            board.has_apic = cases[i].has_apic;
            guest.apic_enabled = cases[i].apic_enabled;
            struct cpuid_result version = cpuid_policy(&board, &guest, 1, 0);
            assert_int_equal(version.ecx, (poor ? 0x80000000 : 0xf6da3203) | cases[i].ecx);
            assert_int_equal(version.edx, (poor ? 0x0183b97f : 0x0f8bb97f) | cases[i].edx);
            assert_regs(cpuid_policy(&board, &guest, 6, 0), cases[i].leaf6, 0, 0, 0);
            assert_int_equal(cpuid_policy(&board, &guest, 7, 0).ebx & 2, 0);
            /* Whether the guest has it switched on is not the board's. */
            assert_int_equal(cpuid_has(&board, CPUID_APIC), board.has_apic);
            assert_int_equal(cpuid_has(&board, CPUID_X2APIC), board.has_apic);
            assert_int_equal(cpuid_has(&board, CPUID_TSC_DEADLINE), board.has_apic);
            assert_int_equal(cpuid_has(&board, CPUID_ARAT), board.has_apic);
        }
    }
}

/* A board whose local APICs have no x2APIC mode differs in one bit. */
static void test_no_x2apic(void **state)
{
    struct cpuid_board board = full_board;
    struct cpuid_guest guest = bare_guest;

    (void)state;
    board.host = generous;
    for (int has_apic = 0; has_apic < 2; has_apic++) {
        board.has_apic = guest.apic_enabled = has_apic != 0;
        board.has_no_x2apic = false;
        struct cpuid_result with = cpuid_policy(&board, &guest, 1, 0);
        board.has_no_x2apic = true;
        assert_regs(cpuid_policy(&board, &guest, 1, 0), with.eax, with.ebx,
                    with.ecx & ~(UINT32_C(1) << 21), with.edx);
        assert_false(cpuid_has(&board, CPUID_X2APIC));
        assert_int_equal(cpuid_has(&board, CPUID_TSC_DEADLINE), board.has_apic);
        assert_int_equal(cpuid_has(&board, CPUID_APIC), board.has_apic);
    }
}

static void test_xsave_sizes(void **state)
{
    struct cpuid_guest guest = bare_guest;
    struct cpuid_board board = full_board;

    (void)state;
    /* Components 3 and 4 (MPX) and 8 and above but PKRU are not offered. */
    assert_int_equal(xcr0_allowed_mask(&board), 0x2e7);
    ASSERT_LEAF(0xd, 0, 0x2e7, 576, 2696, 0);
    ASSERT_LEAF(0xd, 1, 0xf, 576, 0, 0);
    ASSERT_LEAF(0xd, 2, 256, 576, 0, 0);
    ASSERT_LEAF(0xd, 3, 0, 0, 0, 0);
    ASSERT_LEAF(0xd, 8, 0, 0, 0, 0);
    ASSERT_LEAF(0xd, 9, 8, 2688, 0, 0);
    ASSERT_LEAF(0xd, 63, 0, 0, 0, 0);
    ASSERT_LEAF(0xd, 64, 0, 0, 0, 0);
    ASSERT_LEAF(0xd, ~0u, 0, 0, 0, 0);

    guest.xcr0 = 7;
    assert_int_equal(cpuid_policy(&board, &guest, 0xd, 0).ebx, 832);
    guest.xcr0 = 0x203;
    assert_int_equal(cpuid_policy(&board, &guest, 0xd, 0).ebx, 2696);
    assert_int_equal(cpuid_policy(&board, &guest, 0xd, 1).ebx, 584);
    guest.xcr0 = 0x2e7;
    assert_int_equal(cpuid_policy(&board, &guest, 0xd, 1).ebx, 896 + 512 + 1024 + 8);

    /* No AVX-512 states in XCR0: none are offered; two of three: neither. */
    generous_xcr0 = 0x207;
    assert_int_equal(xcr0_allowed_mask(&board), 0x207);
    assert_int_equal(cpuid_policy(&board, &guest, 0xd, 0).ecx, 2696);
    generous_xcr0 = 0x2e7;

    generous_max_basic = 7;
    assert_int_equal(xcr0_allowed_mask(&board), 0x1);
    generous_max_basic = 0x20;

    board.host = meagre;
    assert_int_equal(xcr0_allowed_mask(&board), 0);
    assert_regs(cpuid_policy(&board, &guest, 0xd, 0), 0, 0, 0, 0);
}

static void test_meagre_processor(void **state)
{
    struct cpuid_board board = full_board;

    (void)state;
    board.host = meagre;
    for (uint32_t leaf = 0; leaf < 0x20; leaf++)
        cpuid_policy(&board, &bare_guest, leaf, 0);
    for (uint32_t leaf = 0x80000000; leaf < 0x80000020; leaf++)
        cpuid_policy(&board, &bare_guest, leaf, 0);
    assert_int_equal(cpuid_physical_address_bits(&board), 36);
    assert_false(cpuid_has(&board, CPUID_SMEP));
    assert_true(cpuid_has(&board, CPUID_FPU));
    assert_string_equal(cpuid_feature_name(CPUID_SSE4_1), "SSE4_1");
    assert_string_equal(cpuid_feature_name(CPUID_FEATURE_COUNT), "unknown");
}

/* On the processor that runs the test: without an emulated APIC nothing is shown that it has not.
 */
static void test_this_processor(void **state)
{
    struct cpuid_board board = full_board;

    (void)state;
    board.host = cpuid;
    for (uint32_t i = 0; i < CPUID_FEATURE_COUNT; i++)
        (void)cpuid_has(&board, (enum cpuid_feature)i);

    struct cpuid_result ours = cpuid_policy(&board, &bare_guest, 1, 0), theirs = cpuid(1, 0);
    assert_int_equal(ours.eax, theirs.eax);
    assert_int_equal(ours.ecx & ~theirs.ecx & ~(1u << 31), 0);
    assert_int_equal(ours.edx & ~theirs.edx, 0);
    assert_int_equal(cpuid_policy(&board, &bare_guest, 0x80000002, 0).eax,
                     cpuid(0x80000002, 0).eax);
    /* But for what the board emulates. */
    struct cpuid_guest enabled = {.xcr0 = 1, .code64 = true, .apic_enabled = true};
    board.has_apic = true;
    board.cpu_count = 2;
    struct cpuid_result more = cpuid_policy(&board, &enabled, 1, 0);
    assert_int_equal(more.ecx ^ ours.ecx, 0x01200000);
    assert_int_equal(more.edx ^ ours.edx, 0x10000200);
    /* Leaf 0xD with everything on is the size for everything. */
    struct cpuid_guest guest = {.xcr0 = xcr0_allowed_mask(&board)};
    struct cpuid_result size = cpuid_policy(&board, &guest, 0xd, 0);
    assert_int_equal(size.ebx, size.ecx);
    assert_true(size.ecx <= cpuid_max(0xd, 0).ecx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tsc_frequency),
        cmocka_unit_test(test_feature_masks),
        cmocka_unit_test(test_unlisted_leaves_are_zero),
        cmocka_unit_test(test_hypervisor_leaf),
        cmocka_unit_test(test_guest_state_bits),
        cmocka_unit_test(test_topology),
        cmocka_unit_test(test_difference_between_processors),
        cmocka_unit_test(test_topology_of_several),
        cmocka_unit_test(test_local_apic),
        cmocka_unit_test(test_no_x2apic),
        cmocka_unit_test(test_xsave_sizes),
        cmocka_unit_test(test_meagre_processor),
        cmocka_unit_test(test_this_processor),
    };
    return cmocka_run_group_tests_name("cpuid_policy", tests, NULL, NULL);
}
