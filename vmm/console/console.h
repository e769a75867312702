// SPDX-License-Identifier: BSD-2-Clause
/* The one serial line, shared by a guest's COM1 and the monitor's prompt. Ctrl-] goes from one to
 * the other and back. While the prompt has the line, the guest runs on; what it prints waits.
 * Guests that are not connected run on as well; the last that each printed is kept until it is.
 *
 * The first processor has the line's interrupt, its input and the prompt; any of them may print. */
#ifndef VMM_CONSOLE_CONSOLE_H
#define VMM_CONSOLE_CONSOLE_H

#include "vmm/base/status.h"
#include "vmm/base/types.h"
#include "vmm/prompt/byte_ring.h"
#include "vmm/prompt/command.h"

#define CONSOLE_HELD_BYTES (16 * 1024)

/* What a guest has printed and nobody has seen. The console's own. */
struct console_backlog {
    struct byte_ring ring;
    uint8_t bytes[CONSOLE_HELD_BYTES];
    uint64_t dropped; /* oldest bytes, for want of room */
};

/* Whoever may have the line besides the prompt: a guest with its COM1. The functions are called
 * with context, on the first processor, without the console's lock. */
struct console_client {
    const char *name;
    size_t (*space)(void *context);               /* how many bytes it can receive now */
    void (*receive)(void *context, uint8_t byte); /* one byte, where there is space */
    void (*ready)(void *context);                 /* what console_transmit refused may come again */
    bool (*is_running)(void *context);            /* false: it will never read what it receives */
    void *context;
    struct console_backlog backlog;
};

/* Before the client prints: empties its backlog. */
void console_client_init(struct console_client *client);

/* Sets up the UART and takes over the monitor's log. Whoever prints waits until it is out, until
 * console_use_interrupt or console_poll. STATUS_NOT_FOUND,
 * STATUS_OUT_OF_RANGE: as uart_init; the log and what guests print then go nowhere. */
enum status console_init(uint16_t port, uint32_t baud) MUST_USE;

/* From here on work_wanted is called when the first processor makes work for itself that it does
 * not do at once: whoever runs there has to call console_service soon. With the console locked. */
void console_on_work(void (*work_wanted)(void));

/* What the prompt offers, and what its handlers are called with. */
void console_set_commands(const struct command *commands, size_t count, void *context);

/* Tries the line's interrupt, which is routed to this processor as vector, and uses it from here on
 * if it works: no more than one may come while the UART has no reason for it, and one has to come
 * within 20 ms when it has. Takes up to 60 ms, lets interrupts in meanwhile and disables them
 * again. False: it does not work; the UART's interrupts are off, and the caller masks the source.
 * The clock runs. */
MUST_USE bool console_use_interrupt(uint8_t vector);

/* From here on the line is looked at every millisecond or so (20 ms at low rates): between two
 * exits of the first processor's guest, and in console_wait. The clock runs. */
void console_poll(void);

/* The client that is connected, null for none: then the prompt has the line. */
void console_connect(struct console_client *client);

/* The same, but the prompt keeps the line: Ctrl-] goes to this client then. */
void console_select(struct console_client *client);

/* A byte from the client. False when there is no room: client->ready follows when there is. */
bool console_transmit(struct console_client *client, uint8_t byte);

/* There is something to do: input, room for output, output waiting. Set by interrupts too. */
extern volatile bool console_has_work;

/* When the line is to be looked at, interrupt or not: it is polled, or there is output that may
 * wait for an interrupt which does not come. Else UINT64_MAX. The first processor's own. */
extern volatile uint64_t console_deadline_tsc;

/* Does it: sends and receives, feeds the guest, runs commands. */
void console_work(void);

/* Between exits: two loads when there is nothing to do. */
static inline void console_service(uint64_t now_tsc)
{
    if (console_has_work || now_tsc >= console_deadline_tsc)
        console_work();
}

/* Halts the processor until there may be something to do, here or for the caller, and does the
 * console's part. Returns after any interrupt. */
void console_wait(void);

/* Gives the line to the prompt, with a fresh prompt on it. */
void console_show_prompt(void);

/* Waits until everything is out. */
void console_flush(void);

/* For a processor that is dying, and may have died while it or another one printed: takes the line
 * for good. Whoever prints then waits until it is out. */
void console_seize(void);

#endif
