// SPDX-License-Identifier: BSD-2-Clause
/* The one wire that a chip drives: an interrupt request, a gate, a speaker. Handed in by the board.
 */
#ifndef VMM_DEVICES_LINE_H
#define VMM_DEVICES_LINE_H

#include <stdbool.h>
#include <stddef.h>

struct line {
    void (*set)(void *context, bool level);
    void *context;
};

/* Drives the line high (true) or low. A line without a listener is a pin left unconnected. */
static inline void line_set(const struct line *line, bool level)
{
    if (line->set != NULL)
        line->set(line->context, level);
}

#endif
