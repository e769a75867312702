// SPDX-License-Identifier: BSD-2-Clause
/* Each exit reason: what the guest notices, or why it is stopped. */
#include "tests/heart/heart.h"

#include "arch/x86/msr.h"
#include "arch/x86/traps.h"

#include <stdio.h>
#include <string.h>

enum answer {
    ANSWER_STOP,         /* no policy: the guest is stopped */
    ANSWER_UD,           /* #UD */
    ANSWER_GP,           /* #GP(0) */
    ANSWER_NEXT,         /* the instruction is done */
    ANSWER_SAME,         /* the guest goes on where it was */
    ANSWER_NOT_LIKE_THIS /* tests of its own below, or in other files */
};

static const enum answer answers[EXIT_REASON_COUNT + 8] = {
    [EXIT_REASON_EXCEPTION_OR_NMI] = ANSWER_NOT_LIKE_THIS,
    [EXIT_REASON_EXTERNAL_INTERRUPT] = ANSWER_NOT_LIKE_THIS,
    [EXIT_REASON_TRIPLE_FAULT] = ANSWER_NOT_LIKE_THIS,
    [EXIT_REASON_INTERRUPT_WINDOW] = ANSWER_SAME,
    [EXIT_REASON_NMI_WINDOW] = ANSWER_SAME,
    [EXIT_REASON_TASK_SWITCH] = ANSWER_NOT_LIKE_THIS,
    [EXIT_REASON_CPUID] = ANSWER_NEXT,
    [EXIT_REASON_GETSEC] = ANSWER_UD,
    [EXIT_REASON_HLT] = ANSWER_NOT_LIKE_THIS,
    [EXIT_REASON_INVD] = ANSWER_NEXT,
    [EXIT_REASON_RDPMC] = ANSWER_GP,
    [EXIT_REASON_VMCALL] = ANSWER_UD,
    [EXIT_REASON_VMCLEAR] = ANSWER_UD,
    [EXIT_REASON_VMLAUNCH] = ANSWER_UD,
    [EXIT_REASON_VMPTRLD] = ANSWER_UD,
    [EXIT_REASON_VMPTRST] = ANSWER_UD,
    [EXIT_REASON_VMREAD] = ANSWER_UD,
    [EXIT_REASON_VMRESUME] = ANSWER_UD,
    [EXIT_REASON_VMWRITE] = ANSWER_UD,
    [EXIT_REASON_VMXOFF] = ANSWER_UD,
    [EXIT_REASON_VMXON] = ANSWER_UD,
    [EXIT_REASON_CR_ACCESS] = ANSWER_NOT_LIKE_THIS,
    [EXIT_REASON_MOV_DR] = ANSWER_SAME, /* the processor executes it now */
    [EXIT_REASON_IO_INSTRUCTION] = ANSWER_NEXT,
    [EXIT_REASON_RDMSR] = ANSWER_GP, /* ECX is 0x12345678 */
    [EXIT_REASON_WRMSR] = ANSWER_GP,
    [EXIT_REASON_MWAIT] = ANSWER_UD,
    [EXIT_REASON_MONITOR] = ANSWER_UD,
    [EXIT_REASON_APIC_ACCESS] = ANSWER_NOT_LIKE_THIS,
    [EXIT_REASON_VIRTUALIZED_EOI] = ANSWER_NOT_LIKE_THIS,
    [EXIT_REASON_EPT_VIOLATION] = ANSWER_NOT_LIKE_THIS,
    [EXIT_REASON_EPT_MISCONFIGURATION] = ANSWER_NOT_LIKE_THIS,
    [EXIT_REASON_INVEPT] = ANSWER_UD,
    [EXIT_REASON_PREEMPTION_TIMER] = ANSWER_SAME,
    [EXIT_REASON_INVVPID] = ANSWER_UD,
    [EXIT_REASON_WBINVD] = ANSWER_NEXT,
    [EXIT_REASON_XSETBV] = ANSWER_GP,
    [EXIT_REASON_APIC_WRITE] = ANSWER_NOT_LIKE_THIS,
    [EXIT_REASON_VMFUNC] = ANSWER_UD,
    [EXIT_REASON_SEAMCALL] = ANSWER_UD,
    [EXIT_REASON_TDCALL] = ANSWER_UD,
};

#define LENGTH 2
#define ECX    0x12345678

struct one {
    struct fake_exit exit;
    uint32_t event, error; /* what came of it */
    uint64_t rip_before, rip_after;
    bool went_on;
};

static void make_one_exit(struct fake_guest *guest)
{
    struct one *one = guest->context;

    guest->gpr[GPR_RCX] = ECX;
    one->rip_before = fake_guest_field(guest, VMCS_GUEST_RIP);
    exec_exit(guest, &one->exit);
    one->event = guest->event;
    one->error = guest->event_error;
    one->rip_after = fake_guest_field(guest, VMCS_GUEST_RIP);
    one->went_on = true;
}

