// SPDX-License-Identifier: BSD-2-Clause
/* Instructions that the monitor executes because their operand is a device's memory or a port's
 * string: which operands, in which paging mode, and what is refused. The device is the board's test
 * memory, which reads back what was written. */
#include "tests/heart/apic.h"

#include "arch/x86/exits/exit_qualification.h"

#include <string.h>

#define DEVICE  UINT32_C(0xff000000)
#define HOLE    UINT32_C(0xd0000000)
#define CODE    UINT32_C(0x8000)
#define TABLES  UINT32_C(0x100000)
#define DATA    UINT32_C(0x200000)
#define NOWHERE UINT32_C(0xe0000000) /* no RAM, no device */

static struct guest *run_with_test_device(void (*function)(struct fake_guest *guest))
{
    static struct guest_config *config;

    if (config == NULL)
        config = heart_guest("memory", 1);
    config->has_testdev = true;
    return heart_run_as(config, function, NULL);
}

static void run(void (*function)(struct fake_guest *guest))
{
    heart_expect_exit(run_with_test_device(function));
}

static void stop(void (*function)(struct fake_guest *guest), const char *why)
{
    struct guest *guest = run_with_test_device(function);

    assert_int_equal(guest->end.kind, GUEST_STOPPED);
    if (strncmp(guest->end.reason, why, strlen(why)) != 0)
        assert_string_equal(guest->end.reason, why);
    heart_destroy(guest);
}

/* Executes these bytes at CODE, with an EPT violation for an access at a linear address, which is
 * translated to address. */
static bool execute(struct fake_guest *guest, const char *bytes, size_t length, uint64_t linear,
                    uint64_t address, uint64_t access)
{
    memcpy(fake_guest_ram(guest, CODE), bytes, length);
    fake_guest_set_field(guest, VMCS_GUEST_RIP, CODE - fake_guest_field(guest, VMCS_GUEST_CS_BASE));
    exec_exit(guest,
              &(struct fake_exit){
                  .reason = EXIT_REASON_EPT_VIOLATION,
                  .qualification = access | EXIT_EPT_LINEAR_ADDRESS_VALID | EXIT_EPT_IS_TRANSLATION,
                  .linear_address = linear,
                  .physical_address = address,
              });
    return guest->event == 0;
}

#define READ  BIT(0)
#define WRITE BIT(1)
#define EXECUTE(guest, bytes, address, access)                                                     \
    execute(guest, bytes, sizeof(bytes) - 1, address, address, access)
#define EXECUTE_AT(guest, bytes, linear, address, access)                                          \
    execute(guest, bytes, sizeof(bytes) - 1, linear, address, access)

static uint64_t rip(const struct fake_guest *guest)
{
    return fake_guest_field(guest, VMCS_GUEST_RIP);
}

static void begin(struct fake_guest *guest)
{
    exec_cli(guest);
    exec_enter_protected_mode(guest);
}

/* --- Loads and stores --- */

static void sizes(struct fake_guest *guest)
{
    begin(guest);
    for (unsigned round = 0; round < 3; round++) { /* the second time the instruction is known */
        assert_true(exec_store(guest, DEVICE, 4, 0x11223344 + round));
        assert_int_equal(exec_load(guest, DEVICE, 4), 0x11223344 + round);
        assert_true(exec_store(guest, DEVICE + 4, 2, 0xaabb));
        assert_true(exec_store(guest, DEVICE + 6, 1, 0xcc));
        assert_int_equal(exec_load(guest, DEVICE + 4, 2), 0xaabb);
        assert_int_equal(exec_load(guest, DEVICE + 6, 1), 0xcc);
        assert_int_equal(exec_load(guest, DEVICE + 2, 4), 0xaabb1122); /* not aligned */
    }
    end_guest(guest, 0);
}

