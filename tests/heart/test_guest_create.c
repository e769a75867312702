// SPDX-License-Identifier: BSD-2-Clause
/* Creating a guest with everything, while each allocation in turn fails: nothing may stay allocated,
 * and nothing may be used after its release. Also errors that are not the heap's. */
#include "tests/heart/heart.h"

#include "vmm/attachments/attachment_spec.h"
#include "vmm/host/cpus.h"

#include <string.h>

static struct attachment_spec specs[8];

static void add_attachment(struct guest_config *config, enum attachment_kind kind, const char *line)
{
    char message[ATTACHMENT_MESSAGE_BYTES];

    assert_int_equal(attachment_spec_parse_line(kind, line, strlen(line),
                                                &specs[config->attachment_count], message,
                                                sizeof(message)),
                     STATUS_OK);
    config->attachments = specs;
    config->attachment_count++;
}

/* Returns a guest that has everything that needs memory. */
static struct guest_config *full_guest(void)
{
    static struct guest_config *config;

    if (config != NULL)
        return config;
    config = heart_guest("full", 2);
    config->has_testdev = true;
    config->apic = GUEST_APIC_VIRTUAL;
    add_attachment(config, ATTACHMENT_TRIGGER, "t line 5");
    add_attachment(config, ATTACHMENT_ZONE, "z port 0xe0 4 ring 16");
    add_attachment(config, ATTACHMENT_DOORBELL, "d mmio 0xd0000000 width 4 count 100 trigger t");
    add_attachment(config, ATTACHMENT_DOORBELL, "e port 0x9000 line 6 drain z");
    add_attachment(config, ATTACHMENT_DOORBELL, "f port 0x9001 message 0xfee00000 0x40");
    return config;
}

static enum status create(struct guest *guest, const struct guest_config *config)
{
    return guest_create(guest, config, &heart_environment);
}

static void test_each_allocation_fails(void **state)
{
    static struct guest guest;
    uint64_t blocks = fake_heap_blocks(), count;

    (void)state;
    fake_heap_fail_at(UINT64_MAX);
    assert_int_equal(create(&guest, full_guest()), STATUS_OK);
    count = fake_heap_allocations();
    guest_destroy(&guest, &heart_environment);
    assert_int_equal(fake_heap_blocks(), blocks);
    assert_true(count > 20);
    for (uint64_t n = 0; n < count; n++) {
        enum status status;

        fake_heap_fail_at(n);
        status = create(&guest, full_guest());
        fake_heap_fail_at(UINT64_MAX);
        if (status == STATUS_OK)
            guest_destroy(&guest, &heart_environment); /* the bus does without some */
        assert_true(status == STATUS_OK || status == STATUS_NO_MEMORY);
        assert_int_equal(fake_heap_blocks(), blocks);
    }
}

static void code(struct fake_guest *guest)
{
    exec_out(guest, 0xf4, 1, 0);
}

/* After a failure the same guest can be created and run. */
static void test_guest_runs_after_failures(void **state)
{
    static struct guest guest;

    (void)state;
    for (unsigned n = 1; n < 30; n += 7) {
        fake_heap_fail_at(n);
        if (create(&guest, full_guest()) == STATUS_OK)
            guest_destroy(&guest, &heart_environment);
        fake_heap_fail_at(UINT64_MAX);
        assert_int_equal(create(&guest, full_guest()), STATUS_OK);
        heart_start(&guest);
        fake_set_guest(0, code, NULL);
        guest_run(&guest);
        assert_int_equal(guest.end.exit_code, 1);
        guest_destroy(&guest, &heart_environment);
    }
}

static void test_attachment_that_does_not_fit(void **state)
{
    static struct guest guest;
    static const char *const bad[] = {
        "d port 0x60 trigger nobody",
        "d port 0x60 drain nobody",
        "t mmio 0x1000",
        "d port 0x70 count 4 width 1",
    };
    uint64_t blocks = fake_heap_blocks();

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        struct guest_config config = *full_guest();
        struct attachment_spec own[2] = {config.attachments[0]};
        char message[ATTACHMENT_MESSAGE_BYTES];
        enum status status;

        fake_serial_forget();
        assert_int_equal(attachment_spec_parse_line(ATTACHMENT_DOORBELL, bad[i], strlen(bad[i]),
                                                    &own[1], message, sizeof(message)),
                         STATUS_OK);
        config.attachments = own;
        config.attachment_count = 2;
        status = create(&guest, &config);
        if (status == STATUS_OK) {
            guest_destroy(&guest, &heart_environment);
            continue;
        }
        assert_non_null(strstr(fake_serial_output(), "guest full: "));
        assert_int_equal(fake_heap_blocks(), blocks);
    }
}

/* The same guest again and again: what it leaves behind would show in the number of blocks. */
static void test_again_and_again(void **state)
{
    static struct guest guest;
    uint64_t blocks = fake_heap_blocks();

    (void)state;
    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(create(&guest, full_guest()), STATUS_OK);
        guest_destroy(&guest, &heart_environment);
    }
    assert_int_equal(fake_heap_blocks(), blocks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_allocation_fails),
        cmocka_unit_test(test_guest_runs_after_failures),
        cmocka_unit_test(test_attachment_that_does_not_fit),
        cmocka_unit_test(test_again_and_again),
    };
    int failed;

    fake_begin(2);
    fake_add_apic_virtualization();
    heart_begin(2);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    heart_end();
    return failed;
}
