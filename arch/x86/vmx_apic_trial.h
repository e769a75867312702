// SPDX-License-Identifier: BSD-2-Clause
/* Tries this processor's APIC virtualization before guests rely on it.
 *
 * Bochs 2.7 has a fault in it: where an external interrupt would make the guest exit while a
 * virtual interrupt is pending that RFLAGS.IF holds back, it delivers the virtual one, with IF
 * clear, instead of leaving. No kernel survives that for long: docs/exits.md, "The trial".
 * Intel SDM vol. 3C (Sep 2023), "Evaluation and Delivery of Pending Virtual Interrupts": only "if
 * RFLAGS.IF = 1". */
#ifndef ARCH_X86_VMX_APIC_TRIAL_H
#define ARCH_X86_VMX_APIC_TRIAL_H

#include "arch/x86/vmx_capabilities.h"

#define VMX_APIC_TRIAL_BYTES (3 * PAGE_SIZE)

/* Runs a guest of a few instructions with this very fault in its way, for less than a millisecond:
 * what is wrong, to go behind "its APIC virtualization", or null. In VMX operation, with interrupts
 * off and the local APIC at work; the current VMCS is lost, and so is the extended state. pages:
 * VMX_APIC_TRIAL_BYTES of zeros, page-aligned. vector is an interrupt of the monitor's that may
 * come to this processor at any time. */
MUST_USE const char *vmx_apic_find_fault(const struct vmx_capabilities *capabilities, void *pages,
                                         uint8_t vector);

#endif
