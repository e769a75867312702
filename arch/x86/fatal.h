// SPDX-License-Identifier: BSD-2-Clause
/* The end of the line: a bug of ours was found. Also the monitor's check_failed (vmm/base/check.h).
 */
#ifndef ARCH_X86_FATAL_H
#define ARCH_X86_FATAL_H

#include "vmm/base/types.h"

/* begin is called before the first word of a dump: whatever locks others hold, the log has to work
 * from there on. stop is called once everything is printed and before the processor stops: writes
 * out what is buffered. Null: nothing. */
void fatal_set_hooks(void (*begin)(void), void (*stop)(void));

/* Claims the console for the dump that is to follow. Returns for the first processor alone; others
 * stop here, so that two dumps do not mix. If dumping itself fails on this processor, says so and
 * stops; failing again just stops. Interrupts are off from here on. */
void fatal_begin(void);

/* Calls the stop hook and stops this processor. */
_Noreturn void fatal_stop(void);

#endif
