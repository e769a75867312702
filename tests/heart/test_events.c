// SPDX-License-Identifier: BSD-2-Clause
/* What an entry injects, and when: interrupts, NMIs, exceptions, events that an exit interrupted. The
 * fake processor checks each entry, so a rule that is broken ends the test, too. Intel SDM vol. 3C,
 * "Event Injection". */
#include "tests/heart/apic.h"

#include "arch/x86/msr.h"

#define VECTOR  0x45 /* of a priority below that of VECTOR2 */
#define VECTOR2 0x67

/* What the handler saw. */
static struct {
    unsigned count;
    uint32_t infos[16];
    uint64_t seen_at[16]; /* the number of exits so far */
} taken;

static void handler(struct fake_guest *guest, uint32_t info, uint32_t error)
{
    (void)error;
    if (taken.count < 16) {
        taken.infos[taken.count] = info;
        taken.seen_at[taken.count] = guest->exit_count;
    }
    taken.count++;
    if (INTERRUPTION_TYPE(info) == INTERRUPTION_EXTERNAL)
        apic_write(guest, APIC_EOI, 0);
}

static void run(void (*function)(struct fake_guest *guest), uint64_t exit_code)
{
    struct guest *guest = heart_run(function, NULL);

    assert_int_equal(guest->end.kind, GUEST_EXITED);
    assert_int_equal(guest->end.exit_code, exit_code * 2 + 1);
    heart_destroy(guest);
}

static void begin(struct fake_guest *guest)
{
    taken.count = 0;
    guest->handler = handler;
    exec_cli(guest);
    apic_enable(guest);
}

static bool is_interrupt(uint32_t info, uint8_t vector)
{
    return info == (uint32_t)INTERRUPTION_INFO(INTERRUPTION_EXTERNAL, vector);
}

static uint64_t interruptibility(const struct fake_guest *guest)
{
    return fake_guest_field(guest, VMCS_GUEST_INTERRUPTIBILITY);
}

static void set_interruptibility(struct fake_guest *guest, uint64_t value)
{
    fake_guest_set_field(guest, VMCS_GUEST_INTERRUPTIBILITY, value);
}

/* --- Interrupts --- */

static void interrupt_at_once(struct fake_guest *guest)
{
    begin(guest);
    exec_sti(guest);
    apic_send_self(guest, VECTOR);
    assert_int_equal(taken.count, 1);
    assert_true(is_interrupt(taken.infos[0], VECTOR));
    end_guest(guest, 0);
}

static void interrupt_waits_for_sti(struct fake_guest *guest)
{
    begin(guest);
    apic_send_self(guest, VECTOR);
    exec_run(guest, 100000);
    assert_int_equal(taken.count, 0);
    exec_sti(guest);
    exec_run(guest, 1000);
    assert_int_equal(taken.count, 1);
    assert_true(is_interrupt(taken.infos[0], VECTOR));
    end_guest(guest, 0);
}

/* Two wait: the higher vector goes first, each once. */
static void interrupts_by_priority(struct fake_guest *guest)
{
    begin(guest);
    apic_send_self(guest, VECTOR);
    apic_send_self(guest, VECTOR2);
    exec_sti(guest);
    exec_run(guest, 10000);
    assert_int_equal(taken.count, 2);
    assert_true(is_interrupt(taken.infos[0], VECTOR2));
    assert_true(is_interrupt(taken.infos[1], VECTOR));
    end_guest(guest, 0);
}

/* In the shadow of STI or MOV SS nothing is injected, but behind the next instruction. */
static void shadows(struct fake_guest *guest)
{
    static const uint64_t both[] = {INTERRUPTIBILITY_STI, INTERRUPTIBILITY_MOV_SS};

    for (unsigned i = 0; i < 2; i++) {
        begin(guest);
        apic_send_self(guest, VECTOR);
        exec_sti(guest);
        set_interruptibility(guest, both[i]);
        exec_exit(guest, &(struct fake_exit){.reason = EXIT_REASON_PREEMPTION_TIMER});
        assert_int_equal(taken.count, 0);
        exec_run(guest, 100);
        assert_int_equal(taken.count, 1);
    }
    end_guest(guest, 0);
}

/* An instruction that the monitor carries out ends a shadow. */
static void instruction_ends_shadow(struct fake_guest *guest)
{
    begin(guest);
    apic_send_self(guest, VECTOR);
    exec_sti(guest);
    set_interruptibility(guest, INTERRUPTIBILITY_STI);
    exec_instruction(guest, EXIT_REASON_WBINVD, 2);
    assert_int_equal(taken.count, 1);
    end_guest(guest, 0);
}

