// SPDX-License-Identifier: BSD-2-Clause
/* Control registers, MSRs and XCR0, as the guest's own instructions see them. */
#include "tests/heart/apic.h"

#include "arch/x86/exits/exit_qualification.h"
#include "arch/x86/msr.h"
#include "vmm/base/clock.h"

#include <string.h>

#define PDPT 0x10000

static void run(void (*function)(struct fake_guest *guest))
{
    heart_expect_exit(heart_run(function, NULL));
}

static void stop(void (*function)(struct fake_guest *guest), const char *why)
{
    struct guest *guest = heart_run(function, NULL);

    assert_int_equal(guest->end.kind, GUEST_STOPPED);
    assert_string_equal(guest->end.reason, why);
    heart_destroy(guest);
}

static bool access(struct fake_guest *guest, unsigned number, enum exit_cr_kind kind, unsigned gpr,
                   uint16_t source)
{
    exec_exit(guest,
              &(struct fake_exit){
                  .reason = EXIT_REASON_CR_ACCESS,
                  .instruction_length = 3,
                  .qualification = number | (uint64_t)kind << 4 | gpr << 8 | (uint64_t)source << 16,
              });
    return guest->event == 0;
}

/* Writes by an exit, whether the controls ask for it or not. */
static bool write_cr(struct fake_guest *guest, unsigned number, uint64_t value)
{
    guest->gpr[GPR_RBX] = value;
    return access(guest, number, EXIT_MOV_TO_CR, GPR_RBX, 0);
}

static void expect_gp(const struct fake_guest *guest)
{
    assert_int_equal(INTERRUPTION_TYPE(guest->event), INTERRUPTION_HARDWARE_EXCEPTION);
    assert_int_equal(INTERRUPTION_VECTOR(guest->event), VECTOR_GP);
}

static void cr0(struct fake_guest *guest)
{
    exec_cli(guest);
    exec_enter_protected_mode(guest);
    assert_true(write_cr(guest, 0, CR0_PE | CR0_ET | CR0_NE | CR0_MP));
    assert_int_equal(exec_read_cr(guest, 0), CR0_PE | CR0_ET | CR0_NE | CR0_MP);
    /* Illegal: NW without CD, PG without PE, reserved bits. */
    assert_false(write_cr(guest, 0, CR0_PE | CR0_ET | CR0_NW));
    expect_gp(guest);
    assert_false(write_cr(guest, 0, BIT(32) | CR0_PE | CR0_ET | CR0_CD));
    expect_gp(guest);
    /* The guest sees CD; the processor's caches stay on. */
    assert_true(write_cr(guest, 0, CR0_PE | CR0_ET | CR0_CD | CR0_NW));
    assert_int_equal(exec_read_cr(guest, 0) & (CR0_CD | CR0_NW), CR0_CD | CR0_NW);
    assert_int_equal(fake_guest_field(guest, VMCS_GUEST_CR0) & (CR0_CD | CR0_NW), 0);
    end_guest(guest, 0);
}

static void clts_and_lmsw(struct fake_guest *guest)
{
    exec_cli(guest);
    exec_enter_protected_mode(guest);
    assert_true(write_cr(guest, 0, CR0_PE | CR0_ET | CR0_CD));
    assert_true(access(guest, 0, EXIT_LMSW, 0, CR0_TS | CR0_MP));
    assert_int_equal(exec_read_cr(guest, 0) & 0xf, CR0_PE | CR0_MP | CR0_TS); /* PE stays */
    assert_true(access(guest, 0, EXIT_CLTS, 0, 0));
    assert_int_equal(exec_read_cr(guest, 0) & 0xf, CR0_PE | CR0_MP);
    end_guest(guest, 0);
}

static void cr4(struct fake_guest *guest)
{
    exec_cli(guest);
    exec_enter_protected_mode(guest);
    assert_true(write_cr(guest, 4, CR4_PAE | CR4_PGE | CR4_OSXSAVE));
    assert_int_equal(exec_read_cr(guest, 4), CR4_PAE | CR4_PGE | CR4_OSXSAVE);
    assert_int_not_equal(fake_guest_field(guest, VMCS_GUEST_CR4) & CR4_VMXE, 0);
    assert_false(write_cr(guest, 4, CR4_VMXE));
    expect_gp(guest);
    assert_false(write_cr(guest, 4, BIT(40)));
    expect_gp(guest);
    assert_false(write_cr(guest, 4, CR4_PCIDE)); /* not in IA-32e mode */
    end_guest(guest, 0);
}

