// SPDX-License-Identifier: BSD-2-Clause
/* Controls the VMX operation of this processor: on, off, the current VMCS, and the TLB
 * invalidations. Functions without a status stop the monitor (CHECK) if their instruction fails.
 *
 * Intel SDM vol. 3C (Sep 2023), "VMX Instruction Reference" and "Software Use of Virtual-Machine
 * Control Structures". */
#ifndef ARCH_X86_VMX_H
#define ARCH_X86_VMX_H

#include "arch/x86/vmx_capabilities.h"

/* Puts this processor into VMX root operation. Sets and locks IA32_FEATURE_CONTROL if the firmware
 * left it unlocked, sets the CR0 and CR4 bits that VMX fixes, and drops the translations that an
 * earlier user of VT-x left in the TLBs.
 *   region: one zeroed page, which the processor uses until vmx_disable.
 *   STATUS_UNSUPPORTED: VMXON failed. */
enum status vmx_enable(const struct vmx_capabilities *capabilities, void *region) MUST_USE;

/* Leaves VMX operation. The caller has cleared this processor's VMCSs with vmcs_clear. */
void vmx_disable(void);

/* Makes region (one zeroed page) a VMCS that is clear and not launched. */
void vmcs_init(const struct vmx_capabilities *capabilities, void *region);

/* Makes region the current VMCS of this processor (VMPTRLD). */
void vmcs_load(void *region);

/* Writes what the processor caches of region to memory and sets its launch state to "clear"
 * (VMCLEAR). */
void vmcs_clear(void *region);

/* Drops all translations of this processor that used EPT. Needed after an EPT entry became stricter
 * or was removed ("Guidelines for Use of the INVEPT Instruction"). */
void vmx_invalidate_ept_all(void);

/* Drops the translations tagged with vpid, also global ones, as the guest's own flush would. */
void vmx_invalidate_vpid(uint16_t vpid);

/* Returns the text of a VM-instruction error number ("VM Instruction Error Numbers"), or "unknown
 * error". Never null. */
const char *vmx_instruction_error_name(uint32_t number);

#endif