static void priority_by_tpr(struct fake_guest *guest)
{
    begin(guest);
    apic_write(guest, APIC_TPR, 0x50);
    exec_sti(guest);
    apic_send_self(guest, VECTOR);
    exec_run(guest, 10000);
    assert_int_equal(taken.count, 0);
    apic_send_self(guest, VECTOR2);
    exec_run(guest, 10000);
    assert_int_equal(taken.count, 1);
    apic_write(guest, APIC_TPR, 0);
    exec_run(guest, 10000);
    assert_int_equal(taken.count, 2);
    end_guest(guest, 0);
}

/* --- HLT --- */

static void hlt_ends_with_timer(struct fake_guest *guest)
{
    uint64_t start;

    begin(guest);
    apic_write(guest, APIC_DIVIDE, 0xb);
    apic_write(guest, APIC_LVT, VECTOR);
    exec_sti(guest);
    start = fake_now();
    apic_write(guest, APIC_INITIAL, 10000000);
    assert_true(is_interrupt(exec_hlt(guest), VECTOR));
    assert_in_range(fake_now() - start, 10000000, 10100000);
    assert_int_equal(taken.count, 1);
    end_guest(guest, 0);
}

static void hlt_with_pending_interrupt(struct fake_guest *guest)
{
    begin(guest);
    apic_send_self(guest, VECTOR);
    exec_sti(guest);
    set_interruptibility(guest, INTERRUPTIBILITY_STI); /* STI; HLT */
    assert_true(is_interrupt(exec_hlt(guest), VECTOR));
    assert_int_equal(fake_guest_field(guest, VMCS_GUEST_ACTIVITY_STATE), ACTIVITY_ACTIVE);
    end_guest(guest, 0);
}

static void hlt_single_stepped(struct fake_guest *guest)
{
    begin(guest);
    fake_guest_set_field(guest, VMCS_GUEST_RFLAGS, RFLAGS_ONE | RFLAGS_TF);
    (void)exec_hlt(guest);
    assert_int_equal(fake_guest_field(guest, VMCS_GUEST_ACTIVITY_STATE), ACTIVITY_ACTIVE);
    fake_guest_set_field(guest, VMCS_GUEST_RFLAGS, RFLAGS_ONE);
    end_guest(guest, 0);
}

static void hlt_for_good(struct fake_guest *guest)
{
    exec_cli(guest);
    (void)exec_hlt(guest);
    fail();
}

static void test_hlt_for_good(void **state)
{
    struct guest *guest = heart_run(hlt_for_good, NULL);

    (void)state;
    assert_int_equal(guest->end.kind, GUEST_STOPPED);
    assert_string_equal(guest->end.reason, "halted with interrupts off: nothing can wake it");
    heart_destroy(guest);
}

/* --- NMIs --- */

static void nmi(struct fake_guest *guest)
{
    begin(guest);
    apic_write(guest, APIC_ICR_HIGH, 0);
    apic_write(guest, APIC_ICR, ICR_NMI);
    assert_int_equal(taken.count, 1);
    assert_int_equal(INTERRUPTION_TYPE(taken.infos[0]), INTERRUPTION_NMI);
    assert_int_equal(INTERRUPTION_VECTOR(taken.infos[0]), VECTOR_NMI);
    assert_int_equal(interruptibility(guest) & INTERRUPTIBILITY_NMI, 0);
    end_guest(guest, 0);
}

static void nested_nmi_handler(struct fake_guest *guest, uint32_t info, uint32_t error)
{
    unsigned count = taken.count;

    handler(guest, info, error);
    if (count > 0)
        return;
    /* One more is remembered while one is handled, not two. */
    for (unsigned i = 0; i < 3; i++)
        apic_write(guest, APIC_ICR, ICR_NMI);
    exec_run(guest, 10000);
    assert_int_equal(taken.count, 1);
}

static void nmi_waits_for_iret(struct fake_guest *guest)
{
    begin(guest);
    guest->handler = nested_nmi_handler;
    apic_write(guest, APIC_ICR, ICR_NMI);
    exec_run(guest, 10000);
    assert_int_equal(taken.count, 2);
    end_guest(guest, 0);
}

