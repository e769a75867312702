// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/devices/uart16550.h"

#include "vmm/base/time.h"

#define IER_ERBFI 0x01
#define IER_ETBEI 0x02
#define IER_ELSI  0x04
#define IER_EDSSI 0x08

/* Table IV, in the order of falling priority. */
#define IIR_NONE        0x01
#define IIR_LINE_STATUS 0x06
#define IIR_DATA        0x04
#define IIR_TIME_OUT    0x0c
#define IIR_THRE        0x02
#define IIR_MODEM       0x00
#define IIR_FIFOS       0xc0

#define FCR_ENABLE         0x01
#define FCR_RESET_RECEIVER 0x02
#define FCR_RESET_SENDER   0x04
#define FCR_DMA_MODE       0x08
#define FCR_TRIGGER        0xc0

#define LCR_WORD_LENGTH 0x03
#define LCR_STOP_BITS   0x04
#define LCR_PARITY      0x08
#define LCR_BREAK       0x40
#define LCR_DLAB        0x80

#define MCR_DTR  0x01
#define MCR_RTS  0x02
#define MCR_OUT1 0x04
#define MCR_OUT2 0x08
#define MCR_LOOP 0x10

#define LSR_DR         0x01
#define LSR_OE         0x02
#define LSR_PE         0x04
#define LSR_FE         0x08
#define LSR_BI         0x10
#define LSR_THRE       0x20
#define LSR_TEMT       0x40
#define LSR_FIFO_ERROR 0x80

#define MSR_DCTS   0x01
#define MSR_DDSR   0x02
#define MSR_TERI   0x04
#define MSR_DDCD   0x08
#define MSR_DELTAS 0x0f
#define MSR_LEVELS 0xf0

#define ERRORS_OF_A_BYTE (LSR_PE | LSR_FE | LSR_BI)

static bool has_fifos(const struct uart16550 *uart)
{
    return uart->fcr & FCR_ENABLE;
}

static bool in_loopback(const struct uart16550 *uart)
{
    return uart->mcr & MCR_LOOP;
}

static unsigned capacity(const struct uart16550 *uart)
{
    return has_fifos(uart) ? UART16550_FIFO_BYTES : 1;
}

/* "FCR", bits 7:6. */
static unsigned trigger_level(const struct uart16550 *uart)
{
    static const uint8_t levels[4] = {1, 4, 8, 14};

    return has_fifos(uart) ? levels[uart->fcr >> 6] : 1;
}

/* Interrupts. */

/* Returns the time-out. "FIFO Interrupt Mode Operation": it is 4 characters long. A character has
 * the start bit, the word, parity and the stop bits ("LCR"; 1.5 of them for words of 5 bits). */
static uint64_t time_out_ns(const struct uart16550 *uart)
{
    unsigned word_bits = 5 + (uart->lcr & LCR_WORD_LENGTH);
    unsigned stop_half_bits = !(uart->lcr & LCR_STOP_BITS) ? 2 : word_bits == 5 ? 3 : 4;
    unsigned half_bits = 2 + 2 * word_bits + (uart->lcr & LCR_PARITY ? 2 : 0) + stop_half_bits;
    /* The data sheet does not define a divisor of 0; a counter that runs down takes it as 2^16. */
    uint64_t divisor = uart->divisor != 0 ? uart->divisor : 65536;

    /* There are 16 clocks in one bit. */
    return scale_u64(4 * half_bits * 8 * divisor, NS_PER_SECOND, UART16550_CLOCK_HZ);
}

/* Notes a time-out. It stays until a byte is read, even if more bytes arrive. */
static void catch_up(struct uart16550 *uart, uint64_t now_ns)
{
    if (has_fifos(uart) && uart->received_count > 0 && now_ns >= uart->receiver_activity_ns &&
        now_ns - uart->receiver_activity_ns >= time_out_ns(uart))
        uart->timed_out = true;
}

/* Returns the interrupt that IIR reports: table IV. */
static uint8_t interrupt_id(const struct uart16550 *uart)
{
    if (uart->ier & IER_ELSI && uart->lsr_errors != 0)
        return IIR_LINE_STATUS;
    if (uart->ier & IER_ERBFI && uart->received_count >= trigger_level(uart))
        return IIR_DATA;
    if (uart->ier & IER_ERBFI && uart->timed_out)
        return IIR_TIME_OUT;
    if (uart->ier & IER_ETBEI && uart->thre_pending)
        return IIR_THRE;
    if (uart->ier & IER_EDSSI && uart->msr & MSR_DELTAS)
        return IIR_MODEM;
    return IIR_NONE;
}

