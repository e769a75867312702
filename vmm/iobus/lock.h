/* The lock that keeps a bus's writers apart. Readers never take it. */
#ifndef VMM_IOBUS_LOCK_H
#define VMM_IOBUS_LOCK_H

#include <stdatomic.h>

struct iobus_lock {
    atomic_flag is_held;
};

static inline void iobus_lock(struct iobus_lock *lock)
{
    while (atomic_flag_test_and_set_explicit(&lock->is_held, memory_order_acquire)) {
#if defined(__x86_64__)
        __builtin_ia32_pause();
#endif
    }
}

static inline void iobus_unlock(struct iobus_lock *lock)
{
    atomic_flag_clear_explicit(&lock->is_held, memory_order_release);
}

#endif
