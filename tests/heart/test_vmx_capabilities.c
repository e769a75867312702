// SPDX-License-Identifier: BSD-2-Clause
/* The choice of VMX controls on processors from Penryn to Granite Rapids and in a guest of KVM's, by
 * their capability MSRs in tests/data/vmx-capabilities.txt. */
#include "tests/unit/unit.h"

#include "arch/x86/msr.h"
#include "arch/x86/vmcs.h"
#include "arch/x86/vmx_capabilities.h"
#include "tests/fake/fake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DATA         "tests/data/vmx-capabilities.txt"
#define NAME_BYTES   32
#define COLUMNS      14
#define HYPERVISOR   BIT(31) /* CPUID.1:ECX */
#define FULL_CONTROL (FEATURE_CONTROL_LOCK | FEATURE_CONTROL_VMX_OUTSIDE_SMX)

struct model {
    char name[NAME_BYTES];
    uint64_t values[COLUMNS]; /* CPUID.1:EAX, then as msrs below */
};

static const uint32_t msrs[COLUMNS] = {
    [1] = IA32_VMX_BASIC,
    [2] = IA32_VMX_PINBASED_CTLS,
    [3] = IA32_VMX_PROCBASED_CTLS,
    [4] = IA32_VMX_EXIT_CTLS,
    [5] = IA32_VMX_ENTRY_CTLS,
    [6] = IA32_VMX_MISC,
    [7] = IA32_VMX_CR4_FIXED1,
    [8] = IA32_VMX_PROCBASED_CTLS2,
    [9] = IA32_VMX_EPT_VPID_CAP,
    [10] = IA32_VMX_TRUE_PINBASED_CTLS,
    [11] = IA32_VMX_TRUE_PROCBASED_CTLS,
    [12] = IA32_VMX_TRUE_EXIT_CTLS,
    [13] = IA32_VMX_TRUE_ENTRY_CTLS,
};

static struct cpuid_result features; /* of the fake processor */
static char message[512];

/* Sets the processor up as this model, or fails the test. */
static void become(const char *name)
{
    FILE *file = fopen(DATA, "r");
    char line[512], source[16];
    struct model model;

    assert_non_null(file);
    for (;;) {
        char *at;
        int used;

        if (fgets(line, sizeof(line), file) == NULL)
            fail_msg("%s has no %s", DATA, name);
        if (sscanf(line, "%15s %31s%n", source, model.name, &used) != 2 || line[0] == '#' ||
            strcmp(model.name, name) != 0)
            continue;
        at = line + used;
        for (unsigned i = 0; i < COLUMNS; i++)
            model.values[i] = strtoull(at, &at, 16);
        assert_string_equal(at, "\n"); /* all columns are there */
        break;
    }
    fclose(file);
    struct cpuid_result leaf_1 = features;

    leaf_1.eax = (uint32_t)model.values[0];
    leaf_1.ecx &= ~(uint32_t)HYPERVISOR;
    fake_set_cpuid(1, 0, leaf_1);
    fake_set_msr(-1, IA32_FEATURE_CONTROL, FULL_CONTROL);
    for (unsigned i = 1; i < COLUMNS; i++) {
        fake_remove_msr(msrs[i]);
        if (model.values[i] != 0)
            fake_set_msr(-1, msrs[i], model.values[i]);
    }
}

static struct vmx_capabilities expect_accepted(const char *name)
{
    struct vmx_capabilities capabilities;

    if (vmx_check_capabilities(&capabilities, message, sizeof(message)) != STATUS_OK)
        fail_msg("%s: %s", name, message);
    return capabilities;
}

static void expect_refused(const char *text)
{
    struct vmx_capabilities capabilities;

    message[0] = '\0';
    assert_int_equal(vmx_check_capabilities(&capabilities, message, sizeof(message)),
                     STATUS_UNSUPPORTED);
    if (strstr(message, text) == NULL)
        fail_msg("expected '%s' in: %s", text, message);
}

/* Each value has what has to be 1, and nothing that has to be 0. */
static void expect_allowed(uint32_t value, uint32_t msr)
{
    uint64_t allowed = fake_get_msr(0, msr);

    assert_int_equal((uint32_t)allowed & ~value, 0);
    assert_int_equal(value & ~(uint32_t)(allowed >> 32), 0);
}

