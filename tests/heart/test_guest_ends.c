// SPDX-License-Identifier: BSD-2-Clause
/* How a guest ends, resets and starts again, and what it prints until then. */
#include "tests/heart/apic.h"

#include "vmm/console/console.h"

#include <string.h>

static void out(struct fake_guest *guest, uint16_t port, unsigned size, uint32_t value)
{
    (void)exec_out(guest, port, size, value);
}

static void power_off_by_acpi(struct fake_guest *guest)
{
    out(guest, 0x604, 2, 0x3400); /* SLP_EN, SLP_TYP 5 */
    fail();
}

static void power_off_by_shutdown_port(struct fake_guest *guest)
{
    for (const char *c = "Shutdown"; *c != '\0'; c++)
        out(guest, 0x8900, 1, (uint8_t)*c);
    fail();
}

static void reset_by_8042(struct fake_guest *guest)
{
    out(guest, 0x64, 1, 0xfe);
    fail();
}

static void reset_by_port_92(struct fake_guest *guest)
{
    out(guest, 0x92, 1, 1);
    fail();
}

static void reset_by_port_cf9(struct fake_guest *guest)
{
    out(guest, 0xcf9, 1, 6);
    fail();
}

static void test_power_off(void **state)
{
    static void (*const functions[])(struct fake_guest *) = {power_off_by_acpi,
                                                             power_off_by_shutdown_port};

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(functions); i++) {
        struct guest *guest = heart_run(functions[i], NULL);

        assert_int_equal(guest->end.kind, GUEST_POWERED_OFF);
        assert_int_equal(guest->end.exit_code, EXIT_CODE_POWER_OFF);
        heart_destroy(guest);
    }
}

static void test_reset(void **state)
{
    static void (*const functions[])(struct fake_guest *) = {reset_by_8042, reset_by_port_92,
                                                             reset_by_port_cf9};

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(functions); i++) {
        struct guest *guest = heart_run(functions[i], NULL);

        assert_int_equal(guest->end.kind, GUEST_WANTS_RESET);
        heart_destroy(guest);
    }
}

/* --- What a reset resets --- */

#define WITNESS 0x123456

/* The first time leaves traces everywhere; the second time looks for them. */
static void leave_traces_then_look(struct fake_guest *guest)
{
    uint64_t value = 0;
    uint8_t *ram = fake_guest_ram(guest, WITNESS);

    if (guest->begin_count > 1) {
        assert_int_equal(*ram, 0);
        assert_int_equal(fake_guest_field(guest, VMCS_GUEST_RIP), 0x7c00);
        assert_true(exec_rdmsr(guest, 0x1b, &value));
        assert_int_equal(value & 0xfffff000, 0xfee00000);
        assert_true(exec_rdmsr(guest, 0xc0000080, &value));
        assert_int_equal(value, 0);
        assert_int_equal(exec_read_cr(guest, 4), 0);
        exec_enter_protected_mode(guest);
        assert_int_equal(apic_read(guest, APIC_TPR), 0);
        assert_int_equal(exec_in(guest, 0x21, 1), 0xf8); /* as the BIOS leaves it */
        end_guest(guest, 5);
    }
    *ram = 0x77;
    assert_true(exec_wrmsr(guest, 0xc0000080, 0x801)); /* NXE, SCE */
    assert_true(exec_write_cr(guest, 4, 0x20));
    exec_enter_protected_mode(guest);
    apic_write(guest, APIC_TPR, 0x70);
    out(guest, 0x21, 1, 0xff);
    assert_true(exec_wrmsr(guest, 0x1b, 0xd0000000 | 0x900)); /* its APIC elsewhere */
    (void)exec_load(guest, 0xd0000030, 4);
    out(guest, 0xcf9, 1, 6);
}

static void test_reset_resets_all(void **state)
{
    struct guest *guest = heart_create(heart_guest("resets", 1));

    (void)state;
    fake_set_guest(0, leave_traces_then_look, NULL);
    fake_guest_of(0)->begin_count = 0;
    heart_start(guest);
    guest_run(guest);
    assert_int_equal(guest->end.kind, GUEST_WANTS_RESET);
    heart_start(guest);
    guest_run(guest);
    assert_int_equal(guest->end.kind, GUEST_EXITED);
    assert_int_equal(guest->end.exit_code, 11);
    heart_destroy(guest);
}

