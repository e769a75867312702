// SPDX-License-Identifier: BSD-2-Clause
/* Intel 8042 with the PC's keyboard controller program, with the PS/2's second (auxiliary) device
 * port, and nothing plugged in: what a kernel probes, and resets the machine through. Also port
 * 0x92, system control port A, which does the controller's two side jobs faster.
 *
 * Sections cited: IBM Personal Computer AT Technical Reference (1985), "Keyboard Controller" [AT];
 * IBM Personal System/2 Hardware Interface Technical Reference (1988), "Keyboard and Auxiliary
 * Device Controller" and "System Control Port A" [PS/2].
 *
 * A20: both gates read back what was set, and address line 20 is always driven: memory is never
 * masked. They come up enabled, which is also the only setting that any guest of today keeps. */
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

    /* The guest pulls the processor's reset line. Null ignores it. May call i8042_reset. */
    void (*reset_machine)(void *context);
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
    uint8_t awaiting_data; /* the command whose data byte comes next, 0 for none */

    /* A byte is on its way to a device that is not there, until sent_ns. Meanwhile the controller
     * does not look at its input buffer. */
    bool sending, sending_to_auxiliary;
    uint64_t sent_ns;
    bool input_full, input_is_command;
    uint8_t input;
};

/* Wires the controller and resets it. */
void i8042_init(struct i8042 *controller, const struct i8042_wires *wires);

/* Power-on reset and what a PC's firmware sets up after it, for no firmware runs in the guest: self
 * test passed, keyboard interrupt and scan code translation on, auxiliary port off. */
void i8042_reset(struct i8042 *controller);

/* One byte read from one of the three ports; any other answers 0xff. Reading I8042_PORT_DATA
 * empties the output buffer and lowers its interrupt. */
uint8_t i8042_read(struct i8042 *controller, uint16_t port, uint64_t now_ns);

/* One byte written to one of the three ports; any value may be written, other ports take nothing.
 * A reset is carried out before this returns. A command that neither manual lists has no effect. */
void i8042_write(struct i8042 *controller, uint16_t port, uint8_t value, uint64_t now_ns);

/* When a byte being sent will be given up, if that raises an interrupt or lets a command through
 * that waits in the input buffer; else TIME_NEVER. Changes with every call of the functions above.
 */
uint64_t i8042_next_deadline(const struct i8042 *controller);

/* Brings the controller up to now_ns. Harmless when nothing is due. */
void i8042_run(struct i8042 *controller, uint64_t now_ns);

#endif
