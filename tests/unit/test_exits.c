// SPDX-License-Identifier: BSD-2-Clause
#include "tests/unit/unit.h"

#include "arch/x86/exits/exit_qualification.h"
#include "arch/x86/exits/exit_reason.h"

static void test_reason_names(void **state)
{
    (void)state;
    assert_string_equal(exit_reason_name(EXIT_REASON_EXCEPTION_OR_NMI), "exception or NMI");
    assert_string_equal(exit_reason_name(EXIT_REASON_EPT_VIOLATION), "EPT violation");
    assert_string_equal(exit_reason_name(35), "unknown");
    assert_string_equal(exit_reason_name(EXIT_REASON_COUNT), "unknown");
    assert_string_equal(exit_reason_name(UINT32_MAX), "unknown");
    assert_true(EXIT_REASON_ENTRY_FAILURE(0x80000021u));
    assert_int_equal(EXIT_REASON_BASIC(0x80000021u), EXIT_REASON_ENTRY_INVALID_GUEST_STATE);
}

static void test_io(void **state)
{
    struct exit_io io;

    (void)state;
    io = exit_qualification_io(0x03f80000 | 0 | 1 << 6);
    assert_int_equal(io.port, 0x3f8);
    assert_int_equal(io.size_bytes, 1);
    assert_false(io.is_in || io.is_string || io.has_rep);
    io = exit_qualification_io(0xffff0000 | 3 | 1 << 3 | 1 << 4 | 1 << 5);
    assert_int_equal(io.port, 0xffff);
    assert_int_equal(io.size_bytes, 4);
    assert_true(io.is_in && io.is_string && io.has_rep);
}

static void test_string_io(void **state)
{
    static const uint8_t sizes[] = {2, 4, 8};

    (void)state;
    for (uint32_t i = 0; i < 3; i++) {
        struct exit_string_io info = exit_information_string_io(i << 7 | 4 << 15);
        assert_int_equal(info.address_size_bytes, sizes[i]);
        assert_int_equal(info.segment, 4);
    }
}

static void test_ept(void **state)
{
    struct exit_ept ept;

    (void)state;
    ept = exit_qualification_ept(0x181 | 1 << 12);
    assert_true(ept.read && ept.linear_address_valid && ept.is_translation && ept.nmi_unblocked);
    assert_false(ept.write || ept.fetch);
    ept = exit_qualification_ept(0x82);
    assert_true(ept.write && !ept.is_translation);
    assert_true(exit_qualification_ept(4).fetch);
}

static void test_cr(void **state)
{
    struct exit_cr cr;

    (void)state;
    cr = exit_qualification_cr(0xf18);
    assert_int_equal(cr.control_register, 8);
    assert_int_equal(cr.kind, EXIT_MOV_FROM_CR);
    assert_int_equal(cr.gpr, 15);
    cr = exit_qualification_cr(0xabcd0030);
    assert_int_equal(cr.kind, EXIT_LMSW);
    assert_int_equal(cr.lmsw_source, 0xabcd);
}

static void test_task_switch(void **state)
{
    struct exit_task task = exit_qualification_task_switch(0xc0000028);

    (void)state;
    assert_int_equal(task.tss_selector, 0x28);
    assert_int_equal(task.source, TASK_SWITCH_GATE);
}

static void test_apic(void **state)
{
    struct exit_apic access;

    (void)state;
    access = exit_qualification_apic_access(0x0390);
    assert_int_equal(access.offset, 0x390);
    assert_int_equal(access.kind, EXIT_APIC_LINEAR_READ);
    access = exit_qualification_apic_access(0x1ffc);
    assert_int_equal(access.offset, 0xffc);
    assert_int_equal(access.kind, EXIT_APIC_LINEAR_WRITE);
    assert_int_equal(exit_qualification_apic_access(0x13000).kind, EXIT_APIC_LINEAR_EVENT_DELIVERY);
    assert_int_equal(exit_qualification_apic_access(0xf000).kind, EXIT_APIC_PHYSICAL_INSTRUCTION);
    assert_int_equal(EXIT_APIC_WRITE_OFFSET(0x1300), 0x300);
    assert_int_equal(EXIT_EOI_VECTOR(0x1fe), 0xfe);
    assert_string_equal(exit_reason_name(44), "APIC access");
    assert_string_equal(exit_reason_name(45), "virtualized EOI");
    assert_string_equal(exit_reason_name(56), "APIC write");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reason_names), cmocka_unit_test(test_io),
        cmocka_unit_test(test_string_io),    cmocka_unit_test(test_ept),
        cmocka_unit_test(test_cr),           cmocka_unit_test(test_task_switch),
        cmocka_unit_test(test_apic),
    };
    return cmocka_run_group_tests_name("exits", tests, NULL, NULL);
}
