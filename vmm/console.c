#include "vmm/console.h"

#include "arch/x86/cpu.h"
#include "arch/x86/traps.h"
#include "arch/x86/uart.h"
#include "vmm/base/log.h"
#include "vmm/console/byte_ring.h"
#include "vmm/console/line_editor.h"
#include "vmm/guest.h"

#define OUTPUT_BYTES  (64 * 1024)
#define HELD_BYTES    (64 * 1024)
#define INPUT_BYTES   (64 * 1024)
#define MONITOR_SHARE (8 * 1024) /* of the output ring, out of the guest's reach */
#define ESCAPE_KEY    0x1d       /* Ctrl-] */
#define PROMPT        "portcullis> "

enum focus {
    FOCUS_PROMPT,
    FOCUS_GUEST,
};

static struct {
    struct uart uart;
    bool is_present;
    bool has_interrupt;
    bool transmit_interrupt; /* enabled at the UART */

    struct byte_ring output; /* to the UART */
    struct byte_ring held;   /* of the guest, while the prompt has the line */
    struct byte_ring input;  /* from the UART */
    uint8_t output_bytes[OUTPUT_BYTES];
    uint8_t held_bytes[HELD_BYTES];
    uint8_t input_bytes[INPUT_BYTES];
    bool at_line_start;
    bool guest_is_in_line;  /* the guest has begun a line and not ended it */
    bool guest_was_refused; /* console_guest_transmit said no */
    uint64_t input_lost;

    enum focus focus;
    struct guest *guest;
    struct line_editor editor;
    const struct command *commands;
    size_t command_count;
    void *command_context;
    bool wants_cpu;
} console;

volatile bool console_has_work;

/* --- Output --- */

/* Gives the UART what it takes; the transmitter-empty interrupt asks for the rest. */
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
    if (console.has_interrupt && want_interrupt != console.transmit_interrupt) {
        console.transmit_interrupt = want_interrupt;
        uart_set_interrupts(&console.uart, true, want_interrupt);
    }
}

static void send_one_polled(void)
{
    const uint8_t *bytes;

    if (byte_ring_peek(&console.output, &bytes) == 0)
        return;
    (void)uart_put_polled(&console.uart, bytes[0]); /* a stuck UART must not stop the machine */
    byte_ring_consume(&console.output, 1);
}

static void put(uint8_t byte)
{
    while (byte_ring_put(&console.output, &byte, 1) == 0)
        send_one_polled();
    console.at_line_start = byte == '\n';
}

static void start_sending(void)
{
    if (console.has_interrupt)
        send();
    else
        console_flush(); /* nobody would send the rest */
}

/* Text of the monitor's own: never lost, lines end as terminals want it. */
static void write_text(void *context, const char *text, size_t length)
{
    (void)context;
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '\n')
            put('\r');
        put((uint8_t)text[i]);
    }
    start_sending();
}

/* What the line editor shows of the user's typing: for a terminal already. */
static void echo(void *context, const char *text, size_t length)
{
    (void)context;
    for (size_t i = 0; i < length; i++)
        put((uint8_t)text[i]);
    start_sending();
}

/* Messages begin on a line of their own, whatever the guest or the user was at. */
static void write_log(void *context, const char *text, size_t length)
{
    if (!console.is_present)
        return;
    if (console.guest_is_in_line && console.focus == FOCUS_GUEST)
        write_text(context, "\n", 1);
    console.guest_is_in_line = false;
    write_text(context, text, length);
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

bool console_guest_transmit(struct guest *guest, uint8_t byte)
{
    bool goes_out = console.focus == FOCUS_GUEST && guest == console.guest;

    if (goes_out ? guest_may_put(&console.output, MONITOR_SHARE)
                 : guest_may_put(&console.held, 0)) {
        if (goes_out)
            put_for_guest(byte);
        else
            (void)byte_ring_put(&console.held, &byte, 1);
        console_has_work = true;
        return true;
    }
    console.guest_was_refused = true;
    return false;
}

/* What the guest printed while the prompt had the line. */
static void release_held(void)
{
    const uint8_t *bytes;

    while (byte_ring_peek(&console.held, &bytes) > 0) {
        put_for_guest(bytes[0]);
        byte_ring_consume(&console.held, 1);
    }
}

static void tell_guest_of_room(void)
{
    if (!console.guest_was_refused || console.guest == NULL ||
        byte_ring_space(&console.output) <= MONITOR_SHARE + UART16550_FIFO_BYTES)
        return;
    console.guest_was_refused = false;
    machine_serial_ready(&console.guest->machine);
}

/* --- Focus --- */

void console_show_prompt(void)
{
    if (!console.at_line_start)
        write_text(NULL, "\n", 1);
    console.focus = FOCUS_PROMPT;
    write_text(NULL, PROMPT, sizeof(PROMPT) - 1);
    command_print(&(struct command_output){.write = write_text}, "%s",
                  line_editor_pending(&console.editor));
}

static void leave_prompt(void)
{
    if (console.guest == NULL)
        return;
    command_print(&(struct command_output){.write = write_text}, "\n[%s; Ctrl-] for the monitor]\n",
                  console.guest->config->name);
    console.focus = FOCUS_GUEST;
    release_held();
}

void console_connect(struct guest *guest)
{
    release_held();
    console.guest = guest;
    console.guest_was_refused = false;
    console.focus = guest != NULL ? FOCUS_GUEST : FOCUS_PROMPT;
}

/* --- Input --- */

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
        (void)command_run(console.commands, console.command_count, console.command_context, &output,
                          line); /* what went wrong has been printed */
    }
    if (console.focus == FOCUS_PROMPT && !console.wants_cpu)
        write_text(NULL, PROMPT, sizeof(PROMPT) - 1);
}

