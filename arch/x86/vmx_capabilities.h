// SPDX-License-Identifier: BSD-2-Clause
/* Checks what this processor's VT-x supports against what the monitor uses.
 *
 * Intel SDM vol. 3D (Sep 2023), appendix A "VMX Capability Reporting Facility"; vol. 3C, "Enabling
 * and Entering VMX Operation". */
#ifndef ARCH_X86_VMX_CAPABILITIES_H
#define ARCH_X86_VMX_CAPABILITIES_H

#include "vmm/base/status.h"
#include "vmm/base/types.h"

struct vmx_capabilities {
    uint32_t revision; /* VMCS revision identifier */

    /* The controls as the monitor sets them: those that it wants and those that have to be 1. */
    uint32_t pin_based;
    uint32_t primary;
    uint32_t secondary;
    uint32_t exit;
    uint32_t entry;

    /* Bits that VMX operation fixes: a 1 in fixed0 has to be 1, a 0 in fixed1 has to be 0. */
    uint64_t cr0_fixed0;
    uint64_t cr0_fixed1;
    uint64_t cr4_fixed0;
    uint64_t cr4_fixed1;

    unsigned preemption_timer_shift; /* the timer counts down once per 2^shift TSC ticks */
    bool ept_1gb_pages;
    bool rdtscp;           /* guests may use RDTSCP and RDPID */
    bool invpcid;          /* guests may use INVPCID */
    bool virtualizes_apic; /* all that arch/x86/vmx_apic.h uses, or nothing */
};

/* Reads CPUID and the capability MSRs of this processor and fills in *capabilities. Changes nothing
 * else.
 *   STATUS_UNSUPPORTED: the firmware has locked VT-x off, or something that the monitor needs is
 *     missing. message (size bytes) then has one sentence with the cause and the remedy. */
enum status vmx_check_capabilities(struct vmx_capabilities *capabilities, char *message,
                                   size_t size) MUST_USE;

#endif
