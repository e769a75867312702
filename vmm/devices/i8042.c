// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/devices/i8042.h"

#include "vmm/base/time.h"

/* Status register: [PS/2] "Status Register". A parity error (bit 7) needs a device that answers. */
#define STATUS_OUTPUT_FULL   0x01
#define STATUS_INPUT_FULL    0x02
#define STATUS_SYSTEM        0x04
#define STATUS_COMMAND       0x08
#define STATUS_NOT_INHIBITED 0x10 /* there is no key lock */
#define STATUS_AUXILIARY     0x20
#define STATUS_TIME_OUT      0x40

/* Command byte, ram[0]: [PS/2] "Controller Command Byte". */
#define BYTE_KEYBOARD_IRQ   0x01
#define BYTE_AUXILIARY_IRQ  0x02
#define BYTE_SYSTEM         0x04
#define BYTE_KEYBOARD_OFF   0x10
#define BYTE_AUXILIARY_OFF  0x20
#define BYTE_TRANSLATE      0x40
#define BYTE_AFTER_POWER_ON (BYTE_KEYBOARD_IRQ | BYTE_SYSTEM | BYTE_AUXILIARY_OFF | BYTE_TRANSLATE)

/* Commands: [AT] and [PS/2] "Commands". */
enum {
    READ_RAM = 0x20,
    READ_RAM_LAST = 0x3f,
    WRITE_RAM = 0x60,
    WRITE_RAM_LAST = 0x7f,
    TEST_PASSWORD = 0xa4,
    DISABLE_AUXILIARY = 0xa7,
    ENABLE_AUXILIARY = 0xa8,
    TEST_AUXILIARY = 0xa9,
    SELF_TEST = 0xaa,
    TEST_KEYBOARD = 0xab,
    DISABLE_KEYBOARD = 0xad,
    ENABLE_KEYBOARD = 0xae,
    READ_INPUT_PORT = 0xc0,
    READ_OUTPUT_PORT = 0xd0,
    WRITE_OUTPUT_PORT = 0xd1,
    WRITE_KEYBOARD_OUTPUT = 0xd2,
    WRITE_AUXILIARY_OUTPUT = 0xd3,
    WRITE_AUXILIARY = 0xd4,
    READ_TEST_INPUTS = 0xe0,
    PULSE_OUTPUT_PORT = 0xf0,
};

#define PASSWORD_NOT_INSTALLED 0xf1
#define SELF_TEST_PASSED       0x55
#define INTERFACE_TEST_PASSED  0x00
#define RESEND                 0xfe

/* Input port: not inhibited, no manufacturing jumper, RAM jumper, both data lines high. */
#define INPUT_PORT 0xb3

/* Output port: [AT] and [PS/2] "Output Port". */
#define OUTPUT_NO_RESET       0x01
#define OUTPUT_A20            0x02
#define OUTPUT_AUXILIARY_DATA 0x04
#define OUTPUT_AUXILIARY_HIGH 0x08 /* clock */
#define OUTPUT_KEYBOARD_FULL  0x10
#define OUTPUT_AUXILIARY_FULL 0x20
#define OUTPUT_KEYBOARD_HIGH  0x40 /* clock */
#define OUTPUT_KEYBOARD_DATA  0x80

#define TEST_KEYBOARD_CLOCK  0x01
#define TEST_AUXILIARY_CLOCK 0x02

#define PORT_A_FAST_RESET 0x01
#define PORT_A_A20        0x02

/* [AT] "Sending Data to the Keyboard": a device has to start to clock the byte out within 15 ms. */
#define SEND_TIME_OUT_NS UINT64_C(15000000)

static void drive(const struct line *line, bool *was, bool level)
{
    if (*was != level) {
        *was = level;
        line_set(line, level);
    }
}

static void drive_irqs(struct i8042 *controller)
{
    bool keyboard = controller->output_full && !controller->output_is_auxiliary;
    bool auxiliary = controller->output_full && controller->output_is_auxiliary;

    drive(&controller->wires.keyboard_irq, &controller->keyboard_irq_level,
          keyboard && controller->ram[0] & BYTE_KEYBOARD_IRQ);
    drive(&controller->wires.auxiliary_irq, &controller->auxiliary_irq_level,
          auxiliary && controller->ram[0] & BYTE_AUXILIARY_IRQ);
}

/* Puts a byte into the output buffer and overwrites a byte that is there; [AT] asks software to
 * disable the interface before commands that answer. The interrupt goes low first, so that every
 * byte makes an edge. */
static void output(struct i8042 *controller, uint8_t byte, bool is_auxiliary, bool time_out)
{
    controller->output_full = false;
    drive_irqs(controller);
    controller->output = byte;
    controller->output_is_auxiliary = is_auxiliary;
    controller->time_out = time_out;
    controller->output_full = true;
    drive_irqs(controller);
}

