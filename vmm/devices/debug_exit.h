// SPDX-License-Identifier: BSD-2-Clause
/* The debug exit port of QEMU's "isa-debug-exit" device, port 0xf4: a write of v ends the guest
 * with the exit code v * 2 + 1, which is odd and so never mistaken for success by itself. */
#ifndef VMM_DEVICES_DEBUG_EXIT_H
#define VMM_DEVICES_DEBUG_EXIT_H

#include <stdint.h>

#define DEBUG_EXIT_PORT       0xf4
#define DEBUG_EXIT_PORT_COUNT 4

struct debug_exit {
    /* The guest has asked to end with this code, an odd number below 2^33. Null ignores it. */
    void (*end)(void *context, uint64_t code);
    void *context;
};

/* Wires the port. It has no state of its own, so there is nothing to reset. */
void debug_exit_init(struct debug_exit *port, void (*end)(void *context, uint64_t code),
                     void *context);

/* A read of size_bytes (1, 2 or 4): nothing drives the bus, all ones. */
uint32_t debug_exit_read(const struct debug_exit *port, unsigned size_bytes);

/* A write of size_bytes (1, 2 or 4); the bytes of value above them do not count. Calls end before
 * it returns. */
void debug_exit_write(const struct debug_exit *port, unsigned size_bytes, uint32_t value);

#endif
