// SPDX-License-Identifier: BSD-2-Clause
/* Handles exceptions, NMIs and interrupts that reach the monitor itself. Intel SDM vol. 3A,
 * "Interrupt and Exception Handling". */
#ifndef ARCH_X86_TRAPS_H
#define ARCH_X86_TRAPS_H

#include "arch/x86/instructions.h"
#include "arch/x86/vectors.h"
#include "vmm/base/types.h"

#define TRAP_VECTORS    256
#define TRAP_STUB_BYTES 16 /* also in interrupts.asm */

/* What the stubs in interrupts.asm push, lowest address first. The interrupted code continues with
 * the values in the frame, so a handler can change them. */
struct trap_frame {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8;
    uint64_t rdi, rsi, rbp, rbx, rdx, rcx, rax;
    uint64_t vector;
    uint64_t error_code; /* 0 if the event has none */
    uint64_t rip, cs, rflags, rsp, ss;
};
_Static_assert(sizeof(struct trap_frame) == 22 * 8, "as interrupts.asm lays it out");

/* The TRAP_VECTORS entry points for the IDT, TRAP_STUB_BYTES each. */
extern const char trap_stubs[];

/* Handles an interrupt, with interrupts off. The handler need not end the interrupt: after it, one
 * EOI is sent if the local APIC has the vector in service. */
typedef void trap_interrupt_handler(void *context);

/* Sets the handler of this interrupt for all processors; null removes it. vector is 0x20 to 0xfe.
 * The interrupt may not arrive on this processor meanwhile: interrupts are off, or its source is
 * not routed yet. */
void trap_set_interrupt_handler(uint8_t vector, trap_interrupt_handler *handler, void *context);

/* Handles an external interrupt as if it had come through the IDT, after a VM exit acknowledged it
 * ("acknowledge interrupt on exit"). Interrupts are off. An interrupt without a handler is ended
 * and counted. vector is 0x20 to 0xff. */
void trap_handle_interrupt(uint8_t vector);

/* Returns the number of external interrupts without a handler, spurious ones included. */
uint64_t trap_unexpected_interrupts(void);

/* Handles an NMI, on a stack of its own. The NMI may interrupt any instruction, so the handler may
 * use only what is safe at every instruction, and may not print. Returns true if the NMI was for
 * the monitor. Otherwise it is fatal if the chipset raised it for a bus or memory error (port 0x61
 * bits 7 and 6), else it is counted. */
typedef bool trap_nmi_handler(void *context, struct trap_frame *frame);
void trap_set_nmi_handler(trap_nmi_handler *handler, void *context);

/* Handles an NMI that a VM exit reported, through the IDT, as if it had come now. NMIs are blocked
 * after such an exit until the IRET at the end of the handler (SDM vol. 3C, "Information for VM
 * Exits Due to Vectored Events", "NMI Blocking"). */
static inline void trap_raise_nmi(void)
{
    int2();
}

/* Handles a machine check that a VM exit reported, in the same way. Does not return if the machine
 * check is fatal. */
static inline void trap_raise_machine_check(void)
{
    int18();
}

/* Sets CR4.MCE if the processor has it: from then on a machine check is an exception instead of a
 * shutdown. Called after descriptors_load. */
void trap_enable_machine_checks(void);

uint64_t trap_unclaimed_nmis(void);

/* Handles every event that the stubs receive. An exception at one of the instructions below resumes
 * there. Any other exception ends the guarded call that this processor is in. Without such a call,
 * prints registers and a backtrace and stops the machine (fatal.h). */
void trap_dispatch(struct trap_frame *frame);

/* Execute an instruction that may fault. Return false, and change nothing, if the instruction
 * raised #GP or #UD: there is not always another way to find out whether an MSR exists. Need
 * descriptors_load. In interrupts.asm. */
MUST_USE bool rdmsr_safe(uint32_t index, uint64_t *value);
MUST_USE bool wrmsr_safe(uint32_t index, uint64_t value);
MUST_USE bool xsetbv_safe(uint32_t index, uint64_t value);

/* The exception, or interrupt, that ended a guarded call. */
struct trap_fault {
    uint64_t vector;
    uint64_t rip;
    uint64_t cr2; /* of a page fault: the address */
};

/* Calls function(context), code that is not the monitor's, on this processor and its current stack.
 * An exception in it ends the call at once: the result is then false, and *fault describes the
 * exception. Control registers and tables stay as the function left them; segments are the
 * monitor's. Interrupts are off before, and off after an
 * exception. Only one such call may be under way on the whole
 * machine. */
MUST_USE bool trap_call_guarded(void (*function)(void *context), void *context,
                                struct trap_fault *fault);

/* Ends the guarded call that the current interrupt has come in, as an exception would, once the
 * interrupt's handler has returned. The fault's vector is then the interrupt's. Has no effect elsewhere.
 */
void trap_give_up_guarded_call(void);

/* Returns the exception's name for a message, such as "#PF page fault". Never null. */
const char *trap_exception_name(uint64_t vector);

/* Prints the registers of the frame, CR2 and the other control registers. */
void trap_print_frame(const struct trap_frame *frame);

#endif
