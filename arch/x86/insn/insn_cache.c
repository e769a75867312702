// SPDX-License-Identifier: BSD-2-Clause
#include "arch/x86/insn/insn_cache.h"

#include "vmm/base/bits.h"

#include <string.h>

/* Stands for the paging entries that a walk does not have. */
static const uint64_t no_entry = 0;

/* Keeps one entry of the walk; an entry of 4 bytes together with its neighbour, so that a change of
 * the neighbour counts as a change too. Returns false if there is no memory or the entry is not
 * what the walk found. */
static bool keep_table(struct insn_cache_table *table, const struct guest_paging_entry *entry,
                       unsigned entry_bytes, const struct insn_cache_source *source)
{
    uint64_t start = align_down(entry->address.value, sizeof(uint64_t));
    unsigned shift = (unsigned)(entry->address.value - start) * 8;

    table->at = source->memory(source->context, GPA(start), sizeof(uint64_t));
    if (table->at == NULL)
        return false;
    table->value = __atomic_load_n(table->at, __ATOMIC_ACQUIRE);
    return (table->value >> shift & bytes_mask(entry_bytes)) == entry->value;
}

static bool keep_tables(struct insn_cache_entry *entry, const struct insn_cache_source *source)
{
    const struct guest_translation *translation = source->translation;

    if (translation->entry_count > INSN_CACHE_LEVELS)
        return false;
    for (unsigned i = 0; i < INSN_CACHE_LEVELS; i++) {
        entry->tables[i] = (struct insn_cache_table){.at = &no_entry};
        if (i < translation->entry_count && !keep_table(&entry->tables[i], &translation->entries[i],
                                                        translation->entry_bytes, source))
            return false;
    }
    return true;
}

/* Keeps the instruction's bytes. The window begins with the instruction, unless it would then end
 * beyond the page: then it ends with the page. Returns false if there is no memory or the
 * instruction crosses the page. */
static bool keep_bytes(struct insn_cache_entry *entry, unsigned length,
                       const struct insn_cache_source *source)
{
    uint64_t address = source->translation->address.value;
    uint64_t page = align_down(address, PAGE_SIZE), offset = address - page, start = offset;
    const uint8_t *memory = source->memory(source->context, GPA(page), PAGE_SIZE);
    uint8_t bytes[INSN_CACHE_WINDOW] = {0}, mask[INSN_CACHE_WINDOW] = {0};

    if (memory == NULL || offset + length > PAGE_SIZE)
        return false;
    if (start > PAGE_SIZE - INSN_CACHE_WINDOW)
        start = PAGE_SIZE - INSN_CACHE_WINDOW;
    memcpy(bytes + (offset - start), source->bytes, length);
    memset(mask + (offset - start), 0xff, length);
    memcpy(entry->bytes, bytes, sizeof(bytes));
    memcpy(entry->bytes_mask, mask, sizeof(mask));
    entry->window = memory + start;
    return true;
}

void insn_cache_keep(struct insn_cache *cache, const struct insn_cache_key *key,
                     const struct insn_plain *plain, const struct insn_cache_source *source)
{
    struct insn_cache_entry *entry = insn_cache_place(cache, key->linear);

    entry->key = (struct insn_cache_key){0};
    if (!keep_tables(entry, source) || !keep_bytes(entry, plain->length, source))
        return;
    entry->plain = *plain;
    entry->key = *key;
}

void insn_cache_forget(struct insn_cache *cache)
{
    for (unsigned i = 0; i < INSN_CACHE_COUNT; i++)
        cache->entries[i].key = (struct insn_cache_key){0};
}
