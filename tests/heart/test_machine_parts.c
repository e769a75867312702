// SPDX-License-Identifier: BSD-2-Clause
/* What the monitor does with the machine's own parts: fatal traps and their report, NMIs, machine
 * checks, backtraces, I/O APICs, processors that have no XSAVE, the start-up code's place. */
#include "tests/heart/heart.h"

#include "arch/x86/ap_start.h"
#include "arch/x86/backtrace.h"
#include "arch/x86/extended_state.h"
#include "arch/x86/ioapic.h"
#include "arch/x86/msr.h"
#include "arch/x86/traps.h"
#include "tests/fake/processor.h"
#include "vmm/base/log.h"
#include "vmm/host/cpus.h"

#include <string.h>

/* --- Fatal traps --- */

static struct trap_frame frame;

static void raise_trap(void *context)
{
    (void)context;
    trap_dispatch(&frame);
}

/* The trap of the frame stops the machine, and the report has this text. */
static void expect_report(const char *text)
{
    fake_expect_fatal(text);
    assert_true(fake_runs_to_stop(raise_trap, NULL));
}

static void test_page_faults(void **state)
{
    static const struct {
        uint64_t error;
        const char *text;
    } cases[] = {
        {0, "read of 0x0000000012345678: nothing mapped there"},
        {2, "write of 0x0000000012345678: nothing mapped there"},
        {3, "write of 0x0000000012345678: not allowed there"},
        {0x11, "execution of 0x0000000012345678: not allowed there"},
        {9, "read of 0x0000000012345678: reserved bit set in the page tables"},
    };

    (void)state;
    fake_this()->cr2 = 0x12345678;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        frame = (struct trap_frame){.vector = VECTOR_PF, .error_code = cases[i].error};
        expect_report(cases[i].text);
    }
    frame = (struct trap_frame){.vector = VECTOR_PF, .rip = 0xabcdef};
    expect_report("internal error: exception 14, #PF page fault");
    expect_report("  rip    0000000000abcdef");
    expect_report("cr2    0000000012345678");
}

/* A push onto a guard page has no stack to be reported on, and becomes a double fault. */
static void test_stack_overflow(void **state)
{
    (void)state;
    fake_this()->cr2 = 0x7fff8;
    frame = (struct trap_frame){.vector = VECTOR_DF, .rsp = 0x80000};
    expect_report("stack overflow: RSP is at the unmapped 0x000000000007fff8");
    frame.rsp = 0x900000;
    expect_report("internal error: exception 8, #DF");
}

static void test_other_exceptions(void **state)
{
    (void)state;
    frame = (struct trap_frame){.vector = VECTOR_GP, .error_code = 0x18, .rax = 0x5a};
    expect_report("internal error: exception 13, #GP");
    expect_report("error  0000000000000018");
    expect_report("rax    000000000000005a");
}

/* Banks that hold a valid error are reported, with the address if it is valid. */
static void test_machine_check(void **state)
{
    (void)state;
    fake_set_msr(-1, IA32_MC0_CTL + 4 + 1, BIT(63) | BIT(58) | 0x150);
    fake_set_msr(-1, IA32_MC0_CTL + 4 + 2, 0xfeed000);
    frame = (struct trap_frame){.vector = VECTOR_MC};
    expect_report("internal error: exception 18, #MC");
    fake_set_msr(-1, IA32_MC0_CTL + 4 + 1, 0);
}

/* --- NMIs --- */

static uint8_t port_61;

static uint32_t read_port_61(void *context, uint64_t address, unsigned size)
{
    (void)context;
    (void)address;
    (void)size;
    return port_61;
}

static bool claims; /* the monitor's own NMI */

static bool on_nmi(void *context, struct trap_frame *nmi_frame)
{
    (void)context;
    assert_int_equal(nmi_frame->vector, VECTOR_NMI);
    return claims;
}

static void test_nmis(void **state)
{
    const struct fake_device device = {.read = read_port_61};
    uint64_t unclaimed = trap_unclaimed_nmis();

    (void)state;
    fake_set_ports(0x61, 0x61, &device);
    trap_raise_nmi();
    assert_int_equal(trap_unclaimed_nmis(), unclaimed + 1);
    trap_set_nmi_handler(on_nmi, NULL);
    claims = true;
    trap_raise_nmi();
    assert_int_equal(trap_unclaimed_nmis(), unclaimed + 1);
    claims = false;
    trap_raise_nmi();
    assert_int_equal(trap_unclaimed_nmis(), unclaimed + 2);
    trap_set_nmi_handler(NULL, NULL);
    /* The chipset reports a memory error. */
    frame = (struct trap_frame){.vector = VECTOR_NMI};
    port_61 = 0x80;
    expect_report("internal error: exception 2");
    port_61 = 0xff; /* a port that is not there */
    trap_raise_nmi();
    assert_int_equal(trap_unclaimed_nmis(), unclaimed + 3);
}

