// SPDX-License-Identifier: BSD-2-Clause
/* How often a random test tries. */
#ifndef TESTS_UNIT_ROUNDS_H
#define TESTS_UNIT_ROUNDS_H

#include <stdlib.h>

/* `full`, or a twentieth of it, at least 1, when QUICK is in the environment (`make quick`). For
 * the number of rounds, and for how often something has to have been seen in them. */
static inline unsigned rounds(unsigned full)
{
    static int is_quick = -1; /* not known yet */

    if (is_quick < 0)
        is_quick = getenv("QUICK") != NULL;
    if (!is_quick)
        return full;
    return full < 20 ? 1 : full / 20;
}

#endif