static void nmi_in_shadow(struct fake_guest *guest)
{
    begin(guest);
    exec_sti(guest);
    set_interruptibility(guest, INTERRUPTIBILITY_NMI);
    apic_write(guest, APIC_ICR, ICR_NMI);
    assert_int_equal(taken.count, 0);
    set_interruptibility(guest, INTERRUPTIBILITY_MOV_SS);
    exec_exit(guest, &(struct fake_exit){.reason = EXIT_REASON_PREEMPTION_TIMER});
    assert_int_equal(taken.count, 0);
    exec_run(guest, 100);
    assert_int_equal(taken.count, 1);
    end_guest(guest, 0);
}

/* --- Events that an exit interrupted --- */

static void requeue(struct fake_guest *guest, uint32_t info, uint32_t error, uint32_t length)
{
    taken.count = 0;
    exec_exit(guest,
              &(struct fake_exit){
                  .reason = EXIT_REASON_EXCEPTION_OR_NMI,
                  .interruption_info = (uint32_t)INTERRUPTION_INFO(INTERRUPTION_NMI, VECTOR_NMI),
                  .idt_vectoring_info = info,
                  .idt_vectoring_error = error,
                  .instruction_length = length,
              });
}

static void interrupted_events(struct fake_guest *guest)
{
    const uint32_t external = (uint32_t)INTERRUPTION_INFO(INTERRUPTION_EXTERNAL, VECTOR);
    const uint32_t page_fault =
        (uint32_t)INTERRUPTION_INFO(INTERRUPTION_HARDWARE_EXCEPTION, VECTOR_PF) |
        INTERRUPTION_ERROR_CODE_VALID;
    static const enum interruption_type software[] = {
        INTERRUPTION_SOFTWARE_INTERRUPT,
        INTERRUPTION_PRIVILEGED_SOFTWARE_EXCEPTION,
        INTERRUPTION_SOFTWARE_EXCEPTION,
    };

    begin(guest);
    exec_sti(guest);
    requeue(guest, external, 0, 0);
    assert_int_equal(taken.count, 1);
    assert_int_equal(taken.infos[0], external);
    exec_cli(guest);
    requeue(guest, page_fault, 0x17, 0);
    assert_int_equal(taken.count, 1);
    assert_int_equal(taken.infos[0], page_fault);
    assert_int_equal(guest->event_error, 0x17);
    for (unsigned i = 0; i < 3; i++) {
        uint32_t info = (uint32_t)INTERRUPTION_INFO(software[i], i == 1 ? 1 : 3);

        requeue(guest, info, 0, 1 + i);
        assert_int_equal(taken.infos[0], info);
        assert_int_equal(fake_guest_field(guest, VMCS_ENTRY_INSTRUCTION_LENGTH), 1 + i);
    }
    /* NMIs are unblocked for the injection, and the entry blocks them again. */
    set_interruptibility(guest, INTERRUPTIBILITY_NMI);
    requeue(guest, (uint32_t)INTERRUPTION_INFO(INTERRUPTION_NMI, VECTOR_NMI), 0, 0);
    assert_int_equal(taken.count, 1);
    end_guest(guest, 0);
}

/* An IRET that faults has unblocked NMIs: they are blocked again for the fault. */
static void iret_faults(struct fake_guest *guest)
{
    begin(guest);
    guest->handler = NULL;
    exec_exit(guest,
              &(struct fake_exit){
                  .reason = EXIT_REASON_EXCEPTION_OR_NMI,
                  .interruption_info =
                      (uint32_t)INTERRUPTION_INFO(INTERRUPTION_HARDWARE_EXCEPTION, VECTOR_AC) |
                      INTERRUPTION_ERROR_CODE_VALID | INTERRUPTION_NMI_UNBLOCKING,
              });
    assert_int_equal(INTERRUPTION_VECTOR(guest->event), VECTOR_AC);
    assert_int_not_equal(interruptibility(guest) & INTERRUPTIBILITY_NMI, 0);
    end_guest(guest, 0);
}

/* --- Debug exceptions --- */

static void debug_exit(struct fake_guest *guest, enum interruption_type type,
                       uint64_t qualification)
{
    exec_exit(guest, &(struct fake_exit){
                         .reason = EXIT_REASON_EXCEPTION_OR_NMI,
                         .interruption_info = (uint32_t)INTERRUPTION_INFO(type, VECTOR_DB),
                         .qualification = qualification,
                         .instruction_length = 1,
                     });
}

