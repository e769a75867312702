// SPDX-License-Identifier: BSD-2-Clause
/* The whole boot stage: each call of the firmware fails once, and configurations and machines that
 * are refused. */
#include "tests/heart/boot_fixture.h"

#include "arch/x86/msr.h"

static void test_boots(void **state)
{
    (void)state;
    if (!boots())
        fail_msg("refused: %s", firmware.said);
    assert_said("guest 'a': ");
    assert_int_equal(boot.cpu_count, 3);
    assert_int_equal(boot.cpu_apic_ids[2], 6);
    assert_int_equal(boot.console_port, 0x3f8);
    assert_true(boot.ap_area.value != 0 && boot.ap_area.value < MIB);
    assert_int_equal(boot.wall_clock_seconds, 1795996800);
    assert_int_equal(boot.tsc.frequency_hz, FAKE_TSC_HZ);
}

/* Whichever call fails, the monitor starts without what it asked for, or refuses and leaves nothing
 * behind. */
static void fail_each_call(EFI_STATUS error)
{
    unsigned starts = 0, refusals = 0, call;

    for (call = 0;; call++) {
        reset(call);
        firmware.error = error;
        if (boots())
            starts++;
        else
            refusals++;
        if (firmware.failed == NULL)
            break;
    }
    assert_true(call > 100);
    assert_true(starts > 10);
    assert_true(refusals > 10);
}

static void test_each_call_fails_once(void **state)
{
    (void)state;
    fail_each_call(EFI_DEVICE_ERROR);
    fail_each_call(EFI_OUT_OF_RESOURCES);
    fail_each_call(EFI_NOT_FOUND);
}

static void test_refusals(void **state)
{
    static const char too_large[] = "[guest a]\nkernel = a.bin\nmemory = 1G\n";
    static const char no_kernel[] = "[guest a]\nkernel = c.bin\nmemory = 4M\n";
    static const char wrong[] = "[guest a]\nkernal = a.bin\n";
    static const struct {
        const char *conf, *text;
    } cases[] = {
        {too_large, "guest 'a' wants 1024 MiB of memory, and"},
        {no_kernel, "portcullis.conf:2: there is no \\portcullis\\c.bin on the volume"},
        {wrong, "portcullis.conf:2: unknown key 'kernal'"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        reset(FIRMWARE_NO_CALL);
        set_configuration(cases[i].conf);
        expect_refusal(cases[i].text);
    }
    reset(FIRMWARE_NO_CALL);
    firmware.files[0].folder_bytes = 2 * MIB;
    expect_refusal("portcullis.conf has 2097152 bytes");
    reset(FIRMWARE_NO_CALL);
    firmware.image.DeviceHandle = NULL;
    expect_refusal("cannot be read (EFI_NOT_FOUND)");
}

/* The serial port is missing: without a screen the monitor refuses, with one it goes on unseen, and
 * refuses if the port is configured. */
static void test_no_serial_port(void **state)
{
    static const char text[] =
        "[monitor]\nconsole = 0x9000\n[guest a]\nkernel = a.bin\nmemory = 4M\n";

    (void)state;
    set_configuration(text);
    expect_refusal("portcullis.conf:2: there is no serial port at I/O port 0x9000");
}

/* A processor without VT-x is refused by name, and a firmware that has locked VT-x out. */
static void test_processors_without_vmx(void **state)
{
    struct cpuid_result features = fake_get_cpuid(1, 0), without = features;
    uint64_t control = fake_get_msr(0, IA32_FEATURE_CONTROL);

    (void)state;
    without.ecx &= ~(uint32_t)BIT(5);
    fake_set_cpuid(1, 0, without);
    expect_refusal("VT-x");
    fake_set_cpuid(1, 0, features);
    reset(FIRMWARE_NO_CALL);
    fake_set_msr(-1, IA32_FEATURE_CONTROL, 1);
    expect_refusal("firmware");
    fake_set_msr(-1, IA32_FEATURE_CONTROL, control);
    reset(FIRMWARE_NO_CALL);
    assert_true(boots());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_boots, set_up),
        cmocka_unit_test_setup(test_each_call_fails_once, set_up),
        cmocka_unit_test_setup(test_refusals, set_up),
        cmocka_unit_test_setup(test_no_serial_port, set_up),
        cmocka_unit_test_setup(test_processors_without_vmx, set_up),
    };

    fake_begin(1);
    fake_serial_begin(false);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
