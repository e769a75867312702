// SPDX-License-Identifier: BSD-2-Clause
/* The monitor's own page tables: everything it may touch, mapped one to one, and W^X - no page is
 * writable and executable at once. Intel SDM vol. 3A, "4-Level Paging and 5-Level Paging". Builds
 * the tables in memory only; arch/x86/paging.h puts them into force.
 *
 * The usual order, as a later call wins over an earlier one: all RAM writable, device memory
 * uncached, then the image's text executable and its constants read-only, last the guard pages
 * under the stacks unmapped. */
#ifndef ARCH_X86_MEMORY_PAGE_TABLE_H
#define ARCH_X86_MEMORY_PAGE_TABLE_H

#include "arch/x86/memory/table_tree.h"

/* Readable is what is mapped at all. Neither WRITE nor EXECUTE: constants. */
enum page_flags {
    PAGE_WRITE = 1,
    PAGE_EXECUTE = 2,
    PAGE_UNCACHED = 4,        /* UC, for device registers */
    PAGE_WRITE_COMBINING = 8, /* WC, for a frame buffer; needs PAT_MONITOR in IA32_PAT */
    /* Lets WRITE and EXECUTE go together: for the firmware's runtime services, whose code and data
     * share pages on many machines, and only once the guests are gone. */
    PAGE_FIRMWARE = 16,
};

/* PAT entry 0 WB, 1 WC, 2 UC-, 3 UC, as after reset but for entry 1, which is WT there. */
#define PAT_MONITOR UINT64_C(0x0007040600070106)

struct page_table {
    struct table_tree tree;
};

/* An empty table.
 *   levels: 4, or 5 where the firmware left CR4.LA57 set (it cannot be cleared in long mode);
 *   allow_huge_pages: the processor has 1 GiB pages, CPUID.80000001H:EDX[26].
 * STATUS_INVALID, STATUS_NO_MEMORY. */
MUST_USE enum status page_table_init(struct page_table *table, unsigned levels,
                                     bool allow_huge_pages, const struct page_source *source);

/* Maps [base, +size_bytes) to itself, in place of what was mapped there, in the largest pages that
 * alignment allows.
 *   base, size_bytes: whole pages, at least one, within the lower half of the linear addresses
 *     (below 2^47 with 4 levels, 2^52 with 5);
 *   flags: of enum page_flags.
 * STATUS_INVALID: not so, unknown flags, both memory types, or WRITE with EXECUTE but without
 * FIRMWARE. STATUS_OUT_OF_RANGE. STATUS_NO_MEMORY: mapped up to some page, the rest as it was.
 * If the table is in force, the caller flushes the TLBs of all processors that use it. */
MUST_USE enum status page_table_map(struct page_table *table, uint64_t base, uint64_t size_bytes,
                                    unsigned flags);

/* Unmaps the range, as for a guard page; what is not mapped is passed over. As page_table_map. */
MUST_USE enum status page_table_unmap(struct page_table *table, uint64_t base, uint64_t size_bytes);

struct page_mapping {
    uint64_t address; /* physical; the linear one itself, as all is mapped one to one */
    unsigned flags;
    uint64_t page_size_bytes;
};

/* False if the address is not mapped. */
bool page_table_lookup(const struct page_table *table, uint64_t address,
                       struct page_mapping *mapping);

/* What belongs into CR3. */
uint64_t page_table_cr3(const struct page_table *table);

#endif