static void known_instructions(struct fake_guest *guest)
{
    begin(guest);
    guest->gpr[GPR_RBX] = DEVICE;
    for (unsigned i = 0; i < 5; i++) {
        guest->gpr[GPR_RAX] = i;
        assert_true(EXECUTE(guest, "\x89\x03", DEVICE, WRITE)); /* mov [ebx], eax */
        assert_int_equal(rip(guest), CODE + 2);
        guest->gpr[GPR_RCX] = 0;
        assert_true(EXECUTE(guest, "\x8b\x0b", DEVICE, READ)); /* mov ecx, [ebx] */
        assert_int_equal(guest->gpr[GPR_RCX], i);
        assert_true(EXECUTE(guest, "\x39\x03", DEVICE, READ)); /* cmp [ebx], eax */
        assert_int_not_equal(fake_guest_field(guest, VMCS_GUEST_RFLAGS) & RFLAGS_ZF, 0);
        assert_true(EXECUTE(guest, "\x0f\xb6\x0b", DEVICE, READ)); /* movzx ecx, byte [ebx] */
        assert_int_equal(guest->gpr[GPR_RCX], i);
    }
    /* The first byte of a page, reached from the page before. */
    guest->gpr[GPR_RBX] = DEVICE + 0xffe;
    for (unsigned i = 0; i < 3; i++) {
        guest->gpr[GPR_RAX] = 0x01020304 + i;
        assert_true(EXECUTE(guest, "\x89\x03", DEVICE + 0x1000, WRITE));
        assert_true(EXECUTE(guest, "\x8b\x0b", DEVICE + 0x1000, READ));
        assert_int_equal(guest->gpr[GPR_RCX], 0x01020304 + i);
    }
    guest->gpr[GPR_RBX] = DEVICE + 0x1000;
    guest->gpr[GPR_RAX] = 5;
    assert_true(EXECUTE(guest, "\x89\x03", DEVICE + 0x1000, WRITE));
    end_guest(guest, 0);
}

static void read_modify_write(struct fake_guest *guest)
{
    begin(guest);
    guest->gpr[GPR_RBX] = DEVICE;
    guest->gpr[GPR_RAX] = 0x10;
    assert_true(EXECUTE(guest, "\x89\x03", DEVICE, WRITE));
    guest->gpr[GPR_RAX] = 3;
    assert_true(EXECUTE(guest, "\x01\x03", DEVICE, READ | WRITE)); /* add [ebx], eax */
    assert_int_equal(exec_load(guest, DEVICE, 4), 0x13);
    guest->gpr[GPR_RAX] = 0x20;
    assert_true(EXECUTE(guest, "\x87\x03", DEVICE, READ | WRITE)); /* xchg [ebx], eax */
    assert_int_equal(guest->gpr[GPR_RAX], 0x13);
    assert_true(EXECUTE(guest, "\x83\x0b\x01", DEVICE, READ | WRITE)); /* or dword [ebx], 1 */
    assert_int_equal(exec_load(guest, DEVICE, 4), 0x21);
    assert_true(EXECUTE(guest, "\xff\x33", DEVICE, READ)); /* push dword [ebx] */
    end_guest(guest, 0);
}

static void strings(struct fake_guest *guest)
{
    uint8_t *ram = fake_guest_ram(guest, DATA);
    unsigned exits = 0;

    begin(guest);
    for (unsigned i = 0; i < 200; i++)
        ram[i] = (uint8_t)i;
    guest->gpr[GPR_RSI] = DATA;
    guest->gpr[GPR_RDI] = DEVICE;
    guest->gpr[GPR_RCX] = 200;
    do { /* rep movsb, in pieces */
        assert_true(EXECUTE(guest, "\xf3\xa4", guest->gpr[GPR_RDI], WRITE));
        exits++;
    } while (rip(guest) == CODE);
    assert_int_equal(guest->gpr[GPR_RCX], 0);
    assert_int_equal(guest->gpr[GPR_RDI], DEVICE + 200);
    assert_in_range(exits, 2, 10);
    assert_int_equal(exec_load(guest, DEVICE + 196, 4), 0xc7c6c5c4);
    /* Single-stepped, each piece is one iteration, with a trap behind it. */
    fake_guest_set_field(guest, VMCS_GUEST_RFLAGS, RFLAGS_ONE | RFLAGS_TF);
    guest->gpr[GPR_RDI] = DEVICE;
    guest->gpr[GPR_RCX] = 3;
    guest->gpr[GPR_RAX] = 0x5a;
    (void)EXECUTE(guest, "\xf3\xaa", DEVICE, WRITE); /* rep stosb */
    assert_int_equal(guest->gpr[GPR_RCX], 2);
    assert_int_equal(INTERRUPTION_VECTOR(guest->event), VECTOR_DB);
    fake_guest_set_field(guest, VMCS_GUEST_RFLAGS, RFLAGS_ONE);
    end_guest(guest, 0);
}

