// SPDX-License-Identifier: BSD-2-Clause
/* The shutdown port of the Bochs machine, 0x8900, which QEMU's PCs had as well: the bytes of
 * "Shutdown" written to it, one after the other, end the guest. There is no datasheet. */
#ifndef VMM_DEVICES_SHUTDOWN_PORT_H
#define VMM_DEVICES_SHUTDOWN_PORT_H

#include <stdint.h>

#define SHUTDOWN_PORT 0x8900

struct shutdown_port {
    /* The guest has asked to end. Null ignores it. */
    void (*ended)(void *context);
    void *context;
    uint8_t matched; /* bytes of the word seen so far */
};

/* Wires the port and resets it. */
void shutdown_port_init(struct shutdown_port *port, void (*ended)(void *context), void *context);

/* The word starts over. */
void shutdown_port_reset(struct shutdown_port *port);

/* One byte read: nothing drives the bus, 0xff. Does not disturb the word. */
uint8_t shutdown_port_read(const struct shutdown_port *port);

/* One byte written. The word's last byte calls ended before it returns, and the word starts over;
 * so it does after a byte that does not fit, which may be the first of the next try. */
void shutdown_port_write(struct shutdown_port *port, uint8_t byte);

#endif
