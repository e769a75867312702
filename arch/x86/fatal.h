// SPDX-License-Identifier: BSD-2-Clause
/* The end of the line: a bug of ours was found. Also the monitor's check_failed (vmm/base/check.h).
 */
#ifndef ARCH_X86_FATAL_H
#define ARCH_X86_FATAL_H

#include "vmm/base/types.h"

/* What the monitor does around a dump. Null: nothing. */
struct fatal_hooks {
    void (*begin)(void); /* before the first word: whatever locks others hold, the log has to work
                            from there on */
    void (*stop)(void);  /* once everything is printed and before the processor stops */
    void (*last)(void);  /* instead, once stop or the second try to print have failed */
};

/* From here on hooks are called. Copied. */
void fatal_set_hooks(const struct fatal_hooks *hooks);

/* Claims the console for the dump that is to follow. Returns for the first processor alone; others
 * stop here, so that two dumps do not mix. If dumping itself fails on this processor, says so and
 * calls the stop hook; if that fails, calls the last one. Interrupts are off from here on. */
void fatal_begin(void);

/* Calls the stop hook and stops this processor. */
_Noreturn void fatal_stop(void);

#endif
