// SPDX-License-Identifier: BSD-2-Clause
#include "arch/x86/memory/table_tree.h"

#include "vmm/base/bits.h"

#include <string.h>

#define ENTRIES_PER_TABLE 512
#define SHARE_LEVEL       4 /* whose entries cover TABLE_SHARE_BYTES each */

/* Returns the bytes that one entry of a table at this level spans; the lowest level is 1. */
static uint64_t level_bytes(unsigned level)
{
    return PAGE_SIZE << (9 * (level - 1));
}

static unsigned level_index(uint64_t address, unsigned level)
{
    return (unsigned)(address / level_bytes(level)) % ENTRIES_PER_TABLE;
}

static uint64_t read_entry(const uint64_t *entry)
{
    return __atomic_load_n(entry, __ATOMIC_RELAXED);
}

/* Has release order: a processor that walks through the new entry sees the table behind it
 * filled. */
static void write_entry(uint64_t *entry, uint64_t value)
{
    __atomic_store_n(entry, value, __ATOMIC_RELEASE);
}

static uint64_t *table_of(uint64_t entry)
{
    return (uint64_t *)(entry & TABLE_ADDRESS_MASK);
}

static bool is_present(const struct table_tree *tree, uint64_t entry)
{
    return (entry & tree->present_mask) != 0;
}

/* Expects a present entry. */
static bool is_leaf(uint64_t entry, unsigned level)
{
    return level == 1 || (entry & TABLE_LEAF) != 0;
}

static uint64_t *new_table(const struct table_tree *tree)
{
    uint64_t *table = tree->source.allocate(tree->source.context);
    if (table != NULL)
        memset(table, 0, PAGE_SIZE);
    return table;
}

enum status table_tree_init(struct table_tree *tree, unsigned levels, uint64_t largest_page_bytes,
                            uint64_t present_mask, uint64_t table_bits,
                            const struct page_source *source)
{
    unsigned leaf_level;

    switch (largest_page_bytes) {
    case PAGE_SIZE: leaf_level = 1; break;
    case PAGE_SIZE_LARGE: leaf_level = 2; break;
    case PAGE_SIZE_HUGE: leaf_level = 3; break;
    default: return STATUS_INVALID;
    }
    if (levels < 4 || levels > 5)
        return STATUS_INVALID;
    *tree = (struct table_tree){
        .levels = levels,
        .largest_leaf_level = leaf_level,
        .present_mask = present_mask,
        .table_bits = table_bits,
        .source = *source,
    };
    tree->root = new_table(tree);
    return tree->root == NULL ? STATUS_NO_MEMORY : STATUS_OK;
}

/* Makes *entry, which is empty or a leaf at this level, point to a new table that translates the
 * same. */
static enum status open_entry(const struct table_tree *tree, uint64_t *entry, unsigned level)
{
    uint64_t old = read_entry(entry);
    uint64_t *table = new_table(tree);

    if (table == NULL)
        return STATUS_NO_MEMORY;
    if (is_present(tree, old)) {
        uint64_t leaf = level == 2 ? old & ~TABLE_LEAF : old;
        for (unsigned i = 0; i < ENTRIES_PER_TABLE; i++)
            table[i] = leaf + i * level_bytes(level - 1);
    }
    write_entry(entry, (uint64_t)table | tree->table_bits);
    return STATUS_OK;
}

/* The work of one call: a range, and what its leaves become. the end of the range, as from
 * counts */
struct change {
    uint64_t from;
    uint64_t to;
    uint64_t end; /* of the range, in terms of from */
    uint64_t leaf_bits;
    bool is_map;
};

/* Makes that part of the change that lies under this table, and moves change->from behind it. */
static enum status change_table(const struct table_tree *tree, uint64_t *table, unsigned level,
                                struct change *change)
{
    uint64_t span = level_bytes(level);

    for (unsigned i = level_index(change->from, level);
         i < ENTRIES_PER_TABLE && change->from < change->end; i++) {
        uint64_t entry = read_entry(&table[i]);
        uint64_t next = align_down(change->from, span) + span;
        bool is_whole = is_aligned(change->from, span) && next <= change->end;
        bool is_table = is_present(tree, entry) && !is_leaf(entry, level);

        if (!is_present(tree, entry) && !change->is_map) {
            change->from = next;
            continue;
        }
        if (!is_table && is_whole &&
            (!change->is_map ||
             (level <= tree->largest_leaf_level && is_aligned(change->to, span)))) {
            uint64_t leaf = change->to | change->leaf_bits | (level > 1 ? TABLE_LEAF : 0);
            write_entry(&table[i], change->is_map ? leaf : 0);
            change->from += span;
            change->to += span;
            continue;
        }
        if (!is_table) {
            enum status status = open_entry(tree, &table[i], level);
            if (status != STATUS_OK)
                return status;
        }
        enum status status = change_table(tree, table_of(read_entry(&table[i])), level - 1, change);
        if (status != STATUS_OK)
            return status;
    }
    return STATUS_OK;
}

