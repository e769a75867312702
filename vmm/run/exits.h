// SPDX-License-Identifier: BSD-2-Clause
/* What happens at each VM exit: one table, complete, with a default that stops the guest. */
#ifndef VMM_RUN_EXITS_H
#define VMM_RUN_EXITS_H

#include "vmm/vcpu/vcpu.h"

/* By basic exit reason, all of them but those that the run loop handles at once, CPUID, IN and OUT
 * without a string (io.h), known instructions on what is not RAM (mmio.h), and the end of an
 * interrupt in x2APIC mode: handles the exit whose information the current VMCS holds. */
typedef enum exit_action exit_handler(struct vcpu *vcpu);
extern exit_handler *const exit_handlers[EXIT_REASON_COUNT];

/* The handlers that have a file of their own. */
enum exit_action exit_io_string(struct vcpu *vcpu);        /* io.c: INS, OUTS */
enum exit_action exit_ept_violation(struct vcpu *vcpu);    /* mmio.c */
enum exit_action exit_control_register(struct vcpu *vcpu); /* control_registers.c */
enum exit_action exit_xsetbv(struct vcpu *vcpu);           /* control_registers.c */
enum exit_action exit_task_switch(struct vcpu *vcpu);      /* task_switch.c */
enum exit_action exit_rdmsr(struct vcpu *vcpu);            /* msr.c */
enum exit_action exit_wrmsr(struct vcpu *vcpu);            /* msr.c */
enum exit_action exit_apic_access(struct vcpu *vcpu);      /* apic.c */
enum exit_action exit_apic_write(struct vcpu *vcpu);       /* apic.c */
enum exit_action exit_virtualized_eoi(struct vcpu *vcpu);  /* apic.c */

#endif
