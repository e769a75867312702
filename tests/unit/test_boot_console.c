// SPDX-License-Identifier: BSD-2-Clause
/* What the boot stage asks of the firmware's screen and keyboard. */
#include "tests/unit/firmware_fixture.h"

#include "arch/x86/host_acpi.c"
#include "boot/uefi.c"

static unsigned keys_waiting, keys_read, waited_us, key_comes_us;
static bool has_adapter;

static EFI_STATUS EFIAPI read_key_stroke(SIMPLE_INPUT_INTERFACE *keyboard, EFI_INPUT_KEY *key)
{
    (void)keyboard;
    if (keys_waiting == 0 && (key_comes_us == 0 || waited_us < key_comes_us))
        return EFI_NOT_READY;
    if (keys_waiting > 0)
        keys_waiting--;
    keys_read++;
    *key = (EFI_INPUT_KEY){.UnicodeChar = ' '};
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI stall(UINTN microseconds)
{
    waited_us += (unsigned)microseconds;
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI locate_protocol(EFI_GUID *protocol, void *registration, void **interface)
{
    static const EFI_GUID graphics = EFI_GRAPHICS_OUTPUT_PROTOCOL_GUID;

    (void)registration;
    assert_memory_equal(protocol, &graphics, sizeof(graphics));
    *interface = NULL;
    return has_adapter ? EFI_SUCCESS : EFI_NOT_FOUND;
}

static SIMPLE_INPUT_INTERFACE con_in = {.ReadKeyStroke = read_key_stroke};
static struct uefi uefi = {.system = &firmware.system, .services = &firmware.services};

static int set_up(void **state)
{
    (void)state;
    keys_waiting = keys_read = waited_us = key_comes_us = 0;
    firmware_reset();
    firmware.says_returns = true;
    firmware.services.Stall = stall;
    firmware.services.LocateProtocol = locate_protocol;
    firmware.system.ConIn = &con_in;
    return 0;
}

static void test_key_ends_the_wait(void **state)
{
    (void)state;
    key_comes_us = 1500000;
    uefi_wait_for_key(&uefi, 60);
    assert_in_range(waited_us, 1500000, 1600000);
    assert_int_equal(keys_read, 1);
}

static void test_wait_ends_without_a_key(void **state)
{
    (void)state;
    uefi_wait_for_key(&uefi, 60);
    assert_int_equal(waited_us, 60 * 1000000);
    firmware.system.ConIn = NULL;
    waited_us = 0;
    uefi_wait_for_key(&uefi, 60);
    assert_int_equal(waited_us, 60 * 1000000);
}

static void test_earlier_keys_do_not_count(void **state)
{
    (void)state;
    keys_waiting = 3;
    uefi_drop_keys(&uefi);
    assert_int_equal(keys_read, 3);
    uefi_wait_for_key(&uefi, 1);
    assert_int_equal(waited_us, 1000000);

    keys_waiting = 1000000; /* one is held down */
    uefi_drop_keys(&uefi);
    assert_int_equal(keys_waiting, 1000000 - DROPPED_KEYS_MAX);
}

static void test_screen(void **state)
{
    (void)state;
    has_adapter = true;
    assert_true(uefi_has_screen(&uefi));
    uefi_clear_screen(&uefi);
    assert_int_equal(firmware.clears, 1);
    uefi_say(&uefi, "%s\xe4%d", "a", 1);
    assert_string_equal(firmware.said, "portcullis: a?1\r\n");

    has_adapter = false;
    assert_false(uefi_has_screen(&uefi));
    firmware.system.ConOut = NULL;
    has_adapter = true;
    assert_false(uefi_has_screen(&uefi));
    uefi_clear_screen(&uefi);
    uefi_say(&uefi, "nobody hears it");
    assert_int_equal(firmware.clears, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_key_ends_the_wait, set_up),
        cmocka_unit_test_setup(test_wait_ends_without_a_key, set_up),
        cmocka_unit_test_setup(test_earlier_keys_do_not_count, set_up),
        cmocka_unit_test_setup(test_screen, set_up),
    };
    return cmocka_run_group_tests_name("boot_console", tests, NULL, NULL);
}
