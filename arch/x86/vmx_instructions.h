// SPDX-License-Identifier: BSD-2-Clause
/* The instructions of VMX except those that enter a guest, one inline function each. Intel SDM vol.
 * 3C (Sep 2023), "VMX Instruction Reference". A result of false means VMfail: nothing has been
 * done. Addresses are physical. */
#ifndef ARCH_X86_VMX_INSTRUCTIONS_H
#define ARCH_X86_VMX_INSTRUCTIONS_H

#include <stdbool.h>
#include <stdint.h>

/* Reads a field of the current VMCS, by its encoding. *value has any value after a failure. */
static inline bool vmread(uint64_t field, uint64_t *value)
{
    bool failed;

    __asm__ volatile("vmread %[field], %[value]"
                     : [value] "=rm"(*value), "=@ccbe"(failed)
                     : [field] "r"(field));
    return !failed;
}

static inline bool vmwrite(uint64_t field, uint64_t value)
{
    bool failed;

    __asm__ volatile("vmwrite %[value], %[field]"
                     : "=@ccbe"(failed)
                     : [field] "r"(field), [value] "rm"(value));
    return !failed;
}

/* Read and write a field without a check of success. */
static inline uint64_t vmread_unchecked(uint64_t field)
{
    uint64_t value;

    __asm__ volatile("vmread %1, %0" : "=r"(value) : "r"(field) : "cc");
    return value;
}

static inline void vmwrite_unchecked(uint64_t field, uint64_t value)
{
    __asm__ volatile("vmwrite %1, %0" : : "r"(field), "r"(value) : "cc");
}

static inline bool vmxon(uint64_t region)
{
    bool failed;

    __asm__ volatile("vmxon %1" : "=@ccbe"(failed) : "m"(region) : "memory");
    return !failed;
}

static inline void vmxoff(void)
{
    __asm__ volatile("vmxoff" : : : "cc", "memory");
}

static inline bool vmptrld(uint64_t region)
{
    bool failed;

    __asm__ volatile("vmptrld %1" : "=@ccbe"(failed) : "m"(region) : "memory");
    return !failed;
}

static inline bool vmclear(uint64_t region)
{
    bool failed;

    __asm__ volatile("vmclear %1" : "=@ccbe"(failed) : "m"(region) : "memory");
    return !failed;
}

/* The operand of INVEPT and INVVPID in memory. */
struct invalidation_descriptor {
    uint64_t first; /* INVEPT: the EPT pointer; INVVPID: the VPID */
    uint64_t second;
};

enum {
    INVEPT_ALL_CONTEXT = 2,
    INVVPID_SINGLE_CONTEXT = 1,
    INVVPID_ALL_CONTEXT = 2,
};

static inline bool invept(uint64_t type, struct invalidation_descriptor descriptor)
{
    bool failed;

    __asm__ volatile("invept %1, %2" : "=@ccbe"(failed) : "m"(descriptor), "r"(type) : "memory");
    return !failed;
}

static inline bool invvpid(uint64_t type, struct invalidation_descriptor descriptor)
{
    bool failed;

    __asm__ volatile("invvpid %1, %2" : "=@ccbe"(failed) : "m"(descriptor), "r"(type) : "memory");
    return !failed;
}

#endif
