// SPDX-License-Identifier: BSD-2-Clause
/* The 16550A: registers, transmitter, interrupts, modem lines, loopback. */
#include "tests/unit/random.h"
#include "tests/unit/uart16550_board.h"

static void test_registers(void **state)
{
    struct board board;

    (void)state;
    set_up(&board);
    uart16550_reset(&board.uart);
    assert_int_equal(in(&board, UART16550_IER), 0x00);
    assert_int_equal(in(&board, UART16550_IIR), 0x01);
    assert_int_equal(in(&board, UART16550_LCR), 0x00);
    assert_int_equal(in(&board, UART16550_MCR), 0x00);
    assert_int_equal(in(&board, UART16550_LSR), 0x60);
    assert_int_equal(in(&board, UART16550_MSR), 0x00);
    out(&board, UART16550_SCR, 0xa5);
    assert_int_equal(in(&board, UART16550_SCR), 0xa5);
    out(&board, UART16550_IER, 0xf0);
    assert_int_equal(in(&board, UART16550_IER), 0x00);
    out(&board, UART16550_MCR, 0xff);
    assert_int_equal(in(&board, UART16550_MCR), 0x1f);
    out(&board, UART16550_MCR, 0x00);
    out(&board, UART16550_LSR, 0x00);
    out(&board, UART16550_MSR, 0xff);
    assert_int_equal(in(&board, UART16550_LSR), 0x60);
    (void)in(&board, UART16550_MSR);
    assert_int_equal(in(&board, UART16550_MSR), 0x00);
    out(&board, UART16550_LCR, 0xff);
    assert_int_equal(in(&board, UART16550_LCR), 0xff);
    out(&board, UART16550_DLL, 0x34);
    out(&board, UART16550_DLM, 0x12);
    assert_int_equal(in(&board, UART16550_DLL), 0x34);
    assert_int_equal(in(&board, UART16550_DLM), 0x12);
    out(&board, UART16550_LCR, 0x03);
    assert_int_equal(in(&board, UART16550_IER), 0x00);
    assert_int_equal(in(&board, 8), 0xff);
    out(&board, 8, 0xff);
    uart16550_reset(&board.uart);
    assert_int_equal(in(&board, UART16550_SCR), 0xa5);
    assert_int_equal(board.sent_count, 0);
}

static void test_transmit(void **state)
{
    struct board board;

    (void)state;
    set_up(&board);
    out(&board, UART16550_THR, 'o');
    out(&board, UART16550_THR, 'k');
    out(&board, UART16550_THR, 0xff);
    assert_string_equal(board.sent, "ok\xff");
    assert_int_equal(in(&board, UART16550_LSR), 0x60);
    /* No sink at all. */
    board.uart.wires.transmit = NULL;
    out(&board, UART16550_THR, 'x');
    assert_int_equal(in(&board, UART16550_LSR), 0x60);
    assert_int_equal(board.sent_count, 3);
}

