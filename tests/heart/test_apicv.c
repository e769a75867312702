// SPDX-License-Identifier: BSD-2-Clause
/* Guests whose local APICs the processor virtualizes: interrupts that it delivers, registers that it
 * leaves to the monitor, and the way from one mode to another. */
#include "tests/heart/apic.h"

#include "arch/x86/exits/exit_qualification.h"
#include "arch/x86/msr.h"
#include "arch/x86/vmx_apic.h"

#include <string.h>

#define VECTOR 0x45
#define CODE   UINT32_C(0x8000)
#define IOAPIC UINT32_C(0xfec00000)

static unsigned counts[256];

static void handler(struct fake_guest *guest, uint32_t info, uint32_t error)
{
    (void)error;
    counts[INTERRUPTION_VECTOR(info)]++;
    if (INTERRUPTION_TYPE(info) == INTERRUPTION_EXTERNAL)
        exec_virtual_eoi(guest);
}

static void begin(struct fake_guest *guest)
{
    memset(counts, 0, sizeof(counts));
    exec_cli(guest);
    exec_enter_protected_mode(guest);
    guest->handler = handler;
    exec_virtual_write(guest, APIC_SVR, 0x1ff);
}

static void send_self(struct fake_guest *guest, uint8_t vector)
{
    exec_virtual_write(guest, APIC_ICR, ICR_SELF | ICR_FIXED | vector);
}

static bool access_page(struct fake_guest *guest, uint32_t offset, enum exit_apic_access_kind kind,
                        uint32_t vectoring)
{
    memcpy(fake_guest_ram(guest, CODE), kind == EXIT_APIC_LINEAR_WRITE ? "\x89\x03" : "\x8b\x03",
           2);
    guest->gpr[GPR_RBX] = APIC_PAGE + offset;
    fake_guest_set_field(guest, VMCS_GUEST_RIP, CODE);
    exec_exit(guest, &(struct fake_exit){.reason = EXIT_REASON_APIC_ACCESS,
                                         .qualification = offset | (uint64_t)kind << 12,
                                         .idt_vectoring_info = vectoring});
    return guest->event == 0;
}

static void interrupts(struct fake_guest *guest)
{
    begin(guest);
    assert_int_equal(fake_guest_field(guest, VMCS_SECONDARY_CONTROLS) &
                         SECONDARY_VIRTUAL_INTERRUPT_DELIVERY,
                     SECONDARY_VIRTUAL_INTERRUPT_DELIVERY);
    send_self(guest, VECTOR);
    exec_run(guest, 10000);
    assert_int_equal(counts[VECTOR], 0);
    exec_sti(guest);
    exec_run(guest, 10000);
    assert_int_equal(counts[VECTOR], 1);
    for (unsigned i = 0; i < 10; i++)
        send_self(guest, (uint8_t)(VECTOR + i));
    exec_run(guest, 10000);
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(counts[VECTOR + i], i == 0 ? 2 : 1);
    /* HLT with one that waits does not halt. */
    exec_cli(guest);
    send_self(guest, VECTOR);
    exec_sti(guest);
    (void)exec_hlt(guest);
    assert_int_equal(counts[VECTOR], 3);
    end_guest(guest, 0);
}

static void timer(struct fake_guest *guest)
{
    begin(guest);
    exec_virtual_write(guest, APIC_DIVIDE, 0xb);
    exec_virtual_write(guest, APIC_LVT, 0x20000 | VECTOR); /* periodic */
    exec_virtual_write(guest, APIC_INITIAL, 1000000);
    exec_sti(guest);
    for (unsigned i = 0; i < 5; i++)
        (void)exec_hlt(guest);
    assert_in_range(counts[VECTOR], 5, 6);
    guest->gpr[GPR_RAX] = 0;
    assert_true(access_page(guest, APIC_CURRENT, EXIT_APIC_LINEAR_READ, 0));
    assert_in_range(guest->gpr[GPR_RAX], 1, 1000000);
    end_guest(guest, 0);
}

/* The end of a level-triggered interrupt exits, and the I/O APIC hears of it. */
static void level(struct fake_guest *guest)
{
    begin(guest);
    (void)exec_store(guest, IOAPIC, 4, 0x10 + 2 * 4);
    (void)exec_store(guest, IOAPIC + 0x10, 4, 0x8000 | VECTOR);
    exec_out(guest, 0x3fc, 1, 8);
    exec_out(guest, 0x3f9, 1, 2);
    exec_sti(guest);
    exec_run(guest, 100000);
    assert_true(counts[VECTOR] > 1); /* nobody removes its cause */
    (void)exec_in(guest, 0x3fa, 1);
    end_guest(guest, 0);
}

static void page_accesses(struct fake_guest *guest)
{
    begin(guest);
    guest->gpr[GPR_RAX] = 0;
    assert_true(access_page(guest, APIC_VERSION, EXIT_APIC_LINEAR_READ, 0));
    assert_int_not_equal(guest->gpr[GPR_RAX], 0);
    guest->gpr[GPR_RAX] = 0x30;
    assert_true(access_page(guest, APIC_TPR, EXIT_APIC_LINEAR_WRITE, 0));
    end_guest(guest, 0);
}

