// SPDX-License-Identifier: BSD-2-Clause
/* Tries this processor's APIC virtualization before guests depend on it.
 *
 * Bochs 2.7 has a fault in it. If an external interrupt arrives while RFLAGS.IF holds a pending
 * virtual interrupt back, the guest should exit; but Bochs delivers the virtual interrupt, although
 * IF is clear. No kernel survives that for long: docs/exits.md, "The trial". Intel SDM vol. 3C (Sep
 * 2023), "Evaluation and Delivery of Pending Virtual Interrupts": only "if RFLAGS.IF = 1". */
#ifndef ARCH_X86_VMX_APIC_TRIAL_H
#define ARCH_X86_VMX_APIC_TRIAL_H

#include "arch/x86/vmx_capabilities.h"

#define VMX_APIC_TRIAL_BYTES (3 * PAGE_SIZE)

/* Runs a guest of a few instructions that meets this fault, for less than a millisecond. Returns
 * what is wrong, as a text to follow "its APIC virtualization", or null if nothing is. Expects VMX
 * operation, interrupts off and the local APIC enabled. The current VMCS and the extended state are
 * lost.
 *   pages: VMX_APIC_TRIAL_BYTES of zeros, page-aligned;
 *   vector: an interrupt of the monitor that may come to this processor at any time. */
MUST_USE const char *vmx_apic_find_fault(const struct vmx_capabilities *capabilities, void *pages,
                                         uint8_t vector);

#endif