/* Returns whether the interrupt line is connected. On a PC the OUT2 pin enables the driver of the
 * interrupt line. In loopback the pin is inactive ("MCR", bit 4), so the line stays low while IIR
 * works as usual. */
static bool interrupt_gate(const struct uart16550 *uart)
{
    return (uart->mcr & (MCR_OUT2 | MCR_LOOP)) == MCR_OUT2;
}

static void drive(const struct line *line, bool *was, bool level)
{
    if (*was != level) {
        *was = level;
        line_set(line, level);
    }
}

static void drive_irq(struct uart16550 *uart)
{
    drive(&uart->wires.irq, &uart->irq_level,
          interrupt_gate(uart) && interrupt_id(uart) != IIR_NONE);
}

/* Receiver. */

/* Shows the errors of the byte at the top of the FIFO, as "LSR", bits 2 to 4, says. */
static void reveal_errors(struct uart16550 *uart)
{
    if (uart->received_count > 0) {
        uart->lsr_errors |= uart->received[uart->received_first].errors;
        uart->received[uart->received_first].errors = 0;
    }
}

static void accept(struct uart16550 *uart, uint8_t byte, uint8_t errors, uint64_t now_ns)
{
    unsigned slot;

    if (uart->received_count == capacity(uart)) {
        uart->lsr_errors |= LSR_OE;
        if (has_fifos(uart))
            return;
        uart->received_count = 0; /* the new byte overwrites the 16450's buffer register */
    }
    slot = (uart->received_first + uart->received_count) % UART16550_FIFO_BYTES;
    uart->received[slot].byte = byte;
    uart->received[slot].errors = errors;
    uart->received_count++;
    uart->receiver_activity_ns = now_ns;
    reveal_errors(uart);
}

static uint8_t read_rbr(struct uart16550 *uart, uint64_t now_ns)
{
    if (uart->received_count > 0) {
        uart->last_received = uart->received[uart->received_first].byte;
        uart->received_first = (uart->received_first + 1) % UART16550_FIFO_BYTES;
        uart->received_count--;
        uart->receiver_activity_ns = now_ns;
        uart->timed_out = false;
        reveal_errors(uart);
    }
    return uart->last_received;
}

static void clear_receiver(struct uart16550 *uart)
{
    uart->received_first = uart->received_count = 0;
    uart->timed_out = false;
    uart->lsr_errors &= (uint8_t)~ERRORS_OF_A_BYTE;
}

/* Transmitter. */

/* Moves the bytes that the sink takes, or in loopback the receiver. An empty transmitter then is an
 * interrupt. */
static void transmit(struct uart16550 *uart, uint64_t now_ns)
{
    if (uart->transmitting_count == 0)
        return;
    while (uart->transmitting_count > 0) {
        uint8_t byte = uart->transmitting[uart->transmitting_first];

        if (in_loopback(uart))
            accept(uart, byte & (0xff >> (3 - (uart->lcr & LCR_WORD_LENGTH))), 0, now_ns);
        else if (uart->wires.transmit != NULL && !uart->wires.transmit(uart->wires.context, byte))
            return;
        uart->transmitting_first = (uart->transmitting_first + 1) % UART16550_FIFO_BYTES;
        uart->transmitting_count--;
    }
    uart->thre_pending = true;
}

static void write_thr(struct uart16550 *uart, uint8_t byte, uint64_t now_ns)
{
    unsigned slot;

    /* If software does not wait for THRE, a byte is lost: with a full FIFO the new one, in a 16450
     * the old one. */
    if (uart->transmitting_count == capacity(uart) && has_fifos(uart))
        return;
    if (uart->transmitting_count == capacity(uart))
        uart->transmitting_count = 0;
    slot = (uart->transmitting_first + uart->transmitting_count) % UART16550_FIFO_BYTES;
    uart->transmitting[slot] = byte;
    uart->transmitting_count++;
    /* A write of THR ends the interrupt, so that an edge-triggered controller sees the next one
     * even if the sink takes the byte at once. */
    uart->thre_pending = false;
    drive_irq(uart);
    transmit(uart, now_ns);
}

static void clear_transmitter(struct uart16550 *uart)
{
    uart->thre_pending |= uart->transmitting_count > 0;
    uart->transmitting_first = uart->transmitting_count = 0;
}

/* Control registers. */

