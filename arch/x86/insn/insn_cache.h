// SPDX-License-Identifier: BSD-2-Clause
/* Instructions that were fetched and decoded before, for whoever executes them again and again.
 *
 * A processor may change its code and its page tables at any time and need not tell. So what is
 * kept is never believed: every use compares the paging-structure entries that led to the
 * instruction, and the instruction's bytes, with what is in memory now. If all are the same, a walk
 * and a decoding done now would end with the same result. One cache belongs to one vCPU; its size
 * is fixed; the place of an instruction follows from its address, and the last one there stays. */
#ifndef ARCH_X86_INSN_INSN_CACHE_H
#define ARCH_X86_INSN_INSN_CACHE_H

#include "arch/x86/insn/insn_plain.h"
#include "arch/x86/memory/guest_paging.h"

#define INSN_CACHE_COUNT  32
#define INSN_CACHE_LEVELS 4  /* paging structures in memory; deeper walks are not kept */
#define INSN_CACHE_WINDOW 16 /* bytes that hold the instruction */

/* Where an instruction is executed, and how: all on which fetch and decoding depend besides what is
 * in memory. */
struct insn_cache_key {
    uint64_t linear; /* address of its first byte */
    uint64_t root;   /* CR3; the PDPTE in use with PAE paging; 0 with paging off */
    uint32_t code;   /* the access rights of CS, not 0, and above them whatever else selects the
                      * formats of paging structures and code */
};

struct insn_cache_table {
    const uint64_t *at; /* eight bytes with the entry in them */
    uint64_t value;
};

struct insn_cache_entry {
    _Alignas(64) struct insn_cache_key key;
    const uint8_t *window; /* all in the page of the instruction */
    uint64_t bytes[INSN_CACHE_WINDOW / 8];
    uint64_t bytes_mask[INSN_CACHE_WINDOW / 8]; /* the instruction's among them */
    struct insn_cache_table tables[INSN_CACHE_LEVELS];
    struct insn_plain plain;
};

/* All zero is empty. */
struct insn_cache {
    struct insn_cache_entry entries[INSN_CACHE_COUNT];
};

/* Where an instruction came from. */
struct insn_cache_source {
    const uint8_t *bytes;                        /* as they were decoded */
    const struct guest_translation *translation; /* of the first one, for execution */
    /* Guest-physical memory, where it will stay as long as the cache is in use; null where there is
     * none. size_bytes 8 or PAGE_SIZE, address a multiple of it. */
    const void *(*memory)(void *context, gpa_t address, size_t size_bytes);
    void *context;
};

/* Keeps plain, if it and the tables can be kept: not an instruction that crosses a page, and not
 * what has changed meanwhile. */
void insn_cache_keep(struct insn_cache *cache, const struct insn_cache_key *key,
                     const struct insn_plain *plain, const struct insn_cache_source *source);

static inline struct insn_cache_entry *insn_cache_place(struct insn_cache *cache, uint64_t linear)
{
    return &cache->entries[(linear ^ linear >> 5) % INSN_CACHE_COUNT];
}

/* An unaligned load; memcpy would be a call in the monitor. */
struct insn_cache_bytes {
    uint64_t value;
} __attribute__((packed, may_alias));

static inline uint64_t insn_cache_load(const uint8_t *bytes)
{
    return ((const struct insn_cache_bytes *)bytes)->value;
}

/* What differs between memory and what is kept: 0 if nothing does. Without a branch, as nothing is
 * expected to. Entries before bytes, as a walk reads them. */
static inline uint64_t insn_cache_changes(const struct insn_cache_entry *entry)
{
    uint64_t changes = 0;

#pragma GCC unroll 4
    for (unsigned i = 0; i < INSN_CACHE_LEVELS; i++)
        changes |= __atomic_load_n(entry->tables[i].at, __ATOMIC_ACQUIRE) ^ entry->tables[i].value;
#pragma GCC unroll 2
    for (unsigned i = 0; i < ARRAY_COUNT(entry->bytes); i++)
        changes |=
            (insn_cache_load(entry->window + 8 * i) ^ entry->bytes[i]) & entry->bytes_mask[i];
    return changes;
}

/* The instruction there, as it is in memory now; null if it is not known. */
static inline const struct insn_plain *insn_cache_find(struct insn_cache *cache,
                                                       const struct insn_cache_key *key)
{
    const struct insn_cache_entry *entry = insn_cache_place(cache, key->linear);

    if (__builtin_expect(entry->key.linear != key->linear || entry->key.root != key->root ||
                             entry->key.code != key->code || insn_cache_changes(entry) != 0,
                         0))
        return NULL;
    return &entry->plain;
}

#endif
