// SPDX-License-Identifier: BSD-2-Clause
/* The run loop: enters the guest, handles its exit, does what is due, and enters again. */
#ifndef VMM_RUN_RUN_H
#define VMM_RUN_RUN_H

#include "vmm/vcpu/vcpu.h"

/* Runs the vCPU on its own processor until the guest is no longer running. Loads the vCPU's VMCS;
 * on return its readers of the buses are parked. */
void vcpu_run(struct vcpu *vcpu);

/* Makes the vCPU that runs on the first processor do the console's work before it enters its guest
 * again. Does nothing outside the run loop. Called on the first processor. */
void run_note_console_work(void);

#endif
