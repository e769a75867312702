// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/devices/shutdown_port.h"

#include <stddef.h>

static const char word[] = "Shutdown";

#define WORD_LENGTH (sizeof(word) - 1)

void shutdown_port_reset(struct shutdown_port *port)
{
    port->matched = 0;
}

void shutdown_port_init(struct shutdown_port *port, void (*ended)(void *context), void *context)
{
    *port = (struct shutdown_port){.ended = ended, .context = context};
}

uint8_t shutdown_port_read(const struct shutdown_port *port)
{
    (void)port;
    return 0xff;
}

void shutdown_port_write(struct shutdown_port *port, uint8_t byte)
{
    /* No beginning of the word occurs again inside the word, so after a wrong byte at most this
     * byte counts. */
    if (byte != (uint8_t)word[port->matched])
        port->matched = 0;
    if (byte == (uint8_t)word[port->matched])
        port->matched++;
    if (port->matched < WORD_LENGTH)
        return;
    port->matched = 0;
    if (port->ended != NULL)
        port->ended(port->context);
}
