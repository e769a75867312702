// SPDX-License-Identifier: BSD-2-Clause
/* Driver for the machine's own 16550 serial port, polled or by interrupts.
 * National Semiconductor PC16550D datasheet, "Registers". */
#ifndef ARCH_X86_UART_H
#define ARCH_X86_UART_H

#include "vmm/base/status.h"
#include "vmm/base/types.h"

struct uart {
    uint16_t port;
    uint32_t baud;
    uint8_t fifo_bytes; /* 16, or 1 where the FIFO is missing or broken */
    uint8_t room_bytes; /* what the transmitter surely takes without being asked */
    uint8_t modem_control;
    uint32_t line_errors; /* overruns, parity and framing errors, breaks */
};

/* Whether a UART with a scratch register answers at the I/O port. Leaves it as it was, so the
 * firmware may go on using it. PC16550D datasheet, "Scratchpad Register". */
bool uart_is_present(uint16_t port);

/* Looks for a UART at the I/O port and sets it up: 8 data bits, no parity, 1 stop bit, FIFOs on and
 * emptied, interrupts off. What the firmware has not yet sent is waited for first.
 *   port: of the first of its 8 registers; baud: 50..115200, within 3 % of a divisor of 115200.
 * STATUS_OUT_OF_RANGE: such a rate cannot be had. STATUS_NOT_FOUND: no UART there; registers of a
 * stranger may have been written to. */
MUST_USE enum status uart_init(struct uart *uart, uint16_t port, uint32_t baud);

/* Hands the byte to the transmitter; false, and nothing done, if its FIFO is full. */
bool uart_try_put(struct uart *uart, uint8_t byte);

/* Takes the next byte received; false if there is none. Breaks are counted and left out. */
bool uart_try_get(struct uart *uart, uint8_t *byte);

/* As uart_try_put, but waits for room, about as long as the FIFO takes to empty at most. False: the
 * byte is lost, the UART is stuck. For the last words. */
bool uart_put_polled(struct uart *uart, uint8_t byte);

/* Waits until the last bit is out. False: it is stuck. */
bool uart_flush(struct uart *uart);

/* Which events raise the line: bytes received (and line errors), transmitter empty. */
void uart_set_interrupts(struct uart *uart, bool on_receive, bool on_transmit);

enum uart_cause {
    UART_CAUSE_NONE,
    UART_CAUSE_RECEIVED,    /* uart_try_get until it is false */
    UART_CAUSE_TRANSMITTED, /* uart_try_put, or have the interrupt off */
    UART_CAUSE_OTHER,       /* line or modem status; dealt with */
};

/* Why the line is raised, the most urgent cause first. The ISA line is edge triggered: a handler
 * deals with causes until there is none, or no further interrupt comes. */
enum uart_cause uart_interrupt_cause(struct uart *uart);

#endif
