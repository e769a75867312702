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

struct console_state console;

volatile bool console_has_work;
volatile uint64_t console_deadline_tsc = UINT64_MAX;

void console_lock(void)
{
    const struct cpu *self = cpu_this();

    if (atomic_load_explicit(&console.owner, memory_order_relaxed) != self) {
        spinlock_acquire(&console.lock);
        atomic_store_explicit(&console.owner, self, memory_order_relaxed);
    }
    console.depth++;
}

void console_unlock(void)
{
    if (--console.depth > 0)
        return;
    atomic_store_explicit(&console.owner, NULL, memory_order_relaxed);
    spinlock_release(&console.lock);
}

void console_seize(void)
{
    console.service = SERVICE_NONE;
    atomic_store_explicit(&console.lock.is_held, true, memory_order_relaxed);
    atomic_store_explicit(&console.owner, cpu_this(), memory_order_relaxed);
    console.depth = 1;
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
 * comes again only then. Gives up on a UART that always has another cause. */
static void serve_causes(void)
{
    for (unsigned i = 0; i < CAUSES_MAX; i++) {
        switch (uart_interrupt_cause(&console.uart)) {
        case UART_CAUSE_NONE: return;
        case UART_CAUSE_RECEIVED: input_receive(); break;
        case UART_CAUSE_TRANSMITTED:
            console_lock();
            output_send();
            console_unlock();
            break;
        case UART_CAUSE_OTHER: break;
        }
    }
}

static void on_interrupt(void *context)
{
    (void)context;
    console.interrupt_count++;
    serve_causes();
    console_has_work = true;
}

/* Does at the deadline what an interrupt would have done. */
static void look_at_line(void)
{
    if (console.service == SERVICE_INTERRUPT)
        serve_causes();
    else
        input_receive();
}

/* Sets the next deadline if the last one has passed or there was none; sets none if none is
 * needed. */
static void set_deadline(uint64_t now_tsc)
{
    bool is_wanted = console.service == SERVICE_POLLED ||
                     (console.service == SERVICE_INTERRUPT && byte_ring_used(&console.output) > 0);

    if (!is_wanted)
        console_deadline_tsc = UINT64_MAX;
    else if (now_tsc >= console_deadline_tsc || console_deadline_tsc == UINT64_MAX)
        console_deadline_tsc = now_tsc + console.look_ticks;
}

void console_work(void)
{
    bool waits_for_guest;
    uint64_t now_tsc = rdtsc();

    console_has_work = false;
    if (now_tsc >= console_deadline_tsc)
        look_at_line();
    waits_for_guest = !input_deliver();
    console_lock();
    output_send();
    console_unlock();
    set_deadline(now_tsc);
    output_offer_room();
    /* The guest empties its receiver during one of its own exits: so look again after each exit
     * until the receiver has room. */
    if (waits_for_guest || console.guest_was_refused)
        console_has_work = true;
}

enum status console_init(uint16_t port, uint32_t baud)
{
    enum status status = uart_init(&console.uart, port, baud);

    byte_ring_init(&console.output, console.output_bytes, OUTPUT_BYTES);
    input_queue_init(&console.input);
    line_editor_init(&console.editor, output_echo, NULL);
    console.at_line_start = true;
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
    console.service = SERVICE_INTERRUPT;
    input_receive();
    console_has_work = true;
    return true;
}

void console_poll(void)
{
    uint64_t ns = POLL_CHARACTERS * BITS_A_CHARACTER * NS_PER_SECOND / console.uart.baud;

    if (ns < POLL_NS_MIN)
        ns = POLL_NS_MIN;
    else if (ns > INTERRUPT_NS)
        ns = INTERRUPT_NS;
    console.look_ticks = clock_ticks_from_ns(ns);
    console.service = SERVICE_POLLED;
    console_deadline_tsc = 0;
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
