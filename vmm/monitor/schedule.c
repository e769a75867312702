// SPDX-License-Identifier: BSD-2-Clause
/* Decides which guest runs when and where. A guest has its processors for itself from start to end.
 * Parallel guests get consecutive processors, in the order of the file. The guests of a sequence
 * run one after another on the same processors. */
#include "arch/x86/cpu.h"
#include "vmm/base/clock.h"
#include "vmm/base/log.h"
#include "vmm/console/console.h"
#include "vmm/host/cpus.h"
#include "vmm/loader/loader.h"
#include "vmm/memory/heap.h"
#include "vmm/monitor/demand.h"
#include "vmm/monitor/monitor.h"
#include "vmm/run/run.h"

#define STOP_REASON "stopped at the prompt"
#define QUIT_REASON "quit at the prompt"

static void record_result(struct monitor *monitor, uint64_t exit_code)
{
    spinlock_acquire(&monitor->result_lock);
    if (!monitor->has_failed) {
        monitor->exit_code = exit_code;
        monitor->has_failed = !exit_code_is_success(exit_code);
    }
    spinlock_release(&monitor->result_lock);
}

static enum slot_state state_of(const struct guest_slot *slot)
{
    return atomic_load_explicit(&slot->state, memory_order_acquire);
}

static void set_state(struct guest_slot *slot, enum slot_state state)
{
    atomic_store_explicit(&slot->state, state, memory_order_release);
}

static enum status create_guest(struct guest_slot *slot)
{
    struct heap *heap = slot->monitor->environment.heap;
    struct guest *guest = heap_allocate(heap, sizeof(*guest), _Alignof(struct guest));
    enum status status = STATUS_NO_MEMORY;

    if (guest != NULL)
        status = guest_create(guest, slot->config, &slot->monitor->environment);
    if (status == STATUS_OK) {
        slot->guest = guest;
        return status;
    }
    if (guest != NULL)
        heap_release(heap, guest);
    log_line("guest %s cannot be created: %s", slot->config->name, status_name(status));
    return status;
}

static void destroy_guest(struct guest_slot *slot)
{
    struct guest *guest = slot->guest;

    if (guest == NULL)
        return;
    slot->guest = NULL; /* first, so that nobody finds a part of it */
    guest_destroy(guest, &slot->monitor->environment);
    heap_release(slot->monitor->environment.heap, guest);
}

static uint64_t timeout_tsc(const struct guest_config *config)
{
    if (config->timeout_seconds == 0)
        return UINT64_MAX;
    return rdtsc() + config->timeout_seconds * clock_tsc_hz();
}

/* Ends the guest if the user wanted that while it was resetting. */
static void obey_user(struct guest_slot *slot)
{
    /* Whoever sets the flags ends the guest after that if it runs: so either the guest ends there,
     * or the flags are seen here. */
    atomic_thread_fence(memory_order_seq_cst);
    if (slot->monitor->quits)
        guest_end(slot->guest, GUEST_QUIT, 0, QUIT_REASON);
    else if (slot->stops)
        (void)guest_stop(slot->guest, STOP_REASON);
}

/* Runs the guest from power-on to its end, through any number of resets. */
static void run_to_end(struct guest_slot *slot)
{
    struct guest *guest = slot->guest;

    guest->timeout_tsc = timeout_tsc(slot->config);
    for (;;) {
        if (guest_start(guest, &slot->monitor->environment) != STATUS_OK)
            return;
        obey_user(slot);
        guest_run(guest);
        if (guest->end.kind != GUEST_WANTS_RESET)
            return;
        console_log_about(&guest->console, " resets");
    }
}

/* Runs the slot's guest on the processor of its first vCPU; creates it before, if it does not
 * exist. */
static void run_slot(void *context)
{
    struct guest_slot *slot = context;
    struct monitor *monitor = slot->monitor;
    const struct guest_config *config = slot->config;

    if (slot->guest == NULL && create_guest(slot) != STATUS_OK) {
        record_result(monitor, EXIT_CODE_STOPPED);
        set_state(slot, SLOT_ENDED);
        return;
    }
    if (monitor_selected(monitor) == slot)
        console_connect(&slot->guest->console);
    log_line("guest %s starts%s: %s, %lu MiB", config->name,
             slot->guest->start_count == 0 ? "" : " again", config->format_name,
             config->memory_bytes / MIB);
    run_to_end(slot);
    heap_check(&slot->guest->heap);
    console_report_dropped(&slot->guest->console);
    if (slot->guest->end.kind == GUEST_QUIT) {
        log_line("guest %s ends: " QUIT_REASON, config->name);
    } else {
        log_line("guest %s ended: %s, exit code %lu", config->name, slot->guest->end.reason,
                 slot->guest->end.exit_code);
        record_result(monitor, slot->guest->end.exit_code);
    }
    set_state(slot, SLOT_ENDED);
}

static void start(struct guest_slot *slot)
{
    slot->stops = false;
    set_state(slot, SLOT_ACTIVE);
    if (slot->first_cpu == 0)
        run_slot(slot);
    else
        cpus_run(cpus_get(slot->first_cpu), run_slot, slot);
}

static bool is_busy(const struct guest_slot *slot)
{
    return state_of(slot) == SLOT_ACTIVE ||
           (slot->first_cpu != 0 && !cpus_is_idle(cpus_get(slot->first_cpu)));
}