static void test_processors(void **state)
{
    static const struct {
        const char *name;
        bool ept_1gb_pages, invpcid, virtualizes_apic;
        unsigned timer_shift;
    } models[] = {
        {"westmere", false, false, false, 5},      {"sandy-bridge", false, false, false, 5},
        {"sandy-bridge-e", true, false, false, 5}, {"ivy-bridge", false, false, false, 5},
        {"silvermont", false, false, false, 6},    {"haswell", true, true, false, 5},
        {"broadwell", true, true, false, 5},       {"coffee-lake", true, true, false, 7},
        {"skylake", true, true, true, 7},          {"ice-lake", true, true, true, 7},
        {"sapphire-rapids", true, true, true, 7},  {"granite-rapids", true, true, true, 7},
        {"nested-kvm", true, true, false, 5},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(models); i++) {
        struct vmx_capabilities is;

        become(models[i].name);
        is = expect_accepted(models[i].name);
        expect_allowed(is.pin_based, IA32_VMX_TRUE_PINBASED_CTLS);
        expect_allowed(is.primary, IA32_VMX_TRUE_PROCBASED_CTLS);
        expect_allowed(is.secondary, IA32_VMX_PROCBASED_CTLS2);
        expect_allowed(is.exit, IA32_VMX_TRUE_EXIT_CTLS);
        expect_allowed(is.entry, IA32_VMX_TRUE_ENTRY_CTLS);
        /* The guest's own CR3 does not exit: this needs the true controls. */
        assert_false(is.primary & (PRIMARY_CR3_LOAD_EXITING | PRIMARY_CR3_STORE_EXITING));
        assert_true(is.secondary & SECONDARY_UNRESTRICTED_GUEST);
        assert_int_equal(is.ept_1gb_pages, models[i].ept_1gb_pages);
        assert_int_equal(is.invpcid, models[i].invpcid);
        assert_true(is.rdtscp);
        assert_int_equal(is.virtualizes_apic, models[i].virtualizes_apic);
        assert_int_equal(is.preemption_timer_shift, models[i].timer_shift);
        assert_true(is.revision != 0 && is.revision >> 31 == 0);
    }
}

static void test_too_old(void **state)
{
    (void)state;
    become("penryn");
    expect_refused("lacks VMX-preemption timer");
}

