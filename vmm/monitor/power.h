// SPDX-License-Identifier: BSD-2-Clause
/* The machine's end: off, or from the start again. */
#ifndef VMM_MONITOR_POWER_H
#define VMM_MONITOR_POWER_H

#include "vmm/boot_info.h"
#include "vmm/memory/heap.h"

/* Remembers how the firmware had set up the processor. While its page tables are still in force;
 * until power_prepare the firmware is called on these. */
void power_begin(const struct boot_info *boot);

/* Makes the page tables on which the firmware switches the machine off: everything below 4 GiB, and
 * memory and device registers above, one to one, writable and executable. Made beforehand, as
 * switching off has to be possible after any failure. Takes 4 MiB of the heap at most; where that
 * or the heap does not suffice, it says so and leaves out the rest. After cpus_init. */
void power_prepare(struct heap *heap);

/* Switches the machine off: through the firmware, and where that returns or faults, which is said
 * on the log, through the PM1 control registers. Returns if the machine is still on. From any
 * processor, with interrupts off; takes no lock but the console's; leaves VMX operation. */
void power_off(void);

/* Resets the machine without the firmware. From any processor, in any state. */
_Noreturn void power_reset(void);

#endif
