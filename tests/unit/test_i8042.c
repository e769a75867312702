// SPDX-License-Identifier: BSD-2-Clause
#include "tests/unit/unit.h"

#include "vmm/base/time.h"
#include "vmm/devices/i8042.h"

#define DATA    I8042_PORT_DATA
#define COMMAND I8042_PORT_COMMAND
#define MS      UINT64_C(1000000)

struct board {
    struct i8042 controller;
    uint64_t now_ns;
    bool keyboard_irq, auxiliary_irq;
    unsigned keyboard_edges, auxiliary_edges, resets;
};

static void set_keyboard_irq(void *context, bool level)
{
    struct board *board = context;

    board->keyboard_irq = level;
    board->keyboard_edges += level;
}

static void set_auxiliary_irq(void *context, bool level)
{
    struct board *board = context;

    board->auxiliary_irq = level;
    board->auxiliary_edges += level;
}

static void reset_board(void *context)
{
    struct board *board = context;

    board->resets++;
    i8042_reset(&board->controller);
}

static void set_up(struct board *board)
{
    struct i8042_wires wires = {
        .keyboard_irq = {set_keyboard_irq, board},
        .auxiliary_irq = {set_auxiliary_irq, board},
        .reset_board = reset_board,
        .context = board,
    };

    *board = (struct board){.keyboard_irq = true, .auxiliary_irq = true};
    i8042_init(&board->controller, &wires);
    assert_false(board->keyboard_irq);
    assert_false(board->auxiliary_irq);
}

static void out(struct board *board, uint16_t port, uint8_t value)
{
    i8042_write(&board->controller, port, value, board->now_ns);
}

static uint8_t in(struct board *board, uint16_t port)
{
    return i8042_read(&board->controller, port, board->now_ns);
}

/* A command's answer, which has to be there at once. */
static uint8_t ask(struct board *board, uint8_t command)
{
    out(board, COMMAND, command);
    assert_int_equal(in(board, COMMAND) & 0x21, 0x01);
    return in(board, DATA);
}

static void test_status_and_tests(void **state)
{
    struct board board;

    (void)state;
    set_up(&board);
    assert_int_equal(in(&board, COMMAND), 0x14); /* system flag, not inhibited */
    assert_int_equal(ask(&board, 0xaa), 0x55);
    assert_int_equal(in(&board, COMMAND), 0x1c); /* the last write was a command */
    assert_int_equal(ask(&board, 0xab), 0x00);
    assert_int_equal(ask(&board, 0xa9), 0x00);
    assert_int_equal(ask(&board, 0xa4), 0xf1);
    assert_int_equal(ask(&board, 0xc0), 0xb3);
    assert_int_equal(in(&board, 0x61), 0xff);
    out(&board, 0x61, 0);
    /* A command nobody knows has no effect. */
    out(&board, COMMAND, 0xbb);
    assert_int_equal(in(&board, COMMAND), 0x1c);
}

static void test_ram_and_command_byte(void **state)
{
    struct board board;

    (void)state;
    set_up(&board);
    for (unsigned i = 0; i < 32; i++) {
        out(&board, COMMAND, (uint8_t)(0x60 + i));
        out(&board, DATA, (uint8_t)(0x30 + i));
    }
    for (unsigned i = 0; i < 32; i++)
        assert_int_equal(ask(&board, (uint8_t)(0x20 + i)), 0x30 + i);
    assert_int_equal(in(&board, COMMAND) & 0x04, 0); /* 0x30 has no system flag */
    assert_int_equal(ask(&board, 0xaa), 0x55);
    assert_int_equal(in(&board, COMMAND) & 0x04, 0x04); /* set by a passed self test */
    out(&board, COMMAND, 0x60);
    out(&board, DATA, 0x30);
    out(&board, COMMAND, 0xa8);
    assert_int_equal(ask(&board, 0x20), 0x10);
    assert_int_equal(ask(&board, 0xe0), 0x02);
    out(&board, COMMAND, 0xa7);
    assert_int_equal(ask(&board, 0x20), 0x30);
    assert_int_equal(ask(&board, 0xe0), 0x00);
    out(&board, COMMAND, 0xae);
    assert_int_equal(ask(&board, 0x20), 0x20);
    assert_int_equal(ask(&board, 0xe0), 0x01);
    out(&board, COMMAND, 0xad);
    assert_int_equal(ask(&board, 0x20), 0x30);
    /* Another command takes the place of one that waits for its data. */
    out(&board, COMMAND, 0x60);
    out(&board, COMMAND, 0xae);
    out(&board, DATA, 0xff);
    assert_int_equal(board.controller.ram[0], 0x20);
}

