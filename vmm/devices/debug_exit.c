// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/devices/debug_exit.h"

#include "vmm/base/bits.h"

#include <stddef.h>

void debug_exit_init(struct debug_exit *port, void (*end)(void *context, uint64_t code),
                     void *context)
{
    *port = (struct debug_exit){.end = end, .context = context};
}

uint32_t debug_exit_read(const struct debug_exit *port, unsigned size_bytes)
{
    (void)port;
    return (uint32_t)bytes_mask(size_bytes);
}

void debug_exit_write(const struct debug_exit *port, unsigned size_bytes, uint32_t value)
{
    uint64_t code = (value & bytes_mask(size_bytes)) << 1 | 1;

    if (port->end != NULL)
        port->end(port->context, code);
}
