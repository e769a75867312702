// SPDX-License-Identifier: BSD-2-Clause
/* A guest that debugs itself, on a processor that behaves as the manual says: RF, single steps from
 * branch to branch, debug traps beside interrupts, breakpoints on what the monitor carries out. */
#include "tests/heart/heart.h"

#include "arch/x86/cpu.h"
#include "arch/x86/exits/breakpoints.h"
#include "arch/x86/msr.h"

#include <string.h>

#define NOTHING  UINT32_C(0xd0000000)
#define APIC     UINT32_C(0xfee00000)
#define ICR_SELF UINT32_C(0x44000)
#define VECTOR   0x51
#define PORT     0x80

#define DR7_PORT_0 (BIT(0) | BIT(17))             /* one byte */
#define DR7_DATA_1 (BIT(2) | UINT64_C(0xf) << 20) /* reads and writes, four bytes */
#define EVENT_DB   INTERRUPTION_INFO(INTERRUPTION_HARDWARE_EXCEPTION, VECTOR_DB)

/* The events that came to a guest, and what its handler found. */
static struct {
    uint32_t info;
    uint64_t rip, dr6;
} seen[8];
static unsigned seen_count;

static uint64_t get(struct fake_guest *guest, uint64_t field)
{
    return fake_guest_field(guest, field);
}

static void set(struct fake_guest *guest, uint64_t field, uint64_t value)
{
    fake_guest_set_field(guest, field, value);
}

static void add_flags(struct fake_guest *guest, uint64_t flags)
{
    set(guest, VMCS_GUEST_RFLAGS, get(guest, VMCS_GUEST_RFLAGS) | flags);
}

static void remove_flags(struct fake_guest *guest, uint64_t flags)
{
    set(guest, VMCS_GUEST_RFLAGS, get(guest, VMCS_GUEST_RFLAGS) & ~flags);
}

static void handler(struct fake_guest *guest, uint32_t info, uint32_t error)
{
    (void)error;
    assert_true(seen_count < ARRAY_COUNT(seen));
    seen[seen_count].info = info;
    seen[seen_count].rip = get(guest, VMCS_GUEST_RIP);
    seen[seen_count++].dr6 = read_dr6();
    write_dr6(0xffff0ff0);
    if (INTERRUPTION_TYPE(info) == INTERRUPTION_EXTERNAL)
        (void)exec_store(guest, APIC + 0xb0, 4, 0);
}

/* Forgets what came. Goes into protected mode, where exceptions have error codes. */
static void begin(struct fake_guest *guest)
{
    exec_enter_protected_mode(guest);
    seen_count = 0;
    write_dr6(0xffff0ff0);
    guest->handler = handler;
}

static void expect_trap(unsigned index, uint64_t conditions)
{
    assert_true(index < seen_count);
    assert_int_equal(seen[index].info, EVENT_DB);
    assert_int_equal(seen[index].dr6 & 0xe00f, conditions);
}

static void run(void (*function)(struct fake_guest *guest))
{
    struct guest *guest = heart_run(function, NULL);

    assert_int_equal(guest->end.kind, GUEST_EXITED);
    heart_destroy(guest);
}

/* --- RF --- */

/* An EPT violation saves RF as 1 ("Saving RIP, RSP, RFLAGS, and SSP"). It is cleared behind the
 * instruction, also if the instruction is known. */
static void loads_with_rf(struct fake_guest *guest)
{
    begin(guest);
    for (unsigned i = 0; i < 4; i++) {
        add_flags(guest, RFLAGS_RF);
        assert_int_equal(exec_load(guest, NOTHING, 4), UINT32_MAX);
        assert_int_equal(get(guest, VMCS_GUEST_RFLAGS) & RFLAGS_RF, 0);
        set(guest, VMCS_GUEST_RIP, get(guest, VMCS_GUEST_RIP) - 6);
    }
}

static void test_rf_of_a_violation(void **state)
{
    (void)state;
    run(loads_with_rf);
}

static void see_flags(struct fake_guest *guest, uint32_t info, uint32_t error)
{
    (void)guest;
    (void)info;
    (void)error;
    seen_count++;
}

