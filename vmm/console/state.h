// SPDX-License-Identifier: BSD-2-Clause
/* The console's state, and what its files call of each other. Only for the files of this room. */
#ifndef VMM_CONSOLE_STATE_H
#define VMM_CONSOLE_STATE_H

#include "arch/x86/uart.h"
#include "vmm/base/spinlock.h"
#include "vmm/console/console.h"
#include "vmm/host/cpus.h"
#include "vmm/prompt/input_queue.h"
#include "vmm/prompt/line_editor.h"
#include "vmm/prompt/output_queue.h"
#include "vmm/prompt/text_rate.h"

#include <stdatomic.h>

#define PROMPT "portcullis> "

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

struct console_state {
    /* Held for the queue's sake, for some hundred instructions at most: never while somebody waits
     * for the UART, or calls a function that may print. */
    struct spinlock lock;
    const struct cpu *_Atomic seized_by; /* the processor that has the console for good */

    /* Only the first processor uses the UART; before console_use_interrupt or console_poll, and
     * after console_seize, whoever prints. */
    struct uart uart;
    bool is_present;
    bool is_stuck; /* the UART took nothing for longer than its FIFO needs to empty */
    enum service service;
    bool transmit_interrupt; /* enabled at the UART */
    volatile uint64_t interrupt_count;
    uint64_t look_ticks; /* from one look at the line to the next, while interrupts come */
    uint64_t poll_ticks; /* the same while they do not come */
    unsigned polls_left; /* looks at the shorter distance that are still to come */

    struct output_queue output;
    struct input_queue input; /* from the UART */

    enum focus focus;
    struct console_client *client; /* null: the prompt alone has the line */
    void (*work_wanted)(void);
    struct line_editor editor;
    const struct command *commands;
    size_t command_count;
    void *command_context;
    bool answers; /* a command runs: what the monitor prints belongs to its answer */

    uint32_t client_count;
    struct console_client *dropping; /* the clients whose dropped lines were not reported yet */
    uint64_t dropped_lines;          /* lines of the monitor itself that found no room */
    uint64_t report_tsc; /* when dropped lines are reported; UINT64_MAX: there are none */
};

extern struct console_state console;

/* console.c */

/* Takes and gives back the console's lock. */
void console_lock(void);
void console_unlock(void);

/* Makes the first processor do the console's work soon. */
void console_wake(void);

/* output.c */

/* Gives the UART as many bytes as it takes without a wait. The transmitter-empty interrupt asks for
 * the rest. Called by who may use the UART. */
void output_send(void);

/* Sends all that is to be sent now, and waits for the UART. Called by who may use the UART, or while
 * the first processor does no work of the console. */
void output_flush(void);

/* Returns whether something is to be sent now. */
bool output_is_pending(void);

/* Begins to send what was added to the queue. was_pending: something was to be sent already before
 * that, so somebody is at it. */
void output_start(bool was_pending);

/* Writes text of the prompt, with "\n" at the ends of lines. Nothing of it is lost on the first
 * processor. A '\0' in it is OUTPUT_FRESH_LINE. */
void output_text(void *context, const char *text, size_t length);

/* Writes what the line editor shows of the user's typing; it is already in a terminal's form. */
void output_echo(void *context, const char *text, size_t length);

/* Writes a message of the log, which begins on a line of its own. */
void output_log(void *context, const char *text, size_t length);

/* clients.c */

/* Tells the client whose byte was refused when there is room again. Called without the lock. */
void clients_offer_room(void);

/* Says how many bytes of the client were not kept while it did not have the line. */
void clients_report_backlog(struct console_client *client);

/* Asks for a report of dropped lines in a second. The console is locked. Returns true if the first
 * processor has to be told, by console_wake. */
MUST_USE bool clients_want_report(void);

/* Reports dropped lines if it is time. */
void clients_report_dropped(uint64_t now_tsc);

/* Reports what is left to report of a client, and forgets it. */
void clients_remove(struct console_client *client);

/* input.c */

/* Takes what the UART has received. */
void input_receive(void);

/* Gives what was received to whom the line belongs, and switches at Ctrl-]. Returns false if input
 * has to wait until the guest has read its receiver. */
MUST_USE bool input_deliver(void);

/* focus.c */

/* Gives the line back to the guest, if one is connected. */
void focus_leave_prompt(void);

#endif
