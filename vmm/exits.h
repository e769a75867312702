/* What happens at each VM exit: one table, complete, with a default that stops the guest. */
#ifndef VMM_EXITS_H
#define VMM_EXITS_H

#include "arch/x86/cpu.h"
#include "vmm/vcpu.h"

/* By basic exit reason, all of them: handles the exit whose information the current VMCS holds. */
typedef enum exit_action exit_handler(struct vcpu *vcpu);
extern exit_handler *const exit_handlers[EXIT_REASON_COUNT];

/* The handlers that have a file of their own. */
enum exit_action exit_io_instruction(struct vcpu *vcpu);   /* exit_io.c */
enum exit_action exit_ept_violation(struct vcpu *vcpu);    /* exit_mmio.c */
enum exit_action exit_control_register(struct vcpu *vcpu); /* exit_cr.c */
enum exit_action exit_xsetbv(struct vcpu *vcpu);           /* exit_cr.c */
enum exit_action exit_rdmsr(struct vcpu *vcpu);            /* exit_msr.c */
enum exit_action exit_wrmsr(struct vcpu *vcpu);            /* exit_msr.c */

/* CR0 bits that the guest sees only through the read shadow: NE, which VMX wants set, and the cache
 * controls. CR4's are those that no guest may set. */
#define CR0_HOST_OWNED (CR0_NE | CR0_NW | CR0_CD)

/* Injects #GP(0): the answer to most of what a guest does wrong. */
enum exit_action exit_general_protection(struct vcpu *vcpu);

#endif