static void test_output_buffer(void **state)
{
    struct board board;

    (void)state;
    set_up(&board);
    /* As if from the keyboard: interrupt 1. */
    out(&board, COMMAND, 0xd2);
    out(&board, DATA, 0x5a);
    assert_int_equal(in(&board, COMMAND), 0x15);
    assert_true(board.keyboard_irq);
    assert_int_equal(in(&board, DATA), 0x5a);
    assert_false(board.keyboard_irq);
    assert_int_equal(in(&board, COMMAND), 0x14);
    assert_int_equal(in(&board, DATA), 0x5a); /* an empty buffer keeps its last byte */

    /* As if from the auxiliary device: status bit 5, and interrupt 12 once it is enabled. */
    out(&board, COMMAND, 0xd3);
    out(&board, DATA, 0xa5);
    assert_int_equal(in(&board, COMMAND), 0x35);
    assert_false(board.auxiliary_irq);
    assert_false(board.keyboard_irq);
    out(&board, COMMAND, 0x60);
    out(&board, DATA, 0x47);
    assert_true(board.auxiliary_irq);
    assert_int_equal(in(&board, DATA), 0xa5);
    assert_false(board.auxiliary_irq);

    /* A byte over an unread one makes a new edge. */
    board.keyboard_edges = 0;
    for (unsigned i = 0; i < 3; i++) {
        out(&board, COMMAND, 0xd2);
        out(&board, DATA, (uint8_t)i);
    }
    assert_int_equal(board.keyboard_edges, 3);
    assert_int_equal(in(&board, DATA), 2);

    out(&board, COMMAND, 0xd2);
    out(&board, DATA, 0);
    i8042_reset(&board.controller);
    assert_false(board.keyboard_irq);
}

static void test_no_keyboard(void **state)
{
    struct board board;

    (void)state;
    set_up(&board);
    out(&board, COMMAND, 0xad);
    out(&board, DATA, 0xf2);
    assert_int_equal(i8042_next_deadline(&board.controller), 15 * MS);
    assert_int_equal(board.controller.ram[0] & 0x10, 0); /* sending enables the interface */
    board.now_ns = 15 * MS - 1;
    assert_int_equal(in(&board, COMMAND), 0x14);
    i8042_run(&board.controller, 15 * MS);
    assert_true(board.keyboard_irq);
    assert_int_equal(i8042_next_deadline(&board.controller), TIME_NEVER);
    assert_int_equal(in(&board, COMMAND), 0x55); /* time-out */
    assert_int_equal(in(&board, DATA), 0xfe);
    assert_false(board.keyboard_irq);

    /* Without the interrupt there is no wake-up, and the answer is there all the same. */
    out(&board, COMMAND, 0x60);
    out(&board, DATA, 0x64);
    board.now_ns = 100 * MS;
    out(&board, DATA, 0xff);
    assert_int_equal(i8042_next_deadline(&board.controller), TIME_NEVER);
    assert_int_equal(in(&board, COMMAND), 0x14); /* a new try clears the time-out */
    board.now_ns += 15 * MS;
    assert_int_equal(in(&board, COMMAND), 0x55);
    assert_int_equal(in(&board, DATA), 0xfe);
}

static void test_no_auxiliary_device(void **state)
{
    struct board board;

    (void)state;
    set_up(&board);
    out(&board, COMMAND, 0x60);
    out(&board, DATA, 0x47);
    out(&board, COMMAND, 0xd4);
    out(&board, DATA, 0xf2);
    assert_int_equal(i8042_next_deadline(&board.controller), 15 * MS);
    i8042_run(&board.controller, 15 * MS);
    board.now_ns = 15 * MS;
    assert_true(board.auxiliary_irq);
    assert_false(board.keyboard_irq);
    assert_int_equal(in(&board, COMMAND), 0x75);
    assert_int_equal(in(&board, DATA), 0xfe);
    assert_false(board.auxiliary_irq);
}

