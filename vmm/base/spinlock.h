// SPDX-License-Identifier: BSD-2-Clause
/* A lock that is held for a few instructions, or a few hundred. The lock is not fair and not
 * recursive. Interrupts are off wherever the monitor runs, so no interrupt handler can wait for a
 * lock that its own processor holds. */
#ifndef VMM_BASE_SPINLOCK_H
#define VMM_BASE_SPINLOCK_H

#include <stdatomic.h>
#include <stdbool.h>

/* A lock whose bytes are all zero is free. */
struct spinlock {
    _Atomic bool is_held;
};

/* Takes the lock if it is free. Returns true if the caller holds it now. Does not wait. */
static inline bool spinlock_try(struct spinlock *lock)
{
    return !atomic_exchange_explicit(&lock->is_held, true, memory_order_acquire);
}

/* Takes the lock; waits until it is free. */
static inline void spinlock_acquire(struct spinlock *lock)
{
    while (__builtin_expect(!spinlock_try(lock), 0)) {
        /* A wait on a load leaves the cache line with the lock's holder. */
        while (atomic_load_explicit(&lock->is_held, memory_order_relaxed))
            __builtin_ia32_pause();
    }
}

/* Gives the lock back. The caller holds it. */
static inline void spinlock_release(struct spinlock *lock)
{
    atomic_store_explicit(&lock->is_held, false, memory_order_release);
}

#endif
