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
#include "vmm/cpus.h"
#include "vmm/loader/bios_area.h"
#include "vmm/loader/loader.h"
#include "vmm/loader/memory_layout.h"
#include "vmm/memory/heap.h"

#include <string.h>

/* Segment access rights of a freshly started processor, in the VMCS's layout (SDM vol. 3C, "Format
 * of Access Rights"): present, accessed, and for 16-bit real mode DPL 0. */
#define RIGHTS_REAL_CODE 0x009b
#define RIGHTS_REAL_DATA 0x0093
#define RIGHTS_CODE64    0xa09b /* G, L */
#define RIGHTS_CODE32    0xc09b /* G, D/B */
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
        .largest_page_bytes = cpu_this()->vmx.ept_1gb_pages ? PAGE_SIZE_HUGE : PAGE_SIZE_LARGE,
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
    guest_end(context, GUEST_WANTS_RESET, 0, "asked for a reset");
}

static void on_shutdown(void *context)
{
    guest_end(context, GUEST_POWERED_OFF, EXIT_CODE_POWER_OFF, "wrote Shutdown to port 0x8900");
}

static void on_kick(void *context, unsigned index)
{
    struct guest *guest = context;

    vcpu_notify(&guest->vcpus[index], ATTENTION_INTERRUPT);
}

static void on_line_ended(void *context, unsigned line)
{
    struct guest *guest = context;

    attachments_end_of_interrupt(&guest->attachments, line);
}

/* The first vCPU runs the board's timers. */
static void on_deadline_moved(void *context)
{
    struct guest *guest = context;

    vcpu_notify(&guest->vcpus[0], ATTENTION_TIMER);
}

/* --- What is attached at run time --- */

static uint64_t attachments_now_ns(void *context)
{
    const struct guest *guest = context;

    return machine_now_ns(&guest->machine);
}

static void trace_ring(void *context, const char *name, const struct io_access *access,
                       uint64_t missed)
{
    const struct guest *guest = context;

    if (missed > 0)
        log_line("guest %s: %lu rings are not shown", guest->config->name, missed);
    log_line("guest %s: doorbell %s: %u bytes, 0x%lx", guest->config->name, name, access->size,
             access->value);
}

static void init_attachments(struct guest *guest, struct heap *heap)
{
    const unsigned cascade = 2;
    struct attachments_setup setup = {
        .ports = &guest->ports,
        .mmio = &guest->mmio,
        .allocator = {.allocate = allocate_for_bus, .release = release_for_bus, .context = heap},
        .now_ns = attachments_now_ns,
        .trace = trace_ring,
        .deadline_changed = on_deadline_moved,
        .work_wanted = on_deadline_moved,
        .context = guest,
    };

    for (unsigned line = 0; line < ATTACHMENT_LINES; line++) {
        if (line != cascade)
            setup.lines[line] = machine_line(&guest->machine, line);
    }
    attachments_init(&guest->attachments, &setup);
}

static enum status attach_configured(struct guest *guest)
{
    const struct guest_config *config = guest->config;
    char message[ATTACHMENT_MESSAGE_BYTES];
    enum status status = attachments_attach_all(&guest->attachments, config->attachments,
                                                config->attachment_count, message, sizeof(message));

