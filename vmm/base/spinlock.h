// SPDX-License-Identifier: BSD-2-Clause
/* A lock for what is held a few instructions, or a few hundred. Not fair, not recursive; interrupts
 * are off wherever the monitor runs, so that no handler can meet its own processor's lock. */
#ifndef VMM_BASE_SPINLOCK_H
#define VMM_BASE_SPINLOCK_H

#include <stdatomic.h>
#include <stdbool.h>

/* All zero is free. */
struct spinlock {
    _Atomic bool is_held;
};

/* True: it was free and is the caller's now. */
static inline bool spinlock_try(struct spinlock *lock)
{
    return !atomic_exchange_explicit(&lock->is_held, true, memory_order_acquire);
}

static inline void spinlock_acquire(struct spinlock *lock)
{
    while (__builtin_expect(!spinlock_try(lock), 0)) {
        /* Waiting on a load leaves the cache line with whoever holds the lock. */
        while (atomic_load_explicit(&lock->is_held, memory_order_relaxed))
            __builtin_ia32_pause();
    }
}

static inline void spinlock_release(struct spinlock *lock)
{
    atomic_store_explicit(&lock->is_held, false, memory_order_release);
}

#endif