/* False: the byte has to wait until the guest has read its receiver. */
static bool take_input(uint8_t byte)
{
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
    if (machine_serial_space(&console.guest->machine) == 0)
        return false;
    machine_serial_receive(&console.guest->machine, byte);
    return true;
}

static void receive(void)
{
    uint8_t byte;

    while (uart_try_get(&console.uart, &byte)) {
        if (byte_ring_put(&console.input, &byte, 1) == 0)
            console.input_lost++;
    }
}

static void on_interrupt(void *context)
{
    (void)context;
    for (;;) {
        switch (uart_interrupt_cause(&console.uart)) {
        case UART_CAUSE_NONE: console_has_work = true; return;
        case UART_CAUSE_RECEIVED: receive(); break;
        case UART_CAUSE_TRANSMITTED: send(); break;
        case UART_CAUSE_OTHER: break;
        }
    }
}

void console_work(void)
{
    const uint8_t *bytes;
    bool waits_for_guest = false;

    console_has_work = !console.has_interrupt; /* without it, look after every exit */
    if (!console.has_interrupt && console.is_present)
        receive();
    while (!console.wants_cpu && byte_ring_peek(&console.input, &bytes) > 0) {
        waits_for_guest = !take_input(bytes[0]);
        if (waits_for_guest)
            break;
        byte_ring_consume(&console.input, 1);
    }
    send();
    tell_guest_of_room();
    /* The guest empties its receiver at an exit of its own: look again after each until it has. */
    if (waits_for_guest || console.guest_was_refused)
        console_has_work = true;
}

/* --- Setting up, waiting, ending --- */

enum status console_init(uint16_t port, uint32_t baud)
{
    enum status status = uart_init(&console.uart, port, baud);

    byte_ring_init(&console.output, console.output_bytes, OUTPUT_BYTES);
    byte_ring_init(&console.held, console.held_bytes, HELD_BYTES);
    byte_ring_init(&console.input, console.input_bytes, INPUT_BYTES);
    line_editor_init(&console.editor, echo, NULL);
    console.at_line_start = true;
    console.is_present = status == STATUS_OK;
    console_has_work = true;
    log_set_sink(write_log, NULL);
    return status;
}

void console_set_commands(const struct command *commands, size_t count, void *context)
{
    console.commands = commands;
    console.command_count = count;
    console.command_context = context;
}

void console_use_interrupt(uint8_t vector)
{
    trap_set_interrupt_handler(vector, on_interrupt, NULL);
    console.has_interrupt = true;
    uart_set_interrupts(&console.uart, true, false);
    receive();
    console_has_work = true;
}

void console_ask_for_cpu(void)
{
    console.wants_cpu = true;
}

bool console_wants_cpu(void)
{
    return console.wants_cpu;
}

void console_cpu_given(void)
{
    console.wants_cpu = false;
    console_has_work = true;
}

void console_wait(void)
{
    while (!console_has_work) {
        sti_hlt();
        cli();
    }
    if (!console.has_interrupt)
        cpu_pause();
    console_work();
}

void console_flush(void)
{
    if (!console.is_present)
        return;
    while (byte_ring_used(&console.output) > 0)
        send_one_polled();
    (void)uart_flush(&console.uart);
}