static void write_ier(struct uart16550 *uart, uint8_t value)
{
    /* The enable of the THRE interrupt raises it at once if THR is empty; drivers start to send in
     * this way. */
    if (value & ~uart->ier & IER_ETBEI && uart->transmitting_count == 0)
        uart->thre_pending = true;
    uart->ier = value & (IER_ERBFI | IER_ETBEI | IER_ELSI | IER_EDSSI);
}

/* "FCR": if bit 0 is clear, the other bits are not programmed. A change of bit 0 clears both
 * FIFOs. */
static void write_fcr(struct uart16550 *uart, uint8_t value)
{
    bool changes = (value ^ uart->fcr) & FCR_ENABLE;

    if (changes || (value & FCR_ENABLE && value & FCR_RESET_RECEIVER))
        clear_receiver(uart);
    if (changes || (value & FCR_ENABLE && value & FCR_RESET_SENDER))
        clear_transmitter(uart);
    uart->fcr = value & FCR_ENABLE ? value & (FCR_ENABLE | FCR_DMA_MODE | FCR_TRIGGER) : 0;
    /* "FIFO Interrupt Mode Operation": the first interrupt after a change of bit 0 is immediate. */
    uart->thre_pending |= changes;
}

/* Updates levels and deltas. "MSR": the levels come from the pins, or in loopback from MCR ("MCR",
 * bit 4). TERI is only the trailing edge of RI. */
static void update_msr(struct uart16550 *uart)
{
    uint8_t levels = uart->modem_inputs, changed;

    if (in_loopback(uart))
        levels = (uint8_t)((uart->mcr & MCR_RTS ? UART16550_CTS : 0) |
                           (uart->mcr & MCR_DTR ? UART16550_DSR : 0) |
                           (uart->mcr & MCR_OUT1 ? UART16550_RI : 0) |
                           (uart->mcr & MCR_OUT2 ? UART16550_DCD : 0));
    changed = (levels ^ uart->msr) & MSR_LEVELS;
    if (levels & UART16550_RI)
        changed &= (uint8_t)~UART16550_RI;
    uart->msr = (uint8_t)((uart->msr & MSR_DELTAS) | changed >> 4 | levels);
}

/* Drives the pins of MCR and LCR. In loopback all of them are inactive. */
static void drive_outputs(struct uart16550 *uart)
{
    uint8_t mcr = in_loopback(uart) ? 0 : uart->mcr;

    drive(&uart->wires.dtr, &uart->dtr_level, mcr & MCR_DTR);
    drive(&uart->wires.rts, &uart->rts_level, mcr & MCR_RTS);
    drive(&uart->wires.out1, &uart->out1_level, mcr & MCR_OUT1);
    drive(&uart->wires.sout_break, &uart->break_level, !in_loopback(uart) && uart->lcr & LCR_BREAK);
}

static void write_mcr(struct uart16550 *uart, uint8_t value, uint64_t now_ns)
{
    uart->mcr = value & (MCR_DTR | MCR_RTS | MCR_OUT1 | MCR_OUT2 | MCR_LOOP);
    drive_outputs(uart);
    update_msr(uart);
    transmit(uart, now_ns); /* bytes that waited for the sink go to the receiver now */
}

static uint8_t read_iir(struct uart16550 *uart)
{
    uint8_t id = interrupt_id(uart);

    if (id == IIR_THRE)
        uart->thre_pending = false;
    return id | (has_fifos(uart) ? IIR_FIFOS : 0);
}

static uint8_t read_lsr(struct uart16550 *uart)
{
    uint8_t value = uart->lsr_errors;
    uint8_t errors = value;

    for (unsigned i = 0; i < uart->received_count; i++)
        errors |= uart->received[(uart->received_first + i) % UART16550_FIFO_BYTES].errors;
    if (has_fifos(uart) && errors & ERRORS_OF_A_BYTE)
        value |= LSR_FIFO_ERROR;
    if (uart->received_count > 0)
        value |= LSR_DR;
    if (uart->transmitting_count == 0)
        value |= LSR_THRE | LSR_TEMT;
    uart->lsr_errors = 0;
    return value;
}

static uint8_t read_msr(struct uart16550 *uart)
{
    uint8_t value = uart->msr;

    uart->msr &= MSR_LEVELS;
    return value;
}

/* The chip. */

