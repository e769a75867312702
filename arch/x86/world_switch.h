// SPDX-License-Identifier: BSD-2-Clause
/* The way into the guest and back, world_switch.asm, as vmx_vcpu.h uses it. Intel SDM vol. 3C (Sep
 * 2023), "VM Entries" and "VM Exits". */
#ifndef ARCH_X86_WORLD_SWITCH_H
#define ARCH_X86_WORLD_SWITCH_H

#include <stdint.h>

/* Stores RBP and RSP as they will be in world_switch when the function that this is inlined into
 * calls world_switch_enter. */
static inline __attribute__((always_inline)) void world_switch_begin(uint64_t *frame,
                                                                     uint64_t *stack)
{
    __asm__ volatile("movq %%rbp, %[frame]\n\tleaq -8(%%rsp), %%rax\n\tmovq %%rax, %[stack]"
                     : [frame] "=m"(*frame), [stack] "=m"(*stack)
                     :
                     : "rax");
}

/* Enters the guest whose VMCS is current. registers: the vCPU's struct vmx_switch; the same again
 * on return, in a register. Returns the exit reason field, or VMX_NOT_ENTERED.
 *   *exited_tsc: the TSC at the exit, or 0 if the guest was not entered. */
static inline __attribute__((always_inline)) uint64_t world_switch_enter(void **registers,
                                                                         uint64_t *exited_tsc)
{
    uint64_t result;

    __asm__ volatile("call world_switch"
                     : "=a"(result), "=d"(*exited_tsc), "+D"(*registers)
                     :
                     : "rbx", "rcx", "rsi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
                       "memory", "cc");
    return result;
}

/* Where VM exits arrive: HOST_RIP. */
void world_switch_exit(void);

#endif
