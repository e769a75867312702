// SPDX-License-Identifier: BSD-2-Clause
/* Exceptions, NMIs and interrupts that reach the monitor itself.
 * Intel SDM vol. 3A, "Interrupt and Exception Handling". */
#ifndef ARCH_X86_TRAPS_H
#define ARCH_X86_TRAPS_H

#include "arch/x86/vectors.h"
#include "vmm/base/types.h"

#define TRAP_VECTORS    256
#define TRAP_STUB_BYTES 16 /* also in interrupts.asm */

/* What the stubs in interrupts.asm push, lowest address first. Writing to it changes what the
 * interrupted code goes on with. */
struct trap_frame {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8;
    uint64_t rdi, rsi, rbp, rbx, rdx, rcx, rax;
    uint64_t vector;
    uint64_t error_code; /* 0 where the event has none */
    uint64_t rip, cs, rflags, rsp, ss;
};
_Static_assert(sizeof(struct trap_frame) == 22 * 8, "as interrupts.asm lays it out");

/* TRAP_VECTORS entry points of TRAP_STUB_BYTES each, for the IDT. */
extern const char trap_stubs[];

/* Runs with interrupts off. Need not signal the end of interrupt: that is done after it, once,
 * where the local APIC has the vector in service. */
typedef void trap_interrupt_handler(void *context);

/* From now on handler is called for this interrupt on all processors; null takes it away.
 * vector is 0x20..0xfe. Not safe against the interrupt itself: with interrupts off, or before the
 * source is routed. */
void trap_set_interrupt_handler(uint8_t vector, trap_interrupt_handler *handler, void *context);

/* Handles an external interrupt as if it had come through the IDT: for one that a VM exit
 * acknowledged ("acknowledge interrupt on exit"). Interrupts are off. One without a handler is
 * acknowledged and counted. vector is 0x20..0xff. */
void trap_handle_interrupt(uint8_t vector);

/* External interrupts that nobody handled, spurious ones included. */
uint64_t trap_unexpected_interrupts(void);

/* Called for each NMI on its own stack, possibly in the midst of anything: it may only touch what
 * is safe at every instruction, and not print. True: it was for us. An unclaimed NMI that the
 * chipset raised for a bus or memory error (port 0x61 bits 7 and 6) is fatal, others are counted.
 */
typedef bool trap_nmi_handler(void *context, struct trap_frame *frame);
void trap_set_nmi_handler(trap_nmi_handler *handler, void *context);

/* Takes an NMI that a VM exit reported through the IDT, as if it had come in now. NMIs are blocked
 * after such an exit, until the IRET at the end of this (SDM vol. 3C, "Information for VM Exits Due
 * to Vectored Events", "NMI Blocking"). */
static inline void trap_raise_nmi(void)
{
    __asm__ volatile("int $2" : : : "memory");
}

/* Likewise for a machine check that a VM exit reported. Does not return where it is fatal. */
static inline void trap_raise_machine_check(void)
{
    __asm__ volatile("int $18" : : : "memory");
}

/* Sets CR4.MCE where the processor has it: from here on a machine check is an exception instead of
 * a shutdown. After descriptors_load. */
void trap_enable_machine_checks(void);

uint64_t trap_unclaimed_nmis(void);

/* Where every stub ends up. Exceptions that are nobody's (see below) end the guarded call that this
 * processor is in; else they print registers and a backtrace and stop the machine (fatal.h). */
void trap_dispatch(struct trap_frame *frame);

/* Instructions that may fault. False, and nothing done, if the instruction raised #GP or #UD;
 * whether an MSR exists cannot always be found out otherwise. In interrupts.asm. Need
 * descriptors_load. */
MUST_USE bool rdmsr_safe(uint32_t index, uint64_t *value);
MUST_USE bool wrmsr_safe(uint32_t index, uint64_t value);
MUST_USE bool xsetbv_safe(uint32_t index, uint64_t value);

/* The exception that ended a guarded call. */
struct trap_fault {
    uint64_t vector;
    uint64_t rip;
    uint64_t cr2; /* of a page fault: the address */
};

/* Calls function(context), code that is not the monitor's, on this processor and its current stack.
 * An exception in it ends the call, wherever it had got to: false, and *fault tells which. Control
 * registers and tables stay as the function left them; segments are the monitor's. Interrupts are
 * off before and after. One such call at a time on the whole machine. */
MUST_USE bool trap_call_guarded(void (*function)(void *context), void *context,
                                struct trap_fault *fault);

/* For a message, such as "#PF page fault". Never null. */
const char *trap_exception_name(uint64_t vector);

/* Prints the registers of the frame, CR2 and the other control registers. */
void trap_print_frame(const struct trap_frame *frame);

#endif