/* Returns whether [base, +size_bytes) lies below limit, without wrapping. */
static bool fits(uint64_t base, uint64_t size_bytes, uint64_t limit)
{
    return base < limit && size_bytes <= limit - base;
}

static enum status change_range(struct table_tree *tree, struct change change, uint64_t size_bytes)
{
    if (size_bytes == 0 || !is_aligned(change.from | change.to | size_bytes, PAGE_SIZE))
        return STATUS_INVALID;
    if (!fits(change.from, size_bytes, level_bytes(tree->levels + 1)) ||
        !fits(change.to, size_bytes, TABLE_ADDRESS_MASK + PAGE_SIZE))
        return STATUS_OUT_OF_RANGE;
    change.end = change.from + size_bytes;
    return change_table(tree, tree->root, tree->levels, &change);
}

enum status table_tree_map(struct table_tree *tree, uint64_t from, uint64_t to, uint64_t size_bytes,
                           uint64_t leaf_bits)
{
    return change_range(
        tree, (struct change){.from = from, .to = to, .leaf_bits = leaf_bits, .is_map = true},
        size_bytes);
}

enum status table_tree_unmap(struct table_tree *tree, uint64_t from, uint64_t size_bytes)
{
    return change_range(tree, (struct change){.from = from, .is_map = false}, size_bytes);
}

/* Returns the entry that covers [from, +TABLE_SHARE_BYTES), or null if its table does not exist. */
static uint64_t *share_entry(const struct table_tree *tree, uint64_t from)
{
    uint64_t *table = tree->root;

    for (unsigned level = tree->levels; level > SHARE_LEVEL; level--) {
        uint64_t entry = read_entry(&table[level_index(from, level)]);

        if (!is_present(tree, entry))
            return NULL;
        table = table_of(entry);
    }
    return &table[level_index(from, SHARE_LEVEL)];
}

enum status table_tree_share(struct table_tree *tree, const struct table_tree *owner, uint64_t from)
{
    const uint64_t *shared;
    uint64_t *entry;

    if (!is_aligned(from, TABLE_SHARE_BYTES) || tree->levels != owner->levels ||
        tree->present_mask != owner->present_mask || tree->table_bits != owner->table_bits)
        return STATUS_INVALID;
    if (from >= level_bytes(tree->levels + 1))
        return STATUS_OUT_OF_RANGE;
    shared = share_entry(owner, from);
    if (shared == NULL || !is_present(owner, read_entry(shared)))
        return STATUS_INVALID;
    entry = share_entry(tree, from);
    if (entry == NULL) {
        enum status status =
            open_entry(tree, &tree->root[level_index(from, tree->levels)], tree->levels);

        if (status != STATUS_OK)
            return status;
        entry = share_entry(tree, from);
    }
    if (is_present(tree, read_entry(entry)))
        return STATUS_INVALID;
    write_entry(entry, read_entry(shared));
    return STATUS_OK;
}

void table_tree_unshare(struct table_tree *tree, uint64_t from)
{
    uint64_t *entry = share_entry(tree, from);

    if (entry != NULL)
        write_entry(entry, 0);
}

bool table_tree_lookup(const struct table_tree *tree, uint64_t from, struct table_leaf *leaf)
{
    const uint64_t *table = tree->root;

    if (from >= level_bytes(tree->levels + 1))
        return false;
    for (unsigned level = tree->levels; level > 0; level--) {
        uint64_t entry = read_entry(&table[level_index(from, level)]);
        uint64_t span = level_bytes(level);

        if (!is_present(tree, entry))
            return false;
        if (is_leaf(entry, level)) {
            *leaf = (struct table_leaf){
                .address = (entry & TABLE_ADDRESS_MASK & ~(span - 1)) | (from & (span - 1)),
                .entry = entry,
                .page_size_bytes = span,
            };
            return true;
        }
        table = table_of(entry);
    }
    return false;
}

static void release_table(const struct table_tree *tree, uint64_t *table, unsigned level)
{
    for (unsigned i = 0; level > 1 && i < ENTRIES_PER_TABLE; i++) {
        if (is_present(tree, table[i]) && !is_leaf(table[i], level))
            release_table(tree, table_of(table[i]), level - 1);
    }
    tree->source.release(tree->source.context, table);
}

void table_tree_destroy(struct table_tree *tree)
{
    if (tree->root != NULL && tree->source.release != NULL)
        release_table(tree, tree->root, tree->levels);
    tree->root = NULL;
}
