// SPDX-License-Identifier: BSD-2-Clause
/* The one serial line, shared by a guest's COM1 and the monitor's prompt. Ctrl-] switches between
 * them. While the prompt has the line, the guest continues to run, and its output waits. Guests
 * that are not connected run, too; the last output of each is kept until it is connected.
 *
 * The first processor handles the line's interrupt, its input and the prompt. Any processor may
 * print. */
#ifndef VMM_CONSOLE_CONSOLE_H
#define VMM_CONSOLE_CONSOLE_H

#include "vmm/base/status.h"
#include "vmm/base/types.h"
#include "vmm/prompt/byte_ring.h"
#include "vmm/prompt/command.h"
#include "vmm/prompt/text_rate.h"

#define CONSOLE_HELD_BYTES (16 * 1024)

/* The output of a guest that nobody has seen yet. It belongs to the console. */
struct console_backlog {
    struct byte_ring ring;
    uint8_t bytes[CONSOLE_HELD_BYTES];
    uint64_t dropped; /* the number of old bytes that were lost for lack of room */
};

/* A possible owner of the line besides the prompt: a guest with its COM1. The functions are called
 * with context, on the first processor, without the console's lock. */
struct console_client {
    const char *name;
    size_t (*space)(void *context);               /* returns how many bytes it can receive now */
    void (*receive)(void *context, uint8_t byte); /* gives it one byte; there is space for it */
    void (*ready)(void *context);                 /* what was refused may be sent again */
    bool (*is_running)(void *context);            /* false: it will never read what it receives */
    void *context;

    /* The rest belongs to the console. */
    struct console_backlog backlog;
    bool was_refused;       /* console_transmit has returned false */
    struct text_rate rate;  /* of lines that the client causes */
    uint64_t dropped_lines; /* that nobody was told of yet */
    struct console_client *next_dropping;
};

/* Makes the client one of those that share the line. Called before the client prints; name is
 * set. */
void console_client_init(struct console_client *client);

/* Sets up the UART at the port with this baud rate, and takes over the monitor's log. Until
 * console_use_interrupt or console_poll, a caller that prints waits until all is out. After an
 * error the log and what guests print go nowhere.
 * STATUS_NOT_FOUND, STATUS_OUT_OF_RANGE: those of uart_init. */
enum status console_init(uint16_t port, uint32_t baud) MUST_USE;

/* Sets the function that is called when the first processor makes work for itself that it does not
 * do at once: the code that runs there then has to call console_service soon. work_wanted is called
 * with the console locked. */
void console_on_work(void (*work_wanted)(void));

/* Sets the commands that the prompt offers, and the context that their handlers get. */
void console_set_commands(const struct command *commands, size_t count, void *context);

/* Tries the line's interrupt, and uses it from now on if it works. The interrupt is routed to this
 * processor as vector. It works if at most one comes while the UART has no reason for it, and one
 * comes within 20 ms when the UART has a reason. Takes up to 60 ms; lets interrupts in during this
 * time and disables them again. The clock runs. Returns false if the interrupt does not work: then
 * the UART's interrupts are off, and the caller masks the source. */
MUST_USE bool console_use_interrupt(uint8_t vector);

/* Makes the console look at the line every millisecond or so (20 ms at low rates): between two
 * exits of the first processor's guest, and in console_wait. The clock runs. */
void console_poll(void);

/* Connects a client, which gets the line. With null no client is connected, and the prompt has the
 * line. */
void console_connect(struct console_client *client);

/* Forgets a client, which prints no more: if it is connected, no client is from then on, and the
 * prompt has the line. Undoes console_client_init. Called while the first processor does no work of
 * the console, or for a client that was never connected. */
void console_disconnect(struct console_client *client);

/* Connects a client, but the prompt keeps the line: from then on Ctrl-] goes to this client. */
void console_select(struct console_client *client);

/* Sends a byte from the client. Returns false if there is no room; client->ready is called when
 * there is. Only the client in view is refused. */
bool console_transmit(struct console_client *client, uint8_t byte);

/* Prints a line of text that a client causes: "NAME: " and the text, whose control characters are
 * shown (vmm/prompt/shown_text.h). Text after 160 bytes may be cut.
 * This function and the next one never wait. Each client has a rate, its share of half of the line
 * and of OUTPUT_GUEST_LINES_BYTES (vmm/prompt/text_rate.h). A line beyond the rate, or without room
 * in the queue, is dropped, counted, and reported within a second in one line, "guest NAME: N lines
 * dropped". */
void console_print_line(struct console_client *client, const char *text, size_t length);

/* Logs a line about a client that the client can cause: "portcullis: guest NAME" and the formatted
 * text, which begins with a blank or a colon. */
void console_log_about(struct console_client *client, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Reports the client's dropped lines now, if there are any. */
void console_report_dropped(struct console_client *client);

/* True if there is work: input, room for output, or output that waits. Interrupts set it, too. */
extern volatile bool console_has_work;

/* When the line is looked at without an interrupt: each 20 ms, as a guest that runs with interrupts
 * off may keep the interrupt away in some emulators, and more often while interrupts were seen to
 * stay away. Only the first processor writes it. */
extern volatile uint64_t console_look_tsc;

/* The same for a processor that is halted and that any interrupt wakes: then the line has to be
 * looked at only if it is polled, or output waits. Otherwise UINT64_MAX. At least
 * console_look_tsc. */
extern volatile uint64_t console_deadline_tsc;

/* Does the console's work: sends and receives, feeds the guest, runs commands. Called on the first
 * processor. */
void console_work(void);

/* Does the console's work between exits, if there is any. If there is none, this costs two
 * loads. */
static inline void console_service(uint64_t now_tsc)
{
    if (console_has_work || now_tsc >= console_look_tsc)
        console_work();
}

/* Halts the processor until there may be work, for the console or the caller, and does the
 * console's part of it. Returns after any interrupt. On a polled line it does not halt. */
void console_wait(void);

/* Gives the line to the prompt, and prints a fresh prompt. */
void console_show_prompt(void);

/* Waits until all output is sent. */
void console_flush(void);

/* Takes the line for good. For a processor that dies, and may have died while it or another
 * processor printed. A caller that prints then waits until all is out. */
void console_seize(void);

#endif
