// SPDX-License-Identifier: BSD-2-Clause
/* What a guest's user mode can cause, and what is carried out of instructions that are read again
 * after an exit: nothing ends the guest except what its kernel does. */
#include "tests/heart/heart.h"

#include "arch/x86/cpu.h"
#include "arch/x86/exits/exit_qualification.h"
#include "arch/x86/memory/guest_paging.h"

#include <string.h>

#define NOTHING  UINT32_C(0xd0000000)
#define IO_APIC  UINT32_C(0xfec00000)
#define CODE     UINT32_C(0x8000)
#define DATA     UINT32_C(0x200000)
#define TABLES   UINT32_C(0x100000)
#define GDT      UINT32_C(0xc0000000)
#define USER_DPL UINT64_C(0x60) /* in access rights */

#define FAULT(vector) ((uint32_t)INTERRUPTION_INFO(INTERRUPTION_HARDWARE_EXCEPTION, vector))
#define OF_DATA       (EXIT_EPT_LINEAR_ADDRESS_VALID | EXIT_EPT_IS_TRANSLATION)

static uint64_t get(struct fake_guest *guest, uint64_t field)
{
    return fake_guest_field(guest, field);
}

/* Goes on at CODE in 32-bit code, at CPL 0 or 3. */
static void begin(struct fake_guest *guest, bool is_user)
{
    exec_enter_protected_mode(guest);
    for (unsigned i = SEGMENT_ES; i <= SEGMENT_GS; i++) {
        uint64_t field = VMCS_GUEST_ES_ACCESS_RIGHTS + 2 * i;

        fake_guest_set_field(guest, field, get(guest, field) | (is_user ? USER_DPL : 0));
    }
    fake_guest_set_field(guest, VMCS_GUEST_RIP, CODE);
}

/* Makes an exit, which has to leave RIP alone, and returns the event that comes of it. */
static uint32_t event_of(struct fake_guest *guest, const struct fake_exit *exit)
{
    uint64_t rip = get(guest, VMCS_GUEST_RIP);

    exec_exit(guest, exit);
    assert_int_equal(get(guest, VMCS_GUEST_RIP), rip);
    return guest->event & ~(uint32_t)INTERRUPTION_ERROR_CODE_VALID;
}

/* An EPT violation at this address, of the instruction that is at CODE now. */
static uint32_t violate(struct fake_guest *guest, uint64_t qualification, uint64_t address)
{
    return event_of(guest, &(struct fake_exit){.reason = EXIT_REASON_EPT_VIOLATION,
                                               .qualification = qualification,
                                               .linear_address = address,
                                               .physical_address = address});
}

static void put(struct fake_guest *guest, const char *bytes, size_t count)
{
    memcpy(fake_guest_ram(guest, CODE), bytes, count);
    fake_guest_set_field(guest, VMCS_GUEST_RIP, CODE);
}

#define PUT(guest, bytes) put(guest, bytes, sizeof(bytes) - 1)

static void run(void (*function)(struct fake_guest *guest))
{
    heart_expect_exit(heart_run(function, NULL));
}

static void stop(void (*function)(struct fake_guest *guest), const char *why)
{
    struct guest *guest = heart_run(function, NULL);

    assert_int_equal(guest->end.kind, GUEST_STOPPED);
    assert_non_null(strstr(guest->end.reason, why));
    heart_destroy(guest);
}

/* --- User mode --- */

static void reasons(struct fake_guest *guest)
{
    static const uint32_t unknown[] = {EXIT_REASON_SEAMCALL,
                                       EXIT_REASON_TDCALL,
                                       EXIT_REASON_PAUSE,
                                       70,
                                       EXIT_REASON_COUNT,
                                       1000,
                                       0xffff};

    begin(guest, true);
    for (size_t i = 0; i < ARRAY_COUNT(unknown); i++)
        assert_int_equal(event_of(guest, &(struct fake_exit){.reason = unknown[i]}),
                         FAULT(VECTOR_UD));
}

static void test_exits_without_policy(void **state)
{
    (void)state;
    run(reasons);
}

static void nothing_there(struct fake_guest *guest)
{
    begin(guest, true);
    assert_int_equal(violate(guest, OF_DATA | EXIT_EPT_FETCH, NOTHING), FAULT(VECTOR_UD));
    assert_int_equal(violate(guest, EXIT_EPT_LINEAR_ADDRESS_VALID | EXIT_EPT_READ, NOTHING + 8),
                     FAULT(VECTOR_PF));
    assert_int_equal(guest->event_error, PF_PRESENT | PF_USER | PF_RESERVED);
    assert_int_equal(read_cr2(), NOTHING + 8);
    assert_int_equal(violate(guest, EXIT_EPT_READ, NOTHING), FAULT(VECTOR_GP));
}

