// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/devices/debug_console.h"

#include <stddef.h>

void debug_console_init(struct debug_console *console, void (*put)(void *context, uint8_t byte),
                        void *context)
{
    *console = (struct debug_console){.put = put, .context = context};
}

uint8_t debug_console_read(const struct debug_console *console)
{
    (void)console;
    return DEBUG_CONSOLE_PORT;
}

void debug_console_write(const struct debug_console *console, uint8_t byte)
{
    if (console->put != NULL)
        console->put(console->context, byte);
}
