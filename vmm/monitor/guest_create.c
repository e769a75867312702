// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/guest/guest.h"

#include "arch/x86/cpu.h"
#include "arch/x86/paging.h"
#include "arch/x86/vmx.h"
#include "vmm/base/clock.h"
#include "vmm/base/log.h"
#include "vmm/console/console.h"
#include "vmm/host/cpus.h"
#include "vmm/host/window.h"
#include "vmm/loader/memory_layout.h"
#include "vmm/memory/heap.h"
#include "vmm/monitor/demand.h"
#include "vmm/vcpu/apic.h"

#include <string.h>

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

/* Makes the guest's own heap. Logs it if the monitor's memory does not suffice. */
static enum status create_heap(struct guest *guest, const struct guest_environment *environment)
{
    uint64_t size_bytes = demand_heap(guest->config);
    enum status status;

    if (environment->boot->heap_poisons)
        size_bytes *= 2; /* as in demand_memory */
    status = heap_init_inside(&guest->heap, environment->heap, size_bytes);
    if (status != STATUS_OK)
        log_line("guest %s: its heap needs %lu KiB in one piece, and the monitor has %lu KiB left",
                 guest->config->name, size_bytes / KIB,
                 heap_measure(environment->heap).largest_free_bytes / KIB);
    return status;
}

static void destroy_heap(struct guest *guest, const struct guest_environment *environment)
{
    heap_give_back(&guest->heap, environment->heap);
}

/* Maps a block to the pieces of RAM that it lies in. */
static enum status map_block(struct guest *guest, const struct guest_ram_block *block)
{
    for (uint64_t done = 0; done < block->size_bytes;) {
        const struct ram_piece part = ram_pieces_part(
            &guest->config->ram, block->offset_bytes + done, block->size_bytes - done);
        enum status status = ept_map(&guest->ept, GPA(block->gpa.value + done), part.base,
                                     part.size_bytes, EPT_ALL, EPT_WRITE_BACK);

        if (status != STATUS_OK)
            return status; /* STATUS_INVALID: the pieces are too short */
        done += part.size_bytes;
    }
    return STATUS_OK;
}

