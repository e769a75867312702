// SPDX-License-Identifier: BSD-2-Clause
/* What the processor's own page tables and EPT have in common: a tree of 512-entry tables, 9
 * address bits per level, whose entries are empty, point to a table, or are a leaf - a page of
 * 4 KiB, 2 MiB or 1 GiB. Bits 51:12 of an entry hold a physical address, bit 7 of an entry above
 * the lowest level says "leaf". Intel SDM vol. 3A, "4-Level Paging and 5-Level Paging"; vol. 3C,
 * "The Extended Page Table Mechanism (EPT)". page_table.h and ept.h say what the other bits mean.
 *
 * Tables are reached through their physical address used as a pointer. Pure: touches no hardware.
 * Entries are changed by single 64-bit stores, and a table is filled before it is linked, so the
 * tree may be in use by processors meanwhile. One writer at a time; what the processors have
 * cached is the caller's to invalidate. */
#ifndef ARCH_X86_MEMORY_TABLE_TREE_H
#define ARCH_X86_MEMORY_TABLE_TREE_H

#include "vmm/base/status.h"
#include "vmm/base/types.h"

/* Where the tables' pages come from. */
struct page_source {
    void *(*allocate)(void *context); /* 4 KiB, aligned to that, content of no matter; or null */
    void (*release)(void *context, void *page); /* null: pages are never given back */
    void *context;
};

#define TABLE_LEAF         (UINT64_C(1) << 7)
#define TABLE_ADDRESS_MASK UINT64_C(0x000ffffffffff000)

struct table_tree {
    uint64_t *root;
    unsigned levels;             /* 4 or 5 */
    unsigned largest_leaf_level; /* 1: pages of 4 KiB alone, 2: 2 MiB too, 3: 1 GiB too */
    uint64_t present_mask;       /* an entry is in use if one of these bits is set */
    uint64_t table_bits;         /* set in every entry that points to a table */
    struct page_source source;
};

/* An empty tree. Fields as above; largest_page_bytes is PAGE_SIZE, PAGE_SIZE_LARGE or
 * PAGE_SIZE_HUGE. STATUS_INVALID for anything else, STATUS_NO_MEMORY without a root page. */
MUST_USE enum status table_tree_init(struct table_tree *tree, unsigned levels,
                                     uint64_t largest_page_bytes, uint64_t present_mask,
                                     uint64_t table_bits, const struct page_source *source);

/* Maps [from, +size_bytes) to [to, +size_bytes) with leaf_bits set in every leaf, by the largest
 * pages that alignment allows, in place of what was mapped there. Larger pages that reach over an
 * end are split; tables that exist stay, so a range once split stays in small pages.
 *   from, to, size_bytes: whole pages, at least one.
 * STATUS_INVALID for anything else; STATUS_OUT_OF_RANGE if the range leaves the tree's 48 (or 57)
 * address bits or the entries' 52; STATUS_NO_MEMORY: a part of the range, from its start, is
 * mapped, the rest is as it was. */
MUST_USE enum status table_tree_map(struct table_tree *tree, uint64_t from, uint64_t to,
                                    uint64_t size_bytes, uint64_t leaf_bits);

/* Unmaps the range; parts with nothing mapped are passed over. Arguments and errors as for
 * table_tree_map; memory is needed only to split larger pages. */
MUST_USE enum status table_tree_unmap(struct table_tree *tree, uint64_t from, uint64_t size_bytes);

struct table_leaf {
    uint64_t address;         /* what the given address translates to, to the byte */
    uint64_t entry;           /* the leaf as it stands in its table */
    uint64_t page_size_bytes; /* PAGE_SIZE, PAGE_SIZE_LARGE or PAGE_SIZE_HUGE */
};

/* False if the address is not mapped or beyond the tree; *leaf is untouched then. */
bool table_tree_lookup(const struct table_tree *tree, uint64_t from, struct table_leaf *leaf);

/* Gives all pages back, the root included. No processor may be using the tree. */
void table_tree_destroy(struct table_tree *tree);

#endif
