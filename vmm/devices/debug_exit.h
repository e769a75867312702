// SPDX-License-Identifier: BSD-2-Clause
/* The debug exit port of QEMU's "isa-debug-exit" device, port 0xf4: a write of v ends the guest
 * with the exit code v * 2 + 1. This code is odd, so nobody takes it for success by mistake. */
#ifndef VMM_DEVICES_DEBUG_EXIT_H
#define VMM_DEVICES_DEBUG_EXIT_H

#include <stdint.h>

#define DEBUG_EXIT_PORT       0xf4
#define DEBUG_EXIT_PORT_COUNT 4

struct debug_exit {
    /* Called when the guest asks to end with this code, an odd number below 2^33. Null ignores
     * it. */
    void (*end)(void *context, uint64_t code);
    void *context;
};

/* Sets the function to call. The port has no other state, so there is nothing to reset. */
void debug_exit_init(struct debug_exit *port, void (*end)(void *context, uint64_t code),
                     void *context);

/* Reads size_bytes (1, 2 or 4): nothing drives the bus, so all bits are ones. */
uint32_t debug_exit_read(const struct debug_exit *port, unsigned size_bytes);

/* Writes size_bytes (1, 2 or 4); higher bytes of value are ignored. Calls end before it returns. */
void debug_exit_write(const struct debug_exit *port, unsigned size_bytes, uint32_t value);

#endif