static struct guest *run_one(struct one *one)
{
    fake_serial_forget();
    return heart_run(make_one_exit, one);
}

static void expect_exception(const struct one *one, unsigned vector)
{
    assert_int_equal(one->rip_after, one->rip_before);
    assert_int_equal(one->event & 0x800007ff,
                     (uint32_t)INTERRUPTION_INFO(INTERRUPTION_HARDWARE_EXCEPTION, vector));
}

static void expect_stop(struct guest *guest, const struct one *one, const char *why)
{
    assert_false(one->went_on);
    assert_int_equal(guest->end.kind, GUEST_STOPPED);
    assert_int_equal(guest->end.exit_code, EXIT_CODE_STOPPED);
    assert_string_equal(guest->end.reason, why);
    assert_non_null(strstr(fake_serial_output(), why));
    assert_non_null(strstr(fake_serial_output(), "last exit: ")); /* the dump */
}

static void check(uint32_t reason)
{
    struct one one = {.exit = {.reason = reason, .instruction_length = LENGTH}};
    struct guest *guest = run_one(&one);
    char why[GUEST_END_REASON_BYTES];

    if (answers[reason] == ANSWER_STOP) {
        snprintf(why, sizeof(why), "VM exit for a reason without a policy: %u, %s", reason,
                 exit_reason_name(reason));
        expect_stop(guest, &one, why);
        heart_destroy(guest);
        return;
    }
    assert_true(one.went_on);
    assert_int_equal(guest->end.kind, GUEST_EXITED);
    switch (answers[reason]) {
    case ANSWER_UD: expect_exception(&one, VECTOR_UD); break;
    case ANSWER_GP: expect_exception(&one, VECTOR_GP); break;
    case ANSWER_NEXT:
        assert_int_equal(one.rip_after, one.rip_before + LENGTH);
        assert_int_equal(one.event, 0);
        break;
    case ANSWER_SAME:
        assert_int_equal(one.rip_after, one.rip_before);
        assert_int_equal(one.event, 0);
        break;
    case ANSWER_STOP:
    case ANSWER_NOT_LIKE_THIS: break;
    }
    assert_int_equal(guest->vcpus[0].exits[reason].count,
                     reason == EXIT_REASON_IO_INSTRUCTION ? 2 : 1);
    heart_destroy(guest);
}

static void test_each_reason(void **state)
{
    (void)state;
    for (uint32_t reason = 0; reason < ARRAY_COUNT(answers); reason++) {
        if (answers[reason] != ANSWER_NOT_LIKE_THIS)
            check(reason);
    }
}

static void test_triple_fault(void **state)
{
    struct one one = {.exit = {.reason = EXIT_REASON_TRIPLE_FAULT}};
    struct guest *guest = run_one(&one);

    (void)state;
    expect_stop(guest, &one,
                "triple fault: a fault while the guest's double-fault handler was called");
    heart_destroy(guest);
}

static void test_ept_misconfiguration(void **state)
{
    struct one one = {
        .exit = {.reason = EXIT_REASON_EPT_MISCONFIGURATION, .physical_address = 0x1234000}};
    struct guest *guest = run_one(&one);

    (void)state;
    expect_stop(guest, &one, "EPT misconfiguration at guest-physical 0x1234000");
    heart_destroy(guest);
}

static void test_exception_that_nobody_asked_for(void **state)
{
    struct one one = {.exit = {.reason = EXIT_REASON_EXCEPTION_OR_NMI,
                               .interruption_info = (uint32_t)INTERRUPTION_INFO(
                                   INTERRUPTION_HARDWARE_EXCEPTION, VECTOR_UD)}};
    struct guest *guest = run_one(&one);

    (void)state;
    expect_stop(guest, &one, "exception 6 left the guest though nobody asked for it");
    heart_destroy(guest);
}

static void test_alignment_check_goes_back(void **state)
{
    struct one one = {.exit = {.reason = EXIT_REASON_EXCEPTION_OR_NMI,
                               .interruption_info = (uint32_t)INTERRUPTION_INFO(
                                   INTERRUPTION_HARDWARE_EXCEPTION, VECTOR_AC)}};
    struct guest *guest = run_one(&one);

    (void)state;
    assert_true(one.went_on);
    expect_exception(&one, VECTOR_AC);
    heart_destroy(guest);
}

static uint32_t no_error(void *context, uint64_t port, unsigned size)
{
    (void)context;
    (void)port;
    (void)size;
    return 0;
}

