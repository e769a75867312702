// SPDX-License-Identifier: BSD-2-Clause
/* Drives the machine's own 16550 serial port, polled or with interrupts. National Semiconductor
 * PC16550D datasheet, "Registers". */
#ifndef ARCH_X86_UART_H
#define ARCH_X86_UART_H

#include "vmm/base/status.h"
#include "vmm/base/types.h"

struct uart {
    uint16_t port;
    uint32_t baud;
    uint8_t fifo_bytes; /* 16, or 1 if the FIFO is missing or broken */
    uint8_t room_bytes; /* how many bytes the transmitter takes before LSR is read again */
    uint8_t modem_control;
    uint32_t line_errors; /* overruns, parity and framing errors, breaks */
};

/* The port number that means no line: what is sent is lost, and nothing is received. */
#define UART_NO_PORT 0

/* Returns whether a UART answers at the I/O port: its interrupt enable register holds what is
 * written, and it has a scratch register or loop mode (PC16550D datasheet, "Registers"). Waits
 * first until what the firmware wrote is sent, and leaves the registers as they were, so that the
 * firmware can go on using the UART. */
bool uart_is_present(uint16_t port);

/* Looks for a UART at the I/O port as uart_is_present does and sets it up: 8 data bits, no parity,
 * 1 stop bit, FIFOs enabled and emptied, interrupts off.
 *   port: of the first of its 8 registers, at most 0xfff8, or UART_NO_PORT;
 *   baud: 50 to 115200, within 3 % of a divisor of 115200.
 * Errors
 *   STATUS_OUT_OF_RANGE: port or baud is not as described; uart cannot be used.
 *   STATUS_NOT_FOUND: there is no UART; uart behaves as one at UART_NO_PORT. */
MUST_USE enum status uart_init(struct uart *uart, uint16_t port, uint32_t baud);

/* Returns how many bytes uart_try_put takes now. Reads LSR at most once. */
unsigned uart_room(struct uart *uart);

/* Gives the byte to the transmitter. Returns false, and does nothing, if its FIFO is full. */
bool uart_try_put(struct uart *uart, uint8_t byte);

/* Takes the next received byte. Returns false if there is none. Skips breaks and counts them. */
bool uart_try_get(struct uart *uart, uint8_t *byte);

/* Gives the byte to the transmitter as uart_try_put does, but waits for room, at most about as long
 * as the FIFO takes to empty. Returns false if the UART is stuck; the byte is lost. For the last
 * messages before a stop. */
bool uart_put_polled(struct uart *uart, uint8_t byte);

/* Waits until the last bit is sent. Returns false if the UART is stuck. */
bool uart_flush(struct uart *uart);

/* Sets which events raise the line: on_receive for received bytes and line errors, on_transmit for
 * an empty transmitter. */
void uart_set_interrupts(struct uart *uart, bool on_receive, bool on_transmit);

enum uart_cause {
    UART_CAUSE_NONE,
    UART_CAUSE_RECEIVED,    /* call uart_try_get until it returns false */
    UART_CAUSE_TRANSMITTED, /* call uart_try_put, or disable this interrupt */
    UART_CAUSE_OTHER,       /* line or modem status; already handled */
};

/* Returns why the line is raised, the most urgent cause first. The ISA line is edge triggered: a
 * handler has to repeat this until the result is UART_CAUSE_NONE, or no further interrupt comes. */
enum uart_cause uart_interrupt_cause(struct uart *uart);

#endif
