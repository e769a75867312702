// SPDX-License-Identifier: BSD-2-Clause
/* Powers a guest on or resets it, and runs it from there to its end. */
#include "arch/x86/clear.h"
#include "arch/x86/cpu.h"
#include "arch/x86/registers.h"
#include "vmm/acpi/acpi_tables.h"
#include "vmm/acpi/mp_table.h"
#include "vmm/base/check.h"
#include "vmm/base/clock.h"
#include "vmm/base/format.h"
#include "vmm/console/console.h"
#include "vmm/guest/guest.h"
#include "vmm/host/cpus.h"
#include "vmm/host/window.h"
#include "vmm/loader/bios_area.h"
#include "vmm/loader/loader.h"
#include "vmm/loader/memory_layout.h"
#include "vmm/run/run.h"
#include "vmm/vcpu/vcpu.h"

/* Segment access rights of a processor that has just started, in the VMCS's layout (SDM vol. 3C,
 * "Format of Access Rights"): present, accessed, and for 16-bit real mode DPL 0. */
#define RIGHTS_REAL_CODE 0x009b
#define RIGHTS_REAL_DATA 0x0093
#define RIGHTS_CODE64    0xa09b /* G, L */
#define RIGHTS_CODE32    0xc09b /* G, D/B */
#define RIGHTS_DATA      0xc093 /* G, D/B */
#define RIGHTS_LDT       0x0082
#define RIGHTS_TSS_BUSY  0x008b

/* How much RAM is cleared at a time: some microseconds, or in an emulator milliseconds. */
#define CLEAR_BYTES MIB

static struct vmx_segment flat_segment(uint16_t selector, uint32_t access_rights)
{
    return (struct vmx_segment){
        .selector = selector, .limit = UINT32_MAX, .access_rights = access_rights};
}

static struct vmx_segment real_segment(uint16_t selector, uint32_t access_rights)
{
    return (struct vmx_segment){.selector = selector,
                                .base = (uint64_t)selector << 4,
                                .limit = 0xffff,
                                .access_rights = access_rights};
}

static struct vmx_start_state start_state(const struct loader_entry *entry)
{
    const bool is_long = entry->mode == LOADER_MODE_LONG64;
    const bool is_real = entry->mode == LOADER_MODE_REAL;
    struct vmx_start_state state = {
        .rip = entry->rip,
        .rflags = entry->rflags,
        .cr0 = CR0_ET | (is_real ? 0 : CR0_PE) | (is_long ? CR0_PG : 0),
        .cr3 = entry->cr3,
        .cr4 = is_long ? CR4_PAE : 0,
        .efer = is_long ? EFER_LME | EFER_LMA : 0,
        .gdtr = {.base = entry->gdt_base, .limit = entry->gdt_limit},
        .idtr = {.limit = is_real ? 0x3ff : 0}, /* real mode: the interrupt vector table at 0 */
    };

    state.gpr[GPR_RAX] = entry->rax;
    state.gpr[GPR_RBX] = entry->rbx;
    state.gpr[GPR_RSP] = entry->rsp;
    state.gpr[GPR_RDX] = entry->rdx;
    state.gpr[GPR_RSI] = entry->rsi;
    for (unsigned i = 0; i < SEGMENT_LDTR; i++)
        state.segments[i] = is_real ? real_segment(entry->data_selector, RIGHTS_REAL_DATA)
                                    : flat_segment(entry->data_selector, RIGHTS_DATA);
    state.segments[SEGMENT_CS] =
        is_real ? real_segment(entry->code_selector, RIGHTS_REAL_CODE)
                : flat_segment(entry->code_selector, is_long ? RIGHTS_CODE64 : RIGHTS_CODE32);
    state.segments[SEGMENT_LDTR] =
        (struct vmx_segment){.limit = 0xffff, .access_rights = RIGHTS_LDT};
    state.segments[SEGMENT_TR] =
        (struct vmx_segment){.limit = 0xffff, .access_rights = RIGHTS_TSS_BUSY};
    return state;
}

static uint64_t wall_seconds_now(const struct boot_info *boot)
{
    return boot->wall_clock_seconds +
           clock_ns_from_ticks(rdtsc() - boot->wall_clock_tsc) / NS_PER_SECOND;
}

/* Writes the MP table into the guest's RAM, for software that does not use ACPI. */
static void write_mp_table(struct guest *guest, const struct acpi_board *board)
{
    const struct cpuid_guest registers = {.apic_enabled = true};
    const struct cpuid_result version = cpuid_policy(&guest->vcpus[0].cpuid, &registers, 1, 0);
    const struct mp_processor processor = {.local_apic_version = (uint8_t)LOCAL_APIC_VERSION,
                                           .signature = version.eax,
                                           .features = version.edx};
    size_t used_bytes;
    enum status status =
        mp_table_build(board, &processor, GPA(GUEST_BIOS_AREA), guest->ram + GUEST_BIOS_AREA,
                       GUEST_BIOS_TABLES_BYTES, &used_bytes);

    CHECK(status == STATUS_OK); /* the board's table is constant, and the area is large enough */
}

