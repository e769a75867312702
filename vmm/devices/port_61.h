// SPDX-License-Identifier: BSD-2-Clause
/* Port 0x61, system control port B of the PC/AT: the gate of the 8254's counter 2 and its OUT, by
 * which kernels measure time, the speaker and a bit that toggles with memory refresh. Intel
 * 82371AB (PIIX4) datasheet, order number 290562, "NMISC - NMI Status and Control Register". */
#ifndef VMM_DEVICES_PORT_61_H
#define VMM_DEVICES_PORT_61_H

#include "vmm/devices/i8254.h"

#include <stdint.h>

struct port_61 {
    struct i8254 *pit; /* set by the board before port_61_reset */
    uint8_t control;   /* bits 3-0, as written */
};

/* All bits 0: gate 2 low, speaker off. To be called after i8254_reset. */
void port_61_reset(struct port_61 *port, uint64_t now_ns);

/* Bits 3-0 as written; bit 4 toggles with every refresh cycle, about 15 us; bit 5 is OUT of counter
 * 2; bits 7 and 6, memory parity and channel check, are 0: this board has neither error. */
uint8_t port_61_read(const struct port_61 *port, uint64_t now_ns);

/* Bit 0 is the gate of counter 2. Bit 1 lets OUT 2 through to the speaker and bits 3 and 2 switch
 * the two error checks off; with no speaker and no errors they only read back. */
void port_61_write(struct port_61 *port, uint8_t value, uint64_t now_ns);

#endif
