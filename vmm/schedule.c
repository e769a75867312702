/* Which guest runs when. A guest has its processor to itself from start to end; those of a sequence
 * follow one another on it. */
#include "vmm/base/log.h"
#include "vmm/console.h"
#include "vmm/loader/loader.h"
#include "vmm/memory/heap.h"
#include "vmm/monitor.h"

#define GUEST_VPID                                                                                 \
    1 /* VPID 0 is the monitor's own; one guest at a time lives on this processor                  \
       */

static void record_end(struct monitor *monitor)
{
    const struct guest *guest = monitor->guest;

    log_line("guest %s ended: %s, exit code %lu", guest->config->name, guest->end.reason,
             guest->end.exit_code);
    if (monitor->has_failed)
        return;
    monitor->exit_code = guest->end.exit_code;
    monitor->has_failed = !exit_code_is_success(guest->end.exit_code);
}

/* From power-on to the guest's end, resets included. False when the user wants to quit. */
static bool run_to_end(struct monitor *monitor)
{
    struct guest *guest = monitor->guest;

    console_connect(guest);
    if (guest_start(guest, &monitor->environment) != STATUS_OK)
        return true;
    for (;;) {
        vcpu_run(&guest->vcpu);
        if (console_wants_cpu()) {
            enum monitor_request request = monitor->request;
            monitor->request = REQUEST_NONE;
            if (request == REQUEST_QUIT) {
                log_line("guest %s ends: quit at the prompt", guest->config->name);
                return false;
            }
            console_connect(guest);
            guest->end.kind = GUEST_WANTS_RESET;
            console_cpu_given();
        }
        if (guest->end.kind != GUEST_WANTS_RESET)
            return true;
        log_line("guest %s resets", guest->config->name);
        if (guest_start(guest, &monitor->environment) != STATUS_OK)
            return true;
    }
}

/* The guest has ended and nothing else is to run. False when the user wants to quit, true to start
 * it again. */
static bool wait_at_prompt(struct monitor *monitor)
{
    console_connect(NULL);
    console_show_prompt();
    while (!console_wants_cpu())
        console_wait();
    bool again = monitor->request == REQUEST_RESET;
    monitor->request = REQUEST_NONE;
    console_cpu_given();
    return again;
}

static bool is_last(const struct monitor *monitor)
{
    return monitor->guest_index + 1 == monitor->environment.boot->guest_count;
}

/* One guest, from creation to destruction. False: quit. */
static bool run_guest(struct monitor *monitor)
{
    const struct boot_info *boot = monitor->environment.boot;
    const struct guest_config *config = &boot->guests[monitor->guest_index];
    struct heap *heap = monitor->environment.heap;
    struct guest *guest = heap_allocate(heap, sizeof(*guest), _Alignof(struct guest));
    enum status status = STATUS_NO_MEMORY;
    bool goes_on;

    if (guest != NULL)
        status = guest_create(guest, config, &monitor->environment, GUEST_VPID);
    if (status != STATUS_OK) {
        log_line("guest %s cannot be created: %s", config->name, status_name(status));
        monitor->has_failed = true;
        monitor->exit_code = EXIT_CODE_STOPPED;
        if (guest != NULL)
            heap_release(heap, guest);
        return true;
    }
    monitor->guest = guest;
    log_line("guest %s starts: %s, %lu MiB", config->name,
             guest_format_name(guest_format(config->kernel)), config->memory_bytes / MIB);
    do {
        goes_on = run_to_end(monitor);
        if (!goes_on)
            break;
        record_end(monitor);
    } while (is_last(monitor) && boot->on_last_exit == ON_LAST_EXIT_PROMPT &&
             (goes_on = wait_at_prompt(monitor)));
    console_connect(NULL);
    guest_destroy(guest, &monitor->environment);
    heap_release(heap, guest);
    monitor->guest = NULL;
    return goes_on;
}

void schedule_guests(struct monitor *monitor)
{
    size_t count = monitor->environment.boot->guest_count;

    for (monitor->guest_index = 0; monitor->guest_index < count; monitor->guest_index++) {
        if (!run_guest(monitor))
            return;
    }
}
