// SPDX-License-Identifier: BSD-2-Clause
/* National PC16550D UART with FIFOs, clocked at 1.8432 MHz, as the PC has it: OUT2 gates the
 * interrupt. Sections are those of the PC16550D data sheet (June 1995).
 *
 * The model has no speed and no framing on the line's side, because the line is a pipe of bytes
 * here: the host line's own speed is the emulated line's speed. A written byte leaves as soon as
 * the sink takes it, and bytes pass with all eight bits whatever the word length is. Between the
 * chip's own transmitter and receiver (loopback) the word length is applied. The divisor sets the
 * character time-out of the receiver's FIFO.
 *
 * DMA mode (FCR bit 3) only changes the RXRDY and TXRDY pins, which a PC does not connect. All
 * now_ns are times on the guest's clock and do not run backwards. */
#ifndef VMM_DEVICES_UART16550_H
#define VMM_DEVICES_UART16550_H

#include "vmm/devices/line.h"

#include <stddef.h>
#include <stdint.h>

#define UART16550_FIFO_BYTES 16
#define UART16550_CLOCK_HZ   1843200

/* Offsets from the base port ("Registers", table II). */
enum {
    UART16550_RBR = 0, /* read: receiver buffer */
    UART16550_THR = 0, /* write: transmitter holding register */
    UART16550_DLL = 0, /* low byte of the divisor latch, if LCR bit 7 is set */
    UART16550_IER = 1,
    UART16550_DLM = 1, /* high byte of the divisor latch, if LCR bit 7 is set */
    UART16550_IIR = 2, /* read */
    UART16550_FCR = 2, /* write */
    UART16550_LCR = 3,
    UART16550_MCR = 4,
    UART16550_LSR = 5,
    UART16550_MSR = 6,
    UART16550_SCR = 7,
    UART16550_PORT_COUNT = 8,
};

/* The modem's signals, for uart16550_set_modem: bits as in MSR. */
enum {
    UART16550_CTS = 0x10,
    UART16550_DSR = 0x20,
    UART16550_RI = 0x40,
    UART16550_DCD = 0x80,
};

struct uart16550_wires {
    struct line irq; /* INTR, gated by OUT2 */

    /* Takes a byte that leaves the chip. False: not now; the byte stays in the chip, and the sink
     * calls uart16550_transmit_ready when there is room. Null takes every byte. The function does
     * not call the chip. */
    bool (*transmit)(void *context, uint8_t byte);
    void *context;

    /* The other outputs. True: asserted; for sout_break: the chip sends a break. */
    struct line dtr, rts, out1, sout_break;
};

struct uart16550 {
    struct uart16550_wires wires;
    bool irq_level, dtr_level, rts_level, out1_level, break_level;

    uint8_t ier, fcr, lcr, mcr, scr;
    uint16_t divisor;
    uint8_t lsr_errors;   /* OE, PE, FE, BI as in LSR */
    uint8_t modem_inputs; /* the pins: UART16550_CTS and the others */
    uint8_t msr;          /* the levels in MSR, including loopback, and the deltas */

    /* A ring of received bytes. LSR shows a byte's errors when the byte reaches the top. */
    struct {
        uint8_t byte, errors;
    } received[UART16550_FIFO_BYTES];
    uint8_t received_first, received_count;
    uint8_t last_received;         /* what a read of an empty receiver returns */
    uint64_t receiver_activity_ns; /* the time of the last arrival or read */
    bool timed_out;                /* a character time-out indication is pending */

    uint8_t transmitting[UART16550_FIFO_BYTES];
    uint8_t transmitting_first, transmitting_count;
    bool thre_pending; /* the THRE interrupt, before the enable in IER */
};

/* Connects the chip to its wires (copied) and resets it. The divisor is 12 (9600 baud) and the
 * modem's signals are inactive. */
void uart16550_init(struct uart16550 *uart, const struct uart16550_wires *wires);

/* Does what the MR pin does ("Table III, Register Reset"). SCR, the divisor latch and the modem's
 * levels keep their values. */
void uart16550_reset(struct uart16550 *uart);

/* Reads a register, 0 <= offset < 8. A read of RBR takes a byte and restarts the time-out, IIR
 * clears a THRE interrupt that it reports, LSR clears the errors, and MSR clears the deltas. */
uint8_t uart16550_read(struct uart16550 *uart, unsigned offset, uint64_t now_ns);

/* Writes a register, 0 <= offset < 8; any value is allowed. May call wires.transmit. */
void uart16550_write(struct uart16550 *uart, unsigned offset, uint8_t value, uint64_t now_ns);

/* Offers the bytes in the transmitter to the sink, which has room again. */
void uart16550_transmit_ready(struct uart16550 *uart, uint64_t now_ns);

/* Returns how many bytes the chip can receive now without an overrun. 0 in loopback, in which the
 * line is cut off and bytes that arrive are lost. Call it again after the guest has accessed the
 * chip. */
size_t uart16550_receive_space(const struct uart16550 *uart);

/* Receives a byte from the line. Without space a byte is lost and LSR shows an overrun ("LSR", bit
 * 1): the FIFO keeps its content and loses the new byte, the 16450's buffer takes the new byte. In
 * loopback the byte is lost. */
void uart16550_receive(struct uart16550 *uart, uint8_t byte, uint64_t now_ns);

/* Receives a break on the line: one zero byte with BI and FE ("LSR", bits 3 and 4). */
void uart16550_receive_break(struct uart16550 *uart, uint64_t now_ns);

/* Sets the levels of the modem's input pins: UART16550_CTS | ... for those that are asserted. */
void uart16550_set_modem(struct uart16550 *uart, uint8_t asserted, uint64_t now_ns);

/* Returns the time at which the character time-out will raise irq; TIME_NEVER if it will not. Each
 * call of the functions above can change this time. */
uint64_t uart16550_next_deadline(const struct uart16550 *uart);

/* Updates the chip to now_ns. Does nothing if nothing is due. */
void uart16550_run(struct uart16550 *uart, uint64_t now_ns);

#endif