static void test_interrupts_without_a_handler(void **state)
{
    uint64_t unexpected = trap_unexpected_interrupts();

    (void)state;
    trap_handle_interrupt(0x77);
    trap_handle_interrupt(VECTOR_SPURIOUS);
    assert_int_equal(trap_unexpected_interrupts(), unexpected + 2);
}

/* --- Backtraces --- */

static uint64_t frames[PAGE_SIZE / 8] __attribute__((aligned(PAGE_SIZE)));

static const char *find_symbol(uint64_t address, uint64_t *offset)
{
    if (address < 0x1000 || address >= 0x2000)
        return NULL;
    *offset = address - 0x1000;
    return "known";
}

#define FIRST "backtrace:\n  0x0000000000001234 known+0x234\n"

static char printed[4096];

static void collect(void *context, const char *text, size_t length)
{
    size_t used = strlen(printed);

    (void)context;
    assert_true(used + length < sizeof(printed));
    memcpy(printed + used, text, length);
    printed[used + length] = '\0';
}

static void expect_backtrace(const uint64_t *rbp, const char *text)
{
    printed[0] = '\0';
    log_set_sink(collect, NULL);
    backtrace_print(0x1234, (uint64_t)rbp);
    assert_string_equal(printed, text);
}

/* Return addresses are looked up one byte before; the chain ends at what is no frame. */
static void test_backtrace(void **state)
{
    (void)state;
    assert_int_equal(
        page_table_map(&cpu_this()->page_table, (uint64_t)frames, PAGE_SIZE, PAGE_WRITE),
        STATUS_OK);
    backtrace_set_symbolizer(find_symbol);
    frames[0] = (uint64_t)&frames[2];
    frames[1] = 0x1100;
    frames[2] = (uint64_t)&frames[4];
    frames[3] = 0x2000; /* behind a call that does not return, the last one of `known` */
    frames[4] = 0;
    frames[5] = 0x1500;
    expect_backtrace(frames, FIRST "  0x0000000000001100 known+0x100\n"
                                   "  0x0000000000002000 known+0x1000\n"
                                   "  0x0000000000001500 known+0x500\n");
    expect_backtrace(NULL, FIRST);
    frames[0] = (uint64_t)&frames[2] + 1; /* unaligned */
    expect_backtrace(frames, FIRST "  0x0000000000001100 known+0x100\n");
    frames[1] = 0x5000; /* unknown */
    expect_backtrace(frames, FIRST "  0x0000000000005000\n");
    frames[511] = 0; /* a frame of which only half is mapped is not read */
    expect_backtrace(&frames[511], FIRST);
    frames[0] = (uint64_t)&frames[0]; /* a circle: 32 frames, then dots */
    frames[1] = 0x1100;
    backtrace_print(0x1234, (uint64_t)frames);
    assert_string_equal(printed + strlen(printed) - 6, "  ...\n");
    backtrace_set_symbolizer(NULL);
}

/* --- VMCS accesses that fail --- */

static void read_wrong_field(void *context)
{
    (void)context;
    vmcs_access_failed("VMREAD", VMCS_GUEST_RIP);
}

static void test_vmcs_access(void **state)
{
    (void)state;
    fake_expect_fatal("internal error: VMREAD of the VMCS field GUEST_RIP (0x681e) failed: "
                      "VM-instruction error 0, there is no current VMCS");
    assert_true(fake_runs_to_stop(read_wrong_field, NULL));
}

/* --- I/O APICs --- */

#define IOAPIC 0xfec01000

static struct {
    uint32_t index, version;
    uint32_t entries[48];
} ioapic_device;

static uint32_t read_ioapic(void *context, uint64_t address, unsigned size)
{
    (void)context;
    assert_int_equal(size, 4);
    assert_int_equal(address, IOAPIC + 0x10);
    if (ioapic_device.index == 1)
        return ioapic_device.version;
    assert_in_range(ioapic_device.index, 0x10, 0x3f);
    return ioapic_device.entries[ioapic_device.index - 0x10];
}

static void write_ioapic(void *context, uint64_t address, unsigned size, uint32_t value)
{
    (void)context;
    assert_int_equal(size, 4);
    if (address == IOAPIC) {
        ioapic_device.index = value;
        return;
    }
    assert_int_equal(address, IOAPIC + 0x10);
    assert_in_range(ioapic_device.index, 0x10, 0x3f);
    /* An entry's high half changes only while the entry is masked. */
    if (ioapic_device.index & 1)
        assert_true(ioapic_device.entries[ioapic_device.index - 0x11] & BIT(16));
    ioapic_device.entries[ioapic_device.index - 0x10] = value;
}