/* --- The first end counts --- */

static void test_first_end_counts(void **state)
{
    struct guest *guest = heart_run(power_off_by_acpi, NULL);

    (void)state;
    guest_end(guest, GUEST_EXITED, 99, "too late");
    assert_false(guest_stop(guest, "too late"));
    assert_int_equal(guest->end.kind, GUEST_POWERED_OFF);
    assert_string_equal(guest->end.reason, "powered off");
    heart_destroy(guest);
}

/* --- What it prints --- */

static void put(struct fake_guest *guest, const char *text)
{
    for (; *text != '\0'; text++)
        out(guest, 0xe9, 1, (uint8_t)*text);
}

static void print_lines(struct fake_guest *guest)
{
    put(guest, "one\r\n\ntwo");
    end_guest(guest, 0);
}

static void test_debug_lines(void **state)
{
    struct guest *guest;

    (void)state;
    fake_serial_forget();
    guest = heart_run(print_lines, NULL);
    console_flush();
    assert_non_null(strstr(fake_serial_output(), "one: one\r\n"));
    assert_non_null(strstr(fake_serial_output(), "one: two\r\n")); /* the rest, at the end */
    heart_destroy(guest);
}

static void print_without_end(struct fake_guest *guest)
{
    for (unsigned i = 0; i < 1000; i++)
        put(guest, "x");
    end_guest(guest, 0);
}

static void test_debug_line_has_a_bound(void **state)
{
    struct guest *guest;

    (void)state;
    fake_serial_forget();
    guest = heart_run(print_without_end, NULL);
    assert_true(guest->debug_length <= GUEST_DEBUG_LINE_BYTES);
    heart_destroy(guest);
}

static void print_on_com1(struct fake_guest *guest)
{
    for (const char *c = "hello\r\n"; *c != '\0'; c++) {
        while ((exec_in(guest, 0x3fd, 1) & 0x20) == 0)
            exec_run(guest, 10000);
        out(guest, 0x3f8, 1, (uint8_t)*c);
    }
    while ((exec_in(guest, 0x3fd, 1) & 0x40) == 0)
        exec_run(guest, 10000);
    end_guest(guest, 0);
}

static void test_com1_is_kept_until_connected(void **state)
{
    struct guest *guest;

    (void)state;
    fake_serial_forget();
    guest = heart_run(print_on_com1, NULL);
    console_flush();
    assert_null(strstr(fake_serial_output(), "hello"));
    console_connect(&guest->console);
    console_flush();
    assert_non_null(strstr(fake_serial_output(), "hello\r\n"));
    console_connect(NULL);
    heart_destroy(guest);
}

/* --- An image that cannot be loaded --- */

static void test_image_that_cannot_be_loaded(void **state)
{
    /* Multiboot's header asks for a video mode, which the board does not have. */
    static uint32_t image[16] = {
        0x1badb002, 0x10004, -(0x1badb002 + 0x10004), 0x100000, 0x100000, 0x90000000, 0, 0x100000};
    struct guest_config *config = heart_guest("bad", 1);
    struct guest *guest;

    (void)state;
    config->kernel = (struct blob){(const uint8_t *)image, sizeof(image)};
    guest = heart_create(config);
    if (guest_start(guest, &heart_environment) != STATUS_OK) {
        assert_int_equal(guest->end.kind, GUEST_STOPPED);
        assert_non_null(strstr(guest->end.reason, "its image cannot be loaded: "));
    } else
        fail();
    heart_destroy(guest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_power_off),
        cmocka_unit_test(test_reset),
        cmocka_unit_test(test_reset_resets_all),
        cmocka_unit_test(test_first_end_counts),
        cmocka_unit_test(test_debug_lines),
        cmocka_unit_test(test_debug_line_has_a_bound),
        cmocka_unit_test(test_com1_is_kept_until_connected),
        cmocka_unit_test(test_image_that_cannot_be_loaded),
    };

    heart_begin(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
