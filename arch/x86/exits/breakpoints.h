// SPDX-License-Identifier: BSD-2-Clause
/* Compares accesses with the breakpoints of the debug registers, for what is executed in a guest's
 * stead. Intel SDM vol. 3B (Sep 2023), "Debug Registers". */
#ifndef ARCH_X86_EXITS_BREAKPOINTS_H
#define ARCH_X86_EXITS_BREAKPOINTS_H

#include "vmm/base/bits.h"
#include "vmm/base/types.h"

#define BREAKPOINT_COUNT 4

/* DR7: L0, G0 to L3, G3. A breakpoint with one of its two bits is enabled. */
#define DR7_ENABLES UINT64_C(0xff)

/* The condition of a single step, in DR6 and in the VMCS's field "pending debug exceptions". */
#define DEBUG_SINGLE_STEP BIT(14)
/* In that field: a data or I/O breakpoint was met that is enabled. */
#define DEBUG_ENABLED_BREAKPOINT BIT(12)

struct breakpoints {
    uint64_t address[BREAKPOINT_COUNT]; /* DR0 to DR3 */
    uint64_t dr7;
};

enum breakpoint_access {
    BREAKPOINT_READ,
    BREAKPOINT_WRITE,
    BREAKPOINT_PORT, /* IN, OUT, INS and OUTS; the caller has checked that CR4.DE is set */
};

/* Returns the enabled breakpoints that an access of size_bytes from address on meets: B0 to B3 as in
 * DR6. Addresses are linear, or numbers of ports. A breakpoint covers 1, 2, 4 or 8 bytes, as LEN
 * says, aligned to its size. */
uint64_t breakpoints_met(const struct breakpoints *breakpoints, enum breakpoint_access access,
                         uint64_t address, size_t size_bytes);

#endif