/* --- MMX and XMM --- */

static void vectors(struct fake_guest *guest)
{
    const uint64_t bits = 0x1122334455667788;

    begin(guest);
    fake_guest_set_field(guest, VMCS_CR4_READ_SHADOW, CR4_OSFXSR);
    fake_guest_set_field(guest, VMCS_GUEST_CR4,
                         fake_guest_field(guest, VMCS_GUEST_CR4) | CR4_OSFXSR);
    guest->gpr[GPR_RBX] = DEVICE;
    guest->gpr[GPR_RAX] = (uint32_t)bits;
    assert_true(EXECUTE(guest, "\x89\x03", DEVICE, WRITE));
    assert_true(EXECUTE(guest, "\x0f\x10\x0b", DEVICE, READ)); /* movups xmm1, [ebx] */
    guest->gpr[GPR_RBX] = DEVICE + 0x20;
    assert_true(EXECUTE(guest, "\x0f\x11\x0b", DEVICE + 0x20, WRITE)); /* movups [ebx], xmm1 */
    assert_int_equal(exec_load(guest, DEVICE + 0x20, 4), (uint32_t)bits);
    assert_true(EXECUTE(guest, "\x0f\x6f\x13", DEVICE + 0x20, READ)); /* movq mm2, [ebx] */
    guest->gpr[GPR_RBX] = DEVICE + 0x40;
    assert_true(EXECUTE(guest, "\x0f\x7f\x13", DEVICE + 0x40, WRITE));
    assert_int_equal(exec_load(guest, DEVICE + 0x40, 4), (uint32_t)bits);
    /* Not usable: EM, TS, no OSFXSR. */
    fake_guest_set_field(guest, VMCS_GUEST_CR0, fake_guest_field(guest, VMCS_GUEST_CR0) | CR0_TS);
    assert_false(EXECUTE(guest, "\x0f\x11\x0b", DEVICE + 0x40, WRITE));
    assert_int_equal(INTERRUPTION_VECTOR(guest->event), VECTOR_NM);
    fake_guest_set_field(guest, VMCS_GUEST_CR0, fake_guest_field(guest, VMCS_GUEST_CR0) | CR0_EM);
    assert_false(EXECUTE(guest, "\x0f\x11\x0b", DEVICE + 0x40, WRITE));
    assert_int_equal(INTERRUPTION_VECTOR(guest->event), VECTOR_UD);
    assert_false(EXECUTE(guest, "\x0f\x6f\x13", DEVICE + 0x40, READ));
    assert_int_equal(INTERRUPTION_VECTOR(guest->event), VECTOR_UD);
    end_guest(guest, 0);
}

/* --- Paging --- */

static void set_entry(struct fake_guest *guest, uint32_t table, unsigned index, uint64_t entry,
                      unsigned size)
{
    memcpy(fake_guest_ram(guest, TABLES + table * 0x1000) + index * size, &entry, size);
}

