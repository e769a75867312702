// SPDX-License-Identifier: BSD-2-Clause
/* The run loop: enter the guest, handle its exit, see to what is due, enter again. */
#ifndef VMM_RUN_RUN_H
#define VMM_RUN_RUN_H

#include "vmm/vcpu/vcpu.h"

/* Runs the vCPU, on its own processor, until the guest is no longer running. */
void vcpu_run(struct vcpu *vcpu);

#endif