bool schedule_stop(struct guest_slot *slot)
{
    if (state_of(slot) != SLOT_ACTIVE || slot->guest == NULL)
        return false;
    slot->stops = true;
    if (guest_is_running(slot->guest) || slot->guest->end.kind == GUEST_WANTS_RESET) {
        (void)guest_stop(slot->guest, STOP_REASON);
        return true;
    }
    return false;
}

void schedule_restart(struct guest_slot *slot)
{
    if (slot->monitor->quits)
        return;
    if (state_of(slot) == SLOT_ACTIVE && slot->guest != NULL)
        guest_end(slot->guest, GUEST_WANTS_RESET, 0, "reset at the prompt");
    else if (state_of(slot) == SLOT_ENDED && !is_busy(slot) && slot->first_cpu != 0)
        start(slot);
    else if (state_of(slot) == SLOT_ENDED)
        slot->restarts = true; /* wait_for_end starts it when the processor is free */
}

void schedule_quit(struct monitor *monitor)
{
    monitor->quits = true;
    for (size_t i = 0; i < monitor->slot_count; i++) {
        struct guest_slot *slot = &monitor->slots[i];

        if (state_of(slot) == SLOT_ACTIVE && slot->guest != NULL)
            guest_end(slot->guest, GUEST_QUIT, 0, QUIT_REASON);
    }
}

/* Prepares the start of a guest of a sequence: the others, which have ended, give back their memory
 * and the line, as their RAM is this guest's as well. */
static void make_room(struct guest_slot *slot)
{
    struct monitor *monitor = slot->monitor;

    if (monitor->environment.boot->schedule != SCHEDULE_SEQUENCE)
        return;
    for (size_t i = 0; i < monitor->slot_count; i++) {
        if (&monitor->slots[i] == slot)
            monitor->selected = i;
        else
            destroy_guest(&monitor->slots[i]);
    }
}

/* Starts the guests again that the user wants. A guest that starts takes the line from the prompt,
 * even if it has ended when this function returns; *has_prompt is then false. Returns whether all
 * guests have ended. */
static bool look_after_guests(struct monitor *monitor, bool *has_prompt)
{
    bool all_ended = true;

    for (size_t i = 0; i < monitor->slot_count; i++) {
        struct guest_slot *slot = &monitor->slots[i];

        if (slot->restarts && !is_busy(slot) && !monitor->quits) {
            slot->restarts = false;
            *has_prompt = false;
            make_room(slot);
            start(slot);
        }
        all_ended = all_ended && !is_busy(slot);
    }
    return all_ended;
}

static void wait_for_end(struct monitor *monitor)
{
    bool has_prompt = false;

    for (;;) {
        bool all_ended = look_after_guests(monitor, &has_prompt);

        if (all_ended &&
            (monitor->quits || monitor->environment.boot->on_last_exit == ON_LAST_EXIT_POWEROFF))
            return;
        if (all_ended && !has_prompt) {
            console_connect(NULL);
            console_show_prompt();
        }
        has_prompt = all_ended;
        console_wait();
    }
}

static void run_sequence(struct monitor *monitor)
{
    for (size_t i = 0; i < monitor->slot_count && !monitor->quits; i++) {
        if (i > 0) {
            destroy_guest(&monitor->slots[i - 1]); /* the next guest uses its RAM */
            heap_check(monitor->environment.heap);
        }
        monitor->selected = i;
        start(&monitor->slots[i]);
    }
}

/* Starts all guests. The first guest comes last because it runs on this processor. */
static void run_parallel(struct monitor *monitor)
{
    uint32_t cpu = 0;

    for (size_t i = 0; i < monitor->slot_count; i++) {
        monitor->slots[i].first_cpu = cpu;
        cpu += monitor->slots[i].config->cpu_count;
    }
    for (size_t i = monitor->slot_count; i-- > 0;)
        start(&monitor->slots[i]);
}

/* Returns whether there are enough processors. The boot stage has counted them, but some may not
 * have come online. Logs it if there are too few. */
static bool has_processors(const struct monitor *monitor)
{
    uint32_t needed = demand_processors(monitor->environment.boot);

    if (needed > cpus_count())
        log_line("the guests need %u processors and %u work: no guest is started", needed,
                 cpus_count());
    return needed <= cpus_count();
}

static void destroy_slot(void *slot)
{
    destroy_guest(slot);
}

/* Destroys the guests that have ended, each on its own processor: no VMCS may be active on a
 * processor that leaves VMX operation. What a guest has still queued for its COM1 is shown if it has
 * the line. */
static void destroy_guests(struct monitor *monitor)
{
    for (size_t i = 0; i < monitor->slot_count; i++)
        cpus_call(monitor->slots[i].first_cpu, destroy_slot, &monitor->slots[i]);
}

void schedule_guests(struct monitor *monitor)
{
    const struct boot_info *boot = monitor->environment.boot;

    console_on_work(run_note_console_work);
    monitor->slot_count = boot->guest_count;
    for (size_t i = 0; i < monitor->slot_count; i++)
        monitor->slots[i] = (struct guest_slot){.monitor = monitor, .config = &boot->guests[i]};
    for (size_t i = 0; i < boot->left_out_count; i++) {
        log_line("guest %s is left out: %s", boot->left_out[i].name, boot->left_out[i].reason);
        record_result(monitor, EXIT_CODE_STOPPED);
    }
    if (!has_processors(monitor)) {
        record_result(monitor, EXIT_CODE_STOPPED);
        return;
    }
    if (boot->schedule == SCHEDULE_SEQUENCE)
        run_sequence(monitor);
    else
        run_parallel(monitor);
    wait_for_end(monitor);
    destroy_guests(monitor);
}
