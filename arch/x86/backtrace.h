// SPDX-License-Identifier: BSD-2-Clause
/* Who called whom, from the frame pointers: needs -fno-omit-frame-pointer throughout. */
#ifndef ARCH_X86_BACKTRACE_H
#define ARCH_X86_BACKTRACE_H

#include "vmm/base/types.h"

/* Finds the function that address lies in: its name, and how far in *offset; null if none. */
typedef const char *backtrace_symbolizer(uint64_t address, uint64_t *offset);

/* Null: addresses without names. */
void backtrace_set_symbolizer(backtrace_symbolizer *symbolizer);

/* Prints "NAME+0xOFFSET", or nothing where there is no name, preceded by a blank. For rip as it
 * stands; a return address may already lie in the next function, see backtrace_print. */
void backtrace_print_symbol(uint64_t rip);

/* Prints the place rip, then the chain of return addresses that starts at the stack frame rbp, one
 * line each. May be called with anything in rbp: every address is looked up in the page tables
 * before it is read, and the chain ends at a null or odd frame pointer, at a return address outside
 * the known functions, and after 32 frames. */
void backtrace_print(uint64_t rip, uint64_t rbp);

#endif
