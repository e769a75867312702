// SPDX-License-Identifier: BSD-2-Clause
/* Drives this processor's local APIC, in the mode (xAPIC or x2APIC) that the firmware left. Intel
 * SDM vol. 3A, "Advanced Programmable Interrupt Controller (APIC)". */
#ifndef ARCH_X86_LAPIC_H
#define ARCH_X86_LAPIC_H

#include "vmm/base/status.h"
#include "vmm/base/types.h"

/* Enables the local APIC and silences it: the timer is stopped, every local source is masked,
 * except an NMI on LINT1 and what the firmware sends to system management mode; task priority is 0,
 * and interrupts left in service are ended. Called on each processor with interrupts off, on the
 * boot processor first: the others get its mode and (for xAPIC) its base address. For xAPIC the
 * registers' page (lapic_base) is mapped uncached.
 *   STATUS_UNSUPPORTED: the processor has no local APIC, or no x2APIC mode while the boot processor
 *     is in it. */
MUST_USE enum status lapic_init(void);

/* Returns the physical address of the 4 KiB of registers, from IA32_APIC_BASE; it has no meaning in
 * x2APIC mode. Called before lapic_init, to map the registers. */
hpa_t lapic_base(void);

bool lapic_is_x2apic(void);

/* --- After lapic_init --- */

/* Returns this processor's APIC ID: 8 bits in xAPIC mode, 32 in x2APIC mode. */
uint32_t lapic_id(void);

/* Ends the interrupt in service that has the highest priority. Has no effect if there is none. */
void lapic_eoi(void);

/* Returns whether this processor has taken the interrupt and not ended it yet. False before
 * lapic_init. */
bool lapic_is_in_service(uint8_t vector);

/* Makes this processor's APIC timer raise vector once, after count * 128 ticks of the timer's clock. Its
 * rate, 24 MHz to 1 GHz, is not known here. Replaces what the timer was set to. */
void lapic_start_timer(uint8_t vector, uint32_t count);

/* Stops the timer. */
void lapic_stop_timer(void);

/* Send a message to the processor with this APIC ID, and return once the APIC has sent it. The
 * caller makes the waits between INIT and start-up messages (SDM vol. 3A, "MP Initialization
 * Protocol Algorithm").
 *   STATUS_UNSUPPORTED: the APIC did not send it, even after many times the usual time.
 *   STATUS_OUT_OF_RANGE: the mode cannot address this ID.
 *   STATUS_INVALID: vector is below 16. */
MUST_USE enum status lapic_send_interrupt(uint32_t apic_id, uint8_t vector); /* vector: 16 to 255 */
MUST_USE enum status lapic_send_nmi(uint32_t apic_id);
MUST_USE enum status lapic_send_init(uint32_t apic_id);
/* Starts the processor in real mode at page * 4096, which is below 1 MiB. */
MUST_USE enum status lapic_send_startup(uint32_t apic_id, uint8_t page);

#endif
