// SPDX-License-Identifier: BSD-2-Clause
/* The 16550A's receiver: FIFO, trigger levels, time-out, lengths of characters, errors. */
#include "tests/unit/uart16550_board.h"

static void test_receive_16450(void **state)
{
    struct board board;

    (void)state;
    set_up(&board);
    out(&board, UART16550_IER, ERBFI | ELSI);
    assert_int_equal(uart16550_receive_space(&board.uart), 1);
    receive(&board, "a");
    assert_int_equal(uart16550_receive_space(&board.uart), 0);
    assert_int_equal(uart16550_next_deadline(&board.uart), TIME_NEVER);
    assert_true(board.irq);
    assert_int_equal(in(&board, UART16550_IIR), DATA);
    assert_int_equal(in(&board, UART16550_LSR), 0x61);
    assert_int_equal(in(&board, UART16550_RBR), 'a');
    assert_false(board.irq);
    assert_int_equal(in(&board, UART16550_LSR), 0x60);
    assert_int_equal(in(&board, UART16550_RBR), 'a'); /* the buffer keeps it */
    /* Overrun: the new byte stays. */
    receive(&board, "bc");
    assert_int_equal(in(&board, UART16550_IIR), LINE_STATUS);
    assert_int_equal(in(&board, UART16550_LSR), 0x63);
    assert_int_equal(in(&board, UART16550_LSR), 0x61);
    assert_int_equal(in(&board, UART16550_IIR), DATA);
    assert_int_equal(in(&board, UART16550_RBR), 'c');
}

static void test_trigger_levels(void **state)
{
    static const unsigned levels[4] = {1, 4, 8, 14};
    struct board board;

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        set_up(&board);
        out(&board, UART16550_FCR, (uint8_t)(i << 6 | 0x01));
        out(&board, UART16550_IER, ERBFI);
        for (unsigned count = 1; count <= 16; count++) {
            receive(&board, "x");
            assert_int_equal(board.irq, count >= levels[i]);
            assert_int_equal(uart16550_receive_space(&board.uart), 16 - count);
        }
        assert_int_equal(in(&board, UART16550_IIR), FIFOS | DATA);
        for (unsigned count = 15; count + 1 > 0; count--) {
            assert_int_equal(in(&board, UART16550_RBR), 'x');
            assert_int_equal(board.irq, count >= levels[i]);
        }
    }
    /* A lower trigger level finds enough. */
    receive(&board, "xxxx");
    assert_false(board.irq);
    out(&board, UART16550_FCR, 0x41);
    assert_true(board.irq);
}

static void test_fifo_overrun(void **state)
{
    struct board board;

    (void)state;
    set_up(&board);
    out(&board, UART16550_FCR, 0xc1);
    out(&board, UART16550_IER, ELSI);
    receive(&board, "0123456789abcdef");
    assert_false(board.irq);
    receive(&board, "X");
    assert_true(board.irq);
    assert_int_equal(in(&board, UART16550_LSR), 0x63);
    assert_false(board.irq);
    for (unsigned i = 0; i < 16; i++)
        assert_int_equal(in(&board, UART16550_RBR), "0123456789abcdef"[i]);
    assert_int_equal(in(&board, UART16550_LSR), 0x60);
    /* Resetting the receiver's FIFO; without bit 0 nothing is programmed but the FIFOs go. */
    receive(&board, "xyz");
    out(&board, UART16550_FCR, 0xc3);
    assert_int_equal(in(&board, UART16550_LSR), 0x60);
    receive(&board, "xyz");
    out(&board, UART16550_FCR, 0xc0);
    assert_int_equal(in(&board, UART16550_LSR), 0x60);
    assert_int_equal(in(&board, UART16550_IIR), NO_INTERRUPT);
    receive(&board, "x");
    out(&board, UART16550_FCR, 0x02); /* no FIFO to reset */
    assert_int_equal(in(&board, UART16550_LSR), 0x61);
    out(&board, UART16550_FCR, 0x01); /* the change drops it */
    assert_int_equal(in(&board, UART16550_LSR), 0x60);
}

