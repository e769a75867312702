/* Search without a branch that depends on the guest: nothing for a processor to guess wrong, and no
 * cost when the guess would have been. */
#ifndef VMM_IOBUS_LOOKUP_H
#define VMM_IOBUS_LOOKUP_H

#include <stdint.h>

/* index if it is at most maximum, else 0, by arithmetic: it holds also while the processor runs
 * ahead on a wrongly predicted comparison ("bounds check bypass", CVE-2017-5753). The compiler must
 * not turn it back into a branch, hence the instruction itself. */
static inline uint64_t iobus_clamp(uint64_t index, uint64_t maximum)
{
#if defined(__x86_64__)
    uint64_t mask;

    /* maximum - index borrows just when index is too large: mask is then all ones. */
    __asm__("cmpq %[index], %[maximum]\n\tsbbq %[mask], %[mask]"
            : [mask] "=r"(mask)
            : [index] "r"(index), [maximum] "r"(maximum)
            : "cc");
    return index & ~mask;
#else
    return index & -(uint64_t)(index <= maximum);
#endif
}

/* The last i below count with keys[i] <= key, or 0 if there is none. keys ascend, count >= 1. */
static inline uint32_t iobus_search(const uint64_t *keys, uint32_t count, uint64_t key)
{
    uint32_t base = 0;

    while (count > 1) {
        uint32_t half = count / 2;

        base += half & -(uint32_t)(keys[base + half] <= key);
        count -= half;
    }
    return base;
}

#endif
