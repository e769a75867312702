// SPDX-License-Identifier: BSD-2-Clause
/* A wire that a chip drives: an interrupt request, a gate, a speaker. The board supplies it. */
#ifndef VMM_DEVICES_LINE_H
#define VMM_DEVICES_LINE_H

#include <stdbool.h>
#include <stddef.h>

struct line {
    void (*set)(void *context, bool level);
    void *context;
};

/* Drives the line high (true) or low. A line without a listener is an unconnected pin. */
static inline void line_set(const struct line *line, bool level)
{
    if (line->set != NULL)
        line->set(line->context, level);
}

#endif
