// SPDX-License-Identifier: BSD-2-Clause
/* Stops a guest for what one of its vCPUs did, or for what happened to it. */
#ifndef VMM_VCPU_STOP_H
#define VMM_VCPU_STOP_H

#include "vmm/vcpu/vcpu.h"

/* Stops the guest for what the vCPU did, or for what happened to it: prints the reason and a dump
 * of the vCPU. Does nothing if the guest does not run any more. Called on the vCPU's own processor,
 * with its VMCS current. */
void vcpu_stop(struct vcpu *vcpu, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Returns whether the vCPU was above CPL 0 at the exit, virtual-8086 mode included: SS.DPL is the CPL
 * (SDM vol. 3C, "Guest Register State"). */
static inline bool vcpu_in_user_mode(void)
{
    return ACCESS_RIGHTS_DPL(vmcs_read32(VMCS_GUEST_SS_ACCESS_RIGHTS)) != 0;
}

/* Does what follows when the monitor does not carry out what the vCPU did. Only the guest's kernel
 * can end the guest: at CPL 0 this stops it, as vcpu_stop does. Else the exception with this vector
 * is queued, with the error code 0, and the kernel deals with its process. A double fault that
 * cannot be delivered stops the guest at any CPL. Returns EXIT_RESUME. */
enum exit_action vcpu_refuse(struct vcpu *vcpu, enum trap_vector vector, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Counts the vCPU as dead: from now on only another vCPU's NMI, INIT or start-up message can wake
 * it. If all vCPUs of the guest are dead, stops the guest. */
void vcpu_die(struct vcpu *vcpu);

/* Prints registers, segments, control registers, code at RIP and stack through log_text. Called on
 * the vCPU's own processor, with its VMCS current. */
void vcpu_dump(struct vcpu *vcpu);

#endif