static void cr8(struct fake_guest *guest)
{
    exec_cli(guest);
    exec_enter_protected_mode(guest);
    assert_true(exec_write_cr(guest, 8, 9));
    assert_int_equal(exec_read_cr(guest, 8), 9);
    assert_int_equal(apic_read(guest, APIC_TPR), 0x90);
    assert_false(exec_write_cr(guest, 8, 16));
    expect_gp(guest);
    fake_guest_set_field(guest, VMCS_GUEST_RSP, 3);
    assert_true(access(guest, 8, EXIT_MOV_TO_CR, GPR_RSP, 0));
    assert_int_equal(exec_read_cr(guest, 8), 3);
    assert_true(access(guest, 8, EXIT_MOV_FROM_CR, GPR_RSP, 0));
    assert_int_equal(fake_guest_field(guest, VMCS_GUEST_RSP), 3);
    end_guest(guest, 0);
}

static void mov_to_cr2(struct fake_guest *guest)
{
    (void)access(guest, 2, EXIT_MOV_TO_CR, 0, 0);
}

static void mov_from_cr0(struct fake_guest *guest)
{
    (void)access(guest, 0, EXIT_MOV_FROM_CR, 0, 0);
}

/* PAE paging: the PDPTEs are read when paging goes on, and have to be legal and in RAM. */
static void pae(struct fake_guest *guest)
{
    uint64_t *table = (uint64_t *)(void *)fake_guest_ram(guest, PDPT);

    exec_cli(guest);
    exec_enter_protected_mode(guest);
    assert_true(write_cr(guest, 4, CR4_PAE));
    assert_true(exec_write_cr(guest, 3, PDPT));
    table[0] = 0x20001;
    table[3] = 0x23001;
    assert_true(write_cr(guest, 0, CR0_PE | CR0_ET | CR0_NE | CR0_PG));
    assert_int_equal(fake_guest_field(guest, VMCS_GUEST_PDPTE0), 0x20001);
    assert_int_equal(fake_guest_field(guest, VMCS_GUEST_PDPTE3), 0x23001);
    table[1] = 0x21001 | BIT(1); /* reserved in a PDPTE */
    assert_false(write_cr(guest, 4, CR4_PAE | CR4_PGE));
    expect_gp(guest);
    assert_int_equal(exec_read_cr(guest, 4), CR4_PAE);
    table[1] = BIT(1); /* not present: any bits */
    assert_true(write_cr(guest, 4, CR4_PAE | CR4_PGE));
    assert_int_equal(fake_guest_field(guest, VMCS_GUEST_PDPTE1), BIT(1));
    assert_true(write_cr(guest, 0, CR0_PE | CR0_ET | CR0_NE));
    assert_true(exec_write_cr(guest, 3, 0xd0000000)); /* no RAM is there */
    assert_false(write_cr(guest, 0, CR0_PE | CR0_ET | CR0_NE | CR0_PG));
    expect_gp(guest);
    end_guest(guest, 0);
}

/* IA-32e mode: LMA, and with it the entry control, follows LME and PG. */
static void long_mode(struct fake_guest *guest)
{
    uint64_t value;

    exec_cli(guest);
    exec_enter_protected_mode(guest);
    assert_true(write_cr(guest, 4, CR4_PAE));
    assert_true(exec_write_cr(guest, 3, PDPT));
    assert_true(exec_wrmsr(guest, IA32_EFER, EFER_LME | EFER_NXE));
    assert_int_equal(fake_guest_field(guest, VMCS_ENTRY_CONTROLS) & ENTRY_IA32E_MODE_GUEST, 0);
    assert_true(write_cr(guest, 0, CR0_PE | CR0_ET | CR0_NE | CR0_PG));
    assert_int_not_equal(fake_guest_field(guest, VMCS_ENTRY_CONTROLS) & ENTRY_IA32E_MODE_GUEST, 0);
    assert_true(exec_rdmsr(guest, IA32_EFER, &value));
    assert_int_equal(value, EFER_LME | EFER_LMA | EFER_NXE);
    assert_false(exec_wrmsr(guest, IA32_EFER, EFER_NXE)); /* LME with paging on */
    expect_gp(guest);
    assert_false(write_cr(guest, 4, 0)); /* PAE in IA-32e mode */
    expect_gp(guest);
    assert_true(write_cr(guest, 4, CR4_PAE | CR4_PCIDE));
    assert_true(write_cr(guest, 4, CR4_PAE));
    assert_true(write_cr(guest, 0, CR0_PE | CR0_ET | CR0_NE));
    assert_true(exec_rdmsr(guest, IA32_EFER, &value));
    assert_int_equal(value, EFER_LME | EFER_NXE);
    end_guest(guest, 0);
}

/* --- MSRs --- */

