// SPDX-License-Identifier: BSD-2-Clause
/* Stopping a guest for what one of its vCPUs did or ran into. */
#ifndef VMM_VCPU_STOP_H
#define VMM_VCPU_STOP_H

#include "vmm/vcpu/vcpu.h"

/* Stops the guest for something that the vCPU did or ran into: prints the reason and a dump of the
 * vCPU. On its own processor, with its VMCS current. */
void vcpu_stop(struct vcpu *vcpu, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* From now on only another vCPU's NMI, INIT or start-up message can wake this one. A guest whose
 * vCPUs are all like that is stopped. */
void vcpu_die(struct vcpu *vcpu);

/* Prints registers, segments, control registers, code at RIP and stack through log_text. On the
 * vCPU's own processor, with its VMCS current. */
void vcpu_dump(struct vcpu *vcpu);

#endif