static void debug_exceptions(struct fake_guest *guest)
{
    uint64_t rip;

    begin(guest);
    fake_guest_set_field(guest, VMCS_GUEST_DR7, 0x2400 | 2); /* GD, and a breakpoint */
    debug_exit(guest, INTERRUPTION_HARDWARE_EXCEPTION, BIT(14) | 1);
    assert_int_equal(INTERRUPTION_VECTOR(guest->event), VECTOR_DB);
    assert_int_equal(fake_guest_field(guest, VMCS_GUEST_DR7), 0x402);
    rip = fake_guest_field(guest, VMCS_GUEST_RIP);
    debug_exit(guest, INTERRUPTION_PRIVILEGED_SOFTWARE_EXCEPTION, 0); /* INT1 */
    assert_int_equal(INTERRUPTION_VECTOR(guest->event), VECTOR_DB);
    assert_int_equal(fake_guest_field(guest, VMCS_GUEST_RIP), rip + 1);
    end_guest(guest, 0);
}

/* A single-stepped instruction that exits leaves its trap, which comes behind it. */
static void single_step(struct fake_guest *guest)
{
    begin(guest);
    fake_guest_set_field(guest, VMCS_GUEST_RFLAGS, RFLAGS_ONE | RFLAGS_TF);
    exec_instruction(guest, EXIT_REASON_WBINVD, 2);
    assert_int_equal(taken.count, 1);
    assert_int_equal(INTERRUPTION_VECTOR(taken.infos[0]), VECTOR_DB);
    /* With BTF a step is a branch: no trap here. */
    fake_guest_set_field(guest, VMCS_GUEST_IA32_DEBUGCTL, DEBUGCTL_BTF);
    exec_instruction(guest, EXIT_REASON_WBINVD, 2);
    assert_int_equal(taken.count, 1);
    fake_guest_set_field(guest, VMCS_GUEST_RFLAGS, RFLAGS_ONE);
    end_guest(guest, 0);
}

/* An instruction that is done clears RF. */
static void resume_flag(struct fake_guest *guest)
{
    begin(guest);
    fake_guest_set_field(guest, VMCS_GUEST_RFLAGS, RFLAGS_ONE | RFLAGS_RF);
    exec_instruction(guest, EXIT_REASON_WBINVD, 2);
    assert_int_equal(fake_guest_field(guest, VMCS_GUEST_RFLAGS) & RFLAGS_RF, 0);
    end_guest(guest, 0);
}

#define RUN(function)                                                                              \
    static void test_##function(void **state)                                                      \
    {                                                                                              \
        (void)state;                                                                               \
        run(function, 0);                                                                          \
    }
RUN(interrupt_at_once)
RUN(interrupt_waits_for_sti)
RUN(interrupts_by_priority)
RUN(shadows)
RUN(instruction_ends_shadow)
RUN(priority_by_tpr)
RUN(hlt_ends_with_timer)
RUN(hlt_with_pending_interrupt)
RUN(hlt_single_stepped)
RUN(nmi)
RUN(nmi_waits_for_iret)
RUN(nmi_in_shadow)
RUN(interrupted_events)
RUN(iret_faults)
RUN(debug_exceptions)
RUN(single_step)
RUN(resume_flag)

static uint32_t no_error(void *context, uint64_t port, unsigned size)
{
    (void)context;
    (void)port;
    (void)size;
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_interrupt_at_once),
        cmocka_unit_test(test_interrupt_waits_for_sti),
        cmocka_unit_test(test_interrupts_by_priority),
        cmocka_unit_test(test_shadows),
        cmocka_unit_test(test_instruction_ends_shadow),
        cmocka_unit_test(test_priority_by_tpr),
        cmocka_unit_test(test_hlt_ends_with_timer),
        cmocka_unit_test(test_hlt_with_pending_interrupt),
        cmocka_unit_test(test_hlt_single_stepped),
        cmocka_unit_test(test_hlt_for_good),
        cmocka_unit_test(test_nmi),
        cmocka_unit_test(test_nmi_waits_for_iret),
        cmocka_unit_test(test_nmi_in_shadow),
        cmocka_unit_test(test_interrupted_events),
        cmocka_unit_test(test_iret_faults),
        cmocka_unit_test(test_debug_exceptions),
        cmocka_unit_test(test_single_step),
        cmocka_unit_test(test_resume_flag),
    };

    heart_begin(1);
    fake_set_ports(0x61, 0x61, &(struct fake_device){.read = no_error}); /* NMIs are no errors */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