static void msrs(struct fake_guest *guest)
{
    uint64_t value = 0;

    exec_cli(guest);
    assert_true(exec_wrmsr(guest, IA32_PAT, PAT_RESET));
    assert_true(exec_rdmsr(guest, IA32_PAT, &value));
    assert_int_equal(value, PAT_RESET);
    assert_false(exec_wrmsr(guest, IA32_PAT, 2)); /* a type that does not exist */
    expect_gp(guest);
    assert_false(exec_wrmsr(guest, 0x12345678, 0));
    expect_gp(guest);
    assert_false(exec_rdmsr(guest, 0x12345678, &value));
    expect_gp(guest);
    assert_false(exec_rdmsr(guest, IA32_VMX_BASIC, &value));
    assert_true(exec_wrmsr(guest, IA32_MISC_ENABLE, MISC_ENABLE_LIMIT_CPUID_MAXVAL));
    assert_int_equal(exec_cpuid(guest, 0, 0).eax, 2);
    assert_true(exec_wrmsr(guest, IA32_MISC_ENABLE, 0));
    assert_int_equal(exec_cpuid(guest, 0, 0).eax, 0x16);
    assert_true(exec_wrmsr(guest, IA32_DEBUGCTL, DEBUGCTL_BTF));
    assert_true(exec_rdmsr(guest, IA32_DEBUGCTL, &value));
    assert_int_equal(value, DEBUGCTL_BTF);
    assert_true(exec_wrmsr(guest, IA32_DEBUGCTL, 0));
    end_guest(guest, 0);
}

/* Exits for MSRs that the bitmap passes, as another monitor below may make them. */
static bool rdmsr_that_exits(struct fake_guest *guest, uint32_t index, uint64_t *value)
{
    guest->gpr[GPR_RCX] = index;
    if (!exec_instruction(guest, EXIT_REASON_RDMSR, 2))
        return false;
    *value = guest->gpr[GPR_RDX] << 32 | (uint32_t)guest->gpr[GPR_RAX];
    return true;
}

static bool wrmsr_that_exits(struct fake_guest *guest, uint32_t index, uint64_t value)
{
    guest->gpr[GPR_RCX] = index;
    guest->gpr[GPR_RAX] = (uint32_t)value;
    guest->gpr[GPR_RDX] = value >> 32;
    return exec_instruction(guest, EXIT_REASON_WRMSR, 2);
}

static void passed_msrs(struct fake_guest *guest)
{
    static const struct {
        uint32_t index;
        uint64_t value;
        bool is_address, is_32bit;
    } all[] = {
        {IA32_FS_BASE, 0x1234, true, false},
        {IA32_GS_BASE, 0x5678, true, false},
        {IA32_KERNEL_GS_BASE, 0x9abc, true, false},
        {IA32_SYSENTER_CS, 0x10, false, false},
        {IA32_SYSENTER_ESP, 0x2000, true, false},
        {IA32_SYSENTER_EIP, 0x3000, true, false},
        {IA32_STAR, UINT64_C(0x0123456789abcdef), false, false},
        {IA32_LSTAR, 0x4000, true, false},
        {IA32_CSTAR, 0x5000, true, false},
        {IA32_FMASK, 0x700, false, true},
        {IA32_TSC_AUX, 7, false, true},
    };
    uint64_t value = 0;

    exec_cli(guest);
    for (size_t i = 0; i < ARRAY_COUNT(all); i++) {
        assert_true(wrmsr_that_exits(guest, all[i].index, all[i].value));
        assert_true(rdmsr_that_exits(guest, all[i].index, &value));
        assert_int_equal(value, all[i].value);
        if (all[i].is_address) {
            assert_false(wrmsr_that_exits(guest, all[i].index, UINT64_C(0x800000000000)));
            expect_gp(guest);
        }
        if (all[i].is_32bit)
            assert_false(wrmsr_that_exits(guest, all[i].index, BIT(32)));
    }
    assert_true(rdmsr_that_exits(guest, IA32_PAT, &value));
    assert_true(rdmsr_that_exits(guest, IA32_EFER, &value));
    assert_int_equal(value, 0);
    end_guest(guest, 0);
}

static void time_stamp_counter(struct fake_guest *guest)
{
    uint64_t value = 0, later = 0;

    exec_cli(guest);
    assert_true(wrmsr_that_exits(guest, IA32_TIME_STAMP_COUNTER, UINT64_C(1) << 40));
    assert_true(rdmsr_that_exits(guest, IA32_TIME_STAMP_COUNTER, &value));
    assert_in_range(value - (UINT64_C(1) << 40), 0, 1000);
    exec_run(guest, 5000000);
    assert_true(rdmsr_that_exits(guest, IA32_TIME_STAMP_COUNTER, &later));
    assert_in_range(later - value, 5000000, 5010000);
    assert_int_equal(fake_guest_field(guest, VMCS_TSC_OFFSET) + fake_now() - later < 1000, 1);
    end_guest(guest, 0);
}

