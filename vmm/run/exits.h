// SPDX-License-Identifier: BSD-2-Clause
/* The handlers of VM exits: one complete table, with a default that stops the guest. */
#ifndef VMM_RUN_EXITS_H
#define VMM_RUN_EXITS_H

#include "vmm/vcpu/vcpu.h"

/* The handlers by basic exit reason. Each handles the exit whose information the current VMCS
 * holds. The run loop handles some exits without this table: CPUID; IN and OUT that are no string
 * instructions (io.h); known instructions on addresses without RAM (mmio.h); WRMSR that ends an
 * interrupt in x2APIC mode or moves the TSC deadline (msr.h). */
typedef enum exit_action exit_handler(struct vcpu *vcpu);
extern exit_handler *const exit_handlers[EXIT_REASON_COUNT];

/* The handlers with a file of their own. */
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
