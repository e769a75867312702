// SPDX-License-Identifier: BSD-2-Clause
/* Calls the firmware after its boot services have ended: with the page tables and control registers
 * that it expects, and with its faults caught. UEFI 2.10, 2.3.4 "x64 Platforms". */
#ifndef ARCH_X86_FIRMWARE_CALL_H
#define ARCH_X86_FIRMWARE_CALL_H

#include "arch/x86/memory/page_table.h"
#include "arch/x86/traps.h"

/* How the firmware had set this processor up. */
struct firmware_state {
    uint64_t cr4;
    uint64_t xcr0; /* 0: the firmware did not use XSAVE */
};

/* Reads *state from this processor. Called before paging_enable. */
void firmware_state_read(struct firmware_state *state);

/* Calls function(context) as firmware code: with table in force, the extended state in its initial
 * configuration, and CR4 and XCR0 as in state, without the features that would need tables or
 * stacks that are gone (CET, PCIDs, protection keys). Afterwards page tables and CR4 are the
 * monitor's again; the extended state is lost.
 *   table: maps the firmware, and the monitor as well, writable and executable.
 * Returns false if an exception ended the call; *fault then describes it. Expects no VMX operation,
 * interrupts off, and that descriptors_load and paging_enable were called. Only one call at a time
 * on the whole machine. */
MUST_USE bool firmware_call(const struct firmware_state *state, const struct page_table *table,
                            void (*function)(void *context), void *context,
                            struct trap_fault *fault);

#endif
