// SPDX-License-Identifier: BSD-2-Clause
/* Calls of the firmware after its boot services have ended: on the page tables and with the control
 * registers that it expects, and with its faults caught. UEFI 2.10, 2.3.4 "x64 Platforms". */
#ifndef ARCH_X86_FIRMWARE_CALL_H
#define ARCH_X86_FIRMWARE_CALL_H

#include "arch/x86/memory/page_table.h"
#include "arch/x86/traps.h"

/* How the firmware had set up the processor. */
struct firmware_state {
    uint64_t cr4;
    uint64_t xcr0; /* 0: it did not use XSAVE */
};

/* Reads it from this processor, before paging_enable. */
void firmware_state_read(struct firmware_state *state);

/* Calls function(context) with the firmware's page tables in force, the extended state in its
 * initial configuration, CR4 and XCR0 as in state (without what would need tables or stacks that
 * are gone: CET, PCIDs, protection keys). False: an exception ended it, *fault tells which. Page
 * tables and CR4 are the monitor's again after it, the extended state is lost. table: maps the
 * monitor itself, too, writable and executable. Not in VMX operation, with interrupts off, after
 * descriptors_load and paging_enable. One call at a time on the whole machine. */
MUST_USE bool firmware_call(const struct firmware_state *state, const struct page_table *table,
                            void (*function)(void *context), void *context,
                            struct trap_fault *fault);

#endif
