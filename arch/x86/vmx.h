// SPDX-License-Identifier: BSD-2-Clause
/* VMX operation of one processor: on, off, the current VMCS, and the TLB invalidations.
 *
 * Intel SDM vol. 3C (Sep 2023), "VMX Instruction Reference" and "Software Use of Virtual-Machine
 * Control Structures". */
#ifndef ARCH_X86_VMX_H
#define ARCH_X86_VMX_H

#include "arch/x86/vmx_capabilities.h"

/* Puts this processor into VMX root operation. region: one zeroed page for the processor's own use
 * until vmx_disable. Sets and locks IA32_FEATURE_CONTROL where the firmware left it open, and sets
 * the CR0 and CR4 bits that VMX fixes. STATUS_UNSUPPORTED if VMXON fails. */
enum status vmx_enable(const struct vmx_capabilities *capabilities, void *region) MUST_USE;

/* Leaves VMX operation. The processor's VMCSs must have been cleared with vmcs_clear. */
void vmx_disable(void);

/* Initialises region (one zeroed page) as a VMCS, clear and not launched. */
void vmcs_init(const struct vmx_capabilities *capabilities, void *region);

/* VMPTRLD: region becomes the current VMCS of this processor. */
void vmcs_load(void *region);

/* VMCLEAR: what the processor caches of region goes to memory; its launch state is "clear". */
void vmcs_clear(void *region);

/* Drops all translations that EPT took part in, on this processor. Wherever an EPT entry gets
 * stricter or goes away ("Guidelines for Use of the INVEPT Instruction"). */
void vmx_invalidate_ept_all(void);

/* Drops the translations tagged with vpid, global ones too, as a guest's own flush would. */
void vmx_invalidate_vpid(uint16_t vpid);

/* The name of a VM-instruction error number ("VM Instruction Error Numbers"). Never null. */
const char *vmx_instruction_error_name(uint32_t number);

#endif
