// SPDX-License-Identifier: BSD-2-Clause
/* The line's setup, its interrupt, and the work that the first processor does for it. */
#include "vmm/console/state.h"

#include "arch/x86/cpu.h"
#include "arch/x86/traps.h"
#include "vmm/base/clock.h"
#include "vmm/base/log.h"
#include "vmm/base/time.h"

/* The time in which the line's interrupt has to arrive. Queued output waits this long for it; then
 * the line is looked at without an interrupt. */
#define INTERRUPT_NS 20000000

/* How many causes of an interrupt are served in a row. Each cause means one full FIFO at most. */
#define CAUSES_MAX 1000

/* How often a line without an interrupt is looked at: its receiver of 16 bytes must not
 * overflow. */
#define POLL_CHARACTERS  12
#define POLL_NS_MIN      1000000
#define BITS_A_CHARACTER 10

/* How many looks follow as on a polled line when an interrupt was missed. */
#define POLLS_AFTER_MISS 8

struct console_state console;

volatile bool console_has_work;
volatile uint64_t console_look_tsc = UINT64_MAX;
volatile uint64_t console_deadline_tsc = UINT64_MAX;

void console_lock(void)
{
    if (atomic_load_explicit(&console.seized_by, memory_order_relaxed) != cpu_this())
        spinlock_acquire(&console.lock);
}

void console_unlock(void)
{
    if (atomic_load_explicit(&console.seized_by, memory_order_relaxed) != cpu_this())
        spinlock_release(&console.lock);
}

void console_seize(void)
{
    console.service = SERVICE_NONE;
    console.answers = false;
    atomic_store_explicit(&console.lock.is_held, true, memory_order_relaxed);
    atomic_store_explicit(&console.seized_by, cpu_this(), memory_order_relaxed);
}

void console_wake(void)
{
    if (console_has_work)
        return;
    console_has_work = true;
    if (cpu_this()->index != 0)
        cpus_kick(cpus_get(0));
    else if (console.work_wanted != NULL)
        console.work_wanted();
}

/* Serves the UART's causes of an interrupt until there is none, because an edge-triggered line
 * comes again only then. Gives up on a UART that always has another cause. Returns whether there was
 * one. */
static bool serve_causes(void)
{
    for (unsigned i = 0; i < CAUSES_MAX; i++) {
        switch (uart_interrupt_cause(&console.uart)) {
        case UART_CAUSE_NONE: return i > 0;
        case UART_CAUSE_RECEIVED: input_receive(); break;
        case UART_CAUSE_TRANSMITTED: output_send(); break;
        case UART_CAUSE_OTHER: break;
        }
    }
    return true;
}

static void on_interrupt(void *context)
{
    (void)context;
    console.interrupt_count++;
    (void)serve_causes();
    console_has_work = true;
}

/* Does what an interrupt would have done. A cause whose interrupt has not come means that the next
 * ones may not come either: then the next looks follow as on a polled line. */
static void look_at_line(void)
{
    if (console.service != SERVICE_INTERRUPT)
        input_receive();
    else if (serve_causes())
        console.polls_left = POLLS_AFTER_MISS;
    else if (console.polls_left > 0)
        console.polls_left--;
}

/* Sets the time of the next look if the last one's has passed, and the time until which a halted
 * processor may sleep. */
static void set_deadlines(uint64_t now_tsc)
{
    bool is_polled = console.service == SERVICE_POLLED;
    uint64_t deadline_tsc = console.report_tsc;

    if (console.service == SERVICE_NONE)
        return;
    if (now_tsc >= console_look_tsc)
        console_look_tsc = now_tsc + (is_polled || console.polls_left > 0 ? console.poll_ticks
                                                                          : console.look_ticks);
    if (console_look_tsc > deadline_tsc)
        console_look_tsc = deadline_tsc;
    if (is_polled || output_is_pending())
        deadline_tsc = console_look_tsc;
    console_deadline_tsc = deadline_tsc;
}

void console_work(void)
{
    bool waits_for_guest;
    uint64_t now_tsc = rdtsc();

    console_has_work = false;
    if (now_tsc >= console_look_tsc)
        look_at_line();
    waits_for_guest = !input_deliver();
    clients_report_dropped(now_tsc);
    output_send();
    set_deadlines(now_tsc);
    clients_offer_room();
    /* The guest empties its receiver during one of its own exits: so look again after each exit
     * until the receiver has room. */
    if (waits_for_guest)
        console_has_work = true;
}

enum status console_init(uint16_t port, uint32_t baud)
{
    enum status status = uart_init(&console.uart, port, baud);

    output_queue_init(&console.output);
    input_queue_init(&console.input);
    line_editor_init(&console.editor, output_echo, NULL);
    console.report_tsc = UINT64_MAX;
    console.is_present = status == STATUS_OK;
    console_has_work = true;
    log_set_sink(output_log, NULL);
    return status;
}

void console_on_work(void (*work_wanted)(void))
{
    console.work_wanted = work_wanted;
}

void console_set_commands(const struct command *commands, size_t count, void *context)
{
    console.commands = commands;
    console.command_count = count;
    console.command_context = context;
}

/* Lets interrupts in until the line's interrupt comes. Returns false if it did not come within
 * INTERRUPT_NS. */
static bool interrupt_comes(void)
{
    uint64_t end = rdtsc() + clock_ticks_from_ns(INTERRUPT_NS);
    uint64_t before = console.interrupt_count;

    while (console.interrupt_count == before) {
        if (rdtsc() >= end)
            return false;
        cpu_let_interrupts_in();
    }
    return true;
}

/* Returns the time from one look to the next on a polled line. */
static uint64_t poll_ticks(void)
{
    uint64_t ns = POLL_CHARACTERS * BITS_A_CHARACTER * NS_PER_SECOND / console.uart.baud;

    if (ns < POLL_NS_MIN)
        ns = POLL_NS_MIN;
    else if (ns > INTERRUPT_NS)
        ns = INTERRUPT_NS;
    return clock_ticks_from_ns(ns);
}

bool console_use_interrupt(uint8_t vector)
{
    bool is_another, is_ours;

    console_flush(); /* an empty transmitter causes interrupts */
    trap_set_interrupt_handler(vector, on_interrupt, NULL);
    uart_set_interrupts(&console.uart, false, false);
    is_another = interrupt_comes();
    if (is_another) /* the first may be an old one */
        is_another = interrupt_comes();
    uart_set_interrupts(&console.uart, false, true);
    is_ours = interrupt_comes();
    uart_set_interrupts(&console.uart, is_ours && !is_another, false);
    if (!is_ours || is_another) {
        trap_set_interrupt_handler(vector, NULL, NULL);
        return false;
    }
    console.look_ticks = clock_ticks_from_ns(INTERRUPT_NS);
    console.poll_ticks = poll_ticks();
    console_look_tsc = 0;
    console.service = SERVICE_INTERRUPT;
    input_receive();
    console_has_work = true;
    return true;
}

void console_poll(void)
{
    console.poll_ticks = poll_ticks();
    console_look_tsc = 0;
    console_deadline_tsc = 0;
    console.service = SERVICE_POLLED;
    console_has_work = true;
}

void console_wait(void)
{
    if (console.service == SERVICE_POLLED)
        cpu_pause();
    else if (!console_has_work)
        cpus_wait();
    console_service(rdtsc());
}
