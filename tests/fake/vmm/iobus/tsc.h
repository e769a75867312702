// SPDX-License-Identifier: BSD-2-Clause
/* The bus reads the test's time, too. */
#ifndef VMM_IOBUS_TSC_H
#define VMM_IOBUS_TSC_H

#include "arch/x86/instructions.h"

static inline uint64_t iobus_read_tsc(void)
{
    return rdtsc();
}

#endif
