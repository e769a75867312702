// SPDX-License-Identifier: BSD-2-Clause
/* This processor's local APIC, in xAPIC or x2APIC mode, whichever the firmware left.
 * Intel SDM vol. 3A, "Advanced Programmable Interrupt Controller (APIC)". */
#ifndef ARCH_X86_LAPIC_H
#define ARCH_X86_LAPIC_H

#include "vmm/base/status.h"
#include "vmm/base/types.h"

/* Enables it and makes it quiet: timer stopped, every local source masked but for an NMI on LINT1
 * and what the firmware sends to system management mode, task priority 0, left-over interrupts
 * ended. On each processor, with interrupts off, the booting one first: its mode (and, for xAPIC,
 * base address) is what the others are brought to.
 * The registers' page (lapic_base) is mapped uncached, for xAPIC.
 * STATUS_UNSUPPORTED if there is none. */
MUST_USE enum status lapic_init(void);

/* The physical address of the 4 KiB of registers as IA32_APIC_BASE has it; of no matter in x2APIC
 * mode. Before lapic_init, for mapping it. */
hpa_t lapic_base(void);

bool lapic_is_x2apic(void);

/* --- After lapic_init --- */

/* This processor's id: 8 bits in xAPIC mode, 32 in x2APIC mode. */
uint32_t lapic_id(void);

/* Ends the interrupt of the highest priority in service. Without one, no effect. */
void lapic_eoi(void);

/* Whether this processor has taken the interrupt and not ended it. */
bool lapic_is_in_service(uint8_t vector);

/* Send to the processor with the id apic_id. They return once the APIC has sent the message;
 * STATUS_UNSUPPORTED if it does not within many times what that takes, STATUS_OUT_OF_RANGE for an
 * id that the mode cannot address. The waits between INIT and start-up messages are the caller's
 * (SDM vol. 3A, "MP Initialization Protocol Algorithm"). */
MUST_USE enum status lapic_send_interrupt(uint32_t apic_id, uint8_t vector); /* 16..255 */
MUST_USE enum status lapic_send_nmi(uint32_t apic_id);
MUST_USE enum status lapic_send_init(uint32_t apic_id);
/* Starts it in real mode at page * 4096, below 1 MiB. */
MUST_USE enum status lapic_send_startup(uint32_t apic_id, uint8_t page);

#endif
