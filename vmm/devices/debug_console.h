// SPDX-License-Identifier: BSD-2-Clause
/* The debug console of the Bochs and QEMU machines, port 0xe9: each byte written to it is one byte
 * of text. There is no datasheet. The port has one rule: a read returns 0xe9, by which software
 * finds the port. */
#ifndef VMM_DEVICES_DEBUG_CONSOLE_H
#define VMM_DEVICES_DEBUG_CONSOLE_H

#include <stdint.h>

#define DEBUG_CONSOLE_PORT 0xe9

struct debug_console {
    /* Takes each byte; null drops the bytes. */
    void (*put)(void *context, uint8_t byte);
    void *context;
};

/* Sets where the bytes go. The console has no other state, so there is nothing to reset. */
void debug_console_init(struct debug_console *console, void (*put)(void *context, uint8_t byte),
                        void *context);

/* Reads the port: always returns 0xe9. */
uint8_t debug_console_read(const struct debug_console *console);

/* Writes one byte to the port: passes it to put before it returns. */
void debug_console_write(const struct debug_console *console, uint8_t byte);

#endif
