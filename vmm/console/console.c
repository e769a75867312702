// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/console/console.h"

#include "arch/x86/cpu.h"
#include "arch/x86/traps.h"
#include "arch/x86/uart.h"
#include "vmm/base/clock.h"
#include "vmm/base/log.h"
#include "vmm/base/spinlock.h"
#include "vmm/base/time.h"
#include "vmm/host/cpus.h"
#include "vmm/prompt/line_editor.h"

#include <stdatomic.h>

#define OUTPUT_BYTES       (64 * 1024)
#define INPUT_BYTES        (64 * 1024)
#define MONITOR_SHARE      (8 * 1024) /* bytes of the output ring that a guest cannot use */
#define ROOM_WORTH_TELLING 16         /* bytes (a FIFO) that a client waits for if it was refused */
#define ESCAPE_KEY         0x1d       /* Ctrl-] */
#define PROMPT             "portcullis> "

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

enum focus {
    FOCUS_PROMPT,
    FOCUS_GUEST,
};

/* Who sends the bytes that wait in the output ring. */
enum service {
    SERVICE_NONE,      /* nobody: a caller that prints waits until all is out */
    SERVICE_INTERRUPT, /* the transmitter-empty interrupt, and console_work */
    SERVICE_POLLED,    /* console_work alone */
};

static struct {
    /* Keeps the processors apart. The processor that holds the lock may take it again, because
     * functions that the console calls may log. */
    struct spinlock lock;
    const struct cpu *_Atomic owner;
    unsigned depth;

    struct uart uart;
    bool is_present;
    bool is_stuck; /* the UART took nothing for longer than its FIFO needs to empty */
    enum service service;
    bool transmit_interrupt; /* enabled at the UART */
    volatile uint64_t interrupt_count;
    uint64_t look_ticks; /* the time from one look at the line to the next */

    struct byte_ring output; /* to the UART */
    struct byte_ring input;  /* from the UART */
    uint8_t output_bytes[OUTPUT_BYTES];
    uint8_t input_bytes[INPUT_BYTES];
    bool at_line_start;
    bool guest_is_in_line;  /* the guest has begun a line and has not ended it */
    bool prompt_is_open;    /* nothing came after the prompt except what the user typed there */
    bool guest_was_refused; /* console_transmit has returned false */
    uint64_t input_lost;

    enum focus focus;
    struct console_client *client; /* null: the prompt alone has the line */
    void (*work_wanted)(void);
    struct line_editor editor;
    const struct command *commands;
    size_t command_count;
    void *command_context;
} console;

volatile bool console_has_work;
volatile uint64_t console_deadline_tsc = UINT64_MAX;

static void lock(void)
{
    const struct cpu *self = cpu_this();

    if (atomic_load_explicit(&console.owner, memory_order_relaxed) != self) {
        spinlock_acquire(&console.lock);
        atomic_store_explicit(&console.owner, self, memory_order_relaxed);
    }
    console.depth++;
}

static void unlock(void)
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

/* Gives the UART as many bytes as it takes. The transmitter-empty interrupt asks for the rest. */
static void send(void)
{
    const uint8_t *bytes;
    size_t available, sent;

    while ((available = byte_ring_peek(&console.output, &bytes)) > 0) {
        for (sent = 0; sent < available && uart_try_put(&console.uart, bytes[sent]); sent++)
            ;
        byte_ring_consume(&console.output, sent);
        if (sent < available)
            break;
    }
    bool want_interrupt = available > 0;
    if (console.service == SERVICE_INTERRUPT && want_interrupt != console.transmit_interrupt) {
        console.transmit_interrupt = want_interrupt;
        uart_set_interrupts(&console.uart, true, want_interrupt);
    }
}

/* Sends one byte, and waits for the UART if needed. A stuck UART must not stop the machine: this
 * function waits for it once, and then drops bytes until the UART takes one again. */
static void send_one_polled(void)
{
    const uint8_t *bytes;

    if (byte_ring_peek(&console.output, &bytes) == 0)
        return;
    console.is_stuck = console.is_stuck ? !uart_try_put(&console.uart, bytes[0])
                                        : !uart_put_polled(&console.uart, bytes[0]);
    byte_ring_consume(&console.output, 1);
}

static void put(uint8_t byte)
{
    if (!console.is_present)
        return;
    while (byte_ring_put(&console.output, &byte, 1) == 0)
        send_one_polled();
    console.at_line_start = byte == '\n';
}

/* Makes the first processor do the console's work soon. The console is locked. */
static void wake(void)
{
    if (console_has_work)
        return;
    console_has_work = true;
    if (cpu_this()->index != 0)
        cpus_kick(cpus_get(0));
    else if (console.work_wanted != NULL)
        console.work_wanted();
}

