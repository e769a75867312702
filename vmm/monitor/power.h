// SPDX-License-Identifier: BSD-2-Clause
/* Switches the machine off or resets it. */
#ifndef VMM_MONITOR_POWER_H
#define VMM_MONITOR_POWER_H

#include "vmm/boot_info.h"
#include "vmm/memory/heap.h"

/* Remembers how the firmware had set up the processor. Called while the firmware's page tables are
 * in force. Until power_prepare the firmware is called on these. */
void power_begin(const struct boot_info *boot);

/* Makes the page tables on which the firmware switches the machine off. They map one to
 * one, writable and executable: everything below 4 GiB, and memory and device registers above. They
 * are made now because switching off has to be possible after any failure. They take at most 4 MiB
 * of the heap; if that or the heap does not suffice, logs this and leaves out the rest. Called
 * after cpus_init. */
void power_prepare(struct heap *heap);

/* Switches the machine off through the firmware. If the firmware returns or faults, logs this and
 * tries the PM1 control registers. Returns if the machine is still on. Called on any processor,
 * with interrupts off. Takes no lock except the console's, and leaves VMX operation. */
void power_off(void);

/* Resets the machine without the firmware. Called on any processor, in any state. */
_Noreturn void power_reset(void);

#endif