static void x2apic(struct fake_guest *guest)
{
    uint64_t value = 0;

    begin(guest);
    assert_true(exec_wrmsr(guest, IA32_APIC_BASE, 0xfee00d00));
    assert_int_equal(fake_guest_field(guest, VMCS_SECONDARY_CONTROLS) &
                         (SECONDARY_VIRTUALIZE_X2APIC | SECONDARY_VIRTUALIZE_APIC_ACCESSES),
                     SECONDARY_VIRTUALIZE_X2APIC);
    assert_null(fake_guest_ram(guest, APIC_PAGE));
    assert_true(exec_wrmsr(guest, IA32_X2APIC_ICR, ICR_SELF | ICR_FIXED | VECTOR));
    exec_sti(guest);
    exec_run(guest, 1000);
    assert_int_equal(counts[VECTOR], 1);
    assert_true(exec_wrmsr(guest, IA32_X2APIC_SIVR, 0xff)); /* disabled by software */
    assert_int_equal(fake_guest_field(guest, VMCS_SECONDARY_CONTROLS) & SECONDARY_VIRTUALIZE_X2APIC,
                     0);
    assert_true(exec_wrmsr(guest, IA32_X2APIC_SIVR, 0x1ff));
    assert_true(exec_rdmsr(guest, IA32_X2APIC_CUR_COUNT, &value));
    assert_true(exec_wrmsr(guest, IA32_APIC_BASE, 0xfee00100)); /* off */
    assert_true(exec_wrmsr(guest, IA32_APIC_BASE, 0xfee00900));
    end_guest(guest, 0);
}

/* Its page moves: from then on the monitor emulates it. */
static void moved(struct fake_guest *guest)
{
    begin(guest);
    assert_true(exec_wrmsr(guest, IA32_APIC_BASE, 0xd0000900));
    assert_int_equal(
        fake_guest_field(guest, VMCS_SECONDARY_CONTROLS) & SECONDARY_VIRTUAL_INTERRUPT_DELIVERY, 0);
    assert_int_equal(exec_load(guest, 0xd0000000 + APIC_VERSION, 4) & 0xff, 0x14);
    assert_true(exec_wrmsr(guest, IA32_APIC_BASE, 0xd1000900));
    assert_int_equal(exec_load(guest, 0xd0000000 + APIC_VERSION, 4), UINT32_MAX);
    assert_true(exec_wrmsr(guest, IA32_APIC_BASE, 0xfee00900));
    assert_int_not_equal(
        fake_guest_field(guest, VMCS_SECONDARY_CONTROLS) & SECONDARY_VIRTUAL_INTERRUPT_DELIVERY, 0);
    end_guest(guest, 0);
}

static void fetches(struct fake_guest *guest)
{
    begin(guest);
    (void)access_page(guest, 0, EXIT_APIC_LINEAR_FETCH, 0);
}

static void delivers(struct fake_guest *guest)
{
    begin(guest);
    (void)access_page(guest, 0, EXIT_APIC_LINEAR_WRITE,
                      (uint32_t)INTERRUPTION_INFO(INTERRUPTION_EXTERNAL, 0x33));
}

static void walks(struct fake_guest *guest)
{
    begin(guest);
    (void)access_page(guest, 0, EXIT_APIC_PHYSICAL_INSTRUCTION, 0);
}

static struct guest *run_virtual(void (*function)(struct fake_guest *guest))
{
    static struct guest_config *config;

    if (config == NULL)
        config = heart_guest("virtual", 1);
    config->apic = GUEST_APIC_VIRTUAL;
    return heart_run_as(config, function, NULL);
}

static void run(void (*function)(struct fake_guest *guest))
{
    heart_expect_exit(run_virtual(function));
}

static void stop(void (*function)(struct fake_guest *guest), const char *why)
{
    struct guest *guest = run_virtual(function);

    assert_string_equal(guest->end.reason, why);
    heart_destroy(guest);
}

HEART_TEST(interrupts)
HEART_TEST(timer)
HEART_TEST(level)
HEART_TEST(page_accesses)
HEART_TEST(x2apic)
HEART_TEST(moved)

static void test_stops(void **state)
{
    (void)state;
    stop(fetches, "instruction fetch from the local APIC's page");
    stop(delivers, "delivery of event 0x80000033 went to the local APIC's page");
    stop(walks, "page tables, or another access of kind 15, in the local APIC's page");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_interrupts), cmocka_unit_test(test_timer),
        cmocka_unit_test(test_level),      cmocka_unit_test(test_page_accesses),
        cmocka_unit_test(test_x2apic),     cmocka_unit_test(test_moved),
        cmocka_unit_test(test_stops),
    };

    fake_begin(1);
    fake_add_apic_virtualization();
    heart_begin(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
