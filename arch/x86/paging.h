// SPDX-License-Identifier: BSD-2-Clause
/* Puts page tables into force on this processor, and reads the tables that are in force. */
#ifndef ARCH_X86_PAGING_H
#define ARCH_X86_PAGING_H

#include "arch/x86/memory/page_table.h"

/* Return what page_table_init needs to know of this machine. */
unsigned paging_levels(void); /* 4, or 5 if the firmware chose it */
bool paging_has_huge_pages(void);
/* Returns CPUID.80000008H:EAX[7:0]; 36 if the leaf is missing or its value is below 32 or above
 * 52. */
unsigned paging_physical_address_bits(void);

/* Turns off shadow stacks and branch tracking, which the firmware may have on: they would stop the
 * monitor at its first stack switch or far return (SDM vol. 1, "Control-flow Enforcement
 * Technology"). paging_enable does the same. */
void paging_disable_control_flow_enforcement(void);

/* Makes table the one that this processor uses, and sets the modes that the monitor needs:
 * no-execute pages (EFER.NXE), write protection in ring 0 (CR0.WP), no execution of user pages
 * (CR4.SMEP) if the processor has it, CR4.OSXSAVE if it has XSAVE, IA32_PAT = PAT_MONITOR, caches
 * on. Turns off what the firmware may have left on: control-flow enforcement, PCIDs, global pages,
 * protection keys. Interrupts are off.
 *   table: has the code, the stack and all data in use mapped one to one, and as many levels as the
 *     tables in force.
 *   STATUS_UNSUPPORTED: the processor has no no-execute pages, or the number of levels differs.
 * SDM vol. 3A, "Control Registers", "Programming the PAT". */
MUST_USE enum status paging_enable(const struct page_table *table);

/* Flushes all of this processor's cached translations, except those of guests. */
void paging_flush(void);

/* Returns whether the tables in force, the monitor's or the firmware's, map the byte at this linear
 * address for reading. Both map their own tables one to one, so this is safe for any address. */
bool paging_is_mapped(uint64_t address);

#endif
