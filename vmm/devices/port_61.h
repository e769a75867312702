// SPDX-License-Identifier: BSD-2-Clause
/* Port 0x61, system control port B of the PC/AT: the gate and the OUT of the 8254's counter 2, by
 * which kernels measure time, the speaker, and a bit that toggles with memory refresh. Intel
 * 82371AB (PIIX4) datasheet, order number 290562, "NMISC - NMI Status and Control Register". */
#ifndef VMM_DEVICES_PORT_61_H
#define VMM_DEVICES_PORT_61_H

#include "vmm/devices/i8254.h"

#include <stdint.h>

struct port_61 {
    struct i8254 *pit; /* the board sets it before port_61_reset */
    uint8_t control;   /* bits 3-0, as written */
};

/* Sets all bits to 0: gate 2 low, speaker off. Call it after i8254_reset. */
void port_61_reset(struct port_61 *port, uint64_t now_ns);

/* Reads the port. Bits 3-0 are as written; bit 4 toggles with every refresh cycle, about every 15
 * us; bit 5 is OUT of counter 2; bits 7 and 6, memory parity and channel check, are 0, because this
 * board has neither error. */
uint8_t port_61_read(const struct port_61 *port, uint64_t now_ns);

/* Writes the port. Bit 0 is the gate of counter 2. Bit 1 connects OUT 2 to the speaker, and bits 3
 * and 2 switch off the two error checks; there is no speaker and no error, so these bits only read
 * back. */
void port_61_write(struct port_61 *port, uint8_t value, uint64_t now_ns);

#endif