/* Each thing that the monitor needs, missing on a processor that has all the rest. */
static void test_each_missing_feature(void **state)
{
    static const struct {
        uint32_t msr;
        unsigned bit;
        const char *name;
    } features_needed[] = {
        {IA32_VMX_TRUE_PINBASED_CTLS, 32 + 0, "external-interrupt exiting"},
        {IA32_VMX_TRUE_PINBASED_CTLS, 32 + 3, "NMI exiting"},
        {IA32_VMX_TRUE_PINBASED_CTLS, 32 + 5, "virtual NMIs"},
        {IA32_VMX_TRUE_PINBASED_CTLS, 32 + 6, "VMX-preemption timer"},
        {IA32_VMX_TRUE_PROCBASED_CTLS, 32 + 3, "TSC offsetting"},
        {IA32_VMX_TRUE_PROCBASED_CTLS, 32 + 7, "HLT exiting"},
        {IA32_VMX_TRUE_PROCBASED_CTLS, 32 + 24, "unconditional I/O exiting"},
        {IA32_VMX_TRUE_PROCBASED_CTLS, 32 + 28, "MSR bitmaps"},
        {IA32_VMX_TRUE_PROCBASED_CTLS, 32 + 31, "secondary processor-based controls"},
        {IA32_VMX_PROCBASED_CTLS2, 32 + 1, "extended page tables (EPT)"},
        {IA32_VMX_PROCBASED_CTLS2, 32 + 5, "virtual-processor identifiers (VPID)"},
        {IA32_VMX_PROCBASED_CTLS2, 32 + 6, "WBINVD exiting"},
        {IA32_VMX_PROCBASED_CTLS2, 32 + 7, "unrestricted guest"},
        {IA32_VMX_TRUE_EXIT_CTLS, 32 + 9, "host address-space size"},
        {IA32_VMX_TRUE_EXIT_CTLS, 32 + 15, "acknowledge interrupt on exit"},
        {IA32_VMX_TRUE_EXIT_CTLS, 32 + 20, "save IA32_EFER"},
        {IA32_VMX_TRUE_ENTRY_CTLS, 32 + 14, "load IA32_PAT"},
        {IA32_VMX_TRUE_ENTRY_CTLS, 32 + 15, "load IA32_EFER"},
        {IA32_VMX_EPT_VPID_CAP, 6, "a 4-level EPT walk"},
        {IA32_VMX_EPT_VPID_CAP, 14, "write-back EPT paging structures"},
        {IA32_VMX_EPT_VPID_CAP, 16, "2 MB EPT pages"},
        {IA32_VMX_EPT_VPID_CAP, 20, "INVEPT"},
        {IA32_VMX_EPT_VPID_CAP, 26, "all-context INVEPT"},
        {IA32_VMX_EPT_VPID_CAP, 32, "INVVPID"},
        {IA32_VMX_EPT_VPID_CAP, 41, "single-context INVVPID"},
        {IA32_VMX_EPT_VPID_CAP, 42, "all-context INVVPID"},
        {IA32_VMX_BASIC, 54, "instruction information for INS and OUTS exits"},
        {IA32_VMX_BASIC, 52, "write-back VMCS regions"},
        {IA32_VMX_MISC, 6, "the HLT activity state"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(features_needed); i++) {
        char text[128];

        become("ice-lake");
        fake_set_msr(-1, features_needed[i].msr,
                     fake_get_msr(0, features_needed[i].msr) & ~BIT(features_needed[i].bit));
        snprintf(text, sizeof(text), "lacks %s;", features_needed[i].name);
        expect_refused(text);
    }
}

/* Controls that are used if they exist. */
static void test_optional_features(void **state)
{
    struct vmx_capabilities is;

    (void)state;
    become("ice-lake");
    fake_set_msr(-1, IA32_VMX_PROCBASED_CTLS2,
                 fake_get_msr(0, IA32_VMX_PROCBASED_CTLS2) &
                     ~((uint64_t)(SECONDARY_RDTSCP | SECONDARY_INVPCID) << 32));
    fake_set_msr(-1, IA32_VMX_TRUE_EXIT_CTLS,
                 fake_get_msr(0, IA32_VMX_TRUE_EXIT_CTLS) &
                     ~((uint64_t)EXIT_SAVE_PREEMPTION_TIMER << 32));
    is = expect_accepted("ice-lake");
    assert_false(is.rdtscp || is.invpcid);
    assert_false(is.exit & EXIT_SAVE_PREEMPTION_TIMER);
    assert_true(is.virtualizes_apic);
    /* Any part of APIC virtualization that is missing: none of it. */
    for (unsigned bit = 0; bit < 10; bit++) {
        uint32_t apic_bits = SECONDARY_VIRTUALIZE_APIC_ACCESSES | SECONDARY_VIRTUALIZE_X2APIC |
                             SECONDARY_APIC_REGISTERS | SECONDARY_VIRTUAL_INTERRUPT_DELIVERY;

        if (!(apic_bits & BIT(bit)))
            continue;
        become("ice-lake");
        fake_set_msr(-1, IA32_VMX_PROCBASED_CTLS2,
                     fake_get_msr(0, IA32_VMX_PROCBASED_CTLS2) & ~BIT(32 + bit));
        assert_false(expect_accepted("ice-lake").virtualizes_apic);
    }
}

/* Timers that count wrongly are refused by their CPUID signature, except in a virtual machine. */
static void test_faulty_preemption_timers(void **state)
{
    static const uint32_t signatures[] = {0x106a5, 0x106e5, 0x20655, 0x306a8};
    struct cpuid_result leaf_1 = features;

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(signatures); i++) {
        become("sandy-bridge");
        leaf_1.eax = signatures[i];
        leaf_1.ecx = features.ecx & ~(uint32_t)HYPERVISOR;
        fake_set_cpuid(1, 0, leaf_1);
        expect_refused("counts at a wrong rate");
        leaf_1.ecx |= HYPERVISOR;
        fake_set_cpuid(1, 0, leaf_1);
        (void)expect_accepted("sandy-bridge in a virtual machine");
    }
}

static void test_firmware(void **state)
{
    struct cpuid_result leaf_1;

    (void)state;
    become("haswell");
    fake_set_msr(-1, IA32_FEATURE_CONTROL, FEATURE_CONTROL_LOCK);
    expect_refused("locked off by the firmware (IA32_FEATURE_CONTROL is 0x1)");
    fake_set_msr(-1, IA32_FEATURE_CONTROL, 0); /* not locked: the monitor switches it on itself */
    (void)expect_accepted("haswell");
    leaf_1 = fake_get_cpuid(1, 0);
    leaf_1.ecx &= ~(uint32_t)BIT(5);
    fake_set_cpuid(1, 0, leaf_1);
    expect_refused("has no VT-x");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_processors),
        cmocka_unit_test(test_too_old),
        cmocka_unit_test(test_each_missing_feature),
        cmocka_unit_test(test_optional_features),
        cmocka_unit_test(test_faulty_preemption_timers),
        cmocka_unit_test(test_firmware),
    };

    fake_begin(1);
    features = fake_get_cpuid(1, 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