static void test_transmit_blocked(void **state)
{
    struct board board;

    (void)state;
    set_up(&board);
    out(&board, UART16550_IER, ETBEI);
    assert_int_equal(in(&board, UART16550_IIR), THRE);
    /* 16450: one byte waits, another takes its place. */
    board.room = 0;
    out(&board, UART16550_THR, 'a');
    out(&board, UART16550_THR, 'b');
    assert_int_equal(in(&board, UART16550_LSR), 0x00);
    assert_int_equal(in(&board, UART16550_IIR), NO_INTERRUPT);
    uart16550_transmit_ready(&board.uart, 0);
    assert_int_equal(in(&board, UART16550_LSR), 0x00);
    board.room = 5;
    uart16550_transmit_ready(&board.uart, 0);
    assert_int_equal(in(&board, UART16550_LSR), 0x60);
    assert_true(board.irq);
    assert_string_equal(board.sent, "b");
    assert_int_equal(in(&board, UART16550_IIR), THRE);
    assert_false(board.irq);
    /* FIFO: 16 wait, more are lost; the interrupt comes when the last has left. */
    out(&board, UART16550_FCR, 0x01);
    assert_int_equal(in(&board, UART16550_IIR), FIFOS | THRE); /* immediate after the change */
    board.room = 2;
    for (char c = 'A'; c < 'A' + 20; c++)
        out(&board, UART16550_THR, (uint8_t)c);
    assert_string_equal(board.sent, "bAB");
    assert_int_equal(in(&board, UART16550_LSR), 0x00);
    assert_false(board.irq);
    board.room = 15;
    uart16550_transmit_ready(&board.uart, 0);
    assert_string_equal(board.sent, "bABCDEFGHIJKLMNOPQ");
    assert_false(board.irq);
    board.room = 15;
    uart16550_transmit_ready(&board.uart, 0);
    assert_string_equal(board.sent, "bABCDEFGHIJKLMNOPQR");
    assert_true(board.irq);
    /* Clearing the FIFO drops what waits, and it is empty then. */
    (void)in(&board, UART16550_IIR);
    board.room = 0;
    out(&board, UART16550_THR, 'x');
    assert_false(board.irq);
    out(&board, UART16550_FCR, 0x05);
    assert_true(board.irq);
    assert_int_equal(in(&board, UART16550_LSR), 0x60);
    board.room = 5;
    uart16550_transmit_ready(&board.uart, 0);
    assert_int_equal(board.sent_count, 19);
    assert_int_equal(in(&board, UART16550_IIR), FIFOS | THRE);
    out(&board, UART16550_FCR, 0x05); /* an empty one makes no interrupt */
    assert_false(board.irq);
}

static void test_thre_interrupt(void **state)
{
    struct board board;

    (void)state;
    set_up(&board);
    out(&board, UART16550_IER, ETBEI); /* rising edge with an empty THR */
    assert_true(board.irq);
    assert_int_equal(in(&board, UART16550_IIR), THRE); /* reading it clears the source */
    assert_false(board.irq);
    assert_int_equal(in(&board, UART16550_IIR), NO_INTERRUPT);
    out(&board, UART16550_IER, ETBEI); /* no edge */
    assert_false(board.irq);
    out(&board, UART16550_IER, 0);
    out(&board, UART16550_IER, ETBEI);
    assert_true(board.irq);
    out(&board, UART16550_IER, 0);
    assert_false(board.irq);
    assert_int_equal(in(&board, UART16550_IIR), NO_INTERRUPT);
    out(&board, UART16550_IER, ETBEI);
    /* Every byte taken makes an edge. */
    board.edges = 0;
    out(&board, UART16550_THR, 'x');
    out(&board, UART16550_THR, 'y');
    assert_int_equal(board.edges, 2);
    assert_true(board.irq);
    (void)in(&board, UART16550_IIR);
    out(&board, UART16550_THR, 'z');
    assert_true(board.irq);
    uart16550_reset(&board.uart);
    assert_false(board.irq);
}

static void test_out2_gates_irq(void **state)
{
    struct board board;

    (void)state;
    set_up(&board);
    out(&board, UART16550_MCR, 0);
    out(&board, UART16550_IER, ERBFI);
    receive(&board, "x");
    assert_false(board.irq);
    assert_int_equal(in(&board, UART16550_IIR), DATA);
    out(&board, UART16550_MCR, OUT2);
    assert_true(board.irq);
    out(&board, UART16550_MCR, OUT2 | LOOP);
    assert_false(board.irq);
    assert_int_equal(in(&board, UART16550_IIR), DATA);
    out(&board, UART16550_MCR, OUT2);
    assert_true(board.irq);
}