static void reply(struct i8042 *controller, uint8_t byte)
{
    output(controller, byte, false, false);
}

static void reset_board(struct i8042 *controller)
{
    if (controller->wires.reset_board != NULL)
        controller->wires.reset_board(controller->wires.context);
}

static void send(struct i8042 *controller, bool to_auxiliary, uint64_t now_ns)
{
    controller->sending = true;
    controller->sending_to_auxiliary = to_auxiliary;
    controller->sent_ns = now_ns + SEND_TIME_OUT_NS;
    controller->time_out = false;
    if (!to_auxiliary)
        controller->ram[0] &= (uint8_t)~BYTE_KEYBOARD_OFF; /* a send enables the interface */
}

static void write_ram(struct i8042 *controller, unsigned index, uint8_t value)
{
    controller->ram[index] = value;
    if (index == 0)
        controller->system_flag = value & BYTE_SYSTEM;
    drive_irqs(controller);
}

/* Writes reset and A20, which are bits of this port. The other bits follow the controller's own
 * work. */
static void write_output_port(struct i8042 *controller, uint8_t value)
{
    controller->a20 = value & OUTPUT_A20;
    if (!(value & OUTPUT_NO_RESET))
        reset_board(controller);
}

static uint8_t read_output_port(const struct i8042 *controller)
{
    uint8_t value = OUTPUT_NO_RESET | OUTPUT_AUXILIARY_DATA | OUTPUT_KEYBOARD_DATA;

    if (controller->a20)
        value |= OUTPUT_A20;
    if (controller->output_full)
        value |= controller->output_is_auxiliary ? OUTPUT_AUXILIARY_FULL : OUTPUT_KEYBOARD_FULL;
    if (!(controller->ram[0] & BYTE_KEYBOARD_OFF))
        value |= OUTPUT_KEYBOARD_HIGH;
    if (!(controller->ram[0] & BYTE_AUXILIARY_OFF))
        value |= OUTPUT_AUXILIARY_HIGH;
    return value;
}

/* A disabled interface holds its clock low. */
static uint8_t read_test_inputs(const struct i8042 *controller)
{
    return (uint8_t)((controller->ram[0] & BYTE_KEYBOARD_OFF ? 0 : TEST_KEYBOARD_CLOCK) |
                     (controller->ram[0] & BYTE_AUXILIARY_OFF ? 0 : TEST_AUXILIARY_CLOCK));
}

static void take_command(struct i8042 *controller, uint8_t command)
{
    controller->awaiting_data = 0;
    switch (command) {
    case READ_RAM ... READ_RAM_LAST: reply(controller, controller->ram[command - READ_RAM]); break;
    case WRITE_RAM ... WRITE_RAM_LAST:
    case WRITE_OUTPUT_PORT:
    case WRITE_KEYBOARD_OUTPUT:
    case WRITE_AUXILIARY_OUTPUT:
    case WRITE_AUXILIARY: controller->awaiting_data = command; break;
    case TEST_PASSWORD: reply(controller, PASSWORD_NOT_INSTALLED); break;
    case DISABLE_AUXILIARY: controller->ram[0] |= BYTE_AUXILIARY_OFF; break;
    case ENABLE_AUXILIARY: controller->ram[0] &= (uint8_t)~BYTE_AUXILIARY_OFF; break;
    case TEST_AUXILIARY:
    case TEST_KEYBOARD: reply(controller, INTERFACE_TEST_PASSED); break;
    case SELF_TEST:
        /* [AT] "Status Register": a successful self test sets the system flag. */
        controller->system_flag = true;
        reply(controller, SELF_TEST_PASSED);
        break;
    case DISABLE_KEYBOARD: controller->ram[0] |= BYTE_KEYBOARD_OFF; break;
    case ENABLE_KEYBOARD: controller->ram[0] &= (uint8_t)~BYTE_KEYBOARD_OFF; break;
    case READ_INPUT_PORT: reply(controller, INPUT_PORT); break;
    case READ_OUTPUT_PORT: reply(controller, read_output_port(controller)); break;
    case READ_TEST_INPUTS: reply(controller, read_test_inputs(controller)); break;
    case PULSE_OUTPUT_PORT ... 0xff:
        /* Bits 3:0 that are 0 pull the output port's bits down for 6 us. Bit 0 is reset. A20
         * returns by itself. Bits 2 and 3 go to devices that are not there. */
        if (!(command & OUTPUT_NO_RESET))
            reset_board(controller);
        break;
    }
}