    if (status != STATUS_OK)
        log_line("guest %s: %s", config->name, message);
    return status;
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

/* One vCPU's creation or end, on the processor that it belongs to. */
struct vcpu_task {
    struct guest *guest;
    const struct guest_environment *environment;
    uint32_t index;
    enum status status;
};

#define GUEST_VPID 1 /* 0 is the monitor's own; one guest at a time lives on a processor */

static void create_vcpu(void *context)
{
    struct vcpu_task *task = context;
    struct guest *guest = task->guest;

    task->status =
        vcpu_create(&guest->vcpus[task->index], guest, task->index, task->environment->heap,
                    ept_pointer(&guest->ept, false), GUEST_VPID);
}

static void destroy_vcpu(void *context)
{
    struct vcpu_task *task = context;

    vcpu_destroy(&task->guest->vcpus[task->index], task->environment->heap);
    /* The next guest's EPT may reuse these pages, and the VPID: nothing of the old may linger. */
    vmx_invalidate_ept_all();
}

/* Runs function(context) on the processor `offset` behind this one, and waits for it. */
static void run_on(uint32_t offset, void (*function)(void *), void *context)
{
    struct cpu *cpu;

    if (offset == 0) {
        function(context);
        return;
    }
    cpu = cpus_get(cpu_this()->index + offset);
    cpus_run(cpu, function, context);
    while (!cpus_is_idle(cpu))
        cpu_pause();
}

static void destroy_vcpus(struct guest *guest, const struct guest_environment *environment)
{
    while (guest->vcpu_count > 0) {
        struct vcpu_task task = {guest, environment, --guest->vcpu_count, STATUS_OK};

        run_on(task.index, destroy_vcpu, &task);
    }
    heap_release(environment->heap, guest->vcpus);
}

static enum status create_vcpus(struct guest *guest, const struct guest_environment *environment)
{
    uint32_t count = guest->config->cpu_count;

    guest->vcpus =
        heap_allocate(environment->heap, count * sizeof(struct vcpu), _Alignof(struct vcpu));
    if (guest->vcpus == NULL)
        return STATUS_NO_MEMORY;
    for (uint32_t i = 0; i < count; i++) {
        struct vcpu_task task = {guest, environment, i, STATUS_OK};

        run_on(i, create_vcpu, &task);
        if (task.status != STATUS_OK) {
            destroy_vcpus(guest, environment);
            return task.status;
        }
        guest->vcpu_count++;
    }
    return STATUS_OK;
}

static enum status create_board(struct guest *guest, struct heap *heap)
{
    struct machine_hooks hooks = {
        .serial_transmit = on_serial_transmit,
        .debug_byte = on_debug_byte,
        .debug_exit = on_debug_exit,
        .power_off = on_power_off,
        .reset = on_reset,
        .shut_down = on_shutdown,
        .kick = on_kick,
        .line_ended = on_line_ended,
        .deadline_moved = on_deadline_moved,
        .context = guest,
    };
    struct machine_config config = {
        .ram_bytes = guest->config->memory_bytes,
        .cpu_count = guest->config->cpu_count,
    };

    if (guest->config->has_testdev) {
        guest->testdev_memory = heap_allocate(heap, TESTDEV_MEMORY_BYTES, PAGE_SIZE);
        if (guest->testdev_memory == NULL)
            return STATUS_NO_MEMORY;
        config.testdev_memory = guest->testdev_memory;
    }
    return machine_init(&guest->machine, &hooks, &config, &guest->ports, &guest->mmio);
}

enum status guest_create(struct guest *guest, const struct guest_config *config,
                         const struct guest_environment *environment)
{
    enum status status;

    memset(guest, 0, sizeof(*guest));
    guest->config = config;
    guest->ram = (uint8_t *)config->ram.value;
    console_backlog_init(&guest->backlog);
    status = create_ept(guest, environment);
    if (status != STATUS_OK)
        return status;
    status = create_buses(guest, environment->heap);
    if (status != STATUS_OK)
        goto no_buses;
    status = create_board(guest, environment->heap);
    if (status != STATUS_OK)
        goto no_board;
    init_attachments(guest, environment->heap);
    status = create_vcpus(guest, environment);
    if (status == STATUS_OK) {
        status = attach_configured(guest);
        if (status == STATUS_OK)
            return STATUS_OK;
        destroy_vcpus(guest, environment);
    }
    attachments_destroy(&guest->attachments);

no_board:
    destroy_buses(guest);
    heap_release(environment->heap, guest->testdev_memory);
no_buses:
    ept_destroy(&guest->ept);
    return status;
}

void guest_destroy(struct guest *guest, const struct guest_environment *environment)
{
    destroy_vcpus(guest, environment);
    attachments_destroy(&guest->attachments);
    destroy_buses(guest);
    heap_release(environment->heap, guest->testdev_memory);
    ept_destroy(&guest->ept);
}

/* --- Local APICs --- */

void guest_count_dead(struct guest *guest, int change)
{
    uint32_t before =
        atomic_fetch_add_explicit(&guest->dead_count, (uint32_t)change, memory_order_seq_cst);

    if (change < 0 || before + 1 < guest->vcpu_count)
        return;
    /* What was sent before everybody halted may not have been looked at. */
    for (uint32_t i = 0; i < guest->vcpu_count; i++) {
        if (local_apic_needs_attention(&guest->vcpus[i].apic))
            return;
    }
    guest_stop(guest, "halted with interrupts off: nothing can wake it");
}

static struct guest_apic_page *find_apic_page(struct guest *guest, uint64_t page)
{
    struct guest_apic_page *free = NULL;