static void test_modem(void **state)
{
    struct board board;

    (void)state;
    set_up(&board);
    out(&board, UART16550_IER, EDSSI);
    uart16550_set_modem(&board.uart, UART16550_CTS, 0);
    assert_true(board.irq);
    assert_int_equal(in(&board, UART16550_IIR), MODEM);
    assert_int_equal(in(&board, UART16550_MSR), 0x11);
    assert_false(board.irq);
    assert_int_equal(in(&board, UART16550_MSR), 0x10);
    uart16550_set_modem(&board.uart, UART16550_CTS | UART16550_DSR | UART16550_DCD, 0);
    assert_int_equal(in(&board, UART16550_MSR), 0xba);
    /* RI: the trailing edge alone. */
    uart16550_set_modem(&board.uart, UART16550_RI, 0);
    assert_int_equal(in(&board, UART16550_MSR), 0x4b);
    uart16550_set_modem(&board.uart, UART16550_RI, 0);
    assert_false(board.irq);
    uart16550_set_modem(&board.uart, 0, 0);
    assert_int_equal(in(&board, UART16550_MSR), 0x04);
    uart16550_set_modem(&board.uart, 0xff, 0);
    uart16550_reset(&board.uart);
    assert_int_equal(in(&board, UART16550_MSR), 0xf0);
}

static void test_outputs(void **state)
{
    struct board board;

    (void)state;
    set_up(&board);
    out(&board, UART16550_MCR, 0x07);
    assert_true(board.dtr && board.rts && board.out1);
    out(&board, UART16550_LCR, 0x43);
    assert_true(board.sout_break);
    out(&board, UART16550_MCR, 0x17); /* loopback: all inactive, the line marks */
    assert_false(board.dtr || board.rts || board.out1 || board.sout_break);
    out(&board, UART16550_MCR, 0x01);
    assert_true(board.dtr && board.sout_break && !board.rts && !board.out1);
    out(&board, UART16550_LCR, 0x03);
    assert_false(board.sout_break);
    uart16550_reset(&board.uart);
    assert_false(board.dtr);
}

static void test_priorities(void **state)
{
    struct board board;

    (void)state;
    set_up(&board);
    out(&board, UART16550_FCR, 0x41);
    out(&board, UART16550_IER, ERBFI | ETBEI | ELSI | EDSSI);
    uart16550_set_modem(&board.uart, UART16550_CTS, 0);
    receive(&board, "abc");
    uart16550_receive_break(&board.uart, 0);
    for (unsigned i = 0; i < 3; i++)
        (void)in(&board, UART16550_RBR);
    receive(&board, "def");
    /* Line status, data, time-out, THRE, modem: each appears when the one above is served, and a
     * look at a higher one does not clear THRE. */
    assert_int_equal(in(&board, UART16550_IIR), FIFOS | LINE_STATUS);
    (void)in(&board, UART16550_LSR);
    assert_int_equal(in(&board, UART16550_IIR), FIFOS | DATA);
    (void)in(&board, UART16550_RBR);
    assert_int_equal(in(&board, UART16550_IIR), FIFOS | THRE);
    out(&board, UART16550_IER, ERBFI | ELSI | EDSSI);
    out(&board, UART16550_IER, ERBFI | ETBEI | ELSI | EDSSI);
    board.now_ns += NS_PER_SECOND;
    assert_int_equal(in(&board, UART16550_IIR), FIFOS | TIME_OUT);
    (void)in(&board, UART16550_RBR);
    assert_int_equal(in(&board, UART16550_IIR), FIFOS | THRE);
    assert_true(board.irq);
    assert_int_equal(in(&board, UART16550_IIR), FIFOS | MODEM);
    assert_true(board.irq);
    (void)in(&board, UART16550_MSR);
    assert_int_equal(in(&board, UART16550_IIR), FIFOS | NO_INTERRUPT);
    assert_false(board.irq);
}

