// SPDX-License-Identifier: BSD-2-Clause
/* A 16550A with what its wires lead to, and a clock that the test moves. */
#ifndef TESTS_UNIT_UART16550_BOARD_H
#define TESTS_UNIT_UART16550_BOARD_H

#include "tests/unit/unit.h"

#include "vmm/base/time.h"
#include "vmm/devices/uart16550.h"

#include <string.h>

#define ERBFI 0x01
#define ETBEI 0x02
#define ELSI  0x04
#define EDSSI 0x08

#define NO_INTERRUPT 0x01
#define LINE_STATUS  0x06
#define DATA         0x04
#define TIME_OUT     0x0c
#define THRE         0x02
#define MODEM        0x00
#define FIFOS        0xc0

#define DLAB 0x80
#define OUT2 0x08
#define LOOP 0x10

/* One character of 8N1 at 115200 baud takes 10 bits. */
#define CHARACTER_NS(divisor, bits) ((uint64_t)(divisor) * (bits)*16 * NS_PER_SECOND / 1843200)

struct board {
    struct uart16550 uart;
    uint64_t now_ns;
    bool irq, dtr, rts, out1, sout_break;
    unsigned edges;
    char sent[256];
    size_t sent_count, room;
};

static inline void set_irq(void *context, bool level)
{
    struct board *board = context;

    board->irq = level;
    board->edges += level;
}

static inline void set_bool(void *context, bool level)
{
    *(bool *)context = level;
}

static inline bool transmit(void *context, uint8_t byte)
{
    struct board *board = context;

    if (board->room == 0)
        return false;
    board->room--;
    assert_true(board->sent_count < sizeof(board->sent) - 1);
    board->sent[board->sent_count++] = (char)byte;
    board->sent[board->sent_count] = '\0';
    return true;
}

static inline uint8_t in(struct board *board, unsigned offset)
{
    return uart16550_read(&board->uart, offset, board->now_ns);
}

static inline void out(struct board *board, unsigned offset, uint8_t value)
{
    uart16550_write(&board->uart, offset, value, board->now_ns);
}

/* 115200 8N1, the gate open, no FIFOs. */
static inline void set_up(struct board *board)
{
    struct uart16550_wires wires = {
        .irq = {set_irq, board},
        .transmit = transmit,
        .context = board,
        .dtr = {set_bool, &board->dtr},
        .rts = {set_bool, &board->rts},
        .out1 = {set_bool, &board->out1},
        .sout_break = {set_bool, &board->sout_break},
    };

    *board = (struct board){.room = SIZE_MAX, .irq = true, .sout_break = true};
    uart16550_init(&board->uart, &wires);
    assert_false(board->irq);
    assert_false(board->sout_break);
    out(board, UART16550_LCR, DLAB);
    out(board, UART16550_DLL, 1);
    out(board, UART16550_DLM, 0);
    out(board, UART16550_LCR, 0x03);
    out(board, UART16550_MCR, OUT2);
}

static inline void receive(struct board *board, const char *text)
{
    for (; *text != '\0'; text++)
        uart16550_receive(&board->uart, (uint8_t)*text, board->now_ns);
}

#endif