static void start_sending(void)
{
    if (console.service == SERVICE_NONE) {
        console_flush();
        return;
    }
    send();
    if (byte_ring_used(&console.output) > 0)
        wake();
}

/* Writes text of the monitor itself. Nothing of it is lost, and lines end as terminals need it. */
static void write_text(void *context, const char *text, size_t length)
{
    (void)context;
    lock();
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '\n')
            put('\r');
        put((uint8_t)text[i]);
    }
    start_sending();
    unlock();
}

/* Writes what the line editor shows of the user's typing; it is already in a terminal's form. */
static void echo(void *context, const char *text, size_t length)
{
    (void)context;
    lock();
    for (size_t i = 0; i < length; i++)
        put((uint8_t)text[i]);
    start_sending();
    unlock();
}

/* Writes a message of the log. It begins on a line of its own, even if the guest or the user is in
 * the middle of a line. */
static void write_log(void *context, const char *text, size_t length)
{
    if (!console.is_present)
        return;
    lock();
    if ((console.guest_is_in_line && console.focus == FOCUS_GUEST) || console.prompt_is_open)
        write_text(context, "\n", 1);
    console.prompt_is_open = false;
    console.guest_is_in_line = false;
    write_text(context, text, length);
    unlock();
}

static void put_for_guest(uint8_t byte)
{
    put(byte);
    console.guest_is_in_line = byte != '\n';
}

static bool guest_may_put(const struct byte_ring *ring, size_t reserve)
{
    return byte_ring_space(ring) > reserve;
}

void console_client_init(struct console_client *client)
{
    struct console_backlog *backlog = &client->backlog;

    byte_ring_init(&backlog->ring, backlog->bytes, sizeof(backlog->bytes));
    backlog->dropped = 0;
}

/* Keeps a byte of a guest that the user does not see. Such a guest must not have to wait: if there
 * is no room, the oldest byte is dropped. */
static void keep(struct console_backlog *backlog, uint8_t byte)
{
    if (byte_ring_space(&backlog->ring) == 0) {
        byte_ring_consume(&backlog->ring, 1);
        backlog->dropped++;
    }
    (void)byte_ring_put(&backlog->ring, &byte, 1);
}

static bool take_from_guest(struct console_client *client, uint8_t byte)
{
    if (client != console.client) {
        keep(&client->backlog, byte);
        return true;
    }
    if (console.focus == FOCUS_GUEST ? guest_may_put(&console.output, MONITOR_SHARE)
                                     : guest_may_put(&client->backlog.ring, 0)) {
        if (console.focus == FOCUS_GUEST)
            put_for_guest(byte);
        else
            (void)byte_ring_put(&client->backlog.ring, &byte, 1);
        return true;
    }
    console.guest_was_refused = true;
    return false;
}

bool console_transmit(struct console_client *client, uint8_t byte)
{
    bool is_taken;

    lock();
    is_taken = take_from_guest(client, byte);
    if (is_taken)
        wake();
    unlock();
    return is_taken;
}

/* Prints what the guest printed while it did not have the line. */
static void release_backlog(struct console_client *client)
{
    const uint8_t *bytes;

    if (client->backlog.dropped > 0)
        log_line("%lu bytes that %s printed before were not kept", client->backlog.dropped,
                 client->name);
    client->backlog.dropped = 0;
    while (byte_ring_peek(&client->backlog.ring, &bytes) > 0) {
        put_for_guest(bytes[0]);
        byte_ring_consume(&client->backlog.ring, 1);
    }
}

static void offer_room(void)
{
    struct console_client *client = NULL;

    lock();
    if (console.guest_was_refused && console.client != NULL &&
        byte_ring_space(&console.output) > MONITOR_SHARE + ROOM_WORTH_TELLING) {
        console.guest_was_refused = false;
        client = console.client;
    }
    unlock();
    /* This call is not made under the lock: the board's lock is taken before the console's, never
     * after it. */
    if (client != NULL)
        client->ready(client->context);
}

void console_show_prompt(void)
{
    lock();
    if (!console.at_line_start)
        write_text(NULL, "\n", 1);
    console.focus = FOCUS_PROMPT;
    write_text(NULL, PROMPT, sizeof(PROMPT) - 1);
    command_print(&(struct command_output){.write = write_text}, "%s",
                  line_editor_pending(&console.editor));
    console.prompt_is_open = true;
    unlock();
}

static void leave_prompt(void)
{
    if (console.client == NULL)
        return;
    lock();
    command_print(&(struct command_output){.write = write_text}, "\n[%s; Ctrl-] for the monitor]\n",
                  console.client->name);
    console.focus = FOCUS_GUEST;
    console.prompt_is_open = false;
    release_backlog(console.client);
    unlock();
}