static void test_nmi_is_the_monitors(void **state)
{
    struct one one = {
        .exit = {.reason = EXIT_REASON_EXCEPTION_OR_NMI,
                 .interruption_info = (uint32_t)INTERRUPTION_INFO(INTERRUPTION_NMI, VECTOR_NMI)}};
    uint64_t before = trap_unclaimed_nmis();
    struct guest *guest;

    (void)state;
    fake_set_ports(0x61, 0x61, &(struct fake_device){.read = no_error});
    guest = run_one(&one);
    assert_true(one.went_on);
    assert_int_equal(one.event, 0);
    assert_int_equal(trap_unclaimed_nmis(), before + 1);
    heart_destroy(guest);
}

static void run_machine_check(void *context)
{
    (void)heart_run(make_one_exit, context);
}

static void test_machine_check_is_fatal(void **state)
{
    struct one one = {.exit = {.reason = EXIT_REASON_EXCEPTION_OR_NMI,
                               .interruption_info = (uint32_t)INTERRUPTION_INFO(
                                   INTERRUPTION_HARDWARE_EXCEPTION, VECTOR_MC)}};

    (void)state;
    fake_set_msr(0, IA32_MC0_STATUS, UINT64_C(0x8c00000000000001));
    fake_set_msr(0, IA32_MC0_ADDR, 0x1234);
    fake_expect_fatal("internal error: exception 18, #MC machine check");
    assert_true(fake_runs_to_stop(run_machine_check, &one));
    assert_false(one.went_on);
}

static void test_entry_fails(void **state)
{
    static const struct {
        uint32_t error, reason;
        const char *why;
    } cases[] = {
        {7, 0, "VM entry failed: VM entry with invalid control field(s) (VM-instruction error 7)"},
        {8, 0,
         "VM entry failed: VM entry with invalid host-state field(s) (VM-instruction error 8)"},
        {99, 0, "VM entry failed: unknown error (VM-instruction error 99)"},
        {0, 0x80000021, "VM entry failure: invalid guest state, exit qualification 0x0"},
        {0, 0x80000022, "VM entry failure: MSR loading, exit qualification 0x0"},
        {0, 0x80000029, "VM entry failure: machine check, exit qualification 0x0"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct one one = {0};
        struct guest *guest;

        fake_fail_entries(0, cases[i].error, cases[i].reason);
        guest = run_one(&one);
        fake_fail_entries(0, 0, 0);
        expect_stop(guest, &one, cases[i].why);
        heart_destroy(guest);
    }
}

static void test_strange_reasons_are_counted(void **state)
{
    static const uint32_t reasons[] = {EXIT_REASON_COUNT, 1000, 0xffff, 0x80000000 | 48};

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(reasons); i++) {
        struct one one = {.exit = {.reason = reasons[i]}};
        struct guest *guest = run_one(&one);

        assert_int_equal(guest->end.kind, GUEST_STOPPED);
        assert_int_equal(guest->vcpus[0].unknown_exit_count, 1);
        heart_destroy(guest);
    }
}

/* With the test device VMCALL answers as KVM's interface does for a call that it does not know. */
static void test_vmcall_with_test_device(void **state)
{
    static struct guest_config *config;
    struct one one = {.exit = {.reason = EXIT_REASON_VMCALL, .instruction_length = 3}};
    struct guest *guest;

    (void)state;
    config = heart_guest("suite", 1);
    config->has_testdev = true;
    guest = heart_create(config);
    heart_start(guest);
    fake_set_guest(0, make_one_exit, &one);
    guest_run(guest);
    assert_int_equal(one.rip_after, one.rip_before + 3);
    heart_destroy(guest);
}

/* RIP wraps at 64 KiB and 4 GiB as the processor lets it: outside of 64-bit code it has 32 bits. */
static void wrap(struct fake_guest *guest)
{
    struct one *one = guest->context;

    fake_guest_set_field(guest, VMCS_GUEST_RIP, 0xffffffff);
    exec_exit(guest, &one->exit);
    one->rip_after = fake_guest_field(guest, VMCS_GUEST_RIP);
    one->went_on = true;
}

static void test_rip_wraps(void **state)
{
    struct one one = {.exit = {.reason = EXIT_REASON_WBINVD, .instruction_length = LENGTH}};
    struct guest *guest = heart_run(wrap, &one);

    (void)state;
    assert_true(one.went_on);
    assert_int_equal(one.rip_after, 1);
    heart_destroy(guest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_reason),
        cmocka_unit_test(test_triple_fault),
        cmocka_unit_test(test_ept_misconfiguration),
        cmocka_unit_test(test_exception_that_nobody_asked_for),
        cmocka_unit_test(test_alignment_check_goes_back),
        cmocka_unit_test(test_nmi_is_the_monitors),
        cmocka_unit_test(test_entry_fails),
        cmocka_unit_test(test_strange_reasons_are_counted),
        cmocka_unit_test(test_vmcall_with_test_device),
        cmocka_unit_test(test_rip_wraps),
        cmocka_unit_test(test_machine_check_is_fatal), /* last: the machine does not go on */
    };

    heart_begin(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
