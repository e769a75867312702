// SPDX-License-Identifier: BSD-2-Clause
/* The clock that the bus reads without a call: the processor's TSC, where there is one. */
#ifndef VMM_IOBUS_TSC_H
#define VMM_IOBUS_TSC_H

#include <stdint.h>

/* Returns what iobus_tsc returns, without a call. */
static inline uint64_t iobus_read_tsc(void)
{
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#else
    return 0;
#endif
}

#endif
