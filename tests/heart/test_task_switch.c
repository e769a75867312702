// SPDX-License-Identifier: BSD-2-Clause
/* Hardware task switches: JMP, CALL, IRET, task gates of events, and what is not in order. */
#include "tests/heart/apic.h"

#include <string.h>

#define GDT   UINT32_C(0x30000)
#define TSS_A UINT32_C(0x31000)
#define TSS_B UINT32_C(0x32000)
#define STACK UINT32_C(0x34000)
#define EIP_B UINT32_C(0x5000)

enum { CODE_SELECTOR = 8, DATA_SELECTOR = 16, A_SELECTOR = 24, B_SELECTOR = 32, BAD_SELECTOR = 40 };
enum { CALL, IRET, JMP, GATE };

static void set32(uint8_t *tss, unsigned offset, uint32_t value)
{
    memcpy(tss + offset, &value, 4);
}

static uint32_t get32(const uint8_t *tss, unsigned offset)
{
    uint32_t value;

    memcpy(&value, tss + offset, 4);
    return value;
}

static void fill_tss(uint8_t *tss)
{
    memset(tss, 0, 104);
    set32(tss, 32, EIP_B);
    set32(tss, 36, RFLAGS_ONE);
    set32(tss, 40, 0xb0b); /* EAX */
    set32(tss, 56, STACK); /* ESP */
    set32(tss, 76, CODE_SELECTOR);
    for (unsigned offset = 72; offset <= 92; offset += 4) {
        if (offset != 76)
            set32(tss, offset, DATA_SELECTOR);
    }
}

static void begin(struct fake_guest *guest)
{
    const uint64_t descriptors[] = {
        0,
        UINT64_C(0x00cf9b000000ffff),
        UINT64_C(0x00cf93000000ffff),
        UINT64_C(0x00008b0000000067) | (uint64_t)TSS_A << 16, /* busy: it runs */
        UINT64_C(0x0000890000000067) | (uint64_t)TSS_B << 16,
        UINT64_C(0x0000890000000020) | (uint64_t)TSS_B << 16, /* too short */
    };

    exec_cli(guest);
    exec_enter_protected_mode(guest);
    memcpy(fake_guest_ram(guest, GDT), descriptors, sizeof(descriptors));
    fill_tss(fake_guest_ram(guest, TSS_A));
    fill_tss(fake_guest_ram(guest, TSS_B));
    fake_guest_set_field(guest, VMCS_GUEST_GDTR_BASE, GDT);
    fake_guest_set_field(guest, VMCS_GUEST_GDTR_LIMIT, sizeof(descriptors) - 1);
    fake_guest_set_field(guest, VMCS_GUEST_TR_SELECTOR, A_SELECTOR);
    fake_guest_set_field(guest, VMCS_GUEST_TR_BASE, TSS_A);
    fake_guest_set_field(guest, VMCS_GUEST_TR_LIMIT, 0x67);
    fake_guest_set_field(guest, VMCS_GUEST_TR_ACCESS_RIGHTS, 0x8b);
}

static void switch_task(struct fake_guest *guest, unsigned source, unsigned selector, uint32_t info,
                        uint32_t error)
{
    exec_exit(guest, &(struct fake_exit){.reason = EXIT_REASON_TASK_SWITCH,
                                         .qualification = selector | (uint64_t)source << 30,
                                         .instruction_length = 7,
                                         .idt_vectoring_info = info,
                                         .idt_vectoring_error = error});
}

static void expect_task_b(const struct fake_guest *guest)
{
    assert_int_equal(guest->event, 0);
    assert_int_equal(fake_guest_field(guest, VMCS_GUEST_RIP), EIP_B);
    assert_int_equal(fake_guest_field(guest, VMCS_GUEST_TR_SELECTOR), B_SELECTOR);
    assert_int_equal(guest->gpr[GPR_RAX], 0xb0b);
    assert_int_not_equal(fake_guest_field(guest, VMCS_GUEST_CR0) & CR0_TS, 0);
}

static void jump(struct fake_guest *guest)
{
    uint64_t rip;

    begin(guest);
    rip = fake_guest_field(guest, VMCS_GUEST_RIP);
    guest->gpr[GPR_RAX] = 0xa0a;
    switch_task(guest, JMP, B_SELECTOR, 0, 0);
    expect_task_b(guest);
    assert_int_equal(fake_guest_field(guest, VMCS_GUEST_RSP), STACK);
    assert_int_equal(get32(fake_guest_ram(guest, TSS_A), 32), rip + 7);
    assert_int_equal(get32(fake_guest_ram(guest, TSS_A), 40), 0xa0a);
    end_guest(guest, 0);
}

static void call_and_return(struct fake_guest *guest)
{
    begin(guest);
    switch_task(guest, CALL, B_SELECTOR, 0, 0);
    expect_task_b(guest);
    assert_int_not_equal(fake_guest_field(guest, VMCS_GUEST_RFLAGS) & RFLAGS_NT, 0);
    assert_int_equal(get32(fake_guest_ram(guest, TSS_B), 0) & 0xffff, A_SELECTOR);
    fake_guest_set_field(guest, VMCS_GUEST_INTERRUPTIBILITY, INTERRUPTIBILITY_NMI);
    switch_task(guest, IRET, A_SELECTOR, 0, 0);
    assert_int_equal(fake_guest_field(guest, VMCS_GUEST_TR_SELECTOR), A_SELECTOR);
    assert_int_equal(fake_guest_field(guest, VMCS_GUEST_INTERRUPTIBILITY), 0);
    end_guest(guest, 0);
}

