// SPDX-License-Identifier: BSD-2-Clause
/* The names of the monitor's own functions, for dumps and backtraces. */
#ifndef VMM_HOST_SYMBOLS_H
#define VMM_HOST_SYMBOLS_H

#include <stdint.h>

/* The name of the function that has an instruction at address, and in *offset how many bytes into
 * it the address lies; null, with *offset untouched, when address is not in the monitor's code.
 * Reads only constant tables: safe in any trap. */
const char *symbol_lookup(uint64_t address, uint64_t *offset);

#endif