static void faults(struct fake_guest *guest)
{
    uint64_t value;

    begin(guest);
    guest->handler = see_flags;
    assert_false(exec_rdmsr(guest, 0x12345, &value));
    assert_int_equal(guest->event & 0xff, VECTOR_GP);
    assert_true((get(guest, VMCS_GUEST_RFLAGS) & RFLAGS_RF) != 0);
    remove_flags(guest, RFLAGS_RF);
    assert_false(exec_instruction(guest, EXIT_REASON_VMCALL, 3));
    assert_int_equal(guest->event & 0xff, VECTOR_UD);
    assert_true((get(guest, VMCS_GUEST_RFLAGS) & RFLAGS_RF) != 0);
    remove_flags(guest, RFLAGS_RF);
    /* A trap is no fault. */
    add_flags(guest, RFLAGS_TF);
    (void)exec_in(guest, PORT, 1);
    assert_int_equal(guest->event, EVENT_DB);
    assert_int_equal(get(guest, VMCS_GUEST_RFLAGS) & RFLAGS_RF, 0);
}

static void test_faults_push_rf(void **state)
{
    (void)state;
    run(faults);
}

/* --- Single steps --- */

static void steps_on_branches(struct fake_guest *guest)
{
    uint8_t *code;
    uint64_t rip;

    begin(guest);
    assert_true(exec_wrmsr(guest, IA32_DEBUGCTL, DEBUGCTL_BTF));
    add_flags(guest, RFLAGS_TF);
    (void)exec_in(guest, PORT, 1);
    (void)exec_load(guest, NOTHING, 4);
    assert_int_equal(seen_count, 0);

    /* jmp [NOTHING] */
    rip = get(guest, VMCS_GUEST_RIP);
    code = fake_guest_ram(guest, rip);
    memcpy(code, "\xff\x25\x00\x00\x00\xd0", 6);
    exec_exit(guest, &(struct fake_exit){.reason = EXIT_REASON_EPT_VIOLATION,
                                         .qualification = BIT(0) | BIT(7) | BIT(8),
                                         .linear_address = NOTHING,
                                         .physical_address = NOTHING});
    expect_trap(0, DEBUG_SINGLE_STEP);
    assert_int_equal(seen[0].rip, UINT32_MAX);
    assert_int_equal(get(guest, VMCS_GUEST_IA32_DEBUGCTL), 0); /* a debug exception clears BTF */
    set(guest, VMCS_GUEST_RIP, rip);
    (void)exec_in(guest, PORT, 1);
    expect_trap(1, DEBUG_SINGLE_STEP);
    remove_flags(guest, RFLAGS_TF);
}

static void test_steps_on_branches(void **state)
{
    (void)state;
    run(steps_on_branches);
}

/* The instruction sends an interrupt to its own processor: the trap comes first. */
static void step_over_icr(struct fake_guest *guest)
{
    begin(guest);
    (void)exec_store(guest, APIC + 0xf0, 4, 0x1ff);
    add_flags(guest, RFLAGS_TF | RFLAGS_IF);
    (void)exec_store(guest, APIC + 0x300, 4, ICR_SELF | VECTOR);
    remove_flags(guest, RFLAGS_TF);
    if (seen_count < 2)
        (void)exec_wait_for_event(guest);
    expect_trap(0, DEBUG_SINGLE_STEP);
    assert_int_equal(seen_count, 2);
    assert_int_equal(seen[1].info, INTERRUPTION_INFO(INTERRUPTION_EXTERNAL, VECTOR));
}

static void test_the_trap_comes_before_an_interrupt(void **state)
{
    (void)state;
    run(step_over_icr);
}

static void step_in_shadow(struct fake_guest *guest)
{
    begin(guest);
    /* MOV SS has met breakpoint 0, which waits for the next instruction. */
    add_flags(guest, RFLAGS_TF);
    set(guest, VMCS_GUEST_INTERRUPTIBILITY, INTERRUPTIBILITY_MOV_SS);
    set(guest, VMCS_GUEST_PENDING_DEBUG_EXCEPTIONS,
        DEBUG_ENABLED_BREAKPOINT | DEBUG_SINGLE_STEP | BIT(0));
    (void)exec_in(guest, PORT, 1);
    expect_trap(0, DEBUG_SINGLE_STEP | BIT(0));
    assert_int_equal(get(guest, VMCS_GUEST_INTERRUPTIBILITY), 0);
    remove_flags(guest, RFLAGS_TF);
}

