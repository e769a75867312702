/* Instructions that the monitor executes in the guest's stead: those that touch MMIO, INS and OUTS.
 */
#ifndef VMM_GUEST_CPU_H
#define VMM_GUEST_CPU_H

#include "arch/x86/exits/exit_qualification.h"
#include "vmm/vcpu.h"

/* Executes the instruction at RIP in the guest's stead: one that touched MMIO at address. What
 * cannot be executed stops the guest with the reason. */
enum exit_action guest_cpu_execute(struct vcpu *vcpu, gpa_t address);

/* Executes INS or OUTS, REP or not, as an I/O exit describes it. */
enum exit_action guest_cpu_string_io(struct vcpu *vcpu, const struct exit_io *io);

#endif