static void test_code_and_tables_where_nothing_is(void **state)
{
    (void)state;
    run(nothing_there);
}

static void apic_page(struct fake_guest *guest)
{
    begin(guest, true);
    assert_int_equal(
        event_of(guest, &(struct fake_exit){.reason = EXIT_REASON_APIC_ACCESS,
                                            .qualification = EXIT_APIC_LINEAR_FETCH << 12}),
        FAULT(VECTOR_UD));
    assert_int_equal(
        event_of(guest, &(struct fake_exit){.reason = EXIT_REASON_APIC_ACCESS,
                                            .qualification = EXIT_APIC_PHYSICAL_INSTRUCTION << 12}),
        FAULT(VECTOR_GP));
    assert_int_equal(
        event_of(guest, &(struct fake_exit){.reason = EXIT_REASON_APIC_ACCESS,
                                            .qualification = EXIT_APIC_LINEAR_EVENT_DELIVERY << 12,
                                            .idt_vectoring_info = (uint32_t)INTERRUPTION_INFO(
                                                INTERRUPTION_EXTERNAL, 0x31)}),
        FAULT(VECTOR_GP));
}

static void test_the_local_apics_page(void **state)
{
    (void)state;
    run(apic_page);
}

static uint32_t deliver(struct fake_guest *guest, uint32_t info)
{
    return event_of(guest, &(struct fake_exit){.reason = EXIT_REASON_EPT_VIOLATION,
                                               .qualification = OF_DATA | EXIT_EPT_READ,
                                               .linear_address = NOTHING,
                                               .physical_address = NOTHING,
                                               .idt_vectoring_info = info,
                                               .instruction_length = 2});
}

/* INT in virtual-8086 mode pushes on the process's own stack, wherever that is. */
static void deliveries(struct fake_guest *guest)
{
    begin(guest, true);
    assert_int_equal(
        deliver(guest, (uint32_t)INTERRUPTION_INFO(INTERRUPTION_SOFTWARE_INTERRUPT, 0x80)),
        FAULT(VECTOR_GP));
    assert_int_equal(deliver(guest, (uint32_t)INTERRUPTION_INFO(INTERRUPTION_EXTERNAL, 0x80)),
                     FAULT(VECTOR_GP));
    assert_int_equal(deliver(guest, FAULT(VECTOR_UD)), FAULT(VECTOR_GP));
    assert_int_equal(deliver(guest, FAULT(VECTOR_GP) | INTERRUPTION_ERROR_CODE_VALID),
                     FAULT(VECTOR_DF));
    assert_int_equal(deliver(guest, FAULT(VECTOR_PF) | INTERRUPTION_ERROR_CODE_VALID),
                     FAULT(VECTOR_DF));
}

static void double_fault(struct fake_guest *guest)
{
    begin(guest, true);
    (void)deliver(guest, FAULT(VECTOR_DF) | INTERRUPTION_ERROR_CODE_VALID);
    fail(); /* the guest has ended */
}

static void test_deliveries_where_nothing_is(void **state)
{
    (void)state;
    run(deliveries);
    stop(double_fault, "delivery of event 0x80000b08 went to 0xd0000000");
}

/* Goes to a task by JMP, while the page table of the GDT is not in RAM. */
static uint32_t switch_task(struct fake_guest *guest)
{
    const uint64_t fields[] = {VMCS_GUEST_CR0, VMCS_CR0_READ_SHADOW};
    uint32_t *directory = (uint32_t *)(void *)fake_guest_ram(guest, TABLES);

    memset(directory, 0, PAGE_SIZE);
    directory[GDT >> 22] = NOTHING | 7;
    fake_guest_set_field(guest, VMCS_GUEST_CR3, TABLES);
    for (unsigned i = 0; i < ARRAY_COUNT(fields); i++)
        fake_guest_set_field(guest, fields[i], get(guest, fields[i]) | CR0_PG);
    fake_guest_set_field(guest, VMCS_GUEST_GDTR_BASE, GDT);
    fake_guest_set_field(guest, VMCS_GUEST_GDTR_LIMIT, 0xffff);
    return event_of(guest,
                    &(struct fake_exit){.reason = EXIT_REASON_TASK_SWITCH,
                                        .qualification = 0x28 | (uint64_t)TASK_SWITCH_JMP << 30,
                                        .instruction_length = 2});
}