static enum status map_ram(struct guest *guest)
{
    guest->ram_block_count = guest_ram_blocks(guest->config->memory_bytes, guest->ram_blocks);
    for (size_t i = 0; i < guest->ram_block_count; i++) {
        const struct guest_ram_block *block = &guest->ram_blocks[i];
        enum status status = map_block(guest, block);

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

static void destroy_ept(struct guest *guest, const struct guest_environment *environment)
{
    (void)environment;
    ept_destroy(&guest->ept);
}

static enum status create_window(struct guest *guest, const struct guest_environment *environment)
{
    (void)environment;
    guest->ram = window_ram(guest->config);
    return window_create(&guest->window, guest->config, cpus_machine(), cpus_page_source());
}

static void destroy_window(struct guest *guest, const struct guest_environment *environment)
{
    (void)environment;
    window_destroy(&guest->window);
}

static bool on_serial_transmit(void *context, uint8_t byte)
{
    struct guest *guest = context;

    return console_transmit(&guest->console, byte);
}

static void on_debug_byte(void *context, uint8_t byte)
{
    struct guest *guest = context;

    if (byte == '\n') {
        size_t length = guest->debug_length;

        if (length > 0 && guest->debug_line[length - 1] == '\r')
            length--;
        console_print_line(&guest->console, guest->debug_line, length);
        guest->debug_length = 0;
    } else {
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

    if (guest->config->on_reset == ON_RESET_STOP)
        guest_end(guest, GUEST_STOPPED, EXIT_CODE_STOPPED, "asked for a reset (on_reset = stop)");
    else
        guest_end(guest, GUEST_WANTS_RESET, 0, "asked for a reset");
}

static void on_shutdown(void *context)
{
    guest_end(context, GUEST_POWERED_OFF, EXIT_CODE_POWER_OFF, "wrote Shutdown to port 0x8900");
}

static void on_kick(void *context, unsigned index)
{
    struct guest *guest = context;

    notes_leave(guest->notes[index], ATTENTION_INTERRUPT);
}

/* Tells a vCPU of this processor that its local APIC has news. Returns false for any other vCPU.
 * Outside the run loop nobody looks at the note; the vCPU's start takes it back. */
static bool on_own_news(struct local_apic *apic)
{
    struct vcpu *vcpu = vcpu_of_apic(apic);

    if (vcpu->notes.cpu != cpu_this())
        return false;
    vcpu_note(vcpu, ATTENTION_INTERRUPT);
    return true;
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

    notes_leave(guest->notes[0], ATTENTION_TIMER);
}

static size_t on_serial_space(void *context)
{
    struct guest *guest = context;

    return board_serial_space(&guest->board);
}

static void on_serial_receive(void *context, uint8_t byte)
{
    struct guest *guest = context;

    board_serial_receive(&guest->board, byte);
}

static void on_serial_ready(void *context)
{
    struct guest *guest = context;

    board_serial_ready(&guest->board);
}

static bool on_is_running(void *context)
{
    return guest_is_running(context);
}

static enum status create_console(struct guest *guest, const struct guest_environment *environment)
{
    (void)environment;
    guest->console.name = guest->config->name;
    guest->console.space = on_serial_space;
    guest->console.receive = on_serial_receive;
    guest->console.ready = on_serial_ready;
    guest->console.is_running = on_is_running;
    guest->console.context = guest;
    console_client_init(&guest->console);
    return STATUS_OK;
}

static void destroy_console(struct guest *guest, const struct guest_environment *environment)
{
    (void)environment;
    console_disconnect(&guest->console);
}

static uint64_t attachments_now_ns(void *context)
{
    const struct guest *guest = context;

    return board_now_ns(&guest->board);
}

static void trace_ring(void *context, const char *name, const struct io_access *access,
                       uint64_t missed)
{
    struct guest *guest = context;
    struct console_client *console = &guest->console;

    if (missed > 0)
        console_log_about(console, ": %lu rings are not shown", missed);
    console_log_about(console, ": doorbell %s: %u bytes, 0x%lx", name, access->size, access->value);
}

static void init_attachments(struct guest *guest)
{
    const unsigned cascade = 2;
    struct attachments_setup setup = {
        .ports = &guest->ports,
        .mmio = &guest->mmio,
        .allocator = {.allocate = allocate_for_bus,
                      .release = release_for_bus,
                      .context = &guest->heap},
        .apics = &guest->board.apics,
        .now_ns = attachments_now_ns,
        .trace = trace_ring,
        .deadline_changed = on_deadline_moved,
        .work_wanted = on_deadline_moved,
        .context = guest,
    };

    for (unsigned line = 0; line < ATTACHMENT_LINES; line++) {
        if (line != cascade)
            setup.lines[line] = board_line(&guest->board, line);
    }
    attachments_init(&guest->attachments, &setup);
}

static enum status create_attachments(struct guest *guest,
                                      const struct guest_environment *environment)
{
    const struct guest_config *config = guest->config;
    char message[ATTACHMENT_MESSAGE_BYTES];
    enum status status;

    (void)environment;
    init_attachments(guest);
    status = attachments_attach_all(&guest->attachments, config->attachments,
                                    config->attachment_count, message, sizeof(message));
    if (status == STATUS_OK)
        return status;
    log_line("guest %s: %s", config->name, message);
    attachments_destroy(&guest->attachments); /* some may still wait to be freed */
    return status;
}

static void destroy_attachments(struct guest *guest, const struct guest_environment *environment)
{
    (void)environment;
    attachments_destroy(&guest->attachments);
}

static enum status create_buses(struct guest *guest, const struct guest_environment *environment)
{
    struct iobus_allocator allocator = {
        .allocate = allocate_for_bus,
        .release = release_for_bus,
        .context = &guest->heap,
    };
    enum status status = iobus_init(&guest->ports, IOBUS_PORT_LAST, &allocator, iobus_tsc);

    (void)environment;
    if (status != STATUS_OK)
        return status;
    status = iobus_init(&guest->mmio, IOBUS_MMIO_LAST, &allocator, iobus_tsc);
    if (status != STATUS_OK)
        iobus_destroy(&guest->ports);
    return status;
}

static void destroy_buses(struct guest *guest, const struct guest_environment *environment)
{
    (void)environment;
    iobus_destroy(&guest->mmio);
    iobus_destroy(&guest->ports);
}

/* The creation or the end of one vCPU, which runs on the vCPU's own processor. */
struct vcpu_task {
    struct guest *guest;
    const struct guest_environment *environment;
    uint32_t index;
    enum status status;
};

#define GUEST_VPID 1 /* 0 is the monitor's; only one guest at a time uses a processor */

static void leave_window(const struct guest *guest)
{
    address_space_leave(&cpu_this()->page_table, guest->config);
    paging_flush();
}

static void create_vcpu(void *context)
{
    struct vcpu_task *task = context;
    struct guest *guest = task->guest;

    task->status = address_space_enter(&cpu_this()->page_table, &guest->window, guest->config);
    if (task->status != STATUS_OK)
        return;
    task->status =
        vcpu_create(&guest->vcpus[task->index], guest, task->index, task->environment->heap,
                    ept_pointer(&guest->ept, false), GUEST_VPID);
    if (task->status != STATUS_OK)
        leave_window(guest);
}

static void destroy_vcpu(void *context)
{
    struct vcpu_task *task = context;

    vcpu_destroy(&task->guest->vcpus[task->index], task->environment->heap);
    leave_window(task->guest);
    /* The next guest may use these pages for its EPT, and the same VPID: no old translation may
     * remain. */
    vmx_invalidate_ept_all();
}

static void destroy_vcpus(struct guest *guest, const struct guest_environment *environment)
{
    while (guest->vcpu_count > 0) {
        struct vcpu_task task = {guest, environment, --guest->vcpu_count, STATUS_OK};

        cpus_call(guest->notes[task.index]->cpu->index, destroy_vcpu, &task);
        guest->notes[task.index] = NULL;
    }
    heap_release(environment->heap, guest->vcpus);
    guest->vcpus = NULL;
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

        cpus_call(cpu_this()->index + i, create_vcpu, &task);
        if (task.status != STATUS_OK) {
            destroy_vcpus(guest, environment);
            return task.status;
        }
        guest->notes[i] = &guest->vcpus[i].notes;
        guest->vcpu_count++;
    }
    return STATUS_OK;
}

static void destroy_board(struct guest *guest, const struct guest_environment *environment)
{
    heap_release(environment->heap, guest->testdev_memory);
    guest->testdev_memory = NULL;
}

/* Ranges of a board that could not be registered as a whole go away with the buses. */
static enum status create_board(struct guest *guest, const struct guest_environment *environment)
{
    struct board_hooks hooks = {
        .serial_transmit = on_serial_transmit,
        .debug_byte = on_debug_byte,
        .debug_exit = on_debug_exit,
        .power_off = on_power_off,
        .reset = on_reset,
        .shut_down = on_shutdown,
        .kick = on_kick,
        .is_own = on_own_news,
        .line_ended = on_line_ended,
        .deadline_moved = on_deadline_moved,
        .local_apic = vcpu_on_local_apic,
        .context = guest,
    };
    struct board_config config = {
        .ram_bytes = guest->config->memory_bytes,
        .low_ram_end = guest_ram_low_end(guest->config->memory_bytes),
        .high_ram_bytes =
            guest->config->memory_bytes - guest_ram_low_end(guest->config->memory_bytes),
        .cpu_count = guest->config->cpu_count,
    };

    enum status status;

    if (guest->config->has_testdev) {
        guest->testdev_memory = heap_allocate(environment->heap, TESTDEV_MEMORY_BYTES, PAGE_SIZE);
        if (guest->testdev_memory == NULL)
            return STATUS_NO_MEMORY;
        config.testdev_memory = guest->testdev_memory;
    }
    board_init(&guest->board, &hooks, &config);
    status = board_register(&guest->board, &guest->ports, &guest->mmio);
    if (status != STATUS_OK)
        destroy_board(guest, environment);
    return status;
}

static enum status create_apic_access_page(struct guest *guest,
                                           const struct guest_environment *environment)
{
    return guest_create_apic_access_page(guest, environment->heap);
}

static void destroy_apic_access_page(struct guest *guest,
                                     const struct guest_environment *environment)
{
    guest_destroy_apic_access_page(guest, environment->heap);
}

/* What a guest consists of, in the order of its creation. A step may use what stands above it, until
 * its own destroy returns: so a guest is destroyed in the reverse order. A create that fails leaves
 * nothing behind. Attachments come last, because they end in everything else: queued writes in the
 * board's devices, lines and messages in the vCPUs' local APICs. */
static const struct {
    enum status (*create)(struct guest *guest, const struct guest_environment *environment);
    void (*destroy)(struct guest *guest, const struct guest_environment *environment);
} steps[] = {
    {create_console, destroy_console},
    {create_window, destroy_window},
    {create_ept, destroy_ept},
    {create_heap, destroy_heap},
    {create_buses, destroy_buses},
    {create_board, destroy_board},
    {create_apic_access_page, destroy_apic_access_page},
    {create_vcpus, destroy_vcpus},
    {create_attachments, destroy_attachments},
};

/* Undoes the first count steps. */
static void undo(struct guest *guest, const struct guest_environment *environment, size_t count)
{
    while (count-- > 0)
        steps[count].destroy(guest, environment);
}

enum status guest_create(struct guest *guest, const struct guest_config *config,
                         const struct guest_environment *environment)
{
    memset(guest, 0, sizeof(*guest));
    guest->config = config;
    guest->timeout_tsc = UINT64_MAX;
    for (size_t i = 0; i < ARRAY_COUNT(steps); i++) {
        enum status status = steps[i].create(guest, environment);

        if (status != STATUS_OK) {
            undo(guest, environment, i);
            return status;
        }
    }
    return STATUS_OK;
}

void guest_destroy(struct guest *guest, const struct guest_environment *environment)
{
    undo(guest, environment, ARRAY_COUNT(steps));
}