/* The TSC deadline: armed, moved, disarmed, in the past. */
static void tsc_deadline(struct fake_guest *guest)
{
    uint64_t now = 0, value = 0;
    unsigned count;

    exec_cli(guest);
    apic_enable(guest);
    apic_write(guest, APIC_LVT, 0x40045);
    assert_true(rdmsr_that_exits(guest, IA32_TIME_STAMP_COUNTER, &now));
    assert_true(exec_wrmsr(guest, IA32_TSC_DEADLINE, now + 4000000));
    assert_true(exec_wrmsr(guest, IA32_TSC_DEADLINE, now + 8000000));
    assert_true(exec_rdmsr(guest, IA32_TSC_DEADLINE, &value));
    assert_int_equal(value, now + 8000000);
    count = guest->event_count;
    exec_sti(guest);
    exec_run(guest, 6000000);
    assert_int_equal(guest->event_count, count);
    exec_run(guest, 4000000);
    assert_int_equal(guest->event_count, count + 1);
    apic_write(guest, APIC_EOI, 0);
    assert_true(exec_rdmsr(guest, IA32_TSC_DEADLINE, &value));
    assert_int_equal(value, 0);
    assert_true(exec_wrmsr(guest, IA32_TSC_DEADLINE, 1)); /* in the past: at once */
    exec_run(guest, 1000);
    assert_int_equal(guest->event_count, count + 2);
    apic_write(guest, APIC_EOI, 0);
    end_guest(guest, 0);
}

static void xcr0(struct fake_guest *guest)
{
    struct cpuid_result size;

    exec_cli(guest);
    exec_enter_protected_mode(guest);
    assert_true(write_cr(guest, 4, CR4_OSXSAVE));
    guest->gpr[GPR_RCX] = 0;
    guest->gpr[GPR_RAX] = 7; /* x87, SSE, AVX */
    guest->gpr[GPR_RDX] = 0;
    assert_true(exec_instruction(guest, EXIT_REASON_XSETBV, 3));
    size = exec_cpuid(guest, 0xd, 0);
    assert_int_equal(size.ebx, 0x340);
    guest->gpr[GPR_RCX] = 0;
    guest->gpr[GPR_RAX] = 5; /* AVX without SSE */
    guest->gpr[GPR_RDX] = 0;
    assert_false(exec_instruction(guest, EXIT_REASON_XSETBV, 3));
    expect_gp(guest);
    guest->gpr[GPR_RCX] = 1;
    guest->gpr[GPR_RAX] = 7;
    assert_false(exec_instruction(guest, EXIT_REASON_XSETBV, 3));
    expect_gp(guest);
    end_guest(guest, 0);
}

/* CPUID shows what the guest has set, also behind the leaves that are remembered. */
static void cpuid_follows(struct fake_guest *guest)
{
    struct cpuid_result before, after;

    exec_cli(guest);
    exec_enter_protected_mode(guest);
    before = exec_cpuid(guest, 1, 0);
    assert_true(write_cr(guest, 4, CR4_OSXSAVE));
    after = exec_cpuid(guest, 1, 0);
    assert_int_equal(after.ecx & ~before.ecx, BIT(27));
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(exec_cpuid(guest, 0x40000000, 0).ebx, 0x74726f50);
        assert_int_equal(exec_cpuid(guest, 0x80000000, 0).eax, 0x80000008);
        assert_int_equal(exec_cpuid(guest, 0xb, 1).ecx & 0xff, 1);
        assert_int_equal(exec_cpuid(guest, 0x15, 0).ecx, FAKE_TSC_HZ);
    }
    end_guest(guest, 0);
}

HEART_TEST(cr0)
HEART_TEST(clts_and_lmsw)
HEART_TEST(cr4)
HEART_TEST(cr8)
HEART_TEST(pae)
HEART_TEST(long_mode)
HEART_TEST(msrs)
HEART_TEST(passed_msrs)
HEART_TEST(time_stamp_counter)
HEART_TEST(tsc_deadline)
HEART_TEST(xcr0)
HEART_TEST(cpuid_follows)

static void test_no_control_asks(void **state)
{
    (void)state;
    stop(mov_to_cr2, "exit for an access to CR2 that no control asks for");
    stop(mov_from_cr0, "exit for an access to CR0 that no control asks for");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cr0),
        cmocka_unit_test(test_clts_and_lmsw),
        cmocka_unit_test(test_cr4),
        cmocka_unit_test(test_cr8),
        cmocka_unit_test(test_pae),
        cmocka_unit_test(test_long_mode),
        cmocka_unit_test(test_msrs),
        cmocka_unit_test(test_passed_msrs),
        cmocka_unit_test(test_time_stamp_counter),
        cmocka_unit_test(test_tsc_deadline),
        cmocka_unit_test(test_xcr0),
        cmocka_unit_test(test_cpuid_follows),
        cmocka_unit_test(test_no_control_asks),
    };

    heart_begin(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