static void take_data(struct i8042 *controller, uint8_t data, uint64_t now_ns)
{
    uint8_t command = controller->awaiting_data;

    controller->awaiting_data = 0;
    switch (command) {
    case WRITE_RAM ... WRITE_RAM_LAST: write_ram(controller, command - WRITE_RAM, data); break;
    case WRITE_OUTPUT_PORT: write_output_port(controller, data); break;
    case WRITE_KEYBOARD_OUTPUT: output(controller, data, false, false); break;
    case WRITE_AUXILIARY_OUTPUT: output(controller, data, true, false); break;
    case WRITE_AUXILIARY: send(controller, true, now_ns); break;
    default: send(controller, false, now_ns); break;
    }
}

static void take(struct i8042 *controller, bool is_command, uint8_t value, uint64_t now_ns)
{
    if (is_command)
        take_command(controller, value);
    else
        take_data(controller, value, now_ns);
}

/* Ends a send whose time is over. No device clocks the byte out, so by [AT] the controller answers
 * "resend" and sets the time-out bit. Then the controller reads its input buffer, which may start
 * another send. */
static void catch_up(struct i8042 *controller, uint64_t now_ns)
{
    while (controller->sending && now_ns >= controller->sent_ns) {
        controller->sending = false;
        output(controller, RESEND, controller->sending_to_auxiliary, true);
        if (controller->input_full) {
            controller->input_full = false;
            take(controller, controller->input_is_command, controller->input, controller->sent_ns);
        }
    }
}

static uint8_t read_status(const struct i8042 *controller)
{
    uint8_t status = STATUS_NOT_INHIBITED;

    if (controller->output_full)
        status |= STATUS_OUTPUT_FULL;
    if (controller->input_full)
        status |= STATUS_INPUT_FULL;
    if (controller->system_flag)
        status |= STATUS_SYSTEM;
    if (controller->last_was_command)
        status |= STATUS_COMMAND;
    if (controller->output_full && controller->output_is_auxiliary)
        status |= STATUS_AUXILIARY;
    if (controller->time_out)
        status |= STATUS_TIME_OUT;
    return status;
}

/* Writes the input buffer. A guest that does not wait for an empty buffer overwrites its
 * content. */
static void write_input(struct i8042 *controller, bool is_command, uint8_t value, uint64_t now_ns)
{
    controller->last_was_command = is_command;
    if (controller->sending) {
        controller->input_full = true;
        controller->input_is_command = is_command;
        controller->input = value;
    } else {
        take(controller, is_command, value, now_ns);
    }
}

/* [PS/2] "System Control Port A": a fast reset happens when its bit goes from 0 to 1. The bits for
 * the activity light and the security lock belong to missing hardware and read 0. */
static void write_port_a(struct i8042 *controller, uint8_t value)
{
    bool reset = value & ~controller->port_a & PORT_A_FAST_RESET;

    controller->port_a = value & (PORT_A_A20 | PORT_A_FAST_RESET);
    if (reset)
        reset_board(controller);
}

void i8042_init(struct i8042 *controller, const struct i8042_wires *wires)
{
    *controller = (struct i8042){.wires = *wires};
    line_set(&controller->wires.keyboard_irq, false);
    line_set(&controller->wires.auxiliary_irq, false);
    i8042_reset(controller);
}

void i8042_reset(struct i8042 *controller)
{
    controller->output_full = false;
    drive_irqs(controller);
    *controller = (struct i8042){
        .wires = controller->wires,
        .ram = {BYTE_AFTER_POWER_ON},
        .system_flag = true,
        .a20 = true,
        .port_a = PORT_A_A20,
    };
}

uint8_t i8042_read(struct i8042 *controller, uint16_t port, uint64_t now_ns)
{
    catch_up(controller, now_ns);
    switch (port) {
    case I8042_PORT_DATA:
        controller->output_full = false;
        drive_irqs(controller);
        return controller->output;
    case I8042_PORT_COMMAND: return read_status(controller);
    case I8042_PORT_A: return controller->port_a;
    default: return 0xff;
    }
}

void i8042_write(struct i8042 *controller, uint16_t port, uint8_t value, uint64_t now_ns)
{
    catch_up(controller, now_ns);
    switch (port) {
    case I8042_PORT_DATA: write_input(controller, false, value, now_ns); break;
    case I8042_PORT_COMMAND: write_input(controller, true, value, now_ns); break;
    case I8042_PORT_A: write_port_a(controller, value); break;
    }
}

uint64_t i8042_next_deadline(const struct i8042 *controller)
{
    uint8_t enable = controller->sending_to_auxiliary ? BYTE_AUXILIARY_IRQ : BYTE_KEYBOARD_IRQ;

    if (controller->sending && (controller->input_full || controller->ram[0] & enable))
        return controller->sent_ns;
    return TIME_NEVER;
}

void i8042_run(struct i8042 *controller, uint64_t now_ns)
{
    catch_up(controller, now_ns);
}
