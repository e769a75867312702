// SPDX-License-Identifier: BSD-2-Clause
/* The shutdown port of the Bochs machine, 0x8900, which QEMU's PCs had as well: the bytes of
 * "Shutdown", written to it one after the other, end the guest. There is no datasheet. */
#ifndef VMM_DEVICES_SHUTDOWN_PORT_H
#define VMM_DEVICES_SHUTDOWN_PORT_H

#include <stdint.h>

#define SHUTDOWN_PORT 0x8900

struct shutdown_port {
    /* Called when the guest asks to end. Null ignores it. */
    void (*ended)(void *context);
    void *context;
    uint8_t matched; /* the number of bytes of the word seen so far */
};

/* Sets the function to call and resets the port. */
void shutdown_port_init(struct shutdown_port *port, void (*ended)(void *context), void *context);

/* Forgets the bytes seen so far. */
void shutdown_port_reset(struct shutdown_port *port);

/* Reads one byte: nothing drives the bus, 0xff. Does not change matched. */
uint8_t shutdown_port_read(const struct shutdown_port *port);

/* Writes one byte. The word's last byte calls ended before the function returns, and the word
 * begins again. The word also begins again after a wrong byte, which may be the first byte of the
 * word. */
void shutdown_port_write(struct shutdown_port *port, uint8_t byte);

#endif