/* The identity for the lowest 4 MiB, and DEVICE at 0x40000000, by 32-bit paging. */
static void paging_32(struct fake_guest *guest)
{
    begin(guest);
    memset(fake_guest_ram(guest, TABLES), 0, 0x4000);
    set_entry(guest, 0, 0, (TABLES + 0x1000) | 7, 4);
    set_entry(guest, 0, 0x100, (TABLES + 0x2000) | 7, 4);
    for (unsigned i = 0; i < 1024; i++)
        set_entry(guest, 1, i, i << 12 | 7, 4);
    set_entry(guest, 2, 0, DEVICE | 7, 4);
    set_entry(guest, 2, 1, (DEVICE + 0x1000) | 5, 4); /* read-only */
    assert_true(exec_write_cr(guest, 3, TABLES));
    fake_guest_set_field(guest, VMCS_GUEST_CR0,
                         fake_guest_field(guest, VMCS_GUEST_CR0) | CR0_PG | CR0_WP);
    guest->gpr[GPR_RBX] = 0x40000010;
    for (unsigned i = 0; i < 3; i++) {
        guest->gpr[GPR_RAX] = 0x1000 + i;
        assert_true(EXECUTE_AT(guest, "\x89\x03", guest->gpr[GPR_RBX], DEVICE + 0x10, WRITE));
        assert_true(EXECUTE_AT(guest, "\x8b\x0b", guest->gpr[GPR_RBX], DEVICE + 0x10, READ));
        assert_int_equal(guest->gpr[GPR_RCX], 0x1000 + i);
    }
    /* An access over the end of the writable page: the second half faults. */
    guest->gpr[GPR_RBX] = 0x40000ffe;
    assert_false(EXECUTE_AT(guest, "\x89\x03", guest->gpr[GPR_RBX], DEVICE + 0xffe, WRITE));
    assert_int_equal(INTERRUPTION_VECTOR(guest->event), VECTOR_PF);
    assert_int_equal(guest->event_error & 3, 3);
    /* A page that is not there at all. */
    guest->gpr[GPR_RBX] = 0x40002000;
    assert_false(EXECUTE_AT(guest, "\x8b\x0b", guest->gpr[GPR_RBX], DEVICE + 0x2000, READ));
    assert_int_equal(INTERRUPTION_VECTOR(guest->event), VECTOR_PF);
    assert_int_equal(guest->event_error & 3, 0);
    end_guest(guest, 0);
}

/* The same by 4-level paging, in 64-bit code. */
static void paging_64(struct fake_guest *guest)
{
    begin(guest);
    memset(fake_guest_ram(guest, TABLES), 0, 0x6000);
    set_entry(guest, 0, 0, (TABLES + 0x1000) | 7, 8);
    set_entry(guest, 1, 0, (TABLES + 0x2000) | 7, 8);
    set_entry(guest, 1, 1, (TABLES + 0x3000) | 7, 8);
    set_entry(guest, 2, 0, 0x000000 | 0x87, 8); /* 2 MiB pages */
    set_entry(guest, 2, 1, 0x200000 | 0x87, 8);
    set_entry(guest, 3, 0, (TABLES + 0x4000) | 7, 8);
    set_entry(guest, 4, 0, DEVICE | 7, 8);
    assert_true(exec_write_cr(guest, 3, TABLES));
    guest->gpr[GPR_RCX] = 0xc0000080;
    assert_true(exec_wrmsr(guest, 0xc0000080, EFER_LME));
    fake_guest_set_field(guest, VMCS_GUEST_CR4, fake_guest_field(guest, VMCS_GUEST_CR4) | CR4_PAE);
    fake_guest_set_field(guest, VMCS_CR4_READ_SHADOW, CR4_PAE);
    guest->gpr[GPR_RDX] = CR0_PE | CR0_PG | CR0_ET | CR0_NE;
    exec_exit(guest, &(struct fake_exit){.reason = EXIT_REASON_CR_ACCESS,
                                         .instruction_length = 3,
                                         .qualification = GPR_RDX << 8});
    assert_int_equal(guest->event, 0);
    fake_guest_set_field(guest, VMCS_GUEST_CS_ACCESS_RIGHTS, 0xa09b);
    guest->gpr[GPR_RBX] = 0x40000008;
    for (unsigned i = 0; i < 3; i++) {
        guest->gpr[GPR_RAX] = UINT64_C(0x1122334455667788) + i;
        assert_true(EXECUTE_AT(guest, "\x48\x89\x03", guest->gpr[GPR_RBX], DEVICE + 8,
                               WRITE)); /* mov [rbx], rax */
        guest->gpr[GPR_RCX] = 0;
        assert_true(EXECUTE_AT(guest, "\x48\x8b\x0b", guest->gpr[GPR_RBX], DEVICE + 8, READ));
        assert_int_equal(guest->gpr[GPR_RCX], UINT64_C(0x1122334455667788) + i);
    }
    /* Not canonical: #GP. */
    guest->gpr[GPR_RBX] = UINT64_C(0x800000000000);
    assert_false(EXECUTE_AT(guest, "\x48\x03\x0b", guest->gpr[GPR_RBX], DEVICE + 8,
                            READ)); /* add rcx, [rbx] */
    assert_int_equal(INTERRUPTION_VECTOR(guest->event), VECTOR_GP);
    end_guest(guest, 0);
}