static void events_by_task_gate(struct fake_guest *guest)
{
    static const struct {
        enum interruption_type type;
        unsigned vector;
        bool has_error;
    } cases[] = {
        {INTERRUPTION_EXTERNAL, 0x33, false},           {INTERRUPTION_NMI, 2, false},
        {INTERRUPTION_HARDWARE_EXCEPTION, 13, true},    {INTERRUPTION_HARDWARE_EXCEPTION, 1, false},
        {INTERRUPTION_SOFTWARE_INTERRUPT, 0x80, false}, {INTERRUPTION_SOFTWARE_EXCEPTION, 3, false},
    };

    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        uint32_t info = (uint32_t)INTERRUPTION_INFO(cases[i].type, cases[i].vector) |
                        (cases[i].has_error ? INTERRUPTION_ERROR_CODE_VALID : 0);
        uint64_t blocking;

        begin(guest);
        fake_guest_set_field(guest, VMCS_GUEST_INTERRUPTIBILITY, 0);
        switch_task(guest, GATE, B_SELECTOR, info, 0x1234);
        expect_task_b(guest);
        blocking = fake_guest_field(guest, VMCS_GUEST_INTERRUPTIBILITY);
        assert_int_equal(blocking, cases[i].type == INTERRUPTION_NMI ? INTERRUPTIBILITY_NMI : 0);
        if (cases[i].has_error) {
            assert_int_equal(fake_guest_field(guest, VMCS_GUEST_RSP), STACK - 4);
            assert_int_equal(get32(fake_guest_ram(guest, STACK - 4), 0), 0x1234);
        }
    }
    end_guest(guest, 0);
}

static void expect_exception(const struct fake_guest *guest, unsigned vector)
{
    assert_int_equal(INTERRUPTION_TYPE(guest->event), INTERRUPTION_HARDWARE_EXCEPTION);
    assert_int_equal(INTERRUPTION_VECTOR(guest->event), vector);
    assert_int_equal(fake_guest_field(guest, VMCS_GUEST_TR_SELECTOR), A_SELECTOR);
}

static void what_is_wrong(struct fake_guest *guest)
{
    begin(guest);
    switch_task(guest, JMP, BAD_SELECTOR, 0, 0);
    expect_exception(guest, VECTOR_TS);
    assert_int_equal(guest->event_error, BAD_SELECTOR);
    switch_task(guest, JMP, 0x200, 0, 0); /* beyond the GDT */
    expect_exception(guest, VECTOR_GP);
    /* A fault during the delivery of a contributory exception is a double fault. */
    switch_task(guest, GATE, BAD_SELECTOR,
                (uint32_t)INTERRUPTION_INFO(INTERRUPTION_HARDWARE_EXCEPTION, VECTOR_GP) |
                    INTERRUPTION_ERROR_CODE_VALID,
                0);
    expect_exception(guest, VECTOR_DF);
    /* And during that of a page fault as well. */
    switch_task(guest, GATE, BAD_SELECTOR,
                (uint32_t)INTERRUPTION_INFO(INTERRUPTION_HARDWARE_EXCEPTION, VECTOR_PF) |
                    INTERRUPTION_ERROR_CODE_VALID,
                0);
    expect_exception(guest, VECTOR_DF);
    /* But not during that of an interrupt, or of a benign exception. */
    switch_task(guest, GATE, BAD_SELECTOR, (uint32_t)INTERRUPTION_INFO(INTERRUPTION_EXTERNAL, 0x33),
                0);
    expect_exception(guest, VECTOR_TS);
    switch_task(guest, GATE, BAD_SELECTOR,
                (uint32_t)INTERRUPTION_INFO(INTERRUPTION_HARDWARE_EXCEPTION, VECTOR_DB), 0);
    expect_exception(guest, VECTOR_TS);
    end_guest(guest, 0);
}

static void debug_trap(struct fake_guest *guest)
{
    begin(guest);
    set32(fake_guest_ram(guest, TSS_B), 100, 1); /* T */
    switch_task(guest, JMP, B_SELECTOR, 0, 0);
    assert_int_equal(INTERRUPTION_VECTOR(guest->event), VECTOR_DB);
    assert_int_equal(fake_guest_field(guest, VMCS_GUEST_TR_SELECTOR), B_SELECTOR);
    end_guest(guest, 0);
}

static void run(void (*function)(struct fake_guest *guest))
{
    heart_expect_exit(heart_run(function, NULL));
}

HEART_TEST(jump)
HEART_TEST(call_and_return)
HEART_TEST(events_by_task_gate)
HEART_TEST(what_is_wrong)
HEART_TEST(debug_trap)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_jump),
        cmocka_unit_test(test_call_and_return),
        cmocka_unit_test(test_events_by_task_gate),
        cmocka_unit_test(test_what_is_wrong),
        cmocka_unit_test(test_debug_trap),
    };

    heart_begin(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