void uart16550_init(struct uart16550 *uart, const struct uart16550_wires *wires)
{
    *uart = (struct uart16550){.wires = *wires, .divisor = 12};
    line_set(&uart->wires.irq, false);
    line_set(&uart->wires.dtr, false);
    line_set(&uart->wires.rts, false);
    line_set(&uart->wires.out1, false);
    line_set(&uart->wires.sout_break, false);
    uart16550_reset(uart);
}

void uart16550_reset(struct uart16550 *uart)
{
    uart->ier = uart->fcr = uart->lcr = uart->mcr = 0;
    clear_receiver(uart);
    uart->lsr_errors = 0;
    uart->transmitting_first = uart->transmitting_count = 0;
    uart->thre_pending = false;
    uart->msr = uart->modem_inputs;
    drive_outputs(uart);
    drive_irq(uart);
}

uint8_t uart16550_read(struct uart16550 *uart, unsigned offset, uint64_t now_ns)
{
    bool divisor_latch = uart->lcr & LCR_DLAB;
    uint8_t value = 0xff;

    catch_up(uart, now_ns);
    switch (offset) {
    case UART16550_RBR:
        value = divisor_latch ? (uint8_t)uart->divisor : read_rbr(uart, now_ns);
        break;
    case UART16550_IER: value = divisor_latch ? uart->divisor >> 8 : uart->ier; break;
    case UART16550_IIR: value = read_iir(uart); break;
    case UART16550_LCR: value = uart->lcr; break;
    case UART16550_MCR: value = uart->mcr; break;
    case UART16550_LSR: value = read_lsr(uart); break;
    case UART16550_MSR: value = read_msr(uart); break;
    case UART16550_SCR: value = uart->scr; break;
    }
    drive_irq(uart);
    return value;
}

void uart16550_write(struct uart16550 *uart, unsigned offset, uint8_t value, uint64_t now_ns)
{
    bool divisor_latch = uart->lcr & LCR_DLAB;

    catch_up(uart, now_ns);
    switch (offset) {
    case UART16550_THR:
        if (divisor_latch)
            uart->divisor = (uint16_t)((uart->divisor & 0xff00) | value);
        else
            write_thr(uart, value, now_ns);
        break;
    case UART16550_IER:
        if (divisor_latch)
            uart->divisor = (uint16_t)((uart->divisor & 0x00ff) | value << 8);
        else
            write_ier(uart, value);
        break;
    case UART16550_FCR: write_fcr(uart, value); break;
    case UART16550_LCR:
        uart->lcr = value;
        drive_outputs(uart);
        break;
    case UART16550_MCR: write_mcr(uart, value, now_ns); break;
    case UART16550_SCR: uart->scr = value; break;
    default: break; /* "LSR": only for reading; so is MSR */
    }
    drive_irq(uart);
}

void uart16550_transmit_ready(struct uart16550 *uart, uint64_t now_ns)
{
    catch_up(uart, now_ns);
    transmit(uart, now_ns);
    drive_irq(uart);
}

size_t uart16550_receive_space(const struct uart16550 *uart)
{
    return in_loopback(uart) ? 0 : capacity(uart) - uart->received_count;
}

static void receive(struct uart16550 *uart, uint8_t byte, uint8_t errors, uint64_t now_ns)
{
    catch_up(uart, now_ns);
    if (!in_loopback(uart))
        accept(uart, byte, errors, now_ns);
    drive_irq(uart);
}

void uart16550_receive(struct uart16550 *uart, uint8_t byte, uint64_t now_ns)
{
    receive(uart, byte, 0, now_ns);
}

void uart16550_receive_break(struct uart16550 *uart, uint64_t now_ns)
{
    receive(uart, 0, LSR_BI | LSR_FE, now_ns);
}

void uart16550_set_modem(struct uart16550 *uart, uint8_t asserted, uint64_t now_ns)
{
    catch_up(uart, now_ns);
    uart->modem_inputs = asserted & MSR_LEVELS;
    update_msr(uart);
    drive_irq(uart);
}

uint64_t uart16550_next_deadline(const struct uart16550 *uart)
{
    /* The time-out matters only if it raises the line. All other events happen at accesses. */
    if (!has_fifos(uart) || uart->received_count == 0 || !(uart->ier & IER_ERBFI) ||
        !interrupt_gate(uart) || uart->irq_level)
        return TIME_NEVER;
    return uart->receiver_activity_ns + time_out_ns(uart);
}

void uart16550_run(struct uart16550 *uart, uint64_t now_ns)
{
    catch_up(uart, now_ns);
    drive_irq(uart);
}