static void task_of_a_user(struct fake_guest *guest)
{
    begin(guest, true);
    assert_int_equal(switch_task(guest), FAULT(VECTOR_TS));
}

static void task_of_the_kernel(struct fake_guest *guest)
{
    begin(guest, false);
    (void)switch_task(guest);
    fail(); /* the guest has ended */
}

static void test_tasks_that_are_not_there(void **state)
{
    (void)state;
    run(task_of_a_user);
    stop(task_of_the_kernel, "task switch to TSS 0x0028");
}

/* An instruction that is not emulated is refused if the next exit is due to it, too. */
static void unknown_instruction(struct fake_guest *guest)
{
    begin(guest, true);
    PUT(guest, "\xdf\x2d\x00\x00\x00\xd0"); /* fild qword [NOTHING] */
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(violate(guest, OF_DATA | EXIT_EPT_READ, NOTHING), 0);
        (void)exec_in(guest, 0x80, 1);
        fake_guest_set_field(guest, VMCS_GUEST_RIP, CODE);
    }
    assert_int_equal(violate(guest, OF_DATA | EXIT_EPT_READ, NOTHING), 0);
    assert_int_equal(violate(guest, OF_DATA | EXIT_EPT_READ, NOTHING), FAULT(VECTOR_UD));
}

static void unknown_instruction_of_the_kernel(struct fake_guest *guest)
{
    begin(guest, false);
    PUT(guest, "\xdf\x2d\x00\x00\x00\xd0");
    assert_int_equal(violate(guest, OF_DATA | EXIT_EPT_READ, NOTHING), 0);
    (void)violate(guest, OF_DATA | EXIT_EPT_READ, NOTHING);
    fail(); /* the guest has ended */
}

static void test_unknown_instructions(void **state)
{
    (void)state;
    run(unknown_instruction);
    stop(unknown_instruction_of_the_kernel, "the instruction df 2d 00 00 00 d0");
}

/* --- What is read again --- */

static void expect_not_done(struct fake_guest *guest, uint64_t qualification, uint64_t address)
{
    guest->gpr[GPR_RAX] = 0x1234;
    assert_int_equal(violate(guest, qualification, address), 0);
    assert_int_equal(guest->gpr[GPR_RAX], 0x1234);
}

static void expect_done(struct fake_guest *guest, uint64_t qualification, uint64_t address,
                        unsigned length)
{
    exec_exit(guest, &(struct fake_exit){.reason = EXIT_REASON_EPT_VIOLATION,
                                         .qualification = qualification,
                                         .linear_address = address,
                                         .physical_address = address});
    assert_int_equal(guest->event, 0);
    assert_int_equal(get(guest, VMCS_GUEST_RIP), CODE + length);
    fake_guest_set_field(guest, VMCS_GUEST_RIP, CODE);
}

