// SPDX-License-Identifier: BSD-2-Clause
/* Exceptions and interrupts of the monitor itself, and the symbols of interrupts.asm: an event goes
 * to trap_dispatch of traps.c with a frame, as the stubs make it. */
#include "tests/fake/processor.h"

#include "arch/x86/instructions.h"
#include "arch/x86/traps.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

/* Only the addresses matter. */
const char trap_stubs[TRAP_VECTORS * TRAP_STUB_BYTES] = {0};
const char call_guarded_fault[1] = {0};
extern const int32_t safe_instructions[2];
const int32_t safe_instructions[2] = {0, 0};
/* ap_trampoline.asm: only the length matters, as the fake starts processors itself
 * (fake_processor.c). */
__asm__(".pushsection .rodata\n"
        ".globl ap_trampoline, ap_trampoline_64, ap_trampoline_end\n"
        "ap_trampoline: .fill 64, 1, 0xf4\n"
        "ap_trampoline_64: .fill 64, 1, 0xf4\n"
        "ap_trampoline_end:\n"
        ".popsection\n");
/* linker.ld: the image is empty, so that no address has a symbol. A test may have its own. */
__asm__(".pushsection .rodata\n"
        ".weak image_begin, text_begin, text_end, symbols_begin, symbols_end\n"
        "image_begin:\ntext_begin:\ntext_end:\nsymbols_begin:\nsymbols_end: .quad 0\n"
        ".popsection\n");
bool call_guarded(void (*function)(void *context), void *context, uint64_t *stack);
void apic_trial_guest(void);

static struct {
    jmp_buf end;
    bool is_under_way;
} guarded;

static _Thread_local struct {
    jmp_buf end;
    bool is_wanted;
} stop;

bool call_guarded(void (*function)(void *context), void *context, uint64_t *stack)
{
    bool is_whole = true;

    *stack = (uint64_t)__builtin_frame_address(0);
    guarded.is_under_way = true;
    if (setjmp(guarded.end) == 0)
        function(context);
    else
        is_whole = false;
    guarded.is_under_way = false;
    *stack = 0;
    return is_whole;
}

void apic_trial_guest(void)
{
    fake_misuse("the guest of the APIC's trial is entered as a function");
}

/* Lets the handler see the event. */
static void dispatch(unsigned vector, uint64_t error_code)
{
    struct fake_processor *self = fake_this();
    struct trap_frame frame = {
        .vector = vector,
        .error_code = error_code,
        .rip = (uint64_t)__builtin_return_address(0),
        .rsp = (uint64_t)__builtin_frame_address(0),
        .cs = self->cs,
        .ss = self->ss,
        .rflags = RFLAGS_ONE | (self->interrupts_on ? RFLAGS_IF : 0),
    };
    bool interrupts_on = self->interrupts_on;

    if (self->idtr.limit < TRAP_VECTORS * 16 - 1) /* an exit makes it 0xffff */
        fake_misuse("vector %u without an IDT", vector);
    self->interrupts_on = false;
    trap_dispatch(&frame);
    self->interrupts_on = interrupts_on;
    if (frame.rip == (uint64_t)call_guarded_fault && guarded.is_under_way)
        longjmp(guarded.end, 1);
}

void fake_raise(unsigned vector, uint64_t error_code, const char *what)
{
    if (!guarded.is_under_way)
        fake_misuse("exception %u: %s", vector, what);
    dispatch(vector, error_code);
    fake_misuse("the handler of exception %u went on behind it: %s", vector, what);
}

static void take_nmi(void)
{
    struct fake_processor *self = fake_this();

    self->nmi_blocked = true;
    dispatch(VECTOR_NMI, 0);
    self->nmi_blocked = false; /* by the IRET */
}

void fake_take_events(void)
{
    struct fake_processor *self = fake_this();
    int vector;

    if (!self->nmi_blocked && fake_take_nmi(self))
        take_nmi();
    while (self->interrupts_on && (vector = fake_apic_acknowledge(self)) >= 0)
        dispatch((unsigned)vector, 0);
}

void int2(void)
{
    take_nmi();
}

void int18(void)
{
    dispatch(VECTOR_MC, 0);
}

void int3(void)
{
    if (fake_this()->idtr.limit == 0)
        fake_stop(); /* a triple fault resets the machine */
    dispatch(VECTOR_BP, 0);
}

void call_on_stack(uint64_t stack_top, void (*function)(void))
{
    if (stack_top % 16 != 0)
        fake_misuse("a stack at 0x%lx", (unsigned long)stack_top);
    function();
    fake_misuse("a function on a new stack has returned");
}

void fake_stop(void)
{
    struct fake_processor *self = fake_this();

    if (stop.is_wanted)
        longjmp(stop.end, 1);
    if (self->index == 0)
        fake_misuse("processor 0 halts for good");
    fake_lock();
    self->state = FAKE_STOPPED;
    fake_wake();
    fake_unlock();
    pthread_exit(NULL);
}

void fake_stop_here(void)
{
    fake_stop();
}

bool fake_runs_to_stop(void (*function)(void *context), void *context)
{
    bool has_stopped = true;

    stop.is_wanted = true;
    if (setjmp(stop.end) == 0) {
        function(context);
        has_stopped = false;
    }
    stop.is_wanted = false;
    return has_stopped;
}
