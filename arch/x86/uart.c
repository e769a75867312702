// SPDX-License-Identifier: BSD-2-Clause
#include "arch/x86/uart.h"

#include "arch/x86/cpu.h"
#include "vmm/base/bits.h"

/* PC16550D datasheet, table "Register Addresses". */
enum uart_register {
    UART_RBR = 0, /* read: receiver buffer; write: THR, transmitter holding */
    UART_THR = 0,
    UART_DLL = 0, /* with LCR.DLAB: divisor */
    UART_DLM = 1,
    UART_IER = 1,
    UART_IIR = 2, /* read; write: FCR */
    UART_FCR = 2,
    UART_LCR = 3,
    UART_MCR = 4,
    UART_LSR = 5,
    UART_MSR = 6,
    UART_SCR = 7,
};

#define IER_RECEIVED    0x01
#define IER_TRANSMITTED 0x02
#define IER_LINE_STATUS 0x04
#define IER_IMPLEMENTED 0x0f

#define IIR_NONE        0x01
#define IIR_CAUSE(iir)  ((iir)&0x0f)
#define IIR_MODEM       0x00
#define IIR_TRANSMITTED 0x02
#define IIR_RECEIVED    0x04
#define IIR_LINE_STATUS 0x06
#define IIR_TIMEOUT     0x0c
#define IIR_FIFOS       0xc0 /* both bits: enabled and working */

#define FCR_SETUP 0x87 /* enabled, emptied, interrupt at 8 received bytes or after a timeout */

#define LCR_8N1  0x03
#define LCR_DLAB 0x80

#define MCR_DTR  0x01
#define MCR_RTS  0x02
#define MCR_OUT2 0x08 /* on a PC: lets the interrupt through to the bus */
#define MCR_LOOP 0x10

#define LSR_DATA_READY    0x01
#define LSR_OVERRUN       0x02
#define LSR_PARITY        0x04
#define LSR_FRAMING       0x08
#define LSR_BREAK         0x10
#define LSR_THR_EMPTY     0x20
#define LSR_TRANSMITTED   0x40
#define LSR_NOTHING_THERE 0xff

#define RECEIVE_FIFO_BYTES 16
#define BAUD_MAX           115200u
#define BAUD_FIRMWARE_MIN  9600u  /* the slowest rate at which the firmware may be sending */
#define PORT_MAX           0xfff8 /* the last port from which eight registers fit */

/* Reads a register. Without a line the transmitter is always empty, and nothing is received. */
static uint8_t read_register(const struct uart *uart, enum uart_register offset)
{
    if (uart->port != UART_NO_PORT)
        return inb((uint16_t)(uart->port + offset));
    switch (offset) {
    case UART_LSR: return LSR_THR_EMPTY | LSR_TRANSMITTED;
    case UART_IIR: return IIR_NONE;
    default: return 0;
    }
}

static void write_register(const struct uart *uart, enum uart_register offset, uint8_t value)
{
    if (uart->port != UART_NO_PORT)
        outb((uint16_t)(uart->port + offset), value);
}

/* Reads LSR and counts its error bits, which the read clears. */
static uint8_t read_line_status(struct uart *uart)
{
    uint8_t status = read_register(uart, UART_LSR);
    if ((status & (LSR_OVERRUN | LSR_PARITY | LSR_FRAMING | LSR_BREAK)) != 0)
        uart->line_errors++;
    return status;
}

/* Waits until all the given bits of LSR are set. Returns false if they are not in time. The time is
 * counted in reads, as there may be no clock yet: a read of a chipset's register takes 0.1 us or
 * more, so the limit is at least the time of 17 characters of ten bits each, and about ten times
 * that on the slower LPC bus. */
static bool wait_for_status(struct uart *uart, uint8_t bits)
{
    uint64_t reads_max = 17 * 10 * UINT64_C(100000000) / uart->baud;

    for (uint64_t i = 0; i < reads_max; i++) {
        if ((read_line_status(uart) & bits) == bits)
            return true;
        cpu_pause();
    }
    return false;
}

static bool holds(const struct uart *uart, enum uart_register offset, uint8_t mask)
{
    write_register(uart, offset, 0x55 & mask);
    if ((read_register(uart, offset) & mask) != (0x55 & mask))
        return false;
    write_register(uart, offset, 0xaa & mask);
    return (read_register(uart, offset) & mask) == (0xaa & mask);
}

/* Returns whether the UART has a loop mode, in which MCR's four outputs come back as MSR's four
 * inputs (datasheet, "Modem Control Register", bit 4): RTS and OUT2 as CTS and DCD. */
static bool loops_back(const struct uart *uart)
{
    write_register(uart, UART_MCR, MCR_LOOP | MCR_RTS | MCR_OUT2);
    uint8_t first = read_register(uart, UART_MSR) & 0xf0;
    write_register(uart, UART_MCR, MCR_LOOP | MCR_DTR);
    uint8_t second = read_register(uart, UART_MSR) & 0xf0;
    return first == 0x90 && second == 0x20;
}

/* Returns whether there is a UART. Some remote-management boards have a UART without loop mode or
 * without the scratch register, but none without both. Puts back what it writes, because the
 * firmware may still use the port. */
