// SPDX-License-Identifier: BSD-2-Clause
/* Prints the chain of calls from the frame pointers. Needs -fno-omit-frame-pointer for all code. */
#ifndef ARCH_X86_BACKTRACE_H
#define ARCH_X86_BACKTRACE_H

#include "vmm/base/types.h"

/* Finds the function that contains address. Returns its name and sets *offset to address's offset
 * in it; null if there is none. */
typedef const char *backtrace_symbolizer(uint64_t address, uint64_t *offset);

/* Sets the function that finds names. With null, backtraces have addresses only. */
void backtrace_set_symbolizer(backtrace_symbolizer *symbolizer);

/* Prints a blank and "NAME+0xOFFSET" for rip, or nothing if rip has no name. Not for return
 * addresses, which may belong to the next function: see backtrace_print. */
void backtrace_print_symbol(uint64_t rip);

/* Prints the address rip, then the chain of return addresses that begins at the stack frame rbp,
 * one line each. rbp may have any value: every address is looked up in the page tables before it is
 * read. The chain ends at a null or unaligned frame pointer, at a return address outside the known
 * functions, and after 32 frames. */
void backtrace_print(uint64_t rip, uint64_t rbp);

#endif
