// SPDX-License-Identifier: BSD-2-Clause
/* Stops a guest for what one of its vCPUs did, or for what happened to it. */
#ifndef VMM_VCPU_STOP_H
#define VMM_VCPU_STOP_H

#include "vmm/vcpu/vcpu.h"

/* Stops the guest for what the vCPU did, or for what happened to it: prints the reason and a dump
 * of the vCPU. Does nothing if the guest does not run any more. Called on the vCPU's own processor,
 * with its VMCS current. */
void vcpu_stop(struct vcpu *vcpu, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Counts the vCPU as dead: from now on only another vCPU's NMI, INIT or start-up message can wake
 * it. If all vCPUs of the guest are dead, stops the guest. */
void vcpu_die(struct vcpu *vcpu);

/* Prints registers, segments, control registers, code at RIP and stack through log_text. Called on
 * the vCPU's own processor, with its VMCS current. */
void vcpu_dump(struct vcpu *vcpu);

#endif