/* Writes the tables that describe the board into the guest's RAM. Returns the address of ACPI's
 * root pointer, for the loader. */
static gpa_t write_tables(struct guest *guest)
{
    struct acpi_board board = acpi_board_pc;
    size_t used_bytes;
    enum status status;

    board.cpu_count = guest->config->cpu_count;
    write_mp_table(guest, &board);
    status = acpi_tables_build(&board, GPA(GUEST_FIRMWARE_AREA), guest->ram + GUEST_FIRMWARE_AREA,
                               GUEST_BIOS_AREA - GUEST_FIRMWARE_AREA, &used_bytes);

    CHECK(status == STATUS_OK); /* the board's table is constant, and the area is large enough */
    return GPA(GUEST_FIRMWARE_AREA);
}

/* Puts the chips into the state in which a PC's firmware leaves them. */
static void play_bios(struct guest *guest)
{
    struct vcpu *vcpu = &guest->vcpus[0];

    iobus_reader_begin(&vcpu->ports_reader);
    for (size_t i = 0; i < bios_port_write_count; i++) {
        struct io_access access = {
            .address = bios_port_writes[i].port,
            .value = bios_port_writes[i].value,
            .size = 1,
            .is_write = true,
        };

        iobus_access(&guest->ports, &vcpu->ports_reader, &access);
    }
    iobus_reader_park(&vcpu->ports_reader);
}

/* Starts a vCPU that does not boot the guest. Called on the vCPU's own processor. */
static void start_other_vcpu(void *context)
{
    struct vcpu *vcpu = context;

    vcpu_start(vcpu, NULL, vcpu->guest->board.start_tsc);
}

/* Clears the RAM, in pieces: between them the first processor looks after the console, which a
 * guest that resets again and again would otherwise keep waiting. Stops early if the guest is ended
 * or reset there; then it does not run with what is left. */
static void clear_ram(struct guest *guest)
{
    uint64_t size_bytes = guest->config->memory_bytes, piece_bytes;

    for (uint64_t at = 0; at < size_bytes && guest_is_running(guest); at += piece_bytes) {
        piece_bytes = size_bytes - at < CLEAR_BYTES ? size_bytes - at : CLEAR_BYTES;
        clear_quadwords(guest->ram + at, piece_bytes);
        if (cpu_this()->index == 0) {
            cpu_let_interrupts_in();
            console_service(rdtsc());
        }
    }
}

enum status guest_start(struct guest *guest, const struct guest_environment *environment)
{
    const struct guest_config *config = guest->config;
    const struct guest_config image = window_config(config);
    char reason[GUEST_END_REASON_BYTES];
    struct loader_entry entry;
    struct vmx_start_state state;
    gpa_t acpi_rsdp;
    enum status status;

    guest->end.exit_code = 0;
    guest->end.reason[0] = '\0';
    atomic_store_explicit(&guest->end.kind, GUEST_RUNNING, memory_order_release);
    guest_flush_debug_line(guest); /* what the guest printed before a reset */
    clear_ram(guest);
    acpi_rsdp = write_tables(guest);
    status = loader_load(&image, guest->ram, acpi_rsdp, &entry);
    if (status != STATUS_OK) {
        format_text(reason, sizeof(reason), "its image cannot be loaded: %s", status_name(status));
        (void)guest_stop(guest, reason);
        return status;
    }
    attachments_reset(&guest->attachments); /* first, so that no old write reaches the new state */
    if (guest->start_count++ == 0)
        board_power_on(&guest->board, wall_seconds_now(environment->boot));
    else
        board_reset(&guest->board);
    state = start_state(&entry);
    guest_reset_apic_pages(guest);
    vcpu_start(&guest->vcpus[0], &state, guest->board.start_tsc);
    for (uint32_t i = 1; i < guest->vcpu_count; i++)
        cpus_call(guest->vcpus[i].notes.cpu->index, start_other_vcpu, &guest->vcpus[i]);
    atomic_store_explicit(&guest->dead_count, guest->vcpu_count - 1, memory_order_relaxed);
    play_bios(guest);
    return STATUS_OK;
}

static void run_vcpu(void *vcpu)
{
    vcpu_run(vcpu);
}

void guest_run(struct guest *guest)
{
    for (uint32_t i = 1; i < guest->vcpu_count; i++)
        cpus_run(guest->vcpus[i].notes.cpu, run_vcpu, &guest->vcpus[i]);
    vcpu_run(&guest->vcpus[0]);
    for (uint32_t i = 1; i < guest->vcpu_count; i++) {
        while (!cpus_is_idle(guest->vcpus[i].notes.cpu))
            cpu_pause();
    }
}