static void test_loopback(void **state)
{
    struct board board;

    (void)state;
    set_up(&board);
    uart16550_set_modem(&board.uart, UART16550_DSR, 0);
    (void)in(&board, UART16550_MSR);
    /* Modem lines: DTR to DSR, RTS to CTS, OUT1 to RI, OUT2 to DCD. */
    out(&board, UART16550_MCR, LOOP);
    assert_int_equal(in(&board, UART16550_MSR), 0x02);
    out(&board, UART16550_MCR, LOOP | 0x01);
    assert_int_equal(in(&board, UART16550_MSR), 0x22);
    out(&board, UART16550_MCR, LOOP | 0x02);
    assert_int_equal(in(&board, UART16550_MSR), 0x13);
    out(&board, UART16550_MCR, LOOP | 0x04);
    assert_int_equal(in(&board, UART16550_MSR), 0x41);
    out(&board, UART16550_MCR, LOOP | 0x08);
    assert_int_equal(in(&board, UART16550_MSR), 0x8c);
    uart16550_set_modem(&board.uart, UART16550_DSR | UART16550_CTS, 0);
    assert_int_equal(in(&board, UART16550_MSR), 0x80);

    /* Data: back to the receiver, nothing outside, with the word length and without the break. */
    out(&board, UART16550_IER, ERBFI);
    out(&board, UART16550_LCR, 0x43);
    out(&board, UART16550_THR, 0xff);
    assert_int_equal(in(&board, UART16550_IIR), DATA);
    assert_int_equal(in(&board, UART16550_LSR), 0x61);
    assert_int_equal(in(&board, UART16550_RBR), 0xff);
    for (unsigned word = 0; word < 4; word++) {
        out(&board, UART16550_LCR, (uint8_t)word);
        out(&board, UART16550_THR, 0xff);
        assert_int_equal(in(&board, UART16550_RBR), 0xff >> (3 - word));
    }
    assert_int_equal(board.sent_count, 0);
    /* The line outside is cut off. */
    assert_int_equal(uart16550_receive_space(&board.uart), 0);
    receive(&board, "x");
    assert_int_equal(in(&board, UART16550_LSR), 0x60);
    /* Overrun through the loop; 16 bytes fit the FIFO. */
    out(&board, UART16550_LCR, 0x03);
    out(&board, UART16550_FCR, 0x01);
    for (unsigned i = 0; i < 17; i++)
        out(&board, UART16550_THR, (uint8_t)i);
    assert_int_equal(in(&board, UART16550_LSR), 0x63);
    for (unsigned i = 0; i < 16; i++)
        assert_int_equal(in(&board, UART16550_RBR), i);
    out(&board, UART16550_MCR, 0);
    assert_int_equal(in(&board, UART16550_MSR), 0x3b);
    assert_int_equal(uart16550_receive_space(&board.uart), 16);
    /* What waited for the sink goes round. */
    board.room = 0;
    out(&board, UART16550_THR, 'q');
    out(&board, UART16550_MCR, LOOP);
    assert_int_equal(in(&board, UART16550_RBR), 'q');
    assert_int_equal(in(&board, UART16550_LSR), 0x60);
}

