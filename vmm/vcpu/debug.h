// SPDX-License-Identifier: BSD-2-Clause
/* Keeps a guest's debug registers in force for what the monitor carries out in its stead.
 *
 * The guest has its debug registers to itself, and the processor looks after them except where the
 * monitor makes an access. Nothing of this may cost a guest that does not use them. So MOV DR exits
 * once; from then on the vCPU is watched, and executes MOV DR without an exit. While it is watched
 * no instruction on MMIO is known (insn_cache.h), and every instruction that the monitor has carried
 * out is finished in the long way (vcpu->finish_flags). When no breakpoint is enabled any more, MOV
 * DR exits again.
 *
 * Intel SDM vol. 3B (Sep 2023), "Debug Registers"; vol. 3C, "MOV-DR exiting", "Pending Debug
 * Exceptions" under "Guest Non-Register State". */
#ifndef VMM_VCPU_DEBUG_H
#define VMM_VCPU_DEBUG_H

#include "arch/x86/exits/breakpoints.h"
#include "vmm/vcpu/vcpu.h"

/* Ends the watch, as for a vCPU whose DR7 was just reset. */
void vcpu_debug_reset(struct vcpu *vcpu);

/* Begins to watch the vCPU, which is about to execute MOV DR. */
void vcpu_debug_watch(struct vcpu *vcpu);

/* Returns the breakpoints that an access of the watched vCPU meets, as breakpoints_met does. */
uint64_t vcpu_debug_met(const struct vcpu *vcpu, enum breakpoint_access access, uint64_t address,
                        size_t size_bytes);

/* Looks, after the instruction of the last exit was carried out, whether it met a breakpoint on its
 * port, and makes that pending. Ends the watch if no breakpoint is enabled. */
void vcpu_debug_finish(struct vcpu *vcpu);

/* Sets finish_flags and takes_flags anew, after the vCPU's APIC mode has changed. */
void vcpu_debug_choose_flags(struct vcpu *vcpu);

#endif
