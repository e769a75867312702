// SPDX-License-Identifier: BSD-2-Clause
/* Puts page tables into force on this processor, and reads the ones in force. */
#ifndef ARCH_X86_PAGING_H
#define ARCH_X86_PAGING_H

#include "arch/x86/memory/page_table.h"

/* What page_table_init wants to know of this machine. */
unsigned paging_levels(void); /* 4, or 5 if the firmware chose it */
bool paging_has_huge_pages(void);
/* CPUID.80000008H:EAX[7:0]; 36 where the leaf is missing. */
unsigned paging_physical_address_bits(void);

/* Makes table the one this processor uses, and sets the modes the monitor runs in: no-execute pages
 * (EFER.NXE), write protection in ring 0 (CR0.WP), no execution of user pages (CR4.SMEP) where the
 * processor has it, CR4.OSXSAVE where it has XSAVE, IA32_PAT = PAT_MONITOR; caches on; what the
 * firmware may have left on - control-flow enforcement, PCIDs, global pages, protection keys - off.
 *   table: has the code, the stack and all data in use mapped one to one, and the same number of
 *     levels as the one in force.
 * Interrupts are off. STATUS_UNSUPPORTED if the processor has no no-execute pages.
 * SDM vol. 3A, "Control Registers", "Programming the PAT". */
MUST_USE enum status paging_enable(const struct page_table *table);

/* Flushes all of this processor's cached translations but those of guests. */
void paging_flush(void);

/* Whether the tables in force, ours or the firmware's, map the byte at this linear address for
 * reading. Both map their own tables one to one, so it is safe for any address. */
bool paging_is_mapped(uint64_t address);

#endif
