// SPDX-License-Identifier: BSD-2-Clause
/* The names of the monitor's own functions, for dumps and backtraces. */
#ifndef VMM_HOST_SYMBOLS_H
#define VMM_HOST_SYMBOLS_H

#include <stdint.h>

/* Finds the function that contains the instruction at address. Returns its name, and sets *offset
 * to the number of bytes from its begin to address. Returns null, and leaves *offset unchanged, if
 * address is not in the monitor's code. Reads only constant tables, so it is safe in any trap. */
const char *symbol_lookup(uint64_t address, uint64_t *offset);

#endif