static void read_again(struct fake_guest *guest)
{
    begin(guest, false);
    PUT(guest, "\xa1\x00\x00\x00\xd0"); /* mov eax, [NOTHING] */
    for (unsigned i = 0; i < 3; i++) {  /* as new, and as known */
        expect_not_done(guest, OF_DATA | EXIT_EPT_WRITE, NOTHING);
        expect_not_done(guest, OF_DATA | EXIT_EPT_READ, NOTHING + 4);
        expect_not_done(guest, OF_DATA | EXIT_EPT_READ, NOTHING - 1);
        expect_done(guest, OF_DATA | EXIT_EPT_READ, NOTHING, 5);
        assert_int_equal(guest->gpr[GPR_RAX], UINT32_MAX);
    }
    PUT(guest, "\xa3\x00\x00\x00\xd0"); /* mov [NOTHING], eax */
    for (unsigned i = 0; i < 3; i++) {
        expect_not_done(guest, OF_DATA | EXIT_EPT_READ, NOTHING);
        expect_done(guest, OF_DATA | EXIT_EPT_WRITE, NOTHING, 5);
    }
    /* Both directions. */
    PUT(guest, "\xff\x05\x00\x00\x00\xd0"); /* inc dword [NOTHING] */
    expect_done(guest, OF_DATA | EXIT_EPT_READ | EXIT_EPT_WRITE, NOTHING, 6);
    expect_done(guest, OF_DATA | EXIT_EPT_READ, NOTHING, 6);
    expect_done(guest, OF_DATA | EXIT_EPT_WRITE, NOTHING, 6);
    expect_not_done(guest, OF_DATA | EXIT_EPT_WRITE, NOTHING + 4);

    /* An access that crosses a page may tell its second part. */
    PUT(guest, "\xa1\xfe\x0f\x00\xd0"); /* mov eax, [NOTHING + 0xffe] */
    expect_done(guest, OF_DATA | EXIT_EPT_READ, NOTHING + 0x1000, 5);

    guest->gpr[GPR_RSI] = guest->gpr[GPR_RDI] = NOTHING;
    guest->gpr[GPR_RCX] = 0;
    PUT(guest, "\x6e"); /* outsb */
    expect_not_done(guest, OF_DATA | EXIT_EPT_READ, NOTHING);
    PUT(guest, "\x6c"); /* insb */
    expect_not_done(guest, OF_DATA | EXIT_EPT_WRITE, NOTHING);
    PUT(guest, "\xf3\xa5"); /* rep movsd: from NOTHING to RAM */
    guest->gpr[GPR_RDI] = DATA;
    guest->gpr[GPR_RCX] = 2;
    expect_not_done(guest, OF_DATA | EXIT_EPT_WRITE, NOTHING);
    expect_not_done(guest, OF_DATA | EXIT_EPT_READ, DATA);
    assert_int_equal(guest->gpr[GPR_RCX], 2);
    expect_done(guest, OF_DATA | EXIT_EPT_READ, NOTHING, 2);
    assert_int_equal(guest->gpr[GPR_RCX], 0);
    PUT(guest, "\xff\x35\x00\x00\x00\xd0"); /* push dword [NOTHING]: writes elsewhere */
    fake_guest_set_field(guest, VMCS_GUEST_RSP, DATA);
    expect_not_done(guest, OF_DATA | EXIT_EPT_WRITE, NOTHING);
    assert_int_equal(get(guest, VMCS_GUEST_RSP), DATA);
    expect_done(guest, OF_DATA | EXIT_EPT_READ, NOTHING, 6);
    assert_int_equal(get(guest, VMCS_GUEST_RSP), DATA - 4);

    /* The APIC's page: only the offset is known. */
    PUT(guest, "\xa1\x20\x00\xe0\xfe"); /* mov eax, [0xfee00020] */
    guest->gpr[GPR_RAX] = 0x1234;
    assert_int_equal(event_of(guest, &(struct fake_exit){.reason = EXIT_REASON_APIC_ACCESS,
                                                         .qualification = 0x30}),
                     0);
    assert_int_equal(guest->gpr[GPR_RAX], 0x1234);
    exec_exit(guest, &(struct fake_exit){.reason = EXIT_REASON_APIC_ACCESS, .qualification = 0x20});
    assert_int_equal(get(guest, VMCS_GUEST_RIP), CODE + 5);
}

static void test_the_instruction_that_caused_the_exit(void **state)
{
    (void)state;
    run(read_again);
}

/* A known instruction whose register is another one by the time of the exit: as when code was
 * exchanged for other code that is known. */
static void known_elsewhere(struct fake_guest *guest)
{
    begin(guest, false);
    PUT(guest, "\x8b\x03"); /* mov eax, [ebx] */
    guest->gpr[GPR_RBX] = IO_APIC + 0x10;
    for (unsigned i = 0; i < 3; i++)
        expect_done(guest, OF_DATA | EXIT_EPT_READ, IO_APIC + 0x10, 2);
    guest->gpr[GPR_RBX] = DATA;
    expect_not_done(guest, OF_DATA | EXIT_EPT_READ, IO_APIC + 0x10);
    PUT(guest, "\x8b\x04\x8b"); /* mov eax, [ebx + ecx * 4] */
    guest->gpr[GPR_RBX] = IO_APIC;
    guest->gpr[GPR_RCX] = 4;
    for (unsigned i = 0; i < 3; i++)
        expect_done(guest, OF_DATA | EXIT_EPT_READ, IO_APIC + 0x10, 3);
    expect_not_done(guest, OF_DATA | EXIT_EPT_READ, IO_APIC);
    guest->gpr[GPR_RCX] = 0;
    expect_not_done(guest, OF_DATA | EXIT_EPT_READ, IO_APIC + 0x10);
}

static void test_known_instructions(void **state)
{
    (void)state;
    run(known_elsewhere);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exits_without_policy),
        cmocka_unit_test(test_code_and_tables_where_nothing_is),
        cmocka_unit_test(test_the_local_apics_page),
        cmocka_unit_test(test_deliveries_where_nothing_is),
        cmocka_unit_test(test_tasks_that_are_not_there),
        cmocka_unit_test(test_unknown_instructions),
        cmocka_unit_test(test_the_instruction_that_caused_the_exit),
        cmocka_unit_test(test_known_instructions),
    };

    heart_begin(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
