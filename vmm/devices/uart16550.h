// SPDX-License-Identifier: BSD-2-Clause
/* National PC16550D UART with FIFOs, clocked at 1.8432 MHz, as the PC has it: OUT2 gates the
 * interrupt. Sections cited are those of the PC16550D data sheet (June 1995).
 *
 * What is not modelled is the speed and the framing of the far side, for there the line is a pipe
 * of bytes: the host line's own speed is the emulated line's speed. A byte written leaves as soon
 * as the sink takes it, and bytes pass with all eight bits whatever word length is set. Between the
 * chip's own transmitter and receiver (loopback) the word length counts. The divisor sets the
 * character time-out of the receiver's FIFO.
 *
 * DMA mode (FCR bit 3) only changes the RXRDY and TXRDY pins, which a PC leaves open. All now_ns
 * are on the guest's clock and do not run backwards. */
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
    UART16550_DLL = 0, /* divisor latch, low; while LCR bit 7 is set */
    UART16550_IER = 1,
    UART16550_DLM = 1, /* divisor latch, high; while LCR bit 7 is set */
    UART16550_IIR = 2, /* read */
    UART16550_FCR = 2, /* write */
    UART16550_LCR = 3,
    UART16550_MCR = 4,
    UART16550_LSR = 5,
    UART16550_MSR = 6,
    UART16550_SCR = 7,
    UART16550_PORT_COUNT = 8,
};

/* The modem's answers, for uart16550_set_modem: bits as in MSR. */
enum {
    UART16550_CTS = 0x10,
    UART16550_DSR = 0x20,
    UART16550_RI = 0x40,
    UART16550_DCD = 0x80,
};

struct uart16550_wires {
    struct line irq; /* INTR as OUT2 lets it through */

    /* Takes a byte that leaves the chip. False: not now; the byte stays in the chip, and whoever
     * said so calls uart16550_transmit_ready when there is room. Null takes everything. Must not
     * call into the chip. */
    bool (*transmit)(void *context, uint8_t byte);
    void *context;

    /* The other outputs; true is asserted, or for sout_break: a break is being sent. */
    struct line dtr, rts, out1, sout_break;
};

struct uart16550 {
    struct uart16550_wires wires;
    bool irq_level, dtr_level, rts_level, out1_level, break_level;

    uint8_t ier, fcr, lcr, mcr, scr;
    uint16_t divisor;
    uint8_t lsr_errors;   /* OE, PE, FE, BI as LSR shows them */
    uint8_t modem_inputs; /* the pins, UART16550_CTS and so on */
    uint8_t msr;          /* levels that MSR shows, loopback included, and deltas */

    /* A ring of received bytes, each with the errors that LSR will show when it reaches the top. */
    struct {
        uint8_t byte, errors;
    } received[UART16550_FIFO_BYTES];
    uint8_t received_first, received_count;
    uint8_t last_received;         /* what an empty receiver answers */
    uint64_t receiver_activity_ns; /* the last arrival or read */
    bool timed_out;                /* character time-out indication pending */

    uint8_t transmitting[UART16550_FIFO_BYTES];
    uint8_t transmitting_first, transmitting_count;
    bool thre_pending; /* the THRE interrupt, before IER */
};

/* Wires the chip and resets it; the divisor comes up as 12 (9600 baud) and no modem answers. */
void uart16550_init(struct uart16550 *uart, const struct uart16550_wires *wires);

/* The MR pin ("Table III, Register Reset"): SCR, divisor latch and the modem's levels live on. */
void uart16550_reset(struct uart16550 *uart);

/* Reads a register, 0 <= offset < 8. Reading RBR takes a byte and restarts the time-out, IIR clears
 * a THRE interrupt that it reports, LSR clears the errors and MSR the deltas. */
uint8_t uart16550_read(struct uart16550 *uart, unsigned offset, uint64_t now_ns);

/* Writes a register, 0 <= offset < 8; any value may be written. May call wires.transmit. */
void uart16550_write(struct uart16550 *uart, unsigned offset, uint8_t value, uint64_t now_ns);

/* The sink has room again: offers it what waits in the transmitter. */
void uart16550_transmit_ready(struct uart16550 *uart, uint64_t now_ns);

/* How many bytes can be received now without an overrun. 0 in loopback, where the line is cut off
 * and bytes that arrive would be lost. Ask again when the guest has accessed the chip. */
size_t uart16550_receive_space(const struct uart16550 *uart);

/* A byte has arrived from the line. Without space it is lost and LSR shows an overrun ("LSR",
 * bit 1): the FIFO keeps what it has, the 16450's buffer takes the new byte. Lost in loopback. */
void uart16550_receive(struct uart16550 *uart, uint8_t byte, uint64_t now_ns);

/* The line has been held in break: one zero byte with BI and FE ("LSR", bits 3 and 4). */
void uart16550_receive_break(struct uart16550 *uart, uint64_t now_ns);

/* The modem's input pins have these levels now: UART16550_CTS | ... for what is asserted. */
void uart16550_set_modem(struct uart16550 *uart, uint8_t asserted, uint64_t now_ns);

/* When the character time-out will raise irq, TIME_NEVER if it will not. Changes with every call of
 * the functions above. */
uint64_t uart16550_next_deadline(const struct uart16550 *uart);

/* Brings the chip up to now_ns. Harmless when nothing is due. */
void uart16550_run(struct uart16550 *uart, uint64_t now_ns);

#endif
