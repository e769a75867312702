// SPDX-License-Identifier: BSD-2-Clause
/* The debug console of the Bochs and QEMU machines, port 0xe9: a byte written to it is a byte of
 * text. There is no datasheet; the port's one rule is that it reads as its own number, by which
 * software finds it. */
#ifndef VMM_DEVICES_DEBUG_CONSOLE_H
#define VMM_DEVICES_DEBUG_CONSOLE_H

#include <stdint.h>

#define DEBUG_CONSOLE_PORT 0xe9

struct debug_console {
    /* Takes every byte; null drops them. */
    void (*put)(void *context, uint8_t byte);
    void *context;
};

/* Wires the console. It has no state of its own, so there is nothing to reset. */
void debug_console_init(struct debug_console *console, void (*put)(void *context, uint8_t byte),
                        void *context);

/* One byte read from the port: always 0xe9. */
uint8_t debug_console_read(const struct debug_console *console);

/* One byte written to the port: hands it to put before it returns. */
void debug_console_write(const struct debug_console *console, uint8_t byte);

#endif