static void test_what_mov_ss_holds_back(void **state)
{
    (void)state;
    run(step_in_shadow);
}

/* --- Breakpoints --- */

static bool dr_exits(struct fake_guest *guest)
{
    return (get(guest, VMCS_PRIMARY_CONTROLS) & PRIMARY_MOV_DR_EXITING) != 0;
}

/* Executes MOV to DR7. */
static void write_guest_dr7(struct fake_guest *guest, uint64_t value)
{
    uint64_t rip = get(guest, VMCS_GUEST_RIP);

    if (dr_exits(guest))
        exec_exit(guest, &(struct fake_exit){.reason = EXIT_REASON_MOV_DR,
                                             .qualification = 7,
                                             .instruction_length = 3});
    assert_int_equal(get(guest, VMCS_GUEST_RIP), rip);
    assert_false(dr_exits(guest));
    set(guest, VMCS_GUEST_DR7, value | 0x400);
}

static void breakpoints(struct fake_guest *guest)
{
    uint64_t rip;

    begin(guest);
    assert_true(dr_exits(guest));
    for (unsigned i = 0; i < 3; i++) {
        (void)exec_load(guest, NOTHING, 4); /* known now */
        set(guest, VMCS_GUEST_RIP, get(guest, VMCS_GUEST_RIP) - 6);
    }
    assert_true(exec_write_cr(guest, 4, exec_read_cr(guest, 4) | CR4_DE));
    write_dr0(PORT);
    write_dr1(NOTHING);
    write_guest_dr7(guest, DR7_PORT_0 | DR7_DATA_1);

    rip = get(guest, VMCS_GUEST_RIP);
    (void)exec_out(guest, PORT, 1, 0);
    expect_trap(0, BIT(0));
    assert_int_equal(seen[0].rip, rip + 2);
    (void)exec_out(guest, PORT + 1, 1, 0);
    assert_int_equal(seen_count, 1);
    set(guest, VMCS_GUEST_RIP, rip);
    assert_int_equal(exec_load(guest, NOTHING, 4), UINT32_MAX);
    expect_trap(1, BIT(1));
    (void)exec_store(guest, NOTHING + 3, 1, 0);
    expect_trap(2, BIT(1));
    (void)exec_load(guest, NOTHING + 4, 4);
    assert_int_equal(seen_count, 3);

    /* None is enabled: soon MOV DR exits again, and nothing is compared. */
    write_guest_dr7(guest, 0);
    (void)exec_out(guest, PORT, 1, 0);
    (void)exec_load(guest, NOTHING, 4);
    assert_true(dr_exits(guest));
    write_guest_dr7(guest, DR7_DATA_1);
    (void)exec_load(guest, NOTHING, 4);
    expect_trap(3, BIT(1));
    assert_int_equal(seen_count, 4);
}

static void test_breakpoints(void **state)
{
    (void)state;
    run(breakpoints);
}

/* With an interrupt that the same store makes deliverable, and one that has waited. */
static void breakpoint_and_interrupt(struct fake_guest *guest)
{
    begin(guest);
    (void)exec_store(guest, APIC + 0xf0, 4, 0x1ff);
    write_dr1(APIC + 0x300);
    write_guest_dr7(guest, DR7_DATA_1);
    add_flags(guest, RFLAGS_IF);
    (void)exec_store(guest, APIC + 0x300, 4, ICR_SELF | VECTOR);
    if (seen_count < 2)
        (void)exec_wait_for_event(guest);
    expect_trap(0, BIT(1));
    assert_int_equal(seen_count, 2);
    assert_int_equal(seen[1].info, INTERRUPTION_INFO(INTERRUPTION_EXTERNAL, VECTOR));
}

static void test_a_breakpoint_comes_before_an_interrupt(void **state)
{
    (void)state;
    run(breakpoint_and_interrupt);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rf_of_a_violation),
        cmocka_unit_test(test_faults_push_rf),
        cmocka_unit_test(test_steps_on_branches),
        cmocka_unit_test(test_the_trap_comes_before_an_interrupt),
        cmocka_unit_test(test_what_mov_ss_holds_back),
        cmocka_unit_test(test_breakpoints),
        cmocka_unit_test(test_a_breakpoint_comes_before_an_interrupt),
    };

    heart_begin(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
