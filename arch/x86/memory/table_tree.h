// SPDX-License-Identifier: BSD-2-Clause
/* A tree of page tables, the common part of the processor's own page tables and of EPT. Tables have
 * 512 entries, 9 address bits per level. An entry is empty, or points to a table, or is a leaf: a
 * page of 4 KiB, 2 MiB or 1 GiB. Bits 51:12 of an entry hold a physical address; bit 7 of an entry
 * above the lowest level marks a leaf. Intel SDM vol. 3A, "4-Level Paging and 5-Level Paging"; vol.
 * 3C, "The Extended Page Table Mechanism (EPT)". page_table.h and ept.h define the other bits.
 *
 * The functions are pure: they touch no hardware, and use the physical address of a table as a
 * pointer to it. An entry changes by one 64-bit store, and a table is filled before it is linked,
 * so processors may be using the tree meanwhile. Only one writer may work at a time. The caller
 * invalidates what the processors have cached. */
#ifndef ARCH_X86_MEMORY_TABLE_TREE_H
#define ARCH_X86_MEMORY_TABLE_TREE_H

#include "vmm/base/status.h"
#include "vmm/base/types.h"

/* The source of the tables' pages. */
struct page_source {
    void *(*allocate)(void *context); /* an aligned page of 4 KiB with any content; or null */
    void (*release)(void *context, void *page); /* null: pages are never given back */
    void *context;
};

#define TABLE_LEAF         (UINT64_C(1) << 7)
#define TABLE_ADDRESS_MASK UINT64_C(0x000ffffffffff000)

struct table_tree {
    uint64_t *root;
    unsigned levels;             /* 4 or 5 */
    unsigned largest_leaf_level; /* 1: pages of 4 KiB only; 2: also 2 MiB; 3: also 1 GiB */
    uint64_t present_mask;       /* an entry is in use if one of these bits is set */
    uint64_t table_bits;         /* set in every entry that points to a table */
    struct page_source source;
};

/* Makes *tree empty. Takes one page from source for the root.
 *   levels, present_mask, table_bits: see the fields above;
 *   largest_page_bytes: PAGE_SIZE, PAGE_SIZE_LARGE or PAGE_SIZE_HUGE.
 * Errors
 *   STATUS_INVALID: levels or largest_page_bytes is not as described.
 *   STATUS_NO_MEMORY: source has no page. */
MUST_USE enum status table_tree_init(struct table_tree *tree, unsigned levels,
                                     uint64_t largest_page_bytes, uint64_t present_mask,
                                     uint64_t table_bits, const struct page_source *source);

/* Maps [from, +size_bytes) to [to, +size_bytes) with leaf_bits set in every leaf, in place of what
 * was mapped there. Uses the largest pages that alignment allows, and splits larger pages that
 * reach over an end. Tables that exist stay, so a range that was split once stays in small pages.
 *   from, to, size_bytes: whole pages, at least one.
 * Errors
 *   STATUS_INVALID: from, to or size_bytes is not as described.
 *   STATUS_OUT_OF_RANGE: the range leaves the tree's 48 (or 57) address bits, or `to` the entries'
 *     52.
 *   STATUS_NO_MEMORY: a part of the range, from its start, is mapped; the rest is as it was. */
MUST_USE enum status table_tree_map(struct table_tree *tree, uint64_t from, uint64_t to,
                                    uint64_t size_bytes, uint64_t leaf_bits);

/* Unmaps the range; skips parts that are not mapped. Arguments and errors are those of
 * table_tree_map. Needs memory only to split larger pages. */
MUST_USE enum status table_tree_unmap(struct table_tree *tree, uint64_t from, uint64_t size_bytes);

/* The bytes that one entry of a 4-level tree's root covers; in a 5-level tree an entry one level
 * below the root. */
#define TABLE_SHARE_BYTES (UINT64_C(1) << 39)

/* Makes [from, +TABLE_SHARE_BYTES) translate in tree as it does in owner, by the same tables: what
 * changes there later shows here, too. The tables stay owner's.
 *   from: a multiple of TABLE_SHARE_BYTES; in owner, something is mapped within the range; in tree,
 *     nothing was ever mapped there.
 * Errors
 *   STATUS_INVALID: from is not as described, or the trees differ in their levels or entries.
 *   STATUS_OUT_OF_RANGE: the range leaves the tree.
 *   STATUS_NO_MEMORY: only with 5 levels. Nothing has changed. */
MUST_USE enum status table_tree_share(struct table_tree *tree, const struct table_tree *owner,
                                      uint64_t from);

/* Undoes table_tree_share, with the same from. Does nothing if nothing is shared there. */
void table_tree_unshare(struct table_tree *tree, uint64_t from);

struct table_leaf {
    uint64_t address;         /* what the given address translates to, to the byte */
    uint64_t entry;           /* the leaf as it is in its table */
    uint64_t page_size_bytes; /* PAGE_SIZE, PAGE_SIZE_LARGE or PAGE_SIZE_HUGE */
};

/* Finds the leaf that translates `from`. Returns false, and leaves *leaf alone, if `from` is not
 * mapped or is beyond the tree. */
bool table_tree_lookup(const struct table_tree *tree, uint64_t from, struct table_leaf *leaf);

/* Gives all pages back, also the root. No processor may be using the tree, and it shares no tables
 * with an owner any more. */
void table_tree_destroy(struct table_tree *tree);

#endif
