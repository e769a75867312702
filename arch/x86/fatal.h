// SPDX-License-Identifier: BSD-2-Clause
/* Stops the monitor after an internal error. Also has the monitor's check_failed
 * (vmm/base/check.h). */
#ifndef ARCH_X86_FATAL_H
#define ARCH_X86_FATAL_H

#include "vmm/base/types.h"

/* What the monitor does before and after a dump. Null: nothing. */
struct fatal_hooks {
    /* Called before the first word. From then on the log has to work, whatever locks others
     * hold. */
    void (*begin)(void);
    /* Called after everything is printed, before the processor stops. */
    void (*stop)(void);
    /* Called instead if stop or the second try to print has failed. */
    void (*last)(void);
};

/* Sets the hooks. *hooks is copied. */
void fatal_set_hooks(const struct fatal_hooks *hooks);

/* Claims the console for the dump that follows, and disables interrupts. Returns only on the first
 * processor that calls it; others stop here, so that two dumps do not mix. If this processor calls
 * it again because dumping failed, it says so and calls the stop hook; if that fails too, it calls
 * the last hook. Then it does not return. */
void fatal_begin(void);

/* Calls the stop hook and stops this processor. If the stop hook has been called already, calls the
 * last hook instead. */
_Noreturn void fatal_stop(void);

/* Stops the monitor because of a bug that what names: prints it and the calls that led here. */
_Noreturn void fatal_error(const char *what);

#endif