void console_connect(struct console_client *client)
{
    lock();
    if (client == NULL && console.client != NULL)
        release_backlog(console.client);
    console.client = client;
    console.guest_was_refused = false;
    console.focus = client != NULL ? FOCUS_GUEST : FOCUS_PROMPT;
    console.prompt_is_open = false;
    if (client != NULL)
        release_backlog(client);
    unlock();
}

void console_select(struct console_client *client)
{
    lock();
    console.client = client;
    console.guest_was_refused = false;
    unlock();
}

static void type_at_prompt(uint8_t byte)
{
    struct command_output output = {.write = write_text};
    enum line_result result = line_editor_feed(&console.editor, (char)byte);
    char line[LINE_BYTES_MAX + 1];

    if (result == LINE_PENDING)
        return;
    if (result == LINE_DONE) {
        const char *text = line_editor_text(&console.editor);
        size_t length = 0;
        for (; text[length] != '\0'; length++)
            line[length] = text[length];
        line[length] = '\0';
        console.prompt_is_open = false;
        (void)command_run(console.commands, console.command_count, console.command_context, &output,
                          line); /* errors have been printed */
    }
    if (console.focus == FOCUS_PROMPT) {
        write_text(NULL, PROMPT, sizeof(PROMPT) - 1);
        console.prompt_is_open = true;
    }
}

/* Takes one byte of input. Returns false if the byte has to wait until the guest has read its
 * receiver. */
static bool take_input(uint8_t byte)
{
    const struct console_client *client = console.client;

    if (byte == ESCAPE_KEY) {
        if (console.focus == FOCUS_GUEST)
            console_show_prompt();
        else
            leave_prompt();
        return true;
    }
    if (console.focus == FOCUS_PROMPT) {
        type_at_prompt(byte);
        return true;
    }
    if (!client->is_running(client->context))
        return true; /* the guest will never read it */
    if (client->space(client->context) == 0)
        return false;
    client->receive(client->context, byte);
    return true;
}

/* Drops the input before the first Ctrl-], so that a guest that does not read cannot keep the user
 * from the prompt. Returns false if there is no Ctrl-]. */
static bool drop_input_before_escape(void)
{
    const uint8_t *bytes;
    size_t available = byte_ring_peek(&console.input, &bytes);

    for (size_t i = 0; i < available; i++) {
        if (bytes[i] == ESCAPE_KEY) {
            byte_ring_consume(&console.input, i);
            return true;
        }
    }
    return false;
}

static void receive(void)
{
    uint8_t byte;

    while (uart_try_get(&console.uart, &byte)) {
        if (byte_ring_put(&console.input, &byte, 1) == 0)
            console.input_lost++;
    }
}

/* Serves the UART's causes of an interrupt until there is none, because an edge-triggered line
 * comes again only then. Gives up on a UART that always has another cause. */
static void serve_causes(void)
{
    for (unsigned i = 0; i < CAUSES_MAX; i++) {
        switch (uart_interrupt_cause(&console.uart)) {
        case UART_CAUSE_NONE: return;
        case UART_CAUSE_RECEIVED: receive(); break;
        case UART_CAUSE_TRANSMITTED:
            lock();
            send();
            unlock();
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
        receive();
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
    const uint8_t *bytes;
    bool waits_for_guest = false;
    uint64_t now_tsc = rdtsc();

    console_has_work = false;
    if (now_tsc >= console_deadline_tsc)
        look_at_line();
    while (byte_ring_peek(&console.input, &bytes) > 0) {
        waits_for_guest = !take_input(bytes[0]);
        if (!waits_for_guest)
            byte_ring_consume(&console.input, 1);
        else if (!drop_input_before_escape())
            break;
    }
    lock();
    send();
    unlock();
    set_deadline(now_tsc);
    offer_room();
    /* The guest empties its receiver during one of its own exits: so look again after each exit
     * until the receiver has room. */
    if (waits_for_guest || console.guest_was_refused)
        console_has_work = true;
}

enum status console_init(uint16_t port, uint32_t baud)
{
    enum status status = uart_init(&console.uart, port, baud);

    byte_ring_init(&console.output, console.output_bytes, OUTPUT_BYTES);
    byte_ring_init(&console.input, console.input_bytes, INPUT_BYTES);
    line_editor_init(&console.editor, echo, NULL);
    console.at_line_start = true;
    console.is_present = status == STATUS_OK;
    console_has_work = true;
    log_set_sink(write_log, NULL);
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
    receive();
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

void console_flush(void)
{
    if (!console.is_present)
        return;
    lock();
    while (byte_ring_used(&console.output) > 0)
        send_one_polled();
    (void)uart_flush(&console.uart);
    unlock();
}
