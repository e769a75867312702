// SPDX-License-Identifier: BSD-2-Clause
/* The monitor's own page tables. They map what the monitor may access: one to one, except windows
 * onto guests' RAM. They keep W^X: no page is writable and executable at once. Intel SDM vol. 3A,
 * "4-Level Paging and 5-Level Paging". Builds the tables in memory only; arch/x86/paging.h puts them
 * into force.
 *
 * A later call overrides an earlier one, so the usual order is: memory writable, device memory
 * uncached, then the image's text executable and its constants read-only, last the guard pages
 * under the stacks unmapped. */
#ifndef ARCH_X86_MEMORY_PAGE_TABLE_H
#define ARCH_X86_MEMORY_PAGE_TABLE_H

#include "arch/x86/memory/table_tree.h"

/* Every mapped page is readable. Pages with neither WRITE nor EXECUTE are for constants. */
enum page_flags {
    PAGE_WRITE = 1,
    PAGE_EXECUTE = 2,
    PAGE_UNCACHED = 4,        /* UC, for device registers */
    PAGE_WRITE_COMBINING = 8, /* WC, for a frame buffer; needs PAT_MONITOR in IA32_PAT */
    /* Allows WRITE and EXECUTE together, for the firmware's runtime services, whose code and data
     * share pages on many machines. Used only after the guests are gone. */
    PAGE_FIRMWARE = 16,
};

/* PAT entry 0 is WB, 1 WC, 2 UC-, 3 UC. After reset only entry 1 differs: it is WT. */
#define PAT_MONITOR UINT64_C(0x0007040600070106)

struct page_table {
    struct table_tree tree;
};

/* Makes *table empty. Takes one page from source.
 *   levels: 4, or 5 if the firmware left CR4.LA57 set (it cannot be cleared in long mode);
 *   allow_huge_pages: the processor has 1 GiB pages, CPUID.80000001H:EDX[26].
 * Errors
 *   STATUS_INVALID: levels is neither 4 nor 5.
 *   STATUS_NO_MEMORY: source has no page. */
MUST_USE enum status page_table_init(struct page_table *table, unsigned levels,
                                     bool allow_huge_pages, const struct page_source *source);

/* Maps [base, +size_bytes) to itself, in place of what was mapped there, in the largest pages that
 * alignment allows. If the table is in force, the caller then flushes the TLBs of all processors
 * that use it.
 *   base, size_bytes: whole pages, at least one, within the lower half of the linear addresses
 *     (below 2^47 with 4 levels, 2^52 with 5);
 *   flags: of enum page_flags.
 * Errors
 *   STATUS_INVALID: parts of pages, unknown flags, both memory types, or WRITE and EXECUTE without
 *     FIRMWARE.
 *   STATUS_OUT_OF_RANGE: the range leaves the lower half.
 *   STATUS_NO_MEMORY: the range is mapped up to some page, the rest is as it was. */
MUST_USE enum status page_table_map(struct page_table *table, uint64_t base, uint64_t size_bytes,
                                    unsigned flags);

/* Does what page_table_map does, but maps [address, +size_bytes) to [physical, +size_bytes).
 * address is as page_table_map's base. */
MUST_USE enum status page_table_map_at(struct page_table *table, uint64_t address,
                                       uint64_t physical, uint64_t size_bytes, unsigned flags);

/* Makes [address, +TABLE_SHARE_BYTES) translate in table as it does in owner; see
 * table_tree_share. */
MUST_USE enum status page_table_share(struct page_table *table, const struct page_table *owner,
                                      uint64_t address);

/* Undoes page_table_share. If the table is in force, the caller then flushes the TLB. */
void page_table_unshare(struct page_table *table, uint64_t address);

/* Unmaps the range, as for a guard page; skips parts that are not mapped. Range, errors and TLBs as
 * for page_table_map. */
MUST_USE enum status page_table_unmap(struct page_table *table, uint64_t base, uint64_t size_bytes);

struct page_mapping {
    uint64_t address; /* physical */
    unsigned flags;
    uint64_t page_size_bytes;
};

/* Finds how address is mapped. Returns false, and leaves *mapping alone, if it is not mapped. */
bool page_table_lookup(const struct page_table *table, uint64_t address,
                       struct page_mapping *mapping);

/* Returns the value for CR3. */
uint64_t page_table_cr3(const struct page_table *table);

#endif