static void test_ioapic(void **state)
{
    const struct fake_device device = {.read = read_ioapic, .write = write_ioapic};
    const struct ioapic_trigger isa = {0}, pci = {.is_active_low = true, .is_level = true};
    struct ioapic ioapics[2] = {{.base = HPA(0), .gsi_base = 0, .pin_count = 24}};

    (void)state;
    fake_set_memory(IOAPIC, IOAPIC + 0xfff, &device);
    ioapic_device.version = 0;
    assert_int_equal(ioapic_init(&ioapics[1], HPA(IOAPIC), 24), STATUS_NOT_FOUND);
    ioapic_device.version = UINT32_MAX;
    assert_int_equal(ioapic_init(&ioapics[1], HPA(IOAPIC), 24), STATUS_NOT_FOUND);
    ioapic_device.version = 23 << 16 | 0x20;
    ioapic_device.entries[0] = 0x20;       /* unmasked by the firmware */
    ioapic_device.entries[2 * 5] = 0x200;  /* SMI: stays */
    ioapic_device.entries[2 * 7] = 0x8022; /* level */
    assert_int_equal(ioapic_init(&ioapics[1], HPA(IOAPIC), 24), STATUS_OK);
    assert_int_equal(ioapics[1].pin_count, 24);
    for (unsigned pin = 0; pin < 24; pin++)
        assert_int_equal(ioapic_device.entries[2 * pin], pin == 5 ? 0x200 : 0x10000);

    assert_ptr_equal(ioapic_find(ioapics, 2, 23), &ioapics[0]);
    assert_ptr_equal(ioapic_find(ioapics, 2, 24), &ioapics[1]);
    assert_null(ioapic_find(ioapics, 2, 48));
    assert_int_equal(ioapic_route(&ioapics[1], 27, pci, 0x40, 3), STATUS_OK);
    assert_int_equal(ioapic_device.entries[2 * 3], 0xa040);
    assert_int_equal(ioapic_device.entries[2 * 3 + 1], 3u << 24);
    assert_int_equal(ioapic_route(&ioapics[1], 24, isa, 254, 254), STATUS_OK);
    assert_int_equal(ioapic_device.entries[0], 254);
    assert_int_equal(ioapic_mask(&ioapics[1], 27), STATUS_OK);
    assert_int_equal(ioapic_device.entries[2 * 3], 0x10000);

    assert_int_equal(ioapic_route(&ioapics[1], 23, isa, 0x40, 0), STATUS_NOT_FOUND);
    assert_int_equal(ioapic_route(&ioapics[1], 24, isa, 15, 0), STATUS_INVALID);
    assert_int_equal(ioapic_route(&ioapics[1], 24, isa, 255, 0), STATUS_INVALID);
    assert_int_equal(ioapic_route(&ioapics[1], 24, isa, 0x40, 255), STATUS_OUT_OF_RANGE);
    assert_int_equal(ioapic_mask(&ioapics[1], 48), STATUS_NOT_FOUND);
}

/* --- Extended state, the start-up code --- */

static void test_no_xsave(void **state)
{
    struct cpuid_result features = fake_get_cpuid(1, 0), without = features;
    uint8_t bytes[16];

    (void)state;
    memset(fake_this()->fpu.xmm, 0x5a, sizeof(fake_this()->fpu.xmm));
    without.ecx &= ~(uint32_t)BIT(26);
    fake_set_cpuid(1, 0, without);
    assert_true(extended_state_compacts_rightly());
    extended_state_reset();
    extended_state_read_xmm(3, bytes);
    for (size_t i = 0; i < sizeof(bytes); i++)
        assert_int_equal(bytes[i], 0);
    fake_set_cpuid(1, 0, features);
}

static void test_place_of_the_start_up_code(void **state)
{
    struct page_table *table = &cpu_this()->page_table;

    (void)state;
    assert_int_equal(ap_start_prepare(table, HPA(0)), STATUS_OUT_OF_RANGE);
    assert_int_equal(ap_start_prepare(table, HPA(0x80800)), STATUS_OUT_OF_RANGE);
    assert_int_equal(ap_start_prepare(table, HPA(MIB - 2 * PAGE_SIZE)), STATUS_OUT_OF_RANGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_page_faults),
        cmocka_unit_test(test_stack_overflow),
        cmocka_unit_test(test_other_exceptions),
        cmocka_unit_test(test_machine_check),
        cmocka_unit_test(test_nmis),
        cmocka_unit_test(test_interrupts_without_a_handler),
        cmocka_unit_test(test_backtrace),
        cmocka_unit_test(test_vmcs_access),
        cmocka_unit_test(test_ioapic),
        cmocka_unit_test(test_no_xsave),
        cmocka_unit_test(test_place_of_the_start_up_code),
    };

    heart_begin(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