static void test_character_time_out(void **state)
{
    struct board board;
    const uint64_t four = 4 * CHARACTER_NS(1, 10);

    (void)state;
    set_up(&board);
    out(&board, UART16550_FCR, 0xc1); /* trigger at 14 */
    out(&board, UART16550_IER, ERBFI);
    assert_int_equal(uart16550_next_deadline(&board.uart), TIME_NEVER);
    board.now_ns = 1000;
    receive(&board, "a");
    board.now_ns = 50000;
    receive(&board, "b");
    assert_in_range(uart16550_next_deadline(&board.uart), 50000 + four, 50000 + four + 4);
    board.now_ns = uart16550_next_deadline(&board.uart);
    uart16550_run(&board.uart, board.now_ns - 1);
    assert_false(board.irq);
    uart16550_run(&board.uart, board.now_ns);
    assert_true(board.irq);
    assert_int_equal(uart16550_next_deadline(&board.uart), TIME_NEVER);
    assert_int_equal(in(&board, UART16550_IIR), FIFOS | TIME_OUT);
    /* It stays when more arrives and goes with a read, which restarts the timer. */
    receive(&board, "c");
    assert_int_equal(in(&board, UART16550_IIR), FIFOS | TIME_OUT);
    board.now_ns += 1000;
    assert_int_equal(in(&board, UART16550_RBR), 'a');
    assert_false(board.irq);
    assert_in_range(uart16550_next_deadline(&board.uart), board.now_ns + four,
                    board.now_ns + four + 4);
    /* Without ERBFI there is no wake-up; enabling it late finds the time-out. */
    out(&board, UART16550_IER, 0);
    assert_int_equal(uart16550_next_deadline(&board.uart), TIME_NEVER);
    board.now_ns += NS_PER_SECOND;
    out(&board, UART16550_IER, ERBFI);
    assert_true(board.irq);
    /* At the trigger level the data interrupt comes first. */
    receive(&board, "0123456789ab");
    assert_int_equal(in(&board, UART16550_IIR), FIFOS | DATA);
    for (unsigned i = 0; i < 14; i++)
        (void)in(&board, UART16550_RBR);
    assert_false(board.irq);
    assert_int_equal(uart16550_next_deadline(&board.uart), TIME_NEVER); /* empty */
    receive(&board, "x");
    board.now_ns += NS_PER_SECOND;
    out(&board, UART16550_FCR, 0xc3);
    assert_false(board.irq);
    assert_int_equal(in(&board, UART16550_IIR), FIFOS | NO_INTERRUPT);
    /* With the gate closed nobody needs waking, and IIR knows all the same. */
    receive(&board, "x");
    out(&board, UART16550_MCR, 0);
    assert_int_equal(uart16550_next_deadline(&board.uart), TIME_NEVER);
    board.now_ns += NS_PER_SECOND;
    assert_int_equal(in(&board, UART16550_IIR), FIFOS | TIME_OUT);
}

static void test_character_length(void **state)
{
    static const struct {
        uint16_t divisor;
        uint8_t lcr;
        unsigned half_bits;
    } cases[] = {
        {1, 0x00, 14},      /* 5N1 */
        {1, 0x04, 15},      /* 5N1.5 */
        {1, 0x06, 20},      /* 7N2 */
        {12, 0x03, 20},     /* 8N1 */
        {12, 0x1f, 24},     /* 8E2 */
        {0xffff, 0x0b, 22}, /* 8O1 */
        {0, 0x03, 20},      /* 65536 */
    };
    struct board board;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t divisor = cases[i].divisor != 0 ? cases[i].divisor : 65536;
        uint64_t time_out = divisor * cases[i].half_bits * 4 * 8 * NS_PER_SECOND / 1843200;

        set_up(&board);
        out(&board, UART16550_LCR, DLAB);
        out(&board, UART16550_DLL, (uint8_t)cases[i].divisor);
        out(&board, UART16550_DLM, (uint8_t)(cases[i].divisor >> 8));
        out(&board, UART16550_LCR, cases[i].lcr);
        out(&board, UART16550_FCR, 0x81);
        out(&board, UART16550_IER, ERBFI);
        receive(&board, "x");
        assert_int_equal(uart16550_next_deadline(&board.uart), time_out);
    }
}

static void test_break_and_fifo_errors(void **state)
{
    struct board board;

    (void)state;
    set_up(&board);
    out(&board, UART16550_FCR, 0x01);
    out(&board, UART16550_IER, ELSI);
    receive(&board, "a");
    uart16550_receive_break(&board.uart, 0);
    uart16550_receive_break(&board.uart, 0);
    /* The errors show when their byte reaches the top; bit 7 tells that there are some. */
    assert_false(board.irq);
    assert_int_equal(in(&board, UART16550_LSR), 0xe1);
    assert_int_equal(in(&board, UART16550_RBR), 'a');
    assert_true(board.irq);
    assert_int_equal(in(&board, UART16550_IIR), FIFOS | LINE_STATUS);
    assert_int_equal(in(&board, UART16550_LSR), 0xf9);
    assert_false(board.irq);
    assert_int_equal(in(&board, UART16550_LSR), 0xe1); /* the second break is still below */
    assert_int_equal(in(&board, UART16550_RBR), 0);
    assert_int_equal(in(&board, UART16550_LSR), 0xf9);
    assert_int_equal(in(&board, UART16550_LSR), 0x61);
    assert_int_equal(in(&board, UART16550_RBR), 0);
    assert_int_equal(in(&board, UART16550_LSR), 0x60);
    /* Dropping the FIFO drops them. */
    uart16550_receive_break(&board.uart, 0);
    out(&board, UART16550_FCR, 0x03);
    assert_int_equal(in(&board, UART16550_LSR), 0x60);
    /* 16450: no bit 7. */
    out(&board, UART16550_FCR, 0x00);
    uart16550_receive_break(&board.uart, 0);
    assert_int_equal(in(&board, UART16550_LSR), 0x79);
    assert_int_equal(in(&board, UART16550_LSR), 0x61);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_receive_16450),    cmocka_unit_test(test_trigger_levels),
        cmocka_unit_test(test_fifo_overrun),     cmocka_unit_test(test_character_time_out),
        cmocka_unit_test(test_character_length), cmocka_unit_test(test_break_and_fifo_errors),
    };
    return cmocka_run_group_tests_name("uart16550_receive", tests, NULL, NULL);
}
