// SPDX-License-Identifier: BSD-2-Clause
#include "arch/x86/memory/page_table.h"

#include "vmm/base/bits.h"

/* SDM vol. 3A, table "Format of a Page-Table Entry that Maps a 4-KByte Page" and the tables like
 * it. */
#define ENTRY_PRESENT  BIT(0)
#define ENTRY_WRITE    BIT(1)
#define ENTRY_PWT      BIT(3) /* PWT and PCD are bits 0 and 1 of the index into IA32_PAT */
#define ENTRY_PCD      BIT(4)
#define ENTRY_ACCESSED BIT(5)
#define ENTRY_DIRTY    BIT(6)
#define ENTRY_XD       BIT(63)

#define KNOWN_FLAGS                                                                                \
    (PAGE_WRITE | PAGE_EXECUTE | PAGE_UNCACHED | PAGE_WRITE_COMBINING | PAGE_FIRMWARE)

enum status page_table_init(struct page_table *table, unsigned levels, bool allow_huge_pages,
                            const struct page_source *source)
{
    /* A permission needs all levels: entries that point to tables grant all permissions, the leaves
     * decide. The accessed and dirty flags are set from the start, so that the processor never
     * writes to the tables. */
    return table_tree_init(&table->tree, levels,
                           allow_huge_pages ? PAGE_SIZE_HUGE : PAGE_SIZE_LARGE, ENTRY_PRESENT,
                           ENTRY_PRESENT | ENTRY_WRITE | ENTRY_ACCESSED, source);
}

/* Returns whether linear addresses of the range are canonical and can equal physical ones. */
static bool is_in_range(const struct page_table *table, uint64_t base, uint64_t size_bytes)
{
    uint64_t limit = table->tree.levels == 4 ? BIT(47) : BIT(52);
    return base < limit && size_bytes <= limit - base;
}

enum status page_table_map(struct page_table *table, uint64_t base, uint64_t size_bytes,
                           unsigned flags)
{
    return page_table_map_at(table, base, base, size_bytes, flags);
}

enum status page_table_map_at(struct page_table *table, uint64_t address, uint64_t physical,
                              uint64_t size_bytes, unsigned flags)
{
    uint64_t bits = ENTRY_PRESENT | ENTRY_ACCESSED | ENTRY_DIRTY;

    if ((flags & ~(unsigned)KNOWN_FLAGS) != 0)
        return STATUS_INVALID;
    if ((flags & PAGE_WRITE) != 0 && (flags & PAGE_EXECUTE) != 0 && (flags & PAGE_FIRMWARE) == 0)
        return STATUS_INVALID;
    if ((flags & PAGE_UNCACHED) != 0 && (flags & PAGE_WRITE_COMBINING) != 0)
        return STATUS_INVALID;
    if (!is_in_range(table, address, size_bytes))
        return STATUS_OUT_OF_RANGE;

    if ((flags & PAGE_WRITE) != 0)
        bits |= ENTRY_WRITE;
    if ((flags & PAGE_EXECUTE) == 0)
        bits |= ENTRY_XD;
    if ((flags & PAGE_UNCACHED) != 0)
        bits |= ENTRY_PCD | ENTRY_PWT;
    if ((flags & PAGE_WRITE_COMBINING) != 0)
        bits |= ENTRY_PWT;
    return table_tree_map(&table->tree, address, physical, size_bytes, bits);
}

enum status page_table_share(struct page_table *table, const struct page_table *owner,
                             uint64_t address)
{
    return table_tree_share(&table->tree, &owner->tree, address);
}

void page_table_unshare(struct page_table *table, uint64_t address)
{
    table_tree_unshare(&table->tree, address);
}

enum status page_table_unmap(struct page_table *table, uint64_t base, uint64_t size_bytes)
{
    if (!is_in_range(table, base, size_bytes))
        return STATUS_OUT_OF_RANGE;
    return table_tree_unmap(&table->tree, base, size_bytes);
}

bool page_table_lookup(const struct page_table *table, uint64_t address,
                       struct page_mapping *mapping)
{
    struct table_leaf leaf;
    unsigned flags = 0;

    if (!table_tree_lookup(&table->tree, address, &leaf))
        return false;
    if ((leaf.entry & ENTRY_WRITE) != 0)
        flags |= PAGE_WRITE;
    if ((leaf.entry & ENTRY_XD) == 0)
        flags |= PAGE_EXECUTE;
    if ((leaf.entry & ENTRY_PCD) != 0)
        flags |= PAGE_UNCACHED;
    else if ((leaf.entry & ENTRY_PWT) != 0)
        flags |= PAGE_WRITE_COMBINING;
    if ((flags & PAGE_WRITE) != 0 && (flags & PAGE_EXECUTE) != 0)
        flags |= PAGE_FIRMWARE;
    *mapping = (struct page_mapping){
        .address = leaf.address,
        .flags = flags,
        .page_size_bytes = leaf.page_size_bytes,
    };
    return true;
}

uint64_t page_table_cr3(const struct page_table *table)
{
    return (uint64_t)table->tree.root;
}
