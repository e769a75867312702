// SPDX-License-Identifier: BSD-2-Clause
/* The instructions of arch/x86/vmx_instructions.h on the fake processor of the calling thread:
 * fake_vmx.c. */
#ifndef ARCH_X86_VMX_INSTRUCTIONS_H
#define ARCH_X86_VMX_INSTRUCTIONS_H

#include <stdbool.h>
#include <stdint.h>

bool vmread(uint64_t field, uint64_t *value);
bool vmwrite(uint64_t field, uint64_t value);
uint64_t vmread_unchecked(uint64_t field);
void vmwrite_unchecked(uint64_t field, uint64_t value);
bool vmxon(uint64_t region);
void vmxoff(void);
bool vmptrld(uint64_t region);
bool vmclear(uint64_t region);

struct invalidation_descriptor {
    uint64_t first;
    uint64_t second;
};

enum {
    INVEPT_ALL_CONTEXT = 2,
    INVVPID_SINGLE_CONTEXT = 1,
    INVVPID_ALL_CONTEXT = 2,
};

bool invept(uint64_t type, struct invalidation_descriptor descriptor);
bool invvpid(uint64_t type, struct invalidation_descriptor descriptor);

#endif