/* The steps by which Linux's 8250 driver tells UARTs and their bugs apart. */
static void test_probing_kernel(void **state)
{
    struct board board;
    uint8_t first;

    (void)state;
    set_up(&board);
    out(&board, UART16550_MCR, 0);
    out(&board, UART16550_IER, 0);
    assert_int_equal(in(&board, UART16550_IER) & 0x0f, 0);
    out(&board, UART16550_IER, 0x0f);
    assert_int_equal(in(&board, UART16550_IER) & 0x0f, 0x0f);
    out(&board, UART16550_IER, 0);
    out(&board, UART16550_MCR, 0x1a);
    assert_int_equal(in(&board, UART16550_MSR) & 0xf0, 0x90);
    out(&board, UART16550_MCR, 0);
    out(&board, UART16550_LCR, 0xbf);
    out(&board, 2, 0);
    out(&board, UART16550_LCR, 0);
    out(&board, UART16550_FCR, 0x01);
    assert_int_equal(in(&board, UART16550_IIR) >> 6, 3);
    /* No enhanced features register, no 64 byte FIFO, no UUE. */
    out(&board, UART16550_LCR, 0x80);
    assert_int_not_equal(in(&board, 2), 0);
    out(&board, UART16550_LCR, 0xbf);
    assert_int_not_equal(in(&board, 2), 0);
    out(&board, UART16550_LCR, 0);
    out(&board, UART16550_FCR, 0x21);
    assert_int_equal(in(&board, UART16550_IIR) >> 5, 6);
    out(&board, UART16550_FCR, 0x01);
    out(&board, UART16550_LCR, 0x80);
    out(&board, UART16550_FCR, 0x21);
    assert_int_equal(in(&board, UART16550_IIR) >> 5, 6);
    out(&board, UART16550_LCR, 0);
    out(&board, UART16550_IER, 0x40);
    assert_int_equal(in(&board, UART16550_IER), 0);
    /* UART_BUG_THRE: enabling the interrupt twice raises it twice. */
    out(&board, UART16550_IER, ETBEI);
    first = in(&board, UART16550_IIR);
    assert_int_equal(first & 0x0f, THRE);
    out(&board, UART16550_IER, 0);
    out(&board, UART16550_IER, ETBEI);
    assert_int_equal(in(&board, UART16550_IIR) & 0x0f, THRE);
    out(&board, UART16550_IER, 0);
    /* UART_BUG_TXEN: an empty transmitter interrupts. */
    out(&board, UART16550_IER, ETBEI);
    assert_int_equal(in(&board, UART16550_LSR) & 0x40, 0x40);
    assert_int_equal(in(&board, UART16550_IIR) & 0x01, 0);
}

/* Any sequence of calls is harmless; a deadline that is not in the past raises the line. */
static void test_random(void **state)
{
    struct board board;

    (void)state;
    set_up(&board);
    for (unsigned i = 0; i < 300000; i++) {
        uint64_t random = random_u64(), deadline;

        board.now_ns += random >> 40;
        board.sent_count = 0;
        switch (random & 15) {
        case 0: board.room = random >> 8 & 31; break;
        case 1: uart16550_transmit_ready(&board.uart, board.now_ns); break;
        case 2: uart16550_receive_break(&board.uart, board.now_ns); break;
        case 3: uart16550_set_modem(&board.uart, (uint8_t)(random >> 8), board.now_ns); break;
        case 4: uart16550_reset(&board.uart); break;
        case 5:
        case 6:
        case 7: uart16550_receive(&board.uart, (uint8_t)(random >> 8), board.now_ns); break;
        case 8:
        case 9: (void)in(&board, random >> 8 & 7); break;
        case 10: out(&board, UART16550_IER, 0x01); break;
        case 11: out(&board, UART16550_MCR, 0x08); break;
        default: out(&board, random >> 8 & 7, (uint8_t)(random >> 16)); break;
        }
        assert_true(uart16550_receive_space(&board.uart) <= 16);
        deadline = uart16550_next_deadline(&board.uart);
        if (deadline != TIME_NEVER) {
            assert_false(board.irq);
            if (deadline > board.now_ns) {
                uart16550_run(&board.uart, deadline - 1);
                assert_false(board.irq);
                board.now_ns = deadline;
            }
            uart16550_run(&board.uart, board.now_ns);
            assert_true(board.irq);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_registers),        cmocka_unit_test(test_transmit),
        cmocka_unit_test(test_transmit_blocked), cmocka_unit_test(test_thre_interrupt),
        cmocka_unit_test(test_out2_gates_irq),   cmocka_unit_test(test_modem),
        cmocka_unit_test(test_outputs),          cmocka_unit_test(test_priorities),
        cmocka_unit_test(test_loopback),         cmocka_unit_test(test_probing_kernel),
        cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests_name("uart16550", tests, NULL, NULL);
}