/* --- INS and OUTS --- */

static void string_io(struct fake_guest *guest, bool is_in, bool has_rep, unsigned size)
{
    exec_exit(guest, &(struct fake_exit){
                         .reason = EXIT_REASON_IO_INSTRUCTION,
                         .instruction_length = 2,
                         .instruction_info = 1 << 7 | 3 << 15, /* 32-bit addresses; DS */
                         .qualification = (size - 1) | (is_in ? EXIT_IO_IN : 0) | EXIT_IO_STRING |
                                          (has_rep ? BIT(5) : 0) | UINT64_C(0xe0) << 16,
                     });
}

static void ins_and_outs(struct fake_guest *guest)
{
    uint8_t *ram = fake_guest_ram(guest, DATA);
    uint64_t before;
    unsigned exits = 0;

    begin(guest);
    memcpy(ram, "\x78\x56\x34\x12", 4);
    guest->gpr[GPR_RSI] = DATA;
    string_io(guest, false, false, 4); /* the test device's latch */
    assert_int_equal(guest->event, 0);
    assert_int_equal(guest->gpr[GPR_RSI], DATA + 4);
    guest->gpr[GPR_RDI] = DATA + 0x100;
    guest->gpr[GPR_RCX] = 100;
    before = rip(guest);
    do {
        string_io(guest, true, true, 4);
        exits++;
    } while (rip(guest) == before);
    assert_int_equal(exits, 2); /* 64 and 36 */
    assert_int_equal(guest->gpr[GPR_RCX], 0);
    for (unsigned i = 0; i < 100; i++)
        assert_memory_equal(ram + 0x100 + 4 * i, "\x78\x56\x34\x12", 4);
    assert_int_equal(ram[0x100 + 400], 0);
    end_guest(guest, 0);
}

/* --- What is refused --- */

static void undefined(struct fake_guest *guest)
{
    begin(guest);
    assert_false(EXECUTE(guest, "\xf0\x8b\x03", DEVICE, READ)); /* lock mov */
    assert_int_equal(INTERRUPTION_VECTOR(guest->event), VECTOR_UD);
    end_guest(guest, 0);
}

static void too_long(struct fake_guest *guest)
{
    begin(guest);
    assert_false(EXECUTE(guest,
                         "\x3e\x3e\x3e\x3e\x3e\x3e\x3e\x3e\x3e\x3e\x3e\x3e\x3e\x3e\x3e\x3e\x8b\x03",
                         DEVICE, READ));
    assert_int_equal(INTERRUPTION_VECTOR(guest->event), VECTOR_GP);
    end_guest(guest, 0);
}

static void not_emulated(struct fake_guest *guest)
{
    begin(guest);
    guest->gpr[GPR_RBX] = DEVICE;
    for (unsigned i = 0; i < 2; i++) /* at the first time it may not be what has caused the exit */
        (void)EXECUTE(guest, "\xdb\x03", DEVICE, READ); /* fild dword [ebx] */
    fail();
}

