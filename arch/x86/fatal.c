// SPDX-License-Identifier: BSD-2-Clause
#include "arch/x86/fatal.h"

#include "arch/x86/backtrace.h"
#include "arch/x86/cpu.h"
#include "vmm/base/check.h"
#include "vmm/base/log.h"

#include <stdatomic.h>

static void (*begin_hook)(void);
static void (*stop_hook)(void);

/* Processor number + 1 of the one that dumps; 0: none yet. */
static _Atomic uint32_t owner;
static _Atomic unsigned depth; /* how often the owner got here */

/* The initial APIC id tells processors apart even where nothing else works any more; 8 bits of it
 * do for a monitor of as many CPUs. */
static uint32_t this_processor(void)
{
    return cpuid(1, 0).ebx >> 24;
}

void fatal_set_hooks(void (*begin)(void), void (*stop)(void))
{
    begin_hook = begin;
    stop_hook = stop;
}

void fatal_begin(void)
{
    uint32_t none = 0;
    uint32_t self = this_processor() + 1;

    cli();
    if (!atomic_compare_exchange_strong(&owner, &none, self) && none != self)
        cpu_stop();
    switch (atomic_fetch_add(&depth, 1)) {
    case 0:
        if (begin_hook != NULL)
            begin_hook();
        return;
    case 1:
        log_text("\n");
        log_line("failed again while dumping; stopped");
        fatal_stop();
    default: cpu_stop();
    }
}

void fatal_stop(void)
{
    /* From here on a failure, in the hook say, stops at once. */
    if (atomic_fetch_add(&depth, 2) < 3 && stop_hook != NULL)
        stop_hook();
    cpu_stop();
}

void check_failed(const char *file, int line, const char *condition)
{
    fatal_begin();
    log_line("internal error: %s:%d: %s does not hold", file, line, condition);
    /* [0] the caller's frame, [1] the return address, just behind the call. */
    const uint64_t *frame = __builtin_frame_address(0);
    backtrace_print(frame[1] - 1, frame[0]);
    fatal_stop();
}
