// SPDX-License-Identifier: BSD-2-Clause
/* Processors that are not as the first one, or do not come: they are left out, with the reason, and
 * another one takes their place. */
#include "tests/heart/apic.h"
#include "tests/heart/scenario.h"

#include "arch/x86/cpu.h"
#include "arch/x86/msr.h"
#include "arch/x86/vmcs.h"

static void ends(struct fake_guest *guest)
{
    end_guest(guest, 0);
}

/* A guest on two processors of three. */
static void begin(void)
{
    scenario_begin(3);
    (void)scenario_guest("two", 2);
    fake_set_guest(0, ends, NULL);
}

static void expect_that_it_ran(void)
{
    scenario_expect("2 of 3 processors are used");
    scenario_expect("guest two ended: wrote to the debug exit port, exit code 1");
}

static void other_vmx(void)
{
    begin();
    fake_set_msr(1, IA32_VMX_PROCBASED_CTLS2,
                 fake_get_msr(1, IA32_VMX_PROCBASED_CTLS2) & ~((uint64_t)SECONDARY_INVPCID << 32));
}

static void test_other_vmx(void **state)
{
    (void)state;
    scenario_run(other_vmx);
    scenario_expect(
        "processor 1 is left out: its VT-x differs from the first one's; update the firmware");
    expect_that_it_ran();
}

static void locked_off(void)
{
    begin();
    fake_set_msr(1, IA32_FEATURE_CONTROL, FEATURE_CONTROL_LOCK);
}

static void test_locked_off(void **state)
{
    (void)state;
    scenario_run(locked_off);
    scenario_expect("processor 1 is left out: vt-x: locked off by the firmware");
    expect_that_it_ran();
}

/* An APIC ID that no processor has. */
static void nobody_there(void)
{
    begin();
    scenario_boot.cpu_apic_ids[1] = 9;
    fake_set_pause_ticks(50000);
}

static void test_nobody_there(void **state)
{
    (void)state;
    scenario_run(nobody_there);
    scenario_expect("processor 9 is left out: it does not answer within a second");
    expect_that_it_ran();
}

static void no_place_to_start(void)
{
    scenario_begin(2);
    scenario_boot.ap_area = HPA(0);
    (void)scenario_guest("two", 2);
}

static void test_no_place_to_start(void **state)
{
    (void)state;
    scenario_run(no_place_to_start);
    scenario_expect("the other processors cannot be started: no memory below 1 MiB");
    scenario_expect("the guests need 2 processors and 1 work: no guest is started");
}

/* The firmware has set IA32_TSC_ADJUST on one processor only. */
static void adjusted_tsc(void)
{
    begin();
    fake_set_msr(1, IA32_TSC_ADJUST, 5000000);
}

static void test_adjusted_tsc(void **state)
{
    (void)state;
    scenario_run(adjusted_tsc);
    scenario_expect("ticks ahead of the first one's: corrected");
    scenario_expect("guest two ended: wrote to the debug exit port, exit code 1");
}

/* A processor without IA32_TSC_ADJUST, whose TSC is moved. */
static void late_tsc(void)
{
    struct cpuid_result features;

    begin();
    features = fake_get_cpuid(7, 0);
    features.ebx &= ~UINT32_C(2);
    fake_set_cpuid(7, 0, features);
    fake_advance(10000000);
    fake_set_msr(1, IA32_TIME_STAMP_COUNTER, 1000);
}

static void test_late_tsc(void **state)
{
    (void)state;
    scenario_run(late_tsc);
    scenario_expect("ticks behind the first one's: corrected");
    scenario_expect("guest two ended: wrote to the debug exit port, exit code 1");
}

/* The first processor itself has lost VT-x since the boot stage looked. */
static void first_locked_off(void)
{
    scenario_begin(1);
    (void)scenario_guest("one", 1);
    fake_set_msr(0, IA32_FEATURE_CONTROL, FEATURE_CONTROL_LOCK);
}

static void test_first_locked_off(void **state)
{
    (void)state;
    scenario_run(first_locked_off);
    scenario_expect("vt-x: locked off by the firmware");
    scenario_expect("the boot stage had found nothing wrong");
    scenario_expect("machine off, exit code 254");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_other_vmx),        cmocka_unit_test(test_locked_off),
        cmocka_unit_test(test_nobody_there),     cmocka_unit_test(test_no_place_to_start),
        cmocka_unit_test(test_adjusted_tsc),     cmocka_unit_test(test_late_tsc),
        cmocka_unit_test(test_first_locked_off),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