static bool is_present(struct uart *uart)
{
    if (read_register(uart, UART_LSR) == LSR_NOTHING_THERE)
        return false;
    (void)wait_for_status(uart, LSR_TRANSMITTED);

    uint8_t line_control = read_register(uart, UART_LCR);
    write_register(uart, UART_LCR, line_control & ~LCR_DLAB); /* makes offset 1 IER */
    uint8_t modem_control = read_register(uart, UART_MCR);
    write_register(uart, UART_MCR, modem_control & ~MCR_OUT2); /* holds interrupts back */
    uint8_t enabled = read_register(uart, UART_IER);
    bool has_ier = holds(uart, UART_IER, IER_IMPLEMENTED);
    write_register(uart, UART_IER, enabled);
    uint8_t scratch = read_register(uart, UART_SCR);
    bool has_scratch = holds(uart, UART_SCR, 0xff);
    write_register(uart, UART_SCR, scratch);
    bool is_uart = has_ier && (has_scratch || loops_back(uart));
    write_register(uart, UART_MCR, modem_control);
    write_register(uart, UART_LCR, line_control);
    return is_uart;
}

bool uart_is_present(uint16_t port)
{
    struct uart uart = {.port = port, .baud = BAUD_FIRMWARE_MIN};

    return port != UART_NO_PORT && port <= PORT_MAX && is_present(&uart);
}

enum status uart_init(struct uart *uart, uint16_t port, uint32_t baud)
{
    if (baud < 50 || baud > BAUD_MAX || port > PORT_MAX)
        return STATUS_OUT_OF_RANGE;
    uint32_t divisor = (BAUD_MAX + baud / 2) / baud;
    uint32_t actual = BAUD_MAX / divisor;
    uint32_t error = actual > baud ? actual - baud : baud - actual;
    if (error * 100 > baud * 3)
        return STATUS_OUT_OF_RANGE;

    *uart = (struct uart){.port = port, .baud = baud, .fifo_bytes = 1};
    if (port == UART_NO_PORT || !is_present(uart)) {
        uart->port = UART_NO_PORT;
        return STATUS_NOT_FOUND;
    }

    write_register(uart, UART_LCR, LCR_8N1); /* clears DLAB: offset 1 is IER */
    write_register(uart, UART_IER, 0);
    write_register(uart, UART_LCR, LCR_8N1 | LCR_DLAB);
    write_register(uart, UART_DLL, (uint8_t)divisor);
    write_register(uart, UART_DLM, (uint8_t)(divisor >> 8));
    write_register(uart, UART_LCR, LCR_8N1);
    write_register(uart, UART_FCR, FCR_SETUP);
    if ((read_register(uart, UART_IIR) & IIR_FIFOS) == IIR_FIFOS)
        uart->fifo_bytes = 16;
    uart->modem_control = MCR_DTR | MCR_RTS | MCR_OUT2;
    write_register(uart, UART_MCR, uart->modem_control);

    /* Removes left-overs that would raise the line as soon as interrupts are enabled. */
    (void)read_register(uart, UART_RBR);
    (void)read_register(uart, UART_LSR);
    (void)read_register(uart, UART_MSR);
    return STATUS_OK;
}

unsigned uart_room(struct uart *uart)
{
    /* With FIFOs, THRE says that the whole FIFO is empty, not only one place in it. */
    if (uart->room_bytes == 0 && (read_line_status(uart) & LSR_THR_EMPTY) != 0)
        uart->room_bytes = uart->fifo_bytes;
    return uart->room_bytes;
}

bool uart_try_put(struct uart *uart, uint8_t byte)
{
    if (uart_room(uart) == 0)
        return false;
    uart->room_bytes--;
    write_register(uart, UART_THR, byte);
    return true;
}

/* Skips breaks: a break arrives as a NUL that was not sent. */
bool uart_try_get(struct uart *uart, uint8_t *byte)
{
    for (unsigned breaks = 0; breaks <= RECEIVE_FIFO_BYTES; breaks++) {
        uint8_t status = read_line_status(uart);
        /* A UART that is gone always reads as all ones. */
        if (status == LSR_NOTHING_THERE || (status & LSR_DATA_READY) == 0)
            return false;
        *byte = read_register(uart, UART_RBR);
        if ((status & LSR_BREAK) == 0)
            return true;
    }
    return false;
}

bool uart_put_polled(struct uart *uart, uint8_t byte)
{
    if (uart->room_bytes == 0 && !wait_for_status(uart, LSR_THR_EMPTY))
        return false;
    return uart_try_put(uart, byte);
}

bool uart_flush(struct uart *uart)
{
    return wait_for_status(uart, LSR_THR_EMPTY | LSR_TRANSMITTED);
}

void uart_set_interrupts(struct uart *uart, bool on_receive, bool on_transmit)
{
    uint8_t enable = 0;

    if (on_receive)
        enable |= IER_RECEIVED | IER_LINE_STATUS;
    if (on_transmit)
        enable |= IER_TRANSMITTED;
    write_register(uart, UART_IER, enable);
}

enum uart_cause uart_interrupt_cause(struct uart *uart)
{
    uint8_t identification = read_register(uart, UART_IIR);

    if ((identification & IIR_NONE) != 0)
        return UART_CAUSE_NONE;
    switch (IIR_CAUSE(identification)) {
    case IIR_RECEIVED:
    case IIR_TIMEOUT: return UART_CAUSE_RECEIVED;
    case IIR_TRANSMITTED: return UART_CAUSE_TRANSMITTED; /* the read of IIR has cleared it */
    case IIR_LINE_STATUS: {
        uint8_t status = read_line_status(uart);
        /* The error bits belong to the next byte. */
        if ((status & LSR_BREAK) != 0 && (status & LSR_DATA_READY) != 0)
            (void)read_register(uart, UART_RBR);
        return UART_CAUSE_OTHER;
    }
    case IIR_MODEM:
    default: (void)read_register(uart, UART_MSR); return UART_CAUSE_OTHER;
    }
}