static void test_input_buffer(void **state)
{
    struct board board;

    (void)state;
    set_up(&board);
    out(&board, COMMAND, 0x60);
    out(&board, DATA, 0x44); /* no interrupts */
    out(&board, DATA, 0xed);
    assert_int_equal(in(&board, COMMAND) & 0x02, 0); /* the controller has taken the byte */
    out(&board, DATA, 0x00);
    assert_int_equal(in(&board, COMMAND) & 0x02, 0x02); /* but not this one */
    assert_int_equal(i8042_next_deadline(&board.controller), 15 * MS);
    i8042_run(&board.controller, 15 * MS);
    assert_int_equal(board.controller.output_full, true);
    assert_int_equal(i8042_next_deadline(&board.controller), TIME_NEVER);
    board.now_ns = 30 * MS - 1;
    assert_int_equal(in(&board, DATA), 0xfe);
    assert_int_equal(in(&board, COMMAND), 0x14);
    board.now_ns = 30 * MS;
    assert_int_equal(in(&board, COMMAND), 0x55);

    /* Both at once, late. */
    out(&board, DATA, 0xed);
    out(&board, COMMAND, 0xaa);
    board.now_ns = 100 * MS;
    assert_int_equal(in(&board, DATA), 0x55);
    /* A reset that had to wait is carried out by its deadline. */
    out(&board, DATA, 0xed);
    out(&board, COMMAND, 0xfe);
    assert_int_equal(board.resets, 0);
    i8042_run(&board.controller, i8042_next_deadline(&board.controller));
    assert_int_equal(board.resets, 1);
    assert_int_equal(in(&board, COMMAND), 0x14);
}

static void test_resets(void **state)
{
    struct board board;

    (void)state;
    set_up(&board);
    for (unsigned command = 0xf0; command <= 0xff; command++) {
        board.resets = 0;
        out(&board, COMMAND, (uint8_t)command);
        assert_int_equal(board.resets, !(command & 1));
    }
    board.resets = 0;
    out(&board, COMMAND, 0xd1);
    out(&board, DATA, 0xff);
    assert_int_equal(board.resets, 0);
    out(&board, COMMAND, 0xd1);
    out(&board, DATA, 0xfe);
    assert_int_equal(board.resets, 1);

    out(&board, I8042_PORT_A, 0x03);
    assert_int_equal(board.resets, 2);
    board.controller.wires.reset_board = NULL;
    out(&board, I8042_PORT_A, 0x01);
    assert_int_equal(in(&board, I8042_PORT_A), 0x01);
    board.controller.wires.reset_board = reset_board;
    out(&board, I8042_PORT_A, 0x03); /* no rising edge */
    assert_int_equal(board.resets, 2);
}

static void test_a20(void **state)
{
    struct board board;

    (void)state;
    set_up(&board);
    assert_int_equal(in(&board, I8042_PORT_A), 0x02);
    out(&board, I8042_PORT_A, 0xfc);
    assert_int_equal(in(&board, I8042_PORT_A), 0x00);
    assert_int_equal(ask(&board, 0xd0), 0xc7); /* A20 on, auxiliary clock held low */
    out(&board, COMMAND, 0xd1);
    out(&board, DATA, 0xdd);
    assert_int_equal(ask(&board, 0xd0), 0xc5);
    out(&board, COMMAND, 0xd1);
    out(&board, DATA, 0xdf);
    out(&board, COMMAND, 0xa8);
    out(&board, COMMAND, 0xad);
    out(&board, COMMAND, 0xd2);
    out(&board, DATA, 0);
    assert_int_equal(ask(&board, 0xd0), 0x9f); /* keyboard data waits */
    out(&board, COMMAND, 0xd3);
    out(&board, DATA, 0);
    assert_int_equal(ask(&board, 0xd0), 0xaf);
}

/* What Linux does when it looks for the auxiliary port and for a multiplexer. */
static void test_probing_kernel(void **state)
{
    static const uint8_t loop[] = {0x5a, 0xf0, 0x56, 0xa4};
    struct board board;

    (void)state;
    set_up(&board);
    assert_int_equal(in(&board, COMMAND) & 0x11, 0x10);
    assert_int_equal(ask(&board, 0xaa), 0x55);
    assert_int_equal(ask(&board, 0x20), ask(&board, 0x20));
    for (size_t i = 0; i < sizeof(loop); i++) {
        out(&board, COMMAND, 0xd3);
        out(&board, DATA, loop[i]);
        assert_int_equal(in(&board, COMMAND) & 0x21, 0x21);
        assert_int_equal(in(&board, DATA), loop[i]);
    }
    out(&board, COMMAND, 0xa7);
    assert_int_equal(ask(&board, 0x20) & 0x20, 0x20);
    out(&board, COMMAND, 0xa8);
    assert_int_equal(ask(&board, 0x20) & 0x20, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_status_and_tests),
        cmocka_unit_test(test_ram_and_command_byte),
        cmocka_unit_test(test_output_buffer),
        cmocka_unit_test(test_no_keyboard),
        cmocka_unit_test(test_no_auxiliary_device),
        cmocka_unit_test(test_input_buffer),
        cmocka_unit_test(test_resets),
        cmocka_unit_test(test_a20),
        cmocka_unit_test(test_probing_kernel),
    };
    return cmocka_run_group_tests_name("i8042", tests, NULL, NULL);
}
