// SPDX-License-Identifier: BSD-2-Clause
/* What the portable rooms expect of their surroundings, for programs on the host. */
#include "vmm/base/check.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void check_failed(const char *file, int line, const char *condition)
{
    fprintf(stderr, "%s:%d: CHECK failed: %s\n", file, line, condition);
    abort();
}
