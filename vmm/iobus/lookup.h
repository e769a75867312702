// SPDX-License-Identifier: BSD-2-Clause
/* Search without a branch that depends on the guest. So the processor has nothing to predict
 * wrongly, and no wrong prediction costs time. iobus_clamp, iobus_step, iobus_search and
 * iobus_covers are proved as flatten.h says. */
#ifndef VMM_IOBUS_LOOKUP_H
#define VMM_IOBUS_LOOKUP_H

#include <stdbool.h>
#include <stdint.h>

/* Returns index if it is at most maximum, else 0. It uses arithmetic, so the result is right even
 * while the processor speculates after a wrongly predicted comparison ("bounds check bypass",
 * CVE-2017-5753). The compiler must not turn it back into a branch, so the code uses the
 * instructions themselves. */
static inline uint64_t iobus_clamp(uint64_t index, uint64_t maximum)
{
#if defined(__x86_64__)
    uint64_t mask;

    /* maximum - index borrows exactly if index is too large; then mask is all ones. */
    __asm__("cmpq %[index], %[maximum]\n\tsbbq %[mask], %[mask]"
            : [mask] "=r"(mask)
            : [index] "r"(index), [maximum] "r"(maximum)
            : "cc");
    return index & ~mask; /* Intel SDM vol. 2, "CMP", "SBB"; for the bits, tests/proof/bits.smt2 */
#else
    return index & -(uint64_t)(index <= maximum);
#endif
}

/* Returns b if *key_at_b <= key, else a. Compilers would turn a comparison in C into a branch. */
static inline uint64_t iobus_step(uint64_t a, uint64_t b, const uint64_t *key_at_b, uint64_t key)
{
#if defined(__x86_64__)
    __asm__("cmpq %[at_b], %[key]\n\tcmovaeq %[b], %[a]"
            : [a] "+r"(a)
            : [b] "r"(b), [at_b] "m"(*key_at_b), [key] "r"(key)
            : "cc");
    return a; /* Intel SDM vol. 2, "CMP", "CMOVcc" */
#else
    return *key_at_b <= key ? b : a;
#endif
}

/* Returns the last i below count with keys[i] <= key, or 0 if there is none. keys ascend; count: at
 * least 1. */
static inline uint32_t iobus_search(const uint64_t *keys, uint32_t count, uint64_t key)
{
    uint64_t base = 0;

    while (count > 1) {
        uint32_t half = count / 2;

        base = iobus_step(base, base + half, &keys[base + half], key);
        count -= half;
    }
    return (uint32_t)base;
}

/* Returns whether the addresses first..first + length_minus_1, which do not wrap, include
 * address. */
static inline bool iobus_covers(uint64_t first, uint64_t length_minus_1, uint64_t address)
{
    /* Checked in tests/proof/bits.smt2. */
    return address - first <= length_minus_1;
}

/* Returns value if offset is at most maximum, else all ones, an address that no guest can choose.
 * It uses arithmetic, as iobus_clamp does. */
static inline uint64_t iobus_poison(uint64_t value, uint64_t offset, uint64_t maximum)
{
#if defined(__x86_64__)
    uint64_t mask;

    __asm__("cmpq %[offset], %[maximum]\n\tsbbq %[mask], %[mask]"
            : [mask] "=r"(mask)
            : [offset] "r"(offset), [maximum] "r"(maximum)
            : "cc");
    return value | mask;
#else
    return value | -(uint64_t)(offset > maximum);
#endif
}

/* Returns the slot for a guess by page. Neighbouring pages have different slots. */
static inline uint32_t iobus_page_slot(uint64_t address, uint32_t mask)
{
    uint64_t page = address >> 12;

    return (uint32_t)(page ^ page >> 16) & mask;
}

/* Returns the slot for a doorbell with data, which belongs to the group of doorbells with this
 * key. */
static inline uint32_t iobus_bell_slot(uint64_t data, uint32_t key, uint32_t mask)
{
    return (uint32_t)((data + key) * UINT64_C(0x9e3779b97f4a7c15) >> 32) & mask;
}

/* Returns a guess by a tree. It is faster than the search, because a step is one load and two
 * instructions. Node i has the children 2i and 2i + 1; node 1 is the root; level l has 2^l nodes,
 * and all levels are full. A step goes right if node i's key is below the given one, so the path's
 * bits are the number of keys below: with the keys starts[1] - 1, starts[2] - 1, ... this is the
 * number of the segment. */
static inline uint64_t iobus_tree_guess(const uint64_t *tree, uint32_t levels, uint64_t key)
{
    uint64_t node = 1;

    for (uint32_t level = 0; level < levels; level++) {
#if defined(__x86_64__)
        /* The comparison borrows exactly if the node's key is below. */
        __asm__("cmpq %[key], %[at]\n\tadcq %[node], %[node]"
                : [node] "+r"(node)
                : [at] "m"(tree[node]), [key] "r"(key)
                : "cc");
#else
        node = 2 * node + (tree[node] < key);
#endif
    }
    return node - (UINT64_C(1) << levels);
}

#endif
