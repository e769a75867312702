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

#include <stdatomic.h>

#define OUTPUT_BYTES (64 * 1024)
#define PROMPT       "portcullis> "

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

    struct byte_ring output;  /* to the UART */
    struct input_queue input; /* from the UART */
    uint8_t output_bytes[OUTPUT_BYTES];
    bool at_line_start;
    bool guest_is_in_line;  /* the guest has begun a line and has not ended it */
    bool prompt_is_open;    /* nothing came after the prompt except what the user typed there */
    bool guest_was_refused; /* console_transmit has returned false */

    enum focus focus;
    struct console_client *client; /* null: the prompt alone has the line */
    void (*work_wanted)(void);
    struct line_editor editor;
    const struct command *commands;
    size_t command_count;
    void *command_context;
};

extern struct console_state console;

/* console.c */

/* Takes and gives back the console's lock. A processor that holds it may take it again. */
void console_lock(void);
void console_unlock(void);

/* Makes the first processor do the console's work soon. The console is locked. */
void console_wake(void);

/* output.c */

/* Gives the UART as many bytes as it takes. The transmitter-empty interrupt asks for the rest. */
void output_send(void);

/* Writes text of the monitor itself. Nothing of it is lost, and lines end as terminals need it. */
void output_text(void *context, const char *text, size_t length);

/* Writes what the line editor shows of the user's typing; it is already in a terminal's form. */
void output_echo(void *context, const char *text, size_t length);

/* Writes a message of the log. It begins on a line of its own, even if the guest or the user is in
 * the middle of a line. */
void output_log(void *context, const char *text, size_t length);

/* Prints what the client printed while it did not have the line. */
void output_release_backlog(struct console_client *client);

/* Tells the client whose byte was refused when there is room again. */
void output_offer_room(void);

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
