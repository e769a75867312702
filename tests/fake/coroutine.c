// SPDX-License-Identifier: BSD-2-Clause
#include "tests/fake/coroutine.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#endif

#define STACK_BYTES (512 * 1024)

struct fake_coroutine {
    void *own_stack, *caller_stack_pointer;
    void (*function)(void *context);
    void *context;
    bool has_returned;
    const void *caller_stack;
    size_t caller_stack_bytes;
    void *fiber, *caller_fiber;
    uint8_t stack[STACK_BYTES] __attribute__((aligned(64)));
};

static void arrive(struct fake_coroutine *coroutine, void *fake_stack)
{
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(fake_stack, &coroutine->caller_stack,
                                    &coroutine->caller_stack_bytes);
#else
    (void)coroutine;
    (void)fake_stack;
#endif
}

static void leave(struct fake_coroutine *coroutine, void **fake_stack)
{
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(fake_stack, coroutine->caller_stack,
                                   coroutine->caller_stack_bytes);
#else
    (void)fake_stack;
#endif
#if defined(__SANITIZE_THREAD__)
    __tsan_switch_to_fiber(coroutine->caller_fiber, 0);
#endif
    (void)coroutine;
}

/* Stores the stack pointer in *from, with the registers that a function keeps (System V ABI) on the
 * stack, and goes on at the stack pointer `to`, which was stored so. */
void fake_coroutine_switch(void **from, void *to);
__asm__(".text\n"
        "fake_coroutine_switch:\n\t"
        "pushq %rbp\n\tpushq %rbx\n\tpushq %r12\n\tpushq %r13\n\tpushq %r14\n\tpushq %r15\n\t"
        "movq %rsp, (%rdi)\n\t"
        "movq %rsi, %rsp\n\t"
        "popq %r15\n\tpopq %r14\n\tpopq %r13\n\tpopq %r12\n\tpopq %rbx\n\tpopq %rbp\n\t"
        "ret\n"
        /* The first switch to a coroutine arrives here, with its address in RBX. */
        "fake_coroutine_entry:\n\t"
        "movq %rbx, %rdi\n\t"
        "call fake_coroutine_begin\n\t"
        "ud2\n");
extern const char fake_coroutine_entry[];

void fake_coroutine_begin(struct fake_coroutine *coroutine);
void fake_coroutine_begin(struct fake_coroutine *coroutine)
{
    arrive(coroutine, NULL);
    coroutine->function(coroutine->context);
    coroutine->has_returned = true;
    leave(coroutine, NULL);
    fake_coroutine_switch(&coroutine->own_stack, coroutine->caller_stack_pointer);
}

struct fake_coroutine *fake_coroutine_new(void (*function)(void *context), void *context)
{
    struct fake_coroutine *coroutine = aligned_alloc(64, sizeof(*coroutine));
    uint64_t *top;

    if (coroutine == NULL)
        abort();
    coroutine->function = function;
    coroutine->context = context;
    coroutine->has_returned = false;
    coroutine->fiber = coroutine->caller_fiber = NULL;
#if defined(__SANITIZE_THREAD__)
    coroutine->fiber = __tsan_create_fiber(0);
#endif
    top = (uint64_t *)(void *)(coroutine->stack + STACK_BYTES) - 8; /* a multiple of 16 */
    top[0] = 0;
    *--top = (uint64_t)fake_coroutine_entry;
    *--top = 0;                   /* RBP */
    *--top = (uint64_t)coroutine; /* RBX */
    for (unsigned i = 0; i < 4; i++)
        *--top = 0; /* R12 to R15 */
    coroutine->own_stack = top;
    return coroutine;
}

void fake_coroutine_resume(struct fake_coroutine *coroutine)
{
    void *fake_stack = NULL;

    if (coroutine->has_returned)
        abort();
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(&fake_stack, coroutine->stack, STACK_BYTES);
#endif
#if defined(__SANITIZE_THREAD__)
    coroutine->caller_fiber = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(coroutine->fiber, 0);
#endif
    fake_coroutine_switch(&coroutine->caller_stack_pointer, coroutine->own_stack);
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(fake_stack, NULL, NULL);
#endif
    (void)fake_stack;
}

void fake_coroutine_pause(struct fake_coroutine *coroutine)
{
    void *fake_stack = NULL;

    leave(coroutine, &fake_stack);
    fake_coroutine_switch(&coroutine->own_stack, coroutine->caller_stack_pointer);
    arrive(coroutine, fake_stack);
}

void fake_coroutine_delete(struct fake_coroutine *coroutine)
{
#if defined(__SANITIZE_THREAD__)
    if (coroutine != NULL)
        __tsan_destroy_fiber(coroutine->fiber);
#endif
    free(coroutine);
}
