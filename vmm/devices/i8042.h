// SPDX-License-Identifier: BSD-2-Clause
/* Intel 8042 with the program of the PC's keyboard controller and the PS/2's second (auxiliary)
 * device port. No device is connected. A kernel probes this chip and resets the machine through it.
 * This file also has port 0x92, system control port A, which does two of the controller's jobs
 * faster: A20 and reset.
 *
 * Sections are those of: IBM Personal Computer AT Technical Reference (1985), "Keyboard Controller"
 * [AT]; IBM Personal System/2 Hardware Interface Technical Reference (1988), "Keyboard and
 * Auxiliary Device Controller" and "System Control Port A" [PS/2].
 *
 * A20: both gates read back what was written, but address line 20 is always driven, so memory is
 * never masked. Both gates are enabled at the start, which is the only setting that guests of today
 * use. */
#ifndef VMM_DEVICES_I8042_H
#define VMM_DEVICES_I8042_H

#include "vmm/devices/line.h"

#include <stdint.h>

enum {
    I8042_PORT_DATA = 0x60,    /* read: output buffer; write: data */
    I8042_PORT_COMMAND = 0x64, /* read: status; write: command */
    I8042_PORT_A = 0x92,       /* system control port A */
};

struct i8042_wires {
    struct line keyboard_irq;  /* line 1 */
    struct line auxiliary_irq; /* line 12 */

    /* Called when the guest pulls the processor's reset line. Null ignores it. May call
     * i8042_reset. */
    void (*reset_board)(void *context);
    void *context;
};

struct i8042 {
    struct i8042_wires wires;
    bool keyboard_irq_level, auxiliary_irq_level;

    uint8_t ram[32]; /* ram[0] is the command byte */
    bool system_flag;
    bool a20;       /* output port, bit 1 */
    uint8_t port_a; /* bits 1:0 */

    uint8_t output;
    bool output_full, output_is_auxiliary, time_out;

    bool last_was_command;
    uint8_t awaiting_data; /* the command whose data byte comes next; 0: none */

    /* The controller sends a byte to a device that is not there, until sent_ns. Meanwhile the
     * controller does not read its input buffer. */
    bool sending, sending_to_auxiliary;
    uint64_t sent_ns;
    bool input_full, input_is_command;
    uint8_t input;
};

/* Connects the controller to its wires (copied) and resets it. */
void i8042_init(struct i8042 *controller, const struct i8042_wires *wires);

/* Does a power-on reset and the set-up that a PC's firmware does after it, because no firmware runs
 * in the guest: self test passed, keyboard interrupt and scan code translation on, auxiliary port
 * off. */
void i8042_reset(struct i8042 *controller);

/* Reads one byte from one of the three ports; any other port returns 0xff. A read of
 * I8042_PORT_DATA empties the output buffer and lowers its interrupt. */
uint8_t i8042_read(struct i8042 *controller, uint16_t port, uint64_t now_ns);

/* Writes one byte to one of the three ports. Any value is allowed; writes to other ports do
 * nothing. A reset is done before this function returns. A command that neither manual lists has no
 * effect. */
void i8042_write(struct i8042 *controller, uint16_t port, uint8_t value, uint64_t now_ns);

/* Returns the time at which the controller gives up the byte that it sends, if this raises an
 * interrupt or lets a waiting command in the input buffer run; else TIME_NEVER. Each call of the
 * functions above can change this time. */
uint64_t i8042_next_deadline(const struct i8042 *controller);

/* Updates the controller to now_ns. Does nothing if nothing is due. */
void i8042_run(struct i8042 *controller, uint64_t now_ns);

#endif