static void violation(struct fake_guest *guest, uint64_t qualification, uint32_t vectoring)
{
    exec_exit(guest, &(struct fake_exit){.reason = EXIT_REASON_EPT_VIOLATION,
                                         .qualification = qualification,
                                         .physical_address = HOLE,
                                         .idt_vectoring_info = vectoring});
}

static void fetch(struct fake_guest *guest)
{
    violation(guest, EXIT_EPT_FETCH | EXIT_EPT_LINEAR_ADDRESS_VALID | EXIT_EPT_IS_TRANSLATION, 0);
}

static void page_table(struct fake_guest *guest)
{
    violation(guest, READ | EXIT_EPT_LINEAR_ADDRESS_VALID, 0);
}

static void event_delivery(struct fake_guest *guest)
{
    violation(guest, WRITE | EXIT_EPT_LINEAR_ADDRESS_VALID | EXIT_EPT_IS_TRANSLATION,
              (uint32_t)INTERRUPTION_INFO(INTERRUPTION_EXTERNAL, 0x33));
}

/* IRET has unblocked NMIs, and then its stack is a device: it is executed again, NMIs blocked. */
static void iret_from_device(struct fake_guest *guest)
{
    begin(guest);
    memcpy(fake_guest_ram(guest, CODE), "\x8b\x03", 2);
    fake_guest_set_field(guest, VMCS_GUEST_RIP, CODE);
    guest->gpr[GPR_RBX] = DEVICE;
    exec_exit(guest, &(struct fake_exit){
                         .reason = EXIT_REASON_EPT_VIOLATION,
                         .qualification = READ | EXIT_EPT_LINEAR_ADDRESS_VALID |
                                          EXIT_EPT_IS_TRANSLATION | EXIT_EPT_NMI_UNBLOCKED,
                         .linear_address = DEVICE,
                         .physical_address = DEVICE,
                     });
    assert_int_not_equal(
        fake_guest_field(guest, VMCS_GUEST_INTERRUPTIBILITY) & INTERRUPTIBILITY_NMI, 0);
    end_guest(guest, 0);
}

/* An address where nothing is reads as ones and swallows writes. */
static void nowhere(struct fake_guest *guest)
{
    begin(guest);
    assert_int_equal(exec_load(guest, NOWHERE, 4), UINT32_MAX);
    assert_true(exec_store(guest, NOWHERE, 4, 1));
    assert_int_equal(exec_load(guest, NOWHERE, 1), 0xff);
    assert_int_equal(exec_in(guest, 0x5555, 4), UINT32_MAX);
    assert_true(exec_out(guest, 0x5555, 2, 1));
    end_guest(guest, 0);
}

HEART_TEST(sizes)
HEART_TEST(known_instructions)
HEART_TEST(read_modify_write)
HEART_TEST(strings)
HEART_TEST(vectors)
HEART_TEST(paging_32)
HEART_TEST(paging_64)
HEART_TEST(ins_and_outs)
HEART_TEST(undefined)
HEART_TEST(too_long)
HEART_TEST(iret_from_device)
HEART_TEST(nowhere)

static void test_stops(void **state)
{
    (void)state;
    stop(not_emulated, "the instruction db 03 ");
    stop(fetch, "instruction fetch from 0xd0000000, where there is no RAM");
    stop(page_table, "page tables at 0xd0000000, where there is no RAM");
    stop(event_delivery, "delivery of event 0x80000033 went to 0xd0000000, where there is no RAM");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_known_instructions),
        cmocka_unit_test(test_read_modify_write),
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_paging_32),
        cmocka_unit_test(test_paging_64),
        cmocka_unit_test(test_ins_and_outs),
        cmocka_unit_test(test_undefined),
        cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_iret_from_device),
        cmocka_unit_test(test_nowhere),
        cmocka_unit_test(test_stops),
    };

    heart_begin(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
