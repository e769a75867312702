#include "vmm/guest.h"

#include "arch/x86/cpu.h"
#include "arch/x86/msr.h"
#include "arch/x86/paging.h"
#include "arch/x86/vmx.h"
#include "vmm/acpi/acpi_tables.h"
#include "vmm/base/check.h"
#include "vmm/base/log.h"
#include "vmm/clock.h"
#include "vmm/console.h"
#include "vmm/loader/loader.h"
#include "vmm/loader/memory_layout.h"
#include "vmm/memory/heap.h"

#include <string.h>

/* Segment access rights of a freshly started processor, in the VMCS's layout (SDM vol. 3C, "Format
 * of Access Rights"): present, accessed, and for 16-bit real mode DPL 0. */
#define RIGHTS_REAL_CODE 0x009b
#define RIGHTS_REAL_DATA 0x0093
#define RIGHTS_CODE64    0xa09b /* G, L */
#define RIGHTS_DATA      0xc093 /* G, D/B */
#define RIGHTS_LDT       0x0082
#define RIGHTS_TSS_BUSY  0x008b

/* --- Memory and bus plumbing --- */

static void *allocate_for_bus(void *context, size_t size_bytes, size_t alignment_bytes)
{
    return heap_allocate(context, size_bytes, alignment_bytes);
}

static void release_for_bus(void *context, void *memory, size_t size_bytes)
{
    (void)size_bytes;
    heap_release(context, memory);
}

static void *allocate_ept_page(void *context)
{
    return heap_allocate(context, PAGE_SIZE, PAGE_SIZE);
}

static void release_ept_page(void *context, void *page)
{
    heap_release(context, page);
}

static enum status map_ram(struct guest *guest)
{
    struct guest_ram_block blocks[GUEST_RAM_BLOCKS_MAX];
    size_t count = guest_ram_blocks(guest->config->memory_bytes, blocks);

    for (size_t i = 0; i < count; i++) {
        hpa_t hpa = HPA(guest->config->ram.value + blocks[i].offset_bytes);
        enum status status =
            ept_map(&guest->ept, blocks[i].gpa, hpa, blocks[i].size_bytes, EPT_ALL, EPT_WRITE_BACK);
        if (status != STATUS_OK)
            return status;
    }
    return STATUS_OK;
}

static enum status create_ept(struct guest *guest, const struct guest_environment *environment)
{
    struct ept_capabilities capabilities = {
        .largest_page_bytes =
            environment->capabilities->ept_1gb_pages ? PAGE_SIZE_HUGE : PAGE_SIZE_LARGE,
        .physical_address_bits = paging_physical_address_bits(),
    };
    struct page_source source = {
        .allocate = allocate_ept_page,
        .release = release_ept_page,
        .context = environment->heap,
    };
    enum status status = ept_init(&guest->ept, &capabilities, &source);

    if (status != STATUS_OK)
        return status;
    status = map_ram(guest);
    if (status != STATUS_OK)
        ept_destroy(&guest->ept);
    return status;
}

uint8_t *guest_memory(const struct guest *guest, gpa_t gpa, uint64_t size_bytes)
{
    uint64_t offset_bytes;

    if (!guest_ram_offset(guest->config->memory_bytes, gpa, size_bytes, &offset_bytes))
        return NULL;
    return guest->ram + offset_bytes;
}

/* --- What the board asks for --- */

static bool on_serial_transmit(void *context, uint8_t byte)
{
    return console_guest_transmit(context, byte);
}

void guest_flush_debug_line(struct guest *guest)
{
    if (guest->debug_length == 0)
        return;
    log_text("%s: %.*s\n", guest->config->name, (int)guest->debug_length, guest->debug_line);
    guest->debug_length = 0;
}

static void on_debug_byte(void *context, uint8_t byte)
{
    struct guest *guest = context;

    if (byte == '\n') {
        if (guest->debug_length == 0)
            log_text("%s:\n", guest->config->name);
        guest_flush_debug_line(guest);
    } else if (byte != '\r') {
        guest->debug_line[guest->debug_length++] = (char)byte;
        if (guest->debug_length == sizeof(guest->debug_line))
            guest_flush_debug_line(guest);
    }
}

static void on_debug_exit(void *context, uint64_t code)
{
    guest_end(context, GUEST_EXITED, code, "wrote to the debug exit port");
}

static void on_power_off(void *context)
{
    guest_end(context, GUEST_POWERED_OFF, EXIT_CODE_POWER_OFF, "powered off");
}

static void on_reset(void *context)
{
    struct guest *guest = context;

    if (guest->end.kind == GUEST_RUNNING)
        guest->end.kind = GUEST_WANTS_RESET;
}

/* --- Creation --- */

static enum status create_buses(struct guest *guest, struct heap *heap)
{
    struct iobus_allocator allocator = {
        .allocate = allocate_for_bus,
        .release = release_for_bus,
        .context = heap,
    };
    enum status status = iobus_init(&guest->ports, IOBUS_PORT_LAST, &allocator, rdtsc);

