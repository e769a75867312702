// SPDX-License-Identifier: BSD-2-Clause
#include "arch/x86/fatal.h"

#include "arch/x86/backtrace.h"
#include "arch/x86/cpu.h"
#include "vmm/base/check.h"
#include "vmm/base/log.h"

#include <stdatomic.h>

static struct fatal_hooks hooks;

/* The number + 1 of the processor that dumps; 0: no processor does yet. */
static _Atomic uint32_t owner;

/* How far the owner has got. It begins each stage once. */
static enum {
    STAGE_NONE,
    STAGE_DUMP,
    STAGE_SAY_SO, /* report that dumping failed */
    STAGE_STOP,
    STAGE_LAST,
} stage;

void fatal_set_hooks(const struct fatal_hooks *new_hooks)
{
    hooks = *new_hooks;
}

static void call(void (*hook)(void))
{
    if (hook != NULL)
        hook();
}

_Noreturn static void stop_at_last(void)
{
    if (stage < STAGE_LAST) {
        stage = STAGE_LAST;
        call(hooks.last);
    }
    cpu_stop();
}

void fatal_begin(void)
{
    uint32_t none = 0;
    uint32_t self = cpu_initial_apic_id() + 1u;

    cli();
    if (!atomic_compare_exchange_strong(&owner, &none, self) && none != self)
        cpu_stop();
    switch (stage) {
    case STAGE_NONE:
        stage = STAGE_DUMP;
        call(hooks.begin);
        return;
    case STAGE_DUMP:
        stage = STAGE_SAY_SO;
        log_text("\n");
        log_line("failed again while dumping");
        fatal_stop();
    default: stop_at_last();
    }
}

void fatal_stop(void)
{
    if (stage >= STAGE_STOP)
        stop_at_last();
    stage = STAGE_STOP;
    call(hooks.stop);
    cpu_stop();
}

void fatal_error(const char *what)
{
    const uint64_t *frame = __builtin_frame_address(0);

    fatal_begin();
    log_line("internal error: %s", what);
    backtrace_print(frame[1] - 1, frame[0]);
    fatal_stop();
}

void check_failed(const char *file, int line, const char *condition)
{
    fatal_begin();
    log_line("internal error: %s:%d: %s does not hold", file, line, condition);
    /* frame[0] is the caller's frame, frame[1] the return address, just after the call. */
    const uint64_t *frame = __builtin_frame_address(0);
    backtrace_print(frame[1] - 1, frame[0]);
    fatal_stop();
}