    for (unsigned i = 0; i < GUEST_APIC_PAGES_MAX; i++) {
        struct guest_apic_page *entry = &guest->apic_pages[i];

        if (entry->user_count > 0 && entry->page == page)
            return entry;
        if (entry->user_count == 0)
            free = entry;
    }
    return free;
}

static void leave_apic_page(struct guest *guest, uint64_t page)
{
    struct guest_apic_page *entry = find_apic_page(guest, page);

    if (page == LOCAL_APIC_DEFAULT_BASE || entry == NULL || entry->user_count == 0)
        return;
    if (--entry->user_count == 0)
        CHECK(iobus_remove(&guest->mmio, entry->handle, NULL) == STATUS_OK);
}

static void enter_apic_page(struct guest *guest, uint64_t page)
{
    struct guest_apic_page *entry = find_apic_page(guest, page);
    enum status status = STATUS_NO_MEMORY;

    if (page == LOCAL_APIC_DEFAULT_BASE)
        return;
    if (entry != NULL && entry->user_count > 0) {
        entry->user_count++;
        return;
    }
    if (entry != NULL)
        status = machine_register_apic_page(&guest->machine, &guest->mmio, page, &entry->handle);
    if (status != STATUS_OK) {
        log_line("guest %s: a local APIC at 0x%lx does not answer there: %s", guest->config->name,
                 page, status_name(status));
        return;
    }
    entry->page = page;
    entry->user_count = 1;
}

void guest_move_apic_page(struct guest *guest, uint64_t old_page, uint64_t new_page)
{
    spinlock_acquire(&guest->apic_pages_lock);
    leave_apic_page(guest, old_page);
    enter_apic_page(guest, new_page);
    spinlock_release(&guest->apic_pages_lock);
}

/* After a reset all are where they were at first. */
static void reset_apic_pages(struct guest *guest)
{
    for (unsigned i = 0; i < GUEST_APIC_PAGES_MAX; i++) {
        struct guest_apic_page *entry = &guest->apic_pages[i];

        if (entry->user_count > 0)
            CHECK(iobus_remove(&guest->mmio, entry->handle, NULL) == STATUS_OK);
        entry->user_count = 0;
    }
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

/* Returns where the root pointer is, for the loader. */
static gpa_t write_acpi_tables(struct guest *guest)
{
    struct acpi_board board = acpi_board_pc;
    size_t used_bytes;
    enum status status;

    board.cpu_count = guest->config->cpu_count;
    status = acpi_tables_build(&board, GPA(GUEST_FIRMWARE_AREA), guest->ram + GUEST_FIRMWARE_AREA,
                               GUEST_BIOS_AREA - GUEST_FIRMWARE_AREA, &used_bytes);

    CHECK(status == STATUS_OK); /* the board is ours and the area is large enough */
    return GPA(GUEST_FIRMWARE_AREA);
}

/* The chips as a PC's firmware leaves them. */
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

/* On the vCPU's own processor. */
static void start_other_vcpu(void *context)
{
    struct vcpu *vcpu = context;

    vcpu_start(vcpu, NULL, vcpu->guest->machine.start_tsc);
}

enum status guest_start(struct guest *guest, const struct guest_environment *environment)
{
    const struct guest_config *config = guest->config;
    struct loader_entry entry;
    struct vmx_start_state state;
    gpa_t acpi_rsdp;
    enum status status;

    guest->end.exit_code = 0;
    guest->end.reason[0] = '\0';
    atomic_store_explicit(&guest->end.kind, GUEST_RUNNING, memory_order_release);
    guest_flush_debug_line(guest); /* of the life before a reset */
    memset(guest->ram, 0, config->memory_bytes);
    acpi_rsdp = write_acpi_tables(guest);
    status = loader_load(config, guest->ram, acpi_rsdp, &entry);
    if (status != STATUS_OK) {
        guest_stop(guest, "its image cannot be loaded: %s", status_name(status));
        return status;
    }
    if (guest->start_count++ == 0)
        machine_power_on(&guest->machine, wall_seconds_now(environment->boot));
    else
        machine_reset(&guest->machine);
    state = start_state(&entry);
    attachments_reset(&guest->attachments);
    reset_apic_pages(guest);
    vcpu_start(&guest->vcpus[0], &state, guest->machine.start_tsc);
    for (uint32_t i = 1; i < guest->vcpu_count; i++)
        run_on(i, start_other_vcpu, &guest->vcpus[i]);
    atomic_store_explicit(&guest->dead_count, guest->vcpu_count - 1, memory_order_relaxed);
    play_bios(guest);
    return STATUS_OK;
}

/* --- Run --- */

static void run_vcpu(void *vcpu)
{
    vcpu_run(vcpu);
}

void guest_run(struct guest *guest)
{
    for (uint32_t i = 1; i < guest->vcpu_count; i++)
        cpus_run(guest->vcpus[i].cpu, run_vcpu, &guest->vcpus[i]);
    vcpu_run(&guest->vcpus[0]);
    for (uint32_t i = 1; i < guest->vcpu_count; i++) {
        while (!cpus_is_idle(guest->vcpus[i].cpu))
            cpu_pause();
    }
}

uint64_t guest_deadline_tsc(const struct guest *guest)
{
    uint64_t board_tsc = machine_deadline_tsc(&guest->machine), tsc;
    uint64_t zones_ns = attachments_next_deadline(&guest->attachments);

    if (zones_ns == TIME_NEVER)
        return board_tsc;
    tsc = guest->machine.start_tsc + clock_ticks_from_ns(zones_ns);
    return tsc < board_tsc ? tsc : board_tsc;
}

static void collect(struct guest *guest)
{
    size_t waiting = iobus_reclaim(&guest->ports) + iobus_reclaim(&guest->mmio);

    atomic_store_explicit(&guest->has_garbage, waiting > 0, memory_order_relaxed);
}

void guest_collect_garbage(struct guest *guest)
{
    collect(guest);
    if (atomic_load_explicit(&guest->has_garbage, memory_order_relaxed))
        guest_notify_all(guest, ATTENTION_QUIESCE);
}

void guest_work(struct guest *guest, uint64_t now_tsc)
{
    machine_run_until(&guest->machine, now_tsc);
    if (attachments_has_work(&guest->attachments))
        attachments_work(&guest->attachments);
    if (attachments_next_deadline(&guest->attachments) != TIME_NEVER)
        attachments_run(&guest->attachments,
                        clock_ns_from_ticks(now_tsc - guest->machine.start_tsc));
    if (atomic_load_explicit(&guest->has_garbage, memory_order_relaxed))
        collect(guest);
}