    if (status != STATUS_OK)
        return status;
    status = iobus_init(&guest->mmio, IOBUS_MMIO_LAST, &allocator, rdtsc);
    if (status != STATUS_OK)
        iobus_destroy(&guest->ports);
    return status;
}

static void destroy_buses(struct guest *guest)
{
    iobus_destroy(&guest->mmio);
    iobus_destroy(&guest->ports);
}

enum status guest_create(struct guest *guest, const struct guest_config *config,
                         const struct guest_environment *environment, uint16_t vpid)
{
    struct machine_hooks hooks = {
        .serial_transmit = on_serial_transmit,
        .debug_byte = on_debug_byte,
        .debug_exit = on_debug_exit,
        .power_off = on_power_off,
        .reset = on_reset,
        .context = guest,
    };
    enum status status;

    memset(guest, 0, sizeof(*guest));
    guest->config = config;
    guest->ram = (uint8_t *)config->ram.value;
    status = create_ept(guest, environment);
    if (status != STATUS_OK)
        return status;
    status = create_buses(guest, environment->heap);
    if (status != STATUS_OK)
        goto no_buses;
    status = machine_init(&guest->machine, &hooks, &guest->ports);
    if (status != STATUS_OK)
        goto no_vcpu;
    status = vcpu_create(&guest->vcpu, guest, environment->capabilities, environment->heap,
                         ept_pointer(&guest->ept, false), vpid);
    if (status != STATUS_OK)
        goto no_vcpu;
    return STATUS_OK;

no_vcpu:
    destroy_buses(guest);
no_buses:
    ept_destroy(&guest->ept);
    return status;
}

void guest_destroy(struct guest *guest, const struct guest_environment *environment)
{
    vcpu_destroy(&guest->vcpu, environment->heap);
    destroy_buses(guest);
    /* The next guest's EPT may reuse these pages, and the VPID: nothing of the old may linger. */
    vmx_invalidate_ept_all();
    ept_destroy(&guest->ept);
}

/* --- Start --- */

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
    struct vmx_start_state state = {
        .rip = entry->rip,
        .rflags = entry->rflags,
        .cr0 = CR0_ET | (is_long ? CR0_PE | CR0_PG : 0),
        .cr3 = entry->cr3,
        .cr4 = is_long ? CR4_PAE : 0,
        .efer = is_long ? EFER_LME | EFER_LMA : 0,
        .gdtr = {.base = entry->gdt_base, .limit = entry->gdt_limit},
        .idtr = {.limit = is_long ? 0 : 0x3ff}, /* real mode: the interrupt vector table at 0 */
    };

    state.gpr[GPR_RSP] = entry->rsp;
    state.gpr[GPR_RDX] = entry->rdx;
    state.gpr[GPR_RSI] = entry->rsi;
    for (unsigned i = 0; i < SEGMENT_LDTR; i++)
        state.segments[i] = is_long ? flat_segment(entry->data_selector, RIGHTS_DATA)
                                    : real_segment(entry->data_selector, RIGHTS_REAL_DATA);
    state.segments[SEGMENT_CS] = is_long ? flat_segment(entry->code_selector, RIGHTS_CODE64)
                                         : real_segment(entry->code_selector, RIGHTS_REAL_CODE);
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

/* Returns where the root pointer is, for the loader. */
static gpa_t write_acpi_tables(struct guest *guest)
{
    size_t used_bytes;
    enum status status = acpi_tables_build(
        &acpi_board_pc, GPA(GUEST_FIRMWARE_AREA), guest->ram + GUEST_FIRMWARE_AREA,
        GUEST_EXTENDED_MEMORY - GUEST_FIRMWARE_AREA, &used_bytes);

    CHECK(status == STATUS_OK); /* the board is ours and the area is large enough */
    return GPA(GUEST_FIRMWARE_AREA);
}

enum status guest_start(struct guest *guest, const struct guest_environment *environment)
{
    const struct guest_config *config = guest->config;
    struct loader_entry entry;
    struct vmx_start_state state;
    gpa_t acpi_rsdp;
    enum status status;

    guest->end = (struct guest_end){.kind = GUEST_RUNNING};
    guest_flush_debug_line(guest); /* of the life before a reset */
    memset(guest->ram, 0, config->memory_bytes);
    acpi_rsdp = write_acpi_tables(guest);
    status = loader_load(config, guest->ram, acpi_rsdp, &entry);
    if (status != STATUS_OK) {
        guest_stop(guest, "its image cannot be loaded: %s", status_name(status));
        return status;
    }
    if (guest->start_count++ == 0)
        machine_power_on(&guest->machine, wall_seconds_now(environment->boot),
                         config->memory_bytes);
    else
        machine_reset(&guest->machine);
    state = start_state(&entry);
    vcpu_start(&guest->vcpu, &state);
    return STATUS_OK;
}
